//! What a backup reads: the trees of this machine, or those that another tool has stored.

use super::{Labels, Run, Source, SourceError, SourceFile, Stat, Step};
use crate::manifest::Key;
use std::sync::Arc;

/// Trees that can be backed up. Several threads read them while one walks.
pub trait Trees: Send + Sync {
    /// The keys of what is backed up, sorted, without those that lie inside of others; none when there is no tree.
    fn arguments(&self) -> Vec<Key>;

    /// Walks over everything, in the order of keys, ancestors of the arguments first.
    fn steps(self: Arc<Self>) -> Box<dyn Iterator<Item = Result<Step, SourceError>>>;

    /// As [`Source::stat`].
    ///
    /// # Errors
    /// When the entry can't be looked at.
    fn stat(&self, key: &Key) -> Result<Stat, SourceError>;

    /// As [`Source::open_file`].
    ///
    /// # Errors
    /// When there is no file that can be read.
    fn open_file(&self, key: &Key) -> Result<Box<dyn TreeFile>, SourceError>;

    /// As [`Source::open_walked`].
    ///
    /// # Errors
    /// When there is nothing that can be read.
    fn open_walked(&self, key: &Key, walked: &Stat) -> Result<Box<dyn TreeFile>, SourceError>;

    /// The target of a symbolic link.
    ///
    /// # Errors
    /// When it can't be read.
    fn read_link(&self, key: &Key) -> Result<Vec<u8>, SourceError>;

    /// The extended attributes of an entry of any kind, sorted by name.
    ///
    /// # Errors
    /// When they can't be read.
    fn xattrs(&self, key: &Key) -> Result<Labels, SourceError>;
}

/// One open file of such a tree.
pub trait TreeFile {
    /// As [`SourceFile::stat`].
    fn stat(&self) -> &Stat;

    /// As [`SourceFile::stat_again`].
    ///
    /// # Errors
    /// When it can't be looked at.
    fn stat_again(&self) -> Result<Stat, SourceError>;

    /// As [`SourceFile::run_at`].
    ///
    /// # Errors
    /// When it can't be looked at.
    fn run_at(&self, offset: u64) -> Result<Option<Run>, SourceError>;

    /// As [`SourceFile::read_at`].
    ///
    /// # Errors
    /// When it can't be read.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError>;

    /// As [`SourceFile::xattrs`].
    ///
    /// # Errors
    /// When they can't be read.
    fn xattrs(&self) -> Result<Labels, SourceError>;
}

impl Trees for Source {
    fn arguments(&self) -> Vec<Key> {
        Self::arguments(self).collect()
    }

    fn steps(self: Arc<Self>) -> Box<dyn Iterator<Item = Result<Step, SourceError>>> {
        Box::new(Self::walk(&self))
    }

    fn stat(&self, key: &Key) -> Result<Stat, SourceError> {
        Self::stat(self, key)
    }

    fn open_file(&self, key: &Key) -> Result<Box<dyn TreeFile>, SourceError> {
        Ok(Box::new(Self::open_file(self, key)?))
    }

    fn open_walked(&self, key: &Key, walked: &Stat) -> Result<Box<dyn TreeFile>, SourceError> {
        Ok(Box::new(Self::open_walked(self, key, walked)?))
    }

    fn read_link(&self, key: &Key) -> Result<Vec<u8>, SourceError> {
        Self::read_link(self, key)
    }

    fn xattrs(&self, key: &Key) -> Result<Labels, SourceError> {
        Self::xattrs(self, key)
    }
}

impl TreeFile for SourceFile {
    fn stat(&self) -> &Stat {
        Self::stat(self)
    }

    fn stat_again(&self) -> Result<Stat, SourceError> {
        Self::stat_again(self)
    }

    fn run_at(&self, offset: u64) -> Result<Option<Run>, SourceError> {
        Self::run_at(self, offset)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
        Self::read_at(self, offset, buffer)
    }

    fn xattrs(&self) -> Result<Labels, SourceError> {
        Self::xattrs(self)
    }
}

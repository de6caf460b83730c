//! Reads the trees that are backed up: walks them in key order, opens files and reads content, holes and attributes.
//!
//! Nothing is reached through a link but what the user named. What vanishes, changes its kind or can't be read is
//! returned to the caller as data, never passed over, and never waited for: a pipe that takes a file's place does not
//! block.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use holdall::source::{Source, WalkOptions};
//! let source = Arc::new(Source::open(&["/home/ada".into()], WalkOptions::default())?);
//! for walked in source.walk() {
//!     match walked {
//!         Ok(walked) => { /* compare walked.stat, then source.open_file(&walked.key)? */ }
//!         Err(problem) => { /* a problem in the place of the entry problem.key() */ }
//!     }
//! }
//! # Ok::<(), holdall::source::SourceError>(())
//! ```

mod arguments;
mod crew;
mod error;
mod file;
mod stat;
mod tasks;
mod walk;

pub use error::{Operation, SourceError};
pub use file::{Run, SourceFile};
pub use stat::Stat;
pub use walk::{Role, Walk, Walked};

use std::path::PathBuf;
use std::sync::Arc;

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

use crate::fs::{Handles, Labelled, look_at, look_through, path_of, split};
use crate::manifest::{Key, Xattr};
use arguments::Arguments;
use crew::Lead;

/// Whether an entry is left out, with all that is below it.
pub type Exclude = dyn Fn(&Key, &Stat) -> bool + Send + Sync;

/// Whether the walk enters file systems that are mounted below an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Borders {
    /// Enters them.
    #[default]
    Cross,
    /// Returns the directory on which they are mounted, without what is below it.
    Stay,
}

/// How to walk.
#[derive(Clone)]
#[non_exhaustive]
pub struct WalkOptions {
    exclude: Option<Arc<Exclude>>,
    borders: Borders,
    thread_count: usize,
    open_count_max: usize,
    lead: Lead,
}

impl Default for WalkOptions {
    fn default() -> Self {
        Self { exclude: None, borders: Borders::Cross, thread_count: 3, open_count_max: 256, lead: Lead::default() }
    }
}

impl std::fmt::Debug for WalkOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let excludes = self.exclude.is_some();
        f.debug_struct("WalkOptions")
            .field("excludes", &excludes)
            .field("borders", &self.borders)
            .finish_non_exhaustive()
    }
}

impl WalkOptions {
    /// Leaves out what `exclude` says, asked for every entry by several threads; ancestors are not asked about.
    #[must_use]
    pub fn exclude(mut self, exclude: Arc<Exclude>) -> Self {
        self.exclude = Some(exclude);
        self
    }

    /// Whether file systems mounted below the arguments are entered.
    #[must_use]
    pub fn borders(mut self, borders: Borders) -> Self {
        self.borders = borders;
        self
    }

    /// How many threads read directories ahead; more help where the disk is slow.
    #[must_use]
    pub fn thread_count(mut self, thread_count: usize) -> Self {
        self.thread_count = thread_count;
        self
    }

    /// How many directories stay open at most.
    #[must_use]
    pub fn open_count_max(mut self, open_count_max: usize) -> Self {
        self.open_count_max = open_count_max;
        self
    }
}

/// The trees that a backup reads, shared by the threads that read them.
pub struct Source {
    handles: Handles,
    arguments: Arguments,
    options: WalkOptions,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").field("arguments", &self.arguments).field("options", &self.options).finish()
    }
}

impl Source {
    /// The trees at `paths`; relative ones start at the working directory.
    ///
    /// A path inside of another one is part of it. Links *on the way* to what a path names are followed, a link that
    /// it names is not, unless the path ends with a slash. Whether the things exist is found by the walk.
    ///
    /// # Errors
    /// [`SourceError::Argument`] for no paths at all and for paths that can't be made absolute.
    pub fn open(paths: &[PathBuf], options: WalkOptions) -> Result<Self, SourceError> {
        let arguments = Arguments::parse(paths)?;
        let root = openat(rustix::fs::CWD, "/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|errno| SourceError::refused(&Key::root(), Operation::Open, errno))?;
        let handles = Handles::new(root, options.open_count_max).following(arguments.followed());
        Ok(Self { handles, arguments, options })
    }

    /// The keys of the arguments, sorted, without those that lie inside of others.
    pub fn arguments(&self) -> impl Iterator<Item = Key> + '_ {
        self.arguments.keys().iter().cloned()
    }

    /// Starts a walk over everything, directories read ahead by threads of its own.
    ///
    /// Entries come in the order of their keys, ancestors of the arguments first.
    pub fn walk(self: &Arc<Self>) -> Walk {
        Walk::start(Arc::clone(self))
    }

    /// Looks at an entry again, for instance after a change was noticed.
    ///
    /// # Errors
    /// [`SourceError::Refused`], also for what is no longer there.
    pub fn stat(&self, key: &Key) -> Result<Stat, SourceError> {
        self.stat_key(key.as_bytes()).map_err(|errno| SourceError::refused(key, Operation::Stat, errno))
    }

    /// Opens a regular file for reading, without following a link and without ever waiting for a pipe.
    ///
    /// # Errors
    /// [`SourceError::NotAFile`] if something else is there by now, [`SourceError::Refused`] otherwise.
    pub fn open_file(&self, key: &Key) -> Result<SourceFile, SourceError> {
        SourceFile::open(self, key)
    }

    /// Opens what the walk saw as a regular file and takes its word for it: the file is not looked at. Whoever reads
    /// must compare what it is [afterwards](SourceFile::stat_again) with all that the walk saw, the inode as well, and
    /// may find that it has read a directory, a pipe or a device, which never blocks.
    ///
    /// # Errors
    /// As [`Self::open_file`].
    pub fn open_walked(&self, key: &Key, walked: &Stat) -> Result<SourceFile, SourceError> {
        SourceFile::open_walked(self, key, walked)
    }

    /// Reads the target of a symbolic link.
    ///
    /// # Errors
    /// [`SourceError::Refused`], with `EINVAL` for what is no link by now.
    pub fn read_link(&self, key: &Key) -> Result<Vec<u8>, SourceError> {
        let refused = |errno| SourceError::refused(key, Operation::ReadLink, errno);
        let (directory, name) = self.place(key.as_bytes()).map_err(refused)?;
        let target = rustix::fs::readlinkat(directory, name, Vec::new()).map_err(refused)?;
        Ok(target.into_bytes())
    }

    /// Reads all extended attributes of an entry of any kind, ACLs and capabilities among them, sorted by name.
    ///
    /// For a file that is open, [`SourceFile::xattrs`] is surer: it can't meet another file.
    ///
    /// # Errors
    /// [`SourceError::Refused`]; a file system without attributes has none and is no error.
    pub fn xattrs(&self, key: &Key) -> Result<Vec<Xattr>, SourceError> {
        let refused = |errno| SourceError::refused(key, Operation::Attributes, errno);
        let (directory, name) = self.place(key.as_bytes()).map_err(refused)?;
        let labelled = if self.handles.is_followed(key.as_bytes()) {
            Labelled::Followed([path_of(&directory).as_slice(), b"/", name].concat())
        } else {
            Labelled::named(&directory, name)
        };
        xattrs_of(&labelled).map_err(refused)
    }

    fn stat_key(&self, key: &[u8]) -> Result<Stat, Errno> {
        if self.handles.is_followed(key) {
            return Ok(look_through(self.handles.directory(key)?)?.into());
        }
        let (directory, name) = self.place(key)?;
        Ok(look_at(directory, name)?.into())
    }

    /// The directory that holds an entry, and its name there; the root is `.` in itself.
    fn place<'a>(&self, key: &'a [u8]) -> Result<(Arc<OwnedFd>, &'a [u8]), Errno> {
        match split(key) {
            Some((directory, name)) => Ok((self.handles.directory(directory)?, name)),
            None => Ok((self.handles.root(), b".")),
        }
    }
}

fn xattrs_of(labelled: &Labelled<'_>) -> Result<Vec<Xattr>, Errno> {
    Ok(labelled.read_all()?.into_iter().map(|(name, value)| Xattr { name, value }).collect())
}

#[cfg(test)]
mod tests;

//! Reads the trees that are backed up: walks them in key order, opens files and reads content, holes and attributes.
//!
//! Nothing is reached through a link but what the user named. What vanishes, changes its kind or can't be read is
//! returned to the caller as data, never passed over, and never waited for: a pipe that takes a file's place does not
//! block.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use holdall::source::{Source, Step, WalkOptions};
//! let source = Arc::new(Source::open(&["/home/ada".into()], WalkOptions::default())?);
//! for step in source.walk() {
//!     match step {
//!         Ok(Step::Entry(walked)) => { /* compare walked.stat, then source.open_file(&walked.key)? */ }
//!         Ok(Step::LeftOut { key, rule }) => { /* the selection says so */ }
//!         Err(problem) => { /* a problem in the place of the entry problem.key() */ }
//!     }
//! }
//! # Ok::<(), holdall::source::SourceError>(())
//! ```

mod arguments;
mod crew;
mod error;
mod file;
mod ignoring;
mod labels;
mod selection;
mod stat;
mod stream;
mod tasks;
mod trees;
mod walk;

pub use error::{Operation, SourceError};
pub use file::{Run, SourceFile};
pub use labels::Labels;
pub use selection::Selection;
pub use stat::Stat;
pub use stream::{SourceStream, StreamError, StreamInput};
pub use trees::{TreeFile, Trees};
pub use walk::{Evidence, Role, Step, Walk, Walked};

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, Statx, openat};
use rustix::io::Errno;

use crate::fs::{Handles, Labelled, look_at, look_through, path_of, split};
use crate::manifest::Key;
use arguments::Arguments;
use crew::Lead;

/// How to walk.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WalkOptions {
    selection: Selection,
    thread_count: usize,
    open_count_max: usize,
    lead: Lead,
    #[cfg(test)]
    watch: tests::Watch,
}

impl Default for WalkOptions {
    fn default() -> Self {
        Self {
            selection: Selection::default(),
            thread_count: 3,
            open_count_max: 256,
            lead: Lead::default(),
            #[cfg(test)]
            watch: tests::Watch::default(),
        }
    }
}

impl WalkOptions {
    /// What is left out.
    #[must_use]
    pub fn selection(mut self, selection: Selection) -> Self {
        self.selection = selection;
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
    /// A path inside of another one is part of it, and what it names is taken whatever is left out there. Links *on the
    /// way* to what a path names are followed, a link that it names is not, unless the path ends with a slash. Whether the
    /// things exist is found by the walk.
    ///
    /// # Errors
    /// [`SourceError::Argument`] for no paths at all and for paths that can't be made absolute.
    pub fn open(paths: &[PathBuf], options: WalkOptions) -> Result<Self, SourceError> {
        Self::of(Arguments::parse(paths)?, options)
    }

    /// No trees at all: a walk meets the root alone.
    ///
    /// # Errors
    /// [`SourceError::Refused`] where the root can't be opened.
    pub fn nothing() -> Result<Self, SourceError> {
        Self::of(Arguments::default(), WalkOptions::default())
    }

    /// The tree below a directory, whose keys begin there, to look at single entries; a walk meets the root alone.
    ///
    /// # Errors
    /// [`SourceError::Refused`] where the directory can't be opened.
    pub fn below(directory: &Path) -> Result<Self, SourceError> {
        let root =
            openat(rustix::fs::CWD, directory, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
                .map_err(|errno| SourceError::refused(&Key::root(), Operation::Open, errno))?;
        let options = WalkOptions::default();
        let handles = Handles::new(root, options.open_count_max);
        Ok(Self { handles, arguments: Arguments::default(), options })
    }

    fn of(arguments: Arguments, options: WalkOptions) -> Result<Self, SourceError> {
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
        let found =
            self.statx_key(key.as_bytes()).map_err(|errno| SourceError::refused(key, Operation::Stat, errno))?;
        Ok(found.into())
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
    pub fn xattrs(&self, key: &Key) -> Result<Labels, SourceError> {
        let refused = |errno| SourceError::refused(key, Operation::Attributes, errno);
        let (directory, name) = self.place(key.as_bytes()).map_err(refused)?;
        let labelled = if self.handles.is_followed(key.as_bytes()) {
            Labelled::Followed([path_of(&directory).as_slice(), b"/", name].concat())
        } else {
            Labelled::named(&directory, name)
        };
        labels::labels(&labelled, key)
    }

    fn statx_key(&self, key: &[u8]) -> Result<Statx, Errno> {
        if self.handles.is_followed(key) {
            return look_through(self.handles.directory(key)?);
        }
        let (directory, name) = self.place(key)?;
        look_at(directory, name)
    }

    /// The directory that holds an entry, and its name there; the root is `.` in itself.
    fn place<'a>(&self, key: &'a [u8]) -> Result<(Arc<OwnedFd>, &'a [u8]), Errno> {
        match split(key) {
            Some((directory, name)) => Ok((self.handles.directory(directory)?, name)),
            None => Ok((self.handles.root(), b".")),
        }
    }
}

#[cfg(test)]
mod tests;

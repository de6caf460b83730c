//! What can go wrong while a tree is written.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::fs;
use crate::manifest::{Key, Kind};

/// What was being done when the operating system refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Looking at what is there.
    Look,
    /// Reading the names in a directory.
    List,
    /// Making a directory.
    MakeDirectory,
    /// Making or opening a file.
    OpenFile,
    /// Making a symbolic link.
    MakeSymlink,
    /// Giving a file another name.
    MakeLink,
    /// Making a pipe, socket or device node.
    MakeSpecial,
    /// Removing what is in the way or not wanted.
    Remove,
    /// Reading content that is there.
    Read,
    /// Writing content, or making a hole.
    Write,
    /// Setting a mode.
    SetMode,
    /// Waiting for the disk.
    Sync,
}

impl std::fmt::Display for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Look => "look at",
            Self::List => "list",
            Self::MakeDirectory => "make the directory",
            Self::OpenFile => "make the file",
            Self::MakeSymlink => "make the symbolic link",
            Self::MakeLink => "make the hard link",
            Self::MakeSpecial => "make the node",
            Self::Remove => "remove",
            Self::Read => "read",
            Self::Write => "write",
            Self::SetMode => "set the mode of",
            Self::Sync => "sync",
        })
    }
}

/// An entry of the target, and where the target lies once that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    target: PathBuf,
    key: Key,
}

impl From<&Key> for Spot {
    fn from(key: &Key) -> Self {
        Self { target: PathBuf::new(), key: key.clone() }
    }
}

impl std::fmt::Display for Spot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let target = self.target.as_os_str().as_bytes();
        let target = target.strip_suffix(b"/").unwrap_or(target);
        match (target, self.key.is_root()) {
            ([], _) | (_, false) => write!(f, "{}{}", target.escape_ascii(), self.key),
            (_, true) => write!(f, "{}", target.escape_ascii()),
        }
    }
}

/// Why something was not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DestinationError {
    /// The target directory can't be used.
    #[error("can't write into {path:?}")]
    Target {
        /// Its path as given.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The operating system refused.
    #[error("can't {operation} {place}")]
    Refused {
        /// The entry.
        place: Spot,
        /// What was being done.
        operation: Operation,
        /// Its answer.
        source: io::Error,
    },
    /// A directory that is not empty lies where something else shall be.
    #[error("{place} is a directory that is not empty, in the place of something else")]
    InTheWay {
        /// The entry.
        place: Spot,
    },
    /// Something lies where nothing was: somebody put it there, or the file system takes its name for this one.
    #[error(
        "{place} is there already: it may have another name that is the same here, as A and a are on some file systems"
    )]
    Taken {
        /// The entry.
        place: Spot,
    },
    /// Something else lies where metadata shall be set.
    #[error("{place} should be a {wanted:?}, found a {found:?}")]
    OtherKind {
        /// The entry.
        place: Spot,
        /// What is there.
        found: Kind,
        /// What should be.
        wanted: Kind,
    },
    /// Somebody puts things there as fast as they are taken out of the way.
    #[error("{place} keeps changing")]
    Restless {
        /// The entry.
        place: Spot,
    },
}

impl DestinationError {
    pub(super) fn refused(key: &Key, operation: Operation, errno: Errno) -> Self {
        Self::Refused { place: key.into(), operation, source: errno.into() }
    }

    /// The same error, which names the entry by where it lies: in the target at this path.
    #[must_use]
    pub fn within(mut self, path: &Path) -> Self {
        match &mut self {
            Self::Refused { place, .. }
            | Self::InTheWay { place }
            | Self::Taken { place }
            | Self::OtherKind { place, .. }
            | Self::Restless { place } => place.target = path.to_path_buf(),
            Self::Target { .. } => {}
        }
        self
    }

    /// Whether the system forbade to change something that is there, which it does to nobody but those without the right
    /// to, unless the thing itself is protected.
    pub fn is_forbidden(&self) -> bool {
        match self {
            Self::Refused { operation, source, .. } => {
                let is_change = match operation {
                    Operation::MakeDirectory
                    | Operation::OpenFile
                    | Operation::MakeSymlink
                    | Operation::Remove
                    | Operation::Write
                    | Operation::SetMode => true,
                    // Some file systems know no such things.
                    Operation::MakeLink | Operation::MakeSpecial => false,
                    Operation::Look | Operation::List | Operation::Read | Operation::Sync => false,
                };
                is_change && source.raw_os_error() == Some(Errno::PERM.raw_os_error())
            }
            Self::Target { .. }
            | Self::InTheWay { .. }
            | Self::Taken { .. }
            | Self::OtherKind { .. }
            | Self::Restless { .. } => false,
        }
    }

    /// Whether a thing that is there takes no further name at this place: another file system is mounted there, it has as many
    /// as it may have, or its file system knows none. A copy may do.
    pub fn is_unlinkable(&self) -> bool {
        let errnos = [Errno::XDEV, Errno::MLINK, Errno::PERM, Errno::OPNOTSUPP, Errno::NOSYS];
        match self {
            Self::Refused { operation: Operation::MakeLink, .. } => {
                errnos.iter().any(|errno| errno.raw_os_error() == self.errno())
            }
            Self::Refused { .. }
            | Self::Target { .. }
            | Self::InTheWay { .. }
            | Self::Taken { .. }
            | Self::OtherKind { .. }
            | Self::Restless { .. } => false,
        }
    }

    /// The operating system's number for the cause; 0 if it has none.
    pub fn errno(&self) -> i32 {
        match self {
            Self::Refused { source, .. } | Self::Target { source, .. } => source.raw_os_error().unwrap_or_default(),
            Self::InTheWay { .. } | Self::Taken { .. } | Self::OtherKind { .. } | Self::Restless { .. } => 0,
        }
    }

    /// Whether the disk or the user's share of it is full: nothing more can be written.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Refused { source, .. } | Self::Target { source, .. } => fs::is_full(source),
            Self::InTheWay { .. } | Self::Taken { .. } | Self::OtherKind { .. } | Self::Restless { .. } => false,
        }
    }
}

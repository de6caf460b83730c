//! What can go wrong while a tree is written.

use std::io;
use std::path::PathBuf;

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
    #[error("can't {operation} {key}")]
    Refused {
        /// The entry.
        key: Key,
        /// What was being done.
        operation: Operation,
        /// Its answer.
        source: io::Error,
    },
    /// A directory that is not empty lies where something else shall be.
    #[error("{key} is a directory that is not empty, in the place of something else")]
    InTheWay {
        /// The entry.
        key: Key,
    },
    /// Something else lies where metadata shall be set.
    #[error("{key} should be a {wanted:?}, found a {found:?}")]
    OtherKind {
        /// The entry.
        key: Key,
        /// What is there.
        found: Kind,
        /// What should be.
        wanted: Kind,
    },
    /// Somebody puts things there as fast as they are taken out of the way.
    #[error("{key} keeps changing")]
    Restless {
        /// The entry.
        key: Key,
    },
}

impl DestinationError {
    pub(super) fn refused(key: &Key, operation: Operation, errno: Errno) -> Self {
        Self::Refused { key: key.clone(), operation, source: errno.into() }
    }

    /// The entry that it is about, if it is about one.
    pub fn key(&self) -> Option<&Key> {
        match self {
            Self::Refused { key, .. }
            | Self::InTheWay { key }
            | Self::OtherKind { key, .. }
            | Self::Restless { key } => Some(key),
            Self::Target { .. } => None,
        }
    }

    /// The operating system's number for the cause; 0 if it has none.
    pub fn errno(&self) -> i32 {
        match self {
            Self::Refused { source, .. } | Self::Target { source, .. } => source.raw_os_error().unwrap_or_default(),
            Self::InTheWay { .. } | Self::OtherKind { .. } | Self::Restless { .. } => 0,
        }
    }

    /// Whether the disk or the user's share of it is full: nothing more can be written.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Refused { source, .. } | Self::Target { source, .. } => fs::is_full(source),
            Self::InTheWay { .. } | Self::OtherKind { .. } | Self::Restless { .. } => false,
        }
    }
}

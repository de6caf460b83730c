//! What can go wrong while a tree is read.

use std::io;
use std::path::PathBuf;

use rustix::io::Errno;

use crate::manifest::{Key, KeyError, Kind};

/// What was being done when the operating system refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Looking at an entry.
    Stat,
    /// Reading the names in a directory.
    List,
    /// Opening a file or a directory.
    Open,
    /// Reading content.
    Read,
    /// Reading the target of a symbolic link.
    ReadLink,
    /// Reading extended attributes.
    Attributes,
}

impl std::fmt::Display for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Stat => "look at",
            Self::List => "list",
            Self::Open => "open",
            Self::Read => "read",
            Self::ReadLink => "read the link",
            Self::Attributes => "read the attributes of",
        })
    }
}

/// Why something was not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// A path that nothing can be read from.
    #[error("can't back up {path:?}: {reason}")]
    Argument {
        /// The path as given; empty if there was none.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
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
    /// The operating system refused one extended attribute.
    #[error("can't read the attribute {} of {key}", .name.escape_ascii())]
    Attribute {
        /// The entry.
        key: Key,
        /// The name of the attribute.
        name: Vec<u8>,
        /// Its answer.
        source: io::Error,
    },
    /// Something that was a file when it was looked at is something else now.
    #[error("{key} is no longer a file: {found:?}")]
    NotAFile {
        /// The entry.
        key: Key,
        /// What it is now.
        found: Kind,
    },
    /// Another tool has stored it, and it can't be had from there.
    #[error("can't {operation} {key}")]
    Stored {
        /// The entry.
        key: Key,
        /// What was being done.
        operation: Operation,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An entry whose path can't be a key: it is too long for the manifest.
    #[error("something in {directory} can't be stored")]
    Unstorable {
        /// The directory that holds it, or one above that.
        directory: Key,
        /// What is wrong.
        source: KeyError,
    },
}

impl SourceError {
    pub(super) fn refused(key: &Key, operation: Operation, errno: Errno) -> Self {
        Self::Refused { key: key.clone(), operation, source: errno.into() }
    }

    /// The entry that it is about, or the directory of one whose own path can't be a key.
    pub fn key(&self) -> Option<&Key> {
        match self {
            Self::Refused { key, .. }
            | Self::Attribute { key, .. }
            | Self::NotAFile { key, .. }
            | Self::Stored { key, .. }
            | Self::Unstorable { directory: key, .. } => Some(key),
            Self::Argument { .. } => None,
        }
    }

    /// The operating system's number for the cause, as it is stored with an unreadable entry; 0 if it has none.
    pub fn errno(&self) -> i32 {
        match self {
            Self::Refused { source, .. } | Self::Attribute { source, .. } => source.raw_os_error().unwrap_or_default(),
            Self::Unstorable { .. } => Errno::NAMETOOLONG.raw_os_error(),
            Self::Stored { .. } => Errno::IO.raw_os_error(),
            Self::NotAFile { .. } | Self::Argument { .. } => 0,
        }
    }

    /// Whether the entry was removed since its name was read.
    pub fn is_vanished(&self) -> bool {
        self.errno() == Errno::NOENT.raw_os_error()
    }
}

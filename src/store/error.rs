//! Why a store could not do what it was asked for.

use super::ObjectName;
use crate::fs::is_full;

/// Why a store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no object of this name.
    #[error("{name} is not in the repository")]
    NotFound {
        /// The object.
        name: ObjectName,
    },
    /// An object is larger than anything of its kind may be.
    #[error("{name} has {bytes} bytes, more than the {limit_bytes} it may have")]
    TooLarge {
        /// The object.
        name: ObjectName,
        /// Its length.
        bytes: u64,
        /// The most it may have.
        limit_bytes: u64,
    },
    /// A range reaches beyond the end of an object.
    #[error("{name} ends before byte {end}")]
    OutOfRange {
        /// The object.
        name: ObjectName,
        /// The end of the range.
        end: u64,
    },
    /// Something lies under the name of an object that is not a regular file.
    #[error("{name} is not a regular file")]
    NotAFile {
        /// The object.
        name: ObjectName,
    },
    /// What was to take the place of a damaged object is not what its name stands for either.
    #[error("what was to replace {name} does not fit its name or checksum")]
    Unproven {
        /// The object.
        name: ObjectName,
    },
    /// The store does not replace damaged objects.
    #[error("{name} can't be replaced: {place} takes only new objects")]
    Unmendable {
        /// The object.
        name: ObjectName,
        /// The store.
        place: String,
    },
    /// The medium is full, or a quota is used up.
    #[error("no space left: {operation} {place}")]
    NoSpace {
        /// What was being done.
        operation: &'static str,
        /// To what.
        place: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The system gives this process no more of what it needs: open files, or memory.
    #[error("{operation} {place}: {source}")]
    Exhausted {
        /// What was being done.
        operation: &'static str,
        /// To what.
        place: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The medium can't be written.
    #[error("read-only file system: {operation} {place}")]
    ReadOnly {
        /// What was being done.
        operation: &'static str,
        /// To what.
        place: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The user may not do this.
    #[error("permission denied: {operation} {place}")]
    Denied {
        /// What was being done.
        operation: &'static str,
        /// To what.
        place: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// There is no repository.
    #[error("{place} is not a repository: it has no folder \"config\" with a configuration in it")]
    NotARepository {
        /// The place.
        place: String,
    },
    /// A repository is to be made where one is.
    #[error("{place} is a repository already: back up to it, or name another folder")]
    ARepository {
        /// The place.
        place: String,
    },
    /// A repository is to be made where something else lies.
    #[error("{place} is not empty: it holds {found}")]
    NotEmpty {
        /// The place.
        place: String,
        /// One of the things found there.
        found: String,
    },
    /// The file system can't create a file only if it is absent.
    #[error("{place} can't hold a repository: {missing}")]
    Unsupported {
        /// The place.
        place: String,
        /// What is missing.
        missing: String,
    },
    /// What was just created in a directory does not show in its listing, or what was removed still does.
    #[error("the listing of {place} does not show what was just written there")]
    StaleListing {
        /// The directory.
        place: String,
    },
    /// An earlier write failed in a way that leaves later ones without worth.
    #[error("nothing more is written to {place}: {reason}")]
    Abandoned {
        /// The place.
        place: String,
        /// What failed.
        reason: String,
    },
    /// Anything else that the system said.
    #[error("{operation} {place}: {source}")]
    Io {
        /// What was being done.
        operation: &'static str,
        /// To what.
        place: String,
        /// What the system said.
        source: std::io::Error,
    },
}

impl StoreError {
    /// Gives an error of the system its type.
    pub(crate) fn from_io(operation: &'static str, place: impl Into<String>, source: std::io::Error) -> Self {
        let place = place.into();
        match rustix::io::Errno::from_io_error(&source) {
            _ if is_full(&source) => Self::NoSpace { operation, place, source },
            Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE | rustix::io::Errno::NOMEM) => {
                Self::Exhausted { operation, place, source }
            }
            Some(rustix::io::Errno::ROFS) => Self::ReadOnly { operation, place, source },
            Some(rustix::io::Errno::ACCESS | rustix::io::Errno::PERM) => Self::Denied { operation, place, source },
            _ => Self::Io { operation, place, source },
        }
    }

    /// Whether the object is simply not there.
    pub const fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    /// Whether a file was not where it had been made.
    pub(crate) fn is_vanished(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
    }

    /// Whether the medium is full.
    pub const fn is_no_space(&self) -> bool {
        matches!(self, Self::NoSpace { .. })
    }

    /// Whether writing is impossible here, for this user or for anybody.
    pub const fn is_read_only(&self) -> bool {
        matches!(self, Self::ReadOnly { .. } | Self::Denied { .. })
    }
}

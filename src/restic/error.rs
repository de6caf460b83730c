//! What can be wrong with a restic repository.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::blob::BlobKind;
use super::id::{BlobId, FileId};

/// Something that a restic repository holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Object {
    /// One of its keys.
    Key(FileId),
    /// Its configuration.
    Config,
    /// One of its index files.
    Index(FileId),
    /// One of its snapshots.
    Snapshot(FileId),
    /// The list of blobs at the end of a pack.
    PackHeader(FileId),
    /// A blob.
    Blob(BlobKind, BlobId),
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(id) => write!(f, "the key {id}"),
            Self::Config => f.write_str("the configuration"),
            Self::Index(id) => write!(f, "the index {id}"),
            Self::Snapshot(id) => write!(f, "the snapshot {id}"),
            Self::PackHeader(id) => write!(f, "the list of blobs in the pack {id}"),
            Self::Blob(kind, id) => write!(f, "the {kind} {id}"),
        }
    }
}

/// What is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A file's bytes don't hash to its name.
    #[error("its bytes do not hash to its name")]
    Name,
    /// A blob's bytes don't hash to its id.
    #[error("what it holds does not hash to its id")]
    Hash,
    /// The authentication code does not fit.
    #[error("its bytes were changed, or sealed with another key")]
    Seal,
    /// Fewer bytes than there must be.
    #[error("it is cut short")]
    Short,
    /// It can't be decompressed, or not into as many bytes as are said.
    #[error("it does not decompress to what it should")]
    Compression,
    /// Longer than anything restic makes.
    #[error("it is longer than the {max} bytes that are read of such a thing")]
    TooLong {
        /// How much is read.
        max: u64,
    },
    /// Not the document that it should be.
    #[error("it does not say what it should: {0}")]
    Meaning(String),
}

/// Why something of a restic repository can't be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResticError {
    /// There is no such repository.
    #[error("{} is no restic repository in a local folder: it has no file config", place.display())]
    NoRepository {
        /// Where it was looked for.
        place: PathBuf,
    },
    /// The password opens none of the keys.
    #[error("the password opens none of the keys of the restic repository (of {count})")]
    WrongPassword {
        /// How many there are.
        count: usize,
    },
    /// A version that is not known here.
    #[error("the restic repository has format version {found}; versions 1 and 2 can be read")]
    Version {
        /// Which it is.
        found: u64,
    },
    /// The operating system refused.
    #[error("can't read {}", path.display())]
    Io {
        /// What was to be read.
        path: PathBuf,
        /// Its answer.
        source: io::Error,
    },
    /// Bytes that are not what they should be.
    #[error("{object} in {} is damaged: {fault}; `restic check --read-data` names all damage, and restic's manual says \
             how it is repaired", path.display())]
    Damaged {
        /// What is damaged.
        object: Object,
        /// The file that holds it.
        path: PathBuf,
        /// What is wrong with it.
        fault: Fault,
    },
    /// No pack has it.
    #[error("the {kind} {id} is in no pack that the repository has; try `restic repair index`, else it is lost")]
    Missing {
        /// What kind of blob.
        kind: BlobKind,
        /// Which.
        id: BlobId,
    },
}

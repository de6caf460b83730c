//! The one shape of all control objects: sessions, heartbeats, outcomes, records, segments and the sets of a prune.
//!
//! An envelope is a clear head, a body sealed with the index root (which every role holds), at most one
//! *description* sealed with the description root, a signature over everything before it, and a plain hash, so that
//! a store can be scrubbed without a key. Byte-exact in format-spec/08-snapshot-and-outcome.md.

mod open;
mod seal;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use open::{Envelope, open};
pub use seal::{check_right, seal};

use crate::config::{ConfigError, Role};
use crate::id::{ObjectHash, RepositoryId, SignerKey};
use crate::key::KeyError;
use crate::seal::SealError;
use crate::wire::WireError;
use std::ops::Deref;

const VERSION: u16 = 1;
const HEAD_BYTES: usize = 108;
const SIGNATURE_BYTES: usize = 64;
const CHECKSUM_BYTES: usize = 32;
/// Longest description, before it is sealed.
pub const DESCRIPTION_BYTES_MAX: usize = 4 << 20;

/// What an envelope holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A segment of the index.
    Segment,
    /// The opening of a session.
    Session,
    /// A session's sign of life.
    Heartbeat,
    /// The commit or abort of a session.
    Outcome,
    /// A later statement about snapshots.
    Record,
    /// The packs that a prune is about to delete.
    Condemned,
    /// The packs that a prune deletes.
    Deleted,
}

impl Kind {
    /// Every kind.
    pub const EVERY: [Self; 7] =
        [Self::Segment, Self::Session, Self::Heartbeat, Self::Outcome, Self::Record, Self::Condemned, Self::Deleted];

    /// The first eight bytes of such an object.
    pub const fn magic(self) -> [u8; 8] {
        match self {
            Self::Segment => *b"HOLDSEGM",
            Self::Session => *b"HOLDSESS",
            Self::Heartbeat => *b"HOLDBEAT",
            Self::Outcome => *b"HOLDOUTC",
            Self::Record => *b"HOLDRECO",
            Self::Condemned => *b"HOLDCOND",
            Self::Deleted => *b"HOLDDELE",
        }
    }

    /// Longest body, before it is sealed.
    pub const fn body_bytes_max(self) -> usize {
        match self {
            Self::Segment => 32 << 20,
            Self::Outcome => 16 << 20,
            Self::Condemned | Self::Deleted => 64 << 20,
            Self::Session | Self::Heartbeat | Self::Record => 1 << 20,
        }
    }

    /// Longest object of this kind: what a store may be asked to read whole.
    pub const fn bytes_max(self) -> usize {
        let parts = HEAD_BYTES + self.body_bytes_max() + SIGNATURE_BYTES + CHECKSUM_BYTES + crate::seal::OVERHEAD_BYTES;
        if self.may_describe() { parts + DESCRIPTION_BYTES_MAX + open::DESCRIPTION_OVERHEAD_BYTES_MAX } else { parts }
    }

    /// Whether such an object may carry a description.
    pub const fn may_describe(self) -> bool {
        matches!(self, Self::Session | Self::Outcome)
    }

    /// Whether a key of this role may sign such an object. What it may say in it is checked where the body is read.
    pub const fn may_sign(self, role: Role) -> bool {
        match self {
            Self::Segment | Self::Session | Self::Heartbeat | Self::Outcome => true,
            Self::Record => !matches!(role, Role::Put),
            Self::Condemned | Self::Deleted => matches!(role, Role::Prune | Role::All),
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Segment => "segment",
            Self::Session => "session",
            Self::Heartbeat => "heartbeat",
            Self::Outcome => "outcome",
            Self::Record => "record",
            Self::Condemned => "condemned set",
            Self::Deleted => "deleted set",
        })
    }
}

/// What became of an object's description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Described<T> {
    /// The object has none.
    Absent,
    /// There is one, and this key's role can't open it.
    Sealed,
    /// Here it is.
    Open(T),
}

impl<T> Described<T> {
    /// The description, if it was opened.
    pub const fn as_open(&self) -> Option<&T> {
        match self {
            Self::Open(description) => Some(description),
            Self::Absent | Self::Sealed => None,
        }
    }

    /// The same over a reference.
    pub const fn as_ref(&self) -> Described<&T> {
        match self {
            Self::Absent => Described::Absent,
            Self::Sealed => Described::Sealed,
            Self::Open(description) => Described::Open(description),
        }
    }

    /// Decodes a description that was opened.
    ///
    /// # Errors
    /// Those of `decode`.
    pub fn try_map<U, E>(self, decode: impl FnOnce(T) -> Result<U, E>) -> Result<Described<U>, E> {
        Ok(match self {
            Self::Absent => Described::Absent,
            Self::Sealed => Described::Sealed,
            Self::Open(description) => Described::Open(decode(description)?),
        })
    }
}

/// Opened bytes, which lie where their sealed form was read to: nothing is moved.
#[derive(Clone, PartialEq, Eq)]
pub struct Plaintext {
    buffer: Vec<u8>,
    start: usize,
    length: usize,
}

/// Bytes that were opened before, and kept where nobody else could change them.
impl From<Vec<u8>> for Plaintext {
    fn from(buffer: Vec<u8>) -> Self {
        let length = buffer.len();
        Self { buffer, start: 0, length }
    }
}

impl Deref for Plaintext {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let end = self.start.saturating_add(self.length);
        self.buffer.get(self.start..end).expect("the plaintext lies inside its buffer")
    }
}

impl AsRef<[u8]> for Plaintext {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl std::fmt::Debug for Plaintext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Plaintext({} bytes)", self.length)
    }
}

/// An envelope that has passed every check that does not concern its body's meaning.
#[derive(Debug, Clone)]
pub struct Opened {
    /// What it is.
    pub kind: Kind,
    /// Who signed it.
    pub signer: SignerKey,
    /// The role of the signer under the configuration that it signed under.
    pub role: Role,
    /// The number of that configuration.
    pub config: u32,
    /// BLAKE3 of all bytes of the object.
    pub hash: ObjectHash,
    /// The body.
    pub body: Plaintext,
    /// The description.
    pub description: Described<Plaintext>,
}

/// Why an envelope was refused, or can't be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// Not as long as it must be.
    #[error("{kind} of {found} bytes where {expected} were expected")]
    Length {
        /// What it should be.
        kind: Kind,
        /// How long it is.
        found: usize,
        /// How long it says it is, or the bound that it breaks.
        expected: usize,
    },
    /// Another object, or none of ours.
    #[error("not of the kind {0}: wrong magic")]
    Magic(Kind),
    /// Its last 32 bytes are not the hash of those before.
    #[error("damaged {0}: its checksum does not match")]
    Checksum(Kind),
    /// Written by a newer program.
    #[error("{kind} of version {version}, which is not known")]
    Version {
        /// What it is.
        kind: Kind,
        /// Its version.
        version: u16,
    },
    /// Uses algorithms of a newer program.
    #[error("{kind} of suite {suite}, which is not known")]
    Suite {
        /// What it is.
        kind: Kind,
        /// Its suite.
        suite: u16,
    },
    /// A body or description above its cap, or a description where there can be none.
    #[error("{kind} with a {part} of {bytes} bytes, of at most {bytes_max}")]
    TooLarge {
        /// What it is.
        kind: Kind,
        /// Body or description.
        part: &'static str,
        /// How long.
        bytes: usize,
        /// How long it may be.
        bytes_max: usize,
    },
    /// Belongs to another repository.
    #[error("{kind} of another repository, {repository}")]
    Repository {
        /// What it is.
        kind: Kind,
        /// The repository.
        repository: RepositoryId,
    },
    /// Signed under a configuration that is not there, or by a key that was not valid under it.
    #[error("{kind}, signer: {source}")]
    Signer {
        /// What it is.
        kind: Kind,
        /// Why not.
        source: ConfigError,
    },
    /// Signed by a key whose role may not.
    #[error("{kind} signed by a key with the role {role}, which may not")]
    Role {
        /// What it is.
        kind: Kind,
        /// The signer's role.
        role: Role,
    },
    /// The signature is not that of its signer.
    #[error("{kind}: {source}")]
    Signature {
        /// What it is.
        kind: Kind,
        /// Why not.
        source: SealError,
    },
    /// The key that would open it is not there.
    #[error("{kind}, key: {source}")]
    Key {
        /// What it is.
        kind: Kind,
        /// Why not.
        source: KeyError,
    },
    /// The body or the description does not open.
    #[error("{kind}, {part}: {source}")]
    Seal {
        /// What it is.
        kind: Kind,
        /// Body or description.
        part: &'static str,
        /// Why not.
        source: SealError,
    },
    /// The description's own head is not sound.
    #[error("{kind}, description: {what}")]
    Description {
        /// What it is.
        kind: Kind,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A field ends early.
    #[error("{kind}: {source}")]
    Wire {
        /// What it is.
        kind: Kind,
        /// Where.
        source: WireError,
    },
}

impl EnvelopeError {
    /// Whether the object may be sound, and this program, key or view of the configuration too old for it.
    pub const fn is_unsupported(&self) -> bool {
        matches!(
            self,
            Self::Version { .. }
                | Self::Suite { .. }
                | Self::Key { source: KeyError::Epoch(_), .. }
                | Self::Signer { source: ConfigError::Unknown(_), .. }
        )
    }
}

//! Later statements about snapshots: forgotten, released, pinned, unpinned, verified, drilled.
//!
//! A record never makes anything live: what does is a session of the kind `restate`, whose outcome names the records
//! that it cancels. Byte-exact in format-spec/08-snapshot-and-outcome.md.

mod drill;
#[cfg(test)]
mod tests;

pub use drill::{DRILL_SHARE_WHOLE, DrillCommand, DrillResult};

use crate::config::{ConfigChain, Role};
use crate::envelope::{self, EnvelopeError, Kind, Opened};
use crate::id::{ClientId, ObjectHash, PackId, SignerKey, SnapshotId};
use crate::key::KeyRing;
use crate::wire::{self, Blob, List, Reader, WireError};

/// Longest note.
pub const NOTE_BYTES_MAX: usize = 64 << 10;
/// Most snapshots in a record.
pub const SNAPSHOTS_COUNT_MAX: usize = 16 << 10;
/// Most packs in a record; what verified more makes several.
pub const PACKS_COUNT_MAX: usize = 12 << 10;
/// Where a record's kind stands in its body: after client, number and time.
const KIND_OFFSET: usize = 32;

/// What a record states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, bincode::Encode, bincode::Decode)]
pub enum RecordKind {
    /// The snapshots are forgotten.
    Forget,
    /// The staged components are given up.
    Release,
    /// No forget may be made for the snapshots, until a time if there is one.
    Pin,
    /// The pins of the snapshots are lifted.
    Unpin,
    /// The packs were read, and every chunk in them hashed.
    Verified,
    /// The snapshots were restored for a test.
    Drill,
}

impl RecordKind {
    const COUNT: u32 = 6;

    /// Whether a key of this role may make such a statement.
    pub const fn may_state(self, role: Role) -> bool {
        match (self, role) {
            (_, Role::Prune | Role::All) | (Self::Verified | Self::Drill, Role::Read) => true,
            (_, Role::Put | Role::Read) => false,
        }
    }

    /// Whether it leads to something being deleted, on a full medium the way to room.
    pub const fn lets_go(self) -> bool {
        match self {
            Self::Forget | Self::Release | Self::Unpin => true,
            Self::Pin | Self::Verified | Self::Drill => false,
        }
    }
}

impl std::fmt::Display for RecordKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Forget => "forget",
            Self::Release => "release",
            Self::Pin => "pin",
            Self::Unpin => "unpin",
            Self::Verified => "verified",
            Self::Drill => "drill",
        })
    }
}

/// The body of a record.
#[derive(Debug, Clone, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct RecordBody {
    /// The client that made it: with the number, repeats the object's name.
    pub client: ClientId,
    /// The client's running number of records, from 1.
    pub number: u64,
    /// When it was made by the client's clock, in nanoseconds since the epoch.
    pub made_at_ns: i64,
    /// What it states.
    pub kind: RecordKind,
    /// About which snapshots, sorted.
    pub snapshots: List<SnapshotId>,
    /// Until when a pin holds; for ever if there is none.
    pub until_ns: Option<i64>,
    /// Which packs were verified, sorted.
    pub packs: List<PackId>,
    /// A remark; in a drill [what came of it](DrillResult).
    pub note: Blob,
}

/// A verified record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What it says.
    pub body: RecordBody,
    /// Who signed it.
    pub signer: SignerKey,
    /// The signer's role.
    pub role: Role,
    /// Hash of the object, by which a restating outcome cancels it.
    pub hash: ObjectHash,
}

/// Why a record was refused, or can't be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The envelope does not open.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// The body does not decode.
    #[error("record {number} of client {client}: {source}")]
    Body {
        /// The client.
        client: ClientId,
        /// The record's number.
        number: u64,
        /// Where it does not.
        source: WireError,
    },
    /// A statement of a newer program: collectors must stop.
    #[error("record {number} of client {client} is of kind {kind}, which is not known")]
    UnknownKind {
        /// The client.
        client: ClientId,
        /// The record's number.
        number: u64,
        /// Its kind.
        kind: u32,
    },
    /// The body is that of another name.
    #[error("record {found_number} of client {found} lies under the name of record {number} of client {client}")]
    Misplaced {
        /// The client in the name.
        client: ClientId,
        /// The number in the name.
        number: u64,
        /// The client in the body.
        found: ClientId,
        /// The number in the body.
        found_number: u64,
    },
    /// A field breaks a rule.
    #[error("record {number} of client {client}: {what}")]
    Invalid {
        /// The client.
        client: ClientId,
        /// The record's number.
        number: u64,
        /// Which rule.
        what: &'static str,
    },
    /// The signer's role may not state this.
    #[error("record {number} of client {client}: a key with the role {role} may not state {kind}")]
    Role {
        /// The client.
        client: ClientId,
        /// The record's number.
        number: u64,
        /// What it states.
        kind: RecordKind,
        /// The signer's role.
        role: Role,
    },
}

impl RecordBody {
    /// Checks and encodes the body.
    ///
    /// # Errors
    /// [`RecordError::Invalid`] when no reader would accept it.
    pub fn encode(&self) -> Result<Vec<u8>, RecordError> {
        self.validate().map(|()| wire::encode(self))
    }

    fn decode(client: ClientId, number: u64, bytes: &[u8]) -> Result<Self, RecordError> {
        let malformed = |source| RecordError::Body { client, number, source };
        let mut reader = Reader::new(bytes);
        let kind = reader.bytes(KIND_OFFSET).and_then(|_| reader.u32()).map_err(malformed)?;
        if kind >= RecordKind::COUNT {
            return Err(RecordError::UnknownKind { client, number, kind });
        }
        let body: Self = wire::decode(bytes).map_err(malformed)?;
        if (body.client, body.number) != (client, number) {
            let Self { client: found, number: found_number, .. } = body;
            return Err(RecordError::Misplaced { client, number, found, found_number });
        }
        body.validate().map(|()| body)
    }

    fn validate(&self) -> Result<(), RecordError> {
        let snapshots = &self.snapshots.0;
        let packs = &self.packs.0;
        let of_packs = self.kind == RecordKind::Verified;
        let rules = [
            (self.number > 0, "its number is zero"),
            (snapshots.is_sorted_by(|a, b| a < b), "its snapshots are not sorted"),
            (snapshots.len() <= SNAPSHOTS_COUNT_MAX, "it names too many snapshots"),
            (packs.is_sorted_by(|a, b| a < b), "its packs are not sorted"),
            (packs.len() <= PACKS_COUNT_MAX, "it names too many packs"),
            (of_packs || !snapshots.is_empty(), "it names no snapshot"),
            (of_packs || packs.is_empty(), "it names packs"),
            (!of_packs || !packs.is_empty(), "it names no pack"),
            (self.kind == RecordKind::Pin || self.until_ns.is_none(), "it has an end and is no pin"),
            (self.note.0.len() <= NOTE_BYTES_MAX, "its note is too long"),
        ];
        let (client, number) = (self.client, self.number);
        let broken = rules.into_iter().find(|(holds, _)| !holds);
        broken.map_or(Ok(()), |(_, what)| Err(RecordError::Invalid { client, number, what }))
    }

    fn check_role(&self, role: Role) -> Result<(), RecordError> {
        let Self { client, number, kind, .. } = *self;
        if kind.may_state(role) { Ok(()) } else { Err(RecordError::Role { client, number, kind, role }) }
    }
}

/// Reads the body of an opened envelope as record `number` of `client`.
///
/// # Errors
/// [`RecordError`] says which rule it breaks.
pub fn parse(client: ClientId, number: u64, opened: &Opened) -> Result<Record, RecordError> {
    let body = RecordBody::decode(client, number, &opened.body)?;
    body.check_role(opened.role)?;
    Ok(Record { body, signer: opened.signer, role: opened.role, hash: opened.hash })
}

/// Opens and reads record `number` of `client`.
///
/// # Errors
/// [`RecordError`] says which check failed.
pub fn open(
    client: ClientId,
    number: u64,
    keys: &KeyRing,
    chain: &ConfigChain,
    bytes: &[u8],
) -> Result<Record, RecordError> {
    parse(client, number, &envelope::open(Kind::Record, keys, chain, bytes)?)
}

/// Makes a record.
///
/// # Errors
/// [`RecordError`] when no reader would accept it from this key.
pub fn seal(body: &RecordBody, keys: &KeyRing, chain: &ConfigChain) -> Result<Vec<u8>, RecordError> {
    body.check_role(envelope::check_right(Kind::Record, keys, chain)?)?;
    Ok(envelope::seal(Kind::Record, keys, chain, &body.encode()?, None)?)
}

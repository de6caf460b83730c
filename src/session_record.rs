//! What a session says while it is open: its beginning, and its signs of life.
//!
//! A session object exists before anything that the session writes counts, and outlives the creation of the
//! session's outcome. The protocol is in format-spec/10-sessions-and-prune.md.

#[cfg(test)]
mod tests;

use crate::config::{ConfigChain, Role};
use crate::envelope::{self, Described, EnvelopeError, Kind, Opened};
use crate::id::{ObjectHash, SessionId, SignerKey};
use crate::key::KeyRing;
use crate::wire::{self, Blob, List, Reader, WireError};

/// Longest name of a program's version.
pub const VERSION_BYTES_MAX: usize = 256;
/// Longest name of a host or a user.
pub const NAME_BYTES_MAX: usize = 1024;
/// Where a session's kind stands in its body: after client and number.
const KIND_OFFSET: usize = 24;

/// What a session is for, and so what its outcome may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, bincode::Encode, bincode::Decode)]
pub enum SessionKind {
    /// A backup's manifests: ends in a snapshot or staged.
    Backup,
    /// A backup's content: ends in a checkpoint.
    Checkpoint,
    /// Moves needed chunks out of mostly-dead packs, or merges segments.
    Repack,
    /// Puts back what was lost.
    Repair,
    /// Makes forgotten snapshots live again.
    Restate,
    /// Joins staged components into one snapshot.
    Group,
    /// Brings a snapshot from elsewhere: ends in a snapshot.
    Copy,
}

impl SessionKind {
    const COUNT: u32 = 7;

    /// Whether a key of this role may open such a session.
    pub const fn may_open(self, role: Role) -> bool {
        match self {
            Self::Backup | Self::Checkpoint | Self::Copy => true,
            Self::Repack | Self::Repair | Self::Restate | Self::Group => matches!(role, Role::Prune | Role::All),
        }
    }
}

impl std::fmt::Display for SessionKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Backup => "backup",
            Self::Checkpoint => "checkpoint",
            Self::Repack => "repack",
            Self::Repair => "repair",
            Self::Restate => "restate",
            Self::Group => "group",
            Self::Copy => "copy",
        })
    }
}

/// By what a process on the same machine can tell whether the writer still runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct Liveness {
    /// Linux's boot id.
    pub boot_id: [u8; 16],
    /// Inode of the PID namespace.
    pub pid_namespace: u64,
    /// Process id in that namespace.
    pub pid: u32,
    /// When the process started, in clock ticks since boot.
    pub process_start_ticks: u64,
}

/// The body of a session object.
#[derive(Debug, Clone, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct SessionBody {
    /// The session: repeats the object's name.
    pub id: SessionId,
    /// What it is for.
    pub kind: SessionKind,
    /// When it began by the writer's clock, in nanoseconds since the epoch.
    pub started_at_ns: i64,
    /// Where it runs.
    pub liveness: Liveness,
    /// The program that writes, with its version.
    pub writer_version: Blob,
}

/// What only a reader's key shows of a session.
#[derive(Debug, Clone, PartialEq, Eq, Default, bincode::Encode, bincode::Decode)]
pub struct SessionDescription {
    /// Name of the host.
    pub host: Blob,
    /// Name of the user.
    pub user: Blob,
    /// The command line.
    pub command: List<Blob>,
}

/// The body of a heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct HeartbeatBody {
    /// The session: repeats the object's name.
    pub id: SessionId,
    /// Counted up from 1.
    pub beat: u64,
}

/// A verified session object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// What it says.
    pub body: SessionBody,
    /// What it says to readers.
    pub description: Described<SessionDescription>,
    /// Who signed it, and so who may sign its outcome.
    pub signer: SignerKey,
    /// The signer's role.
    pub role: Role,
    /// Hash of the object, which the outcome names.
    pub hash: ObjectHash,
}

/// A verified heartbeat. It counts only if it [belongs to](Heartbeat::check_belongs) its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heartbeat {
    /// What it says.
    pub body: HeartbeatBody,
    /// Who signed it.
    pub signer: SignerKey,
}

/// Why a session object or heartbeat was refused, or can't be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The envelope does not open.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// The body or description does not decode.
    #[error("session {id}: {source}")]
    Body {
        /// The session.
        id: SessionId,
        /// Where it does not.
        source: WireError,
    },
    /// A kind of session of a newer program.
    #[error("session {id} is of kind {kind}, which is not known")]
    UnknownKind {
        /// The session.
        id: SessionId,
        /// Its kind.
        kind: u32,
    },
    /// The body is that of another name.
    #[error("session {found} lies under the name of {expected}")]
    Misplaced {
        /// The name.
        expected: SessionId,
        /// What the body says.
        found: SessionId,
    },
    /// The heartbeat is another one of the session.
    #[error("heartbeat {found} of session {id} lies under the name of heartbeat {expected}")]
    MisplacedBeat {
        /// The session.
        id: SessionId,
        /// The name.
        expected: u64,
        /// What the body says.
        found: u64,
    },
    /// The heartbeat is not the session's own.
    #[error("heartbeat {beat} of session {id} is signed by {signer}, not by the session's key")]
    ForeignBeat {
        /// The session.
        id: SessionId,
        /// The heartbeat's number.
        beat: u64,
        /// Who signed it.
        signer: SignerKey,
    },
    /// A field is outside its range.
    #[error("session {id}: {what} is out of range")]
    Range {
        /// The session.
        id: SessionId,
        /// The field.
        what: &'static str,
    },
    /// The signer's role may not open such a session.
    #[error("session {id}: a key with the role {role} may not open a {kind} session")]
    Role {
        /// The session.
        id: SessionId,
        /// Its kind.
        kind: SessionKind,
        /// The signer's role.
        role: Role,
    },
}

impl SessionBody {
    /// Checks and encodes the body.
    ///
    /// # Errors
    /// [`SessionError::Range`] when no reader would accept it.
    pub fn encode(&self) -> Result<Vec<u8>, SessionError> {
        self.validate().map(|()| wire::encode(self))
    }

    fn decode(id: SessionId, bytes: &[u8]) -> Result<Self, SessionError> {
        let malformed = |source| SessionError::Body { id, source };
        let mut reader = Reader::new(bytes);
        let kind = reader.bytes(KIND_OFFSET).and_then(|_| reader.u32()).map_err(malformed)?;
        if kind >= SessionKind::COUNT {
            return Err(SessionError::UnknownKind { id, kind });
        }
        let body: Self = wire::decode(bytes).map_err(malformed)?;
        if body.id != id {
            return Err(SessionError::Misplaced { expected: id, found: body.id });
        }
        body.validate().map(|()| body)
    }

    fn validate(&self) -> Result<(), SessionError> {
        let range = |what| SessionError::Range { id: self.id, what };
        check(self.id.number > 0, || range("its number"))?;
        check(self.writer_version.0.len() <= VERSION_BYTES_MAX, || range("the writer's version"))
    }
}

impl SessionDescription {
    /// Checks and encodes the description of session `id`.
    ///
    /// # Errors
    /// [`SessionError::Range`] when no reader would accept it.
    pub fn encode(&self, id: SessionId) -> Result<Vec<u8>, SessionError> {
        self.validate(id).map(|()| wire::encode(self))
    }

    fn decode(id: SessionId, bytes: &[u8]) -> Result<Self, SessionError> {
        let description: Self = wire::decode(bytes).map_err(|source| SessionError::Body { id, source })?;
        description.validate(id).map(|()| description)
    }

    fn validate(&self, id: SessionId) -> Result<(), SessionError> {
        check(self.host.0.len() <= NAME_BYTES_MAX, || SessionError::Range { id, what: "the host's name" })?;
        check(self.user.0.len() <= NAME_BYTES_MAX, || SessionError::Range { id, what: "the user's name" })
    }
}

fn check(holds: bool, error: impl FnOnce() -> SessionError) -> Result<(), SessionError> {
    if holds { Ok(()) } else { Err(error()) }
}

/// Reads the body of an opened envelope as session `id`.
///
/// # Errors
/// [`SessionError`] says which rule it breaks.
pub fn parse(id: SessionId, opened: &Opened) -> Result<Session, SessionError> {
    let body = SessionBody::decode(id, &opened.body)?;
    check(body.kind.may_open(opened.role), || SessionError::Role { id, kind: body.kind, role: opened.role })?;
    let description = opened.description.as_ref().try_map(|bytes| SessionDescription::decode(id, bytes))?;
    Ok(Session { body, description, signer: opened.signer, role: opened.role, hash: opened.hash })
}

/// Opens and reads the session object of `id`.
///
/// # Errors
/// [`SessionError`] says which check failed.
pub fn open(id: SessionId, keys: &KeyRing, chain: &ConfigChain, bytes: &[u8]) -> Result<Session, SessionError> {
    parse(id, &envelope::open(Kind::Session, keys, chain, bytes)?)
}

/// Makes a session object.
///
/// # Errors
/// [`SessionError`] when no reader would accept it from this key.
pub fn seal(
    body: &SessionBody,
    description: Option<&SessionDescription>,
    keys: &KeyRing,
    chain: &ConfigChain,
) -> Result<Vec<u8>, SessionError> {
    let role = envelope::check_right(Kind::Session, keys, chain)?;
    check(body.kind.may_open(role), || SessionError::Role { id: body.id, kind: body.kind, role })?;
    let described = description.map(|description| description.encode(body.id)).transpose()?;
    Ok(envelope::seal(Kind::Session, keys, chain, &body.encode()?, described.as_deref())?)
}

impl HeartbeatBody {
    fn validate(&self) -> Result<(), SessionError> {
        let Self { id, beat } = *self;
        check(id.number > 0, || SessionError::Range { id, what: "its number" })?;
        check(beat > 0, || SessionError::Range { id, what: "the heartbeat's number" })
    }
}

impl Heartbeat {
    /// Checks that the heartbeat was signed by the key that opened the session: no other key keeps it alive.
    ///
    /// # Errors
    /// [`SessionError::Misplaced`] or [`SessionError::ForeignBeat`].
    pub fn check_belongs(&self, session: &Session) -> Result<(), SessionError> {
        let HeartbeatBody { id, beat } = self.body;
        let expected = session.body.id;
        check(id == expected, || SessionError::Misplaced { expected, found: id })?;
        check(self.signer == session.signer, || SessionError::ForeignBeat { id, beat, signer: self.signer })
    }
}

/// Reads the body of an opened envelope as heartbeat `beat` of session `id`.
///
/// # Errors
/// [`SessionError`] says which rule it breaks.
pub fn parse_heartbeat(id: SessionId, beat: u64, opened: &Opened) -> Result<Heartbeat, SessionError> {
    let body: HeartbeatBody = wire::decode(&opened.body).map_err(|source| SessionError::Body { id, source })?;
    check(body.id == id, || SessionError::Misplaced { expected: id, found: body.id })?;
    check(body.beat == beat, || SessionError::MisplacedBeat { id, expected: beat, found: body.beat })?;
    body.validate()?;
    Ok(Heartbeat { body, signer: opened.signer })
}

/// Opens and reads heartbeat `beat` of session `id`.
///
/// # Errors
/// [`SessionError`] says which check failed.
pub fn open_heartbeat(
    id: SessionId,
    beat: u64,
    keys: &KeyRing,
    chain: &ConfigChain,
    bytes: &[u8],
) -> Result<Heartbeat, SessionError> {
    parse_heartbeat(id, beat, &envelope::open(Kind::Heartbeat, keys, chain, bytes)?)
}

/// Makes a heartbeat.
///
/// # Errors
/// [`SessionError`] when no reader would accept it from this key.
pub fn seal_heartbeat(body: &HeartbeatBody, keys: &KeyRing, chain: &ConfigChain) -> Result<Vec<u8>, SessionError> {
    body.validate()?;
    Ok(envelope::seal(Kind::Heartbeat, keys, chain, &wire::encode(body), None)?)
}

//! The outcome of a session: the one object whose creation commits or aborts it.
//!
//! A snapshot *is* an outcome of the kind `snapshot`, and its id the hash of that object. Byte-exact in
//! format-spec/08-snapshot-and-outcome.md; what a writer must have done before it creates one is in
//! format-spec/10-sessions-and-prune.md.

mod description;
mod error;
mod rules;
mod seen;
#[cfg(test)]
mod tests;

pub use description::{ComponentDescription, OutcomeDescription, OwnerName};
pub use error::OutcomeError;
pub use rules::{COMPONENTS_COUNT_MAX, TEXT_BYTES_MAX};
pub use seen::{SEEN_COUNT_MAX, SEEN_OVERFLOW_COUNT_MAX, Seen, SeenEntry, decode_overflow, encode_overflow};

use crate::config::{ConfigChain, Role};
use crate::envelope::{self, Described, Kind, Opened};
use crate::id::{NodeId, ObjectHash, PackId, SegmentId, SessionId, SignerKey, SnapshotId};
use crate::key::KeyRing;
use crate::session_record::{Session, SessionKind};
use crate::wire::{self, Blob, List, Reader};

/// Where an outcome's kind stands in its body: after client, number and the session's hash.
const KIND_OFFSET: usize = 56;
/// Set in the id of an attribute that a reader must know.
pub const MANDATORY: u32 = 1 << 31;

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, bincode::Encode, bincode::Decode)]
pub enum OutcomeKind {
    /// Components are committed and can be restored.
    Snapshot,
    /// Packs are committed, for later sessions to deduplicate against.
    Checkpoint,
    /// Components wait for a group.
    Staged,
    /// Staged components have become one snapshot.
    Group,
    /// Chunks or segment rows were moved.
    Repack,
    /// What was lost is back.
    Repair,
    /// Forgotten snapshots live again.
    Restate,
    /// The session wrote nothing that counts.
    Abort,
}

impl OutcomeKind {
    const COUNT: u32 = 8;

    /// Whether a key of this role may end a session of its own like this.
    pub const fn may_sign(self, role: Role) -> bool {
        match self {
            Self::Snapshot | Self::Checkpoint | Self::Staged | Self::Abort => true,
            Self::Group | Self::Repack | Self::Repair | Self::Restate => matches!(role, Role::Prune | Role::All),
        }
    }

    /// Whether a session of `kind` may end like this.
    pub const fn may_end(self, kind: SessionKind) -> bool {
        match self {
            Self::Snapshot => matches!(kind, SessionKind::Backup | SessionKind::Copy),
            Self::Staged => matches!(kind, SessionKind::Backup),
            Self::Checkpoint => matches!(kind, SessionKind::Checkpoint),
            Self::Group => matches!(kind, SessionKind::Group),
            Self::Repack => matches!(kind, SessionKind::Repack),
            Self::Repair => matches!(kind, SessionKind::Repair),
            Self::Restate => matches!(kind, SessionKind::Restate),
            Self::Abort => true,
        }
    }

    /// Whether the outcome carries components, and with them a description.
    pub const fn has_components(self) -> bool {
        matches!(self, Self::Snapshot | Self::Staged)
    }
}

impl std::fmt::Display for OutcomeKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Snapshot => "snapshot",
            Self::Checkpoint => "checkpoint",
            Self::Staged => "staged",
            Self::Group => "group",
            Self::Repack => "repack",
            Self::Repair => "repair",
            Self::Restate => "restate",
            Self::Abort => "abort",
        })
    }
}

/// A segment that counts because an outcome names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, bincode::Encode, bincode::Decode)]
pub struct SegmentRef {
    /// The segment.
    pub id: SegmentId,
    /// How many packs it lists.
    pub pack_count: u64,
    /// How many chunks it lists.
    pub chunk_count: u64,
}

/// What a component is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, bincode::Encode, bincode::Decode)]
pub enum ComponentKind {
    /// A file tree.
    Tree,
    /// The output of one command.
    Stream,
}

/// How much of a component is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, bincode::Encode, bincode::Decode)]
pub enum ComponentState {
    /// All that the walk met, unreadable items counted.
    Complete,
    /// The walk did not finish.
    Partial,
    /// Nothing.
    Missing,
}

/// How many of what a component holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, bincode::Encode, bincode::Decode)]
pub struct Counts {
    /// Regular files.
    pub files: u64,
    /// Directories.
    pub directories: u64,
    /// Symbolic links.
    pub symlinks: u64,
    /// Everything else: devices, pipes, sockets.
    pub others: u64,
    /// Members of hard-link groups beyond the first of each.
    pub hard_links: u64,
    /// Bytes of content, every member of a group counted.
    pub bytes: u64,
    /// Items that could not be read.
    pub unreadable: u64,
    /// Files that changed while they were read.
    pub inconsistent: u64,
}

impl Counts {
    /// These and others together.
    #[must_use]
    pub const fn plus(self, other: &Self) -> Self {
        Self {
            files: self.files.saturating_add(other.files),
            directories: self.directories.saturating_add(other.directories),
            symlinks: self.symlinks.saturating_add(other.symlinks),
            others: self.others.saturating_add(other.others),
            hard_links: self.hard_links.saturating_add(other.hard_links),
            bytes: self.bytes.saturating_add(other.bytes),
            unreadable: self.unreadable.saturating_add(other.unreadable),
            inconsistent: self.inconsistent.saturating_add(other.inconsistent),
        }
    }
}

/// One component of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct Component {
    /// What it is.
    pub kind: ComponentKind,
    /// Whether the snapshot could not have been committed without it.
    pub required: bool,
    /// How much of it is there.
    pub state: ComponentState,
    /// Root of its manifest.
    pub manifest: Option<NodeId>,
    /// Root of its stat tree, for the next run.
    pub stat: Option<NodeId>,
    /// What is in it.
    pub counts: Counts,
}

/// What a statement says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, bincode::Encode, bincode::Decode)]
pub enum StatementKind {
    /// Forgotten snapshots are no longer forgotten.
    Undo,
    /// Forgotten snapshots are no longer forgotten, and pinned.
    PinForgotten,
}

/// What a restating outcome states.
#[derive(Debug, Clone, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct Statement {
    /// What.
    pub kind: StatementKind,
    /// About which snapshots, sorted.
    pub snapshots: List<SnapshotId>,
    /// The records that it cancels for ever, sorted.
    pub cancels: List<ObjectHash>,
}

/// Room for what comes later.
#[derive(Debug, Clone, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct Attribute {
    /// Its number, with [`MANDATORY`] if a reader that does not know it must refuse the outcome.
    pub id: u32,
    /// Its value.
    pub bytes: Blob,
}

/// The body of an outcome: what decides.
#[derive(Debug, Clone, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct OutcomeBody {
    /// The session: repeats the object's name.
    pub id: SessionId,
    /// Hash of the session object.
    pub session: ObjectHash,
    /// How it ended.
    pub kind: OutcomeKind,
    /// When, as the user says, in nanoseconds since the epoch: for display, retention and `latest`.
    pub time_ns: i64,
    /// When, by the writer's clock.
    pub committed_at_ns: i64,
    /// The packs that it commits, sorted.
    pub packs: List<PackId>,
    /// The segments that list them, sorted by id.
    pub segments: List<SegmentRef>,
    /// What the writer had seen.
    pub seen: Seen,
    /// The components of a snapshot, or staged ones.
    pub components: List<Component>,
    /// The staged outcomes that a group joins, sorted.
    pub members: List<SnapshotId>,
    /// What a restating outcome states.
    pub statement: Option<Statement>,
    /// Room for what comes later, sorted by id.
    pub attributes: List<Attribute>,
}

/// A verified outcome. Whether it really ends its session is asked with [`Outcome::check_ends`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What it says.
    pub body: OutcomeBody,
    /// What it says to readers.
    pub description: Described<OutcomeDescription>,
    /// Who signed it.
    pub signer: SignerKey,
    /// The signer's role.
    pub role: Role,
    /// Hash of the object.
    pub hash: ObjectHash,
}

impl Outcome {
    /// The id under which people know the outcome, if it is a snapshot or becomes part of one.
    pub fn snapshot_id(&self) -> SnapshotId {
        SnapshotId::from(self.hash)
    }

    /// Checks that the outcome ends the session whose object is there: that it is signed by that session's own key, or is
    /// an abort by a key that may abort anyone's; and that it fits its kind, if it names this very object. One that names
    /// another stands: whoever opened `session` did so when its number was used up. An outcome that fails this commits
    /// nothing, and its session counts as undecided.
    ///
    /// # Errors
    /// [`OutcomeError::Session`] says what does not fit.
    pub fn check_ends(&self, session: &Session) -> Result<(), OutcomeError> {
        let by_collector = self.body.kind == OutcomeKind::Abort && matches!(self.role, Role::Prune | Role::All);
        let fits = self.body.session != session.hash || self.body.kind.may_end(session.body.kind);
        let rules = [
            (self.body.id == session.body.id, "it ends another session"),
            (fits, "its kind does not fit the session's"),
            (self.signer == session.signer || by_collector, "it is not signed by the session's key"),
        ];
        let id = self.body.id;
        let broken = rules.into_iter().find(|(holds, _)| !holds);
        broken.map_or(Ok(()), |(_, what)| Err(OutcomeError::Session { id, what }))
    }
}

impl OutcomeBody {
    /// Checks and encodes the body.
    ///
    /// # Errors
    /// [`OutcomeError::Invalid`] when no reader would accept it.
    pub fn encode(&self) -> Result<Vec<u8>, OutcomeError> {
        self.validate().map(|()| wire::encode(self))
    }

    fn decode(id: SessionId, bytes: &[u8]) -> Result<Self, OutcomeError> {
        let malformed = |source| OutcomeError::Body { id, source };
        let mut reader = Reader::new(bytes);
        let kind = reader.bytes(KIND_OFFSET).and_then(|_| reader.u32()).map_err(malformed)?;
        if kind >= OutcomeKind::COUNT {
            return Err(OutcomeError::UnknownKind { id, kind });
        }
        let body: Self = wire::decode(bytes).map_err(malformed)?;
        if body.id != id {
            return Err(OutcomeError::Misplaced { expected: id, found: body.id });
        }
        body.validate().map(|()| body)
    }

    fn check_role(&self, role: Role) -> Result<(), OutcomeError> {
        let Self { id, kind, .. } = *self;
        if kind.may_sign(role) { Ok(()) } else { Err(OutcomeError::Role { id, kind, role }) }
    }
}

/// Reads the body of an opened envelope as the outcome of session `id`.
///
/// # Errors
/// [`OutcomeError`] says which rule it breaks.
pub fn parse(id: SessionId, opened: &Opened) -> Result<Outcome, OutcomeError> {
    let body = OutcomeBody::decode(id, &opened.body)?;
    body.check_role(opened.role)?;
    if body.kind.has_components() && opened.description == Described::Absent {
        return Err(OutcomeError::Invalid { id, what: "it has no description" });
    }
    let description = opened.description.as_ref().try_map(|bytes| OutcomeDescription::decode(&body, bytes))?;
    Ok(Outcome { body, description, signer: opened.signer, role: opened.role, hash: opened.hash })
}

/// Opens and reads the outcome of session `id`.
///
/// # Errors
/// [`OutcomeError`] says which check failed.
pub fn open(id: SessionId, keys: &KeyRing, chain: &ConfigChain, bytes: &[u8]) -> Result<Outcome, OutcomeError> {
    parse(id, &envelope::open(Kind::Outcome, keys, chain, bytes)?)
}

/// Makes an outcome.
///
/// # Errors
/// [`OutcomeError`] when no reader would accept it from this key.
pub fn seal(
    body: &OutcomeBody,
    description: Option<&OutcomeDescription>,
    keys: &KeyRing,
    chain: &ConfigChain,
) -> Result<Vec<u8>, OutcomeError> {
    body.check_role(envelope::check_right(Kind::Outcome, keys, chain)?)?;
    if body.kind.has_components() && description.is_none() {
        return Err(OutcomeError::Invalid { id: body.id, what: "it has no description" });
    }
    let described = description.map(|description| description.encode(body)).transpose()?;
    Ok(envelope::seal(Kind::Outcome, keys, chain, &body.encode()?, described.as_deref())?)
}

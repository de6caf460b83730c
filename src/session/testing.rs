//! Histories that tests tell without a store, clocks that lie, and state that is kept in memory or fails to be kept.

pub(crate) mod clock;
pub(crate) mod files;
pub(crate) mod memory;

use crate::config::Role;
use crate::envelope::Described;
use crate::envelope::testing::{client, hash_of};
use crate::id::{NodeId, ObjectHash, SessionId, SignerKey, SnapshotId};
use crate::outcome::{
    Component, ComponentDescription, ComponentKind, ComponentState, Counts, Outcome, OutcomeBody, OutcomeDescription,
    OutcomeKind, Seen, SeenEntry, Statement, StatementKind,
};
use crate::record::{Record, RecordBody, RecordKind};
use crate::session::{BodyAttributes, History};
use crate::wire::{Blob, List};

/// A snapshot as a test tells it.
#[derive(Clone)]
pub(crate) struct Told {
    pub(crate) client: u8,
    pub(crate) number: u64,
    pub(crate) signer: u8,
    pub(crate) host: &'static str,
    pub(crate) tags: &'static [&'static str],
    pub(crate) time_ns: i64,
    pub(crate) committed_at_ns: i64,
    pub(crate) state: ComponentState,
    /// Up to which of its own client's numbers it had seen everything decided.
    pub(crate) seen: Option<u64>,
    /// The outcome whose list of what was seen it continues.
    pub(crate) base: u64,
    /// The damaged snapshot beside which a repair made it.
    pub(crate) repairs: Option<SnapshotId>,
}

impl Default for Told {
    fn default() -> Self {
        Self {
            client: 1,
            number: 1,
            signer: 1,
            host: "host",
            tags: &[],
            time_ns: 0,
            committed_at_ns: 0,
            state: ComponentState::Complete,
            seen: None,
            base: 0,
            repairs: None,
        }
    }
}

/// Adds a snapshot.
pub(crate) fn tell(history: &mut History, told: &Told) -> SnapshotId {
    let id = SessionId { client: client(told.client), number: told.number };
    let hash = hash_of(id.to_string().as_bytes());
    let missing = told.state == ComponentState::Missing;
    let manifest = (!missing).then_some(NodeId::from_bytes([9; 32]));
    let component = Component {
        kind: ComponentKind::Tree,
        required: !missing,
        state: told.state,
        manifest,
        stat: manifest,
        counts: Counts::default(),
    };
    let entry = |number| SeenEntry { client: id.client, number, outcome: hash };
    let entries: Vec<_> = told.seen.map(entry).into_iter().collect();
    let seen = Seen { base: told.base, entries: List(entries), overflow: None };
    let body = OutcomeBody {
        time_ns: told.time_ns,
        committed_at_ns: told.committed_at_ns,
        components: List(vec![component]),
        seen,
        attributes: BodyAttributes { repairs: told.repairs, ..BodyAttributes::default() }.encode(),
        ..body(id, OutcomeKind::Snapshot)
    };
    let blobs = |texts: &[&str]| List(texts.iter().map(|text| Blob::from(*text)).collect());
    let description = OutcomeDescription {
        host: Blob::from(told.host),
        paths: blobs(&["/home"]),
        tags: blobs(told.tags),
        components: List(vec![ComponentDescription::default()]),
        ..OutcomeDescription::default()
    };
    let signer = SignerKey::from_bytes([told.signer; 32]);
    let outcome = Outcome { body, description: Described::Open(description), signer, role: Role::All, hash };
    let snapshot = outcome.snapshot_id();
    history.outcomes.insert(id, outcome);
    snapshot
}

/// Adds a record.
pub(crate) fn state(
    history: &mut History,
    number: u64,
    kind: RecordKind,
    snapshots: &[SnapshotId],
    made_at_ns: i64,
    until_ns: Option<i64>,
) -> ObjectHash {
    let body = RecordBody {
        client: client(1),
        number,
        made_at_ns,
        kind,
        snapshots: List(snapshots.to_vec()),
        until_ns,
        packs: List::default(),
        note: Blob::default(),
    };
    let hash = hash_of(format!("record {number}").as_bytes());
    let record = Record { body, signer: SignerKey::from_bytes([1; 32]), role: Role::All, hash };
    history.records.insert((record.body.client, number), record);
    hash
}

/// Adds a committed restate of the client 9.
pub(crate) fn restate(
    history: &mut History,
    number: u64,
    kind: StatementKind,
    snapshots: &[SnapshotId],
    cancels: &[ObjectHash],
    time_ns: i64,
) {
    let id = SessionId { client: client(9), number };
    let statement = Statement { kind, snapshots: List(snapshots.to_vec()), cancels: List(cancels.to_vec()) };
    let body = OutcomeBody { time_ns, statement: Some(statement), ..body(id, OutcomeKind::Restate) };
    let (signer, hash) = (SignerKey::from_bytes([1; 32]), hash_of(id.to_string().as_bytes()));
    let outcome = Outcome { body, description: Described::Absent, signer, role: Role::All, hash };
    history.outcomes.insert(id, outcome);
}

fn body(id: SessionId, kind: OutcomeKind) -> OutcomeBody {
    OutcomeBody {
        id,
        session: ObjectHash::from_bytes([0; 32]),
        kind,
        time_ns: 0,
        committed_at_ns: 0,
        packs: List::default(),
        segments: List::default(),
        seen: Seen::default(),
        components: List::default(),
        members: List::default(),
        statement: None,
        attributes: List::default(),
    }
}

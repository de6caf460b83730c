//! Knows at every moment what lives and what is there: after each step no live snapshot may lack a chunk.

use crate::access::Access;
use crate::access::testing::Keys;
use crate::envelope::{self, Kind};
use crate::error::{Error, Result};
use crate::id::{ChunkId, NodeId, ObjectHash, PackId, SegmentId, SnapshotId};
use crate::manifest::NodeSink;
use crate::outcome::{self, Outcome, OutcomeKind};
use crate::prune::tests::world::{Files, manifest_of, stat_of};
use crate::record::{self, RecordKind};
use crate::segment::SegmentReader;
use crate::store::ObjectName;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

/// What every manifest that can come needs, worked out once. A set of chunks is a mask.
pub(super) struct Needs {
    chunks: HashMap<ChunkId, u32>,
    trees: HashMap<NodeId, u64>,
}

/// Takes nodes nowhere, and remembers their names.
struct Names<'a> {
    access: &'a Access,
    ids: Vec<ChunkId>,
}

impl NodeSink for Names<'_> {
    type Error = Error;

    fn put(&mut self, node: &[u8]) -> Result<NodeId> {
        let id = self.access.naming.node_ids.id(node);
        self.ids.push(id.as_chunk());
        Ok(id)
    }
}

impl Needs {
    pub(super) fn new(access: &Access, every: &[Files]) -> Self {
        let mut needs = Self { chunks: HashMap::new(), trees: HashMap::new() };
        for files in every {
            let mut names = Names { access, ids: Vec::new() };
            let manifest = manifest_of(&access.naming, files, &mut names).unwrap();
            stat_of(&access.naming, &mut names).unwrap();
            names.ids.extend(files.values().map(|content| access.naming.chunk_ids.id(content)));
            let mask = needs.mask(&names.ids);
            needs.trees.insert(manifest, mask);
        }
        needs
    }

    fn mask(&mut self, ids: &[ChunkId]) -> u64 {
        ids.iter().fold(0, |mask, id| {
            let next = u32::try_from(self.chunks.len()).unwrap();
            mask | 1 << *self.chunks.entry(*id).or_insert(next)
        })
    }

    fn known_mask(&self, ids: &[ChunkId]) -> u64 {
        ids.iter().fold(0, |mask, id| mask | 1 << self.chunks[id])
    }
}

pub(super) struct Oracle {
    keys: Keys,
    access: Access,
    needs: Arc<Needs>,
    state: Mutex<State>,
}

#[derive(Default, Clone)]
pub(super) struct State {
    /// What packs hold, by the segments that list them.
    packs: HashMap<PackId, u64>,
    present: HashSet<PackId>,
    committed: HashSet<PackId>,
    snapshots: HashMap<SnapshotId, u64>,
    forgets: HashMap<SnapshotId, HashSet<ObjectHash>>,
    cancelled: HashSet<(SnapshotId, ObjectHash)>,
    pub(super) lost: Option<String>,
}

impl Oracle {
    pub(super) fn new(keys: &Keys, access: Access, needs: Arc<Needs>, state: State) -> Self {
        Self { keys: keys.clone(), access, needs, state: Mutex::new(state) }
    }

    /// The first loss, if there was one.
    pub(super) fn lost(&self) -> Option<String> {
        self.state.lock().unwrap().lost.clone()
    }

    pub(super) fn state(&self) -> State {
        self.state.lock().unwrap().clone()
    }

    /// Learns of an object that came to be.
    pub(super) fn created(&self, name: &ObjectName, bytes: &[u8]) {
        let (ring, chain) = (&self.access.ring, &self.access.chain);
        let mut state = self.state.lock().unwrap();
        match name {
            ObjectName::Pack(id) => {
                state.present.insert(*id);
            }
            ObjectName::Segment(id) => {
                let body = envelope::open(Kind::Segment, ring, chain, bytes).unwrap().body;
                self.list(&mut state, *id, &body);
            }
            ObjectName::Outcome(id) => {
                self.decide(&mut state, &outcome::open(*id, ring, chain, bytes).unwrap());
                state.check(&format!("outcome {id}"));
            }
            ObjectName::Record(client, number) => {
                let record = record::open(*client, *number, ring, chain, bytes).unwrap();
                if record.body.kind == RecordKind::Forget {
                    for snapshot in record.body.snapshots.0 {
                        state.forgets.entry(snapshot).or_default().insert(record.hash);
                    }
                }
            }
            ObjectName::Config(_)
            | ObjectName::Key(_)
            | ObjectName::Session(_)
            | ObjectName::Heartbeat(..)
            | ObjectName::Verified(..)
            | ObjectName::Condemned { .. }
            | ObjectName::Deleted { .. }
            | ObjectName::Parity(_)
            | ObjectName::Mirror(_) => {}
        }
    }

    fn list(&self, state: &mut State, id: SegmentId, body: &[u8]) {
        for row in SegmentReader::parse(id, body).unwrap().packs() {
            state.packs.insert(row.facts().pack, self.needs.known_mask(row.ids()));
        }
    }

    fn decide(&self, state: &mut State, outcome: &Outcome) {
        if outcome.body.kind == OutcomeKind::Abort {
            return;
        }
        state.committed.extend(outcome.body.packs.0.iter().copied());
        for component in &outcome.body.components.0 {
            let needed = self.needs.trees[&component.manifest.unwrap()];
            state.snapshots.insert(outcome.snapshot_id(), needed);
        }
        if let Some(statement) = &outcome.body.statement {
            let pairs = statement.snapshots.0.iter();
            state.cancelled.extend(pairs.flat_map(|id| statement.cancels.0.iter().map(|record| (*id, *record))));
        }
    }

    /// Learns of an object that went.
    pub(super) fn removed(&self, name: &ObjectName) {
        if let ObjectName::Pack(id) = name {
            let mut state = self.state.lock().unwrap();
            state.present.remove(id);
            state.check(&format!("the removal of {name}"));
        }
    }

    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    pub(super) fn access(&self) -> &Access {
        &self.access
    }

    pub(super) fn is_live(&self, snapshot: SnapshotId) -> bool {
        self.state.lock().unwrap().is_live(snapshot)
    }
}

impl State {
    /// The packs with a chunk.
    pub(super) fn holders(&self, needs: &Needs, chunk: &ChunkId) -> Vec<PackId> {
        let mask = needs.known_mask(&[*chunk]);
        self.packs.iter().filter(|(_, held)| **held & mask != 0).map(|(id, _)| *id).collect()
    }

    pub(super) fn snapshots(&self) -> impl Iterator<Item = SnapshotId> {
        self.snapshots.keys().copied()
    }

    fn is_live(&self, snapshot: SnapshotId) -> bool {
        let forgets = self.forgets.get(&snapshot);
        !forgets.is_some_and(|forgets| forgets.iter().any(|record| !self.cancelled.contains(&(snapshot, *record))))
    }

    fn check(&mut self, after: &str) {
        let standing = self.packs.iter().filter(|(id, _)| self.present.contains(*id) && self.committed.contains(*id));
        let held = standing.fold(0, |held, (_, mask)| held | mask);
        let lacking = self.snapshots.iter().find(|(id, needed)| **needed & !held != 0 && self.is_live(**id));
        if self.lost.is_none() {
            self.lost = lacking.map(|(id, needed)| format!("after {after} snapshot {id} lacks {:b}", needed & !held));
        }
    }
}

//! What is in the store, without bytes: control objects as values, and packs as sets of chunks. Each operation is one
//! that a store does at once, and tells the oracle what it changed.

use super::Fault;
use super::oracle::Oracle;
use crate::config::Role;
use crate::envelope::Described;
use crate::gc::{Condemned, CondemnedBody, Deleted, DeletedBody};
use crate::id::{ChunkId, ClientId, NodeId, ObjectHash, PackId, SegmentId, SessionId, SignerKey};
use crate::layout::Class;
use crate::outcome::{Outcome, OutcomeBody, OutcomeKind, SegmentRef};
use crate::record::{Record, RecordBody};
use crate::segment::Replaced;
use crate::session_record::SessionKind;
use crate::store::Created;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// A set of chunks.
pub(super) type Chunks = u64;

/// Chunk 0 on are pieces of files.
const CONTENT_COUNT: usize = 8;
/// How many different trees there are: each holds three files in a row.
pub(super) const TREE_COUNT: usize = CONTENT_COUNT - 2;
/// Then comes a node for each tree, and one for the stat tree, which all share.
const STAT: usize = CONTENT_COUNT + TREE_COUNT;
const CHUNK_BYTES: u64 = 100;
pub(super) const SIGNER: SignerKey = SignerKey::from_bytes([1; 32]);

/// The chunks of a set.
pub(super) fn each(mut chunks: Chunks) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let first = chunks.trailing_zeros();
        chunks &= chunks.wrapping_sub(1);
        (first < Chunks::BITS).then(|| usize::try_from(first).unwrap())
    })
}

/// The chunks of one class.
pub(super) fn of_class(class: Class) -> Chunks {
    match class {
        Class::Content => (1 << CONTENT_COUNT) - 1,
        Class::Manifest => ((1 << TREE_COUNT) - 1) << CONTENT_COUNT,
        Class::Stat => 1 << STAT,
    }
}

pub(super) fn chunk_id(chunk: usize) -> ChunkId {
    ChunkId::from_bytes([u8::try_from(chunk).unwrap(); 32])
}

/// The chunk, whose name says which it is.
pub(super) fn chunk_of(id: &ChunkId) -> usize {
    usize::from(id.as_bytes()[0])
}

/// The roots of a tree's manifest, and of the stat tree.
pub(super) fn roots(tree: usize) -> [NodeId; 2] {
    [CONTENT_COUNT + tree, STAT].map(|chunk| NodeId::from_bytes([u8::try_from(chunk).unwrap(); 32]))
}

/// Everything below a root.
pub(super) fn below(root: &NodeId) -> Chunks {
    let node = chunk_of(&root.as_chunk());
    let content = if node == STAT { 0 } else { 0b111 << (node - CONTENT_COUNT) };
    content | 1 << node
}

/// A pack that was made some time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pack {
    pub(super) id: PackId,
    pub(super) class: Class,
    pub(super) chunks: Chunks,
    /// As its header says.
    pub(super) session: SessionId,
}

impl Pack {
    pub(super) fn chunk_count(&self) -> u64 {
        self.chunks.count_ones().into()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.chunk_count() * CHUNK_BYTES
    }
}

/// What a session's object says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Opened {
    pub(super) kind: SessionKind,
    /// The actor that runs it.
    pub(super) by: usize,
}

/// What a segment says. Segments are shared by all who read them.
#[derive(Debug, Clone, Default)]
pub(super) struct Segment {
    pub(super) packs: Vec<PackId>,
    pub(super) replaced: Vec<Replaced>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Sets {
    pub(super) condemned: Option<Condemned>,
    pub(super) deleted: Option<Deleted>,
}

#[derive(Clone)]
pub(super) struct Ground {
    fault: Fault,
    /// Spreads names, so that nothing rests on their order.
    salt: u64,
    named: u32,
    /// All packs that were ever made.
    made: Vec<Pack>,
    packs: BTreeSet<PackId>,
    segments: BTreeMap<SegmentId, Rc<Segment>>,
    sessions: BTreeMap<SessionId, Opened>,
    /// Without the lists of their packs.
    outcomes: BTreeMap<SessionId, Outcome>,
    records: BTreeMap<(ClientId, u64), Record>,
    sets: BTreeMap<u64, Sets>,
    pub(super) oracle: Oracle,
    /// Whose turn it is, and what was done so far, where that is to be told.
    pub(super) turn_of: usize,
    pub(super) story: Option<Vec<String>>,
}

impl Ground {
    pub(super) fn new() -> Self {
        Self {
            fault: Fault::Nothing,
            salt: 0,
            named: 0,
            made: Vec::new(),
            packs: BTreeSet::new(),
            segments: BTreeMap::new(),
            sessions: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            records: BTreeMap::new(),
            sets: BTreeMap::new(),
            oracle: Oracle::default(),
            turn_of: 0,
            story: None,
        }
    }

    fn tell(&mut self, what: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            story.push(format!("{:2} {}", self.turn_of, what()));
        }
    }

    /// From here on names are spread by `seed`, and rules may be broken.
    pub(super) fn begin(&mut self, seed: u64, fault: Fault) {
        (self.salt, self.fault) = (seed, fault);
    }

    pub(super) fn fault(&self) -> Fault {
        self.fault
    }

    /// A name that was never given: its end is a number.
    fn name(&mut self) -> [u8; 32] {
        self.named += 1;
        let mixed = (self.salt ^ u64::from(self.named)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut name = [0; 32];
        name[..8].copy_from_slice(&(mixed ^ mixed >> 29).to_be_bytes());
        name[28..].copy_from_slice(&self.named.to_be_bytes());
        name
    }

    /// What a pack that was made some time holds.
    pub(super) fn pack(&self, id: PackId) -> Pack {
        let number = number_of(id);
        // Packs are named in the order in which they are made.
        let at = self.made.partition_point(|made| number_of(made.id) < number);
        self.made[at]
    }

    pub(super) fn create_pack(&mut self, session: SessionId, class: Class, chunks: Chunks) -> PackId {
        assert!(chunks != 0 && chunks & !of_class(class) == 0, "a pack holds chunks of one class");
        let id = PackId::from_bytes(self.name());
        let pack = Pack { id, class, chunks, session };
        self.made.push(pack);
        self.packs.insert(id);
        self.tell(|| format!("stores pack {} of {session} with {chunks:b}", number_of(id)));
        self.oracle.pack_came(&pack);
        id
    }

    pub(super) fn list_packs(&self) -> impl Iterator<Item = Pack> {
        self.packs.iter().map(|id| self.pack(*id))
    }

    pub(super) fn has_pack(&self, id: PackId) -> bool {
        self.packs.contains(&id)
    }

    pub(super) fn remove_pack(&mut self, id: PackId) {
        if self.packs.remove(&id) {
            self.tell(|| format!("removes pack {}", number_of(id)));
            self.oracle.pack_went(&self.pack(id));
        }
    }

    /// Creates a segment, which counts once an outcome names it.
    pub(super) fn create_segment(&mut self, segment: Segment) -> SegmentRef {
        let id = SegmentId::from_bytes(self.name());
        let pack_count = u64::try_from(segment.packs.len()).unwrap();
        let chunk_count = segment.packs.iter().map(|pack| self.pack(*pack).chunk_count()).sum();
        self.tell(|| {
            let (packs, replaced) = (numbers_of(&segment.packs), segment.replaced.len());
            format!("publishes segment {} of packs {packs:?} in the place of {replaced}", id.short())
        });
        self.segments.insert(id, Rc::new(segment));
        SegmentRef { id, pack_count, chunk_count }
    }

    pub(super) fn list_segments(&self) -> impl Iterator<Item = (SegmentId, &Rc<Segment>)> {
        self.segments.iter().map(|(id, segment)| (*id, segment))
    }

    pub(super) fn segment(&self, id: SegmentId) -> Option<Rc<Segment>> {
        self.segments.get(&id).map(Rc::clone)
    }

    pub(super) fn remove_segment(&mut self, id: SegmentId) {
        if let Some(segment) = self.segments.remove(&id) {
            self.tell(|| format!("removes segment {}", id.short()));
            let packs: Vec<Pack> = segment.packs.iter().map(|pack| self.pack(*pack)).collect();
            self.oracle.segment_went(id, &packs);
        }
    }

    pub(super) fn create_session(&mut self, id: SessionId, opened: Opened) -> Created {
        self.tell(|| format!("opens {id} for {:?}", opened.kind));
        create(&mut self.sessions, id, opened)
    }

    pub(super) fn session(&self, id: SessionId) -> Option<Opened> {
        self.sessions.get(&id).copied()
    }

    pub(super) fn list_sessions(&self) -> impl Iterator<Item = SessionId> {
        self.sessions.keys().copied()
    }

    pub(super) fn remove_session(&mut self, id: SessionId) {
        self.sessions.remove(&id);
    }

    pub(super) fn has_outcome(&self, id: SessionId) -> bool {
        self.outcomes.contains_key(&id)
    }

    pub(super) fn outcomes(&self) -> &BTreeMap<SessionId, Outcome> {
        &self.outcomes
    }

    /// Decides a session, unless it is decided.
    pub(super) fn create_outcome(&mut self, mut body: OutcomeBody) -> Created {
        let id = body.id;
        if let Some(held) = self.outcomes.get(&id) {
            let replaces = self.fault == Fault::AbortOverwritten && held.body.kind == OutcomeKind::Abort;
            if !replaces || body.kind == OutcomeKind::Abort {
                self.tell(|| format!("is too late to end {id} by {:?}", body.kind));
                return Created::Exists;
            }
        }
        self.tell(|| format!("ends {id} by {:?}", body.kind));
        let packs = std::mem::take(&mut body.packs.0);
        let hash = ObjectHash::from_bytes(self.name());
        let outcome = Outcome { body, description: Described::Absent, signer: SIGNER, role: Role::All, hash };
        if outcome.body.kind != OutcomeKind::Abort {
            self.committed(&outcome, &packs);
        }
        self.outcomes.insert(id, outcome);
        Created::New
    }

    fn committed(&mut self, outcome: &Outcome, packs: &[PackId]) {
        let packs: Vec<Pack> = packs.iter().map(|pack| self.pack(*pack)).collect();
        self.oracle.packs_committed(&packs);
        for segment in &outcome.body.segments.0 {
            // One that replaces others may be replaced itself before it is named.
            if let Some(held) = self.segments.get(&segment.id) {
                let listed: Vec<Pack> = held.packs.iter().map(|pack| self.pack(*pack)).collect();
                self.oracle.segment_named(segment.id, &listed);
            }
        }
        for component in &outcome.body.components.0 {
            self.tell(|| format!("makes snapshot {}", outcome.snapshot_id().short()));
            let nodes = component.manifest.iter().chain(&component.stat);
            self.oracle.snapshot_came(outcome.snapshot_id(), nodes.map(below).fold(0, |all, some| all | some));
        }
        if let Some(statement) = &outcome.body.statement {
            self.tell(|| format!("brings back {}", statement.snapshots.0[0].short()));
            self.oracle.cancelled(&statement.snapshots.0, &statement.cancels.0);
        }
    }

    /// What nobody may do.
    pub(super) fn remove_outcome(&mut self, id: SessionId) {
        self.outcomes.remove(&id);
    }

    pub(super) fn records(&self) -> &BTreeMap<(ClientId, u64), Record> {
        &self.records
    }

    pub(super) fn create_record(&mut self, body: RecordBody) -> Created {
        let hash = ObjectHash::from_bytes(self.name());
        let (key, snapshots) = ((body.client, body.number), body.snapshots.0.clone());
        let created = create(&mut self.records, key, Record { body, signer: SIGNER, role: Role::All, hash });
        if created == Created::New {
            self.tell(|| {
                let names: Vec<String> = snapshots.iter().map(|snapshot| snapshot.short()).collect();
                format!("forgets {}", names.join(", "))
            });
            self.oracle.forgotten(&snapshots, hash);
        }
        created
    }

    pub(super) fn sets(&self) -> &BTreeMap<u64, Sets> {
        &self.sets
    }

    pub(super) fn condemned(&self, generation: u64) -> Option<Condemned> {
        self.sets.get(&generation)?.condemned.clone()
    }

    pub(super) fn deleted(&self, generation: u64) -> Option<Deleted> {
        self.sets.get(&generation)?.deleted.clone()
    }

    /// The number of the highest generation that left a set; 0 when there is none.
    pub(super) fn highest_generation(&self) -> u64 {
        self.sets.keys().next_back().copied().unwrap_or(0)
    }

    /// Creates a condemned set.
    pub(super) fn create_condemned(&mut self, body: CondemnedBody) -> Created {
        body.encode().expect("no collector makes a set that nobody would read");
        let hash = ObjectHash::from_bytes(self.name());
        self.tell(|| format!("condemns as {} {:?}", body.generation, numbers_of(&body.packs.0)));
        let sets = self.sets.entry(body.generation).or_default();
        if sets.condemned.is_some() {
            return Created::Exists;
        }
        sets.condemned = Some(Condemned { body, hash });
        Created::New
    }

    pub(super) fn create_deleted(&mut self, body: DeletedBody) -> Created {
        body.encode().expect("no collector makes a set that nobody would read");
        let hash = ObjectHash::from_bytes(self.name());
        self.tell(|| format!("decides to delete of {} {:?}", body.generation, numbers_of(&body.packs.0)));
        let sets = self.sets.entry(body.generation).or_default();
        if sets.deleted.is_some() {
            return Created::Exists;
        }
        sets.deleted = Some(Deleted { body, hash });
        Created::New
    }

    pub(super) fn remove_condemned(&mut self, generation: u64) {
        self.tell(|| format!("retires {generation}"));
        self.remove_set(generation, |sets| sets.condemned = None);
    }

    pub(super) fn remove_deleted(&mut self, generation: u64) {
        self.remove_set(generation, |sets| sets.deleted = None);
    }

    fn remove_set(&mut self, generation: u64, remove: impl FnOnce(&mut Sets)) {
        if let Some(sets) = self.sets.get_mut(&generation) {
            remove(sets);
            if sets.condemned.is_none() && sets.deleted.is_none() {
                self.sets.remove(&generation);
            }
        }
    }
}

fn numbers_of(packs: &[PackId]) -> Vec<u32> {
    packs.iter().map(|pack| number_of(*pack)).collect()
}

/// What tells a pack from all others.
pub(super) fn number_of(id: PackId) -> u32 {
    u32::from_be_bytes(*id.as_bytes().last_chunk().unwrap())
}

fn create<K: Ord, V>(objects: &mut BTreeMap<K, V>, key: K, value: V) -> Created {
    match objects.entry(key) {
        std::collections::btree_map::Entry::Occupied(_) => Created::Exists,
        std::collections::btree_map::Entry::Vacant(entry) => {
            entry.insert(value);
            Created::New
        }
    }
}

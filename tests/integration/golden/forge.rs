//! Makes the objects of a golden repository one by one, in ways in which no command makes them.

use holdall::chunk::ChunkIdKey;
use holdall::config::ConfigChain;
use holdall::envelope::{self, Kind};
use holdall::frame::{Compression, FrameBuffer, FrameEncoder};
use holdall::id::{ChunkId, ClientId, NodeId, ObjectHash, PackId, SegmentId, SessionId, SnapshotId};
use holdall::key::KeyRing;
use holdall::layout::Class;
use holdall::manifest::{BoundaryKey, HardLinkKey, Item, ItemList, ItemTreeBuilder, Means, NodeIdKey, NodeSink};
use holdall::outcome::{self, OutcomeBody, OutcomeDescription, OutcomeKind, Seen, SeenEntry, SegmentRef};
use holdall::pack::{FRAME_PREFIX_BYTES, PackIdentity, PackSealer, Padding, WriteKey};
use holdall::record::{self, RecordBody};
use holdall::segment::{PackFacts, PackRow, Replaced, SegmentBuilder};
use holdall::session_record::{self, HeartbeatBody, Liveness, SessionBody, SessionDescription, SessionKind};
use holdall::store::{Created, LocalStore, ObjectName, Store};
use holdall::wire::{Blob, List};
use std::collections::BTreeMap;
use std::path::Path;

/// 2025-01-01 00:00 UTC; the golden repository's clock goes on from there.
const BEGIN_NS: i64 = 1_735_689_600_000_000_000;
const HOUR_NS: i64 = 3_600_000_000_000;

/// The repository under construction.
pub(crate) struct Forge {
    pub(crate) store: LocalStore,
    pub(crate) chain: ConfigChain,
    pub(crate) node_ids: NodeIdKey,
    pub(crate) chunk_ids: ChunkIdKey,
    pub(crate) boundary: BoundaryKey,
    pub(crate) hard_links: HardLinkKey,
    hours: i64,
    decided: BTreeMap<ClientId, SeenEntry>,
}

/// A session that was opened.
pub(crate) struct Open<'r> {
    pub(crate) id: SessionId,
    pub(crate) ring: &'r KeyRing,
    hash: ObjectHash,
}

/// What a session publishes: nothing at first.
#[derive(Default)]
pub(crate) struct Content {
    pub(crate) packs: Vec<PackId>,
    pub(crate) segments: Vec<SegmentRef>,
}

/// Chunks or nodes that wait for a pack, each once.
#[derive(Default)]
pub(crate) struct Waiting(pub(crate) Vec<(ChunkId, Vec<u8>)>);

impl Waiting {
    pub(crate) fn put(&mut self, id: ChunkId, bytes: &[u8]) {
        if self.0.iter().all(|(known, _)| *known != id) {
            self.0.push((id, bytes.to_vec()));
        }
    }
}

/// Takes tree nodes into a pack that waits.
pub(crate) struct Nodes<'f> {
    pub(crate) ids: &'f NodeIdKey,
    pub(crate) waiting: Waiting,
}

impl NodeSink for Nodes<'_> {
    type Error = std::convert::Infallible;

    fn put(&mut self, node: &[u8]) -> Result<NodeId, Self::Error> {
        let id = self.ids.id(node);
        self.waiting.put(id.as_chunk(), node);
        Ok(id)
    }
}

impl Forge {
    pub(crate) fn new(root: &Path, ring: &KeyRing, config_zero: &[u8]) -> Self {
        let store = LocalStore::create(root).unwrap();
        let chain = ConfigChain::load(&[(0, config_zero.to_vec())], ring.config_zero()).unwrap();
        let forge = Self {
            store,
            chain,
            node_ids: NodeIdKey::new(ring.node_id_key()),
            chunk_ids: ChunkIdKey::from_bytes(*ring.chunk_id_key().expose()),
            boundary: BoundaryKey::new(ring.boundary_key()),
            hard_links: HardLinkKey::new(ring.hard_link_key()),
            hours: 0,
            decided: BTreeMap::new(),
        };
        forge.create(ObjectName::Config(0), config_zero);
        forge
    }

    pub(crate) fn create(&self, name: ObjectName, bytes: &[u8]) {
        assert!(matches!(self.store.create(&name, bytes), Ok(Created::New)), "{name}");
    }

    pub(crate) fn now_ns(&mut self) -> i64 {
        self.hours += 1;
        BEGIN_NS + self.hours * HOUR_NS
    }

    pub(crate) fn nodes(&self) -> Nodes<'_> {
        Nodes { ids: &self.node_ids, waiting: Waiting::default() }
    }

    /// Trees as deep as they can be.
    pub(crate) fn means() -> Means {
        Means::parse(4, 4).unwrap()
    }

    /// Lists items in an entry or in a tree of their own.
    pub(crate) fn item_list(&self, items: Vec<Item>, nodes: &mut Nodes<'_>) -> Option<ItemList> {
        let mut builder = ItemTreeBuilder::new(&self.boundary, Self::means());
        for item in items {
            builder.push(item, nodes).unwrap();
        }
        builder.finish(nodes).unwrap()
    }

    pub(crate) fn open<'r>(&mut self, ring: &'r KeyRing, id: SessionId, kind: SessionKind) -> Open<'r> {
        let liveness = Liveness { boot_id: [7; 16], pid_namespace: 4_026_531_836, pid: 4711, process_start_ticks: 99 };
        let body = SessionBody {
            id,
            kind,
            started_at_ns: self.now_ns(),
            liveness,
            writer_version: Blob::from("the golden writer"),
        };
        let description = SessionDescription {
            host: Blob::from("golden"),
            user: Blob::from("writer"),
            command: List(vec![Blob::from("make"), Blob::from("golden")]),
        };
        let bytes = session_record::seal(&body, Some(&description), ring, &self.chain).unwrap();
        self.create(ObjectName::Session(id), &bytes);
        Open { id, ring, hash: hash(&bytes) }
    }

    pub(crate) fn beat(&self, session: &Open<'_>, beat: u64) {
        let body = HeartbeatBody { id: session.id, beat };
        let bytes = session_record::seal_heartbeat(&body, session.ring, &self.chain).unwrap();
        self.create(ObjectName::Heartbeat(session.id, beat), &bytes);
    }

    /// Writes a pack of what waits, so many chunks a frame, every second frame as it is.
    pub(crate) fn pack(&self, session: &Open<'_>, class: Class, waiting: &Waiting, per_frame: usize) -> PackRow {
        let ring = session.ring;
        let epoch = ring.epoch();
        let identity = PackIdentity { class, key_epoch: epoch, repository: ring.repository(), session: session.id };
        let key = match ring.class_root(class.code(), epoch).unwrap() {
            Some(root) => WriteKey::Symmetric(root),
            None => WriteKey::Public(ring.class_public(class.code()).unwrap()),
        };
        let sealer = PackSealer::create(&identity, key, ring.index_root(epoch).unwrap()).unwrap();
        let mut table = sealer.table();
        let mut bytes = sealer.header_bytes();
        let mut encoder = FrameEncoder::new();
        for (turn, chunks) in waiting.0.chunks(per_frame).enumerate() {
            let mut buffer = FrameBuffer::new();
            chunks.iter().for_each(|(_, chunk)| buffer.push(chunk));
            let mut stored = vec![0; FRAME_PREFIX_BYTES];
            encoder.encode(&buffer, if turn % 2 == 0 { Compression::AUTO } else { Compression::Off }, &mut stored);
            let sealed_bytes = PackSealer::sealed_bytes(stored.len() - FRAME_PREFIX_BYTES);
            let place = table.push(sealed_bytes, buffer.lengths()).unwrap();
            sealer.seal_frame(place.number, &mut stored);
            bytes.extend(stored);
        }
        bytes.extend(sealer.seal_end(&table, Padding::Always));
        let pack = PackId::of(&bytes);
        self.create(ObjectName::Pack(pack), &bytes);
        let length = bytes.len().try_into().unwrap();
        let facts = PackFacts { pack, class, bytes: length, signer: ring.signer(), session: session.id };
        PackRow::new(facts, table, waiting.0.iter().map(|(id, _)| *id).collect()).unwrap()
    }

    pub(crate) fn segment(&self, ring: &KeyRing, rows: &[&PackRow], replaced: &[SegmentRef]) -> SegmentRef {
        let mut builder = SegmentBuilder::new();
        for SegmentRef { id, pack_count, chunk_count } in replaced {
            let replaced = Replaced { segment: *id, pack_count: *pack_count, chunk_count: *chunk_count };
            builder.replace(replaced).unwrap();
        }
        rows.iter().for_each(|row| builder.push((*row).clone()).unwrap());
        let (pack_count, chunk_count) = (builder.pack_count(), builder.chunk_count());
        let bytes = envelope::seal(Kind::Segment, ring, &self.chain, &builder.finish(), None).unwrap();
        let id = SegmentId::of(&bytes);
        self.create(ObjectName::Segment(id), &bytes);
        SegmentRef { id, pack_count, chunk_count }
    }

    /// An outcome's body that says nothing but its kind and times.
    pub(crate) fn body(&mut self, session: &Open<'_>, kind: OutcomeKind, content: Content) -> OutcomeBody {
        let Content { mut packs, mut segments } = content;
        packs.sort();
        segments.sort_by_key(|segment| segment.id);
        let time_ns = self.now_ns();
        OutcomeBody {
            id: session.id,
            session: session.hash,
            kind,
            time_ns,
            committed_at_ns: time_ns,
            packs: List(packs),
            segments: List(segments),
            seen: Seen { base: 0, entries: List(self.decided.values().copied().collect()), overflow: None },
            components: List::default(),
            members: List::default(),
            statement: None,
            attributes: List::default(),
        }
    }

    /// Ends a session, with the key of `ring`.
    pub(crate) fn end(
        &mut self,
        ring: &KeyRing,
        body: &OutcomeBody,
        description: Option<&OutcomeDescription>,
    ) -> SnapshotId {
        let bytes = outcome::seal(body, description, ring, &self.chain).unwrap();
        self.create(ObjectName::Outcome(body.id), &bytes);
        let outcome = hash(&bytes);
        let reached = self.decided.get(&body.id.client).map_or(0, |entry| entry.number);
        if reached + 1 == body.id.number {
            let entry = SeenEntry { client: body.id.client, number: body.id.number, outcome };
            self.decided.insert(body.id.client, entry);
        }
        SnapshotId::from_bytes(*outcome.as_bytes())
    }

    /// Makes a statement; returns the hash by which it may be cancelled.
    pub(crate) fn state(&self, ring: &KeyRing, body: &RecordBody) -> ObjectHash {
        let bytes = record::seal(body, ring, &self.chain).unwrap();
        self.create(ObjectName::Record(body.client, body.number), &bytes);
        hash(&bytes)
    }
}

pub(crate) fn hash(bytes: &[u8]) -> ObjectHash {
    ObjectHash::of(bytes)
}

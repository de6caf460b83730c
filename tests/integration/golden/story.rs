//! What happens in the golden repository, session by session.

use super::forge::{Content, Forge, Open, Waiting, hash};
use super::things::{Is, Planted, Thing, plant};
use super::trees;
use holdall::config::{Parameters, Role};
use holdall::gc::{self, CondemnedBody, DeletedBody};
use holdall::id::{ClientId, ObjectHash, PackId, SessionId, SnapshotId};
use holdall::key::{KdfCost, KeyRing, Unlock, format_key_file, seal_slot};
use holdall::layout::Class;
use holdall::outcome::{
    Attribute, Component, ComponentDescription, ComponentKind, ComponentState, Counts, OutcomeDescription, OutcomeKind,
    OwnerName, SegmentRef, Statement, StatementKind,
};
use holdall::record::{RecordBody, RecordKind};
use holdall::seal::Secret;
use holdall::segment::{PackFacts, PackRow};
use holdall::session_record::SessionKind;
use holdall::store::{ObjectName, Store};
use holdall::wire::{Blob, List};
use std::fmt::Write as _;
use std::path::Path;

pub(crate) const PASSWORD: &[u8] = b"golden password";
pub(crate) const PUT_PASSWORD: &[u8] = b"golden put";
/// Committed in 2200, ahead of any clock.
const AHEAD_NS: i64 = 7_258_118_400_000_000_000;

/// An attribute of an outcome that nobody knows and everybody may ignore.
const IGNORABLE_ATTRIBUTE: u32 = 40_000;

pub(crate) const ADMIN: u8 = 0xa1;
const HOST_ONE: u8 = 0xb1;
const HOST_TWO: u8 = 0xb2;
const COLLECTOR: u8 = 0xd1;

pub(crate) fn session(client: u8, number: u64) -> SessionId {
    SessionId { client: ClientId::from_bytes([client; 16]), number }
}

/// The rings of everybody who writes.
pub(crate) struct Rings {
    pub(crate) all: KeyRing,
    read: KeyRing,
    prune: KeyRing,
    host_one: KeyRing,
    host_two: KeyRing,
}

/// Writes `repository/`, `key-file`, `snapshots.txt` and a listing for each snapshot into an empty directory.
pub(crate) fn write(folder: &Path) {
    let root = folder.join("repository");
    let (mut forge, mut rings) = found(&root);
    let mut told = Told { folder, snapshots: String::new() };
    let one = stage(&mut forge, &rings.host_one, session(HOST_ONE, 1), "one");
    let two = stage(&mut forge, &rings.host_two, session(HOST_TWO, 1), "two");
    let (released, _) = stage(&mut forge, &rings.host_one, session(HOST_ONE, 2), "released");
    begin_epoch(&mut forge, &mut rings);
    slots(&forge, &rings, folder);
    told.group(&mut forge, &rings.all, one, two);
    let shared = checkpoint(&mut forge, &rings.all);
    told.snapshots(&mut forge, &rings, &shared, released);
    undecided(&mut forge, &rings);
    prune(&mut forge, &rings, &shared);
    std::fs::write(folder.join("snapshots.txt"), told.snapshots).unwrap();
}

/// How what a snapshot needs was published.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Published {
    Rightly,
    /// By a session that was aborted then.
    InVain,
    /// And then condemned by a prune that was cut short.
    AndCondemned,
    /// And then named again by a put key, with other counts.
    AndMisnamed,
    /// But for the segments: a put key signed them.
    UnderAnotherKey,
    /// But for the segments: they give packs another session and length than they have.
    Misdescribed,
    /// But for the segments: they give packs another session than they have.
    Misattributed,
}

/// Writes a repository with one snapshot of several components into an empty directory.
pub(crate) fn write_components(
    folder: &Path,
    components: Vec<(ComponentKind, Vec<Thing>)>,
    published: Published,
) -> SnapshotId {
    let (mut forge, rings) = found(&folder.join("repository"));
    slots(&forge, &rings, folder);
    let (kinds, planted): (Vec<_>, Vec<_>) =
        components.into_iter().map(|(kind, things)| (kind, plant(&forge, things))).unzip();
    let open = forge.open(&rings.all, session(ADMIN, 1), SessionKind::Backup);
    let mut content = Content::default();
    for planted in &planted {
        let by = if published == Published::UnderAnotherKey { &rings.host_one } else { &rings.all };
        let row: fn(PackRow) -> PackRow = match published {
            Published::Misdescribed => {
                |row| changed(&row, |facts| (facts.session.number, facts.bytes) = (2, facts.bytes + 1))
            }
            Published::Misattributed => |row| changed(&row, |facts| facts.session.number = 2),
            Published::Rightly
            | Published::InVain
            | Published::AndCondemned
            | Published::AndMisnamed
            | Published::UnderAnotherKey => |row| row,
        };
        let published = publish(&forge, &open, planted, by, row);
        content.packs.extend(published.packs);
        content.segments.extend(published.segments);
    }
    let (packs, segments) = (content.packs.clone(), content.segments.clone());
    let (content, open) = if published == Published::InVain {
        let body = forge.body(&open, OutcomeKind::Abort, Content::default());
        forge.end(&rings.all, &body, None);
        (Content::default(), forge.open(&rings.all, session(ADMIN, 2), SessionKind::Backup))
    } else {
        (content, open)
    };
    let mut body = forge.body(&open, OutcomeKind::Snapshot, content);
    for (kind, planted) in kinds.into_iter().zip(&planted) {
        let tree = component(planted, ComponentState::Complete);
        let stat = tree.stat.filter(|_| kind == ComponentKind::Tree);
        body.components.0.push(Component { kind, stat, ..tree });
    }
    let descriptions = planted.iter().map(|_| named("", "")).collect();
    let id = forge.end(&rings.all, &body, Some(&description("one", descriptions)));
    if published == Published::AndCondemned {
        let mut packs = packs;
        packs.sort();
        condemn(&forge, &rings.prune, 1, session(COLLECTOR, 1), packs);
    }
    if published == Published::AndMisnamed {
        // Of clients that sort before all others, and behind.
        [0x00, 0xff].into_iter().for_each(|client| misname(&mut forge, &rings.host_one, client, &segments));
    }
    id
}

fn misname(forge: &mut Forge, ring: &KeyRing, client: u8, segments: &[SegmentRef]) {
    let open = forge.open(ring, session(client, 1), SessionKind::Checkpoint);
    let other = |named: &SegmentRef| SegmentRef { chunk_count: named.chunk_count + 1, ..*named };
    let content = Content { packs: Vec::new(), segments: segments.iter().map(other).collect() };
    let body = forge.body(&open, OutcomeKind::Checkpoint, content);
    forge.end(ring, &body, None);
}

pub(crate) fn found(root: &Path) -> (Forge, Rings) {
    let parameters = Parameters {
        chunk_bytes_min: 4096,
        chunk_bytes_avg: 8192,
        chunk_bytes_max: 16384,
        normalization: 2,
        frame_bytes_target: 64 << 10,
        pack_bytes_target: 1 << 20,
        manifest_leaf_mean: 4,
        stat_leaf_mean: 4,
        inner_mean: 4,
        item_mean: 4,
        inline_bytes_max: 4096,
    };
    let (all, config_zero) = KeyRing::create(parameters, 1_735_689_600_000_000_000).unwrap();
    let mut forge = Forge::new(root, &all, &config_zero);
    let restricted = |role| all.restricted(role).unwrap();
    let (read, prune) = (restricted(Role::Read), restricted(Role::Prune));
    let (host_one, host_two) = (restricted(Role::Put), restricted(Role::Put));
    let now_ns = forge.now_ns();
    let mut draft = forge.chain.draft(now_ns);
    for ring in [&read, &prune, &host_one, &host_two] {
        draft.enlist(ring.signer(), ring.role()).unwrap();
    }
    let bytes = draft.sign(all.signing()).unwrap();
    forge.chain.extend(&bytes).unwrap();
    forge.create(ObjectName::Config(1), &bytes);
    (forge, Rings { all, read, prune, host_one, host_two })
}

/// A backup that waits for others: packs and description are encapsulated, since a put key can't read.
fn stage(forge: &mut Forge, ring: &KeyRing, id: SessionId, host: &str) -> (SnapshotId, String) {
    let open = forge.open(ring, id, SessionKind::Backup);
    let planted = plant(forge, trees::staged(host));
    let content = publish(forge, &open, &planted, open.ring, |row| row);
    let mut body = forge.body(&open, OutcomeKind::Staged, content);
    body.components = List(vec![component(&planted, ComponentState::Complete)]);
    let description = description(host, vec![named(host, "")]);
    (forge.end(ring, &body, Some(&description)), planted.listing)
}

/// New roots, and one host may write no more: what it signed before stays valid.
fn begin_epoch(forge: &mut Forge, rings: &mut Rings) {
    let now_ns = forge.now_ns();
    let mut draft = forge.chain.draft(now_ns);
    draft.epochs.0.push(rings.all.begin_epoch().unwrap());
    draft.revoke(&rings.host_two.signer()).unwrap();
    let (read, prune) = (rings.all.restricted(Role::Read).unwrap(), rings.all.restricted(Role::Prune).unwrap());
    for ring in [&read, &prune] {
        draft.enlist(ring.signer(), ring.role()).unwrap();
    }
    let bytes = draft.sign(rings.all.signing()).unwrap();
    forge.chain.extend(&bytes).unwrap();
    forge.create(ObjectName::Config(2), &bytes);
    (rings.read, rings.prune) = (read, prune);
}

pub(crate) fn slots(forge: &Forge, rings: &Rings, folder: &Path) {
    let secret = Secret::random();
    std::fs::write(folder.join("key-file"), format_key_file(&secret).as_bytes()).unwrap();
    let slots = [
        (&rings.all, Unlock::Password(PASSWORD), "everything"),
        (&rings.read, Unlock::KeyFile(&secret), "reading"),
        (&rings.host_one, Unlock::Password(PUT_PASSWORD), "host one"),
    ];
    for (ring, unlock, label) in slots {
        let bytes = seal_slot(ring, unlock, KdfCost::CHEAP, label.as_bytes(), 1_735_689_700_000_000_000).unwrap();
        forge.create(ObjectName::Key(hash(&bytes)), &bytes);
    }
}

/// Content that later snapshots need: a pack that a prune replaces, and one with another copy.
struct Shared {
    doomed: PackRow,
    kept: PackRow,
    copy: PackRow,
    segments: [SegmentRef; 3],
}

fn checkpoint(forge: &mut Forge, ring: &KeyRing) -> Shared {
    let open = forge.open(ring, session(ADMIN, 2), SessionKind::Checkpoint);
    let shared = plant(forge, vec![Thing::new("x", Is::Parts(trees::shared_chunks()))]).chunks;
    let other = Waiting(shared.0.iter().skip(1).cloned().collect());
    let kept = plant(forge, trees::small("garbage")).chunks;
    let doomed = forge.pack(&open, Class::Content, &shared, 2);
    let copy = forge.pack(&open, Class::Content, &other, 1);
    let kept = forge.pack(&open, Class::Content, &kept, 9);
    let segments = [&doomed, &kept, &copy].map(|row| forge.segment(ring, &[row], &[]));
    let packs = [&doomed, &kept, &copy].map(pack_id).to_vec();
    let body = forge.body(&open, OutcomeKind::Checkpoint, Content { packs, segments: segments.to_vec() });
    forge.end(ring, &body, None);
    Shared { doomed, kept, copy, segments }
}

fn pack_id(row: &PackRow) -> PackId {
    row.facts().pack
}

fn changed(row: &PackRow, change: impl FnOnce(&mut PackFacts)) -> PackRow {
    let mut facts = *row.facts();
    change(&mut facts);
    PackRow::new(facts, row.frames().clone(), row.ids().to_vec()).unwrap()
}

/// Publishes what a component needs and no other session has: packs of every class, and a segment that `by` signs, with rows
/// that were changed.
fn publish(forge: &Forge, open: &Open<'_>, planted: &Planted, by: &KeyRing, change: fn(PackRow) -> PackRow) -> Content {
    let classes = [
        (Class::Content, &planted.chunks, 5),
        (Class::Manifest, &planted.nodes, 20),
        (Class::Stat, &planted.stat_nodes, 50),
    ];
    let needed = classes.into_iter().filter(|(_, waiting, _)| !waiting.0.is_empty());
    let rows: Vec<_> =
        needed.map(|(class, waiting, per_frame)| change(forge.pack(open, class, waiting, per_frame))).collect();
    let segment = forge.segment(by, &rows.iter().collect::<Vec<_>>(), &[]);
    Content { packs: rows.iter().map(pack_id).collect(), segments: vec![segment] }
}

pub(crate) fn component(planted: &Planted, state: ComponentState) -> Component {
    let (manifest, stat) = (Some(planted.manifest), Some(planted.stat));
    Component { kind: ComponentKind::Tree, required: true, state, manifest, stat, counts: planted.counts }
}

pub(crate) fn named(name: &str, reason: &str) -> ComponentDescription {
    // A name that no machine has, so that numbers stay what they are.
    let nobody = |id| List(vec![OwnerName { id, name: Blob::from("nobody-has-this-name-1f0c") }]);
    ComponentDescription { name: name.into(), reason: reason.into(), users: nobody(12345), groups: nobody(54321) }
}

pub(crate) fn description(host: &str, components: Vec<ComponentDescription>) -> OutcomeDescription {
    OutcomeDescription {
        host: host.into(),
        user: "writer".into(),
        paths: List(vec!["/srv/golden".into()]),
        tags: List(vec!["golden".into()]),
        program: "the golden writer".into(),
        parent: None,
        components: List(components),
        ..OutcomeDescription::default()
    }
}

/// What is told about the snapshots beside the repository.
struct Told<'f> {
    folder: &'f Path,
    snapshots: String,
}

impl Told<'_> {
    fn tell(&mut self, id: SnapshotId, name: &str, listing: &str) {
        writeln!(self.snapshots, "{name} {id}").unwrap();
        std::fs::write(self.folder.join(format!("{name}.txt")), listing).unwrap();
    }

    fn group(&mut self, forge: &mut Forge, ring: &KeyRing, one: (SnapshotId, String), two: (SnapshotId, String)) {
        let open = forge.open(ring, session(ADMIN, 1), SessionKind::Group);
        let mut body = forge.body(&open, OutcomeKind::Group, Content::default());
        let mut members = vec![one.0, two.0];
        members.sort();
        body.members = List(members);
        let id = forge.end(ring, &body, Some(&description("both", Vec::new())));
        // The two share their first two lines: the directories above.
        let listing = one.1.lines().chain(two.1.lines().skip(2)).map(|line| format!("{line}\n")).collect::<String>();
        self.tell(id, "group", &listing);
    }

    fn snapshots(&mut self, forge: &mut Forge, rings: &Rings, shared: &Shared, released: SnapshotId) {
        let ring = &rings.all;
        let complete = ComponentState::Complete;
        let forgotten = self.snapshot(forge, ring, 3, "forgotten", trees::small("forgotten"), (complete, None));
        let undone = self.snapshot(forge, ring, 4, "undone", trees::small("undone"), (complete, None));
        let full = self.snapshot(forge, ring, 5, "full", trees::full(), (complete, None));
        self.snapshot(forge, ring, 6, "odd", trees::odd(), (ComponentState::Partial, None));
        self.snapshot(forge, ring, 7, "ahead", trees::small("ahead"), (complete, Some(AHEAD_NS)));
        let newest = self.snapshot(forge, ring, 8, "forgotten-too", trees::small("forgotten too"), (complete, None));
        let mut clerk = Clerk { forge, number: 0 };
        clerk.state(ring, RecordKind::Forget, vec![forgotten, newest]);
        let wrong = clerk.state(ring, RecordKind::Forget, vec![undone, full]);
        clerk.state(ring, RecordKind::Pin, vec![full]);
        clerk.state(ring, RecordKind::Pin, vec![undone]);
        clerk.state(&rings.prune, RecordKind::Unpin, vec![undone]);
        clerk.state(&rings.prune, RecordKind::Release, vec![released]);
        clerk.state(&rings.read, RecordKind::Drill, vec![full]);
        clerk.verified(&rings.read, shared);
        let open = forge.open(&rings.prune, session(COLLECTOR, 1), SessionKind::Restate);
        let mut body = forge.body(&open, OutcomeKind::Restate, Content::default());
        let mut snapshots = vec![undone, full];
        snapshots.sort();
        let cancels = List(vec![wrong]);
        body.statement = Some(Statement { kind: StatementKind::Undo, snapshots: List(snapshots), cancels });
        forge.end(&rings.prune, &body, None);
    }

    fn snapshot(
        &mut self,
        forge: &mut Forge,
        ring: &KeyRing,
        number: u64,
        name: &str,
        things: Vec<Thing>,
        (state, committed_at_ns): (ComponentState, Option<i64>),
    ) -> SnapshotId {
        let kind = if committed_at_ns.is_some() { SessionKind::Copy } else { SessionKind::Backup };
        let open = forge.open(ring, session(ADMIN, number), kind);
        let mut planted = plant(forge, things);
        // Lies in the checkpoint's packs already.
        let known = plant(forge, vec![Thing::new("x", Is::Parts(trees::shared_chunks()))]).chunks;
        planted.chunks.0.retain(|(id, _)| known.0.iter().all(|(known, _)| known != id));
        let content = publish(forge, &open, &planted, open.ring, |row| row);
        let mut body = forge.body(&open, OutcomeKind::Snapshot, content);
        body.committed_at_ns = committed_at_ns.unwrap_or(body.committed_at_ns);
        body.components = List(vec![component(&planted, state)]);
        body.attributes = List(vec![Attribute { id: IGNORABLE_ATTRIBUTE, bytes: Blob::from("not yet known") }]);
        let reason = if state == ComponentState::Partial { "the walk was stopped" } else { "" };
        let mut descriptions = vec![named("", reason)];
        if state == ComponentState::Partial {
            body.components.0.push(Component {
                kind: ComponentKind::Stream,
                required: false,
                state: ComponentState::Missing,
                manifest: None,
                stat: None,
                counts: Counts::default(),
            });
            descriptions.push(named("database", "it did not answer"));
        }
        let id = forge.end(ring, &body, Some(&description("golden", descriptions)));
        self.tell(id, name, &planted.listing);
        id
    }
}

/// Makes records of one client.
struct Clerk<'f> {
    forge: &'f mut Forge,
    number: u64,
}

impl Clerk<'_> {
    fn state(&mut self, ring: &KeyRing, kind: RecordKind, mut snapshots: Vec<SnapshotId>) -> ObjectHash {
        snapshots.sort();
        let until_ns = (kind == RecordKind::Pin).then_some(AHEAD_NS);
        self.record(ring, kind, snapshots, until_ns, Vec::new())
    }

    fn verified(&mut self, ring: &KeyRing, shared: &Shared) {
        let mut packs = vec![pack_id(&shared.kept), pack_id(&shared.copy)];
        packs.sort();
        self.record(ring, RecordKind::Verified, Vec::new(), None, packs);
    }

    fn record(
        &mut self,
        ring: &KeyRing,
        kind: RecordKind,
        snapshots: Vec<SnapshotId>,
        until_ns: Option<i64>,
        packs: Vec<PackId>,
    ) -> ObjectHash {
        self.number += 1;
        let made_at_ns = self.forge.now_ns();
        let client = ClientId::from_bytes([ADMIN; 16]);
        let (snapshots, packs) = (List(snapshots), List(packs));
        let note = Blob::from("golden");
        let body = RecordBody { client, number: self.number, made_at_ns, kind, snapshots, until_ns, packs, note };
        self.forge.state(ring, &body)
    }
}

/// Sessions that committed nothing: one aborted by a collector, one by itself, one still open. What they left lies
/// about and counts for nothing.
fn undecided(forge: &mut Forge, rings: &Rings) {
    for (number, ring) in [(9, &rings.prune), (10, &rings.all)] {
        let open = forge.open(&rings.all, session(ADMIN, number), SessionKind::Backup);
        publish(forge, &open, &plant(forge, trees::small("aborted")), open.ring, |row| row);
        let body = forge.body(&open, OutcomeKind::Abort, Content::default());
        forge.end(ring, &body, None);
    }
    let open = forge.open(&rings.all, session(ADMIN, 11), SessionKind::Backup);
    publish(forge, &open, &plant(forge, trees::small("open")), open.ring, |row| row);
    forge.beat(&open, 1);
    forge.beat(&open, 2);
}

/// A prune that went to its end: of three packs one is gone, its first chunk copied, its segment replaced; another one
/// is gone whose segment is still there. A second prune has only condemned.
fn prune(forge: &mut Forge, rings: &Rings, shared: &Shared) {
    let ring = &rings.prune;
    let open = forge.open(ring, session(COLLECTOR, 2), SessionKind::Repack);
    let chunks = plant(forge, vec![Thing::new("x", Is::Parts(trees::shared_chunks()))]).chunks;
    let copied = forge.pack(&open, Class::Content, &chunks, 3);
    let segment = forge.segment(ring, &[&shared.kept, &copied], &[shared.segments[0], shared.segments[1]]);
    let content = Content { packs: vec![pack_id(&copied)], segments: vec![segment] };
    let body = forge.body(&open, OutcomeKind::Repack, content);
    forge.end(ring, &body, None);

    let mut gone = vec![pack_id(&shared.doomed), pack_id(&shared.copy)];
    gone.sort();
    let condemned = condemn(forge, ring, 1, open.id, gone.clone());
    let deleted = DeletedBody { generation: 1, condemned, packs: List(gone.clone()) };
    let bytes = gc::seal_deleted(&deleted, ring, &forge.chain).unwrap();
    forge.create(ObjectName::Deleted { generation: 1 }, &bytes);
    gone.into_iter().for_each(|pack| forge.store.remove(&ObjectName::Pack(pack)).unwrap());
    forge.store.remove(&ObjectName::Segment(shared.segments[0].id)).unwrap();

    let open = forge.open(ring, session(COLLECTOR, 3), SessionKind::Repack);
    condemn(forge, ring, 2, open.id, vec![pack_id(&shared.kept)]);
    let body = forge.body(&open, OutcomeKind::Repack, Content::default());
    forge.end(ring, &body, None);

    // A segment made anew from packs: it lists what another one lists too.
    let open = forge.open(ring, session(COLLECTOR, 4), SessionKind::Repair);
    let segment = forge.segment(ring, &[&copied], &[]);
    let body = forge.body(&open, OutcomeKind::Repair, Content { packs: Vec::new(), segments: vec![segment] });
    forge.end(ring, &body, None);
}

fn condemn(forge: &Forge, ring: &KeyRing, generation: u64, session: SessionId, packs: Vec<PackId>) -> ObjectHash {
    let body = CondemnedBody { generation, session, packs: List(packs), live: List::default() };
    let bytes = gc::seal_condemned(&body, ring, &forge.chain).unwrap();
    forge.create(ObjectName::Condemned { generation }, &bytes);
    hash(&bytes)
}

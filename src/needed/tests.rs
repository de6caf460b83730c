use super::*;
use crate::access::Access;
use crate::backup::BackupOptions;
use crate::content::ContentReader;
use crate::error::ErrorKind;
use crate::id::{NodeId, SnapshotId};
use crate::key::{KdfCost, Unlock};
use crate::manifest::NodeSource as _;
use crate::progress::Silent;
use crate::progress::testing::Patience;
use crate::prune::{MaxUnused, PruneOptions};
use crate::repository::{CreateOptions, OpenOptions, Repository};
use crate::segment::SegmentReader;
use crate::session::{self, History, SnapshotFilter, read_segment};
use counts::Counts;
use proptest::prelude::*;
use references::References;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

const PASSWORD: Unlock<'static> = Unlock::Password(b"correct horse battery staple");

/// A repository that is kept open, and a tree that changes from snapshot to snapshot.
struct House {
    repository: Repository,
    place: tempfile::TempDir,
}

impl House {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let store = place.path().join("repository");
        Repository::create(&store, PASSWORD, &CreateOptions::default().kdf(KdfCost::CHEAP)).unwrap();
        let options = OpenOptions::new(place.path().join("cache"), place.path().join("state"));
        let repository = Repository::open(&store, PASSWORD, options).unwrap();
        std::fs::create_dir(place.path().join("tree")).unwrap();
        Self { repository, place }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// The parts of the repository, with its index up to date, and its history.
    fn look(&self) -> (Access, History) {
        let access = self.repository.access().clone();
        let history = History::load(&access).unwrap();
        session::bring_up_to_date(&access, &history).unwrap();
        (access, history)
    }

    /// Writes files of some length; their content follows from the number and the seed.
    fn write(&self, numbers: std::ops::Range<u32>, seed: u8, bytes: usize) {
        for number in numbers {
            let mut content = vec![0; bytes];
            let mut hasher = blake3::Hasher::new();
            hasher.update(&number.to_le_bytes()).update(&[seed]).finalize_xof().fill(&mut content);
            std::fs::write(self.path("tree").join(format!("file {number:06}")), content).unwrap();
        }
    }

    fn backup(&self) -> SnapshotId {
        let report = self.repository.backup(&BackupOptions::new([self.path("tree")]), &Silent).unwrap();
        report.snapshot
    }

    /// Several snapshots that share much: small files, a large one, runs of zeros.
    fn with_snapshots() -> Self {
        let house = Self::new();
        house.write(0..400, 1, 700);
        house.write(1000..1002, 1, 3 << 20);
        std::fs::write(house.path("tree").join("zeros"), vec![0; 1 << 20]).unwrap();
        house.backup();
        house.write(10..15, 2, 900);
        house.backup();
        house.write(1000..1001, 3, 2 << 20);
        house.write(300..301, 3, 700);
        house.backup();
        house
    }
}

/// Everything below some nodes, found the plain way.
fn plainly(access: &Access, roots: impl IntoIterator<Item = NodeId>) -> BTreeSet<ChunkId> {
    let reader = ContentReader::new(access.clone());
    let (mut found, mut waiting) = (BTreeSet::new(), Vec::from_iter(roots));
    while let Some(id) = waiting.pop() {
        if found.insert(id.as_chunk()) {
            let mut named = References::default();
            named.add(&reader.node(id).unwrap()).unwrap();
            found.extend(named.ends);
            waiting.extend(named.nodes);
        }
    }
    found
}

/// The use of every pack, counted through the rows of all segments.
fn uses(access: &Access, needed: &BTreeSet<ChunkId>) -> BTreeMap<PackOrdinal, PackUse> {
    let mut uses = BTreeMap::new();
    for id in access.index.applied().unwrap() {
        let body = read_segment(access, id).unwrap();
        for row in SegmentReader::parse(id, &body).unwrap().packs() {
            let pack = access.index.find_pack(&row.facts().pack).unwrap().unwrap();
            let mut used = PackUse::default();
            for (id, place) in row.chunks().filter(|(id, _)| needed.contains(id)) {
                used.chunk_count += 1;
                used.raw_bytes += u64::from(place.chunk_bytes);
                used.copied_count += u64::from(access.index.copies(id).unwrap().len() > 1);
            }
            uses.insert(pack, used);
        }
    }
    uses
}

fn all_ids(access: &Access) -> Vec<ChunkId> {
    let mut ids = Vec::new();
    for id in access.index.applied().unwrap() {
        let body = read_segment(access, id).unwrap();
        SegmentReader::parse(id, &body).unwrap().packs().for_each(|row| ids.extend_from_slice(row.ids()));
    }
    ids
}

/// Roots as if only these snapshots were live.
fn roots_of(history: &History, chosen: impl Fn(usize) -> bool) -> Roots {
    let mut roots = Roots::default();
    for (_, snapshot) in session::all(history).iter().enumerate().filter(|(at, _)| chosen(*at)) {
        roots.live.insert(snapshot.id);
        let nodes =
            snapshot.components.iter().flat_map(|component| component.manifest.into_iter().chain(component.stat));
        roots.nodes.extend(nodes.map(|node| (node, snapshot.id)));
    }
    roots
}

fn assert_right(access: &Access, needed: &dyn Needed, expected: &BTreeSet<ChunkId>) {
    let ids = all_ids(access);
    let mut answers = Vec::new();
    needed.answer(&ids, &mut answers).unwrap();
    let right: Vec<bool> = ids.iter().map(|id| expected.contains(id)).collect();
    assert_eq!(answers, right);
    for (pack, right) in uses(access, expected) {
        let used = needed.pack_use(pack).unwrap().unwrap();
        assert_eq!((used.chunk_count, used.raw_bytes), (right.chunk_count, right.raw_bytes));
        assert!(used.copied_count >= right.copied_count);
    }
}

#[test]
fn a_mark_finds_exactly_what_the_snapshots_need() {
    let house = House::with_snapshots();
    let (access, history) = house.look();
    for chosen in 0..8usize {
        let roots = roots_of(&history, |at| chosen >> at & 1 == 1);
        for memory_bytes in [0, access.memory_bytes] {
            let access = Access { memory_bytes, ..access.clone() };
            let mark = mark(&access, &roots, &Silent).unwrap();
            let expected = plainly(&access, roots.nodes.keys().copied());
            assert_eq!(mark.id_count(), u64::try_from(expected.len()).unwrap());
            assert_right(&access, &mark, &expected);
        }
    }
    assert_eq!(roots_of(&history, |_| true), Roots::of(&history));
}

#[test]
fn what_some_roots_need_alone_is_all_that_a_mark_without_them_lacks() {
    let house = House::with_snapshots();
    // A file twice: its list is a node that is named twice.
    std::fs::copy(house.path("tree/file 001001"), house.path("tree/file 001001 again")).unwrap();
    // Content that a leaf names and, since zeros begin a new cut, a list below it as well: both are met one after the other.
    house.write(2000..2001, 4, 40 << 10);
    let content = std::fs::read(house.path("tree/file 002000")).unwrap();
    let long = std::fs::read(house.path("tree/file 001001")).unwrap();
    std::fs::write(house.path("tree/both"), [content, vec![0; 128 << 10], long].concat()).unwrap();
    house.backup();
    let (access, history) = house.look();
    let all = Roots::of(&history);
    for chosen in 0..16usize {
        let without = roots_of(&history, |at| chosen >> at & 1 == 0);
        for memory_bytes in [0, access.memory_bytes] {
            let access = Access { memory_bytes, ..access.clone() };
            let counted = mark(&access, &all, &Silent).unwrap();
            let found = alone(&access, &counted, &all.beyond(&without), &Silent).unwrap();
            let kept = plainly(&access, without.nodes.keys().copied());
            let expected: BTreeSet<ChunkId> =
                plainly(&access, all.nodes.keys().copied()).difference(&kept).copied().collect();
            assert_eq!(found.id_count(), u64::try_from(expected.len()).unwrap(), "{chosen:b}");
            assert_right(&access, &found, &expected);
        }
    }
}

#[test]
fn counts_in_the_view_tell_what_some_roots_need_alone_as_a_mark_does() {
    let house = House::with_snapshots();
    let (access, history) = house.look();
    let all = Roots::of(&history);
    // Who has just made a mark is answered from that.
    drop(find(&access, &all, 0, &Silent).unwrap());
    let kept = find(&access, &all, 0, &Silent).unwrap();
    let marked = mark(&access, &all, &Silent).unwrap();
    for at in 0..3 {
        let own = all.beyond(&roots_of(&history, |other| other != at));
        let [by_counts, by_mark] = [&*kept, &marked].map(|all| alone(&access, all, &own, &Silent).unwrap());
        let mut ids = [Vec::new(), Vec::new()];
        for (found, ids) in [&by_counts, &by_mark].into_iter().zip(&mut ids) {
            found
                .for_each_count(&mut |piece| {
                    ids.extend_from_slice(piece);
                    Ok(())
                })
                .unwrap();
        }
        assert!(!ids[0].is_empty());
        assert_eq!(ids[0], ids[1]);
    }
}

#[test]
fn index_13_a_lost_pack_stops_the_mark_and_a_snapshot_is_named() {
    let house = House::new();
    house.write(0..40, 1, 30_000);
    house.backup();
    let before: BTreeSet<PathBuf> = packs(&house);
    house.write(0..1, 2, 30_000);
    let second = house.backup();
    let mut stopped_count = 0;
    for pack in packs(&house).difference(&before) {
        let moved = house.path("moved");
        std::fs::rename(pack, &moved).unwrap();
        let (access, history) = house.look();
        let result = mark(&access, &Roots::of(&history), &Silent);
        // That a content pack is gone is seen when its presence is looked at: a mark reads nodes alone.
        if let Err(error) = result {
            assert_eq!(error.kind(), ErrorKind::Damaged);
            assert!(error.to_string().contains(&second.to_string()), "{error}");
            stopped_count += 1;
        }
        std::fs::rename(&moved, pack).unwrap();
    }
    assert_eq!(stopped_count, 2, "the pack of the manifest and that of the stat tree");
    let (access, history) = house.look();
    for segment in access.index.applied().unwrap() {
        access.index.retract(segment).unwrap();
    }
    let error = mark(&access, &Roots::of(&history), &Silent).map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged);
}

fn packs(house: &House) -> BTreeSet<PathBuf> {
    let folders = std::fs::read_dir(house.path("repository").join("packs")).unwrap();
    folders
        .flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap().map(|pack| pack.unwrap().path()))
        .collect()
}

#[test]
fn what_roots_have_beyond_others_is_what_is_new() {
    let house = House::with_snapshots();
    let (_, history) = house.look();
    let (all, first) = (Roots::of(&history), roots_of(&history, |at| at == 0));
    let new = all.beyond(&first);
    assert_eq!(new.live.len(), 2);
    assert!(all.beyond(&all).is_empty());
    assert_eq!(new.with(first), all);
}

/// What comparing the counts of the view with a mark finds; none when it has none that are settled.
fn compared(access: &Access) -> Option<CountsCheck> {
    KeptCounts::open(access).unwrap().map(|kept| kept.compare(&Silent).unwrap())
}

/// For which generation the last mark was made that the counts rest on; none when they are not trusted.
fn marked(access: &Access) -> Option<u64> {
    (0..100).find(|generation| {
        let trusts = |generation| Counts::trusted(access, generation).unwrap().is_some();
        trusts(*generation) && (*generation == 0 || !trusts(generation - 1))
    })
}

#[test]
fn index_10_forgetting_one_snapshot_of_several_needs_no_mark() {
    let house = House::with_snapshots();
    let (access, history) = house.look();
    find(&access, &Roots::of(&history), 3, &Silent).unwrap();
    assert_eq!(marked(&access), Some(3));
    let kept = roots_of(&history, |at| at != 1);
    let needed = find(&access, &kept, 4, &Silent).unwrap();
    assert_eq!(marked(&access), Some(3), "the counts were changed");
    assert_right(&access, &*needed, &plainly(&access, kept.nodes.keys().copied()));
    assert_eq!(compared(&access), None, "somebody goes by them");
    drop(needed);
    assert_eq!(compared(&access), Some(CountsCheck::Agree));
    let only = roots_of(&history, |at| at == 2);
    find(&access, &only, 4, &Silent).unwrap();
    find(&access, &Roots::of(&history), 5, &Silent).unwrap();
    assert_eq!(marked(&access), Some(5), "where most has changed, a mark is cheaper");
}

/// The next prune would have to meet them otherwise: after a large repack that is most of what there is.
#[test]
fn a_prune_leaves_counts_that_know_the_packs_it_wrote() {
    let house = House::with_snapshots();
    let gone = house.repository.resolve(&"latest".parse().unwrap(), &SnapshotFilter::default()).unwrap();
    house.repository.forget(&house.repository.plan_forget_snapshots(vec![gone]).unwrap()).unwrap();
    let options = PruneOptions::default().max_unused(MaxUnused::Share(0));
    let plan = house.repository.plan_prune(&options, &Silent).unwrap();
    let report = house.repository.prune(plan, &options, &Silent).unwrap();
    assert!(report.written.pack_count > 0);
    let (access, history) = house.look();
    let counts = Counts::trusted(&access, marked(&access).unwrap()).unwrap().unwrap();
    assert_right(&access, &counts, &plainly(&access, Roots::of(&history).nodes.keys().copied()));
}

#[test]
fn index_14_who_asks_while_somebody_goes_by_the_counts_gets_a_mark() {
    let house = House::with_snapshots();
    let (access, history) = house.look();
    let (all, kept) = (Roots::of(&history), roots_of(&history, |at| at != 1));
    find(&access, &all, 0, &Silent).unwrap();
    let first = find(&access, &all, 1, &Silent).unwrap();
    let second = find(&access, &kept, 1, &Silent).unwrap();
    assert_right(&access, &*first, &plainly(&access, all.nodes.keys().copied()));
    assert_right(&access, &*second, &plainly(&access, kept.nodes.keys().copied()));
    drop((first, second));
    let third = find(&access, &kept, 1, &Silent).unwrap();
    assert_right(&access, &*third, &plainly(&access, kept.nodes.keys().copied()));
}

#[test]
fn index_11_counts_that_were_interrupted_are_not_used_before_a_mark() {
    let house = House::with_snapshots();
    let (access, history) = house.look();
    let (all, kept) = (Roots::of(&history), roots_of(&history, |at| at != 1));
    find(&access, &all, 0, &Silent).unwrap();
    let stopped = find(&access, &kept, 1, &Patience::of(0)).map(|_| ()).unwrap_err();
    assert_eq!(stopped.kind(), ErrorKind::Interrupted);
    assert_eq!(marked(&access), None);
    assert_eq!(compared(&access), None);
    find(&access, &kept, 2, &Silent).unwrap();
    assert_eq!(marked(&access), Some(2));
    assert_eq!(compared(&access), Some(CountsCheck::Agree));
}

#[test]
fn index_11_counts_of_which_a_node_is_gone_are_made_anew() {
    let house = House::new();
    house.write(0..40, 1, 30_000);
    house.backup();
    house.write(0..1, 2, 30_000);
    house.backup();
    let before = packs(&house);
    house.write(0..1, 3, 30_000);
    house.backup();
    let (access, history) = house.look();
    find(&access, &Roots::of(&history), 0, &Silent).unwrap();
    for pack in packs(&house).difference(&before) {
        std::fs::remove_file(pack).unwrap();
    }
    let kept = roots_of(&history, |at| at != 2);
    let needed = find(&access, &kept, 1, &Silent).unwrap();
    assert_eq!(marked(&access), Some(1));
    assert_right(&access, &*needed, &plainly(&access, kept.nodes.keys().copied()));
}

#[test]
fn index_12_a_new_view_and_every_thirtieth_generation_get_a_full_mark() {
    let house = House::with_snapshots();
    let (access, history) = house.look();
    let roots = Roots::of(&history);
    assert_eq!(marked(&access), None);
    for (generation, expected) in [(7, 7), (8, 7), (36, 7), (37, 37), (38, 37), (5, 5)] {
        find(&access, &roots, generation, &Silent).unwrap();
        assert_eq!(marked(&access), Some(expected), "generation {generation}");
    }
}

#[test]
fn counts_that_are_wrong_are_found_by_comparing_them_with_a_mark() {
    let house = House::with_snapshots();
    let (access, history) = house.look();
    find(&access, &Roots::of(&history), 0, &Silent).unwrap();
    let table = access.index.side_table().unwrap().unwrap();
    let mut keys = Vec::new();
    table.scan(b"c", &mut |key, _| keys.push(key.to_vec())).unwrap();
    let stray = [b"c".as_slice(), &[7; 32]].concat();
    table.write(&[(keys[0].clone(), None), (keys[1].clone(), Some(vec![99])), (stray, Some(vec![1]))]).unwrap();
    assert_eq!(compared(&access), Some(CountsCheck::Differ { under_count: 1, over_count: 2 }));
    KeptCounts::open(&access).unwrap().unwrap().distrust().unwrap();
    assert_eq!((marked(&access), compared(&access)), (None, None), "nobody goes by them");
}

/// One step of a history of snapshots.
#[derive(Debug, Clone)]
enum Step {
    /// One more snapshot, after this file has changed.
    Backup(u32),
    /// This snapshot is forgotten, or brought back.
    Toggle(usize),
    /// The same, by a prune that is interrupted when it asked so many times whether to stop.
    Interrupted(usize, usize),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0u32..60).prop_map(Step::Backup),
        3 => (0usize..8).prop_map(Step::Toggle),
        1 => (0usize..8, 0usize..5).prop_map(|(at, asked)| Step::Interrupted(at, asked)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]
    #[test]
    fn index_10_counts_follow_any_history_like_a_mark(steps in prop::collection::vec(any_step(), 1..10)) {
        let house = House::new();
        house.write(0..60, 1, 5000);
        let mut forgotten = BTreeSet::new();
        for (round, step) in (1..).zip([Step::Backup(1), Step::Backup(2), Step::Backup(3)].iter().chain(&steps)) {
            let mut asked = None;
            match step {
                Step::Backup(file) => {
                    house.write(*file..file + 2, u8::try_from(round).unwrap() % 3, 5000);
                    house.backup();
                }
                Step::Toggle(at) => _ = forgotten.remove(at) || forgotten.insert(*at),
                Step::Interrupted(at, times) => {
                    asked = Some(*times);
                    _ = forgotten.remove(at) || forgotten.insert(*at);
                }
            }
            let (access, history) = house.look();
            let roots = roots_of(&history, |at| !forgotten.contains(&at));
            let found = match asked {
                Some(times) => find(&access, &roots, 0, &Patience::of(times)),
                None => find(&access, &roots, 0, &Silent),
            };
            if let Ok(needed) = found {
                assert_right(&access, &*needed, &plainly(&access, roots.nodes.keys().copied()));
                drop(needed);
                prop_assert_eq!(compared(&access), Some(CountsCheck::Agree));
            }
        }
    }
}

use super::*;
use crate::access::Access;
use crate::backup::BackupOptions;
use crate::content::ContentReader;
use crate::error::ErrorKind;
use crate::id::{NodeId, SnapshotId};
use crate::key::{KdfCost, Unlock};
use crate::manifest::NodeSource as _;
use crate::progress::Silent;
use crate::repository::{CreateOptions, OpenOptions, Repository};
use crate::segment::SegmentReader;
use crate::session::{self, History, read_segment};
use references::References;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

const PASSWORD: Unlock<'static> = Unlock::Password(b"correct horse battery staple");

/// A repository, and a tree that changes from snapshot to snapshot.
struct House {
    place: tempfile::TempDir,
}

impl House {
    fn new() -> Self {
        let house = Self { place: tempfile::tempdir().unwrap() };
        Repository::create(&house.path("repository"), PASSWORD, &CreateOptions::default().kdf(KdfCost::CHEAP)).unwrap();
        std::fs::create_dir(house.path("tree")).unwrap();
        house
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn open(&self) -> Repository {
        let options = OpenOptions::new(self.path("cache"), self.path("state"));
        Repository::open(&self.path("repository"), PASSWORD, options).unwrap()
    }

    /// The parts of the repository, with its index up to date, and its history.
    fn look(&self) -> (Access, History) {
        let access = self.open().access().clone();
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
        let report = self.open().backup(&BackupOptions::new([self.path("tree")]), &Silent).unwrap();
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
    for (pack, used) in uses(access, expected) {
        assert_eq!(needed.pack_use(pack).unwrap(), used);
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
fn a_lost_pack_stops_the_mark_and_a_snapshot_is_named() {
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

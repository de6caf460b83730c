//! What snapshots take is what a prune frees once they are forgotten.

use super::pace::copy_tree;
use crate::backup::BackupOptions;
use crate::config::Parameters;
use crate::error::ErrorKind;
use crate::id::SnapshotId;
use crate::key::{KdfCost, Unlock};
use crate::progress::{Event, Progress, Silent};
use crate::prune::{Holding, MaxUnused, PruneOptions};
use crate::repository::{CreateOptions, OpenOptions, Repository};
use crate::session::{Snapshot, SnapshotFilter};
use std::path::{Path, PathBuf};

const PASSWORD: Unlock<'static> = Unlock::Password(b"holdings");

struct House {
    place: tempfile::TempDir,
}

impl House {
    fn new() -> Self {
        let house = Self { place: tempfile::tempdir().unwrap() };
        let parameters = Parameters { pack_bytes_target: 1 << 20, ..Parameters::default() };
        let options = CreateOptions::default().kdf(KdfCost::CHEAP).parameters(parameters);
        Repository::create(&house.path("repository"), PASSWORD, &options).unwrap();
        house
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn open(&self, repository: &str) -> Repository {
        let own = self.path(&format!("{repository} own"));
        let options = OpenOptions::new(own.join("cache"), own.join("state"));
        Repository::open(&self.path(repository), PASSWORD, options).unwrap()
    }

    /// As a command that only reads opens it.
    fn read(&self, repository: &str) -> Repository {
        let own = self.path(&format!("{repository} own"));
        let options = OpenOptions::new(own.join("cache"), own.join("state")).reading();
        Repository::open(&self.path(repository), PASSWORD, options).unwrap()
    }

    /// Files of so many bytes that no compression shrinks.
    fn write(&self, names: std::ops::Range<u32>, seed: u8, bytes: usize) {
        std::fs::create_dir_all(self.path("tree")).unwrap();
        for name in names {
            let mut content = vec![0; bytes];
            blake3::Hasher::new().update(&name.to_le_bytes()).update(&[seed]).finalize_xof().fill(&mut content);
            std::fs::write(self.path("tree").join(name.to_string()), content).unwrap();
        }
    }

    fn back_up(&self, repository: &Repository) -> SnapshotId {
        repository.backup(&BackupOptions::new([self.path("tree")]), &Silent).unwrap().snapshot
    }

    /// Four snapshots: of the second and the third each has much of its own, and the last says the same as the third.
    fn with_snapshots(&self) -> Vec<SnapshotId> {
        let repository = self.open("repository");
        self.write(0..60, 1, 50_000);
        let first = self.back_up(&repository);
        self.write(10..30, 2, 50_000);
        let second = self.back_up(&repository);
        self.write(20..40, 3, 50_000);
        self.write(100..102, 3, 900_000);
        let third = self.back_up(&repository);
        vec![first, second, third, self.back_up(&repository)]
    }
}

fn find(repository: &Repository, id: SnapshotId) -> Snapshot {
    repository.resolve(&id.to_string().parse().unwrap(), &SnapshotFilter::default()).unwrap()
}

fn forget(repository: &Repository, ids: &[SnapshotId]) {
    let snapshots = ids.iter().map(|id| find(repository, *id)).collect();
    repository.forget(&repository.plan_forget_snapshots(snapshots).unwrap()).unwrap();
}

fn prune(repository: &Repository) {
    let options = PruneOptions::default().max_unused(MaxUnused::Share(0));
    let plan = repository.plan_prune(&options, &Silent).unwrap();
    repository.prune(plan, &options, &Silent).unwrap();
}

fn pack_bytes(repository: &Path) -> u64 {
    let folders = std::fs::read_dir(repository.join("packs")).unwrap().map(|entry| entry.unwrap().path());
    let files = folders.flat_map(|folder| std::fs::read_dir(folder).unwrap());
    files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
}

/// The share of a pack is rounded up: so much may be off for each.
fn assert_near(a: u64, b: u64, pack_count: u64) {
    assert!(a.abs_diff(b) <= 2 * pack_count, "{a} {b}");
}

#[test]
fn what_is_unique_to_snapshots_is_what_forgetting_and_pruning_them_frees() {
    let house = House::new();
    let ids = house.with_snapshots();
    let repository = house.open("repository");
    let sets: [&[SnapshotId]; 5] = [&ids[..1], &ids[1..2], &ids[3..], &ids[2..], &ids[..2]];
    for (number, gone) in sets.into_iter().enumerate() {
        let snapshots = gone.iter().map(|id| find(&repository, *id)).collect();
        let plan = repository.plan_forget_snapshots(snapshots).unwrap();
        let forecast = repository.forecast(&plan, &Silent).unwrap();
        assert_eq!(forecast.unused_bytes, 0);
        let pack_count = repository.stats().unwrap().classes.values().map(|class| class.pack_count).sum();
        for holdings in [&repository, &house.read("repository")].map(|opened| opened.holdings(gone, &Silent).unwrap()) {
            assert_near(holdings.together.unique_bytes, forecast.freed_bytes, pack_count);
            let each: u64 = holdings.each.iter().flatten().map(|holding| holding.unique_bytes).sum();
            assert!(each <= holdings.together.unique_bytes);
        }
        let unique_bytes = repository.holdings(gone, &Silent).unwrap().together.unique_bytes;
        let name = format!("fork {number}");
        copy_tree(&house.path("repository"), &house.path(&name));
        let before = pack_bytes(&house.path(&name));
        let fork = house.open(&name);
        forget(&fork, gone);
        prune(&fork);
        let freed = before - pack_bytes(&house.path(&name));
        println!("{number}: {unique_bytes} bytes are unique, {freed} were freed of {before}");
        // What is left of a pack is framed, padded and headed anew.
        assert!(freed.abs_diff(unique_bytes) * 100 <= before, "{freed} {unique_bytes}");
    }
    let [_, _, third, fourth] = repository.holdings(&ids, &Silent).unwrap().each[..] else { panic!() };
    let small = Holding { unique_bytes: 30_000, ..Holding::default() };
    assert!(third.unwrap().unique_bytes < small.unique_bytes, "the fourth has all of its content: {third:?}");
    assert!(fourth.unwrap().unique_bytes < small.unique_bytes, "the third has all of its content: {fourth:?}");
}

#[test]
fn what_a_snapshot_takes_is_told_by_what_it_shares_and_how_its_content_is_stored() {
    let house = House::new();
    let ids = house.with_snapshots();
    let repository = house.open("repository");
    let all = repository.holdings(&ids, &Silent).unwrap();
    assert_eq!(all.together.shared_bytes, 0, "nobody else is there: {all:?}");
    let stored: u64 = repository.stats().unwrap().classes.values().map(|class| class.bytes).sum();
    assert_eq!(all.together.unique_bytes, stored);
    // 60 files, then 20 others, then 20 others and two large ones; nothing of that can be compressed.
    let content = (60 + 20 + 20) * 50_000 + 2 * 900_000;
    assert_eq!(all.together.content_raw_bytes, content);
    assert!((content..content * 101 / 100).contains(&all.together.content_stored_bytes), "{all:?}");
    let second = all.each[1].unwrap();
    assert_eq!(second.content_raw_bytes, 60 * 50_000);
    assert!((500_000..560_000).contains(&second.unique_bytes), "ten files: {second:?}");
    assert!((2_500_000..2_600_000).contains(&second.shared_bytes), "fifty files: {second:?}");

    let written = find(&repository, ids[1]).written.unwrap();
    assert!((1_000_000..1_060_000).contains(&written.stored_bytes), "twenty files: {written:?}");
    assert!(find(&repository, ids[3]).written.unwrap().stored_bytes < 30_000);
}

#[test]
fn forgotten_snapshots_take_nothing_and_what_they_alone_had_is_nobodys() {
    let house = House::new();
    let ids = house.with_snapshots();
    let repository = house.open("repository");
    forget(&repository, &ids[..1]);
    let holdings = repository.holdings(&ids, &Silent).unwrap();
    assert_eq!(holdings.each.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, true, true]);
    prune(&repository);
    let again = repository.holdings(&ids, &Silent).unwrap();
    assert_eq!(again.each[0], None);
    assert_eq!(again.together.content_raw_bytes, holdings.together.content_raw_bytes);
    assert!(repository.holdings(&[], &Silent).unwrap().each.is_empty());
    let ever = repository.snapshots_ever(&SnapshotFilter::default()).unwrap();
    assert_eq!(ever.iter().map(|snapshot| snapshot.id).collect::<Vec<_>>(), ids);
}

#[test]
fn a_measurement_stops_when_it_is_asked_to() {
    struct Asked;
    impl Progress for Asked {
        fn event(&self, _: &Event<'_>) {}
        fn stopped(&self) -> bool {
            true
        }
    }
    let house = House::new();
    let ids = house.with_snapshots();
    let error = house.read("repository").holdings(&ids, &Asked).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted);
}

//! One bit flipped in every byte of a small repository: it is reported, restores never bring wrong bytes and say that all
//! is well, and with parity and second copies it is healed.
//!
//! A run of the tests takes a share of the bytes, another one each time the repository is made; all of them are taken by
//! `cargo test --release --test integration -- --ignored every_byte`.

use crate::house::{PASSWORD, files};
use holdall::heal::heal;
use holdall::key::KdfCost;
use holdall::store::{Folder, Listed, LocalStore, MemoryStore, ObjectName, Store};
use holdall::{
    BackupOptions, CheckDepth, CheckOptions, CreateOptions, Key, MaxUnused, OpenOptions, ParityPercent, Protection,
    PruneOptions, Remember, Repository, RestoreOptions, Silent, SnapshotFilter, SnapshotId,
};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

type Objects = BTreeMap<ObjectName, Vec<u8>>;

fn read_data() -> CheckOptions {
    CheckOptions::default().depth(CheckDepth::Data)
}

struct Small {
    place: tempfile::TempDir,
    objects: Objects,
}

fn everything(store: &dyn Store) -> Objects {
    let mut objects = Objects::new();
    for folder in Folder::ALL {
        let mut names = Vec::new();
        store
            .list(folder, &mut |listed| match listed {
                Listed::Object { name, .. } => names.push(name),
                Listed::Stranger { path } => panic!("{path} is no object"),
            })
            .unwrap();
        objects.extend(names.into_iter().map(|name| (name, store.read(&name, 1 << 30).unwrap())));
    }
    objects
}

impl Small {
    /// Three snapshots, one of them forgotten, with all kinds of objects that lie in a repository at rest.
    fn new() -> Self {
        let small = Self { place: tempfile::tempdir().unwrap(), objects: Objects::new() };
        let store = small.path("repository");
        let create =
            CreateOptions::default().kdf(KdfCost::CHEAP).protection(Protection::Parity(ParityPercent::DEFAULT));
        Repository::create(&store, PASSWORD, &create).unwrap();
        let source = small.path("tree");
        std::fs::create_dir_all(source.join("folder")).unwrap();
        let mut first = None;
        for round in 0..3u32 {
            let words: Vec<u8> =
                (0..1500u32).flat_map(|word| (word.wrapping_mul(2_654_435_761) ^ round).to_le_bytes()).collect();
            std::fs::write(source.join(format!("file {round}")), words).unwrap();
            std::fs::write(source.join("folder/short"), format!("round {round}")).unwrap();
            let options = OpenOptions::new(small.path("cache"), small.path("state"));
            let repository = Repository::open(&store, PASSWORD, options).unwrap();
            let report = repository.backup(&BackupOptions::new([source.clone()]), &Silent).unwrap();
            assert_eq!(report.protected.failure_count, 0);
            first.get_or_insert(report.snapshot);
        }
        let options = OpenOptions::new(small.path("cache"), small.path("state"));
        let repository = Repository::open(&store, PASSWORD, options).unwrap();
        forget(&repository, first.unwrap());
        let options = PruneOptions::default().max_unused(MaxUnused::Bytes(0));
        let plan = repository.plan_prune(&options, &Silent).unwrap();
        repository.prune(plan, &options, &Silent).unwrap();
        assert_eq!(repository.check(&read_data(), &Silent).unwrap().damage, []);
        drop(repository);
        let objects = everything(&LocalStore::open(&store).unwrap());
        let bytes: usize = objects.values().map(Vec::len).sum();
        for folder in Folder::ALL.into_iter().filter(|folder| !matches!(folder, Folder::Sessions | Folder::Heartbeats))
        {
            assert!(objects.keys().any(|name| name.folder() == folder), "{folder}");
        }
        assert!(bytes <= 160 << 10, "{bytes} bytes");
        Self { objects, ..small }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn store(&self) -> MemoryStore {
        let store = MemoryStore::new();
        self.objects.iter().for_each(|(name, bytes)| store.overwrite(*name, bytes));
        store
    }

    /// Calls with every `step`-th byte's object, and the object with a bit of that byte flipped.
    fn flips(&self, step: usize, each: &mut dyn FnMut(&ObjectName, usize, &[u8])) {
        let mut number = 0usize;
        for (name, bytes) in &self.objects {
            let mut flipped = bytes.clone();
            for at in 0..bytes.len() {
                number += 1;
                if number.is_multiple_of(step) {
                    let bit = 1 << (number % 8);
                    flipped[at] ^= bit;
                    each(name, at, &flipped);
                    flipped[at] ^= bit;
                }
            }
        }
        assert!(number > 10_000, "{number} bytes");
    }

    fn all_are_healed(&self, step: usize) {
        let store = self.store();
        self.flips(step, &mut |name, at, flipped| {
            store.overwrite(*name, flipped);
            heal(&store, name).unwrap_or_else(|error| panic!("{name} byte {at}: {error}"));
            assert!(store.read(name, 1 << 30).unwrap() == self.objects[name], "{name} byte {at}");
        });
        assert!(everything(&store) == self.objects, "nothing else was changed");
    }

    fn all_are_reported(&self, step: usize) {
        let right = files(&self.path("tree"));
        self.flips(step, &mut |name, at, flipped| {
            let place = tempfile::tempdir().unwrap();
            let store = self.store();
            store.overwrite(*name, flipped);
            let options = OpenOptions::new(place.path().join("cache"), place.path().join("state"));
            let Ok(repository) = Repository::open_store(Arc::new(store), PASSWORD, options) else { return };
            let reported = match repository.check(&read_data().remember(Remember::Nothing), &Silent) {
                Ok(report) => report.damage_count > 0,
                Err(_) => true,
            };
            assert!(reported, "{name} byte {at} is not reported");
            let Ok(snapshot) = repository.resolve(&"latest".parse().unwrap(), &SnapshotFilter::default()) else {
                return;
            };
            let target = place.path().join("restored");
            let options = RestoreOptions::new(&target).path(Key::from_path(&self.path("tree")).unwrap());
            let restored = repository.restore(&snapshot, &options, &Silent);
            let claims = restored.is_ok_and(|report| report.problem_count == 0);
            // A damaged outcome hides its snapshot, and the one before it is the latest.
            let is_latest = snapshot.counts().files == u64::try_from(right.len()).unwrap();
            assert!(
                !claims || !is_latest || files(&target) == right,
                "{name} byte {at}: wrong bytes and no word of it"
            );
        });
    }
}

fn forget(repository: &Repository, snapshot: SnapshotId) {
    let all = repository.snapshots(&SnapshotFilter::default()).unwrap();
    let unwanted = all.into_iter().filter(|known| known.id == snapshot).collect();
    let plan = repository.plan_forget_snapshots(unwanted).unwrap();
    repository.forget(&plan).unwrap();
}

#[test]
fn a_flipped_bit_is_healed_wherever_it_is() {
    Small::new().all_are_healed(97);
}

#[test]
fn a_flipped_bit_is_reported_wherever_it_is() {
    Small::new().all_are_reported(997);
}

#[test]
#[ignore = "the long run: every byte"]
fn every_byte_is_healed() {
    Small::new().all_are_healed(1);
}

#[test]
#[ignore = "the long run: every byte"]
fn every_byte_is_reported() {
    Small::new().all_are_reported(1);
}

//! What is read around a bad place of the medium, and around a pack that this user may not read.

use crate::drill::{DrillOptions, DrillPlace};
use crate::layout::Class;
use crate::look::DumpForm;
use crate::manifest::Key;
use crate::progress::Silent;
use crate::repository::*;
use crate::session::SnapshotFilter;
use crate::store::moody::{Mood, MoodyStore};
use crate::store::{Folder, Listed};

const PASSWORD: Unlock<'static> = Unlock::Password(b"a secret");

/// Bytes that are none of another file's.
fn noise(name: &str) -> Vec<u8> {
    let mut bytes = vec![0; 300_000];
    blake3::Hasher::new().update(name.as_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// A repository, and a tree of two files of which each has a pack of its own.
struct House {
    folder: tempfile::TempDir,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let house = Self { folder };
        let options = CreateOptions::default().kdf(KdfCost::CHEAP);
        Repository::create(&house.path("repository"), PASSWORD, &options).unwrap();
        std::fs::create_dir(house.path("tree")).unwrap();
        for name in ["a", "b"] {
            std::fs::write(house.path("tree").join(name), noise(name)).unwrap();
            let options = OpenOptions::new(house.path("cache"), house.path("state"));
            let repository = Repository::open(&house.path("repository"), PASSWORD, options).unwrap();
            repository.backup(&BackupOptions::new([house.path("tree")]), &Silent).unwrap();
        }
        house
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn store(&self) -> LocalStore {
        LocalStore::open(&self.path("repository")).unwrap()
    }

    fn content_packs(&self) -> Vec<ObjectName> {
        let (store, mut packs) = (self.store(), Vec::new());
        store
            .list(Folder::Packs, &mut |listed| {
                if let Listed::Object { name, .. } = listed {
                    packs.push(name);
                }
            })
            .unwrap();
        packs.retain(|pack| {
            let mut head = [0; 13];
            store.open(pack).unwrap().read_at(0, &mut head).unwrap();
            head[12] == Class::Content.code()
        });
        packs
    }

    /// Opens it for reading on a medium or as a user that does not give one of its objects.
    fn without(&self, name: ObjectName, mood: Mood) -> (Repository, Snapshot) {
        let store = MoodyStore::new(Arc::new(self.store()), name, mood);
        let options = OpenOptions::new(self.path("reader"), self.path("state")).reading();
        let repository = Repository::open_store(Arc::new(store), PASSWORD, options).unwrap();
        let snapshot = repository.snapshots(&SnapshotFilter::default()).unwrap().pop().unwrap();
        (repository, snapshot)
    }
}

/// A restore and a drill ended at the first of them.
#[test]
fn a_bad_place_or_a_pack_that_may_not_be_read_costs_only_what_lies_there() {
    let house = House::new();
    let packs = house.content_packs();
    assert_eq!(packs.len(), 2);
    for (pack, mood) in packs.into_iter().flat_map(|pack| [(pack, Mood::Fails), (pack, Mood::Denied)]) {
        let (repository, snapshot) = house.without(pack, mood);
        let target = tempfile::tempdir_in(house.folder.path()).unwrap();
        let report = repository.restore(&snapshot, &RestoreOptions::new(target.path()), &Silent).unwrap();
        assert_eq!((report.file_count, report.incomplete_count, report.damaged_count), (1, 1, 1), "{mood:?}");
        let told = if mood == Mood::Fails { "the medium fails there" } else { "permission denied" };
        assert!(report.problems[0].message.contains(told), "{:?}", report.problems);
        let below = house.path("tree").strip_prefix("/").unwrap().to_owned();
        let is_whole = |name: &&str| std::fs::read(target.path().join(&below).join(name)).unwrap() == noise(name);
        assert_eq!(["a", "b"].iter().filter(|name| is_whole(name)).count(), 1);

        let mut archive = Vec::new();
        let everything = Key::from_path(&house.path("tree")).unwrap();
        let dumped = repository.dump(&snapshot, (&everything, DumpForm::Tar), &mut archive, &Silent);
        if mood == Mood::Fails {
            assert!(dumped.is_ok_and(|report| (report.file_count, report.damaged_count) == (2, 1)));
            let holds = |name: &&str| {
                let content = noise(name);
                archive.windows(1000).any(|window| window == &content[200_000..201_000])
            };
            assert_eq!(["a", "b"].iter().filter(|name| holds(name)).count(), 1);
        } else {
            // No zeros may stand for what is not damaged.
            assert!(dumped.is_err_and(|error| error.kind() == ErrorKind::ReadOnly));
        }

        let options = DrillOptions::new(DrillPlace::At(house.path("scratch")));
        let plan = repository.plan_drill(snapshot, &options, &Silent).unwrap();
        let restored = repository.restore_drill(plan, &Silent).unwrap();
        let drill = repository.compare_drill(restored, &Silent).unwrap();
        assert!(!drill.report().result.has_passed(), "{mood:?}");
    }
}

//! What is read by second copies, and that nothing is let go by them.

use crate::id::SnapshotId;
use crate::keys::NewKeyOptions;
use crate::mirror::MirrorKeyRemoval;
use crate::parity::Percent;
use crate::progress::Silent;
use crate::repository::*;
use crate::session::SnapshotFilter;
use crate::store::{Folder, Listed};

const PASSWORD: Unlock<'static> = Unlock::Password(b"a secret");

/// A repository with parity and two snapshots, of which the first is forgotten.
struct House {
    folder: tempfile::TempDir,
    latest: Snapshot,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = CreateOptions::default().kdf(KdfCost::CHEAP).protection(Protection::Parity(Percent::DEFAULT));
        Repository::create(&folder.path().join("repository"), PASSWORD, &options).unwrap();
        let repository = opened(folder.path(), "writer", Mode::Writer).unwrap();
        let tree = folder.path().join("tree");
        std::fs::create_dir(&tree).unwrap();
        for content in ["one", "two"] {
            std::fs::write(tree.join("file"), content).unwrap();
            repository.backup(&BackupOptions::new([tree.clone()]), &Silent).unwrap();
        }
        let mut snapshots = repository.snapshots(&SnapshotFilter::default()).unwrap();
        let latest = snapshots.pop().unwrap();
        let plan = repository.plan_forget_snapshots(snapshots).unwrap();
        repository.forget(&plan).unwrap();
        repository.protecting.settle();
        Self { folder, latest }
    }

    /// Opens it on a machine that has never seen it.
    fn open(&self, view: Mode) -> Result<Repository> {
        let machine = format!("machine {:016x}", u64::from_le_bytes(crate::seal::random()));
        opened(self.folder.path(), &machine, view)
    }

    fn path(&self, name: &ObjectName) -> PathBuf {
        self.folder.path().join("repository").join(name.to_string())
    }

    /// Flips a bit in an object.
    fn flip(&self, name: &ObjectName) {
        let mut bytes = std::fs::read(self.path(name)).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::remove_file(self.path(name)).unwrap();
        std::fs::write(self.path(name), bytes).unwrap();
    }

    fn only(&self, folder: Folder) -> ObjectName {
        let mut names = Vec::new();
        let store = LocalStore::open(&self.folder.path().join("repository")).unwrap();
        store
            .list(folder, &mut |listed| {
                if let Listed::Object { name, .. } = listed {
                    names.push(name);
                }
            })
            .unwrap();
        assert_eq!(names.len(), 1);
        names.remove(0)
    }
}

fn opened(folder: &Path, machine: &str, view: Mode) -> Result<Repository> {
    let place = folder.join(machine);
    let options = OpenOptions { view, ..OpenOptions::new(place.join("cache"), place.join("state")) };
    Repository::open(&folder.join("repository"), PASSWORD, options)
}

fn ids(repository: &Repository) -> Vec<SnapshotId> {
    repository.snapshots(&SnapshotFilter::default()).unwrap().into_iter().map(|snapshot| snapshot.id).collect()
}

fn is_refused<T>(done: Result<T>) -> bool {
    done.is_err_and(|error| error.kind() == ErrorKind::Damaged)
}

#[test]
fn store_12_nothing_is_written_or_let_go_where_a_second_copy_opened_the_repository() {
    for folder in [Folder::Config, Folder::Keys] {
        let house = House::new();
        let name = house.only(folder);
        house.flip(&name);
        assert!(is_refused(house.open(Mode::Writer)), "{name}");
        let reader = house.open(Mode::Reader).unwrap();
        assert_eq!(ids(&reader), [house.latest.id]);
        assert_eq!(reader.used_copies().of_opening(), Some(name));

        assert!(is_refused(reader.backup(&BackupOptions::new([house.folder.path().join("tree")]), &Silent)));
        assert!(is_refused(reader.plan_forget_snapshots(vec![house.latest.clone()])));
        assert!(is_refused(reader.plan_prune(&PruneOptions::default(), &Silent)));
        let mirror = house.folder.path().join("mirror");
        assert!(is_refused(reader.plan_mirror_removal(&mirror, MirrorKeyRemoval::Ended, &Silent)));
        assert!(is_refused(reader.remove_key("0000")));
        assert!(is_refused(reader.add_key(Unlock::Password(b"other"), &NewKeyOptions::new("x").kdf(KdfCost::CHEAP))));
    }
}

/// What a reader had kept of them would have passed for what the store says.
#[test]
fn store_12_what_was_read_by_a_second_copy_is_lost_to_whoever_lets_something_go_afterwards() {
    let house = House::new();
    for name in [ObjectName::Outcome(house.latest.session), house.only(Folder::Records)] {
        let kept = std::fs::read(house.path(&name)).unwrap();
        let wounds: [&dyn Fn(); 2] = [&|| house.flip(&name), &|| std::fs::remove_file(house.path(&name)).unwrap()];
        for wound in wounds {
            wound();
            let repository = house.open(Mode::Writer).unwrap();
            assert_eq!(ids(&repository), [house.latest.id], "{name}");
            assert!(repository.used_copies().contain(&name), "{name}");
            assert!(is_refused(repository.plan_forget_snapshots(vec![house.latest.clone()])), "{name}");
            assert!(is_refused(repository.plan_prune(&PruneOptions::default(), &Silent)), "{name}");
            std::fs::write(house.path(&name), &kept).unwrap();
        }
    }
}

//! Backups while a prune waits.

use crate::backup::{BackupOptions, BackupReport};
use crate::check::{CheckDepth, CheckOptions};
use crate::key::{KdfCost, Unlock};
use crate::progress::Silent;
use crate::prune::{MaxUnused, PruneOptions, PruneReport};
use crate::repository::{CreateOptions, OpenOptions, Repository};
use crate::session::{SnapshotFilter, move_to_machine};
use crate::store::{LocalStore, Store};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const PASSWORD: Unlock<'static> = Unlock::Password(b"pace");
const FILES: u64 = 40;

/// A repository with a forgotten snapshot and two live ones, and a tree in which one file has changed since.
struct House {
    place: tempfile::TempDir,
}

impl House {
    fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let place = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let house = Self { place: place.unwrap() };
        Repository::create(&house.path("first"), PASSWORD, &CreateOptions::default().kdf(KdfCost::CHEAP)).unwrap();
        std::fs::create_dir(house.path("tree")).unwrap();
        (0..FILES).for_each(|number| house.write(number, 1));
        let gone = house.back_up_quietly("first");
        (0..FILES / 2).for_each(|number| house.write(number, 2));
        house.back_up_quietly("first");
        // What changed within the last two seconds is read again, whatever its stat says.
        std::thread::sleep(Duration::from_millis(2100));
        house.back_up_quietly("first");
        house.write(7, 3);
        let owner = house.open("first", "owner", Arc::new(LocalStore::open(&house.path("first")).unwrap()));
        let gone = owner.resolve(&gone.snapshot.to_string().parse().unwrap(), &SnapshotFilter::default()).unwrap();
        let plan = owner.plan_forget_snapshots(vec![gone]).unwrap();
        owner.forget(&plan).unwrap();
        house
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// Each file's content of its own, which no compression shrinks.
    fn write(&self, number: u64, version: u8) {
        let mut content = vec![0; 20_000];
        blake3::Hasher::new().update(&number.to_le_bytes()).update(&[version]).finalize_xof().fill(&mut content);
        std::fs::write(self.path("tree").join(format!("file {number:03}")), content).unwrap();
    }

    fn open(&self, repository: &str, client: &str, store: Arc<dyn Store>) -> Repository {
        let own = self.path(&format!("{repository} of {client}"));
        let options = OpenOptions::new(own.join("cache"), own.join("state")).threads(1);
        Repository::open_store(store, PASSWORD, options).unwrap()
    }

    fn back_up_quietly(&self, repository: &str) -> BackupReport {
        let store = Arc::new(LocalStore::open(&self.path(repository)).unwrap());
        let options = BackupOptions::new([self.path("tree")]);
        self.open(repository, "writer", store).backup(&options, &Silent).unwrap()
    }
}

fn prune(repository: &Repository) -> PruneReport {
    let options = PruneOptions::default().max_unused(MaxUnused::Share(0));
    let plan = repository.plan_prune(&options, &Silent).unwrap();
    repository.prune(plan, &options, &Silent).unwrap()
}

/// A prune that had to leave its generation condemned once made every later backup read all files anew, since no snapshot
/// that came after the condemned set may be taken over unread.
#[test]
fn while_a_generation_waits_backups_go_by_the_newest_snapshot_that_may_be_taken_over() {
    let house = House::new();
    let store = || Arc::new(LocalStore::open(&house.path("first")).unwrap());
    let owner = house.open("first", "owner", store());
    let before = owner.snapshots(&SnapshotFilter::default()).unwrap().pop().unwrap().id;
    // Somebody's backup that takes very long.
    move_to_machine(3);
    let slow = house.open("first", "slow", store());
    let history = crate::session::History::load(slow.access()).unwrap();
    let client = crate::session::load(&slow.access().state_dir).unwrap().client;
    let kind = crate::session_record::SessionKind::Backup;
    let open = crate::session::open(slow.access(), client, history.next_number(client), kind, &Default::default());
    let open = open.unwrap();
    move_to_machine(2);
    assert_eq!(prune(&owner).waiting.len(), 1);
    for night in 0..3 {
        house.write(10 + night, 9);
        let report = house.back_up_quietly("first");
        assert_eq!(report.parent, Some(before), "night {night}");
        assert_eq!(report.changes.files_changed, 2 + night, "what changed since the parent was made");
        assert_eq!(report.changes.files_unmodified, FILES - 2 - night);
        assert!(!prune(&owner).waiting.is_empty());
    }
    open.abort(slow.access());
    prune(&owner);
    house.write(20, 9);
    let report = house.back_up_quietly("first");
    assert_ne!(report.parent, Some(before), "the last one");
    assert_eq!(owner.check(&CheckOptions::default().depth(CheckDepth::Data), &Silent).unwrap().damage, []);
}

//! Operations on a machine that can't keep in mind what was committed: each of them says so, and none what another left.

use crate::check::CheckDepth;
use crate::copy::{CopyOptions, CopyWanted};
use crate::id::SnapshotId;
use crate::keys::{Grant, NewKeyOptions};
use crate::progress::Silent;
use crate::prune::MaxUnused;
use crate::repair::RepairOptions;
use crate::repository::*;
use crate::session::{SnapshotFilter, Writer};
use std::path::PathBuf;

const OWNER: Unlock<'static> = Unlock::Password(b"owner");
const WEB: Unlock<'static> = Unlock::Password(b"web");
const STALE: &str = "left by an operation that failed";

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(place.path("tree")).unwrap();
        place.create("repository");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn create(&self, name: &str) {
        Repository::create(&self.path(name), OWNER, &CreateOptions::default().kdf(KdfCost::CHEAP)).unwrap();
    }

    /// By a client that has a state, and can't write another one from now on.
    fn open(&self, name: &str, unlock: Unlock<'_>) -> Repository {
        let own = tempfile::tempdir_in(&self.0).unwrap().keep();
        let options = OpenOptions::new(own.join("cache"), own.join("state"));
        let repository = Repository::open(&self.path(name), unlock, options).unwrap();
        session::load(&repository.access).unwrap();
        std::fs::create_dir(repository.access.state_dir.join("client.new")).unwrap();
        repository.access.behind.note(STALE.to_owned());
        repository
    }

    fn owner(&self) -> Repository {
        self.open("repository", OWNER)
    }

    /// Backs up a tree that holds only this, which is in no other one. Tells as [`assert_told`] has it.
    fn back_up(&self, by: &Repository, content: u8) -> SnapshotId {
        let mut bytes = vec![0; 100_000];
        blake3::Hasher::new().update(&[content]).finalize_xof().fill(&mut bytes);
        std::fs::write(self.path("tree/file"), bytes).unwrap();
        let report = by.backup(&BackupOptions::new([self.path("tree")]), &Silent).unwrap();
        assert_told("backup", &report.notices);
        report.snapshot
    }

    fn forget(&self, id: SnapshotId) -> Snapshot {
        let owner = self.owner();
        let all = owner.snapshots(&SnapshotFilter::default()).unwrap();
        let gone = all.into_iter().find(|snapshot| snapshot.id == id).unwrap();
        owner.forget(&owner.plan_forget_snapshots(vec![gone.clone()]).unwrap()).unwrap();
        Snapshot { forgotten: true, ..gone }
    }

    /// The objects in a folder of the repository, the longest last.
    fn objects(&self, folder: &str) -> Vec<PathBuf> {
        let below = |folder: PathBuf| std::fs::read_dir(folder).unwrap().map(|found| found.unwrap().path());
        let found = below(self.path("repository").join(folder));
        let mut files: Vec<PathBuf> =
            found.flat_map(|path| if path.is_dir() { below(path).collect() } else { vec![path] }).collect();
        files.sort_by_key(|file| file.metadata().unwrap().len());
        files
    }
}

fn assert_told(operation: &str, notices: &[String]) {
    let [notice] = notices else { panic!("{operation}: {notices:?}") };
    assert!(notice.contains("can't keep in mind"), "{operation}: {notice}");
}

#[test]
fn what_brings_back_tells_what_this_machine_can_t_note_and_nothing_stale() {
    let place = Place::new();
    let id = place.back_up(&place.owner(), 1);
    let forgotten = place.forget(id);
    let undone = place.owner().undo_forget(&[id], &Writer::default(), &Silent).unwrap();
    assert_eq!(undone.restated, [id]);
    assert_told("undo", &undone.notices);
    place.forget(id);
    let pinned = place.owner().pin(&[forgotten], None, &Writer::default(), &Silent).unwrap();
    assert_eq!(pinned.brought_back, [id]);
    assert_told("pin", &pinned.notices);
}

#[test]
fn a_rehearsal_tells_what_the_backup_would_and_nothing_stale() {
    let place = Place::new();
    let set = place.path("repository").join(ObjectName::Condemned { generation: 1 }.to_string());
    std::fs::create_dir_all(set.parent().unwrap()).unwrap();
    std::fs::write(&set, b"rotten").unwrap();
    let report = place.owner().rehearse_backup(&BackupOptions::new([place.path("tree")]), &Silent).unwrap();
    let [notice] = &report.notices[..] else { panic!("{:?}", report.notices) };
    assert!(notice.contains("everything is stored anew"), "{notice}");
}

#[test]
fn a_copy_and_a_prune_tell_what_this_machine_can_t_note_and_nothing_stale() {
    let place = Place::new();
    place.back_up(&place.owner(), 1);
    let second = place.back_up(&place.owner(), 2);
    place.create("copy");
    let (from, to) = (place.owner(), place.open("copy", OWNER));
    let wanted = to.plan_copy(&from, CopyWanted::All(SnapshotFilter::default())).unwrap();
    assert_told("copy", &to.copy(&from, wanted, &CopyOptions::default(), &Silent).unwrap().notices);

    place.forget(second);
    let (owner, options) = (place.owner(), PruneOptions::default().max_unused(MaxUnused::Bytes(0)));
    let plan = owner.plan_prune(&options, &Silent).unwrap();
    assert_told("prune", &owner.prune(plan, &options, &Silent).unwrap().notices);
}

#[test]
fn repairs_tell_what_this_machine_can_t_note_and_nothing_stale() {
    let (place, options) = (Place::new(), RepairOptions::default());
    place.back_up(&place.owner(), 1);
    std::fs::remove_file(&place.objects("segments")[0]).unwrap();
    let index = place.owner().repair_index(&options, &Silent).unwrap();
    assert_eq!((index.replaced_segment_count, index.notices), (1, vec![]));
    assert_told("repair index", &index.behind);

    let pack = place.objects("packs").pop().unwrap();
    let mut bytes = std::fs::read(&pack).unwrap();
    bytes[50_000] ^= 1;
    std::fs::write(&pack, bytes).unwrap();
    let owner = place.owner();
    let packs = owner.repair_packs(owner.plan_repair_packs(&Silent).unwrap(), &options, &[], &Silent).unwrap();
    assert_eq!((packs.set_aside.len(), packs.notices), (1, vec![]));
    assert_told("repair packs", &packs.behind);

    let snapshots = place.owner().repair_snapshots(&options, &Silent).unwrap();
    assert_eq!((snapshots.made.len(), snapshots.notices), (1, vec![]));
    assert_told("repair snapshots", &snapshots.behind);
}

#[test]
fn a_check_that_vouches_tells_what_this_machine_can_t_note_and_nothing_stale() {
    let place = Place::new();
    let put = NewKeyOptions::new("web").grant(Grant::NewKey(Role::Put)).kdf(KdfCost::CHEAP);
    place.owner().add_key(WEB, &put).unwrap();
    place.back_up(&place.open("repository", WEB), 1);
    let options = CheckOptions::default().depth(CheckDepth::Data).vouch(Vouch::As(Writer::default()));
    let report = place.owner().check(&options, &Silent).unwrap();
    assert!(report.damage_count == 0 && report.vouched_pack_count > 0, "{report:?}");
    assert_told("check", &report.notices);
}

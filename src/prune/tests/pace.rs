//! A backup beside a prune: it waits for nothing, wherever that stands still, and has next to nothing more to do. And a
//! backup around a prune that begins and ends in the middle of it.

use crate::backup::{BackupOptions, BackupReport, Changes};
use crate::check::{CheckDepth, CheckOptions};
use crate::key::{KdfCost, Unlock};
use crate::progress::Silent;
use crate::prune::{MaxUnused, PruneOptions, PruneReport};
use crate::repository::{CreateOptions, OpenOptions, Repository};
use crate::session::testing::files::{decide_writes, let_writes_happen};
use crate::session::{SnapshotFilter, move_to_machine};
use crate::store::faulty::Fate;
use crate::store::hooked::{Hooked, Step};
use crate::store::{LocalStore, Store};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const PASSWORD: Unlock<'static> = Unlock::Password(b"pace");
/// Long for a backup that takes a fraction of a second, on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(120);
const FILES: u64 = 40;
/// What a backup may look at beyond what it looks at alone: the sets of a prune, what it committed, new segments.
const LOOKS_MORE_MAX: usize = 12;

/// A repository with a forgotten snapshot and two live ones, and a tree in which one file has changed since.
struct House {
    place: tempfile::TempDir,
}

/// What a backup did. Folders are left out: those above the tree are everybody's, and other tests change them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Work {
    files: [u64; 3],
    content_raw_bytes: u64,
    store_changes: usize,
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

    /// The repository and what its clients keep, as they are now, under another name.
    fn copy(&self, name: &str) {
        for part in ["", " of writer", " of owner"] {
            let (from, to) = (self.path(&format!("first{part}")), self.path(&format!("{name}{part}")));
            let _ = std::fs::remove_dir_all(&to);
            if from.is_dir() {
                copy_tree(&from, &to);
            }
        }
    }

    /// Backs up as a client, and counts what it did at the store: its work, and how often it looked.
    fn back_up(&self, repository: &str, client: &str) -> (Work, usize) {
        let counts = Arc::new(Mutex::new((0, 0)));
        let counted = Arc::clone(&counts);
        let local = Arc::new(LocalStore::open(&self.path(repository)).unwrap());
        let store = Hooked::new(local, move |step| {
            let mut counts = counted.lock().unwrap();
            match step {
                Step::Look => counts.0 += 1,
                Step::Change => counts.1 += 1,
            }
        });
        let opened = self.open(repository, client, Arc::new(store));
        let report = opened.backup(&BackupOptions::new([self.path("tree")]), &Silent).unwrap();
        let (looks, store_changes) = *counts.lock().unwrap();
        (work(&report, store_changes), looks)
    }
}

fn work(report: &BackupReport, store_changes: usize) -> Work {
    let BackupReport { changes, content_raw_bytes, .. } = *report;
    let Changes { files_new, files_changed, files_unmodified, .. } = changes;
    Work { files: [files_new, files_changed, files_unmodified], content_raw_bytes, store_changes }
}

pub(super) fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_tree(&entry.path(), &to),
            false => _ = std::fs::copy(entry.path(), to).unwrap(),
        }
    }
}

fn prune(repository: &Repository) -> PruneReport {
    let options = PruneOptions::default().max_unused(MaxUnused::Share(0));
    let plan = repository.plan_prune(&options, &Silent).unwrap();
    repository.prune(plan, &options, &Silent).unwrap()
}

/// Prunes, and calls `at_step` before each step at the store and each write to a file of the pruner's own.
fn prune_by_steps(house: &House, repository: &str, client: &str, at_step: impl Fn(Step) + Send + Sync + 'static) {
    let at_step = Arc::new(at_step);
    let own = Arc::clone(&at_step);
    decide_writes(move || {
        own(Step::Change);
        Fate::Happens
    });
    let local = Arc::new(LocalStore::open(&house.path(repository)).unwrap());
    let opened = house.open(repository, client, Arc::new(Hooked::new(local, move |step| at_step(step))));
    let report = prune(&opened);
    let_writes_happen();
    assert!(report.written.pack_count > 0, "it repacks: {report:?}");
}

/// At which steps a prune is held: each change, and of the looks between two changes the first.
fn steps_to_hold_at(house: &Arc<House>, client: &str) -> Vec<usize> {
    house.copy("counted");
    let steps = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&steps);
    prune_by_steps(house, "counted", client, move |step| noted.lock().unwrap().push(step));
    let steps = steps.lock().unwrap();
    let is_held = |at: &usize| steps[*at] == Step::Change || *at == 0 || steps[*at - 1] == Step::Change;
    (0..steps.len()).filter(is_held).collect()
}

#[test]
fn a_backup_waits_for_no_prune_wherever_that_stands_still_and_has_no_more_to_do() {
    let house = Arc::new(House::new());
    house.copy("alone");
    let (alone, looks_alone) = house.back_up("alone", "writer");
    assert_eq!(alone.files, [0, 1, FILES - 1]);
    // As the client that prunes, with its state and its view, and as another one.
    for client in ["writer", "owner"] {
        let held = steps_to_hold_at(&house, client);
        assert!(held.len() > 30, "{held:?}");
        for at in held {
            house.copy("held");
            let (step, done) = (AtomicUsize::new(0), Arc::new(Mutex::new(None)));
            let (others, result) = (Arc::clone(&house), Arc::clone(&done));
            prune_by_steps(&house, "held", client, move |_| {
                if step.fetch_add(1, Ordering::Relaxed) == at {
                    let (sender, ended) = channel();
                    let house = Arc::clone(&others);
                    std::thread::spawn(move || {
                        move_to_machine(2);
                        sender.send(house.back_up("held", "writer"))
                    });
                    let worked = ended.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("it waits at step {at}"));
                    *result.lock().unwrap() = Some(worked);
                }
            });
            let (worked, looks) = done.lock().unwrap().take().unwrap_or_else(|| panic!("there is no step {at}"));
            assert_eq!(worked, alone, "at step {at}");
            assert!(looks <= looks_alone + LOOKS_MORE_MAX, "at step {at}: {looks} looks, {looks_alone} alone");
        }
        let local = Arc::new(LocalStore::open(&house.path("held")).unwrap());
        let report = house
            .open("held", &format!("the reader beside {client}"), local)
            .check(&CheckOptions::default().depth(CheckDepth::Data), &Silent)
            .unwrap();
        assert_eq!(report.damage, []);
    }
}

#[test]
fn a_backup_in_the_middle_of_which_a_prune_begins_and_ends_has_no_more_to_do() {
    let house = Arc::new(House::new());
    house.copy("alone");
    let (alone, looks_alone) = house.back_up("alone", "writer");
    let mut at = 0;
    loop {
        house.copy("around");
        let counts = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
        let (counted, others) = (Arc::clone(&counts), Arc::clone(&house));
        let local = Arc::new(LocalStore::open(&house.path("around")).unwrap());
        let store = Hooked::new(local, move |step| {
            let count = if step == Step::Look { &counted.0 } else { &counted.1 };
            if count.fetch_add(1, Ordering::Relaxed) == at && step == Step::Change {
                let house = Arc::clone(&others);
                let pruned = std::thread::spawn(move || {
                    move_to_machine(2);
                    let local = Arc::new(LocalStore::open(&house.path("around")).unwrap());
                    prune(&house.open("around", "owner", local))
                });
                pruned.join().unwrap();
            }
        });
        let opened = house.open("around", "writer", Arc::new(store));
        let report = opened.backup(&BackupOptions::new([house.path("tree")]), &Silent).unwrap();
        let (looks, store_changes) = (counts.0.load(Ordering::Relaxed), counts.1.load(Ordering::Relaxed));
        assert_eq!(work(&report, store_changes), alone, "at change {at}");
        assert!(looks <= looks_alone + LOOKS_MORE_MAX, "at change {at}: {looks} looks, {looks_alone} alone");
        at += 1;
        if at > store_changes {
            break;
        }
    }
    assert!(at > 5, "{at} changes");
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
    let client = crate::session::load(slow.access()).unwrap().client;
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

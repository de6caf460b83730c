//! Copies from damaged repositories, into stores that fail, beside prunes, and copies that a stranger claims.

use super::*;
use crate::check::{CheckDepth, CheckOptions};
use crate::config::Role;
use crate::error::{Error, Result};
use crate::keys::{Grant, NewKeyOptions};
use crate::progress::Event;
use crate::prune::{MaxUnused, PruneOptions};
use crate::store::faulty::{Fault, FaultyStore};
use crate::store::{LocalStore, Store};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// The content packs of a repository with the snapshot's own content alone in the last of them.
fn packs(place: &Place, name: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in std::fs::read_dir(place.path(name).join("packs")).unwrap() {
        for pack in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            found.push(pack.unwrap().path());
        }
    }
    found.sort();
    found
}

/// Those that hold no content.
fn tree_packs(place: &Place, name: &str) -> Vec<PathBuf> {
    let holds_trees = |pack: &PathBuf| {
        let bytes = std::fs::read(pack).unwrap();
        crate::pack::PackHeader::parse(None, &bytes).unwrap().class != crate::layout::Class::Content
    };
    packs(place, name).into_iter().filter(holds_trees).collect()
}

fn spoil(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    let mode = std::fs::metadata(path).unwrap().permissions();
    let _ = std::fs::remove_file(path);
    std::fs::write(path, bytes).unwrap();
    std::fs::set_permissions(path, mode).unwrap();
}

fn check(place: &Place, name: &str) {
    let report = place.open(name).check(&CheckOptions::default().depth(CheckDepth::Data), &Silent).unwrap();
    assert!(report.damage.is_empty(), "{:?}", report.damage);
}

#[test]
fn outcome_18_what_cannot_be_read_whole_is_not_copied_and_is_named() {
    let (place, ids) = Place::new();
    place.create("other", Parameters::default());
    let before = packs(&place, "source");
    place.write("rotten", &noise("rotten", 300_000));
    let rotten = place.back_up();
    let after = packs(&place, "source");
    let new: Vec<&PathBuf> = after.iter().filter(|path| !before.contains(path)).collect();
    let content = new.iter().max_by_key(|path| std::fs::metadata(path).unwrap().len()).unwrap();
    let sound = std::fs::read(content).unwrap();
    spoil(content);

    let report = place.copy("source", "other");
    assert_eq!(report.copied.iter().map(|copied| copied.source).collect::<Vec<_>>(), ids);
    assert_eq!(report.lacking.len(), 1);
    assert_eq!((report.lacking[0].source, report.lacking[0].parts.count()), (rotten, 1));
    assert!(report.lacking[0].parts[0].0.ends_with(b"/tree/rotten"), "{:?}", report.lacking[0].parts);
    assert_eq!(place.snapshots("other").len(), 3);
    check(&place, "other");

    let _ = std::fs::remove_file(content);
    std::fs::write(content, sound).unwrap();
    let healed = place.copy("source", "other");
    assert_eq!(healed.copied.len(), 1);
    assert!(place.held("source", rotten) == place.held("other", healed.copied[0].copy));
}

/// A snapshot was whole, and no run copied it: it was compared with an older one that was damaged, or built upon a copy
/// that was.
#[test]
fn what_was_copied_before_keeps_nothing_back_when_it_can_t_be_read() {
    for name in ["source", "other"] {
        let place = Place(tempfile::tempdir().unwrap());
        place.create("source", small());
        place.create("other", Parameters::default());
        place.write("kept", &noise("kept", 200_000));
        place.back_up();
        assert_eq!(place.copy("source", "other").copied.len(), 1);
        tree_packs(&place, name).iter().for_each(|pack| std::fs::remove_file(pack).unwrap());
        place.write("changed", b"changed");
        let second = place.back_up();

        let report = place.copy("source", "other");
        assert!(report.lacking.is_empty(), "{name}: {report:?}");
        assert_eq!(report.copied.iter().map(|copied| copied.source).collect::<Vec<_>>(), [second], "{name}");
        assert!(place.held("source", second) == place.held("other", report.copied[0].copy), "{name}");
        assert!(report.notices.iter().any(|notice| notice.contains("was read whole")), "{name}: {report:?}");
        assert!(report.chunk_count <= 1, "what is here is not stored again: {report:?}");
    }
}

#[test]
fn what_can_t_be_read_itself_is_not_blamed_on_what_was_copied_before() {
    let place = Place(tempfile::tempdir().unwrap());
    place.create("source", small());
    place.create("other", Parameters::default());
    place.write("kept", b"kept");
    place.back_up();
    place.copy("source", "other");
    let before = tree_packs(&place, "source");
    place.write("changed", b"changed");
    let second = place.back_up();
    let mut after = tree_packs(&place, "source");
    after.retain(|pack| !before.contains(pack));
    after.iter().for_each(|pack| spoil(pack));

    let report = place.copy("source", "other");
    assert_eq!(report.lacking.iter().map(|lacking| lacking.source).collect::<Vec<_>>(), [second], "{report:?}");
    assert!(report.copied.is_empty() && report.notices.is_empty(), "{report:?}");
}

#[test]
fn chunks_that_are_here_are_not_read_there() {
    let (place, ids) = Place::new();
    place.create_like_source("alike");
    let wanted = CopyWanted::Named(vec![place.snapshot("source", ids[2])]);
    let copied = place.copy_with("source", "alike", wanted, &Silent).copied;
    place.forget("alike", &[copied[0].copy]);
    // Only trees are left that can be read.
    let trees = tree_packs(&place, "source");
    packs(&place, "source").iter().filter(|pack| !trees.contains(pack)).for_each(|pack| spoil(pack));
    let wanted = CopyWanted::Named(vec![place.snapshot("source", ids[2])]);
    let again = place.copy_with("source", "alike", wanted, &Silent);
    assert_eq!((again.copied.len(), again.chunk_count), (1, 0));
    check(&place, "alike");
}

/// Copies into a store of which one change fails; says how many changes there were.
fn copy_with_fault(place: &Place, to: &str, fault: Option<(usize, Fault)>) -> (usize, Result<CopyReport>) {
    let inner: Arc<dyn Store> = Arc::new(LocalStore::open(&place.path(to)).unwrap());
    let store = match fault {
        Some((at, fault)) => FaultyStore::new(inner, at, fault),
        None => FaultyStore::counting(inner),
    };
    let own = place.path(&format!("own of {to}"));
    let options = OpenOptions::new(own.join("cache"), own.join("state")).threads(2);
    let opened = Repository::open_store(Arc::new(store.clone()), SECOND, options);
    let copied = opened.and_then(|to| {
        let from = place.open("source");
        let plan = to.plan_copy(&from, CopyWanted::All(SnapshotFilter::default()))?;
        to.copy(&from, plan, &CopyOptions::default(), &Silent)
    });
    (store.change_count(), copied)
}

#[test]
fn a_copy_that_fails_at_any_change_is_finished_by_the_next_one() {
    let place = Place(tempfile::tempdir().unwrap());
    place.create("source", small());
    place.write("some/file", &noise("file", 200_000));
    place.write("another", b"short");
    let first = place.back_up();
    place.write("some/file", &noise("changed", 200_000));
    let second = place.back_up();
    place.create("counted", Parameters::default());
    let (change_count, counted) = copy_with_fault(&place, "counted", None);
    assert_eq!(counted.unwrap().copied.len(), 2);
    for at in 1..=change_count {
        let fault = Fault::ALL[at % Fault::ALL.len()];
        let to = format!("other {at}");
        place.create(&to, Parameters::default());
        let _ = copy_with_fault(&place, &to, Some((at, fault)));
        for snapshot in place.snapshots(&to) {
            place.held(&to, snapshot.id);
        }
        let report = place.copy("source", &to);
        assert!(report.lacking.is_empty());
        let copies = place.snapshots(&to);
        assert_eq!(copies.len(), 2, "{at} {fault:?}");
        for (copy, id) in copies.iter().zip([first, second]) {
            assert!(place.held("source", id) == place.held(&to, copy.id), "{at} {fault:?}");
        }
        std::fs::remove_dir_all(place.path(&to)).unwrap();
    }
    assert!(change_count > 20, "{change_count}");
}

/// Does something once, when the copy has dealt with so many files.
struct At<'a> {
    files: Mutex<u64>,
    at: u64,
    what: Box<dyn Fn() + Send + Sync + 'a>,
}

impl<'a> At<'a> {
    fn new(at: u64, what: impl Fn() + Send + Sync + 'a) -> Self {
        Self { files: Mutex::new(0), at, what: Box::new(what) }
    }
}

impl Progress for At<'_> {
    fn event(&self, event: &Event<'_>) {
        let Event::Processed { files: 1, .. } = event else { return };
        let mut files = self.files.lock().unwrap();
        *files += 1;
        if *files == self.at {
            (self.what)();
        }
    }
}

fn prune(place: &Place, name: &str) {
    let repository = place.open_as(name, secret(name), "pruner");
    let options = PruneOptions::default().max_unused(MaxUnused::Bytes(0));
    let plan = repository.plan_prune(&options, &Silent).unwrap();
    repository.prune(plan, &options, &Silent).unwrap();
}

#[test]
fn a_prune_of_the_source_that_moves_chunks_meanwhile_disturbs_nothing() {
    let (place, ids) = Place::new();
    place.create("other", Parameters::default());
    let progress = At::new(5, || {
        place.forget("source", &ids[..1]);
        prune(&place, "source");
    });
    let wanted = CopyWanted::Named(ids[1..].iter().map(|id| place.snapshot("source", *id)).collect());
    let report = place.copy_with("source", "other", wanted, &progress);
    assert_eq!(report.copied.len(), 2, "{report:?}");
    for copied in &report.copied {
        assert!(place.held("source", copied.source) == place.held("other", copied.copy));
    }
}

#[test]
fn what_is_forgotten_and_pruned_in_the_source_meanwhile_is_not_copied_and_no_damage() {
    let (place, ids) = Place::new();
    place.create("other", Parameters::default());
    let progress = At::new(5, || {
        place.forget("source", &ids[..1]);
        prune(&place, "source");
    });
    let report = place.copy_with("source", "other", CopyWanted::All(SnapshotFilter::default()), &progress);
    assert!(report.lacking.is_empty(), "{report:?}");
    assert_eq!(report.copied.len() + report.gone.len(), 3, "{report:?}");
    check(&place, "other");
    for copied in &report.copied[report.copied.len() - 2..] {
        assert!(place.held("source", copied.source) == place.held("other", copied.copy));
    }
}

#[test]
fn a_prune_of_the_destination_takes_nothing_from_under_a_copy() {
    let (place, ids) = Place::new();
    place.create("other", Parameters::default());
    let wanted = CopyWanted::Named(ids[..2].iter().map(|id| place.snapshot("source", *id)).collect());
    let earlier: Vec<SnapshotId> =
        place.copy_with("source", "other", wanted, &Silent).copied.iter().map(|one| one.copy).collect();
    // The copy that is built upon goes while the next one is made.
    let progress = At::new(1, || {
        place.forget("other", &earlier);
        prune(&place, "other");
    });
    let report = place.copy_with("source", "other", CopyWanted::All(SnapshotFilter::default()), &progress);
    assert_eq!(report.copied.len(), 1, "{report:?}");
    prune(&place, "other");
    check(&place, "other");
    assert!(place.held("source", ids[2]) == place.held("other", report.copied[0].copy));
}

#[test]
fn outcome_19_what_a_put_key_calls_a_copy_is_believed_by_that_key_alone() {
    let (place, _) = Place::new();
    place.create("other", Parameters::default());
    let guest = Unlock::Password(b"the guest's");
    let options = NewKeyOptions::new("guest").kdf(KdfCost::CHEAP).grant(Grant::NewKey(Role::Put));
    place.open("other").add_key(guest, &options).unwrap();
    let as_guest = || {
        let (from, to) = (place.open("source"), place.open_as("other", guest, "guest"));
        let plan = to.plan_copy(&from, CopyWanted::All(SnapshotFilter::default())).unwrap();
        to.copy(&from, plan, &CopyOptions::default(), &Silent).unwrap()
    };
    assert_eq!(as_guest().copied.len(), 3);
    assert_eq!(as_guest().present.len(), 3);
    let own = place.copy("source", "other");
    assert_eq!((own.copied.len(), own.present.len()), (3, 0));
    assert_eq!(place.copy("source", "other").present.len(), 3);
    check(&place, "other");
}

#[test]
fn a_copy_stops_when_it_is_asked_to_and_goes_on_later() {
    struct Stopping(Mutex<u64>);
    impl Progress for Stopping {
        fn event(&self, _: &Event<'_>) {}
        fn stopped(&self) -> bool {
            let mut asked = self.0.lock().unwrap();
            *asked += 1;
            *asked > 100
        }
    }
    let (place, _) = Place::new();
    place.create("other", Parameters::default());
    let (from, to) = (place.open("source"), place.open("other"));
    let plan = to.plan_copy(&from, CopyWanted::All(SnapshotFilter::default())).unwrap();
    let stopped: Result<CopyReport, Error> = to.copy(&from, plan, &CopyOptions::default(), &Stopping(Mutex::new(0)));
    assert_eq!(stopped.unwrap_err().kind(), crate::error::ErrorKind::Interrupted);
    assert!(to.open_sessions().unwrap().is_empty());
    assert_eq!(place.copy("source", "other").copied.len(), 3);
}

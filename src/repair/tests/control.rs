//! Control objects that the store has lost, and of which somebody keeps the bytes.

use super::{check_all, restorable, used_world};
use crate::access::Access;
use crate::backup::BackupOptions;
use crate::check::{self, CheckDepth, CheckOptions};
use crate::error::{ErrorKind, Result};
use crate::heal::{ProtectOptions, protect_all};
use crate::id::{ClientId, PackId};
use crate::key::{KdfCost, Unlock};
use crate::outcome::OutcomeKind;
use crate::progress::testing::Patience;
use crate::progress::{Event, Progress, Silent};
use crate::prune::PruneOptions;
use crate::prune::tests::world::{World, objects, prune};
use crate::record::{self, RecordBody, RecordKind};
use crate::repair::{HealedControl, RepairOptions, heal_control, heal_copies, plan_index};
use crate::repository::{CreateOptions, OpenOptions, Repository};
use crate::session::{self, History, Writer};
use crate::session_record::SessionKind;
use crate::store::hooked::{Hooked, Step};
use crate::store::{Created, Folder, Listed, LocalStore, MemoryStore, ObjectName, Store};
use crate::wire::{Blob, List};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

fn outcomes(store: &MemoryStore) -> Vec<(ObjectName, Vec<u8>)> {
    objects(store).into_iter().filter(|(name, _)| name.folder() == Folder::Outcomes).collect()
}

fn flip(store: &MemoryStore, name: ObjectName, bytes: &[u8]) {
    let mut wrong = bytes.to_vec();
    wrong[bytes.len() / 2] ^= 1;
    store.overwrite(name, &wrong);
}

fn assert_untouched(done: Result<HealedControl>) {
    let done = done.unwrap();
    assert!(done.healed.is_empty() && done.unhealed.is_empty() && done.failure.is_none(), "{done:?}");
}

fn copies_healed(access: &Access) -> Result<HealedControl> {
    HealedControl::default().go_on(|done| heal_copies(access, done, &Silent))
}

/// A client whose view keeps every outcome.
fn knowing(access: Access) -> Access {
    assert!(History::load(&access).unwrap().troubles.is_empty());
    access
}

#[test]
fn an_outcome_that_rots_in_the_store_stops_a_prune_whose_view_keeps_it_and_comes_back_from_there() {
    let (world, held) = used_world(60);
    let whole = restorable(&world.client("reader"), &held);
    for (name, bytes) in outcomes(&world.store) {
        let access = knowing(world.client("owner"));
        flip(&world.store, name, &bytes);
        let error = prune(&access, &PruneOptions::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged, "{name}: {error}");
        assert!(error.to_string().contains(&name.to_string()), "{error}");

        let plan = plan_index(&access, &Silent).unwrap();
        assert_eq!(plan.lost_control.iter().map(|lost| &lost.object).collect::<Vec<_>>(), [&name.to_string()]);
        assert_eq!(plan.notices, Vec::<String>::new());
        assert_eq!(heal_control(&access, &Silent).unwrap().healed.len(), 1);
        assert_eq!(objects(&world.store)[&name], bytes);
        assert_untouched(heal_control(&access, &Silent));
        prune(&access, &PruneOptions::default()).unwrap();
        assert_eq!(restorable(&world.client("reader"), &held), whole);
    }
}

#[test]
fn an_outcome_of_which_later_numbers_tell_comes_back_from_the_view() {
    let (base, _) = used_world(60);
    let mut told = 0;
    for (name, bytes) in outcomes(&base.store) {
        let world = base.fork();
        let access = knowing(world.client("owner"));
        world.store.remove(&name).unwrap();
        // The last of a client's, of which no session is left.
        if plan_index(&access, &Silent).unwrap().lost_control.is_empty() {
            continue;
        }
        told += 1;
        assert_eq!(prune(&access, &PruneOptions::default()).unwrap_err().kind(), ErrorKind::Damaged, "{name}");
        assert_eq!(heal_control(&access, &Silent).unwrap().healed.len(), 1);
        assert_eq!(objects(&world.store)[&name], bytes);
    }
    assert!(told > 1, "{told}");
}

#[test]
fn an_outcome_comes_back_from_its_second_copy_unless_that_is_another_ones() {
    let (world, _) = used_world(60);
    protect_all(&world.store, &ProtectOptions::default(), &Silent).unwrap();
    let all = outcomes(&world.store);
    let [(name, bytes), (_, other), ..] = all.as_slice() else { panic!("{} outcomes", all.len()) };
    flip(&world.store, *name, bytes);
    let copy = name.mirror().unwrap();
    let right = objects(&world.store).remove(&copy).unwrap();
    world.store.overwrite(copy, other);
    assert_untouched(heal_control(&world.client("owner"), &Silent));
    assert_eq!(plan_index(&world.client("owner"), &Silent).unwrap().notices.len(), 1);
    world.store.overwrite(copy, &right);
    assert_eq!(heal_control(&world.client("owner"), &Silent).unwrap().healed.len(), 1);
    assert_eq!(&objects(&world.store)[name], bytes);
}

/// What a cache lost or garbled is read from the store again.
#[test]
fn an_outcome_that_rots_in_the_view_is_read_from_the_store() {
    let (world, _) = used_world(60);
    let access = knowing(world.client("owner"));
    for (name, _) in outcomes(&world.store) {
        access.index.remember(name.to_string().as_bytes(), b"garbled").unwrap();
    }
    let history = History::load(&access).unwrap();
    assert!(history.troubles.is_empty(), "{:?}", history.troubles);
    for (name, bytes) in outcomes(&world.store) {
        assert_eq!(access.index.recall(name.to_string().as_bytes()).unwrap(), Some(bytes));
    }
}

#[test]
fn what_is_gone_comes_back_from_its_second_copy() {
    let (world, _) = used_world(60);
    protect_all(&world.store, &ProtectOptions::default(), &Silent).unwrap();
    let all = objects(&world.store);
    let lost: Vec<_> =
        all.iter().filter(|(name, _)| matches!(name.folder(), Folder::Outcomes | Folder::Records)).collect();
    for (name, _) in &lost {
        world.store.remove(name).unwrap();
    }
    let done = heal_control(&world.client("reader"), &Silent).unwrap();
    assert_eq!((done.healed.len(), done.unhealed), (lost.len(), vec![]));
    assert!(lost.iter().all(|(name, bytes)| objects(&world.store).get(name) == Some(*bytes)));
}

/// Each holds to its checksum, and to that alone, so that only a key can tell.
#[test]
fn sound_objects_that_were_mixed_up_come_back_under_their_own_names() {
    let (base, mut held) = used_world(60);
    let gone = *held.keys().next().unwrap();
    base.forget(gone);
    held.remove(&gone);
    protect_all(&base.store, &ProtectOptions::default(), &Silent).unwrap();
    let whole = restorable(&base.client("reader"), &held);
    for folder in [Folder::Outcomes, Folder::Records, Folder::Gc] {
        let world = base.fork();
        let all: Vec<_> = objects(&world.store).into_iter().filter(|(name, _)| name.folder() == folder).collect();
        let [(one, one_bytes), (other, other_bytes), ..] = all.as_slice() else { panic!("{folder:?}: {}", all.len()) };
        world.store.overwrite(*one, other_bytes);
        world.store.overwrite(*other, one_bytes);
        assert_eq!(heal_control(&world.client("owner"), &Silent).unwrap().healed.len(), 2, "{folder:?}");
        assert_eq!((&objects(&world.store)[one], &objects(&world.store)[other]), (one_bytes, other_bytes));
        assert_eq!(restorable(&world.client("reader"), &held), whole);
    }
}

/// A client of the owner's, and how often its store is asked for an object or a listing.
fn counting(world: &World) -> (Access, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let store = Hooked::new(Arc::new(world.store.clone()), move |step| {
        if step == Step::Look {
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    (world.client_on("owner", Arc::new(store)), asked)
}

/// Each number of a gap once cost the store a question, and anybody who may write can leave a gap as long as he likes.
#[test]
fn numbers_that_left_nothing_cost_the_store_nothing() {
    let (world, _) = used_world(60);
    let heal = || {
        let (access, asked) = counting(&world);
        assert_untouched(heal_control(&access, &Silent));
        asked.load(Ordering::Relaxed)
    };
    let before = heal();
    let access = world.client("writer");
    let client = session::load(&access).unwrap().client;
    let far = History::load(&access).unwrap().next_number(client) + 900;
    let session = session::open(&access, client, far, SessionKind::Checkpoint, &Writer::default()).unwrap();
    session.commit(&access, &session.outcome(OutcomeKind::Checkpoint, Vec::new(), Vec::new()), None).unwrap();
    assert!(!History::load(&access).unwrap().gaps().is_empty());
    let after = heal();
    assert!(after < before + 20, "{before} questions without the gap, {after} with it");
}

/// Tells nothing but the phases, and stops in the first of them.
#[derive(Default)]
struct Phases(Mutex<Vec<&'static str>>);

impl Progress for Phases {
    fn event(&self, event: &Event<'_>) {
        if let Event::Phase(phase) = event {
            self.0.lock().unwrap().push(phase);
        }
    }

    fn stopped(&self) -> bool {
        true
    }
}

#[test]
fn healing_tells_what_it_does_and_stops_when_it_is_asked_to() {
    let (world, _) = used_world(60);
    let (name, bytes) = outcomes(&world.store).pop().unwrap();
    flip(&world.store, name, &bytes);
    let wounded = objects(&world.store);
    let phases = Phases::default();
    let error = heal_control(&world.client("owner"), &phases).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted, "{error}");
    assert_eq!(phases.0.into_inner().unwrap(), ["reading control objects"]);
    assert!(objects(&world.store) == wounded);
}

/// As those of sound objects under each other's names, for which a check has no other remedy.
#[test]
fn second_copies_that_were_mixed_up_come_back_from_the_first_ones_that_a_key_proves() {
    let (world, _) = used_world(60);
    let check = CheckOptions::default().depth(CheckDepth::Data);
    check::run(&world.client("owner"), &check, &Silent).unwrap();
    protect_all(&world.store, &ProtectOptions::default(), &Silent).unwrap();
    let right = objects(&world.store);
    let copies: Vec<_> = right.keys().filter(|name| name.folder() == Folder::Mirror).collect();
    assert!(copies.len() > 8, "{}", copies.len());
    for (copy, other) in copies.iter().zip(copies.iter().cycle().skip(1)) {
        world.store.overwrite(**copy, &right[*other]);
    }
    let done = copies_healed(&world.client("reader")).unwrap();
    assert_eq!((done.healed.len(), done.unhealed), (copies.len(), vec![]));
    assert!(objects(&world.store) == right);
    assert_untouched(copies_healed(&world.client("reader")));
    assert_eq!(check_all(&world).damage, []);
}

/// The history knows nothing of them, so that what it misses is not all that may be wrong.
#[test]
fn records_of_what_was_verified_that_were_mixed_up_come_back_from_their_second_copies() {
    let (world, _) = used_world(60);
    let access = world.client("owner");
    for number in 1..=2 {
        let body = RecordBody {
            client: ClientId::from_bytes([7; 16]),
            number,
            made_at_ns: session::now_ns(),
            kind: RecordKind::Verified,
            snapshots: List::default(),
            until_ns: None,
            packs: List(vec![PackId::from_bytes([7; 32])]),
            note: Blob::default(),
        };
        let bytes = record::seal(&body, &access.ring, &access.chain).unwrap();
        assert_eq!(world.store.create(&ObjectName::Verified(body.client, number), &bytes).unwrap(), Created::New);
    }
    protect_all(&world.store, &ProtectOptions::default(), &Silent).unwrap();
    let right = objects(&world.store);
    let records: Vec<_> = right.iter().filter(|(name, _)| matches!(name, ObjectName::Verified(..))).collect();
    let [(one, one_bytes), (other, other_bytes)] = records.as_slice() else { panic!("{} records", records.len()) };
    world.store.overwrite(**one, other_bytes);
    world.store.overwrite(**other, one_bytes);
    assert_untouched(heal_control(&access, &Silent));
    let done = copies_healed(&access).unwrap();
    assert_eq!((done.healed.len(), done.unhealed), (2, vec![]));
    assert!(objects(&world.store) == right);
}

/// Neither is the object of its name: whatever is wrong, the copies are not what tells.
#[test]
fn a_second_copy_stays_where_the_first_is_another_ones() {
    let (world, _) = used_world(60);
    protect_all(&world.store, &ProtectOptions::default(), &Silent).unwrap();
    let all = outcomes(&world.store);
    let [(one, _), (_, other), (_, third), ..] = all.as_slice() else { panic!("{} outcomes", all.len()) };
    world.store.overwrite(*one, other);
    world.store.overwrite(one.mirror().unwrap(), third);
    let before = objects(&world.store);
    assert_untouched(copies_healed(&world.client("owner")));
    assert!(objects(&world.store) == before);
}

/// Once an error took the place of all that was written before it.
#[test]
fn whenever_healing_is_stopped_what_it_wrote_is_told() {
    let (base, _) = used_world(60);
    protect_all(&base.store, &ProtectOptions::default(), &Silent).unwrap();
    let right = objects(&base.store);
    let all = outcomes(&base.store);
    let [(one, one_bytes), (lost, lost_bytes), ..] = all.as_slice() else { panic!("{} outcomes", all.len()) };
    flip(&base.store, *one, one_bytes);
    // It stays wrong, so that the second look has something to ask about.
    flip(&base.store, *lost, lost_bytes);
    base.store.remove(&lost.mirror().unwrap()).unwrap();
    let whole = right.keys().filter(|name| name.folder() == Folder::Mirror);
    let swapped: Vec<_> = whole.filter(|name| ![one.mirror(), lost.mirror()].contains(&Some(**name))).take(2).collect();
    base.store.overwrite(*swapped[0], &right[swapped[1]]);
    base.store.overwrite(*swapped[1], &right[swapped[0]]);
    let wounded = objects(&base.store);
    let mut told = BTreeSet::new();
    for patience in 0.. {
        let world = base.fork();
        let (access, progress) = (world.client("owner"), Patience::of(patience));
        let done = heal_control(&access, &progress);
        let done = done.and_then(|done| done.go_on(|done| heal_copies(&access, done, &progress)));
        let now = objects(&world.store);
        let written: Vec<_> = now.iter().filter(|(name, bytes)| wounded.get(name) != Some(bytes)).collect();
        let written: BTreeSet<_> = written.into_iter().map(|(name, _)| name.to_string()).collect();
        let Ok(done) = done else {
            assert_eq!((done.unwrap_err().kind(), written), (ErrorKind::Interrupted, BTreeSet::new()));
            continue;
        };
        let healed: BTreeSet<_> = done.healed.into_iter().map(|lost| lost.object).collect();
        assert_eq!(healed, written, "stopped after {patience} questions");
        let Some(failure) = done.failure else { break };
        assert_eq!(failure.kind(), ErrorKind::Interrupted);
        told.insert(healed.len());
    }
    assert_eq!(told, BTreeSet::from([1, 2, 3]));
}

/// Has enough when the view was made anew.
#[derive(Default)]
struct UntilSegments(AtomicBool);

impl Progress for UntilSegments {
    fn event(&self, event: &Event<'_>) {
        self.0.fetch_or(matches!(event, Event::Phase("reading segments")), Ordering::Relaxed);
    }

    fn stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A repository on a disc, with second copies, and the files of its outcomes.
fn on_disc(place: &std::path::Path) -> (Repository, Vec<PathBuf>) {
    let (path, unlock) = (place.join("repository"), Unlock::Password(b"on a disc"));
    Repository::create(&path, unlock, &CreateOptions::default().kdf(KdfCost::CHEAP)).unwrap();
    let options = OpenOptions::new(place.join("cache"), place.join("state"));
    let repository = Repository::open(&path, unlock, options).unwrap();
    for tree in ["config", "keys"] {
        repository.backup(&BackupOptions::new([path.join(tree)]), &Silent).unwrap();
    }
    let store = LocalStore::open(&path).unwrap();
    protect_all(&store, &ProtectOptions::default(), &Silent).unwrap();
    let mut files = Vec::new();
    let mut note = |listed| {
        if let Listed::Object { name, .. } = listed {
            files.push(path.join(name.to_string()));
        }
    };
    store.list(Folder::Outcomes, &mut note).unwrap();
    (repository, files)
}

/// Puts zeros in the place of a file, and says what it held.
fn zero(file: &std::path::Path) -> Vec<u8> {
    let right = std::fs::read(file).unwrap();
    std::fs::remove_file(file).unwrap();
    std::fs::write(file, vec![0; right.len()]).unwrap();
    right
}

#[test]
fn a_repair_of_the_index_that_is_stopped_says_what_it_brought_back() {
    let place = tempfile::tempdir().unwrap();
    let (mut repository, files) = on_disc(place.path());
    let right = zero(&files[0]);
    let error = repository.repair_index(&RepairOptions::default(), &UntilSegments::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    assert!(error.to_string().starts_with("after 1 control object was brought back: stopped as asked"), "{error}");
    assert_eq!(std::fs::read(&files[0]).unwrap(), right);
}

/// It ended the healing of all others.
#[test]
fn a_folder_in_the_place_of_an_outcome_keeps_no_other_from_coming_back() {
    let place = tempfile::tempdir().unwrap();
    let (repository, files) = on_disc(place.path());
    let right = zero(&files[1]);
    std::fs::remove_file(&files[0]).unwrap();
    std::fs::create_dir(&files[0]).unwrap();
    let done = heal_control(repository.access(), &Silent).unwrap();
    assert_eq!(done.healed.len(), 1, "{done:?}");
    assert_eq!(std::fs::read(&files[1]).unwrap(), right);
    assert!(files[0].is_dir());
}

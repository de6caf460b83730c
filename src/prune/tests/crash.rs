//! A prune that dies, or is refused something, at each of its changes: the next one finishes it and nothing is lost.

use super::world::{Inherit, World, back_up, files, objects, prune, whole};
use crate::access::Access;
use crate::error::{ErrorKind, Result};
use crate::forget::{self as forgetting, Client};
use crate::id::SnapshotId;
use crate::outcome::StatementKind;
use crate::progress::Silent;
use crate::prune::{self, MaxUnused, PruneOptions, PruneReport, PruneSummary};
use crate::session::testing::files::{decide_writes, let_writes_happen};
use crate::session::{self, Writer, move_to_machine};
use crate::session_record::SessionKind;
use crate::store::faulty::{Fault, FaultyStore};
use crate::store::hooked::{Hooked, Step};
use crate::store::{Folder, LocalStore, Store};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Where the prune runs that dies.
const OWN: u8 = 1;
/// Where others run.
const OTHER: u8 = 2;

/// Something of everything: packs that nothing needs, packs that are half needed, what an aborted session left, a
/// generation that waited, segments to merge. Gives a forgotten snapshot as well whose packs are all there.
fn everything() -> (World, SnapshotId) {
    let world = World::new();
    move_to_machine(OWN);
    let first = world.back_up("a", &files(0..6, 10_000));
    world.back_up("b", &files(3..9, 10_000));
    let third = world.back_up("a", &files(20..24, 10_000));
    world.forget(first);
    prune(&world.client("early"), &options()).unwrap();
    world.forget(third);
    world.back_up("c", &files(3..5, 20_000));
    (world, third)
}

/// A condemned generation that a backup counts on which was open then: its packs must be spared.
fn rescue() -> World {
    let world = Arc::new(World::new());
    move_to_machine(OWN);
    let first = world.back_up("a", &files(0..6, 10_000));
    world.back_up("b", &files(10..14, 10_000));
    world.forget(first);
    let (other, changes) = (Arc::clone(&world), AtomicUsize::new(0));
    let slow = Hooked::new(Arc::new(world.store.clone()), move |step| {
        if step == Step::Change && changes.fetch_add(1, Ordering::Relaxed) == 3 {
            move_to_machine(OTHER);
            let report = prune(&other.client("early"), &PruneOptions::default()).unwrap();
            assert_eq!(report.waiting.len(), 1);
            move_to_machine(OWN);
        }
    });
    back_up(&world.client_on("slow", Arc::new(slow)), &files([0, 1, 30], 10_000), Inherit::Never).unwrap();
    Arc::into_inner(world).unwrap()
}

/// Two generations whose packs are gone, and which a session kept from being retired that has ended since.
fn retirement() -> World {
    let world = World::new();
    move_to_machine(OWN);
    world.back_up("a", &files(20..24, 10_000));
    let access = world.client("b");
    let client = session::load(&access).unwrap().client;
    for number in 0..2 {
        let gone = world.back_up("a", &files(number * 4..number * 4 + 4, 10_000));
        world.forget(gone);
        prune(&world.client("early"), &options()).unwrap();
    }
    let open = session::open(&access, client, 1, SessionKind::Backup, &Writer::default()).unwrap();
    move_to_machine(OTHER);
    let gone = world.back_up("a", &files(40..44, 10_000));
    world.forget(gone);
    prune(&world.client("early"), &PruneOptions::default()).unwrap();
    move_to_machine(OWN);
    open.abort(&access);
    world
}

fn options() -> PruneOptions {
    PruneOptions::default().max_unused(MaxUnused::Share(0)).silent_after(Duration::ZERO)
}

/// Prunes, and says how many changes that took, those to files of its own among them.
fn change_count(world: &World) -> usize {
    let counting = FaultyStore::counting(Arc::new(world.store.clone()));
    prune_through(&world.client("owner"), &counting).unwrap();
    counting.change_count()
}

/// Prunes at a store that may fail; what it keeps for itself fails with it.
fn prune_through(access: &Access, store: &FaultyStore) -> Result<PruneReport> {
    let judge = store.clone();
    decide_writes(move || judge.judge_elsewhere());
    let dying = Access { store: Arc::new(store.clone()), ..access.clone() };
    let report = prune(&dying, &options());
    let_writes_happen();
    report
}

/// What a store holds, but for what it will remember for ever, and what a prune says of it.
#[derive(Debug)]
struct Space {
    exact: Exact,
    pack_bytes: u64,
}

/// What does not depend on chance.
#[derive(Debug, PartialEq, Eq)]
struct Exact {
    objects: BTreeMap<String, (usize, usize)>,
    /// How many chunks and nodes the packs hold, those that are stored twice counted twice.
    chunk_count: u64,
    summary: PruneSummary,
}

/// In what order a repacked frame holds its chunks follows from the names of segments, which are drawn at random, and a few
/// bytes of what zstd makes of it follow from that order: 60 scenes of the same content, pruned undisturbed, came out with
/// one of two lengths, two bytes apart.
const PACK_BYTES_BY_CHANCE: u64 = 64;

impl Space {
    fn of(access: &Access) -> Self {
        let mut held: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        for (name, bytes) in objects(&*access.store) {
            // How many sessions it took to get here, and generations, is told by outcomes and numbers.
            if !matches!(name.folder(), Folder::Outcomes | Folder::Gc) {
                let (count, sum) = held.entry(name.folder().as_str().to_owned()).or_default();
                (*count, *sum) = (*count + 1, *sum + bytes.len());
            }
        }
        // Which segments it replaced is part of one; packs are told by what is in them.
        for folder in [Folder::Segments, Folder::Packs] {
            held.get_mut(folder.as_str()).into_iter().for_each(|(_, sum)| *sum = 0);
        }
        let mut summary = prune::plan(access, &options(), &Silent).unwrap().summary().clone();
        let pack_bytes = std::mem::take(&mut summary.packs.bytes);
        let chunk_count = access.index.totals().unwrap().chunk_count;
        Self { exact: Exact { objects: held, chunk_count, summary }, pack_bytes }
    }

    fn assert_is(&self, expected: &Self, when: &str) {
        assert_eq!(self.exact, expected.exact, "{when}");
        let by_chance = self.exact.summary.packs.pack_count * PACK_BYTES_BY_CHANCE;
        let differ = self.pack_bytes.abs_diff(expected.pack_bytes);
        assert!(differ <= by_chance, "{when}: {} bytes in packs, not {}", self.pack_bytes, expected.pack_bytes);
    }

    /// After two prunes that nobody disturbed.
    fn undisturbed(world: &World) -> Self {
        let world = world.fork();
        for client in ["owner", "last"] {
            prune(&world.client(client), &options()).unwrap();
            world.assert_whole();
        }
        Self::of(&world.client("reader"))
    }
}

/// A prune of a crowd once called packs damaged that another prune had deleted since it had chosen to repack them.
#[test]
fn overtaken_up_to_each_change_of_another_prune_a_prune_takes_nothing_that_is_gone_for_damaged() {
    let (world, _) = everything();
    for at in 1..=change_count(&world.fork()) {
        let fork = world.fork();
        let owner = fork.client("owner");
        let plan = prune::plan(&owner, &options(), &Silent).unwrap();
        let store = FaultyStore::new(Arc::new(fork.store.clone()), at, Fault::CrashAfter);
        let _ = prune_through(&fork.client("other"), &store);
        let report = prune::run(&owner, plan, &options(), &Silent).unwrap_or_else(|error| panic!("at {at}: {error}"));
        assert_eq!(report.damaged_frame_count, 0, "at {at}: {:?}", report.notices);
        fork.assert_whole();
    }
}

/// Has a prune fail in every way at each of its changes; then another takes over, at times on the same machine, with what
/// the first one kept, at times on another. In the end there is as much as after a prune that nobody disturbed.
fn killed_at_each_change(scene: &World) {
    let expected = Space::undisturbed(scene);
    let change_count = change_count(&scene.fork());
    assert!(change_count > 10, "{change_count} changes");
    for at in 1..=change_count {
        for (turn, fault) in Fault::ALL.into_iter().enumerate() {
            let fork = scene.fork();
            move_to_machine(OWN);
            let owner = fork.client("owner");
            // Some faults are passed over: what could not be tidied up is left to the next.
            let _ = prune_through(&owner, &FaultyStore::new(Arc::new(fork.store.clone()), at, fault));
            fork.assert_whole();
            let next = if (at + turn).is_multiple_of(2) { owner } else { fork.client("next") };
            move_to_machine(if (at + turn).is_multiple_of(2) { OWN } else { OTHER });
            prune(&next, &options()).unwrap_or_else(|error| panic!("{fault:?} at {at}: {error}"));
            fork.assert_whole();
            prune(&fork.client("last"), &options()).unwrap();
            fork.assert_whole();
            Space::of(&fork.client("reader")).assert_is(&expected, &format!("{fault:?} at {at}"));
        }
    }
}

#[test]
fn killed_at_each_of_its_changes_a_prune_is_finished_by_the_next_and_nothing_is_lost() {
    killed_at_each_change(&everything().0);
}

/// While packs are condemned no prune chooses from them: what is spared would wait for the next prune.
#[test]
fn what_a_prune_spares_it_chooses_from_at_once() {
    let world = rescue();
    let report = prune(&world.client("owner"), &options()).unwrap();
    assert!(report.spared.pack_count > 0 && report.written.pack_count > 0, "{report:?}");
    world.assert_whole();
    let left = prune::plan(&world.client("owner"), &options(), &Silent).unwrap();
    let left = left.summary();
    assert_eq!((left.unused.bytes, left.repacked.bytes, left.slack_bytes), (0, 0, 0), "{left:?}");
}

#[test]
fn killed_at_each_change_of_a_rescue_a_prune_is_finished_by_the_next_and_nothing_is_lost() {
    let world = rescue();
    let report = prune(&world.fork().client("owner"), &options()).unwrap();
    assert!(report.spared.pack_count > 0, "{report:?}");
    killed_at_each_change(&world);
}

#[test]
fn killed_at_each_change_of_a_retirement_a_prune_is_finished_by_the_next_and_nothing_is_lost() {
    let world = retirement();
    let generations = |world: &World| session::History::load(&world.client("reader")).unwrap().generations.len();
    let fork = world.fork();
    let before = generations(&fork);
    let report = prune(&fork.client("owner"), &options()).unwrap();
    assert!(before >= 2 && generations(&fork) < before && report.removed_segment_count > 0, "{before} {report:?}");
    killed_at_each_change(&world);
}

#[test]
fn an_undo_between_a_prune_that_died_and_the_next_brings_back_everything_or_says_that_it_is_gone() {
    let (world, forgotten) = everything();
    let mut undone = BTreeMap::new();
    for at in 1..=change_count(&world.fork()) {
        let fork = world.fork();
        move_to_machine(OWN);
        let dying = FaultyStore::new(Arc::new(fork.store.clone()), at, Fault::CrashAfter);
        let _ = prune_through(&fork.client("owner"), &dying);
        move_to_machine(OTHER);
        let undoer = fork.client("undoer");
        let state = session::load(&undoer).unwrap();
        let client = Client { state: &state, writer: &Writer::default() };
        let outcome = forgetting::undo(&undoer, &client, &[forgotten], StatementKind::Undo, &Silent);
        let outcome = outcome.map(|report| report.restated.len()).map_err(|error| error.kind());
        assert!(matches!(outcome, Ok(1) | Err(ErrorKind::NotFound)), "at {at}: {outcome:?}");
        fork.assert_whole();
        for client in ["next", "last"] {
            prune(&fork.client(client), &options()).unwrap_or_else(|error| panic!("at {at}: {error}"));
            fork.assert_whole();
        }
        let left = prune::plan(&fork.client("reader"), &options(), &Silent).unwrap().summary().clone();
        assert_eq!((left.unused.pack_count, left.slack_bytes, left.waiting.pack_count), (0, 0, 0), "at {at}");
        let history = session::History::load(&fork.client("reader")).unwrap();
        assert_eq!(history.forgotten().contains(&forgotten), outcome.is_err());
        *undone.entry(outcome.is_ok()).or_insert(0) += 1;
    }
    assert!(undone.len() == 2 && undone.values().all(|count| *count > 3), "{undone:?}");
}

/// The objects of a repository in a directory, in which each call to the system can be the last one.
struct OnDisk {
    world: World,
    path: PathBuf,
}

impl OnDisk {
    fn new(scene: &World) -> Self {
        let world = scene.fork();
        let path = world.place("on disk");
        let store = LocalStore::create(&path).unwrap();
        for (name, bytes) in objects(&world.store) {
            let _ = store.create(&name, &bytes).unwrap();
        }
        Self { world, path }
    }

    /// A process that just began, after its store was proved.
    fn open(&self) -> Arc<LocalStore> {
        let store = LocalStore::open(&self.path).unwrap();
        store.facts().unwrap();
        store.calls_made();
        Arc::new(store)
    }

    fn prune(&self, client: &str, store: &Arc<LocalStore>) -> Result<PruneReport> {
        prune(&self.world.client_on(client, Arc::<LocalStore>::clone(store)), &options())
    }

    fn access(&self) -> Access {
        self.world.client_on("reader", self.open())
    }

    fn temporary_count(&self) -> usize {
        let mut folders = vec![self.path.clone()];
        let mut count = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()) {
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                }
                count += usize::from(entry.file_name().to_string_lossy().starts_with(".tmp-"));
            }
        }
        count
    }
}

#[test]
fn killed_at_each_call_to_the_system_a_prune_is_finished_by_the_next_and_leaves_no_temporary_file() {
    let (scene, _) = everything();
    let undisturbed = OnDisk::new(&scene);
    let store = undisturbed.open();
    undisturbed.prune("owner", &store).unwrap();
    let call_count = store.calls_made();
    undisturbed.prune("last", &undisturbed.open()).unwrap();
    let expected = Space::of(&undisturbed.access());
    assert!(call_count > 50, "{call_count} calls");
    let mut temporary_count = 0;
    for at in 1..=call_count {
        let repository = OnDisk::new(&scene);
        move_to_machine(OWN);
        let store = repository.open();
        store.die_at_call(at);
        let _ = repository.prune("owner", &store);
        drop(store);
        temporary_count += repository.temporary_count();
        whole(&repository.access()).unwrap();
        move_to_machine(OTHER);
        for client in ["next", "last"] {
            repository.prune(client, &repository.open()).unwrap_or_else(|error| panic!("at {at}: {error}"));
            whole(&repository.access()).unwrap();
        }
        assert_eq!(repository.temporary_count(), 0, "at {at}");
        Space::of(&repository.access()).assert_is(&expected, &format!("at {at}"));
    }
    assert!(temporary_count > 0, "some died with a file half written");
}

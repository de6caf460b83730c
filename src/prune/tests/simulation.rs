//! Eight writers, two prunes, and an owner who forgets and undoes, on one store in memory: each takes the steps of the
//! real engine, and before each step at the store a seeded scheduler says who goes on. Some crash, some sleep for long
//! and wake up as zombies after others have ended their sessions.
//!
//! After every step no live snapshot may lack a chunk; at the end a real reader reads every live snapshot, and one more
//! prune finishes whatever was left half done. Signatures are cheap and state files are in memory: everything else is
//! what ships. `HOLDALL_ENGINE_SCHEDULES` says how many schedules are run, `HOLDALL_SEED` where they begin.

mod oracle;
mod stage;
mod trace;

use super::dice::{self, Dice, number};
use super::world::{Files, Inherit, World, back_up, files, forget, objects, prune, whole};
use crate::access::Access;
use crate::forget::{self as forgetting, Client};
use crate::id::SnapshotId;
use crate::outcome::StatementKind;
use crate::progress::Silent;
use crate::prune::{MaxUnused, PruneOptions};
use crate::session::testing::{clock, memory};
use crate::session::{self, History, Writer, move_to_machine};
use crate::store::{MemoryStore, ObjectName, Store};
use oracle::{Needs, Oracle};
use stage::{Broken, Gate, Gated, Watch};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const WRITERS: usize = 8;
const COLLECTORS: usize = 2;
const OWNERS: usize = 1;
const ACTORS: usize = WRITERS + COLLECTORS + OWNERS;
/// How many schedules a test run tries unless it is told otherwise.
const SCHEDULES: u64 = 200;
/// A file is one chunk.
const FILE_BYTES: usize = 60;
const FIRST_FILES: u32 = 6;

/// The files of one snapshot: three in a row.
fn some_files(first: u32) -> Files {
    files(first..first + 3, FILE_BYTES)
}

/// Everything that schedules share: keys, and a repository with a live and a forgotten snapshot.
struct Base {
    world: World,
    needs: Arc<Needs>,
    objects: Vec<(ObjectName, Vec<u8>)>,
    state: oracle::State,
}

fn settle_in(seed: u64, machine: usize) {
    move_to_machine(u8::try_from(machine).unwrap());
    memory::keep_state();
    clock::pretend(1_800_000_000_000_000_000);
    crate::seal::testing::sign_cheaply();
    crate::seal::testing::draw_from(seed.wrapping_mul(64) + u64::try_from(machine).unwrap());
}

impl Base {
    fn new() -> Self {
        let every: Vec<Files> = (0..FIRST_FILES).map(some_files).collect();
        Self::with(&every, |reader| {
            let first = back_up(reader, &some_files(0), Inherit::Never).unwrap();
            back_up(reader, &some_files(2), Inherit::Never).unwrap();
            forget(reader, first).unwrap();
        })
    }

    /// A repository of which `begin` makes the first objects; `every` are the files of all snapshots that may come.
    fn with(every: &[Files], begin: impl FnOnce(&Access)) -> Self {
        settle_in(0, 99);
        let world = World::new();
        let reader = world.keys.open(Arc::new(world.store.clone()), Path::new("nowhere"));
        let needs = Arc::new(Needs::new(&reader, every));
        begin(&reader);
        let objects: Vec<_> = objects(&world.store).into_iter().collect();
        let oracle = Oracle::new(&world.keys, reader, Arc::clone(&needs), oracle::State::default());
        objects.iter().for_each(|(name, bytes)| oracle.created(name, bytes));
        // They came in the order of their names, not of their making: what was missing then is none.
        let mut state = oracle.state();
        state.lost = None;
        Self { world, needs, objects, state }
    }

    fn oracle(&self, access: Access) -> Arc<Oracle> {
        Arc::new(Oracle::new(&self.world.keys, access, Arc::clone(&self.needs), self.state.clone()))
    }
}

/// What one actor does, by a seed of its own.
fn act(store: &Gated, seed: u64) {
    let own = store.own;
    let mut dice = Dice::new(seed ^ u64::try_from(own + 1).unwrap() << 32);
    let access = store.oracle.keys().open(Arc::new(store.clone()), Path::new("nowhere"));
    // Whoever crashed or was ended by another fails, and that is all.
    if own < WRITERS {
        for _ in 0..=dice.below(2) {
            let inherit = if dice.one_in(3) { Inherit::WhenAllowed } else { Inherit::Never };
            let first = u32::try_from(dice.below(FIRST_FILES.into())).unwrap();
            let _ = back_up(&access, &some_files(first), inherit);
        }
    } else if own < WRITERS + COLLECTORS {
        for _ in 0..2 {
            let limit = if dice.one_in(2) { MaxUnused::Share(0) } else { MaxUnused::default() };
            let patience = if dice.one_in(2) { Duration::ZERO } else { Duration::from_secs(3600) };
            let _ = prune(&access, &PruneOptions::default().max_unused(limit).silent_after(patience));
        }
    } else {
        for _ in 0..6 {
            let Ok(history) = History::load(&access) else { break };
            let choose = |forgotten: bool| -> Vec<SnapshotId> {
                let all = session::all(&history).into_iter();
                all.filter(|snapshot| snapshot.forgotten == forgotten).map(|snapshot| snapshot.id).collect()
            };
            let (live, forgotten) = (choose(false), choose(true));
            if dice.one_in(3) && !forgotten.is_empty() {
                let Ok(state) = session::load(&access) else { break };
                let client = Client { state: &state, writer: &Writer::default() };
                let _ = forgetting::undo(&access, &client, &[*dice.pick(&forgotten)], StatementKind::Undo, &Silent);
            } else if !live.is_empty() {
                let _ = forget(&access, *dice.pick(&live));
            }
        }
    }
}

/// What came of a schedule.
struct Ended {
    steps: u64,
    lost: Option<String>,
}

/// The actors of a schedule, and who looks on.
struct Cast<'a> {
    actor_count: usize,
    collectors: Range<usize>,
    broken: Broken,
    watch: Option<Arc<Watch>>,
    act: &'a (dyn Fn(&Gated) + Sync),
}

/// Lets all actors act on a store until each of them has ended, crashed or has nothing more to do.
fn play(base: &Base, seed: u64, cast: &Cast<'_>, store: &MemoryStore, oracle: &Arc<Oracle>) -> Arc<Gate> {
    let gate = Arc::new(Gate::new(seed, cast.actor_count));
    base.objects.iter().for_each(|(name, bytes)| store.overwrite(*name, bytes));
    std::thread::scope(|scope| {
        for own in 0..cast.actor_count {
            let gated = Gated {
                inner: store.clone(),
                gate: Arc::clone(&gate),
                oracle: Arc::clone(oracle),
                watch: cast.watch.clone(),
                own,
                is_collector: cast.collectors.contains(&own),
                broken: cast.broken,
                blind: Arc::default(),
            };
            scope.spawn(move || {
                // A panic must not leave the others waiting; with a broken rule anything may happen.
                let acted = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    settle_in(seed, own + 1);
                    (cast.act)(&gated);
                }));
                gated.gate.end(own);
                if let Err(panic) = acted
                    && cast.broken == Broken::Nothing
                {
                    std::panic::resume_unwind(panic);
                }
            });
        }
    });
    gate
}

/// Runs one schedule.
fn run(base: &Base, seed: u64, broken: Broken) -> Ended {
    let store = MemoryStore::new();
    let open = |store: Arc<dyn Store>| base.world.keys.open(store, Path::new("nowhere"));
    let reader = || open(Arc::new(store.clone()));
    let oracle = base.oracle(reader());
    let collectors = WRITERS..WRITERS + COLLECTORS;
    let act: &(dyn Fn(&Gated) + Sync) = &|gated| act(gated, seed);
    let gate = play(base, seed, &Cast { actor_count: ACTORS, collectors, broken, watch: None, act }, &store, &oracle);
    let ended = Ended { steps: gate.steps(), lost: oracle.lost() };
    if broken != Broken::Nothing || ended.lost.is_some() {
        return ended;
    }
    // Whatever was left half done, one prune by the last one alive finishes it.
    settle_in(seed, 98);
    let options = PruneOptions::default().max_unused(MaxUnused::Share(0)).silent_after(Duration::ZERO);
    let report = prune(&reader(), &options).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    assert!(report.waiting.is_empty(), "seed {seed}: {report:?}");
    whole(&reader()).unwrap_or_else(|error| panic!("seed {seed}, at the end: {error}"));
    ended
}

/// Runs schedules on all cores until one loses something. Returns how many steps they took, or the first loss.
fn run_all(first: u64, count: u64, broken: Broken) -> Result<u64, String> {
    dice::try_seeds((first, count), Base::new, |base, seed| {
        let ended = run(base, seed, broken);
        ended.lost.map_or(Ok(ended.steps), |lost| Err(format!("seed {seed}: {lost}")))
    })
}

#[test]
fn whatever_the_schedule_no_live_snapshot_ever_lacks_a_chunk() {
    let (first, count) = (number("HOLDALL_SEED", 1), number("HOLDALL_ENGINE_SCHEDULES", SCHEDULES));
    let started = std::time::Instant::now();
    let steps = run_all(first, count, Broken::Nothing).unwrap_or_else(|lost| panic!("{lost}"));
    println!("{count} schedules from seed {first} on, {steps} steps, {:.1} s", started.elapsed().as_secs_f64());
}

#[test]
fn each_rule_that_is_broken_is_found_by_a_loss() {
    let rules = [Broken::SecondLook, Broken::Sessions];
    for broken in rules {
        let lost = run_all(1, 1000, broken).expect_err(&format!("nothing is lost without {broken:?}"));
        println!("without {broken:?}: {lost}");
    }
}

//! Eight writers, two prunes, and somebody who forgets, on one store in memory: each takes the steps of the real engine,
//! and before each step a seeded scheduler says who goes on. Some crash, some sleep for long and wake up as zombies.
//!
//! After every removal of packs, and at the end, every live snapshot must be whole. `HOLDALL_SCHEDULES` says how many
//! schedules are run, `HOLDALL_SEED` where they begin.

use super::world::{Inherit, World, back_up, files, forget, prune, whole};
use crate::id::SessionId;
use crate::prune::{MaxUnused, PruneOptions};
use crate::session::{self, History, move_to_machine};
use crate::store::{Created, Folder, Listed, MemoryStore, Object, ObjectName, Spool, Store, StoreError, StoreFacts};
use rustix::io::Errno;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

const WRITERS: usize = 8;
const COLLECTORS: usize = 2;
const FORGETTERS: usize = 1;
const ACTORS: usize = WRITERS + COLLECTORS + FORGETTERS;
/// How many schedules a test run tries unless it is told otherwise.
const SCHEDULES: u64 = 40;

/// Xorshift, seeded.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[usize::try_from(self.below(items.len().try_into().unwrap())).unwrap()]
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Actor {
    Waiting,
    /// Until so many steps were taken by others.
    Asleep(u64),
    Crashed,
    Done,
}

struct Schedule {
    dice: Dice,
    actors: [Actor; ACTORS],
    /// Who goes on; none while the test itself works.
    turn: Option<usize>,
    /// How many have come to their first step.
    arrived: usize,
    steps: u64,
}

impl Schedule {
    fn pick(&mut self) {
        self.steps += 1;
        for actor in &mut self.actors {
            if *actor == Actor::Asleep(self.steps) {
                *actor = Actor::Waiting;
            }
        }
        let steps = self.steps;
        for actor in &mut self.actors {
            if matches!(actor, Actor::Asleep(until) if *until < steps) {
                *actor = Actor::Waiting;
            }
        }
        let awake: Vec<usize> = (0..ACTORS).filter(|number| self.actors[*number] == Actor::Waiting).collect();
        let asleep = || (0..ACTORS).filter(|number| matches!(self.actors[*number], Actor::Asleep(_)));
        let ready: Vec<usize> = if awake.is_empty() { asleep().collect() } else { awake };
        if ready.is_empty() {
            self.turn = None;
            return;
        }
        let chosen = *self.dice.pick(&ready);
        self.actors[chosen] = match self.dice.below(400) {
            0 => Actor::Crashed,
            1..=6 => Actor::Asleep(self.steps + 20 + self.dice.below(400)),
            _ => Actor::Waiting,
        };
        if matches!(self.actors[chosen], Actor::Asleep(_)) && ready.len() > 1 {
            return self.pick();
        }
        self.turn = Some(chosen);
    }
}

struct Gate {
    schedule: Mutex<Schedule>,
    changed: [Condvar; ACTORS],
}

impl Gate {
    fn new(seed: u64) -> Self {
        let schedule =
            Schedule { dice: Dice::new(seed), actors: [Actor::Waiting; ACTORS], turn: None, arrived: 0, steps: 0 };
        Self { schedule: Mutex::new(schedule), changed: std::array::from_fn(|_| Condvar::new()) }
    }

    /// Gives the turn away and waits until it comes back. Fails when the actor has crashed.
    fn step(&self, own: usize) -> Result<(), StoreError> {
        let mut schedule = self.schedule.lock().unwrap();
        if schedule.actors[own] == Actor::Crashed {
            return Err(dead());
        }
        if schedule.turn == Some(own) {
            schedule.pick();
            self.wake(&schedule);
        } else {
            schedule.arrived += 1;
            if schedule.arrived == ACTORS {
                schedule.pick();
                self.wake(&schedule);
            }
        }
        while schedule.turn != Some(own) {
            schedule = self.changed[own].wait(schedule).unwrap();
        }
        if schedule.actors[own] == Actor::Crashed { Err(dead()) } else { Ok(()) }
    }

    fn end(&self, own: usize) {
        let mut schedule = self.schedule.lock().unwrap();
        schedule.actors[own] = Actor::Done;
        if schedule.turn == Some(own) {
            schedule.pick();
            self.wake(&schedule);
        }
    }

    fn wake(&self, schedule: &Schedule) {
        if let Some(next) = schedule.turn {
            self.changed[next].notify_one();
        }
    }
}

fn dead() -> StoreError {
    StoreError::from_io("writing", "the store of one who is dead", Errno::IO.into())
}

/// The store as one actor sees it.
#[derive(Clone)]
struct Gated {
    inner: MemoryStore,
    gate: Arc<Gate>,
    own: usize,
    removed: Arc<Mutex<bool>>,
}

impl Store for Gated {
    fn create(&self, name: &ObjectName, bytes: &[u8]) -> Result<Created, StoreError> {
        self.gate.step(self.own)?;
        self.inner.create(name, bytes)
    }

    fn spool(&self, _session: SessionId) -> Result<Box<dyn Spool>, StoreError> {
        Ok(Box::new(GatedSpool { store: self.clone(), bytes: Vec::new() }))
    }

    fn read(&self, name: &ObjectName, limit_bytes: u64) -> Result<Vec<u8>, StoreError> {
        // What is named by its hash or never changes can be read at any time between two steps; whether it is there is
        // what matters, and only packs, segments and sets ever go.
        if matches!(name.folder(), Folder::Segments | Folder::Gc | Folder::Sessions) {
            self.gate.step(self.own)?;
        }
        self.inner.read(name, limit_bytes)
    }

    fn open(&self, name: &ObjectName) -> Result<Box<dyn Object>, StoreError> {
        self.gate.step(self.own)?;
        self.inner.open(name)
    }

    fn list(&self, folder: Folder, each: &mut dyn FnMut(Listed)) -> Result<(), StoreError> {
        self.gate.step(self.own)?;
        self.inner.list(folder, each)
    }

    fn remove_all(&self, names: &[ObjectName]) -> Result<u64, StoreError> {
        // One by one: others go on in between.
        let mut count = 0;
        for name in names {
            self.gate.step(self.own)?;
            count += self.inner.remove_all(&[*name])?;
            if name.folder() == Folder::Packs {
                *self.removed.lock().unwrap() = true;
            }
        }
        Ok(count)
    }

    fn sweep_temporaries(&self, _may_go: &dyn Fn(Option<SessionId>) -> bool) -> Result<u64, StoreError> {
        Ok(0)
    }

    fn facts(&self) -> Result<StoreFacts, StoreError> {
        self.inner.facts()
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }
}

struct GatedSpool {
    store: Gated,
    bytes: Vec<u8>,
}

impl Spool for GatedSpool {
    fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn publish(self: Box<Self>, name: &ObjectName) -> Result<Created, StoreError> {
        self.store.create(name, &self.bytes)
    }
}

/// What one actor does, by a seed of its own.
fn act(world: &World, store: Gated, own: usize, seed: u64) {
    move_to_machine(u8::try_from(own + 1).unwrap());
    let number = u64::try_from(own + 1).unwrap();
    crate::seal::testing::draw_from(seed.wrapping_mul(64) + number);
    let mut dice = Dice::new(seed ^ number << 32);
    let access = world.client_on(&format!("{seed}-{own}"), Arc::new(store.clone()));
    // Whoever crashed or was ended by another fails, and that is all.
    if own < WRITERS {
        for _ in 0..=dice.below(2) {
            let inherit = if dice.one_in(3) { Inherit::WhenAllowed } else { Inherit::Never };
            let first = u32::try_from(dice.below(6)).unwrap();
            let _ = back_up(&access, &files(first..first + 3, 200), inherit);
        }
    } else if own < WRITERS + COLLECTORS {
        for _ in 0..2 {
            let limit = if dice.one_in(2) { MaxUnused::Share(0) } else { MaxUnused::default() };
            let patience = if dice.one_in(2) { Duration::ZERO } else { Duration::from_secs(3600) };
            let _ = prune(&access, &PruneOptions::default().max_unused(limit).silent_after(patience));
        }
    } else {
        for _ in 0..8 {
            let Ok(history) = History::load(&access) else { break };
            let live = session::all(&history).into_iter().filter(|snapshot| !snapshot.forgotten);
            let live: Vec<_> = live.map(|snapshot| snapshot.id).collect();
            if !live.is_empty() {
                let _ = forget(&access, *dice.pick(&live));
            }
        }
    }
    store.gate.end(own);
}

/// Runs one schedule; returns how many steps it took.
fn run(seed: u64) -> u64 {
    let world = World::new();
    crate::seal::testing::draw_from(seed);
    let first = world.back_up("before", &files(0..4, 200));
    world.back_up("before", &files(2..6, 200));
    world.forget(first);
    let gate = Arc::new(Gate::new(seed));
    let removed = Arc::new(Mutex::new(false));
    std::thread::scope(|scope| {
        for own in 0..ACTORS {
            let (gate, removed) = (Arc::clone(&gate), Arc::clone(&removed));
            let store = Gated { inner: world.store.clone(), gate, own, removed };
            let world = &world;
            scope.spawn(move || act(world, store, own, seed));
        }
    });
    whole(&world.client("reader")).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    let steps = gate.schedule.lock().unwrap().steps;
    // Whatever was left half done, one prune by the last one alive finishes it.
    move_to_machine(99);
    for _ in 0..2 {
        let options = PruneOptions::default().max_unused(MaxUnused::Share(0)).silent_after(Duration::ZERO);
        let report = prune(&world.client("last"), &options).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert!(report.waiting.is_empty(), "seed {seed}: {report:?}");
    }
    whole(&world.client("after")).unwrap_or_else(|error| panic!("seed {seed}, at the end: {error}"));
    steps
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn whatever_the_schedule_no_live_snapshot_ever_lacks_a_chunk() {
    let (first, count) = (number("HOLDALL_SEED", 1), number("HOLDALL_SCHEDULES", SCHEDULES));
    let started = std::time::Instant::now();
    let next = AtomicU64::new(first);
    let run_some = || {
        let seeds =
            std::iter::from_fn(|| Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < first + count));
        seeds.map(run).sum::<u64>()
    };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let steps: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(run_some)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    println!("{count} schedules from seed {first} on, {steps} steps, {:.1} s", started.elapsed().as_secs_f64());
}

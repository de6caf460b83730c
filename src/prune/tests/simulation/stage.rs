//! Who goes on: before each step at the store an actor gives its turn away, and a seeded scheduler says who is next. So
//! a seed says everything that happens.

use crate::id::SessionId;
use crate::prune::tests::dice::Dice;
use crate::prune::tests::simulation::oracle::Oracle;
use crate::store::forward::forward;
use crate::store::{Created, Folder, Listed, MemoryStore, Object, ObjectName, Spool, Store, StoreError};
use rustix::io::Errno;
use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// A rule that the store breaks for some of those who work with it: the test of the test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    Nothing,
    /// Collectors read the outcomes and records once, and never again any but their own.
    SecondLook,
    /// A listing of sessions shows collectors none.
    Sessions,
    /// A listing of the sets of prunes shows writers none.
    Condemned,
    /// An outcome takes the place of one that is there.
    Outcomes,
}

/// Looks on, after each change, whoever makes it.
pub(super) trait Look: Send + Sync {
    fn created(&self, own: usize, name: &ObjectName, bytes: &[u8], oracle: &Oracle);
    fn removed(&self, name: &ObjectName, oracle: &Oracle);
}

pub(super) type Watch = dyn Look;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Actor {
    Waiting,
    /// Until so many steps were taken.
    Asleep(u64),
    Crashed,
    Done,
}

struct Schedule {
    dice: Dice,
    actors: Vec<Actor>,
    /// Who goes on; none while the test itself works.
    turn: Option<usize>,
    /// How many have come to their first step.
    arrived: usize,
    steps: u64,
    /// How many steps the one whose turn it is takes before the next is chosen.
    left: u64,
    burst_max: u64,
}

impl Schedule {
    fn wake_sleepers(&mut self) {
        let steps = self.steps;
        for actor in &mut self.actors {
            if matches!(actor, Actor::Asleep(until) if *until <= steps) {
                *actor = Actor::Waiting;
            }
        }
    }

    /// Chooses who goes on. Those who sleep wake up before their time when all others are done: as zombies.
    fn pick(&mut self) {
        self.wake_sleepers();
        let numbers = |wanted: fn(&Actor) -> bool| {
            let all = self.actors.iter().enumerate();
            all.filter(|(_, actor)| wanted(actor)).map(|(number, _)| number).collect::<Vec<_>>()
        };
        let mut ready = numbers(|actor| *actor == Actor::Waiting);
        if ready.is_empty() {
            ready = numbers(|actor| matches!(actor, Actor::Asleep(_)));
        }
        if ready.is_empty() {
            self.turn = None;
            return;
        }
        let chosen = *self.dice.pick(&ready);
        self.actors[chosen] = Actor::Waiting;
        self.left = self.dice.below(self.burst_max);
        self.turn = Some(chosen);
    }
}

pub(super) struct Gate {
    schedule: Mutex<Schedule>,
    changed: Vec<Condvar>,
}

impl Gate {
    pub(super) fn new(seed: u64, actor_count: usize) -> Self {
        let mut dice = Dice::new(seed);
        // Some schedules change hands at every step, others let everybody get far.
        let burst_max = *dice.pick(&[1, 4, 12, 40]);
        let actors = vec![Actor::Waiting; actor_count];
        let schedule = Schedule { dice, actors, turn: None, arrived: 0, steps: 0, left: 0, burst_max };
        Self { schedule: Mutex::new(schedule), changed: (0..actor_count).map(|_| Condvar::new()).collect() }
    }

    pub(super) fn steps(&self) -> u64 {
        self.locked().steps
    }

    fn locked(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the turn away and waits until it comes back. Fails when the actor has crashed.
    fn step(&self, own: usize) -> Result<(), StoreError> {
        let mut schedule = self.locked();
        if schedule.actors[own] == Actor::Crashed {
            return Err(dead());
        }
        if schedule.turn == Some(own) {
            schedule.steps += 1;
            match schedule.dice.below(500) {
                0 => {
                    schedule.actors[own] = Actor::Crashed;
                    return Err(dead());
                }
                1..=6 => {
                    let until = schedule.steps + 20 + schedule.dice.below(400);
                    schedule.actors[own] = Actor::Asleep(until);
                    schedule.pick();
                }
                _ if schedule.left > 0 => schedule.left -= 1,
                _ => schedule.pick(),
            }
        } else {
            schedule.arrived += 1;
            if schedule.arrived == self.changed.len() {
                schedule.pick();
            }
        }
        if schedule.turn == Some(own) {
            return Ok(());
        }
        self.wake(&schedule);
        while schedule.turn != Some(own) {
            schedule = self.changed[own].wait(schedule).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    pub(super) fn end(&self, own: usize) {
        let mut schedule = self.locked();
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
pub(super) struct Gated {
    pub(super) inner: MemoryStore,
    pub(super) gate: Arc<Gate>,
    pub(super) oracle: Arc<Oracle>,
    pub(super) watch: Option<Arc<Watch>>,
    pub(super) own: usize,
    pub(super) is_collector: bool,
    pub(super) broken: Broken,
    pub(super) blind: Arc<Mutex<Blind>>,
}

/// What one actor goes on seeing.
#[derive(Default)]
pub(super) struct Blind {
    first: HashMap<Folder, Vec<ObjectName>>,
}

impl Gated {
    /// Whether a broken rule hides an object from this actor.
    fn hides(&self, name: &ObjectName, blind: &Blind) -> bool {
        match (self.broken, name) {
            (Broken::SecondLook, ObjectName::Outcome(_) | ObjectName::Record(..)) if self.is_collector => {
                blind.first.get(&name.folder()).is_some_and(|seen| !seen.contains(name))
            }
            (Broken::Sessions, ObjectName::Session(_)) => self.is_collector,
            (Broken::Condemned, ObjectName::Condemned { .. } | ObjectName::Deleted { .. }) => !self.is_collector,
            _ => false,
        }
    }

    fn remember(&self, folder: Folder, names: &[ObjectName]) {
        let mut blind = self.blind.lock().unwrap();
        blind.first.entry(folder).or_insert_with(|| names.to_vec());
    }
}

impl Store for Gated {
    fn create(&self, name: &ObjectName, bytes: &[u8]) -> Result<Created, StoreError> {
        self.gate.step(self.own)?;
        let mut created = self.inner.create(name, bytes)?;
        if created == Created::Exists && self.broken == Broken::Outcomes && name.folder() == Folder::Outcomes {
            self.inner.overwrite(*name, bytes);
            created = Created::New;
        }
        if created == Created::New {
            if let Some(seen) = self.blind.lock().unwrap().first.get_mut(&name.folder()) {
                seen.push(*name);
            }
            self.oracle.created(name, bytes);
            if let Some(watch) = &self.watch {
                watch.created(self.own, name, bytes, &self.oracle);
            }
        }
        Ok(created)
    }

    fn spool(&self, _session: SessionId) -> Result<Box<dyn Spool>, StoreError> {
        Ok(Box::new(GatedSpool { store: self.clone(), bytes: Vec::new() }))
    }

    fn read(&self, name: &ObjectName, limit_bytes: u64) -> Result<Vec<u8>, StoreError> {
        // What never goes can be read at any time between two steps.
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
        if self.broken == Broken::Nothing {
            return self.inner.list(folder, each);
        }
        let mut names = Vec::new();
        self.inner.list(folder, &mut |listed| {
            if let Listed::Object { name, .. } = listed {
                names.push(name);
            }
        })?;
        self.remember(folder, &names);
        let blind = self.blind.lock().unwrap();
        self.inner.list(folder, &mut |listed| {
            if !matches!(&listed, Listed::Object { name, .. } if self.hides(name, &blind)) {
                each(listed);
            }
        })
    }

    fn remove_all(&self, names: &[ObjectName]) -> Result<Vec<ObjectName>, StoreError> {
        // One by one: others go on in between.
        let mut all = Vec::new();
        for name in names {
            self.gate.step(self.own)?;
            let removed = self.inner.remove_all(&[*name])?;
            if !removed.is_empty() {
                self.oracle.removed(name);
                if let Some(watch) = &self.watch {
                    watch.removed(name, &self.oracle);
                }
            }
            all.extend(removed);
        }
        Ok(all)
    }

    fn sweep_temporaries(&self, _may_go: &dyn Fn(Option<SessionId>) -> bool) -> Result<u64, StoreError> {
        Ok(0)
    }

    forward!(inner: is_mirror, mark_mirror, facts, describe);
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

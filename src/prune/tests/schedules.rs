//! Hundreds of thousands of schedules of eight writers, two prunes and two owners who forget and undo, on a store
//! without bytes.
//!
//! The slow simulation beside this one runs the whole engine. This one runs what decides: histories are read in the
//! engine's order ([`crate::session::History`]), and what they say is forgotten, live, condemned, inheritable or open is
//! asked of the real functions, as are the choice of packs, the packs that must stay, the sessions that a generation
//! waits for, what a number is worth, whose deleted set counts, when sets are retired and segments replaced. What comes
//! between two such decisions, the order of a prune's and a backup's steps, is told again here, in one straight line for
//! each actor, with a turn before every operation at the store; the slow simulation holds the engine to it. Content is a
//! set of chunks, so nothing is cut, sealed or decoded. Not decided by real code: which copy of a chunk a look-up finds
//! (any one), how much of a pack is needed (it only says what may be chosen), and who is silent (anybody: being wrong
//! about that must cost no data).
//!
//! Actors crash, sleep for long and go on as zombies after others have ended their sessions, or sleep for ever. After
//! every operation the oracle knows whether a live snapshot lacks a chunk. Most rules can be broken here, and then a
//! loss is found: that is the test of this test. [PRUNE-7] and [PRUNE-12] take coincidences that are too rare for chance;
//! the models in [`crate::gc`], which try every order, show the losses without them. `HOLDALL_SCHEDULES` says how many
//! schedules are run, `HOLDALL_SEED` where they begin.

mod actor;
mod collector;
mod ground;
mod oracle;
mod writer;

use super::dice::{self, Dice, number};
use crate::prune::MaxUnused;
use crate::prune::waits::Waits;
use crate::session::testing::clock;
use actor::{Actor, Fate, Stop};
use collector::{Patience, Prune};
use ground::{Ground, TREE_COUNT};
use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use writer::Source;

const WRITERS: usize = 8;
const COLLECTORS: usize = 2;
const OWNERS: usize = 2;
const ACTORS: usize = WRITERS + COLLECTORS + OWNERS;
/// A tree of which nothing is stored in the beginning.
const RACE_TREE: usize = TREE_COUNT - 1;
/// A tree that is stored in the beginning, and whose only snapshot is forgotten.
const FORGOTTEN_TREE: usize = 2;
/// How many schedules a test run tries unless it is told otherwise; `./test` tells it to try a hundred thousand.
const SCHEDULES: u64 = 300;
/// Among so many schedules every broken rule must have lost something.
const FAULTY_SCHEDULES: u64 = 50_000;

/// A rule that is broken, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Nothing,
    /// [PRUNE-4]
    LooksBeforeOpening,
    /// [PRUNE-5]
    AbortOverwritten,
    /// [PRUNE-6]
    CondemnedHits,
    /// [PRUNE-9]
    LostCheckpointsIgnored,
    /// [PRUNE-10]
    MainOpensLast,
    /// [PRUNE-11]
    UndoLooksBeforeOpening,
    /// [PRUNE-13]
    OthersIgnored,
    /// [PRUNE-14]
    NobodyAwaited,
    /// [PRUNE-15]
    SomeUnlisted,
    /// [PRUNE-16]
    NoSecondLook,
    /// [PRUNE-17]
    AbortsDeleted,
    /// [PRUNE-18]
    RetiredEarly,
    /// [PRUNE-19]
    RetiredDeletes,
}

impl Fault {
    /// Where a loss takes a coincidence that is rare among all schedules, the occasion that it needs.
    fn occasion(self) -> Option<Occasion> {
        (self == Self::RetiredDeletes).then_some(Occasion::Revival)
    }
}

/// Who comes when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Occasion {
    /// Anybody, over so many steps; the two prunes together.
    Any(u64),
    /// Writers who store the same, so that there are copies; then two prunes at once, which may choose different ones;
    /// then writers who take over what both counted as live; then its owners forget it.
    Race,
    /// Writers who need what was forgotten, and two prunes that condemn it, at the same time; then writers who take over
    /// or find what the first ones saved; and owners who forget that again.
    Revival,
}

impl Occasion {
    fn begins(self, own: usize, dice: &mut Dice) -> u64 {
        match self {
            Self::Any(over) => dice.below(over),
            Self::Race if own < WRITERS / 2 => dice.below(20),
            Self::Race if own < WRITERS => 200 + dice.below(500),
            Self::Race if own < WRITERS + COLLECTORS => 250,
            Self::Race => 350 + dice.below(600),
            Self::Revival if own < WRITERS / 2 => dice.below(30),
            Self::Revival if own < WRITERS => 20 + dice.below(200),
            Self::Revival if own < WRITERS + COLLECTORS => 10 + dice.below(60),
            Self::Revival => 60 + dice.below(300),
        }
    }
}

/// What a seed says about a schedule beside its order.
#[derive(Debug, Clone, Copy)]
struct Habits {
    trees: u64,
    inherit_one_in: u64,
    undo_one_in: u64,
    /// How many steps in a row an actor takes at most.
    burst_max: u64,
    /// Every how many steps something happens to an actor.
    mishap_one_in: u64,
    /// How many turns an actor stands still at most before a step that others can't take back.
    pause_turns_max: usize,
    occasion: Occasion,
}

impl Habits {
    fn draw(dice: &mut Dice, fault: Fault) -> Self {
        let mut habits = Self {
            trees: 1 + dice.below(u64::try_from(TREE_COUNT).unwrap()),
            inherit_one_in: *dice.pick(&[1, 2, 3, 1000]),
            undo_one_in: *dice.pick(&[2, 3, 6]),
            burst_max: *dice.pick(&[1, 4, 12, 40, 120]),
            mishap_one_in: *dice.pick(&[40, 100, 400]),
            pause_turns_max: *dice.pick(&[1, 1, 20, 200]),
            occasion: *dice.pick(&[
                Occasion::Any(1),
                Occasion::Any(200),
                Occasion::Any(600),
                Occasion::Race,
                Occasion::Revival,
            ]),
        };
        if let Some(occasion) = fault.occasion() {
            (habits.occasion, habits.pause_turns_max) = (occasion, 100);
        }
        habits
    }
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Lost(what) => write!(f, "lost: {what}"),
            Self::Refused(why) => write!(f, "a prune refused although nothing was lost: {why}"),
        }
    }
}

/// What one actor does.
async fn act(actor: &Actor, habits: Habits) -> Result<(), Stop> {
    let is_any = matches!(habits.occasion, Occasion::Any(_));
    if actor.own < WRITERS {
        // What one snapshot more saves is not lost: on an occasion there are few.
        let count = if is_any { 1 + actor.below(2) } else { actor.below(2) };
        for _ in 0..count {
            let tree = actor.below(usize::try_from(habits.trees).unwrap());
            let inherits = actor.one_in(habits.inherit_one_in);
            let source = match habits.occasion {
                Occasion::Race if actor.own < WRITERS / 2 => Source::Read(RACE_TREE),
                Occasion::Race => Source::Inherit(RACE_TREE),
                Occasion::Revival if actor.own < WRITERS / 2 => Source::Read(FORGOTTEN_TREE),
                Occasion::Revival if inherits || actor.one_in(2) => Source::Inherit(FORGOTTEN_TREE),
                Occasion::Revival => Source::Read(if actor.one_in(2) { FORGOTTEN_TREE } else { tree }),
                Occasion::Any(_) if inherits => Source::Inherit(tree),
                Occasion::Any(_) => Source::Read(tree),
            };
            // Whoever lost its session tries once more.
            let _ = writer::back_up(actor, source).await;
        }
        return Ok(());
    }
    if actor.own < WRITERS + COLLECTORS {
        let mut waits = Waits::default();
        for _ in 0..=actor.below(if is_any { 3 } else { 6 }) {
            let max_unused = if actor.one_in(2) { MaxUnused::Share(0) } else { MaxUnused::default() };
            let is_patient = !is_any && !actor.one_in(4);
            let any = [Patience::Endless, Patience::Some, Patience::None][actor.below(3)];
            let patience = if is_patient { Patience::Endless } else { any };
            match Prune::new(actor, &mut waits, max_unused, patience).run().await {
                Err(Stop::Damaged(what)) => return Err(Stop::Damaged(what)),
                Ok(_) | Err(Stop::Aborted | Stop::Refused) => {}
            }
        }
        return Ok(());
    }
    for _ in 0..1 + actor.below(6) {
        let _ = writer::state_something(actor, habits.undo_one_in).await;
    }
    Ok(())
}

/// What the schedule makes of an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Being {
    Ready,
    /// Until then.
    Asleep(u64),
    /// Crashed, asleep for ever, or done.
    Over,
}

/// What is wrong.
#[derive(Debug)]
enum Wrong {
    /// A live snapshot lacks a chunk.
    Lost(String),
    /// A prune gave up although nothing was lost.
    Refused(String),
}

type Acting<'a> = Pin<Box<dyn Future<Output = Result<(), Stop>> + 'a>>;

struct Schedule<'a> {
    dice: Dice,
    habits: Habits,
    ground: &'a Rc<RefCell<Ground>>,
    fates: &'a Rc<[Cell<Fate>]>,
    acting: Vec<Acting<'a>>,
    beings: Vec<Being>,
    steps: u64,
    /// The steps, and the time in which all slept.
    now: u64,
}

impl Schedule<'_> {
    /// Whose turn it is. Where all sleep, time passes until the first one wakes up.
    fn next(&mut self) -> Option<usize> {
        if !self.beings.contains(&Being::Ready) {
            let wakes = |being: &Being| if let Being::Asleep(until) = being { Some(*until) } else { None };
            self.now = self.now.max(self.beings.iter().filter_map(wakes).min()?);
        }
        for being in &mut self.beings {
            if matches!(being, Being::Asleep(until) if *until <= self.now) {
                *being = Being::Ready;
            }
        }
        let all = self.beings.iter().enumerate();
        let ready: Vec<usize> = all.filter(|(_, being)| **being == Being::Ready).map(|(own, _)| own).collect();
        Some(*self.dice.pick(&ready))
    }

    /// Goes on until everybody is done, or something is wrong.
    fn run(&mut self) -> Result<(), Wrong> {
        let mut context = Context::from_waker(Waker::noop());
        while let Some(own) = self.next() {
            self.beings[own] = Being::Ready;
            for _ in 0..=self.dice.below(self.habits.burst_max) {
                self.steps += 1;
                self.now += 1;
                self.ground.borrow_mut().turn_of = own;
                let polled = self.acting[own].as_mut().poll(&mut context);
                check(self.ground)?;
                if let Poll::Ready(acted) = polled {
                    self.beings[own] = Being::Over;
                    acted.map_err(|stop| Wrong::Refused(format!("{stop:?}")))?;
                    break;
                }
                if self.dice.one_in(self.habits.mishap_one_in) {
                    self.mishap(own);
                    break;
                }
            }
        }
        Ok(())
    }

    fn mishap(&mut self, own: usize) {
        self.beings[own] = match self.dice.below(8) {
            0 => {
                self.fates[own].set(Fate::Crashed);
                Being::Over
            }
            1 => Being::Over,
            _ => Being::Asleep(self.now + 20 + self.dice.below(400)),
        };
    }
}

fn check(ground: &RefCell<Ground>) -> Result<(), Wrong> {
    ground.borrow().oracle.lost().map_or(Ok(()), |lost| Err(Wrong::Lost(lost.to_owned())))
}

/// Runs one actor without anybody else.
fn alone<T>(acting: impl Future<Output = T>) -> T {
    let mut acting = std::pin::pin!(acting);
    loop {
        if let Poll::Ready(done) = acting.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return done;
        }
    }
}

/// A repository with a live and a forgotten snapshot.
fn base() -> Ground {
    clock::pretend(1_800_000_000_000_000_000);
    let ground = Rc::new(RefCell::new(Ground::new()));
    let fates: Rc<[Cell<Fate>]> = Rc::new([Cell::new(Fate::Alive)]);
    let owner = Actor::new(0, 99, &ground, &fates, Dice::new(0));
    alone(writer::back_up(&owner, Source::Read(FORGOTTEN_TREE))).unwrap();
    alone(writer::state_something(&owner, 1)).unwrap();
    alone(writer::back_up(&owner, Source::Read(0))).unwrap();
    ground.borrow().clone()
}

/// Runs one schedule. How many steps it took.
fn run(base: &Ground, seed: u64, fault: Fault) -> Result<u64, Wrong> {
    let mut ground = base.clone();
    ground.begin(seed, fault);
    run_on(&Rc::new(RefCell::new(ground)), seed)
}

/// What was done in a schedule, one line for each object that came or went, with the number of the actor.
fn story(base: &Ground, seed: u64, fault: Fault) -> String {
    let mut ground = base.clone();
    ground.begin(seed, fault);
    ground.story = Some(Vec::new());
    let ground = Rc::new(RefCell::new(ground));
    let _ = run_on(&ground, seed);
    ground.borrow_mut().story.take().unwrap_or_default().join("\n")
}

fn run_on(ground: &Rc<RefCell<Ground>>, seed: u64) -> Result<u64, Wrong> {
    let fates: Rc<[Cell<Fate>]> = (0..=ACTORS).map(|_| Cell::new(Fate::Alive)).collect();
    let (mut dice, fault) = (Dice::new(seed), ground.borrow().fault());
    let habits = Habits::draw(&mut dice, fault);
    let actor = |own: usize| {
        // Two writers share a machine and so a client.
        let client = if own < WRITERS { own / 2 } else { own };
        let own_dice = Dice::new(seed.wrapping_mul(64) + u64::try_from(own).unwrap() + (1 << 60));
        let client = u8::try_from(client + 1).unwrap();
        Actor::new(own, client, ground, &fates, own_dice).pausing(habits.pause_turns_max)
    };
    let actors: Vec<Actor> = (0..ACTORS).map(actor).collect();
    let acting: Vec<Acting<'_>> = actors.iter().map(|actor| -> Acting<'_> { Box::pin(act(actor, habits)) }).collect();
    let pace = 1 + u64::try_from(habits.pause_turns_max / 25).unwrap();
    let begins = (0..ACTORS).map(|own| pace * habits.occasion.begins(own, &mut dice));
    let mut beings: Vec<Being> = begins.map(Being::Asleep).collect();
    beings[WRITERS + 1] = beings[WRITERS];
    let mut schedule = Schedule { dice, habits, ground, fates: &fates, acting, beings, steps: 0, now: 0 };
    schedule.run()?;
    let steps = schedule.steps;
    // Whatever was left half done, one prune by the last one alive finishes it.
    let (last, mut waits) = (actor(ACTORS), Waits::default());
    let pruned = alone(Prune::new(&last, &mut waits, MaxUnused::Share(0), Patience::None).run());
    check(ground)?;
    match pruned {
        Ok(report) if report.waiting_count == 0 => Ok(steps),
        other => Err(Wrong::Refused(format!("the last prune: {other:?}"))),
    }
}

/// Runs schedules on all cores until something is wrong; with a broken rule, until something is lost. Returns how many
/// steps they took, or the first seed with what is wrong.
fn run_all(first: u64, count: u64, fault: Fault) -> Result<u64, String> {
    dice::try_seeds((first, count), base, |base, seed| match run(base, seed, fault) {
        Ok(steps) => Ok(steps),
        Err(Wrong::Refused(_)) if fault != Fault::Nothing => Ok(0),
        Err(wrong) => {
            let story = if fault == Fault::Nothing { story(base, seed, fault) } else { String::new() };
            Err(format!("{story}\nseed {seed}: {wrong}"))
        }
    })
}

#[test]
fn whatever_the_schedule_no_live_snapshot_lacks_a_chunk() {
    let (first, count) = (number("HOLDALL_SEED", 1), number("HOLDALL_SCHEDULES", SCHEDULES));
    let started = std::time::Instant::now();
    let steps = run_all(first, count, Fault::Nothing).unwrap_or_else(|lost| {
        panic!("{lost}\nrun that one again: HOLDALL_SCHEDULES=1 HOLDALL_SEED=<seed> cargo test --lib prune::tests::schedules")
    });
    println!("{count} schedules from seed {first} on, {steps} steps, {:.1} s", started.elapsed().as_secs_f64());
}

/// Each broken rule, with a seed from which on a loss is not far.
macro_rules! losses {
    ($($name:ident: $fault:ident from $first:literal,)*) => {$(
        #[test]
        fn $name() {
            let (first, count) = (number("HOLDALL_SEED", $first), number("HOLDALL_SCHEDULES", FAULTY_SCHEDULES));
            let lost = run_all(first, count, Fault::$fault).expect_err("something is lost");
            println!("{:?}: {lost}", Fault::$fault);
        }
    )*};
}

losses! {
    prune_4_a_writer_that_looks_before_it_opens_its_session_is_found: LooksBeforeOpening from 200,
    prune_5_an_outcome_that_replaces_an_abort_is_found: AbortOverwritten from 1,
    prune_6_a_hit_in_a_condemned_pack_is_found: CondemnedHits from 1,
    prune_9_a_snapshot_on_an_aborted_checkpoint_is_found: LostCheckpointsIgnored from 2_200,
    prune_10_a_main_session_that_opens_last_is_found: MainOpensLast from 1_000,
    prune_11_an_undo_that_looks_before_it_opens_its_session_is_found: UndoLooksBeforeOpening from 800,
    prune_13_a_copy_that_another_generation_condemns_is_found: OthersIgnored from 1,
    prune_14_a_collector_that_waits_for_nobody_is_found: NobodyAwaited from 1,
    prune_15_a_listing_that_misses_sessions_is_found: SomeUnlisted from 200,
    prune_16_a_collector_that_does_not_look_again_is_found: NoSecondLook from 1,
    prune_17_an_abort_that_is_deleted_is_found: AbortsDeleted from 440,
    prune_18_sets_that_are_retired_early_are_found: RetiredEarly from 3_000,
    prune_19_a_deletion_for_a_generation_that_is_retired_is_found: RetiredDeletes from 194_700,
}

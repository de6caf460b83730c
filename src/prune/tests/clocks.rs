//! Clocks that are years off, that differ between machines, and that jump before each step at the store, in the middle
//! of a backup or a prune as well: what is deleted follows from what was forgotten and who is at work, and from no clock.
//!
//! One story is told with right clocks and with wrong ones, and after each chapter the same objects must be there, by
//! name: random numbers are drawn from a seed, so that a pack has the same name in each telling.

use super::world::{Files, Inherit, World, back_up, files, forget, objects, prune, whole};
use crate::access::Access;
use crate::error::{ErrorKind, Result};
use crate::forget::{self as forgetting, Client};
use crate::id::SnapshotId;
use crate::outcome::StatementKind;
use crate::progress::Silent;
use crate::prune::{MaxUnused, PruneOptions, PruneReport};
use crate::session::testing::clock;
use crate::session::{self, History, Writer, move_to_machine};
use crate::session_record;
use crate::store::faulty::{Fault, FaultyStore};
use crate::store::hooked::{Hooked, Step};
use crate::store::{Folder, Listed, ObjectName, Store};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

const YEAR_NS: i64 = 31_556_952_000_000_000;
const NOW_NS: i64 = 1_800_000_000_000_000_000;
const HOUR_MS: u64 = 3_600_000;
/// By this age a collector that trusts clocks holds a session for dead.
const DAY_NS: i64 = 86_400_000_000_000;

/// What the machines' clocks say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clocks {
    Right,
    /// Everybody's is so many years off.
    Off(i64),
    /// Each machine's is off by other years, between ten behind and ten ahead.
    Apart,
    /// Each step comes a day before the last one.
    Backwards,
    /// Anything within ten years, another at each step.
    Jumping(u64),
}

impl Clocks {
    const WRONG: [Self; 8] = [
        Self::Off(-10),
        Self::Off(10),
        Self::Apart,
        Self::Backwards,
        Self::Jumping(1),
        Self::Jumping(2),
        Self::Jumping(3),
        Self::Jumping(4),
    ];

    fn at(self, step: u64, machine: u8) -> i64 {
        let step = i64::try_from(step).unwrap();
        let right_ns = NOW_NS + step * 1_000_000_000;
        match self {
            Self::Right => right_ns,
            Self::Off(years) => right_ns + years * YEAR_NS,
            Self::Apart => right_ns + (i64::from(machine) * 8 % 21 - 10) * YEAR_NS,
            Self::Backwards => NOW_NS + 10 * YEAR_NS - step * DAY_NS,
            Self::Jumping(seed) => {
                let hash = blake3::Hasher::new().update(&seed.to_le_bytes()).update(&step.to_le_bytes()).finalize();
                let thrown = u64::from_le_bytes(*hash.as_bytes().first_chunk().unwrap());
                NOW_NS + i64::try_from(thrown % (20 * YEAR_NS.unsigned_abs())).unwrap() - 10 * YEAR_NS
            }
        }
    }
}

/// Whether collectors keep the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Collectors {
    Honest,
    /// They hold sessions for dead that began more than a day ago, or will.
    TrustClocks,
}

/// What was there after each chapter.
type Told = Vec<(&'static str, BTreeSet<ObjectName>)>;

struct Story {
    world: Arc<World>,
    clocks: Clocks,
    collectors: Collectors,
    steps: Arc<AtomicU64>,
    owner: Access,
    told: Told,
    reports: Vec<PruneReport>,
}

const OWNER: u8 = 1;
const OTHER: u8 = 2;

impl Story {
    fn new(clocks: Clocks, collectors: Collectors) -> Arc<std::sync::Mutex<Self>> {
        crate::seal::testing::draw_from(1);
        clock::pretend_since_boot(0);
        let (world, steps) = (Arc::new(World::new()), Arc::default());
        let owner = world.client("owner");
        let story = Self { world, clocks, collectors, steps, owner, told: Vec::new(), reports: Vec::new() };
        let owner = story.on("owner", OWNER, story.collectors_store());
        Arc::new(std::sync::Mutex::new(Self { owner, ..story }))
    }

    /// A client on a machine of its own, whose clock is read anew before each step.
    fn on(&self, client: &str, machine: u8, store: Arc<dyn Store>) -> Access {
        let (clocks, steps) = (self.clocks, Arc::clone(&self.steps));
        let tick = move |_: Step| {
            move_to_machine(machine);
            clock::pretend(clocks.at(steps.fetch_add(1, Ordering::Relaxed), machine));
        };
        tick(Step::Look);
        self.world.client_on(client, Arc::new(Hooked::new(store, tick)))
    }

    fn writer(&self, client: &str, machine: u8) -> Access {
        self.on(client, machine, Arc::new(self.world.store.clone()))
    }

    fn collectors_store(&self) -> Arc<dyn Store> {
        let store = Arc::new(self.world.store.clone());
        match self.collectors {
            Collectors::Honest => store,
            Collectors::TrustClocks => Arc::new(trusting(store, self.world.client("trusting"))),
        }
    }

    /// Prunes on the owner's machine, whose view is kept from one prune to the next.
    fn prune_by_owner(&mut self) -> Result<()> {
        let report = prune(&self.owner, &options())?;
        self.reports.push(report);
        Ok(())
    }

    fn prune_by_other(&mut self) -> Result<()> {
        let report = prune(&self.on("other", OTHER, self.collectors_store()), &options())?;
        self.reports.push(report);
        Ok(())
    }

    fn undo(&self, snapshot: SnapshotId) -> Result<()> {
        let access = self.writer("undoer", 7);
        let state = session::load(&access)?;
        let client = Client { state: &state, writer: &Writer::default() };
        forgetting::undo(&access, &client, &[snapshot], StatementKind::Undo, &Silent).map(drop)
    }

    /// Ends a chapter: what is live is whole, and what is there is noted.
    fn end(&mut self, chapter: &'static str) -> Result<()> {
        whole(&self.writer("reader", 9))?;
        self.told.push((chapter, objects(&self.world.store).into_keys().collect()));
        Ok(())
    }
}

fn options() -> PruneOptions {
    PruneOptions::default().max_unused(MaxUnused::Share(0))
}

fn some(numbers: &[u32]) -> Files {
    files(numbers.iter().copied(), 5_000)
}

/// Tells the story in a thread of its own, whose machine, clocks and random numbers nobody else has.
fn tell(clocks: Clocks, collectors: Collectors) -> std::thread::Result<Result<(Told, Vec<PruneReport>)>> {
    std::thread::spawn(move || tell_here(clocks, collectors)).join()
}

/// Open and silent sessions, several generations at a time, a rescue, an undo, and what retires.
fn tell_here(clocks: Clocks, collectors: Collectors) -> Result<(Told, Vec<PruneReport>)> {
    let shared = Story::new(clocks, collectors);
    let story = || shared.try_lock().expect("one chapter at a time");
    let backup = |client, machine, numbers: &[u32]| {
        let access = story().writer(client, machine);
        back_up(&access, &some(numbers), Inherit::Never)
    };
    let forget = |snapshot| {
        let access = story().writer("forgetting", 6);
        forget(&access, snapshot)
    };
    let taken_over = backup("a", 3, &[50, 51, 52])?;
    let access = story().writer("b", 4);
    back_up(&access, &some(&[50]), Inherit::WhenAllowed)?;
    let first = backup("a", 3, &[0, 1, 2, 3, 4, 5])?;
    let second = backup("b", 4, &[3, 4, 5, 6, 7, 8])?;
    let third = backup("a", 3, &[20, 21, 22, 23])?;
    backup("b", 4, &[5, 20, 30, 31])?;
    forget(taken_over)?;
    forget(first)?;
    story().end("backups")?;

    // A backup that is half done while two generations are condemned: it counts on packs that both want to delete.
    let (store, changes) = (story().world.store.clone(), AtomicUsize::new(0));
    let (others, in_between) = (Arc::clone(&shared), second);
    let slow = Hooked::new(Arc::new(store), move |step| {
        if step == Step::Change && changes.fetch_add(1, Ordering::Relaxed) == 3 {
            let mut story = others.try_lock().expect("the slow one works alone");
            let failed = story
                .prune_by_owner()
                .and_then(|()| super::world::forget(&story.writer("forgetting", 6), in_between))
                .and_then(|()| story.prune_by_other())
                .and_then(|()| story.end("two prunes beside an open session"));
            assert!(failed.is_ok() || story.collectors == Collectors::TrustClocks, "{failed:?}");
        }
    });
    let access = story().on("slow", 5, Arc::new(slow));
    back_up(&access, &some(&[0, 1, 7, 40, 41]), Inherit::Never)?;
    story().end("the slow backup")?;

    // Another dies once its content is stored, and nobody can look for its process.
    let store = FaultyStore::new(Arc::new(story().world.store.clone()), 4, Fault::CrashBefore);
    let access = story().on("dead", 8, Arc::new(store));
    assert!(back_up(&access, &some(&[60, 61]), Inherit::Never).is_err());
    story().prune_by_owner()?;
    story().end("a prune that spares")?;
    forget(third)?;
    story().undo(third)?;
    story().end("an undo")?;
    forget(third)?;
    story().prune_by_other()?;
    let refused = story().undo(third);
    assert_eq!(refused.map_err(|error| error.kind()), Err(ErrorKind::NotFound));
    clock::pretend_since_boot(5 * HOUR_MS);
    story().prune_by_owner()?;
    story().end("five quiet hours")?;
    clock::pretend_since_boot(7 * HOUR_MS);
    story().prune_by_owner()?;
    story().end("seven quiet hours")?;
    for _ in 0..2 {
        story().prune_by_other()?;
        story().prune_by_owner()?;
    }
    story().end("retired")?;
    let mut story = story();
    Ok((std::mem::take(&mut story.told), std::mem::take(&mut story.reports)))
}

fn pack_count(there: &BTreeSet<ObjectName>) -> usize {
    there.iter().filter(|name| name.folder() == Folder::Packs).count()
}

#[test]
fn the_story_has_open_and_silent_sessions_several_generations_a_rescue_and_a_repack() {
    let (told, reports) = tell(Clocks::Right, Collectors::Honest).unwrap().unwrap();
    let at = |chapter: &str| &told.iter().find(|(name, _)| *name == chapter).unwrap().1;
    let beside = at("two prunes beside an open session");
    let condemned = beside.iter().filter(|name| matches!(name, ObjectName::Condemned { .. })).count();
    assert_eq!(condemned, 2, "generations that wait");
    assert!(reports.iter().any(|report| report.waiting.len() == 2), "{reports:?}");
    assert!(reports.iter().any(|report| report.spared.pack_count > 0), "{reports:?}");
    assert!(reports.iter().any(|report| report.written.pack_count > 0), "{reports:?}");
    assert_eq!(reports.iter().map(|report| report.aborted.len()).sum::<usize>(), 2, "{reports:?}");
    assert!(reports.iter().filter(|report| report.deleted.pack_count > 0).count() >= 2, "{reports:?}");
    assert!(pack_count(at("retired")) < pack_count(at("five quiet hours")));
    let sets = at("retired").iter().filter(|name| name.folder() == Folder::Gc).count();
    assert_eq!(sets, 2, "the highest generation's");
}

#[test]
fn whatever_the_clocks_say_the_same_packs_are_deleted_and_nothing_that_is_needed() {
    let (right, _) = tell(Clocks::Right, Collectors::Honest).unwrap().unwrap();
    for clocks in Clocks::WRONG {
        let told = tell(clocks, Collectors::Honest).unwrap_or_else(|_| panic!("{clocks:?}"));
        let (told, _) = told.unwrap_or_else(|error| panic!("{clocks:?}: {error}"));
        for ((chapter, right), (_, wrong)) in right.iter().zip(&told) {
            let differing: Vec<_> = right.symmetric_difference(wrong).map(ToString::to_string).collect();
            assert!(differing.is_empty(), "{clocks:?}, after {chapter}: {differing:?}");
        }
        assert_eq!(told.len(), right.len());
    }
}

#[test]
fn a_collector_that_goes_by_the_age_of_sessions_is_found_out() {
    let (right, _) = tell(Clocks::Right, Collectors::Honest).unwrap().unwrap();
    let same = |clocks| matches!(tell(clocks, Collectors::TrustClocks), Ok(Ok((told, _))) if told == right);
    assert!(same(Clocks::Right) && same(Clocks::Off(10)), "as long as all clocks agree it does no harm");
    for clocks in [Clocks::Apart, Clocks::Backwards, Clocks::Jumping(1), Clocks::Jumping(2)] {
        assert!(!same(clocks), "{clocks:?}");
    }
}

/// A store that lists no sessions which are a day old by the reader's clock, or from the future.
fn trusting(store: Arc<dyn Store>, reader: Access) -> Hooked {
    let inner = Arc::clone(&store);
    Hooked::new(store, |_| ()).hiding(move |listed| match listed {
        Listed::Object { name: ObjectName::Session(id), .. } => {
            let bytes = inner.read(&ObjectName::Session(*id), 1 << 20).unwrap();
            let session = session_record::open(*id, &reader.ring, &reader.chain, &bytes).unwrap();
            (session::now_ns() - session.body.started_at_ns).abs() > DAY_NS
        }
        Listed::Object { .. } | Listed::Stranger { .. } => false,
    })
}

#[test]
fn a_machine_that_seems_to_have_slept_for_years_costs_a_writer_its_session_and_nothing_else() {
    for now_ms in [87_600 * HOUR_MS, 6 * HOUR_MS] {
        std::thread::spawn(move || sleep_until(now_ms)).join().unwrap();
    }
}

/// A collector looks at a backup that is half done, and again when its machine has been running for so long.
fn sleep_until(now_ms: u64) {
    let world = Arc::new(World::new());
    let first = world.back_up("a", &some(&[0, 1, 2, 3]));
    world.back_up("b", &some(&[10, 11]));
    world.forget(first);
    clock::pretend_since_boot(HOUR_MS);
    let (other, changes) = (Arc::clone(&world), AtomicUsize::new(0));
    let store = Hooked::new(Arc::new(world.store.clone()), move |step| {
        if step == Step::Change && changes.fetch_add(1, Ordering::Relaxed) == 3 {
            move_to_machine(2);
            other.prune();
            clock::pretend_since_boot(now_ms);
            let report = other.prune();
            let is_long = now_ms > 7 * HOUR_MS;
            assert_eq!(report.aborted.len(), if is_long { 2 } else { 0 }, "{report:?}");
            assert_eq!(report.deleted.pack_count > 0, is_long, "{report:?}");
            other.assert_whole();
            move_to_machine(1);
        }
    });
    move_to_machine(1);
    let made = back_up(&world.client_on("slow", Arc::new(store)), &some(&[0, 1, 30]), Inherit::Never);
    match now_ms > 7 * HOUR_MS {
        true => assert_eq!(made.unwrap_err().kind(), ErrorKind::Aborted),
        false => _ = made.unwrap(),
    }
    move_to_machine(2);
    world.prune();
    world.assert_whole();
    assert!(History::load(&world.client("reader")).unwrap().open.is_empty());
}

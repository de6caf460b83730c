//! The real engine held to the model of [`crate::gc::model`]: what a few writers and collectors do to the store, in the
//! order in which they do it, must be a run of the model.
//!
//! The model has one chunk, so here every snapshot is of one file, and what is followed are the packs with its content.
//! `HOLDALL_TRACES` says how many schedules of each crew are followed, `HOLDALL_SEED` where they begin.

use super::oracle::Oracle;
use super::stage::{Broken, Gated, Look};
use super::{Base, Cast, play};
use crate::access::Access;
use crate::forget::{self as forgetting, Client};
use crate::gc::model::Work;
use crate::gc::model::trace::{Follower, Generation, Shown};
use crate::gc::{open_condemned, open_deleted};
use crate::id::{PackId, SessionId, SnapshotId};
use crate::outcome::{self, OutcomeKind, StatementKind};
use crate::progress::Silent;
use crate::prune::PruneOptions;
use crate::prune::tests::dice::{self, Dice, number};
use crate::prune::tests::world::{Files, Inherit, back_up, files, forget, prune};
use crate::session::{self, History, Writer};
use crate::session_record::{self, SessionKind};
use crate::store::{MemoryStore, ObjectName};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How many schedules of each crew a test run follows unless it is told otherwise.
const TRACES: u64 = 60;
/// Among so many schedules of a crew every broken rule must have been seen.
const FAULTY_TRACES: u64 = 500;

/// Who works: the writers, by what they do, and so many collectors. One owner more forgets.
struct Crew {
    work: &'static [Work],
    collector_count: usize,
}

const CREWS: [Crew; 4] = [
    Crew { work: &[Work::Checkpointed, Work::Checkpointed], collector_count: 2 },
    Crew { work: &[Work::Checkpointed, Work::Undo], collector_count: 2 },
    Crew { work: &[Work::Checkpointed, Work::Checkpointed, Work::Checkpointed], collector_count: 1 },
    Crew { work: &[Work::Checkpointed, Work::Checkpointed, Work::Undo], collector_count: 1 },
];

fn one_file() -> Files {
    files(0..1, 60)
}

/// A repository with one snapshot, which lives.
fn base() -> Base {
    Base::with(&[one_file()], |owner| {
        back_up(owner, &one_file(), Inherit::Never).unwrap();
    })
}

/// Tells the model what happens at the store.
struct Tracer {
    writer_count: usize,
    seen: Mutex<Seen>,
}

struct Seen {
    follower: Follower,
    shown: Shown,
    sessions: HashMap<SessionId, usize>,
    /// The writers whose next pack holds the content: a checkpoint session begins with it.
    at_content: u8,
    packs: HashMap<PackId, usize>,
    snapshots: HashMap<SnapshotId, usize>,
    generations: BTreeMap<u64, Generation>,
    changes: Vec<String>,
    strayed: Option<String>,
}

impl Tracer {
    fn new(base: &Base, first: SnapshotId, crew: &Crew) -> Self {
        let access = base.world.keys.open(Arc::new(MemoryStore::new()), Path::new("nowhere"));
        let chunk = access.naming.chunk_ids.id(one_file().values().next().unwrap());
        let packs = base.state.holders(&base.needs, &chunk);
        assert_eq!(packs.len(), 1);
        let seen = Seen {
            follower: Follower::new(crew.work.to_vec(), crew.collector_count),
            shown: Shown::START,
            sessions: HashMap::new(),
            at_content: 0,
            packs: packs.into_iter().zip(0..).collect(),
            snapshots: [(first, 0)].into(),
            generations: BTreeMap::new(),
            changes: Vec::new(),
            strayed: None,
        };
        Self { writer_count: crew.work.len(), seen: Mutex::new(seen) }
    }
}

impl Look for Tracer {
    fn created(&self, own: usize, name: &ObjectName, bytes: &[u8], oracle: &Oracle) {
        let mut seen = self.seen.lock().unwrap();
        match name {
            ObjectName::Session(id) if own < self.writer_count => {
                let access = oracle.access();
                let session = session_record::open(*id, &access.ring, &access.chain, bytes).unwrap();
                seen.opened(own, *id, session.body.kind);
            }
            ObjectName::Pack(id) if own < self.writer_count => seen.stored(own, *id),
            ObjectName::Outcome(id) => seen.decided(*id, bytes, oracle.access()),
            ObjectName::Condemned { generation } => {
                let access = oracle.access();
                let set = open_condemned(*generation, &access.ring, &access.chain, bytes).unwrap();
                let packs = seen.numbers(&set.body.packs.0);
                seen.generations.insert(*generation, Generation::Condemned(packs));
            }
            ObjectName::Deleted { generation } => {
                let access = oracle.access();
                let set = open_deleted(*generation, &access.ring, &access.chain, bytes).unwrap();
                let packs = seen.numbers(&set.body.packs.0);
                seen.generations.insert(*generation, Generation::Deleted(packs));
            }
            ObjectName::Config(_)
            | ObjectName::Key(_)
            | ObjectName::Session(_)
            | ObjectName::Heartbeat(..)
            | ObjectName::Pack(_)
            | ObjectName::Segment(_)
            | ObjectName::Record(..)
            | ObjectName::Verified(..)
            | ObjectName::Parity(_)
            | ObjectName::Mirror(_) => {}
        }
        seen.follow(&format!("{own} made {name}"), oracle);
    }

    fn removed(&self, name: &ObjectName, oracle: &Oracle) {
        let mut seen = self.seen.lock().unwrap();
        if let ObjectName::Pack(id) = name
            && let Some(pack) = seen.packs.get(id).copied()
        {
            seen.shown.packs &= !(1 << pack);
        }
        seen.follow(&format!("{name} was removed"), oracle);
    }
}

impl Seen {
    /// A session in the place of one that was ended at once is the same to the model.
    fn opened(&mut self, own: usize, id: SessionId, kind: SessionKind) {
        let is_checkpoint = kind == SessionKind::Checkpoint;
        let session = if is_checkpoint { Follower::CHECKPOINTS + own } else { own };
        self.sessions.insert(id, session);
        self.shown.open |= 1 << session;
        self.shown.aborted &= !(1 << session);
        if is_checkpoint {
            self.at_content |= 1 << own;
        }
    }

    fn stored(&mut self, own: usize, id: PackId) {
        if self.at_content >> own & 1 == 1 {
            self.at_content &= !(1 << own);
            self.packs.insert(id, own + 1);
            self.shown.packs |= 1 << (own + 1);
        }
    }

    fn decided(&mut self, id: SessionId, bytes: &[u8], access: &Access) {
        let Some(session) = self.sessions.get(&id).copied() else { return };
        let outcome = outcome::open(id, &access.ring, &access.chain, bytes).unwrap();
        self.shown.open &= !(1 << session);
        if outcome.body.kind == OutcomeKind::Abort {
            self.shown.aborted |= 1 << session;
        } else {
            self.shown.committed |= 1 << session;
        }
        if outcome.body.kind == OutcomeKind::Snapshot {
            self.snapshots.insert(outcome.snapshot_id(), session + 1);
        }
    }

    fn numbers(&self, packs: &[PackId]) -> u8 {
        packs.iter().filter_map(|id| self.packs.get(id)).fold(0, |set, pack| set | 1 << pack)
    }

    fn follow(&mut self, change: &str, oracle: &Oracle) {
        if self.strayed.is_some() {
            return;
        }
        let live = self.snapshots.iter().filter(|(id, _)| oracle.is_live(**id));
        self.shown.live = live.fold(0, |set, (_, number)| set | 1 << number);
        let mut generations: Vec<Generation> = self.generations.values().copied().collect();
        generations.resize(self.shown.generations.len(), Generation::Unborn);
        generations.sort_unstable();
        self.shown.generations.copy_from_slice(&generations);
        self.changes.push(change.to_owned());
        if let Err(why) = self.follower.follow(self.shown) {
            self.strayed = Some(format!("{}\n{why}", self.changes.join("\n")));
        }
    }
}

/// What one actor does.
fn act(store: &Gated, crew: &Crew, first: SnapshotId, seed: u64) {
    let own = store.own;
    let mut dice = Dice::new(seed ^ u64::try_from(own + 1).unwrap() << 32);
    let access = store.oracle.keys().open(Arc::new(store.clone()), Path::new("nowhere"));
    // Whoever crashed or was ended by another fails, and that is all.
    match crew.work.get(own) {
        Some(Work::Undo) => undo(&access, first, &mut dice),
        Some(_) => {
            let inherit = if dice.one_in(2) { Inherit::WhenAllowed } else { Inherit::Never };
            let _ = back_up(&access, &one_file(), inherit);
        }
        None if store.is_collector => {
            let patience = if dice.one_in(2) { Duration::ZERO } else { Duration::from_secs(3600) };
            let _ = prune(&access, &PruneOptions::default().silent_after(patience));
        }
        None => {
            for _ in 0..4 {
                let live = snapshots(&access, false);
                if !live.is_empty() {
                    let _ = forget(&access, *dice.pick(&live));
                }
            }
        }
    }
}

fn snapshots(access: &Access, forgotten: bool) -> Vec<SnapshotId> {
    let Ok(history) = History::load(access) else { return Vec::new() };
    let all = session::all(&history).into_iter().filter(|snapshot| snapshot.forgotten == forgotten);
    all.map(|snapshot| snapshot.id).collect()
}

/// Brings a snapshot back, once it is forgotten.
fn undo(access: &Access, first: SnapshotId, dice: &mut Dice) {
    for _ in 0..8 {
        if snapshots(access, true).contains(&first) && dice.one_in(2) {
            let Ok(state) = session::load(access) else { return };
            let client = Client { state: &state, writer: &Writer::default() };
            let _ = forgetting::undo(access, &client, &[first], StatementKind::Undo, &Silent);
            return;
        }
    }
}

/// Runs one schedule of a crew, and follows it. Returns how many changes the store saw, or where it left the model.
fn run(base: &Base, crew: &Crew, seed: u64, broken: Broken) -> Result<u64, String> {
    let store = MemoryStore::new();
    let oracle = base.oracle(base.world.keys.open(Arc::new(store.clone()), Path::new("nowhere")));
    let first = base.state.snapshots().next().expect("one is there");
    let tracer = Arc::new(Tracer::new(base, first, crew));
    let collectors = crew.work.len()..crew.work.len() + crew.collector_count;
    let act: &(dyn Fn(&Gated) + Sync) = &|gated| act(gated, crew, first, seed);
    let watch = Arc::clone(&tracer);
    let cast = Cast { actor_count: collectors.end + 1, collectors, broken, watch: Some(watch), act };
    play(base, seed, &cast, &store, &oracle);
    let seen = tracer.seen.lock().unwrap();
    let strayed = seen.strayed.clone().map_or(Ok(()), Err);
    strayed.map_err(|strayed| format!("seed {seed}, {:?}: {strayed}", crew.work))?;
    Ok(seen.changes.len().try_into().unwrap())
}

fn run_all(crew: &Crew, count: u64, broken: Broken) -> Result<u64, String> {
    dice::try_seeds((number("HOLDALL_SEED", 1), count), base, |base, seed| run(base, crew, seed, broken))
}

#[test]
fn what_the_engine_does_to_the_store_is_a_run_of_the_model() {
    for crew in &CREWS {
        let changes = run_all(crew, number("HOLDALL_TRACES", TRACES), Broken::Nothing);
        let changes = changes.unwrap_or_else(|strayed| panic!("{strayed}"));
        println!("{:?} with {}: {changes} changes", crew.work, crew.collector_count);
    }
}

#[test]
fn each_rule_that_is_broken_leaves_the_model() {
    for broken in [Broken::SecondLook, Broken::Sessions, Broken::Condemned, Broken::Outcomes] {
        let strayed = CREWS.iter().find_map(|crew| run_all(crew, FAULTY_TRACES, broken).err());
        println!("without {broken:?}: {}", strayed.unwrap_or_else(|| panic!("{broken:?} is not seen")));
    }
}

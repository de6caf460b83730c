//! What every actor does: waits for its turn before each operation at the store, reads the history in the order of the
//! real one, brings its view up to date, opens sessions and decides them.

use super::ground::{Ground, Opened, Pack, Segment, each, number_of};
use super::{COLLECTORS, Fault, WRITERS};
use crate::id::{ClientId, ObjectHash, PackId, SegmentId, SessionId};
use crate::index::{PackEntry, PackOrdinal};
use crate::outcome::{OutcomeBody, OutcomeKind, SegmentRef};
use crate::prune::tests::dice::Dice;
use crate::session::{Generation, History, Part, RunningSession, Trouble};
use crate::session_record::SessionKind;
use crate::store::{Created, ObjectName};
use std::cell::{Cell, RefCell, RefMut};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

/// Why an actor gives up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stop {
    /// Somebody else ended its session.
    Aborted,
    /// What it needs is not there.
    Damaged(String),
    /// It may not do what it was asked.
    Refused,
}

/// Whether an actor will ever go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Alive,
    /// On its own machine it can be seen that its process is gone.
    Crashed,
}

/// One process.
pub(super) struct Actor {
    pub(super) own: usize,
    pub(super) client: ClientId,
    pub(super) fault: Fault,
    pub(super) fates: Rc<[Cell<Fate>]>,
    pub(super) dice: RefCell<Dice>,
    /// How long it may stand still before a step that others can't take back.
    pause_turns_max: usize,
    ground: Rc<RefCell<Ground>>,
}

/// Ends an actor's turn: the next operation is taken when the schedule says so.
struct Turn(bool);

impl Future for Turn {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Actor {
    pub(super) fn new(
        own: usize,
        client: u8,
        ground: &Rc<RefCell<Ground>>,
        fates: &Rc<[Cell<Fate>]>,
        dice: Dice,
    ) -> Self {
        let (client, fault) = (ClientId::from_bytes([client; 16]), ground.borrow().fault());
        let (ground, fates, dice) = (Rc::clone(ground), Rc::clone(fates), RefCell::new(dice));
        Self { own, client, fault, fates, dice, pause_turns_max: 1, ground }
    }

    pub(super) fn pausing(mut self, turns_max: usize) -> Self {
        self.pause_turns_max = turns_max;
        self
    }

    fn is_collector(&self) -> bool {
        (WRITERS..WRITERS + COLLECTORS).contains(&self.own)
    }

    /// Waits for its turn. What is done with the store then is done at once.
    pub(super) async fn turn(&self) -> RefMut<'_, Ground> {
        Turn(false).await;
        self.ground.borrow_mut()
    }

    /// Stands still for a while, as it may anywhere: here it matters, since what it has seen decides what it does next.
    pub(super) async fn pause(&self) {
        if self.pause_turns_max > 1 && self.one_in(2) {
            for _ in 0..self.below(self.pause_turns_max) {
                Turn(false).await;
            }
        }
    }

    /// What does not change, or is this actor's own.
    pub(super) fn known(&self) -> RefMut<'_, Ground> {
        self.ground.borrow_mut()
    }

    pub(super) fn one_in(&self, count: u64) -> bool {
        self.dice.borrow_mut().one_in(count)
    }

    pub(super) fn below(&self, limit: usize) -> usize {
        let limit = u64::try_from(limit).unwrap();
        usize::try_from(self.dice.borrow_mut().below(limit)).unwrap()
    }

    /// As [`History::reload`]: part by part, in its order.
    pub(super) async fn history(&self, earlier: History) -> History {
        let mut history = History::default();
        history.outcomes = earlier.outcomes;
        for part in Part::IN_ORDER {
            match part {
                Part::Sessions => {
                    let hides = self.fault == Fault::SomeUnlisted && self.is_collector();
                    let listed = self.turn().await;
                    history.open = listed.list_sessions().filter(|_| !hides || self.one_in(2)).collect();
                }
                Part::Outcomes => {
                    let ground = self.turn().await;
                    history.outcomes.retain(|id, _| ground.has_outcome(*id));
                    for (id, outcome) in ground.outcomes() {
                        history.outcomes.entry(*id).or_insert_with(|| outcome.clone());
                    }
                }
                Part::Records => history.records = self.turn().await.records().clone(),
                Part::Generations => self.generations(&mut history).await,
            }
        }
        let outcomes = &history.outcomes;
        history.open.retain(|id| !outcomes.contains_key(id));
        history
    }

    async fn generations(&self, history: &mut History) {
        let listed: Vec<(u64, bool)> =
            self.turn().await.sets().iter().map(|(number, sets)| (*number, sets.deleted.is_some())).collect();
        for (number, is_deleted) in listed {
            let condemned = self.turn().await.condemned(number);
            let deleted = if is_deleted { self.turn().await.deleted(number) } else { None };
            let is_aborted = |session| {
                let ground = self.known();
                ground.outcomes().get(&session).is_some_and(|held| held.body.kind == OutcomeKind::Abort)
            };
            match Generation::of(number, condemned, deleted, is_aborted) {
                Ok(generation) => history.generations.extend(generation),
                Err(error) => {
                    let object = ObjectName::Deleted { generation: number };
                    history.troubles.push(Trouble { object, error: error.into() });
                }
            }
        }
    }

    /// As a collector reads it: what is in doubt stops it.
    pub(super) async fn sound_history(&self, earlier: History) -> Result<History, Stop> {
        let mut history = self.history(earlier).await;
        if let Some(trouble) = history.troubles.first() {
            return Err(Stop::Damaged(format!("{}: {}", trouble.object, trouble.error)));
        }
        for (client, numbers) in history.gaps() {
            for number in numbers {
                let id = SessionId { client, number };
                let is_open = self.turn().await.session(id).is_some();
                if !is_open && !self.known().has_outcome(id) {
                    return Err(Stop::Damaged(format!("outcome {id} is missing")));
                }
                history.open.insert(id);
            }
        }
        Ok(history)
    }

    /// As `session::open`.
    pub(super) async fn open(&self, number: u64, kind: SessionKind) -> SessionId {
        let mut id = SessionId { client: self.client, number };
        loop {
            let created = self.turn().await.create_session(id, Opened { kind, by: self.own });
            if created == Created::New {
                if !self.turn().await.has_outcome(id) {
                    return id;
                }
                self.turn().await.remove_session(id);
            }
            id.number += 1;
        }
    }

    /// Commits what a session wrote; `say` completes the outcome.
    pub(super) async fn commit(
        &self,
        id: SessionId,
        kind: OutcomeKind,
        packs: &[PackId],
        segments: &[SegmentRef],
        say: impl FnOnce(&mut OutcomeBody),
    ) -> Result<(), Stop> {
        let mut body = running(id).outcome(kind, packs.to_vec(), segments.to_vec());
        say(&mut body);
        let created = self.turn().await.create_outcome(body);
        if created == Created::Exists {
            return Err(Stop::Aborted);
        }
        self.turn().await.remove_session(id);
        Ok(())
    }

    /// Ends a session, the actor's own or a silent one.
    pub(super) async fn abort(&self, id: SessionId) {
        let body = running(id).outcome(OutcomeKind::Abort, Vec::new(), Vec::new());
        let _ = self.turn().await.create_outcome(body);
        self.turn().await.remove_session(id);
    }

    /// Publishes a segment that lists packs, if there are any.
    pub(super) async fn publish(&self, packs: &[PackId]) -> Vec<SegmentRef> {
        if packs.is_empty() {
            return Vec::new();
        }
        let segment = Segment { packs: packs.to_vec(), replaced: Vec::new() };
        vec![self.turn().await.create_segment(segment)]
    }
}

fn running(id: SessionId) -> RunningSession {
    RunningSession { id, hash: ObjectHash::from_bytes([0; 32]) }
}

/// What one process knows of where chunks lie: the segments that it applied, and the packs that it excluded.
pub(super) struct View {
    /// Of several copies a look-up finds any one: which, differs from process to process.
    salt: u64,
    applied: BTreeSet<SegmentId>,
    listed: BTreeMap<PackId, (Pack, SegmentId)>,
    excluded: HashSet<PackId>,
}

impl View {
    pub(super) fn new(actor: &Actor) -> Self {
        let salt = actor.dice.borrow_mut().below(u64::MAX >> 12) << 12 | 1;
        Self { salt, applied: BTreeSet::new(), listed: BTreeMap::new(), excluded: HashSet::new() }
    }

    /// As `session::bring_up_to_date`: the segments that are lost.
    pub(super) async fn bring_up_to_date(&mut self, actor: &Actor, history: &History) -> Vec<SegmentRef> {
        let mut lost = self.catch_up(actor, history).await;
        let mut excluded = history.excluded();
        if !lost.is_empty() {
            let newer = actor.history(History::default()).await;
            lost = self.catch_up(actor, &newer).await;
            excluded = newer.excluded();
        }
        if !(actor.fault == Fault::OthersIgnored && actor.is_collector()) {
            self.exclude(excluded);
        }
        lost
    }

    async fn catch_up(&mut self, actor: &Actor, history: &History) -> Vec<SegmentRef> {
        let named = history.segments();
        let ground = actor.turn().await;
        (self.applied, self.listed) = (BTreeSet::new(), BTreeMap::new());
        let mut replaced = BTreeSet::new();
        for (id, segment) in ground.list_segments().filter(|(id, _)| named.contains_key(id)) {
            self.applied.insert(id);
            segment.packs.iter().for_each(|pack| _ = self.listed.insert(*pack, (ground.pack(*pack), id)));
            replaced.extend(segment.replaced.iter().copied());
        }
        let lost = named.iter().filter(|(id, named)| !self.applied.contains(*id) && !named.is_among(&replaced));
        lost.map(|(_, named)| *named.largest()).collect()
    }

    pub(super) fn exclude(&mut self, packs: impl IntoIterator<Item = PackId>) {
        self.excluded.extend(packs);
    }

    /// What a session of this process has committed.
    pub(super) fn apply(&mut self, packs: impl IntoIterator<Item = Pack>, segment: SegmentId) {
        self.applied.insert(segment);
        self.listed.extend(packs.into_iter().map(|pack| (pack.id, (pack, segment))));
    }

    /// The chunks that need not be stored.
    pub(super) fn hits(&self) -> u64 {
        let hits = self.listed.iter().filter(|(id, _)| !self.excluded.contains(*id));
        hits.fold(0, |all, (_, (pack, _))| all | pack.chunks)
    }

    /// The chunks that some pack is said to hold, whether it is excluded or not.
    pub(super) fn all(&self) -> u64 {
        self.listed.values().fold(0, |all, (pack, _)| all | pack.chunks)
    }

    /// One copy that is a hit.
    pub(super) fn find(&self, chunk: usize) -> Option<PackId> {
        let has = |pack: &Pack| pack.chunks >> chunk & 1 == 1 && !self.excluded.contains(&pack.id);
        let spread = |pack: &&Pack| u64::from(number_of(pack.id)).wrapping_mul(self.salt) >> 20;
        self.listed.values().map(|(pack, _)| pack).filter(|pack| has(pack)).min_by_key(spread).map(|pack| pack.id)
    }

    /// Every copy.
    pub(super) fn copies(&self, chunk: usize) -> Vec<PackOrdinal> {
        let with = self.listed.values().filter(|(pack, _)| pack.chunks >> chunk & 1 == 1);
        with.map(|(pack, _)| ordinal(pack.id)).collect()
    }

    pub(super) fn is_listed(&self, pack: PackId) -> bool {
        self.listed.contains_key(&pack)
    }

    pub(super) fn packs(&self) -> impl Iterator<Item = &(Pack, SegmentId)> {
        self.listed.values()
    }

    /// As the index tells of every pack.
    pub(super) fn entries(&self) -> impl Iterator<Item = (PackOrdinal, PackEntry)> {
        self.listed.values().map(|(pack, segment)| {
            let entry = PackEntry {
                id: pack.id,
                class: pack.class,
                bytes: pack.bytes(),
                signer: super::ground::SIGNER,
                session: pack.session,
                segment: *segment,
                chunk_count: pack.chunk_count(),
            };
            (ordinal(pack.id), entry)
        })
    }
}

/// The number of a pack, in everybody's view.
pub(super) fn ordinal(pack: PackId) -> PackOrdinal {
    PackOrdinal(number_of(pack))
}

/// Chunks as their numbers.
pub(super) fn numbers(chunks: u64) -> Vec<usize> {
    each(chunks).collect()
}

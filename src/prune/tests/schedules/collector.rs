//! A prune, step by step and in the order of the real one: what is looked at, chosen, waited for, spared, published and
//! retired is decided by the real functions.

use super::Fault;
use super::actor::{Actor, Stop, View, numbers, ordinal};
use super::ground::{Chunks, Segment, below, chunk_id, chunk_of, of_class};
use crate::error::Result as Answer;
use crate::gc::{CondemnedBody, DeletedBody};
use crate::id::{ChunkId, ObjectHash, PackId, SegmentId, SessionId};
use crate::index::PackOrdinal;
use crate::layout::Class;
use crate::needed::{Needed, PackUse, Roots};
use crate::outcome::{OutcomeKind, SegmentRef};
use crate::prune::MaxUnused;
use crate::prune::choose::{Candidate, Limits, choose};
use crate::prune::compact::{self, Inputs, Thoroughness};
use crate::prune::generation::{Condemning, Counting, Retirement, is_in_force};
use crate::prune::keep::spared_for;
use crate::prune::marks::Marks;
use crate::prune::options::Chosen;
use crate::prune::survey::{Stray, Survey};
use crate::prune::waits::{Published, Waits, What};
use crate::segment::Replaced;
use crate::session::{ATTEMPTS_MAX, Generation, History, Named, Stage, Tracks};
use crate::session_record::SessionKind;
use crate::store::Created;
use crate::wire::List;
use std::collections::{BTreeMap, BTreeSet};

/// Packs below an eighth of this are small.
const PACK_BYTES_TARGET: u64 = 1600;
const GENERATIONS_MAX: u32 = 16;

/// Whom a prune takes for silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    Endless,
    /// Some, living ones among them.
    Some,
    None,
}

/// What a prune left.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) waiting_count: usize,
}

/// One run of a prune, by a client that remembers for whom it waits.
pub(super) struct Prune<'a> {
    actor: &'a Actor,
    waits: &'a mut Waits,
    max_unused: MaxUnused,
    patience: Patience,
    view: View,
    report: Report,
    spared: Vec<PackId>,
}

/// The needed chunks.
struct Marked(Chunks);

impl Needed for Marked {
    fn count(&self, ids: &[ChunkId], counts: &mut Vec<u64>) -> Answer<()> {
        counts.clear();
        counts.extend(ids.iter().map(|id| u64::from(self.0 >> chunk_of(id) & 1 == 1)));
        Ok(())
    }

    fn for_each_id(&self, each: &mut dyn FnMut(&[ChunkId]) -> Answer<()>) -> Answer<()> {
        let mut ids: Vec<ChunkId> = numbers(self.0).iter().map(|chunk| chunk_id(*chunk)).collect();
        ids.sort_unstable();
        each(&ids)
    }

    fn id_count(&self) -> u64 {
        self.0.count_ones().into()
    }

    fn pack_use(&self, _: PackOrdinal) -> Answer<Option<PackUse>> {
        Ok(None)
    }

    fn measured_bytes(&self, _: PackOrdinal) -> Option<u64> {
        None
    }

    fn keep_measured(&self, _: &[(PackOrdinal, u64)]) {}
}

fn mark(roots: &Roots) -> Box<dyn Needed> {
    Box::new(Marked(roots.nodes.keys().fold(0, |all, root| all | below(root))))
}

/// Which of these chunks are needed.
fn needed(marks: &Marks, chunks: Chunks) -> Chunks {
    let (numbers, mut flags) = (numbers(chunks), Vec::new());
    let ids: Vec<ChunkId> = numbers.iter().map(|chunk| chunk_id(*chunk)).collect();
    marks.answer(&ids, &mut flags).unwrap();
    numbers.iter().zip(&flags).filter(|(_, is)| **is).fold(0, |all, (chunk, _)| all | 1 << chunk)
}

/// What was planned, and what of that is not used up.
#[derive(Default)]
struct Plan {
    shown: Option<Chosen>,
    look: Option<Look>,
}

struct Look {
    survey: Survey,
    marks: Marks,
    roots: Roots,
    chosen: Chosen,
}

impl<'a> Prune<'a> {
    pub(super) fn new(actor: &'a Actor, waits: &'a mut Waits, max_unused: MaxUnused, patience: Patience) -> Self {
        Self {
            actor,
            waits,
            max_unused,
            patience,
            view: View::new(actor),
            report: Report::default(),
            spared: Vec::new(),
        }
    }

    /// Plans and performs, again and again while other collectors get in the way.
    pub(super) async fn run(mut self) -> Result<Report, Stop> {
        let mut before = self.seen().await;
        let mut plan = Plan::default();
        for _ in 1..ATTEMPTS_MAX {
            let attempted = self.attempt(&mut plan).await;
            match attempted {
                Err(Stop::Damaged(what)) => {
                    let now = self.seen().await;
                    if now == before {
                        return Err(Stop::Damaged(what));
                    }
                    before = now;
                }
                other => return other.map(|()| self.report),
            }
        }
        self.attempt(&mut plan).await.map(|()| self.report)
    }

    async fn seen(&self) -> Tracks {
        let history = self.actor.history(History::default()).await;
        Tracks::of(&history, self.present_segments().await)
    }

    async fn present_segments(&self) -> BTreeSet<SegmentId> {
        self.actor.turn().await.list_segments().map(|(id, _)| id).collect()
    }

    async fn attempt(&mut self, plan: &mut Plan) -> Result<(), Stop> {
        (self.report, self.spared) = (Report::default(), Vec::new());
        if plan.shown.is_none() {
            let look = self.look(History::default()).await?;
            (plan.shown, plan.look) = (Some(look.chosen.clone()), Some(look));
        }
        let mut shown = plan.shown.clone().unwrap_or_default();
        let mut planned = plan.look.take();
        let earlier = planned.as_mut().map(|look| std::mem::take(&mut look.survey.history)).unwrap_or_default();
        let (history, ended) = self.end_silent(earlier).await?;
        let mut look = match planned.filter(|_| !ended) {
            Some(mut look) => {
                look.survey.history = history;
                look
            }
            None => self.look(history).await?,
        };
        for generation in look.survey.history.generations.clone() {
            self.go_on(&mut look, &generation).await?;
        }
        if !self.spared.is_empty() {
            look = self.look(std::mem::take(&mut look.survey.history)).await?;
            shown.allow(&self.spared);
        }
        for _ in 0..GENERATIONS_MAX {
            if self.begin(&mut look, &shown).await? != Condemning::Taken {
                break;
            }
            look = self.look(std::mem::take(&mut look.survey.history)).await?;
        }
        self.tidy(look.survey.history).await
    }

    async fn end_silent(&mut self, earlier: History) -> Result<(History, bool), Stop> {
        let history = self.actor.sound_history(earlier).await?;
        let is_silent = |_: &&SessionId| match self.patience {
            Patience::Endless => false,
            Patience::Some => self.actor.one_in(2),
            Patience::None => true,
        };
        let silent: Vec<SessionId> = history.open.iter().filter(is_silent).copied().collect();
        if silent.is_empty() {
            return Ok((history, false));
        }
        for session in silent {
            self.actor.abort(session).await;
        }
        Ok((self.actor.sound_history(history).await?, true))
    }

    async fn look(&mut self, earlier: History) -> Result<Look, Stop> {
        let generation = self.actor.turn().await.highest_generation() + 1;
        let listed = self.actor.turn().await.list_packs().map(|pack| (pack.id, pack.bytes())).collect();
        let history = self.sound_view(earlier).await?;
        let mut survey = Survey::new(generation, listed, history);
        self.refresh(&mut survey, generation).await;
        let orphans = self.orphans(&survey)?;
        let roots = Roots::of(&survey.history);
        let marks = Marks::new(&roots, mark(&roots));
        let candidates = self.measure(&survey, &marks)?;
        let limits = Limits {
            max_unused: self.max_unused,
            max_repack_bytes: u64::MAX,
            max_rewritten_bytes: u64::MAX,
            pack_bytes_target: PACK_BYTES_TARGET,
        };
        let mut chosen = choose(candidates, limits).chosen;
        chosen.orphans = orphans;
        Ok(Look { survey, marks, roots, chosen })
    }

    /// The history, with the view brought up to it. A lost segment's packs would look like garbage.
    async fn sound_view(&mut self, earlier: History) -> Result<History, Stop> {
        let history = self.actor.sound_history(earlier).await?;
        let lost = self.view.bring_up_to_date(self.actor, &history).await;
        lost.first().map_or(Ok(history), |lost| Err(Stop::Damaged(format!("segment {} is missing", lost.id))))
    }

    async fn refresh(&self, survey: &mut Survey, own: u64) {
        survey.begin_anew(own);
        if self.actor.fault == Fault::OthersIgnored {
            survey.condemned.clear();
        }
        self.view.entries().for_each(|(ordinal, entry)| survey.learn(ordinal, &entry));
        let ground = self.actor.turn().await;
        survey.look_for(&mut |pack| Ok(ground.has_pack(pack))).unwrap();
    }

    /// Packs that nobody committed and nobody will. Headers never change, so reading them takes no turn.
    fn orphans(&self, survey: &Survey) -> Result<Vec<PackId>, Stop> {
        let mut orphans = Vec::new();
        for id in survey.unlisted().into_keys() {
            let pack = self.actor.known().pack(id);
            match Stray::of(&survey.history, pack.session) {
                Stray::Pending | Stray::Unknown => {}
                Stray::Decided(OutcomeKind::Abort) => orphans.push(id),
                Stray::Decided(_) if self.actor.known().oracle.is_committed(id) => {
                    return Err(Stop::Damaged(format!("pack {id} is listed by no segment")));
                }
                Stray::Decided(_) => orphans.push(id),
            }
        }
        Ok(orphans)
    }

    /// What stands, and how much of it is needed: of several copies of a chunk the one that a look-up finds. That a
    /// pack is not used says only that it may be chosen; what must stay is found afterwards.
    fn measure(&self, survey: &Survey, marks: &Marks) -> Result<Vec<Candidate>, Stop> {
        let missing = |chunk| Stop::Damaged(format!("chunk {chunk} is lost"));
        for chunk in numbers(needed(marks, u64::MAX >> 32)) {
            let copies = self.view.copies(chunk);
            let is_there = |pack: &PackOrdinal| survey.name(*pack).is_some_and(|id| survey.packs[&id].is_present);
            if !copies.iter().any(is_there) {
                return Err(missing(chunk));
            }
        }
        let candidates = survey.standing().map(|(id, known)| {
            let pack = self.actor.known().pack(*id);
            let counts = |chunk: &usize| {
                let found = self.view.find(*chunk).filter(|found| survey.stays(ordinal(*found), &BTreeSet::new()));
                found.is_none_or(|found| found == *id)
            };
            let used = numbers(needed(marks, pack.chunks)).iter().filter(|chunk| counts(chunk)).count();
            let used = u64::try_from(used).unwrap();
            let used_bytes = used * pack.bytes() / pack.chunk_count();
            Candidate { id: *id, class: known.class, bytes: known.bytes, used_bytes, used_chunk_count: used }
        });
        Ok(candidates.collect())
    }

    async fn go_on(&mut self, look: &mut Look, generation: &Generation) -> Result<(), Stop> {
        match generation.stage {
            Stage::Condemned => self.decide(look, generation).await,
            Stage::Deleted => {
                self.delete(look, &generation.packs).await;
                Ok(())
            }
            Stage::Retiring => Ok(()),
        }
    }

    async fn decide(&mut self, look: &mut Look, generation: &Generation) -> Result<(), Stop> {
        let Some(condemned) = generation.condemned.map(|set| set.hash) else { return Ok(()) };
        let what = (generation.number, condemned, Published::Condemned);
        if !self.undecided(&look.survey.history, what).is_empty() {
            self.report.waiting_count += 1;
            return Ok(());
        }
        self.actor.pause().await;
        if self.actor.fault != Fault::NoSecondLook {
            let earlier = std::mem::take(&mut look.survey.history);
            look.survey.history = self.sound_view(earlier).await?;
            let roots = Roots::of(&look.survey.history);
            look.marks.cover_by(&roots, |new| Ok(mark(new))).unwrap();
        }
        self.refresh(&mut look.survey, generation.number).await;
        let candidates: BTreeSet<PackId> = generation.packs.iter().copied().collect();
        let mut packs = Vec::new();
        if is_in_force(generation, &look.survey.history) {
            let spared = self.spared(look, &candidates);
            packs.extend(candidates.difference(&spared).copied());
        }
        self.spared.extend(candidates.iter().filter(|pack| !packs.contains(*pack)));
        if let Some(packs) = self.publish_deleted(generation.number, condemned, packs).await {
            look.survey.condemned.extend(packs.iter().copied());
            self.delete(look, &packs).await;
        }
        Ok(())
    }

    fn undecided(&mut self, history: &History, what: What) -> BTreeSet<SessionId> {
        let is_broken = match what.2 {
            Published::Condemned => self.actor.fault == Fault::NobodyAwaited,
            Published::Deleted => self.actor.fault == Fault::RetiredEarly,
        };
        if is_broken {
            return BTreeSet::new();
        }
        self.waits.begin(history, what);
        self.waits.undecided(history, what)
    }

    /// The candidates that must stay.
    fn spared(&self, look: &Look, candidates: &BTreeSet<PackId>) -> BTreeSet<PackId> {
        let mut spared = BTreeSet::new();
        for id in candidates.iter().filter(|id| look.survey.packs.contains_key(*id)) {
            let pack = self.actor.known().pack(*id);
            for chunk in numbers(needed(&look.marks, pack.chunks)) {
                spared.extend(spared_for(&look.survey, candidates, &self.view.copies(chunk)));
            }
        }
        spared
    }

    async fn publish_deleted(&self, generation: u64, condemned: ObjectHash, packs: Vec<PackId>) -> Option<Vec<PackId>> {
        let actor = self.actor;
        let body = DeletedBody { generation, condemned, packs: List(packs) };
        let own = body.packs.0.clone();
        actor.pause().await;
        let created = actor.turn().await.create_deleted(body);
        let there = actor.turn().await.condemned(generation).map(|set| set.hash);
        let there = if actor.fault == Fault::RetiredDeletes { Some(condemned) } else { there };
        match Counting::of(created, condemned, there) {
            Counting::Own => Some(own),
            Counting::First => {
                let deleted = actor.turn().await.deleted(generation)?;
                (deleted.body.condemned == condemned).then_some(deleted.body.packs.0)
            }
            Counting::Nobodys => None,
            Counting::Withdrawn => {
                actor.turn().await.remove_deleted(generation);
                None
            }
        }
    }

    async fn delete(&self, look: &Look, packs: &[PackId]) {
        for pack in packs.iter().filter(|pack| look.survey.listed.contains_key(*pack)) {
            self.actor.turn().await.remove_pack(*pack);
        }
    }

    async fn begin(&mut self, look: &mut Look, shown: &Chosen) -> Result<Condemning, Stop> {
        let chosen = look.chosen.within(shown);
        let sources = [chosen.repack.as_slice(), &chosen.merge].concat();
        let unused = chosen.unused.into_iter().chain(chosen.orphans);
        let candidates: BTreeSet<PackId> = unused.chain(sources.iter().copied()).collect();
        if candidates.is_empty() {
            return Ok(Condemning::Nothing);
        }
        let actor = self.actor;
        let session = actor.open(look.survey.history.next_number(actor.client), SessionKind::Repack).await;
        let condemning = self.condemn(look, session, &sources, candidates).await;
        if condemning != Ok(Condemning::Done) {
            actor.abort(session).await;
            return condemning;
        }
        actor.commit(session, OutcomeKind::Repack, &[], &[], |_| {}).await?;
        let earlier = std::mem::take(&mut look.survey.history);
        look.survey.history = actor.sound_history(earlier).await?;
        let generation = look.survey.generation;
        let own = look.survey.history.generations.iter().find(|known| known.number == generation).cloned();
        if let Some(own) = own {
            self.go_on(look, &own).await?;
        }
        Ok(Condemning::Done)
    }

    async fn condemn(
        &mut self,
        look: &mut Look,
        session: SessionId,
        sources: &[PackId],
        mut candidates: BTreeSet<PackId>,
    ) -> Result<Condemning, Stop> {
        let (actor, generation) = (self.actor, look.survey.generation);
        if actor.turn().await.highest_generation() + 1 != generation {
            return Ok(Condemning::Taken);
        }
        self.view.exclude(candidates.iter().copied());
        if !sources.is_empty() {
            self.repack(look, sources).await?;
        }
        self.refresh(&mut look.survey, generation).await;
        let spared = self.spared(look, &candidates);
        candidates.retain(|pack| !spared.contains(pack));
        if candidates.is_empty() {
            return Ok(Condemning::Nothing);
        }
        let live = List(look.roots.live.iter().copied().collect());
        let packs = List(candidates.into_iter().collect());
        actor.pause().await;
        let created = actor.turn().await.create_condemned(CondemnedBody { generation, session, packs, live });
        Ok(if created == Created::Exists { Condemning::Taken } else { Condemning::Done })
    }

    /// Copies what is needed out of some packs.
    async fn repack(&mut self, look: &Look, sources: &[PackId]) -> Result<(), Stop> {
        let actor = self.actor;
        let mut copied: Chunks = 0;
        for source in sources {
            let pack = actor.known().pack(*source);
            let wanted = needed(&look.marks, pack.chunks);
            if wanted != 0 && !actor.turn().await.has_pack(*source) {
                return Err(Stop::Damaged(format!("pack {source} is gone")));
            }
            copied |= wanted & !self.view.hits();
        }
        let number = look.survey.history.next_number(actor.client);
        let session = actor.open(number, SessionKind::Repack).await;
        let mut packs = Vec::new();
        for class in Class::ALL.into_iter().filter(|class| copied & of_class(*class) != 0) {
            packs.push(actor.turn().await.create_pack(session, class, copied & of_class(class)));
        }
        let segments = actor.publish(&packs).await;
        let committed = actor.commit(session, OutcomeKind::Repack, &packs, &segments, |_| {}).await;
        if committed.is_err() {
            actor.abort(session).await;
        }
        committed?;
        for segment in segments {
            let packs: Vec<_> = packs.iter().map(|pack| actor.known().pack(*pack)).collect();
            self.view.apply(packs, segment.id);
        }
        Ok(())
    }

    async fn tidy(&mut self, earlier: History) -> Result<(), Stop> {
        let listed = self.present_segments().await;
        let history = self.sound_view(earlier).await?;
        self.sweep(&history).await;
        let history = self.compact(history).await?;
        self.remove_replaced(&history, &listed).await;
        self.retire(history).await
    }

    /// Session objects of sessions that are decided.
    async fn sweep(&self, history: &History) {
        let left: Vec<SessionId> = self.actor.turn().await.list_sessions().collect();
        for id in left.iter().filter(|id| history.outcomes.contains_key(*id)) {
            self.actor.turn().await.remove_session(*id);
        }
        if self.actor.fault == Fault::AbortsDeleted {
            for (id, _) in history.outcomes.iter().filter(|(_, held)| held.body.kind == OutcomeKind::Abort) {
                self.actor.turn().await.remove_outcome(*id);
            }
        }
    }

    async fn inputs(&self, history: &History) -> Inputs {
        let present = self.present_segments().await;
        let deleted = history.deleted_packs();
        let mut dead: BTreeMap<SegmentId, u64> = BTreeMap::new();
        for (pack, segment) in self.view.packs().filter(|(pack, _)| deleted.contains(&pack.id)) {
            *dead.entry(*segment).or_default() += pack.chunk_count();
        }
        let named = history.segments();
        let sizes = named.values().map(Named::largest);
        let here: Vec<&SegmentRef> = sizes.filter(|segment| present.contains(&segment.id)).collect();
        let is_strict = self.max_unused == MaxUnused::Share(0);
        let thoroughness = if is_strict { Thoroughness::Full } else { Thoroughness::WhereWorthIt };
        Inputs::of(&here, &dead, thoroughness)
    }

    async fn compact(&mut self, history: History) -> Result<History, Stop> {
        if self.inputs(&history).await.is_empty() {
            return Ok(history);
        }
        let session = self.actor.open(history.next_number(self.actor.client), SessionKind::Repack).await;
        let compacted = self.compact_in(session, history).await;
        if compacted.is_err() {
            self.actor.abort(session).await;
        }
        compacted
    }

    async fn compact_in(&mut self, session: SessionId, earlier: History) -> Result<History, Stop> {
        let history = self.sound_view(earlier).await?;
        let (deleted, named) = (history.deleted_packs(), history.segments());
        let inputs = self.inputs(&history).await;
        let mut output = Segment::default();
        for id in inputs.0.iter().filter(|id| named.contains_key(*id)) {
            let input = self.actor.turn().await.segment(*id);
            let input = input.ok_or_else(|| Stop::Damaged(format!("segment {id} is gone")))?;
            let SegmentRef { pack_count, chunk_count, .. } = *named[id].largest();
            output.replaced.extend(input.replaced.iter().copied());
            output.replaced.push(Replaced { segment: *id, pack_count, chunk_count });
            output.packs.extend(input.packs.iter().filter(|pack| !deleted.contains(*pack)));
        }
        output.packs.sort_unstable();
        output.packs.dedup();
        let published = self.actor.turn().await.create_segment(output);
        self.actor.commit(session, OutcomeKind::Repack, &[], &[published], |_| {}).await?;
        self.actor.sound_history(history).await
    }

    async fn remove_replaced(&self, history: &History, listed: &BTreeSet<SegmentId>) {
        let named = history.segments();
        let mut replaced = BTreeSet::new();
        for (_, segment) in self.actor.turn().await.list_segments().filter(|(id, _)| named.contains_key(id)) {
            replaced.extend(segment.replaced.iter().copied());
        }
        for id in listed.iter().filter(|id| compact::may_go(named.get(*id), &replaced, history)) {
            self.actor.turn().await.remove_segment(*id);
        }
    }

    async fn retire(&mut self, earlier: History) -> Result<(), Stop> {
        let history = self.sound_view(earlier).await?;
        for known in &history.generations {
            let may_go = match Retirement::of(known, &history) {
                Retirement::Never => false,
                Retirement::Begun => true,
                Retirement::WhenUnnamed(condemned) => {
                    let is_named = self.actor.fault != Fault::RetiredEarly && self.is_named(known).await;
                    let what = (known.number, condemned, Published::Deleted);
                    !is_named && self.undecided(&history, what).is_empty()
                }
            };
            if may_go {
                self.actor.turn().await.remove_condemned(known.number);
                self.actor.turn().await.remove_deleted(known.number);
            }
        }
        Ok(())
    }

    async fn is_named(&self, known: &Generation) -> bool {
        let ground = self.actor.turn().await;
        known.packs.iter().any(|pack| ground.has_pack(*pack) || self.view.is_listed(*pack))
    }
}

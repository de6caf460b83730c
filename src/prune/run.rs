//! The steps of a prune, in order: what earlier ones left, then a generation of its own, then segments and leftovers.

use crate::access::Access;
use crate::error::Result;
use crate::id::{PackId, SessionId};
use crate::index::Excluded;
use crate::needed::{self, Roots};
use crate::outcome::OutcomeKind;
use crate::progress::{Event, Progress};
use crate::prune::Look;
use crate::prune::compact::{self, Inputs, Thoroughness};
use crate::prune::generation::{self, Condemning, Retirement};
use crate::prune::keep;
use crate::prune::options::{Amount, Chosen, MaxUnused, PruneOptions, PruneReport, WaitingGeneration};
use crate::prune::orphans;
use crate::prune::repack::{Sessions, Sources, repack};
use crate::prune::survey::{Survey, bring_up_to_date, highest_generation, list_packs, sound_history};
use crate::prune::waits::{self, Published};
use crate::session::{self, Beating, BootClock, Generation, History, OpenSession, SegmentStand, Stage};
use crate::session_record::SessionKind;
use crate::store::{Folder, Listed, ObjectName};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// How often a number is chosen anew because another collector took it.
const GENERATIONS_MAX: u32 = 16;

/// One run.
pub(super) struct Prune<'a> {
    access: &'a Access,
    options: &'a PruneOptions,
    progress: &'a dyn Progress,
    report: PruneReport,
    /// What a generation condemned that stays.
    spared: Vec<PackId>,
    /// What is wrong with frames that could not be copied: each is tried again when a number was taken.
    damaged: BTreeSet<String>,
}

impl<'a> Prune<'a> {
    pub(super) fn new(access: &'a Access, options: &'a PruneOptions, progress: &'a dyn Progress) -> Self {
        let report = PruneReport::default();
        Self { access, options, progress, report, spared: Vec::new(), damaged: BTreeSet::new() }
    }

    pub(super) fn run(mut self, mut look: Look, shown: &Chosen) -> Result<PruneReport> {
        for generation in look.survey.history.generations.clone() {
            self.go_on(&mut look, &generation)?;
        }
        let mut shown = Cow::Borrowed(shown);
        if !self.spared.is_empty() {
            // Little of it may be needed. While it was condemned nobody chose from it.
            look = self.look_anew(look)?;
            shown.to_mut().allow(&self.spared);
        }
        for _ in 0..GENERATIONS_MAX {
            if self.begin(&mut look, &shown)? != Condemning::Taken {
                break;
            }
            look = self.look_anew(look)?;
        }
        self.report.slack_bytes = look.summary.slack_bytes;
        for pack in look.chosen.within(&shown).unroomed {
            self.report.unroomed.add(bytes_of(&look.survey, pack));
        }
        self.report.damaged_frame_count = u64::try_from(self.damaged.len()).unwrap_or(u64::MAX);
        self.report.notices.extend(std::mem::take(&mut self.damaged));
        self.report.notices.extend(look.survey.notices.iter().cloned());
        let Look { survey, marks, .. } = look;
        // It holds the counts.
        drop(marks);
        self.tidy(survey.history)?;
        // What is lost by a failure is a saving of the next prune.
        let _ = needed::settle(self.access, survey.generation);
        Ok(self.report)
    }

    fn look_anew(&self, look: Look) -> Result<Look> {
        crate::prune::look(self.access, look.survey.history, self.options, self.progress)
    }

    /// Ends sessions whose writers are silent, so that nothing waits for them. Says whether there were any.
    pub(super) fn end_silent(&mut self, earlier: History) -> Result<(History, bool)> {
        let history = sound_history(self.access, earlier)?;
        let open = self.observe(&history)?;
        let silent: Vec<&OpenSession> = open.iter().filter(|session| session.sign.is_silent()).collect();
        if silent.is_empty() {
            return Ok((history, false));
        }
        for session in silent {
            session.abort(self.access);
            self.report.aborted.push(session.id);
        }
        let history = sound_history(self.access, history)?;
        // On a full medium what they were writing is the room for what comes.
        let is_ended = |owner: &SessionId| history.outcomes.contains_key(owner);
        self.access.store.sweep_temporaries(&|owner| owner.as_ref().is_some_and(is_ended))?;
        Ok((history, true))
    }

    fn observe(&self, history: &History) -> Result<Vec<OpenSession>> {
        session::observe(self.access, history, self.options.silent_after, BootClock::now())
    }

    /// Takes a generation as far as it can be taken now.
    fn go_on(&mut self, look: &mut Look, generation: &Generation) -> Result<()> {
        match generation.stage {
            Stage::Condemned => self.decide(look, generation),
            // A crash, or a removal that failed: what the set lists and is still there goes now.
            Stage::Deleted => self.delete(look, &generation.packs),
            Stage::Retiring => Ok(()),
        }
    }

    /// Waits for nobody: if every session is decided that was open once the set was published, looks again and publishes
    /// what is deleted; else leaves that to the next prune.
    fn decide(&mut self, look: &mut Look, generation: &Generation) -> Result<()> {
        let Some(condemned) = generation.condemned.map(|set| set.hash) else { return Ok(()) };
        let what = (generation.number, condemned, Published::Condemned);
        let history = &mut look.survey.history;
        let undecided = waits::undecided(self.access, history, what);
        if !undecided.is_empty() {
            return self.leave(look, generation, &undecided);
        }
        self.progress.event(&Event::Phase("looking again"));
        // Everything that was waited for is decided, so what it came to need is seen now.
        *history = sound_history(self.access, std::mem::take(history))?;
        bring_up_to_date(self.access, history)?;
        let candidates: BTreeSet<PackId> = generation.packs.iter().copied().collect();
        let mut packs = BTreeSet::new();
        if generation::is_in_force(generation, &look.survey.history) {
            let spared = self.look_again(look, generation.number, &candidates)?;
            spared.iter().for_each(|pack| self.report.spared.add(bytes_of(&look.survey, *pack)));
            packs.extend(candidates.difference(&spared).copied());
        }
        self.spared.extend(candidates.difference(&packs));
        match generation::publish_deleted(self.access, generation.number, condemned, packs)? {
            Some(packs) => {
                look.survey.condemned.extend(packs.iter().copied());
                self.delete(look, &packs)
            }
            None => Ok(()),
        }
    }

    /// The packs of a generation that came to be needed since they were condemned.
    fn look_again(&self, look: &mut Look, number: u64, candidates: &BTreeSet<PackId>) -> Result<BTreeSet<PackId>> {
        let roots = Roots::of(&look.survey.history);
        look.marks.cover(self.access, &roots, self.progress)?;
        look.survey.refresh(self.access, number)?;
        keep::spared(self.access, &look.survey, &look.marks, candidates)
    }

    fn leave(&mut self, look: &Look, generation: &Generation, undecided: &BTreeSet<SessionId>) -> Result<()> {
        let mut packs = Amount::default();
        generation.packs.iter().for_each(|pack| packs.add(bytes_of(&look.survey, *pack)));
        let mut sessions = self.observe(&look.survey.history)?;
        sessions.retain(|session| undecided.contains(&session.id));
        self.report.waiting.push(WaitingGeneration { generation: generation.number, packs, sessions });
        Ok(())
    }

    fn delete(&mut self, look: &Look, packs: &[PackId]) -> Result<()> {
        self.progress.event(&Event::Phase("deleting packs"));
        let there: Vec<PackId> = packs.iter().filter(|pack| look.survey.listed.contains_key(*pack)).copied().collect();
        let deleted = generation::delete(self.access, &there, self.progress)?;
        deleted.iter().for_each(|pack| self.report.deleted.add(bytes_of(&look.survey, *pack)));
        Ok(())
    }

    /// A generation of its own: repack, condemn, and go on with it if nobody is at work.
    fn begin(&mut self, look: &mut Look, shown: &Chosen) -> Result<Condemning> {
        let chosen = look.chosen.within(shown);
        let sources = Sources::new(&chosen);
        let unused = chosen.unused.into_iter().chain(chosen.orphans);
        let candidates: BTreeSet<PackId> = unused.chain(sources.all()).collect();
        if candidates.is_empty() {
            return Ok(Condemning::Nothing);
        }
        let mut session = Beating::open(self.access, &look.survey.history, SessionKind::Repack, &self.options.writer)?;
        let condemning = self
            .condemn(look, &mut session, &sources, candidates)
            .inspect_err(|error| session.give_up(self.access, error))?;
        if condemning != Condemning::Done {
            session.abort(self.access);
            return Ok(condemning);
        }
        let history = std::mem::take(&mut look.survey.history);
        look.survey.history = sound_history(self.access, history)?;
        let number = look.survey.generation;
        let own = look.survey.history.generations.iter().find(|known| known.number == number).cloned();
        if let Some(own) = own {
            self.go_on(look, &own)?;
        }
        Ok(condemning)
    }

    /// Copies what is needed of some candidates, condemns all that may go, in the name of `session`, and commits that. Whoever
    /// retires a generation has waited for all sessions that were open while its number was free: so a set that comes after
    /// that is one of a session that was ended.
    fn condemn(
        &mut self,
        look: &mut Look,
        session: &mut Beating,
        sources: &Sources,
        mut candidates: BTreeSet<PackId>,
    ) -> Result<Condemning> {
        let number = look.survey.generation;
        if highest_generation(self.access)?.saturating_add(1) != number {
            return Ok(Condemning::Taken);
        }
        // A copy that is to go as well is none.
        self.access.index.exclude(&Excluded::packs(candidates.iter().copied()))?;
        self.repack(look, sources, session)?;
        look.survey.refresh(self.access, number)?;
        let spared = keep::spared(self.access, &look.survey, &look.marks, &candidates)?;
        candidates.retain(|pack| !spared.contains(pack));
        if candidates.is_empty() {
            return Ok(Condemning::Nothing);
        }
        let condemning = generation::condemn(self.access, number, session.id(), &candidates, &look.roots.live)?;
        if condemning == Condemning::Done {
            session.commit(self.access, OutcomeKind::Repack, Vec::new(), Vec::new())?;
        }
        Ok(condemning)
    }

    /// Copies what is needed of some packs.
    fn repack(&mut self, look: &Look, sources: &Sources, session: &mut Beating) -> Result<()> {
        if sources.are_none() {
            return Ok(());
        }
        self.progress.event(&Event::Phase("repacking"));
        let sessions = Sessions { generation: session, writer: &self.options.writer };
        let Look { survey, marks, .. } = look;
        let compression = self.options.compression;
        let repacked = repack(self.access, survey, marks, sources, compression, sessions, self.progress)?;
        self.report.written.join(repacked.written);
        self.damaged.extend(repacked.damaged);
        Ok(())
    }

    /// Segments, sets, and what sessions leave behind.
    fn tidy(&mut self, earlier: History) -> Result<()> {
        self.progress.event(&Event::Phase("tidying up"));
        let listed = session::present_segments(self.access)?;
        let mut history = sound_history(self.access, earlier)?;
        bring_up_to_date(self.access, &history)?;
        self.sweep(&history)?;
        history = self.compact(history)?;
        bring_up_to_date(self.access, &history)?;
        self.report.removed_segment_count = compact::remove_replaced(self.access, &history, &listed)?;
        self.retire(history)?;
        orphans::remove(self.access)
    }

    fn compact(&mut self, history: History) -> Result<History> {
        let deleted = history.deleted_packs();
        let thoroughness = match self.options.max_unused {
            MaxUnused::Bytes(0) | MaxUnused::Share(0) => Thoroughness::Full,
            MaxUnused::Bytes(_) | MaxUnused::Share(_) | MaxUnused::Unlimited => Thoroughness::WhereWorthIt,
        };
        if Inputs::choose(self.access, &history, &deleted, thoroughness)?.is_empty() {
            return Ok(history);
        }
        self.progress.event(&Event::Phase("compacting segments"));
        let mut session = Beating::open(self.access, &history, SessionKind::Repack, &self.options.writer)?;
        let outcome = self.compact_in(&mut session, history, thoroughness);
        if let Err(error) = &outcome {
            session.give_up(self.access, error);
        }
        outcome
    }

    /// The session is open: what is read now can't be deleted from under it without its being waited for.
    fn compact_in(&self, session: &mut Beating, earlier: History, thoroughness: Thoroughness) -> Result<History> {
        let history = sound_history(self.access, earlier)?;
        bring_up_to_date(self.access, &history)?;
        let deleted = history.deleted_packs();
        let inputs = Inputs::choose(self.access, &history, &deleted, thoroughness)?;
        compact::compact(self.access, session, &history, &inputs, &deleted, self.progress)?;
        sound_history(self.access, history)
    }

    /// Removes the sets of generations of which no segment tells any more, but for the highest.
    fn retire(&self, earlier: History) -> Result<()> {
        let history = sound_history(self.access, earlier)?;
        bring_up_to_date(self.access, &history)?;
        // A segment whose place is taken counts again if the one that took it is lost: its packs must not be forgotten to
        // be deleted before it is gone.
        if !SegmentStand::of(self.access, &history)?.replaced.is_empty() {
            return Ok(());
        }
        let mut listed = None;
        for known in &history.generations {
            let may_go = match Retirement::of(known, &history) {
                Retirement::Never => false,
                Retirement::Begun => true,
                Retirement::WhenUnnamed(condemned) => {
                    let packs = match &listed {
                        Some(packs) => packs,
                        None => listed.insert(list_packs(self.access)?),
                    };
                    let is_named = known.packs.iter().try_fold(false, |is, pack| -> Result<bool> {
                        Ok(is || packs.contains_key(pack) || self.access.index.find_pack(pack)?.is_some())
                    })?;
                    let what = (known.number, condemned, Published::Deleted);
                    !is_named && waits::undecided(self.access, &history, what).is_empty()
                }
            };
            if may_go {
                generation::retire(self.access, known.number)?;
            }
        }
        Ok(())
    }

    /// Session objects, heartbeats and temporary files of sessions that are decided.
    fn sweep(&self, history: &History) -> Result<()> {
        let is_decided = |id: &SessionId| history.outcomes.contains_key(id);
        let mut gone = Vec::new();
        for folder in [Folder::Heartbeats, Folder::Sessions] {
            self.access.store.list(folder, &mut |listed| {
                if let Listed::Object { name: name @ (ObjectName::Session(id) | ObjectName::Heartbeat(id, _)), .. } =
                    listed
                    && is_decided(&id)
                {
                    gone.push(name);
                }
            })?;
        }
        self.access.store.remove_all(&gone)?;
        let nobody_writes = history.open.is_empty();
        self.access.store.sweep_temporaries(&|owner| owner.as_ref().map_or(nobody_writes, is_decided))?;
        Ok(())
    }
}

fn bytes_of(survey: &Survey, pack: PackId) -> u64 {
    survey.listed.get(&pack).copied().unwrap_or(0)
}

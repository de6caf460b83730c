//! Pruning: condemn what nothing needs, wait for what is open, look again, publish, delete. No lock, and no clock in any
//! decision about safety.
//!
//! A prune is a *generation*: `gc/<g>/condemned` says which packs are to go, `gc/<g>/deleted` which of them really go.
//! Between the two every session must be decided that was open when the first was published, and what is needed is
//! looked at again. A prune never waits for a writer: what can't be finished now is finished by the next prune, on
//! whichever machine. Byte-exact, with the reasons, in format-spec/10-sessions-and-prune.md.

mod choose;
mod compact;
mod forecast;
mod generation;
mod holdings;
mod keep;
mod marks;
mod measure;
mod options;
mod orphans;
mod repack;
mod room;
mod rows;
mod run;
mod survey;
mod waits;

pub use forecast::{Forecast, forecast};
pub use holdings::{Holding, Holdings, holdings};
pub use options::{Amount, MaxUnused, PruneOptions, PruneReport, PruneSummary, WaitingGeneration};

use crate::access::Access;
use crate::error::Result;
use crate::needed::Roots;
use crate::progress::{Event, Progress};
use crate::session::{History, Tracks, UndecidedSession, WriterProcess, open_sessions, steadily_since};
use choose::{Candidate, Choice, Limits};
use marks::Marks;
use options::Chosen;
use room::Steps;
use survey::Survey;

/// What a prune will do. Nothing has been changed for it.
pub struct PrunePlan {
    look: Box<Look>,
    /// What was there before anything was looked at.
    seen: Tracks,
}

impl PrunePlan {
    /// How much it will do.
    pub const fn summary(&self) -> &PruneSummary {
        &self.look.summary
    }
}

/// Says what a prune would do now, and changes nothing.
///
/// # Errors
/// [`crate::ErrorKind::Damaged`] when a control object or a needed chunk is missing or can't be believed;
/// [`crate::ErrorKind::Denied`] when the key's role may not prune.
pub fn plan(access: &Access, options: &PruneOptions, progress: &dyn Progress) -> Result<PrunePlan> {
    generation::check_allowed(access)?;
    let (mut look, seen) =
        steadily_since(access, Tracks::now(access)?, || look(access, History::default(), options, progress))?;
    foresee(access, &look.survey, &mut look.summary)?;
    Ok(PrunePlan { look: Box::new(look), seen })
}

/// Adds what a prune would make of the sessions that are open now. Which of those elsewhere are silent only a prune learns,
/// since it remembers what it saw of them.
fn foresee(access: &Access, survey: &Survey, summary: &mut PruneSummary) -> Result<()> {
    if survey.history.open.is_empty() {
        return Ok(());
    }
    let is_dead = |session: &UndecidedSession| matches!(session.process, WriterProcess::Gone { .. });
    (summary.dead, summary.awaited) = open_sessions(access, &survey.history)?.into_iter().partition(is_dead);
    for (session, bytes) in &survey.pending {
        if summary.dead.iter().any(|dead| dead.id == *session) {
            summary.unused.add(*bytes);
        }
    }
    Ok(())
}

/// Prunes as planned. Where the store has changed since, what was planned is tested again and what came to be needed
/// stays. Whoever calls has seen that the store was not rolled back, or had that accepted.
///
/// # Errors
/// As [`plan`]; [`crate::ErrorKind::ReadOnly`] where nothing may be written; [`crate::ErrorKind::Unsupported`] where the store
/// can't prove what a collector relies on; or when it fails or the caller stops. The next prune goes on from there.
pub fn run(access: &Access, plan: PrunePlan, options: &PruneOptions, progress: &dyn Progress) -> Result<PruneReport> {
    generation::check_allowed(access)?;
    generation::check_store(access)?;
    let started = std::time::Instant::now();
    let shown = plan.look.chosen.clone();
    let outcome = Steps::new(access, &shown, options, progress).run(plan);
    // Kept again as soon as there is space; without it everything works but a prune of a full medium.
    let _ = access.store.keep_reserve();
    let goes_on = "the next prune goes on where this one stopped";
    let mut report = outcome.map_err(|error| error.if_stopped(goes_on))?;
    if report.unroomed.pack_count > 0 {
        report.notices.push(format!(
            "there is too little room in {} to repack {} more packs of which parts are unused; make room there and prune \
             again, or in smaller steps (--max-repack-size) where a quota is used up",
            access.store.describe(),
            report.unroomed.pack_count
        ));
    }
    report.duration = started.elapsed();
    Ok(report)
}

/// Takes every step, from what was looked at if nothing has changed since. What was seen then is what a failure is
/// compared with: a plan may be shown for long, and other collectors go on meanwhile.
fn perform(
    access: &Access,
    (mut planned, seen): (Option<Box<Look>>, Tracks),
    shown: &Chosen,
    options: &PruneOptions,
    progress: &dyn Progress,
) -> Result<PruneReport> {
    let (report, _) = steadily_since(access, seen, || {
        let mut prune = run::Prune::new(access, options, progress);
        let history = planned.as_mut().map(|look| std::mem::take(&mut look.survey.history)).unwrap_or_default();
        let (history, ended) = prune.end_silent(history)?;
        let look = match planned.take().filter(|_| !ended) {
            Some(mut look) => {
                look.survey.history = history;
                look
            }
            None => Box::new(look(access, history, options, progress)?),
        };
        prune.run(*look, shown)
    })?;
    Ok(report)
}

/// Everything that a choice rests on.
struct Look {
    survey: Survey,
    marks: Marks,
    roots: Roots,
    chosen: Chosen,
    summary: PruneSummary,
}

/// Looks at everything and chooses.
fn look(access: &Access, earlier: History, options: &PruneOptions, progress: &dyn Progress) -> Result<Look> {
    progress.event(&Event::Phase("looking at packs and sessions"));
    let survey = Survey::take(access, earlier, progress)?;
    let roots = Roots::of(&survey.history);
    progress.event(&Event::Phase("finding what is needed"));
    let marks = Marks::of(access, &roots, survey.generation.saturating_sub(1), progress)?;
    progress.event(&Event::Phase("measuring packs"));
    let used = measure::measure(access, &survey, &marks, progress)?;
    let candidates = survey.standing().filter(|(_, known)| !known.is_disputed).map(|(id, known)| {
        let used = used.get(id).copied().unwrap_or_default();
        Candidate {
            id: *id,
            class: known.class,
            bytes: known.bytes,
            used_bytes: used.bytes,
            used_chunk_count: used.chunk_count,
        }
    });
    let limits = Limits {
        max_unused: options.max_unused,
        max_repack_bytes: options.max_repack_bytes,
        max_rewritten_bytes: options.max_rewritten_bytes,
        pack_bytes_target: access.config().parameters.pack_bytes_target.into(),
    };
    let choice = choose::choose(candidates.collect(), limits);
    let (chosen, summary) = sum_up(&survey, &roots, choice);
    Ok(Look { survey, marks, roots, chosen, summary })
}

fn sum_up(survey: &Survey, roots: &Roots, choice: Choice) -> (Chosen, PruneSummary) {
    let mut chosen = choice.chosen;
    let mut summary = PruneSummary {
        live_count: u64::try_from(roots.live.len()).unwrap_or(u64::MAX),
        unused: choice.unused,
        repacked: choice.repacked,
        rewritten_bytes: choice.rewritten_bytes,
        slack_bytes: choice.slack_bytes,
        notices: survey.notices.clone(),
        ..PruneSummary::default()
    };
    for (id, known) in survey.packs.iter().filter(|(_, known)| known.is_present) {
        summary.packs.add(known.bytes);
        if survey.condemned.contains(id) {
            summary.waiting.add(known.bytes);
        }
    }
    survey.pending.iter().for_each(|(_, bytes)| summary.packs.add(*bytes));
    for (id, bytes) in &survey.orphans {
        summary.packs.add(*bytes);
        summary.unused.add(*bytes);
        chosen.orphans.push(*id);
    }
    (chosen, summary)
}

#[cfg(test)]
pub(crate) mod tests;

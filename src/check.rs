//! Checking: every object, every reference, and on request every byte, in memory that does not depend on how much there
//! is. Damage is data: what is wrong, where, and which snapshots and files it touches.

mod control;
mod counts;
mod data;
mod feed;
mod healing;
mod lines;
mod options;
mod packs;
mod pick;
mod plan;
mod proof;
mod ration;
mod recall;
mod remedy;
mod remember;
mod report;
mod seen;
mod signs;
#[cfg(test)]
mod tests;
mod touched;
mod trees;
mod values;
mod verified;
mod view;
mod vouch;

pub use options::{CheckDepth, CheckOptions, ReadSubset, Remember, Vouch};
pub use recall::Verification;
pub(crate) use recall::verification;
pub use report::{CheckReport, Damage};

use crate::access::Access;
use crate::content::ContentReader;
use crate::error::{ErrorKind, Result};
use crate::id::PackId;
use crate::progress::{Event, Progress};
use crate::session::{self, History, Snapshot, Tracks, present_segments};
use crate::store::{Folder, NOTHING_HEALS_HERE};
use crate::threads;
use feed::Feed;
use packs::Listing;
use plan::Plan;
use remember::Recorder;
use report::{Findings, the_more_telling};
use std::collections::BTreeSet;
use std::time::Instant;
use trees::Walked;
use verified::Verified;
use vouch::Proven;

/// How often a check that found damage begins again because the repository was pruned meanwhile.
const ATTEMPTS_MAX: u32 = 3;

/// Checks a repository, and the reference counts in its view. Every object is read from the store, whatever the view has
/// kept of it.
///
/// # Errors
/// When the store can't be listed, or the caller stops.
pub fn run(access: &Access, options: &CheckOptions, progress: &dyn Progress) -> Result<CheckReport> {
    let proven = Proven::new(access);
    let mut report = run_steadily(access, options, &proven, progress)?;
    counts::compare(access, &mut report, progress)?;
    if let Vouch::As(writer) = &options.vouch {
        match proven.vouch(access, writer, progress) {
            Ok(count) => report.vouched_pack_count = count,
            Err(error) if matches!(error.kind(), ErrorKind::ReadOnly | ErrorKind::Interrupted) => {}
            Err(error) => report.notices.push(format!("packs of put keys were not vouched for: {error}")),
        }
    }
    if report.damage_count > 0 && !access.store.is_writable(Folder::Packs) {
        report.notices.push(NOTHING_HEALS_HERE.to_owned());
    }
    Ok(report)
}

fn run_steadily(
    access: &Access,
    options: &CheckOptions,
    proven: &Proven,
    progress: &dyn Progress,
) -> Result<CheckReport> {
    let mut history = History::load(&access.without_view())?;
    let mut before = Tracks::of(&history, present_segments(access)?);
    let mut suspects = options.suspects.clone();
    let mut attempt = 1;
    loop {
        let attempted = Check { options, suspects: &suspects, proven, progress, started: Instant::now() };
        let report = attempted.run(access, &history)?;
        if report.damage_count == 0 || attempt >= ATTEMPTS_MAX {
            return Ok(report);
        }
        // A prune that ran beside this has moved and deleted what was there when it began: that is no damage.
        history = History::load(&access.without_view())?;
        let now = Tracks::of(&history, present_segments(access)?);
        if now == before {
            return Ok(report);
        }
        before = now;
        // Whatever else is picked or left the next time, what is called damaged is looked at again.
        suspects.extend(report.damaged_packs());
        attempt = attempt.saturating_add(1);
    }
}

/// One attempt.
struct Check<'a> {
    options: &'a CheckOptions,
    /// Packs that an earlier attempt found damaged, and those that the caller suspects.
    suspects: &'a BTreeSet<PackId>,
    /// Takes note of packs of put keys.
    proven: &'a Proven,
    progress: &'a dyn Progress,
    started: Instant,
}

impl Check<'_> {
    fn run(&self, access: &Access, history: &History) -> Result<CheckReport> {
        let findings = Findings::new(access, self.progress);
        // What could not be believed is read again before it is called damaged.
        let again = if history.troubles.is_empty() { None } else { Some(History::load(&access.without_view())?) };
        let history = again.as_ref().unwrap_or(history);
        self.progress.event(&Event::Phase("checking control objects"));
        control::check(access, history, &findings)?;
        signs::check(access, history, &findings)?;
        if self.options.depth == CheckDepth::Data {
            healing::check_copies(access, &findings)?;
        }
        let verified = Verified::load(access)?;
        verified.tell(&findings);
        self.progress.event(&Event::Phase("checking the index"));
        // What is damaged is told; what lies behind it is read by its second copy, as every reader does.
        let access = &access.with_second_copies();
        let whole = if findings.has_damage() { Some(History::load(&access.without_view())?) } else { None };
        let history = whole.as_ref().unwrap_or(history);
        let access = &view::open(access, history, &findings)?;
        let packs = packs::check(access, history, &findings)?;
        healing::tell_unprotected(access, &packs.present, &findings)?;
        let reader = ContentReader::new(access.clone());
        seen::check(&reader, history, &findings)?;
        // What only forgotten snapshots needed may have been pruned, and is no loss.
        let live = session::all(history).into_iter().filter(|snapshot| !snapshot.forgotten);
        let snapshots: Vec<_> = live.collect();
        let walked = if self.options.reads_packs() {
            self.trees_and_data(&reader, &snapshots, &packs, &verified, &findings)?
        } else {
            self.progress.event(&Event::Phase("checking trees"));
            trees::check(&reader, (&snapshots, self.options.depth), &packs.present, &findings)?
        };
        if findings.has_lost() {
            self.progress.event(&Event::Phase("finding what is touched"));
            touched::find(&reader, &packs.present, &snapshots, &findings)?;
        }
        let mut report = findings.into_report();
        report.snapshot_count = snapshots.len();
        report.pack_count = packs.counted;
        report.unlisted_pack_count = packs.unlisted;
        report.node_count = walked.node_count;
        report.chunk_reference_count = walked.chunk_reference_count;
        report.duration = self.started.elapsed();
        Ok(report)
    }

    /// Walks the trees, which is the work of one thread, while the others read the packs. What was verified is kept also
    /// when the caller stops.
    fn trees_and_data(
        &self,
        reader: &ContentReader,
        snapshots: &[Snapshot],
        Listing { present, misfits, .. }: &Listing,
        verified: &Verified,
        findings: &Findings<'_>,
    ) -> Result<Walked> {
        let access = reader.access();
        // What is cut short was verified of no use.
        let suspects = self.suspects.iter().chain(misfits.keys()).copied().collect();
        let plan = Plan::new(access, present, verified, &suspects, self.options)?;
        self.progress.event(&Event::Phase("checking trees and data"));
        self.progress.event(&Event::Estimated { files: 0, bytes: plan.chosen.bytes });
        let recorder = Recorder::new(access, self.options.remember);
        let deadline = self.options.duration_max.and_then(|duration| self.started.checked_add(duration));
        let mut feed = Feed { access, plan: &plan, findings, deadline, given_count: 0, is_late: false };
        let done = std::thread::scope(|scope| {
            // What comes of the one is of no use without the other, which may have hours to go.
            let walk = || {
                trees::check(reader, (snapshots, self.options.depth), present, findings)
                    .inspect_err(|_| findings.give_up())
            };
            let walked = threads::start(scope, walk)?;
            let read = data::check(&mut feed, (&recorder, self.proven), findings).inspect_err(|_| findings.give_up());
            match (read, threads::join(walked)) {
                (Err(read), Err(walked)) => Err(the_more_telling(read, walked)),
                (read, walked) => read.and(walked),
            }
        });
        let told = recorder.finish(&findings.damaged_packs());
        // Who has the repository checked where nothing can be written knows that nothing is.
        if let Some(error) = told.failure.filter(|error| error.kind() != ErrorKind::ReadOnly) {
            findings.notice(format!("it can't be kept in the repository which packs were verified: {error}"));
        }
        findings.was_read(&feed, told.pack_count);
        done
    }
}

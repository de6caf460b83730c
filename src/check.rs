//! Checking: every object, every reference, and on request every byte, in memory that does not depend on how much there
//! is. Damage is data: what is wrong, where, and which snapshots and files it touches.

mod control;
mod counts;
mod data;
mod lines;
mod packs;
mod proof;
mod ration;
mod report;
mod seen;
#[cfg(test)]
mod tests;
mod touched;
mod trees;
mod view;

pub use report::{CheckReport, Damage};

use crate::access::Access;
use crate::content::ContentReader;
use crate::error::Result;
use crate::id::SegmentId;
use crate::progress::{Event, Progress};
use crate::session::{self, History, Snapshot};
use packs::Seen;
use report::Findings;
use trees::Walked;

/// How often a check that found damage begins again because the repository was pruned meanwhile.
const ATTEMPTS_MAX: u32 = 3;

/// How deep to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CheckDepth {
    /// Every small object is read; packs are compared with their listing by name and length; every tree is walked and
    /// every chunk that it names is looked for.
    #[default]
    Structure,
    /// Besides, every frame is read, opened and decoded, and every chunk is hashed again.
    Data,
}

/// Checks a repository, and the reference counts in its view.
///
/// # Errors
/// When the store can't be listed, or the caller stops.
pub fn run(access: &Access, history: &History, depth: CheckDepth, progress: &dyn Progress) -> Result<CheckReport> {
    let mut report = run_steadily(access, history, depth, progress)?;
    counts::compare(access, &mut report, progress)?;
    Ok(report)
}

fn run_steadily(access: &Access, history: &History, depth: CheckDepth, progress: &dyn Progress) -> Result<CheckReport> {
    let mut newer = None;
    let mut attempt = 1;
    loop {
        let history = newer.as_ref().unwrap_or(history);
        let report = run_once(access, history, depth, progress)?;
        if report.damage_count == 0 || attempt >= ATTEMPTS_MAX {
            return Ok(report);
        }
        // A prune that ran beside this has moved and deleted what was there when it began: that is no damage.
        let now = History::load(access)?;
        if stand(&now) == stand(history) {
            return Ok(report);
        }
        newer = Some(now);
        attempt = attempt.saturating_add(1);
    }
}

/// What prunes and compactions change.
fn stand(history: &History) -> (Vec<SegmentId>, Vec<(u64, usize)>) {
    let generations = history.generations.iter().map(|generation| (generation.number, generation.packs.len()));
    (history.segments().into_keys().collect(), generations.collect())
}

fn run_once(access: &Access, history: &History, depth: CheckDepth, progress: &dyn Progress) -> Result<CheckReport> {
    let started = std::time::Instant::now();
    let findings = Findings::new(access, progress);
    // What could not be believed is read again before it is called damaged.
    let again = if history.troubles.is_empty() { None } else { Some(History::load(access)?) };
    let history = again.as_ref().unwrap_or(history);
    progress.event(&Event::Phase("checking control objects"));
    control::check(access, history, &findings)?;
    progress.event(&Event::Phase("checking the index"));
    let access = &view::open(access, history, &findings)?;
    let packs = packs::check(access, history, &findings)?;
    let reader = ContentReader::new(access.clone());
    seen::check(&reader, history, &findings)?;
    // What only forgotten snapshots needed may have been pruned, and is no loss.
    let live = session::all(history).into_iter().filter(|snapshot| !snapshot.forgotten);
    let snapshots: Vec<_> = live.collect();
    let walked = match depth {
        CheckDepth::Structure => {
            progress.event(&Event::Phase("checking trees"));
            trees::check(&reader, &snapshots, &packs.present, &findings)?
        }
        CheckDepth::Data => {
            progress.event(&Event::Phase("checking trees and data"));
            progress.event(&Event::Estimated { files: 0, bytes: packs.counted_bytes });
            trees_and_data(&reader, history, &snapshots, &packs.present, &findings)?
        }
    };
    if findings.has_lost() {
        progress.event(&Event::Phase("finding what is touched"));
        touched::find(&reader, &snapshots, &findings)?;
    }
    let mut report = findings.into_report();
    report.snapshot_count = snapshots.len();
    report.pack_count = packs.counted;
    report.unlisted_pack_count = packs.unlisted;
    report.node_count = walked.node_count;
    report.chunk_reference_count = walked.chunk_reference_count;
    report.duration = started.elapsed();
    Ok(report)
}

/// Walks the trees, which is the work of one thread, while the others read the packs.
fn trees_and_data(
    reader: &ContentReader,
    history: &History,
    snapshots: &[Snapshot],
    present: &Seen,
    findings: &Findings<'_>,
) -> Result<Walked> {
    std::thread::scope(|scope| {
        let data = scope.spawn(|| data::check(reader.access(), history, present, findings));
        let walked = trees::check(reader, snapshots, present, findings);
        let read = data.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        read.and(walked)
    })
}

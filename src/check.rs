//! Checking: every object, every reference, and on request every byte, in memory that does not depend on how much there
//! is. Damage is data: what is wrong, where, and which snapshots and files it touches.

mod control;
mod data;
mod packs;
mod report;
mod touched;
mod trees;

pub use report::{CheckReport, Damage};

use crate::access::Access;
use crate::content::ContentReader;
use crate::error::Result;
use crate::progress::{Event, Progress};
use crate::session::{self, History};
use report::Findings;

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

/// Checks a repository.
///
/// # Errors
/// When the store can't be listed, or the caller stops.
pub fn run(access: &Access, history: &History, depth: CheckDepth, progress: &dyn Progress) -> Result<CheckReport> {
    let started = std::time::Instant::now();
    let findings = Findings::new(progress);
    progress.event(&Event::Phase("checking control objects"));
    control::check(access, history, &findings)?;
    progress.event(&Event::Phase("checking the index"));
    if let Err(error) = session::bring_up_to_date(access, history) {
        findings.control_error("segments", &error);
    }
    let packs = packs::check(access, history, &findings)?;
    progress.event(&Event::Phase("checking trees"));
    let reader = ContentReader::new(access.clone());
    let snapshots = session::all(history);
    let trees = trees::check(&reader, &snapshots, &findings)?;
    if depth == CheckDepth::Data {
        progress.event(&Event::Phase("checking data"));
        data::check(access, history, &findings)?;
    }
    if findings.has_lost() {
        progress.event(&Event::Phase("finding what is touched"));
        touched::find(&reader, &snapshots, &findings)?;
    }
    let mut report = findings.into_report();
    report.snapshot_count = snapshots.len();
    report.pack_count = packs.counted;
    report.unlisted_pack_count = packs.unlisted;
    report.node_count = trees.node_count;
    report.chunk_reference_count = trees.chunk_reference_count;
    report.duration = started.elapsed();
    Ok(report)
}

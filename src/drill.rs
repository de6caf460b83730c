//! Restoring for a test: a snapshot, or a sample of it, is restored into an empty folder, as any restore would do it; then
//! what lies there is read back and compared with the manifest and with the files that it was made of, and what came of
//! it is stated in the repository.
//!
//! ```text
//! plan (pick, room) -> restore -> compare (manifest, live files) -> [a command of the caller's] -> record, remove
//! ```
//!
//! That a restore found nothing wrong is no evidence of what it wrote: the comparison opens each file anew, after the target
//! was synced and what the kernel kept of it was let go, and knows nothing of the restore but what it reported.

mod compare;
mod content;
mod evidence;
mod expected;
mod finding;
mod live;
mod options;
mod part;
mod pick;
mod plan;
mod restored;
mod scratch;
#[cfg(test)]
mod tests;
mod told;

pub use evidence::{DrillConclusion, Recorded, conclude};
pub use finding::{DrillFinding, DrillFindingKind};
pub use options::{Afterwards, DrillOptions, DrillPlace, Live, Sample};
pub use plan::{DrillPlan, plan};
pub use restored::{DrillRestore, restore};

use crate::id::SnapshotId;
use crate::record::DrillResult;
use scratch::Scratch;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a drill found.
#[derive(Debug, Clone)]
pub struct DrillReport {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// The folder into which it was restored.
    pub folder: PathBuf,
    /// What is stated in the repository, the command left out until the drill is [concluded](conclude).
    pub result: DrillResult,
    /// Files that were not compared with those that they were made of: they were changed since, are gone or could not be
    /// relied upon to be unchanged.
    pub live_passed_over_count: u64,
    /// The first ten thousand findings.
    pub findings: Vec<DrillFinding>,
    /// How long the restore took.
    pub restore_duration: Duration,
    /// How long the comparison took.
    pub compare_duration: Duration,
}

/// A drill whose comparison is done. What was restored is still there, and goes away with this.
#[derive(Debug)]
pub struct Drill {
    report: DrillReport,
    scratch: Scratch,
}

impl Drill {
    /// What was found.
    pub const fn report(&self) -> &DrillReport {
        &self.report
    }

    /// The folder into which it was restored.
    pub fn folder(&self) -> &Path {
        self.scratch.folder()
    }
}

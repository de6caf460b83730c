//! What is missing in corrected snapshots, and the reports about them.

use crate::excerpt::Excerpt;
use crate::id::SnapshotId;
use std::path::PathBuf;
use std::time::Duration;

/// How many of each kind are named.
const NAMED_MAX: usize = 1000;

/// What is missing in a snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Missing {
    /// Files of which the content is lost.
    pub files: Excerpt<PathBuf, NAMED_MAX>,
    /// Files and directories of which extended attributes are lost, and nothing else.
    pub bare: Excerpt<PathBuf, NAMED_MAX>,
    /// Ranges of paths of which nothing is known any more.
    pub ranges: Excerpt<String, NAMED_MAX>,
    /// Components whose stat tree lacks something, and nothing else: the next backup reads everything.
    pub stat_tree_count: u64,
}

impl Missing {
    /// Whether nothing is missing of what can be restored.
    pub const fn is_empty(&self) -> bool {
        self.files.count() == 0 && self.bare.count() == 0 && self.ranges.count() == 0
    }

    pub(super) fn add_file(&mut self, path: PathBuf) {
        self.files.push(path);
    }

    pub(super) fn add_attributes(&mut self, path: PathBuf) {
        if self.bare.last() != Some(&path) {
            self.bare.push(path);
        }
    }

    pub(super) fn add_range(&mut self, range: String) {
        self.ranges.push(range);
    }

    pub(super) fn add(&mut self, other: Self) {
        self.files.append(other.files);
        self.bare.append(other.bare);
        self.ranges.append(other.ranges);
        self.stat_tree_count = self.stat_tree_count.saturating_add(other.stat_tree_count);
    }

    /// What a snapshot's outcome says of it.
    pub(super) fn reason(&self, original: SnapshotId) -> String {
        let mut lines = vec![format!("repaired beside snapshot {original}, without what was lost:")];
        lines.extend(self.ranges.iter().map(|range| format!("whatever lay {range}")));
        lines.extend(self.files.iter().map(|path| format!("{}", path.display())));
        lines.extend(self.bare.iter().map(|path| format!("extended attributes of {}", path.display())));
        lines.join("\n")
    }
}

/// A damaged snapshot, and the corrected one beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SnapshotRepair {
    /// The damaged one.
    pub damaged: SnapshotId,
    /// When it was taken, in nanoseconds since the epoch.
    pub time_ns: i64,
    /// The corrected one, unless it has still to be made.
    pub corrected: Option<SnapshotId>,
    /// What the corrected one lacks.
    pub missing: Missing,
}

/// What a repair of snapshots would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SnapshotRepairPlan {
    /// Snapshots beside which a corrected one is to be made, oldest first.
    pub damaged: Vec<SnapshotRepair>,
    /// Those that have one already.
    pub repaired: Vec<SnapshotRepair>,
    /// Those of which nothing is left.
    pub beyond: Vec<SnapshotId>,
    /// What stands in the way of a full repair.
    pub notices: Vec<String>,
}

impl SnapshotRepairPlan {
    /// Whether there is nothing to do.
    pub const fn is_empty(&self) -> bool {
        self.damaged.is_empty()
    }
}

/// What a repair of snapshots did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SnapshotRepairReport {
    /// Corrected snapshots that were made, in the order of the damaged ones.
    pub made: Vec<SnapshotRepair>,
    /// Damaged snapshots that had a corrected one already.
    pub repaired: Vec<SnapshotRepair>,
    /// Those of which nothing is left.
    pub beyond: Vec<SnapshotId>,
    /// What was passed over, and what stands in the way of a full repair.
    pub notices: Vec<String>,
    /// What could not be noted on this machine of what was committed. The repair lacks nothing for it.
    pub behind: Vec<String>,
    /// How long it took.
    pub duration: Duration,
}

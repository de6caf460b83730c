//! What is missing in corrected snapshots, and the reports about them.

use crate::id::SnapshotId;
use std::path::PathBuf;
use std::time::Duration;

/// How many of each kind are named.
const NAMED_MAX: usize = 1000;

/// What is missing in a snapshot. The first thousand of each kind are named, all are counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Missing {
    /// Files of which the content is lost.
    pub files: Vec<PathBuf>,
    /// How many there are.
    pub file_count: u64,
    /// Files and directories of which extended attributes are lost, and nothing else.
    pub bare: Vec<PathBuf>,
    /// How many there are.
    pub bare_count: u64,
    /// Ranges of paths of which nothing is known any more.
    pub ranges: Vec<String>,
    /// How many there are.
    pub range_count: u64,
    /// Components whose stat tree lacks something, and nothing else: the next backup reads everything.
    pub stat_tree_count: u64,
}

impl Missing {
    /// Whether nothing is missing of what can be restored.
    pub const fn is_empty(&self) -> bool {
        self.file_count == 0 && self.bare_count == 0 && self.range_count == 0
    }

    pub(super) fn add_file(&mut self, path: PathBuf) {
        name(&mut self.files, &mut self.file_count, path);
    }

    pub(super) fn add_attributes(&mut self, path: PathBuf) {
        if self.bare.last() != Some(&path) {
            name(&mut self.bare, &mut self.bare_count, path);
        }
    }

    pub(super) fn add_range(&mut self, range: String) {
        name(&mut self.ranges, &mut self.range_count, range);
    }

    pub(super) fn add(&mut self, other: Self) {
        let extend = |named: &mut Vec<PathBuf>, others: Vec<PathBuf>| {
            named.extend(others);
            named.truncate(NAMED_MAX);
        };
        extend(&mut self.files, other.files);
        extend(&mut self.bare, other.bare);
        self.ranges.extend(other.ranges);
        self.ranges.truncate(NAMED_MAX);
        self.file_count = self.file_count.saturating_add(other.file_count);
        self.bare_count = self.bare_count.saturating_add(other.bare_count);
        self.range_count = self.range_count.saturating_add(other.range_count);
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

fn name<T>(named: &mut Vec<T>, count: &mut u64, one: T) {
    *count = count.saturating_add(1);
    if named.len() < NAMED_MAX {
        named.push(one);
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

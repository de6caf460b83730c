//! What a drill found wrong.

use crate::manifest::Key;
use crate::progress::{Event, Gravity, Progress};
use std::path::PathBuf;

/// How many findings are kept with their text; all are counted.
const FINDINGS_KEPT_MAX: usize = 10_000;

/// What is wrong with an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DrillFindingKind {
    /// Stored bytes are missing or wrong: the restore said so.
    Lost,
    /// It is not there after the restore, or something else is.
    Missing,
    /// It came back with other content than the manifest says.
    Content,
    /// It came back with other metadata than the manifest says.
    Metadata,
    /// The live file has another content, although nothing says that it was changed since it was backed up.
    Live,
}

/// One item that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrillFinding {
    /// Its path in the snapshot.
    pub path: PathBuf,
    /// What is wrong.
    pub kind: DrillFindingKind,
    /// What exactly, and where.
    pub message: String,
}

/// What has been found so far.
pub(super) struct Findings<'a> {
    progress: &'a dyn Progress,
    kept: Vec<DrillFinding>,
    differing_count: u64,
    live_differing_count: u64,
    left_count: u64,
}

impl<'a> Findings<'a> {
    pub(super) const fn new(progress: &'a dyn Progress) -> Self {
        Self { progress, kept: Vec::new(), differing_count: 0, live_differing_count: 0, left_count: 0 }
    }

    /// Takes a finding; each item has at most one of the snapshot's and one of the live file's.
    pub(super) fn add(&mut self, path: PathBuf, kind: DrillFindingKind, message: String) {
        let count =
            if kind == DrillFindingKind::Live { &mut self.live_differing_count } else { &mut self.differing_count };
        *count = count.saturating_add(1);
        if self.kept.len() < FINDINGS_KEPT_MAX {
            self.kept.push(DrillFinding { path, kind, message });
        }
    }

    /// Counts an item of which something was not restored, or not compared, that says nothing about the backup.
    pub(super) fn leave(&mut self) {
        self.left_count = self.left_count.saturating_add(1);
    }

    /// The same, when nobody has told of it yet.
    pub(super) fn leave_for(&mut self, key: &Key, message: &str) {
        self.progress.event(&Event::Problem {
            path: &key.to_path(),
            operation: "compare",
            message,
            gravity: Gravity::Trouble,
        });
        self.leave();
    }

    pub(super) const fn differing_count(&self) -> u64 {
        self.differing_count
    }

    pub(super) const fn live_differing_count(&self) -> u64 {
        self.live_differing_count
    }

    pub(super) const fn left_count(&self) -> u64 {
        self.left_count
    }

    pub(super) fn into_kept(self) -> Vec<DrillFinding> {
        self.kept
    }
}

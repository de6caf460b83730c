//! What a restore did, and what it could not do.

use crate::destination::DestinationError;
use crate::error::{Error, ErrorKind, Result};
use crate::progress::{Event, Progress};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How many problems are kept with their text; all are counted and all are reported as they happen.
const PROBLEMS_KEPT_MAX: usize = 10_000;

/// What kept an item from coming back as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RestoreProblemKind {
    /// Stored bytes are missing or wrong.
    Damaged,
    /// The snapshot holds it without its content, which could not be read when it was made.
    NotStored,
    /// The target did not take it.
    Refused,
    /// It is there, but some of its metadata could not be set.
    Metadata,
}

/// One item that did not come back as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreProblem {
    /// Its path in the snapshot.
    pub path: PathBuf,
    /// What kept it.
    pub kind: RestoreProblemKind,
    /// What was said.
    pub message: String,
}

/// What a restore did.
#[derive(Debug, Clone, Default)]
pub struct RestoreReport {
    /// Files whose content is complete.
    pub file_count: u64,
    /// Directories, links, pipes, sockets and devices.
    pub other_count: u64,
    /// Bytes of content, holes included.
    pub bytes: u64,
    /// Items that did not come back as they were.
    pub problem_count: u64,
    /// Those of them whose stored bytes are missing or wrong.
    pub damaged_count: u64,
    /// The first ten thousand of them.
    pub problems: Vec<RestoreProblem>,
    /// How long it took.
    pub duration: Duration,
}

/// What has been done so far, told by several threads.
pub(super) struct Outcome<'a> {
    progress: &'a dyn Progress,
    file_count: AtomicU64,
    other_count: AtomicU64,
    bytes: AtomicU64,
    damaged_count: AtomicU64,
    problems: Mutex<(u64, Vec<RestoreProblem>)>,
}

impl<'a> Outcome<'a> {
    pub(super) fn new(progress: &'a dyn Progress) -> Self {
        Self {
            progress,
            file_count: AtomicU64::new(0),
            other_count: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            damaged_count: AtomicU64::new(0),
            problems: Mutex::default(),
        }
    }

    pub(super) fn stopped(&self) -> bool {
        self.progress.stopped()
    }

    pub(super) fn file_done(&self, bytes: u64) {
        self.file_count.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.progress.event(&Event::Processed { files: 1, bytes });
    }

    pub(super) fn other_done(&self) {
        self.other_count.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn problem(&self, path: PathBuf, kind: RestoreProblemKind, message: String) {
        if kind == RestoreProblemKind::Damaged {
            self.damaged_count.fetch_add(1, Ordering::Relaxed);
        }
        self.progress.event(&Event::Problem { path: &path, operation: "restore", message: &message });
        let mut problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        problems.0 = problems.0.saturating_add(1);
        if problems.1.len() < PROBLEMS_KEPT_MAX {
            problems.1.push(RestoreProblem { path, kind, message });
        }
    }

    /// What the target refuses for one item is a problem; a full target ends the restore.
    pub(super) fn refused(&self, path: PathBuf, error: DestinationError) -> Result<()> {
        if error.is_full() {
            return Err(Error::from(error));
        }
        self.problem(path, RestoreProblemKind::Refused, crate::error::chain(&error));
        Ok(())
    }

    /// What is damaged for one item is a problem; anything else ends the restore.
    pub(super) fn damaged(&self, path: PathBuf, error: Error) -> Result<()> {
        if error.kind() != ErrorKind::Damaged {
            return Err(error);
        }
        self.problem(path, RestoreProblemKind::Damaged, error.to_string());
        Ok(())
    }

    pub(super) fn into_report(self) -> RestoreReport {
        let (problem_count, problems) = self.problems.into_inner().unwrap_or_else(PoisonError::into_inner);
        RestoreReport {
            file_count: self.file_count.into_inner(),
            other_count: self.other_count.into_inner(),
            bytes: self.bytes.into_inner(),
            problem_count,
            damaged_count: self.damaged_count.into_inner(),
            problems,
            duration: Duration::ZERO,
        }
    }
}

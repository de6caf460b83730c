//! What could not be read, or not read in peace: returned to the caller, counted, and never only logged.

use crate::excerpt::Excerpt;
use crate::id::SnapshotId;
use crate::progress::{Event, Gravity, Progress};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// One source item that was not stored as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The item's absolute path, as bytes.
    pub path: Vec<u8>,
    /// What happened to it.
    pub kind: ProblemKind,
    /// What the operating system said.
    pub message: String,
}

/// What happened to a source item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProblemKind {
    /// It is in the snapshot without its content.
    Unreadable,
    /// It changed while it was read, twice; the snapshot holds a mixture.
    Inconsistent,
    /// It was gone when its turn came; the snapshot lacks it.
    Vanished,
    /// It was not read to its end when the backup had to end; the snapshot lacks it.
    CutShort,
    /// It is a component that need not be there, and could not be had.
    Missing,
    /// Something of it (attributes, a path too long) is not in the snapshot.
    Incomplete,
    /// It was read again since it had not changed by its stat, and holds other bytes: they are in the snapshot.
    ChangedUnderItsStat {
        /// The snapshot that holds the bytes that it held before.
        before: SnapshotId,
    },
}

impl ProblemKind {
    /// What was being done.
    const fn operation(self) -> &'static str {
        match self {
            Self::ChangedUnderItsStat { .. } => "rehash",
            Self::Unreadable
            | Self::Inconsistent
            | Self::Vanished
            | Self::CutShort
            | Self::Missing
            | Self::Incomplete => "read",
        }
    }
}

/// The problems of one run.
pub(super) struct Problems<'a> {
    progress: &'a dyn Progress,
    kept: Mutex<Excerpt<Problem>>,
}

impl<'a> Problems<'a> {
    /// Starts with none.
    pub(super) fn new(progress: &'a dyn Progress) -> Self {
        Self { progress, kept: Mutex::default() }
    }

    /// Reports one at once and keeps it for the report at the end.
    pub(super) fn add(&self, path: Vec<u8>, kind: ProblemKind, message: String) {
        self.progress.event(&Event::Problem {
            path: Path::new(OsStr::from_bytes(&path)),
            operation: kind.operation(),
            message: &message,
            gravity: Gravity::Trouble,
        });
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(Problem { path, kind, message });
    }

    /// Those of the run.
    pub(super) fn into_report(self) -> Excerpt<Problem> {
        self.kept.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

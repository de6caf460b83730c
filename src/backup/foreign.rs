//! Trees that another tool has stored, made a snapshot as if they had been backed up when they were stored.

use crate::access::Access;
use crate::backup::options::{BackupOptions, BackupReport};
use crate::backup::owners::OwnerNames;
use crate::backup::{Material, WalkStart};
use crate::error::Result;
use crate::progress::Progress;
use crate::session::{ClientState, History, Imported};
use crate::session_record::SessionKind;
use crate::source::Trees;
use std::sync::Arc;

/// Trees that another tool has stored, and what it says of them.
pub struct Foreign<'a> {
    /// The trees.
    pub trees: Arc<dyn Trees>,
    /// The names of the owners of what was walked.
    pub owners: &'a dyn OwnerNames,
    /// What was backed up, as absolute paths.
    pub paths: Vec<Vec<u8>>,
    /// When the tool began to read, in nanoseconds since the epoch: the next backup believes times that lay well before.
    pub started_ns: i64,
    /// Which snapshot of the tool it is.
    pub imported: Imported,
}

/// Makes one snapshot of trees that another tool has stored. Of the options, paths, selection and streams mean nothing
/// here, and a parent is looked for only where one is named.
///
/// # Errors
/// As for a backup.
pub fn run_foreign(
    access: &Access,
    history: &History,
    state: &ClientState,
    (options, foreign): (&BackupOptions, Foreign<'_>),
    progress: &dyn Progress,
) -> Result<BackupReport> {
    let material = Material {
        trees: foreign.trees,
        owners: foreign.owners,
        paths: super::metadata::stated(foreign.paths),
        kind: SessionKind::Copy,
        walk_start: WalkStart::At(foreign.started_ns),
        imported: Some(foreign.imported),
    };
    super::carry_out(access, history, state, (options, &material), progress)
}

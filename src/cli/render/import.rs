//! What programs read of an import.

use super::json::{PathText, moment};
use holdall::{ImportReport, ImportSnapshot, ImportStanding};
use serde::Serialize;

/// What became of one snapshot of restic.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct SnapshotLine {
    message_type: &'static str,
    restic_id: String,
    time: String,
    hostname: String,
    paths: Vec<String>,
    tags: Vec<String>,
    /// `new` in a dry run, `imported`, `failed`; `present` or `forgotten` for what was carried over before.
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshot_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// Items that could not be read, also when it was carried over before.
    errors: u64,
    files_unmodified: u64,
    total_files_processed: u64,
    total_bytes_processed: u64,
    data_added: u64,
    data_added_packed: u64,
    /// Entries with attributes of another system, which are not carried over.
    foreign_attributes: u64,
}

impl SnapshotLine {
    fn of(snapshot: &ImportSnapshot, status: &'static str) -> Self {
        let from = &snapshot.snapshot;
        let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
        Self {
            message_type: "snapshot",
            restic_id: from.id.to_string(),
            time: moment(from.time_ns),
            hostname: text(&from.host),
            paths: from.paths.iter().map(|path| PathText::new(path).path).collect(),
            tags: from.tags.iter().map(text).collect(),
            status,
            snapshot_id: snapshot.known_as.map(|id| id.to_string()),
            message: None,
            errors: if snapshot.standing == ImportStanding::There { snapshot.problem_count } else { 0 },
            files_unmodified: 0,
            total_files_processed: 0,
            total_bytes_processed: 0,
            data_added: 0,
            data_added_packed: 0,
            foreign_attributes: 0,
        }
    }

    /// Before anything was done.
    pub(crate) fn planned(snapshot: &ImportSnapshot) -> Self {
        Self::of(
            snapshot,
            match snapshot.standing {
                ImportStanding::New => "new",
                ImportStanding::There => "present",
                ImportStanding::Forgotten => "forgotten",
            },
        )
    }

    /// It was carried over.
    pub(crate) fn imported(snapshot: &ImportSnapshot, report: &ImportReport) -> Self {
        let backup = &report.backup;
        Self {
            snapshot_id: Some(backup.snapshot.to_string()),
            errors: backup.problems.count(),
            files_unmodified: backup.changes.files_unmodified,
            total_files_processed: backup.counts.files,
            total_bytes_processed: backup.counts.bytes,
            data_added: backup.content_raw_bytes.saturating_add(backup.tree_raw_bytes),
            data_added_packed: backup.content_stored_bytes.saturating_add(backup.tree_stored_bytes),
            foreign_attributes: report.foreign_attribute_count,
            ..Self::of(snapshot, "imported")
        }
    }

    /// It was not, and why.
    pub(crate) fn failed(snapshot: &ImportSnapshot, why: &holdall::Error) -> Self {
        Self { message: Some(why.to_string()), errors: 1, ..Self::of(snapshot, "failed") }
    }
}

/// What an import did.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ImportSummary {
    pub(crate) message_type: &'static str,
    pub(crate) dry_run: bool,
    /// In a dry run: how many would be.
    pub(crate) snapshots_imported: u64,
    /// Carried over before.
    pub(crate) snapshots_present: u64,
    /// Those of them of which something could not be read.
    pub(crate) snapshots_present_with_problems: u64,
    pub(crate) snapshots_failed: u64,
    pub(crate) data_added: u64,
    pub(crate) data_added_packed: u64,
    /// What could not be carried over as it was, parts of restic's repository that can't be read among it.
    pub(crate) errors: u64,
    /// Seconds.
    pub(crate) total_duration: f64,
}

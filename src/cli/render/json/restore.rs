//! What a restore tells programs.

use serde::Serialize;

/// What a restore did, or would do.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct RestoreSummary {
    pub(crate) message_type: &'static str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) dry_run: bool,
    pub(crate) seconds_elapsed: u64,
    /// Files and all else.
    pub(crate) total_files: u64,
    /// Files whose content is as the snapshot says now, whether anything of them was written or not, and further names of files.
    pub(crate) files_restored: u64,
    /// Files that are there and lack parts of their content, which could not be read; each counts once.
    pub(crate) files_incomplete: u64,
    /// Items in whose place something else stays, as `--overwrite` says.
    pub(crate) files_skipped: u64,
    pub(crate) files_deleted: u64,
    /// Items that were there and right.
    pub(crate) items_unchanged: u64,
    pub(crate) total_bytes: u64,
    /// Bytes of content of the files that were restored in full.
    pub(crate) bytes_restored: u64,
    pub(crate) bytes_skipped: u64,
    /// Bytes of content that were written.
    pub(crate) bytes_written: u64,
    /// Those of them that take no space of their own: they share the blocks of another restored file.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub(crate) bytes_cloned: u64,
    pub(crate) errors: u64,
    /// Seconds.
    pub(crate) total_duration: f64,
    pub(crate) snapshot_id: String,
}

/// A file that is being read, also one that is found to be as it was.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ReadItem {
    pub(crate) message_type: &'static str,
    pub(crate) action: &'static str,
    pub(crate) item: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) item_b64: Option<String>,
}

/// What became, or would become, of one item.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ItemStatus {
    pub(crate) message_type: &'static str,
    /// `restored`, `updated`, `metadata`, `unchanged`, `skipped` or `deleted`.
    pub(crate) action: &'static str,
    pub(crate) item: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) item_b64: Option<String>,
    /// Bytes of content that were written, or would be.
    pub(crate) size: u64,
}

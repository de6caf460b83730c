//! What programs read of a backup.

use holdall::{Rehashed, StreamFate};
use serde::Serialize;

/// What a backup did.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct BackupSummary {
    pub(crate) message_type: &'static str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) dry_run: bool,
    pub(crate) files_new: u64,
    pub(crate) files_changed: u64,
    pub(crate) files_unmodified: u64,
    pub(crate) dirs_new: u64,
    pub(crate) dirs_changed: u64,
    pub(crate) dirs_unmodified: u64,
    pub(crate) data_added: u64,
    pub(crate) data_added_packed: u64,
    /// Bytes of parity and second copies; not in the figures above.
    pub(crate) protection_added: u64,
    pub(crate) total_files_processed: u64,
    pub(crate) total_bytes_processed: u64,
    pub(crate) errors: u64,
    /// What the selection left out, without what lies below it.
    pub(crate) items_left_out: u64,
    /// What became of the unchanged files that were read again, with `--rehash`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rehashed: Option<RehashSummary>,
    /// Why it does not hold all of the trees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) partial: Option<String>,
    /// What commands wrote, and what came in on standard input.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) streams: Vec<StreamSummary>,
    pub(crate) backup_start: String,
    pub(crate) backup_end: String,
    /// Seconds.
    pub(crate) total_duration: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) snapshot_id: Option<String>,
}

/// How many unchanged files were read again, and what came of it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct RehashSummary {
    files: u64,
    bytes: u64,
    /// How many hold other bytes than before; each is an error `during` rehash.
    files_differing: u64,
    /// How many were not read to their end in time; they stay as they were, and the next backup reads the same share.
    files_cut_short: u64,
}

impl From<&Rehashed> for RehashSummary {
    fn from(rehashed: &Rehashed) -> Self {
        Self {
            files: rehashed.file_count,
            bytes: rehashed.content_bytes,
            files_differing: rehashed.differing_count,
            files_cut_short: rehashed.cut_short_count,
        }
    }
}

/// What became of a stream: how long it is, or why it is missing.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct StreamSummary {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<String>,
}

impl StreamSummary {
    pub(crate) fn new(name: &[u8], fate: &StreamFate) -> Self {
        let (bytes, missing) = match fate {
            StreamFate::Stored { bytes } => (Some(*bytes), None),
            StreamFate::Missing { reason } => (None, Some(reason.clone())),
        };
        Self { name: String::from_utf8_lossy(name).into_owned(), bytes, missing }
    }
}

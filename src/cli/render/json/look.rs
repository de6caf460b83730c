//! What looking into snapshots tells programs.

use super::{Node, PathText};
use serde::Serialize;

/// One item that is not the same in two snapshots.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ChangedItem<'a> {
    /// `change`
    pub(crate) message_type: &'static str,
    #[serde(flatten)]
    pub(crate) path: PathText,
    /// One or more of `+-MTU?`.
    pub(crate) modifier: &'a str,
}

/// What differs in all.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct DiffStatistics {
    /// `statistics`
    pub(crate) message_type: &'static str,
    pub(crate) source_snapshot: String,
    /// `live` for what is on the machine.
    pub(crate) target_snapshot: String,
    pub(crate) changed_files: u64,
    pub(crate) added: DiffTotals,
    pub(crate) removed: DiffTotals,
}

/// What one side has alone: items, and the bytes of new content.
#[derive(Debug, Default, Clone, Copy, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct DiffTotals {
    pub(crate) files: u64,
    pub(crate) dirs: u64,
    pub(crate) others: u64,
    /// Bytes of content of files that are on this side alone, or have other content on the other.
    pub(crate) bytes: u64,
}

/// What a dump wrote.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct DumpSummary {
    /// `summary`
    pub(crate) message_type: &'static str,
    pub(crate) files_dumped: u64,
    /// Folders, links, pipes and devices.
    pub(crate) others_dumped: u64,
    pub(crate) bytes_dumped: u64,
    pub(crate) errors: u64,
    /// Seconds.
    pub(crate) total_duration: f64,
    pub(crate) snapshot_id: String,
}

/// An item that was found.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct FoundNode {
    pub(crate) snapshot_id: String,
    /// Its `message_type` is `match`.
    #[serde(flatten)]
    pub(crate) node: Node,
}

/// What became of an item from one snapshot to the next.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct PastChange<'a> {
    /// `change`
    pub(crate) message_type: &'static str,
    pub(crate) snapshot_id: String,
    /// The snapshot's.
    pub(crate) time: String,
    #[serde(flatten)]
    pub(crate) path: PathText,
    /// One or more of `+-MTU?`.
    pub(crate) modifier: &'a str,
    /// Of a file that is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<u64>,
    /// Of what is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mtime: Option<String>,
}

/// `mount`: the snapshots can be seen.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Mounted<'a> {
    pub(crate) message_type: &'static str,
    pub(crate) mountpoint: std::borrow::Cow<'a, str>,
}

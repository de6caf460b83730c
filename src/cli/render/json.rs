//! What programs read: the field names are restic's where restic has them.

mod drill;
mod info;
mod look;
mod restore;

pub(crate) use drill::{DrillFigures, DrillSummary, FindingText, PastDrill};
pub(crate) use info::{
    ComponentText, DirectoryText, FeatureText, FolderText, GenerationText, ItemProblemText, ParametersText, RemarkText,
    RepositoryText, SnapshotCountsText, SnapshotDetails, VerificationText,
};
pub(crate) use look::{ChangedItem, DiffStatistics, DiffTotals, DumpSummary, FoundNode, Mounted, PastChange};
pub(crate) use restore::{ItemStatus, ReadItem, RestoreSummary};

use super::text::precise_time;
use base64ct::{Base64, Encoding as _};
use serde::Serialize;

/// A path: as text, and when that loses something also as base64 of its bytes.
#[derive(Debug, Serialize, PartialEq, Eq)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct PathText {
    pub(crate) path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) path_b64: Option<String>,
}

impl PathText {
    pub(crate) fn new(path: &[u8]) -> Self {
        match std::str::from_utf8(path) {
            Ok(text) => Self { path: text.to_owned(), path_b64: None },
            Err(_) => Self { path: String::from_utf8_lossy(path).into_owned(), path_b64: Some(base64(path)) },
        }
    }
}

/// Base64 with padding (RFC 4648, section 4).
pub(crate) fn base64(bytes: &[u8]) -> String {
    Base64::encode_string(bytes)
}

/// How far a backup or restore has come.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Status {
    pub(crate) message_type: &'static str,
    pub(crate) seconds_elapsed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seconds_remaining: Option<u64>,
    /// From 0 to 1.
    pub(crate) percent_done: f64,
    pub(crate) total_files: u64,
    pub(crate) files_done: u64,
    pub(crate) total_bytes: u64,
    pub(crate) bytes_done: u64,
    pub(crate) error_count: u64,
    pub(crate) current_files: Vec<String>,
}

/// Something that went wrong with one item.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Problem<'a> {
    message_type: &'static str,
    error: ProblemMessage<'a>,
    during: &'a str,
    item: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    item_b64: Option<String>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ProblemMessage<'a> {
    message: &'a str,
}

impl<'a> Problem<'a> {
    pub(crate) fn new(path: &[u8], during: &'a str, message: &'a str) -> Self {
        let PathText { path, path_b64 } = PathText::new(path);
        Self { message_type: "error", error: ProblemMessage { message }, during, item: path, item_b64: path_b64 }
    }
}

/// Something worth knowing.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Notice<'a> {
    message_type: &'static str,
    message: &'a str,
}

impl<'a> Notice<'a> {
    pub(crate) const fn new(message: &'a str) -> Self {
        Self { message_type: "notice", message }
    }
}

/// Why the command ends.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ExitError<'a> {
    message_type: &'static str,
    code: u8,
    message: &'a str,
}

impl<'a> ExitError<'a> {
    pub(crate) const fn new(code: u8, message: &'a str) -> Self {
        Self { message_type: "exit_error", code, message }
    }
}

/// A new repository.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Initialized {
    pub(crate) message_type: &'static str,
    pub(crate) id: String,
    pub(crate) repository: String,
}

/// One snapshot.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Snapshot {
    pub(crate) time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parent: Option<String>,
    pub(crate) paths: Vec<String>,
    /// The bytes of the paths, when one of them is no UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) paths_b64: Option<Vec<String>>,
    pub(crate) hostname: String,
    pub(crate) username: String,
    pub(crate) tags: Vec<String>,
    pub(crate) program_version: String,
    pub(crate) summary: SnapshotSummary,
    /// The snapshot of another tool that it was made of: `restic:` and its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) imported_from: Option<String>,
    /// The damaged snapshot beside which a repair made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) repairs: Option<String>,
    /// The snapshot that this one is a copy of, in the repository where it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) original: Option<String>,
    /// `complete`, or `partial` when the walk did not finish or something was lost.
    pub(crate) state: &'static str,
    /// Why it is partial, as far as that is known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) reasons: Vec<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) forgotten: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) pinned: bool,
    /// When the pin ends, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pinned_until: Option<String>,
    /// The last time that it was restored for a test.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) drill: Option<PastDrill>,
    pub(crate) id: String,
    pub(crate) short_id: String,
}

/// The snapshot that a list of nodes is about.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ListedSnapshot {
    message_type: &'static str,
    struct_type: &'static str,
    #[serde(flatten)]
    snapshot: Snapshot,
}

impl ListedSnapshot {
    pub(crate) const fn new(snapshot: Snapshot) -> Self {
        Self { message_type: "snapshot", struct_type: "snapshot", snapshot }
    }
}

/// What a snapshot holds.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct SnapshotSummary {
    pub(crate) total_files_processed: u64,
    pub(crate) total_bytes_processed: u64,
    pub(crate) errors: u64,
}

/// An item of a snapshot.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Node {
    pub(crate) message_type: &'static str,
    pub(crate) struct_type: &'static str,
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    #[serde(flatten)]
    pub(crate) path: PathText,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<u64>,
    pub(crate) mode: u32,
    pub(crate) permissions: String,
    pub(crate) mtime: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) linktarget: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) linktarget_b64: Option<String>,
}

/// What a check found.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct CheckSummary {
    pub(crate) message_type: &'static str,
    pub(crate) num_errors: u64,
    pub(crate) snapshots: u64,
    pub(crate) packs: u64,
    pub(crate) unlisted_packs: u64,
    pub(crate) nodes: u64,
    pub(crate) chunk_references: u64,
    pub(crate) packs_read: u64,
    pub(crate) bytes_read: u64,
    /// Passed over because they were verified lately.
    pub(crate) packs_recent: u64,
    /// Not read because the time was up.
    pub(crate) packs_left: u64,
    /// Of which the repository now says that they were verified.
    pub(crate) packs_remembered: u64,
    /// Of put keys, on which backups with other keys count from now on.
    pub(crate) packs_vouched: u64,
    /// Seconds.
    pub(crate) total_duration: f64,
}

/// One damaged object.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct DamageReport {
    pub(crate) message_type: &'static str,
    pub(crate) object: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) place: Option<String>,
    pub(crate) message: String,
    pub(crate) snapshots: Vec<String>,
    pub(crate) files: Vec<PathText>,
    /// More than `files` lists when there are very many.
    pub(crate) file_count: u64,
    pub(crate) remedy: &'static str,
}

/// What a scrub found.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ScrubSummary {
    pub(crate) message_type: &'static str,
    /// Damaged objects and those that could not be read.
    pub(crate) num_errors: u64,
    pub(crate) damaged: u64,
    pub(crate) healed: u64,
    pub(crate) unread: u64,
    pub(crate) packs: u64,
    pub(crate) small_objects: u64,
    pub(crate) unknown: u64,
    pub(crate) temporary_files: u64,
    /// Bytes of objects that are what they say.
    pub(crate) bytes_proven: u64,
    /// Seconds.
    pub(crate) total_duration: f64,
}

/// Something in a store that is no object known to this version.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct UnknownObject<'a> {
    pub(crate) message_type: &'static str,
    pub(crate) object: &'a str,
}

/// What a prune would do, or did.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct PruneSummary {
    pub(crate) message_type: &'static str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) dry_run: bool,
    pub(crate) packs_deleted: u64,
    pub(crate) bytes_deleted: u64,
    pub(crate) packs_repacked: u64,
    pub(crate) bytes_repacked: u64,
    pub(crate) packs_written: u64,
    pub(crate) bytes_written: u64,
    pub(crate) bytes_unused: u64,
    pub(crate) waiting: Vec<PruneWait>,
    pub(crate) aborted_sessions: Vec<String>,
    pub(crate) segments_replaced: u64,
    /// Seconds.
    pub(crate) total_duration: f64,
}

/// What will be deleted once some sessions have ended.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct PruneWait {
    pub(crate) generation: u64,
    pub(crate) packs: u64,
    pub(crate) bytes: u64,
    pub(crate) sessions: Vec<PruneWaitSession>,
}

/// A session that a prune waits for.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct PruneWaitSession {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) hostname: String,
    pub(crate) pid: u32,
    pub(crate) since: String,
}

/// A session that is not decided.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct OpenSession {
    pub(crate) id: String,
    pub(crate) short_id: String,
    pub(crate) kind: String,
    pub(crate) hostname: Option<String>,
    pub(crate) username: Option<String>,
    pub(crate) command: Option<Vec<String>>,
    pub(crate) started: String,
    pub(crate) last_sign_of_life: String,
    pub(crate) heartbeats: u64,
    /// `running`, `gone`, or `elsewhere`, where nobody here can tell.
    pub(crate) process: &'static str,
    pub(crate) pid: Option<u32>,
}

/// A session that was ended.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct AbortedSession {
    pub(crate) message_type: &'static str,
    pub(crate) id: String,
}

/// Whether a count says nothing, and is left out.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
pub(super) const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// A moment as JSON carries it.
pub(crate) fn moment(time_ns: i64) -> String {
    precise_time(time_ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_no_text_stands_there_twice() {
        let node = |path: &[u8]| serde_json::to_string(&PathText::new(path)).expect("plain fields");
        assert_eq!(node("/é".as_bytes()), "{\"path\":\"/é\"}");
        assert_eq!(node(b"/\xff"), "{\"path\":\"/\u{fffd}\",\"path_b64\":\"L/8=\"}");
    }
}

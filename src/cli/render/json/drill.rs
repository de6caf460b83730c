//! What programs read of drills.

use super::PathText;
use serde::Serialize;

/// A drill of a snapshot that was made before.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct PastDrill {
    pub(crate) time: String,
    /// `passed`, `failed`, or `unknown` where its record says nothing that this program understands.
    pub(crate) result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) figures: Option<DrillFigures>,
}

/// What a drill restored and compared.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct DrillFigures {
    /// How much was to be restored; 100 is all.
    pub(crate) sample_percent: f64,
    /// With which the same sample is taken again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seed: Option<u64>,
    /// Regular files that were compared with the manifest.
    pub(crate) files_compared: u64,
    /// Folders, links and everything else that was.
    pub(crate) others_compared: u64,
    pub(crate) bytes_compared: u64,
    /// Items that are lost, not there, or not as the manifest says.
    pub(crate) items_differing: u64,
    /// Items that the place could not take in full, or the snapshot does not hold in full.
    pub(crate) items_left: u64,
    /// Files that were compared with those that they were made of.
    pub(crate) live_files_compared: u64,
    pub(crate) live_files_differing: u64,
    /// `none`, `succeeded` or `failed`.
    pub(crate) command: &'static str,
}

/// One item that is not as it should be.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct FindingText {
    pub(crate) message_type: &'static str,
    /// `lost`, `missing`, `content`, `metadata` or `live`.
    pub(crate) kind: &'static str,
    #[serde(flatten)]
    pub(crate) path: PathText,
    pub(crate) message: String,
    pub(crate) remedy: &'static str,
}

/// How a drill ended.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct DrillSummary {
    pub(crate) message_type: &'static str,
    pub(crate) snapshot_id: String,
    /// `passed` or `failed`.
    pub(crate) result: &'static str,
    #[serde(flatten)]
    pub(crate) figures: DrillFigures,
    /// Files that were changed since they were backed up, are gone, or could not be relied upon to be unchanged.
    pub(crate) live_files_passed_over: u64,
    /// Whether the repository now says what came of it.
    pub(crate) recorded: bool,
    /// Why it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) not_recorded_because: Option<String>,
    /// Where it was restored.
    pub(crate) folder: PathText,
    /// Whether that is still there because it was to stay.
    pub(crate) kept: bool,
    /// Seconds.
    pub(crate) restore_duration: f64,
    /// Seconds.
    pub(crate) compare_duration: f64,
}

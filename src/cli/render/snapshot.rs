//! One snapshot, as programs read it.

use super::drill::{figures, sample_text};
use super::json::{self, PathText, SnapshotSummary, moment};
use crate::cli::values::Moment;
use holdall::{LastDrill, Pin, Snapshot};

/// A snapshot as JSON shows it.
pub(crate) fn as_json(snapshot: &Snapshot) -> json::Snapshot {
    let origin = snapshot.origin.clone().unwrap_or_default();
    let paths: Vec<PathText> = origin.paths.iter().map(|path| PathText::new(path)).collect();
    let all_text = paths.iter().all(|path| path.path_b64.is_none());
    let counts = snapshot.counts();
    let pin = standing_pin(snapshot);
    let reasons = snapshot.components.iter().filter(|component| !component.reason.is_empty());
    json::Snapshot {
        time: moment(snapshot.time_ns),
        parent: origin.parent.map(|id| id.to_string()),
        paths_b64: (!all_text).then(|| origin.paths.iter().map(|path| json::base64(path)).collect()),
        paths: paths.into_iter().map(|path| path.path).collect(),
        hostname: lossy(&origin.host),
        username: lossy(&origin.user),
        tags: origin.tags.iter().map(|tag| lossy(tag)).collect(),
        program_version: lossy(&origin.program),
        summary: SnapshotSummary {
            total_files_processed: counts.files,
            total_bytes_processed: counts.bytes,
            errors: counts.unreadable.saturating_add(counts.inconsistent),
        },
        forgotten: snapshot.forgotten,
        pinned: pin.is_some(),
        pinned_until: pin.and_then(|pin| pin.until_ns).map(moment),
        drill: snapshot.drill.as_ref().map(drill_as_json),
        imported_from: origin.imported.map(|imported| imported.to_string()),
        repairs: snapshot.repairs.map(|id| id.to_string()),
        reasons: reasons.map(|component| lossy(&component.reason)).collect(),
        original: snapshot.copy_of.map(|first| first.snapshot.to_string()),
        state: if snapshot.is_partial() { "partial" } else { "complete" },
        id: snapshot.id.to_string(),
        short_id: snapshot.id.short(),
    }
}

/// What came of a drill, for programs.
pub(crate) fn drill_as_json(drill: &LastDrill) -> json::PastDrill {
    let verdict = drill.result.map(|result| result.has_passed());
    json::PastDrill {
        time: moment(drill.made_at_ns),
        result: verdict.map_or("unknown", |has_passed| if has_passed { "passed" } else { "failed" }),
        figures: drill.result.as_ref().map(figures),
    }
}

/// What came of a snapshot's last drill, in a few words.
pub(crate) fn drilled(drill: &LastDrill) -> String {
    match &drill.result {
        None => "drilled".to_owned(),
        Some(result) if !result.has_passed() => "drill failed".to_owned(),
        Some(result) => match sample_text(result.share_millionths) {
            Some(share) => format!("{share} drilled"),
            None => "drilled".to_owned(),
        },
    }
}

/// The pin that protects a snapshot now.
pub(crate) fn standing_pin(snapshot: &Snapshot) -> Option<Pin> {
    snapshot.pin.filter(|pin| pin.holds_at(Moment::now().time_ns))
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

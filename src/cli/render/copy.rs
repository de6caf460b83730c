//! What a copy would do, and did.

use super::json::moment;
use super::text;
use holdall::{CopyPlan, CopyReport, CopyWay, LackingSnapshot, PresentCopy, SnapshotId};
use serde::Serialize;

/// How many of the parts that can't be read are listed for each snapshot.
const PARTS_LISTED_MAX: usize = 20;

/// What would be copied.
pub(crate) fn plan_text(plan: &CopyPlan) -> String {
    let mut lines: Vec<String> = plan
        .to_copy
        .iter()
        .map(|snapshot| {
            let host = snapshot.origin.as_ref().map(|origin| text::printable(&origin.host)).unwrap_or_default();
            let (files, bytes) = (snapshot.counts().files, snapshot.counts().bytes);
            format!(
                "would copy snapshot {} of {} ({host}): {} and {}",
                snapshot.id.short(),
                text::time(snapshot.time_ns),
                text::counted(files, "file", "files"),
                text::bytes(bytes)
            )
        })
        .collect();
    lines.push(standing(plan.to_copy.len(), "would be copied", &plan.present, &plan.forgotten));
    if !plan.is_empty() {
        lines.push(match plan.way {
            CopyWay::CarryOver => "both repositories cut alike: chunks that are here are not read".to_owned(),
            CopyWay::CutAnew => {
                "they cut differently: what changed since the last copy is read and cut anew".to_owned()
            }
        });
    }
    lines.join("\n") + "\n"
}

fn standing(count: usize, what: &str, present: &[PresentCopy], forgotten: &[PresentCopy]) -> String {
    let mut line = format!("{} {what}", snapshots(count));
    if !present.is_empty() {
        line += &format!(", {} here already", text::count(length(present)));
    }
    if !forgotten.is_empty() {
        let count = text::count(length(forgotten));
        line += &format!(", {count} not again, because what was copied was forgotten (name them to copy them)");
    }
    line
}

/// What was copied.
pub(crate) fn report_text(report: &CopyReport) -> String {
    let copied = report.copied.iter().map(|copied| {
        let (source, copy) = (copied.source.short(), copied.copy.short());
        format!("snapshot {source} of {} copied as {copy}", text::time(copied.time_ns))
    });
    let mut lines: Vec<String> = copied.collect();
    let gone = report.gone.iter().map(|id| format!("snapshot {} was forgotten there meanwhile", id.short()));
    lines.extend(gone);
    lines.push(standing(report.copied.len(), "copied", &report.present, &report.forgotten));
    if !report.copied.is_empty() {
        lines.push(format!(
            "  added    {}, stored as {}, in {}",
            text::bytes(report.raw_bytes),
            text::bytes(report.stored_bytes),
            text::duration(report.duration.as_secs())
        ));
    }
    if !report.lacking.is_empty() {
        lines.push(format!("{} not copied: parts can't be read, as listed above", snapshots(report.lacking.len())));
    }
    lines.join("\n") + "\n"
}

/// What can't be read, snapshot by snapshot.
pub(crate) fn lacking_lines(report: &CopyReport) -> Vec<String> {
    report.lacking.iter().map(lacking_line).collect()
}

fn lacking_line(lacking: &LackingSnapshot) -> String {
    let mut lines = vec![format!(
        "snapshot {} of {} was not copied: {} can't be read",
        lacking.source.short(),
        text::time(lacking.time_ns),
        text::counted(lacking.parts.count(), "item", "items"),
    )];
    let parts = lacking.parts.iter().take(PARTS_LISTED_MAX);
    lines.extend(parts.map(|(part, why)| format!("  {}: {}", text::printable(part), text::printable_lines(why))));
    if lacking.parts.count() > u64::try_from(PARTS_LISTED_MAX).unwrap_or(u64::MAX) {
        lines.push("  and more; `holdall check` lists everything".to_owned());
    }
    lines.join("\n")
}

fn snapshots(count: usize) -> String {
    text::counted(u64::try_from(count).unwrap_or(u64::MAX), "snapshot", "snapshots")
}

fn length<T>(list: &[T]) -> u64 {
    u64::try_from(list.len()).unwrap_or(u64::MAX)
}

/// A copy for programs.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct CopySummary {
    message_type: &'static str,
    dry_run: bool,
    /// Those that were copied, or would be.
    snapshots_copied: Vec<Copied>,
    snapshots_present: Vec<Copied>,
    snapshots_forgotten: Vec<Copied>,
    /// Forgotten in the source while they were copied.
    snapshots_gone: Vec<String>,
    snapshots_damaged: Vec<Damaged>,
    data_added: u64,
    data_added_packed: u64,
    chunks_added: u64,
    total_duration: f64,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Copied {
    source_id: String,
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshot_id: Option<String>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Damaged {
    source_id: String,
    time: String,
    items_count: u64,
    items: Vec<Item>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Item {
    item: String,
    message: String,
}

impl Copied {
    fn new(source: SnapshotId, time_ns: i64, copy: Option<SnapshotId>) -> Self {
        let snapshot_id = copy.map(|id| id.to_string());
        Self { source_id: source.to_string(), time: moment(time_ns), snapshot_id }
    }

    fn all(present: &[PresentCopy]) -> Vec<Self> {
        present.iter().map(|one| Self::new(one.source, one.time_ns, Some(one.copy))).collect()
    }
}

impl CopySummary {
    /// What would be copied.
    pub(crate) fn of_plan(plan: &CopyPlan) -> Self {
        let to_copy = plan.to_copy.iter().map(|snapshot| Copied::new(snapshot.id, snapshot.time_ns, None)).collect();
        Self {
            dry_run: true,
            snapshots_copied: to_copy,
            snapshots_present: Copied::all(&plan.present),
            snapshots_forgotten: Copied::all(&plan.forgotten),
            ..Self::of(&CopyReport::default())
        }
    }

    /// What was copied.
    pub(crate) fn of(report: &CopyReport) -> Self {
        let copied = report.copied.iter();
        Self {
            message_type: "summary",
            dry_run: false,
            snapshots_copied: copied.map(|one| Copied::new(one.source, one.time_ns, Some(one.copy))).collect(),
            snapshots_present: Copied::all(&report.present),
            snapshots_forgotten: Copied::all(&report.forgotten),
            snapshots_gone: report.gone.iter().map(ToString::to_string).collect(),
            snapshots_damaged: report.lacking.iter().map(Damaged::of).collect(),
            data_added: report.raw_bytes,
            data_added_packed: report.stored_bytes,
            chunks_added: report.chunk_count,
            total_duration: report.duration.as_secs_f64(),
        }
    }
}

impl Damaged {
    fn of(lacking: &LackingSnapshot) -> Self {
        let item = |(part, why): &(Vec<u8>, String)| Item {
            item: String::from_utf8_lossy(part).into_owned(),
            message: why.clone(),
        };
        Self {
            source_id: lacking.source.to_string(),
            time: moment(lacking.time_ns),
            items_count: lacking.parts.count(),
            items: lacking.parts.iter().map(item).collect(),
        }
    }
}

//! What stays, what goes and why: for people as tables, for programs with restic's field names.

use super::json::{self, moment};
use super::snapshot::as_json;
use super::text::{self, Align};
use holdall::{
    Fate, Forecast, ForgetPlan, Goes, GroupKey, GroupPlan, Period, PinReport, PlacesLeft, SnapshotId, Stays,
    UndoReport, Verdict,
};
use serde::Serialize;
use std::collections::BTreeMap;

/// A group of snapshots, as `restic forget --json` shows it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Group {
    tags: Option<Vec<String>>,
    host: String,
    paths: Option<Vec<String>>,
    keep: Vec<json::Snapshot>,
    remove: Vec<json::Snapshot>,
    reasons: Vec<Reason>,
    /// Why the removed ones go, in the same order. restic has no such field.
    removals: Vec<Removal>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Reason {
    snapshot: json::Snapshot,
    matches: Vec<String>,
    counters: BTreeMap<&'static str, u32>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Removal {
    id: String,
    causes: Vec<String>,
}

/// What forgetting would free.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ForecastLine {
    message_type: &'static str,
    freed_bytes: u64,
    unused_bytes: u64,
}

/// What an undo did.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Undone {
    message_type: &'static str,
    restated: Vec<String>,
    not_forgotten: Vec<String>,
}

/// What a pin did.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Pinned {
    message_type: &'static str,
    pinned: Vec<String>,
    brought_back: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
}

/// What an unpin did.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Unpinned {
    message_type: &'static str,
    unpinned: Vec<String>,
}

/// The plan for programs.
pub(crate) fn groups(plan: &ForgetPlan) -> Vec<Group> {
    plan.groups.iter().map(group).collect()
}

fn group(plan: &GroupPlan) -> Group {
    let texts = |list: &Vec<Vec<u8>>| list.iter().map(|text| lossy(text)).collect();
    let mut group = Group {
        tags: plan.key.tags.as_ref().map(texts),
        host: plan.key.host.as_ref().map(|host| lossy(host)).unwrap_or_default(),
        paths: plan.key.paths.as_ref().map(texts),
        keep: Vec::new(),
        remove: Vec::new(),
        reasons: Vec::new(),
        removals: Vec::new(),
    };
    for Verdict { snapshot, fate, left } in &plan.verdicts {
        match fate {
            Fate::Stays(reasons) => {
                group.keep.push(as_json(snapshot));
                let matches = reasons.iter().map(stays_text).collect();
                group.reasons.push(Reason { snapshot: as_json(snapshot), matches, counters: counters(left) });
            }
            Fate::Goes(reasons) => {
                group.remove.push(as_json(snapshot));
                let causes = reasons.iter().map(goes_text).collect();
                group.removals.push(Removal { id: snapshot.id.to_string(), causes });
            }
        }
    }
    group
}

fn counters(left: &PlacesLeft) -> BTreeMap<&'static str, u32> {
    left.0.iter().filter(|(_, left)| *left > 0).map(|(period, left)| (period_name(*period), *left)).collect()
}

/// What would be freed.
pub(crate) fn forecast_text(forecast: Forecast) -> String {
    let already = match forecast.unused_bytes {
        0 => String::new(),
        bytes => format!("; {} more is unused already", text::bytes(bytes)),
    };
    format!("a prune could then free {}{already}\n", text::bytes(forecast.freed_bytes))
}

/// What would be freed, for programs.
pub(crate) const fn forecast(forecast: Forecast) -> ForecastLine {
    let Forecast { freed_bytes, unused_bytes } = forecast;
    ForecastLine { message_type: "forecast", freed_bytes, unused_bytes }
}

/// What an undo did, for programs.
pub(crate) fn undone(report: &UndoReport) -> Undone {
    Undone { message_type: "undone", restated: ids(&report.restated), not_forgotten: ids(&report.not_forgotten) }
}

/// What a pin did, for programs.
pub(crate) fn pinned(report: &PinReport, until_ns: Option<i64>) -> Pinned {
    let (pinned, brought_back) = (ids(&report.pinned), ids(&report.brought_back));
    Pinned { message_type: "pinned", pinned, brought_back, until: until_ns.map(moment) }
}

/// What an unpin did, for programs.
pub(crate) fn unpinned(unpinned: &[SnapshotId]) -> Unpinned {
    Unpinned { message_type: "unpinned", unpinned: ids(unpinned) }
}

fn ids(ids: &[SnapshotId]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

/// Snapshots, for people.
pub(crate) fn short_ids(ids: &[SnapshotId]) -> String {
    ids.iter().map(SnapshotId::short).collect::<Vec<_>>().join(", ")
}

/// The plan for people: a table for each group.
pub(crate) fn plan_text(plan: &ForgetPlan) -> String {
    let columns = [
        ("ID", Align::Left),
        ("Time", Align::Left),
        ("Tags", Align::Left),
        ("Size", Align::Right),
        ("", Align::Left),
        ("Why", Align::Left),
    ];
    let several_keys = plan.groups.windows(2).any(|pair| matches!(pair, [a, b] if a.key.signer != b.key.signer));
    let mut out = String::new();
    for group in &plan.groups {
        let rows: Vec<Vec<String>> = group.verdicts.iter().map(row).collect();
        out.push_str(&heading(&group.key, several_keys));
        out.push_str(&text::table(&columns, &rows));
        out.push('\n');
    }
    let all: usize = plan.groups.iter().map(|group| group.verdicts.len()).sum();
    let goes = plan.goes().count();
    let stays = u64::try_from(all.saturating_sub(goes)).unwrap_or(u64::MAX);
    let goes = u64::try_from(goes).unwrap_or(u64::MAX);
    let verbs = (if stays == 1 { "stays" } else { "stay" }, if goes == 1 { "goes" } else { "go" });
    out.push_str(&format!(
        "{} {}, {} {}\n",
        text::counted(stays, "snapshot", "snapshots"),
        verbs.0,
        text::count(goes),
        verbs.1
    ));
    out
}

fn heading(key: &GroupKey, several_keys: bool) -> String {
    let list = |items: &[Vec<u8>]| items.iter().map(|item| text::printable(item)).collect::<Vec<_>>().join(", ");
    let mut parts = Vec::new();
    parts.extend(key.host.as_ref().map(|host| format!("host {}", text::printable(host))));
    parts.extend(key.paths.as_ref().map(|paths| format!("paths {}", list(paths))));
    parts.extend(key.tags.as_ref().map(|tags| format!("tags {}", list(tags))));
    parts.extend(several_keys.then(|| format!("signed by {}", key.signer.short())));
    if parts.is_empty() { "all snapshots\n".to_owned() } else { format!("{}\n", parts.join("; ")) }
}

fn row(verdict: &Verdict) -> Vec<String> {
    let snapshot = &verdict.snapshot;
    let tags = snapshot.origin.as_ref().map_or(&[][..], |origin| &origin.tags);
    let tags: Vec<String> = tags.iter().map(|tag| text::printable(tag)).collect();
    let partial = if snapshot.is_partial() { " (partial)" } else { "" };
    let (fate, why) = match &verdict.fate {
        Fate::Stays(reasons) => ("stays", reasons.iter().map(stays_text).collect::<Vec<_>>()),
        Fate::Goes(reasons) => ("goes", reasons.iter().map(goes_text).collect()),
    };
    vec![
        snapshot.id.short(),
        text::time(snapshot.time_ns),
        tags.join(", "),
        text::bytes(snapshot.counts().bytes),
        fate.to_owned(),
        format!("{}{partial}", why.join("; ")),
    ]
}

/// Why a snapshot stays: in restic's words where restic has them.
fn stays_text(reason: &Stays) -> String {
    match reason {
        Stays::Counted(period) => format!("{} snapshot", period_name(*period)),
        Stays::Oldest(period) => format!("oldest {} snapshot", period_name(*period)),
        Stays::Within(Period::Last, span) => format!("within {span}"),
        Stays::Within(period, span) => format!("{} within {span}", period_name(*period)),
        Stays::OldestWithin(period, span) => format!("oldest {} within {span}", period_name(*period)),
        Stays::Tags(tags) => {
            let tags: Vec<String> = tags.iter().map(|tag| text::printable(tag)).collect();
            format!("has tags [{}]", tags.join(", "))
        }
        Stays::Id => "named".to_owned(),
        Stays::Pinned { until_ns: None } => "pinned".to_owned(),
        Stays::Pinned { until_ns: Some(until_ns) } => format!("pinned until {}", text::time(*until_ns)),
        Stays::LastOfGroup => "the last of its group".to_owned(),
        Stays::Corrects(damaged) => format!("all that is left of {}", damaged.short()),
        Stays::AheadOfClock => "committed ahead of this machine's clock; fills no place".to_owned(),
        Stays::Backwards => "committed before an earlier one of its client, by the clock; fills no place".to_owned(),
        Stays::Sealed => "this key can't read where it comes from; fills no place".to_owned(),
    }
}

/// Why a snapshot goes.
fn goes_text(reason: &Goes) -> String {
    match reason {
        Goes::Superseded { period, by } => format!("{} is newer of the same {}", by.short(), unit(*period)),
        Goes::Beyond { period, count } => format!("beyond {} {}", text::count((*count).into()), period_name(*period)),
        Goes::Older(span) => format!("not within {span}"),
        Goes::NotTagged => "not tagged".to_owned(),
        Goes::NotNamed => "not named".to_owned(),
        Goes::Named => "named".to_owned(),
    }
}

const fn period_name(period: Period) -> &'static str {
    match period {
        Period::Last => "last",
        Period::Hourly => "hourly",
        Period::Daily => "daily",
        Period::Weekly => "weekly",
        Period::Monthly => "monthly",
        Period::Yearly => "yearly",
    }
}

const fn unit(period: Period) -> &'static str {
    match period {
        Period::Last => "place",
        Period::Hourly => "hour",
        Period::Daily => "day",
        Period::Weekly => "week",
        Period::Monthly => "month",
        Period::Yearly => "year",
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

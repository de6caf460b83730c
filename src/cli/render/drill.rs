//! What a drill found, in words and figures.

use super::json::{DrillFigures, DrillSummary, FindingText, PathText};
use super::text;
use holdall::{
    DRILL_SHARE_WHOLE, DrillCommand, DrillConclusion, DrillFinding, DrillFindingKind, DrillPlan, DrillReport,
    DrillResult, DrillSample, Recorded,
};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A drill's figures for programs.
pub(crate) fn figures(result: &DrillResult) -> DrillFigures {
    DrillFigures {
        sample_percent: percent(result.share_millionths),
        seed: (result.share_millionths < DRILL_SHARE_WHOLE).then_some(result.seed),
        files_compared: result.file_count,
        others_compared: result.other_count,
        bytes_compared: result.bytes,
        items_differing: result.differing_count,
        items_left: result.left_count,
        live_files_compared: result.live_file_count,
        live_files_differing: result.live_differing_count,
        command: match result.command {
            DrillCommand::None => "none",
            DrillCommand::Succeeded => "succeeded",
            DrillCommand::Failed => "failed",
        },
    }
}

/// A share in percent.
pub(crate) fn percent(share_millionths: u32) -> f64 {
    f64::from(share_millionths) * 100.0 / f64::from(DRILL_SHARE_WHOLE)
}

/// `5 %`, `0.25 %`; none for all.
pub(crate) fn sample_text(share_millionths: u32) -> Option<String> {
    if share_millionths >= DRILL_SHARE_WHOLE {
        return None;
    }
    let (whole, decimals) = (share_millionths / 10_000, share_millionths % 10_000);
    let decimals = format!("{decimals:04}");
    let decimals = decimals.trim_end_matches('0');
    Some(if decimals.is_empty() { format!("{whole} %") } else { format!("{whole}.{decimals} %") })
}

/// What is going to be restored.
pub(crate) fn plan_text(plan: &DrillPlan, sample: DrillSample) -> String {
    let share = sample_text(sample.millionths()).unwrap_or_else(|| "all".to_owned());
    let seed = plan.seed.map_or_else(String::new, |seed| format!(", seed {seed}"));
    format!(
        "drilling {share} of snapshot {}, {} and {}{seed}\n",
        plan.snapshot.id.short(),
        text::counted(plan.file_count, "file", "files"),
        text::bytes(plan.bytes),
    )
}

/// A finding for programs.
pub(crate) fn finding(found: &DrillFinding) -> FindingText {
    let (kind, _, remedy) = words(found.kind);
    let path = PathText::new(found.path.as_os_str().as_bytes());
    FindingText { message_type: "finding", kind, path, message: found.message.clone(), remedy }
}

/// A finding for people; with the folder in which what was restored stays.
pub(crate) fn finding_text(found: &DrillFinding, folder: Option<&Path>) -> String {
    let (_, title, remedy) = words(found.kind);
    let path = found.path.as_os_str().as_bytes();
    let mut lines = vec![format!("{title}: {}", text::printable(path)), format!("  what   {}", found.message)];
    let below = found.path.strip_prefix("/").unwrap_or(&found.path);
    let place = folder.map(|folder| folder.join(below));
    lines.extend(place.map(|place| format!("  copy   {}", text::printable(place.as_os_str().as_bytes()))));
    lines.push(format!("  remedy {remedy}"));
    format!("{}\n", text::printable_lines(&lines.join("\n")))
}

/// What a kind of finding is called by programs and by people, and what to do about it.
const fn words(kind: DrillFindingKind) -> (&'static str, &'static str, &'static str) {
    let again = "drill again with another --target; if it differs there too, run `holdall check --read-data`";
    match kind {
        DrillFindingKind::Lost => {
            ("lost", "lost", "`holdall check --read-data` lists what is damaged and which repair helps")
        }
        DrillFindingKind::Missing => ("missing", "missing", again),
        DrillFindingKind::Content => ("content", "differs", again),
        DrillFindingKind::Metadata => ("metadata", "other metadata", again),
        DrillFindingKind::Live => {
            ("live", "live file differs", "compare it with what `holdall restore` brings: one of them has rotted")
        }
        _ => ("other", "differs", again),
    }
}

/// How a drill ended, for programs.
pub(crate) fn summary(conclusion: &DrillConclusion) -> DrillSummary {
    let report = &conclusion.report;
    let not_recorded_because = match &conclusion.recorded {
        Recorded::Stated => None,
        Recorded::Not(error) => Some(error.to_string()),
    };
    DrillSummary {
        message_type: "summary",
        snapshot_id: report.snapshot.to_string(),
        result: if report.result.has_passed() { "passed" } else { "failed" },
        figures: figures(&report.result),
        live_files_passed_over: report.live_passed_over_count,
        recorded: not_recorded_because.is_none(),
        not_recorded_because,
        folder: PathText::new(report.folder.as_os_str().as_bytes()),
        kept: conclusion.kept,
        restore_duration: report.restore_duration.as_secs_f64(),
        compare_duration: report.compare_duration.as_secs_f64(),
    }
}

/// How a drill ended, for people.
pub(crate) fn conclusion_text(conclusion: &DrillConclusion) -> String {
    let DrillConclusion { report, recorded, kept, .. } = conclusion;
    let result = &report.result;
    let folder = text::printable(report.folder.as_os_str().as_bytes());
    let mut text = format!(
        "read back {}, {} and {}, restored in {} and compared in {}\n",
        text::counted(result.file_count, "file", "files"),
        text::counted(result.other_count, "other item", "other items"),
        text::bytes(result.bytes),
        text::duration(report.restore_duration.as_secs()),
        text::duration(report.compare_duration.as_secs()),
    );
    let live = result.live_file_count.saturating_add(report.live_passed_over_count);
    if live > 0 {
        let compared = text::counted(result.live_file_count, "live file", "live files");
        let changed = text::count(report.live_passed_over_count);
        text.push_str(&format!("{compared} compared, {changed} passed over: changed since, gone or too new to tell\n"));
    }
    if result.left_count > 0 {
        let items = text::counted(result.left_count, "item", "items");
        text.push_str(&format!("{items} not restored in full, for reasons of this place or of the snapshot\n"));
    }
    if *kept {
        text.push_str(&format!("what was restored stays in {folder}\n"));
    }
    let evidence = if matches!(recorded, Recorded::Stated) { "; this is recorded in the repository" } else { "" };
    text.push_str(&format!("{}{evidence}\n", verdict(report)));
    text
}

fn verdict(report: &DrillReport) -> String {
    let result = &report.result;
    if result.has_passed() {
        let command = if result.command == DrillCommand::Succeeded { ", and the command succeeded" } else { "" };
        return format!("passed: nothing differs{command}");
    }
    let mut wrong = Vec::new();
    if result.differing_count > 0 {
        wrong.push(format!("{} of the snapshot", text::counted(result.differing_count, "finding", "findings")));
    }
    if result.live_differing_count > 0 {
        wrong.push(format!("{} differing", text::counted(result.live_differing_count, "live file", "live files")));
    }
    if result.command == DrillCommand::Failed {
        wrong.push("the command failed".to_owned());
    }
    format!("failed: {}", wrong.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_shown_without_needless_decimals() {
        let cases = [(50_000, Some("5 %")), (2_500, Some("0.25 %")), (1, Some("0.0001 %")), (999_900, Some("99.99 %"))];
        for (share, text) in cases.into_iter().chain([(1_000_000, None)]) {
            assert_eq!(sample_text(share).as_deref(), text);
        }
    }
}

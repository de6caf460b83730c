//! `holdall repair snapshots`

use crate::cli::arguments::RepairSnapshotsArguments;
use crate::cli::context::{Access, Context};
use crate::cli::failure::{Failure, exit};
use crate::cli::render::json::moment;
use crate::cli::render::progress::Display;
use crate::cli::render::text;
use crate::cli::stop::Stop;
use holdall::{Missing, RepairOptions, SnapshotId, SnapshotRepair};
use serde::Serialize;
use std::path::PathBuf;

/// How many of each kind of what is missing are shown; all are in the output for programs.
const SHOWN_MAX: usize = 20;

pub(crate) fn run(context: &Context<'_>, arguments: &RepairSnapshotsArguments) -> Result<u8, Failure> {
    let access = if arguments.dry_run { Access::Read } else { Access::Write };
    let repository = context.open(access)?;
    let stop = Stop::listen()?;
    let failed = |error: holdall::Error| Failure::from(error).with_interrupt_code(stop.exit_code());
    let display = Display::of_a_check(context.renderer, stop.clone());
    let done = if arguments.dry_run {
        let plan = repository.plan_repair_snapshots(&display).map_err(failed)?;
        let (repaired, beyond, notices) = (plan.repaired, plan.beyond, plan.notices);
        Done { is_dry: true, new: plan.damaged, repaired, beyond, notices, behind: Vec::new() }
    } else {
        let options = RepairOptions::default().writer(context.writer());
        let report = repository.repair_snapshots(&options, &display).map_err(failed)?;
        let (repaired, beyond, notices) = (report.repaired, report.beyond, report.notices);
        Done { is_dry: false, new: report.made, repaired, beyond, notices, behind: report.behind }
    };
    drop(display);
    done.notices.iter().chain(&done.behind).for_each(|notice| context.renderer.notice(notice));
    context.renderer.print(&done.text());
    context.renderer.json(&Summary::of(&done));
    Ok(if done.is_left_over() { exit::DAMAGED } else { exit::DONE })
}

/// What was found and made.
struct Done {
    is_dry: bool,
    /// Those that were made, or are to be.
    new: Vec<SnapshotRepair>,
    repaired: Vec<SnapshotRepair>,
    beyond: Vec<SnapshotId>,
    notices: Vec<String>,
    /// What this machine could not note of it.
    behind: Vec<String>,
}

impl Done {
    fn is_left_over(&self) -> bool {
        (self.is_dry && !self.new.is_empty()) || !self.beyond.is_empty() || !self.notices.is_empty()
    }

    fn text(&self) -> String {
        let mut lines = Vec::new();
        for repair in &self.new {
            lines.push(format!("damaged: snapshot {} of {}", repair.damaged.short(), text::time(repair.time_ns)));
            missing_lines(&repair.missing, &mut lines);
            if let Some(corrected) = repair.corrected {
                lines.push(format!("  made   snapshot {} beside it", corrected.short()));
            }
        }
        for repair in &self.repaired {
            let corrected = repair.corrected.map(|id| id.short()).unwrap_or_default();
            lines.push(format!("snapshot {} stands beside damaged snapshot {}", corrected, repair.damaged.short()));
        }
        lines.extend(self.beyond.iter().map(|id| format!("nothing is left of snapshot {}", id.short())));
        lines.push(self.last_line());
        lines.extend(self.way_on());
        text::printable_lines(&lines.join("\n")) + "\n"
    }

    /// What has to be forgotten: a prune can't tell what a damaged snapshot needs, and frees nothing while it is there.
    fn way_on(&self) -> Option<String> {
        let repairs = self.new.iter().chain(&self.repaired).filter(|repair| repair.corrected.is_some());
        let mut damaged: Vec<String> = repairs.map(|repair| repair.damaged.short()).collect();
        damaged.extend(self.beyond.iter().map(SnapshotId::short));
        let which = if damaged.len() == 1 { "it is" } else { "they are" };
        let command = format!("holdall forget {}", damaged.join(" "));
        (!damaged.is_empty()).then(|| format!("no prune frees anything until {which} forgotten: {command}"))
    }

    fn last_line(&self) -> String {
        let count = text::counted(u64::try_from(self.new.len()).unwrap_or(u64::MAX), "snapshot", "snapshots");
        match (self.new.len(), self.is_dry) {
            (0, _) if self.repaired.is_empty() && self.beyond.is_empty() => "no snapshot misses anything".to_owned(),
            (0, _) => "nothing is to be made".to_owned(),
            (_, true) => format!("{count} to be made; the damaged ones stay"),
            (_, false) => format!("{count} made; the damaged ones stay"),
        }
    }
}

fn missing_lines(missing: &Missing, lines: &mut Vec<String>) {
    let shown = |path: &PathBuf| path.display().to_string();
    let ranges: Vec<String> = missing.ranges.iter().map(|range| format!("whatever lay {range}")).collect();
    let files: Vec<String> = missing.files.iter().map(shown).collect();
    let bare: Vec<String> = missing.bare.iter().map(|path| format!("extended attributes of {}", shown(path))).collect();
    for (named, count) in
        [(ranges, missing.ranges.count()), (files, missing.files.count()), (bare, missing.bare.count())]
    {
        lines.extend(named.iter().take(SHOWN_MAX).map(|one| format!("  lacks  {one}")));
        let more = count.saturating_sub(u64::try_from(named.len().min(SHOWN_MAX)).unwrap_or(u64::MAX));
        if more > 0 {
            lines.push(format!("  lacks  {} more", text::count(more)));
        }
    }
    if missing.stat_tree_count > 0 {
        lines.push("  lacks  what the next backup goes by, which reads everything".to_owned());
    }
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(in crate::cli) struct Summary {
    message_type: &'static str,
    dry_run: bool,
    snapshots_damaged: Vec<Repair>,
    snapshots_repaired: Vec<Repair>,
    snapshots_beyond: Vec<String>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(in crate::cli) struct Repair {
    snapshot_id: String,
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    corrected_id: Option<String>,
    files_lost: u64,
    files: Vec<String>,
    files_without_attributes: u64,
    ranges_lost: Vec<String>,
}

impl Summary {
    fn of(done: &Done) -> Self {
        let repairs = |list: &[SnapshotRepair]| list.iter().map(Repair::of).collect();
        Self {
            message_type: "summary",
            dry_run: done.is_dry,
            snapshots_damaged: repairs(&done.new),
            snapshots_repaired: repairs(&done.repaired),
            snapshots_beyond: done.beyond.iter().map(ToString::to_string).collect(),
        }
    }
}

impl Repair {
    fn of(repair: &SnapshotRepair) -> Self {
        let missing = &repair.missing;
        Self {
            snapshot_id: repair.damaged.to_string(),
            time: moment(repair.time_ns),
            corrected_id: repair.corrected.map(|id| id.to_string()),
            files_lost: missing.files.count(),
            files: missing.files.iter().map(|path| path.display().to_string()).collect(),
            files_without_attributes: missing.bare.count(),
            ranges_lost: missing.ranges.to_vec(),
        }
    }
}

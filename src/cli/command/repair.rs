//! `holdall repair`

pub(super) mod packs;
pub(super) mod snapshots;

use crate::cli::arguments::{RepairArguments, RepairCommand, RepairIndexArguments};
use crate::cli::context::{Access, Context};
use crate::cli::failure::{Failure, exit};
use crate::cli::render::progress::Display;
use crate::cli::render::text;
use crate::cli::stop::Stop;
use holdall::{AsideReport, IndexRepairPlan, IndexRepairReport, LostObject, RepairOptions};
use serde::Serialize;

pub(crate) fn run(context: &Context<'_>, arguments: &RepairArguments) -> Result<u8, Failure> {
    match &arguments.command {
        RepairCommand::Index(arguments) => index(context, arguments),
        RepairCommand::Packs(arguments) => packs::run(context, arguments),
        RepairCommand::Snapshots(arguments) => snapshots::run(context, arguments),
    }
}

fn index(context: &Context<'_>, arguments: &RepairIndexArguments) -> Result<u8, Failure> {
    let access = if arguments.dry_run { Access::Read } else { Access::Write };
    let mut repository = context.open(access)?;
    let stop = Stop::listen()?;
    let failed = |error: holdall::Error| Failure::from(error).with_interrupt_code(stop.exit_code());
    let display = Display::of_a_check(context.renderer, stop.clone());
    let plan = repository.plan_repair_index(&display).map_err(failed)?;
    if arguments.dry_run {
        drop(display);
        plan.notices.iter().for_each(|notice| context.renderer.notice(notice));
        context.renderer.print(&plan_text(&plan));
        context.renderer.json(&IndexSummary::planned(&plan));
        return Ok(if plan.notices.is_empty() { exit::DONE } else { exit::DAMAGED });
    }
    let options = RepairOptions::default().writer(context.writer());
    let report = repository.repair_index(&options, &display);
    drop(display);
    let report = report.map_err(failed)?;
    report.notices.iter().chain(&report.behind).for_each(|notice| context.renderer.notice(notice));
    context.renderer.print(&plan_text(&plan));
    context.renderer.say(&report_text(&report));
    context.renderer.json(&IndexSummary::performed(&plan, &report));
    Ok(if report.notices.is_empty() && report.set_aside.is_empty() { exit::DONE } else { exit::DAMAGED })
}

/// What is wrong; the same before a repair and without one.
fn plan_text(plan: &IndexRepairPlan) -> String {
    if plan.is_empty() {
        return "nothing is lost of the index\n".to_owned();
    }
    let lost = plan.lost_control.iter().chain(&plan.lost_segments);
    let mut lines: Vec<String> = lost.map(|lost| format!("lost: {}\n  what   {}", lost.object, lost.wrong)).collect();
    if plan.unlisted_pack_count > 0 {
        let packs = text::counted(plan.unlisted_pack_count, "pack", "packs");
        lines.push(format!("unlisted: {packs} to be read, {}", text::bytes(plan.unlisted_bytes)));
    }
    if plan.healed_pack_count > 0 {
        let packs = text::counted(plan.healed_pack_count, "pack", "packs");
        lines.push(format!("healed: {packs} that had been set aside"));
    }
    text::printable_lines(&lines.join("\n")) + "\n"
}

fn report_text(report: &IndexRepairReport) -> String {
    let mut lines = aside_lines(&report.set_aside);
    lines.push(format!(
        "brought back {}, healed {} from second copies, replaced {}, and listed {} in {}",
        text::counted(report.healed_control_count, "control object", "control objects"),
        text::counted(report.healed_segment_count, "segment", "segments"),
        text::counted(report.replaced_segment_count, "segment", "segments"),
        text::counted(report.listed_pack_count, "pack", "packs"),
        text::duration(report.duration.as_secs())
    ));
    if !report.set_aside.is_empty() {
        lines.push("what can't be read is not counted on any more; `holdall check` says what it touches".to_owned());
    }
    text::printable_lines(&lines.join("\n")) + "\n"
}

fn aside_lines(packs: &[AsideReport]) -> Vec<String> {
    let line = |pack: &AsideReport| {
        let copied = text::counted(pack.copied_chunk_count, "chunk", "chunks");
        format!(
            "set aside: {}\n  what   {}\n  saved  {copied} of which there was no other copy",
            pack.object, pack.wrong
        )
    };
    packs.iter().map(line).collect()
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(in crate::cli) struct IndexSummary {
    message_type: &'static str,
    dry_run: bool,
    lost_control_objects: Vec<Lost>,
    lost_segments: Vec<Lost>,
    packs_unlisted: u64,
    bytes_unlisted: u64,
    packs_healed: u64,
    control_objects_healed: u64,
    segments_healed: u64,
    segments_replaced: u64,
    packs_listed: u64,
    packs_set_aside: Vec<Aside>,
    bytes_written: u64,
    total_duration: f64,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(in crate::cli) struct Lost {
    object: String,
    message: String,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(in crate::cli) struct Aside {
    object: String,
    message: String,
    chunks_copied: u64,
}

impl Aside {
    fn of(pack: &AsideReport) -> Self {
        Self { object: pack.object.clone(), message: pack.wrong.clone(), chunks_copied: pack.copied_chunk_count }
    }
}

impl IndexSummary {
    fn planned(plan: &IndexRepairPlan) -> Self {
        Self { dry_run: true, ..Self::performed(plan, &IndexRepairReport::default()) }
    }

    fn performed(plan: &IndexRepairPlan, report: &IndexRepairReport) -> Self {
        let told = |lost: &[LostObject]| {
            lost.iter().map(|lost| Lost { object: lost.object.clone(), message: lost.wrong.clone() }).collect()
        };
        Self {
            message_type: "summary",
            dry_run: false,
            lost_control_objects: told(&plan.lost_control),
            lost_segments: told(&plan.lost_segments),
            packs_unlisted: plan.unlisted_pack_count,
            bytes_unlisted: plan.unlisted_bytes,
            packs_healed: plan.healed_pack_count,
            control_objects_healed: report.healed_control_count,
            segments_healed: report.healed_segment_count,
            segments_replaced: report.replaced_segment_count,
            packs_listed: report.listed_pack_count,
            packs_set_aside: report.set_aside.iter().map(Aside::of).collect(),
            bytes_written: report.written_bytes,
            total_duration: report.duration.as_secs_f64(),
        }
    }
}

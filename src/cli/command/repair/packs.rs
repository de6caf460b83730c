//! `holdall repair packs`

use super::{Aside, Lost, aside_lines};
use crate::cli::arguments::RepairPacksArguments;
use crate::cli::context::{Access, Context};
use crate::cli::failure::{Failure, exit};
use crate::cli::render::progress::Display;
use crate::cli::render::text;
use crate::cli::stop::Stop;
use holdall::{LostObject, PackRepairPlan, PackRepairReport, RepairOptions, Repository};
use serde::Serialize;

const UNREAD: &str = "it is passed over, and nothing of it is given up; let a user who may read it run this";

pub(crate) fn run(context: &Context<'_>, arguments: &RepairPacksArguments) -> Result<u8, Failure> {
    let access = if arguments.dry_run { Access::Read } else { Access::Write };
    let repository = context.open(access)?;
    let other = crate::cli::command::copy::from(context, &arguments.other)?;
    let stop = Stop::listen()?;
    let failed = |error: holdall::Error| Failure::from(error).with_interrupt_code(stop.exit_code());
    let display = Display::of_a_check(context.renderer, stop.clone());
    let plan = repository.plan_repair_packs(&display).map_err(failed)?;
    let planned = Planned::of(&plan);
    if arguments.dry_run || plan.is_empty() {
        drop(display);
        plan.notices.iter().for_each(|notice| context.renderer.notice(notice));
        context.renderer.print(&planned.text);
        let summary = planned.summary(&PackRepairReport::default());
        context.renderer.json(&PacksSummary { dry_run: arguments.dry_run, ..summary });
        let is_done = plan.is_empty() && plan.notices.is_empty() && plan.unread.is_empty();
        return Ok(if is_done { exit::DONE } else { exit::DAMAGED });
    }
    // Not all that is told: what nothing was found in has harmed nobody.
    let is_hindered = !plan.notices.is_empty() || !plan.unread.is_empty();
    let options = RepairOptions::default().writer(context.writer());
    let options = arguments.from.iter().fold(options, RepairOptions::from_path);
    let others: Vec<&Repository> = other.iter().collect();
    let report = repository.repair_packs(plan, &options, &others, &display);
    drop(display);
    let report = report.map_err(failed)?;
    report.notices.iter().chain(&report.behind).for_each(|notice| context.renderer.notice(notice));
    context.renderer.print(&planned.text);
    context.renderer.say(&report_text(&report));
    context.renderer.json(&planned.summary(&report));
    Ok(if report.lost_chunk_count == 0 && !is_hindered { exit::DONE } else { exit::DAMAGED })
}

/// What a plan says, kept beyond it.
struct Planned {
    text: String,
    packs: Vec<(String, String)>,
    unread: Vec<(String, String)>,
    lost_chunks: u64,
    lost_nodes: u64,
}

impl Planned {
    fn of(plan: &PackRepairPlan) -> Self {
        let named = |packs: &[LostObject]| packs.iter().map(|pack| (pack.object.clone(), pack.wrong.clone())).collect();
        let (packs, unread) = (named(&plan.packs), named(&plan.unread));
        let (lost_chunks, lost_nodes) = (plan.lost_chunk_count, plan.lost_node_count);
        Self { text: plan_text(plan), packs, unread, lost_chunks, lost_nodes }
    }

    fn summary(&self, report: &PackRepairReport) -> PacksSummary {
        let lost = |(object, message): &(String, String)| Lost { object: object.clone(), message: message.clone() };
        PacksSummary {
            message_type: "summary",
            dry_run: false,
            packs_damaged: self.packs.iter().map(lost).collect(),
            packs_unread: self.unread.iter().map(lost).collect(),
            chunks_lost: self.lost_chunks,
            nodes_lost: self.lost_nodes,
            packs_healed: report.healed.iter().map(|pack| pack.object.clone()).collect(),
            packs_set_aside: report.set_aside.iter().map(Aside::of).collect(),
            chunks_found: report.found_chunk_count,
            chunks_still_lost: report.lost_chunk_count,
            bytes_written: report.written_bytes,
            total_duration: report.duration.as_secs_f64(),
        }
    }
}

fn plan_text(plan: &PackRepairPlan) -> String {
    if plan.is_empty() && plan.unread.is_empty() {
        return "every pack is whole, and nothing is lost\n".to_owned();
    }
    let damaged = plan.packs.iter().map(|pack| format!("damaged: {}\n  what   {}", pack.object, pack.wrong));
    let unread = plan.unread.iter().map(|pack| {
        format!("not read: {}\n  what   this user may not read it: {}\n  remedy {UNREAD}", pack.object, pack.wrong)
    });
    let mut lines: Vec<String> = damaged.chain(unread).collect();
    if plan.is_empty() {
        lines.push("every other pack is whole, and nothing is known to be lost".to_owned());
        return text::printable_lines(&lines.join("\n")) + "\n";
    }
    lines.push(format!(
        "lost: {} of content and {}, of which no whole copy is left here",
        text::counted(plan.lost_chunk_count, "chunk", "chunks"),
        text::counted(plan.lost_node_count, "tree node", "tree nodes"),
    ));
    text::printable_lines(&lines.join("\n")) + "\n"
}

fn report_text(report: &PackRepairReport) -> String {
    let healed = report.healed.iter().map(|pack| format!("healed: {}\n  how    {}", pack.object, pack.cure));
    let mut lines: Vec<String> = healed.chain(aside_lines(&report.set_aside)).collect();
    lines.push(format!(
        "stored {} anew, found elsewhere, in {}",
        text::counted(report.found_chunk_count, "chunk", "chunks"),
        text::duration(report.duration.as_secs()),
    ));
    lines.push(match report.lost_chunk_count {
        0 => "nothing is lost any more".to_owned(),
        count => format!(
            "{} still lost; `holdall check` says what that touches, and a backup that still has it stores it again",
            if count == 1 { "1 chunk is".to_owned() } else { format!("{} chunks are", text::count(count)) },
        ),
    });
    text::printable_lines(&lines.join("\n")) + "\n"
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(in crate::cli) struct PacksSummary {
    message_type: &'static str,
    dry_run: bool,
    packs_damaged: Vec<Lost>,
    /// Packs that this user may not read: nothing of them is given up.
    packs_unread: Vec<Lost>,
    chunks_lost: u64,
    nodes_lost: u64,
    packs_healed: Vec<String>,
    packs_set_aside: Vec<Aside>,
    chunks_found: u64,
    chunks_still_lost: u64,
    bytes_written: u64,
    total_duration: f64,
}

//! `holdall mirror`

use crate::cli::arguments::MirrorArguments;
use crate::cli::context::{Context, require_folder};
use crate::cli::failure::{Failure, exit};
use crate::cli::render::progress::Display;
use crate::cli::render::text;
use crate::cli::stop::Stop;
use holdall::{MirrorDepth, MirrorReport, Repository};
use serde::Serialize;

pub(crate) fn run(context: &Context<'_>, arguments: &MirrorArguments) -> Result<u8, Failure> {
    let from = context.repository_path()?;
    require_folder(&from)?;
    let depth = if arguments.dry_run { MirrorDepth::Compare } else { MirrorDepth::Copy };
    let stop = Stop::listen()?;
    let display = Display::of_a_check(context.renderer, stop.clone());
    let report = Repository::mirror(&from, &arguments.to, depth, &display);
    drop(display);
    let report = report.map_err(|error| Failure::from(error).with_interrupt_code(stop.exit_code()))?;
    for damage in &report.damage {
        let line = format!("damaged: {}\n  what   {}", damage.object, damage.wrong);
        context.renderer.print(&(text::printable_lines(&line) + "\n"));
        context.renderer.json(&Damage { message_type: "damage", object: &damage.object, message: &damage.wrong });
    }
    context.renderer.say(&summary_text(&report, arguments.dry_run));
    context.renderer.json(&summary(&report, arguments.dry_run));
    Ok(if report.damage_count == 0 { exit::DONE } else { exit::DAMAGED })
}

fn summary_text(report: &MirrorReport, is_dry: bool) -> String {
    let objects = |count| text::counted(count, "object", "objects");
    let copied = if is_dry { "would be copied" } else { "copied" };
    let mut lines = vec![format!(
        "{} {copied}, {}, in {}",
        objects(report.copied_count),
        text::bytes(report.copied_bytes),
        text::duration(report.duration.as_secs())
    )];
    if report.healed_count > 0 {
        lines.push(format!("{} of the mirror were damaged and are right now", objects(report.healed_count)));
    }
    if report.extra_count > 0 {
        lines.push(format!("{} stay in the mirror that the repository has no more", objects(report.extra_count)));
    }
    if report.damage_count > 0 {
        lines.push(format!(
            "{} damaged in the repository, listed above; `holdall scrub --repair` heals what can be healed",
            if report.damage_count == 1 {
                "1 object is".to_owned()
            } else {
                format!("{} are", objects(report.damage_count))
            }
        ));
    }
    lines.join("\n") + "\n"
}

fn summary(report: &MirrorReport, is_dry: bool) -> MirrorSummary {
    MirrorSummary {
        message_type: "summary",
        dry_run: is_dry,
        objects_copied: report.copied_count,
        bytes_copied: report.copied_bytes,
        objects_healed: report.healed_count,
        objects_extra: report.extra_count,
        objects_damaged: report.damage_count,
        total_duration: report.duration.as_secs_f64(),
    }
}

/// An object that is damaged in the repository.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Damage<'a> {
    message_type: &'static str,
    object: &'a str,
    message: &'a str,
}

/// A mirror run for programs.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct MirrorSummary {
    message_type: &'static str,
    dry_run: bool,
    objects_copied: u64,
    bytes_copied: u64,
    objects_healed: u64,
    objects_extra: u64,
    objects_damaged: u64,
    total_duration: f64,
}

//! `holdall check`

use crate::cli::arguments::CheckArguments;
use crate::cli::context::{Access, Context};
use crate::cli::failure::{Failure, exit};
use crate::cli::render::json::{CheckSummary, DamageReport, PathText};
use crate::cli::render::progress::Display;
use crate::cli::render::text;
use crate::cli::stop::Stop;
use holdall::{CheckDepth, CheckReport, Damage};
use std::os::unix::ffi::OsStrExt;

/// How many files and snapshots of one damage people are shown; programs get all that were kept.
const SHOWN_COUNT_MAX: usize = 20;

pub(crate) fn run(context: &Context<'_>, arguments: &CheckArguments) -> Result<u8, Failure> {
    let repository = context.open(Access::Read)?;
    let depth = if arguments.read_data { CheckDepth::Data } else { CheckDepth::Structure };
    let stop = Stop::listen()?;

    let display = Display::of_a_check(context.renderer, stop.clone());
    let report = repository.check(depth, &display);
    drop(display);
    let report = report.map_err(|error| Failure::from(error).with_interrupt_code(stop.exit_code()))?;

    report.notices.iter().for_each(|notice| context.renderer.notice(notice));
    for damage in &report.damage {
        context.renderer.print(&damage_text(damage));
        context.renderer.json(&damage_report(damage));
    }
    context.renderer.say(&summary_text(&report));
    context.renderer.json(&summary(&report));
    Ok(if report.damage_count == 0 { exit::DONE } else { exit::DAMAGED })
}

fn summary(report: &CheckReport) -> CheckSummary {
    CheckSummary {
        message_type: "summary",
        num_errors: report.damage_count,
        snapshots: u64::try_from(report.snapshot_count).unwrap_or(u64::MAX),
        packs: report.pack_count,
        unlisted_packs: report.unlisted_pack_count,
        nodes: report.node_count,
        chunk_references: report.chunk_reference_count,
        bytes_read: report.read_bytes,
        total_duration: report.duration.as_secs_f64(),
    }
}

fn summary_text(report: &CheckReport) -> String {
    let snapshots = u64::try_from(report.snapshot_count).unwrap_or(u64::MAX);
    let mut text = format!(
        "checked {}, {}, {} and {} in {}\n",
        text::counted(snapshots, "snapshot", "snapshots"),
        text::counted(report.pack_count, "pack", "packs"),
        text::counted(report.node_count, "tree node", "tree nodes"),
        text::counted(report.chunk_reference_count, "chunk reference", "chunk references"),
        text::duration(report.duration.as_secs()),
    );
    if report.read_bytes > 0 {
        let rate = text::rate(report.read_bytes, report.duration);
        text.push_str(&format!("read {} of packs ({rate})\n", text::bytes(report.read_bytes)));
    }
    text.push_str(&match report.damage_count {
        0 => "no damage found\n".to_owned(),
        count => format!("{} found, listed above\n", text::counted(count, "damage", "damages")),
    });
    text
}

fn damage_text(damage: &Damage) -> String {
    let place = if damage.place.is_empty() { String::new() } else { format!(", {}", damage.place) };
    let mut lines = vec![format!("damaged: {}{place}", damage.object), format!("  what   {}", damage.wrong)];
    let some = |label: &str, items: Vec<String>, count: u64| {
        let shown = items.iter().take(SHOWN_COUNT_MAX);
        let mut lines: Vec<String> = shown.map(|item| format!("  {label:<6} {item}")).collect();
        let more = count.saturating_sub(u64::try_from(lines.len()).unwrap_or(u64::MAX));
        if more > 0 {
            lines.push(format!("  {label:<6} and {} more", text::count(more)));
        }
        lines
    };
    let snapshots: Vec<String> = damage.snapshots.iter().map(|id| format!("snapshot {}", id.short())).collect();
    let snapshot_count = u64::try_from(snapshots.len()).unwrap_or(u64::MAX);
    lines.extend(some("hits", snapshots, snapshot_count));
    let files = damage.files.iter().map(|path| text::printable(path.as_os_str().as_bytes())).collect();
    lines.extend(some("hits", files, damage.file_count));
    if !damage.remedy.is_empty() {
        lines.push(format!("  remedy {}", damage.remedy));
    }
    format!("{}\n", text::printable_lines(&lines.join("\n")))
}

fn damage_report(damage: &Damage) -> DamageReport {
    DamageReport {
        message_type: "damage",
        object: damage.object.clone(),
        place: Some(damage.place.clone()).filter(|place| !place.is_empty()),
        message: damage.wrong.clone(),
        snapshots: damage.snapshots.iter().map(ToString::to_string).collect(),
        files: damage.files.iter().map(|path| PathText::new(path.as_os_str().as_bytes())).collect(),
        file_count: damage.file_count,
        remedy: damage.remedy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn a_damage_says_what_it_hits_and_what_to_do() {
        let files = (0..25).map(|number| PathBuf::from(format!("/f{number:02}\n")));
        let damage = Damage {
            object: "packs/ab/abc".to_owned(),
            place: "frame 3".to_owned(),
            wrong: "the seal does not open".to_owned(),
            files: files.collect(),
            file_count: 30,
            remedy: "copy it back",
            ..Damage::default()
        };
        let text = damage_text(&damage);
        assert!(
            text.starts_with("damaged: packs/ab/abc, frame 3\n  what   the seal does not open\n  hits   /f00\\n\n")
        );
        assert!(text.ends_with("  hits   /f19\\n\n  hits   and 10 more\n  remedy copy it back\n"), "{text}");
    }
}

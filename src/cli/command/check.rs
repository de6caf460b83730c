//! `holdall check`

use crate::cli::arguments::CheckArguments;
use crate::cli::context::{Access, Context};
use crate::cli::failure::{Failure, exit};
use crate::cli::render::Verbosity;
use crate::cli::render::json::{CheckSummary, DamageReport, PathText};
use crate::cli::render::progress::Display;
use crate::cli::render::text;
use crate::cli::stop::Stop;
use crate::cli::values::Span;
use holdall::{
    CheckDepth, CheckOptions, CheckReport, Damage, LostObject, Remember, Repository, ScrubDamage, ScrubReport, Vouch,
};
use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;

/// How many files and snapshots of one damage people are shown, unless they want more; programs get all that were kept.
const SHOWN_COUNT_MAX: usize = 20;

pub(crate) fn run(context: &Context<'_>, arguments: &CheckArguments) -> Result<u8, Failure> {
    let mut tried = ScrubReport::default();
    if arguments.repair {
        // Before it is opened: that may be what damage prevents.
        tried = super::scrub::heal(context, &context.repository_path()?)?;
    }
    let repository = context.open(Access::Read)?;
    let stop = Stop::listen()?;
    if arguments.repair {
        heal_with_key(context, &repository, &stop, &mut tried)?;
    }

    let display = Display::of_a_check(context.renderer, stop.clone());
    let options = options(context, arguments).suspects(tried.damaged_packs());
    let report = repository.check(&options, &display);
    drop(display);
    let report = report.map_err(|error| Failure::from(error).with_interrupt_code(stop.exit_code()))?;

    report.notices.iter().for_each(|notice| context.renderer.notice(notice));
    let shown_count_max = if context.renderer.verbosity() > Verbosity::Normal { usize::MAX } else { SHOWN_COUNT_MAX };
    for damage in &report.damage {
        context.renderer.print(&damage_text(damage, shown_count_max));
        context.renderer.json(&damage_report(damage));
    }
    let told = report.damage.iter().map(|damage| &damage.object);
    let told: BTreeSet<&String> = told.chain(&report.set_aside).collect();
    let unhealed: Vec<_> = tried.damage.iter().filter(|damage| !told.contains(&damage.object)).collect();
    unhealed.iter().for_each(|damage| super::scrub::show_unhealed(context, damage));
    let damage_count = report.damage_count.saturating_add(u64::try_from(unhealed.len()).unwrap_or(u64::MAX));
    context.renderer.say(&summary_text(&report, damage_count));
    context.renderer.json(&summary(&report, damage_count));
    Ok(match (damage_count, tried.unread.count()) {
        (0, 0) => exit::DONE,
        (0, _) => exit::INCOMPLETE,
        _ => exit::DAMAGED,
    })
}

/// Heals what is sound and stands under another one's name, which only a key tells. What was healed is said also when it
/// ends early. What is right now is no damage of those that were `tried` any more, and what could not be written is.
fn heal_with_key(
    context: &Context<'_>,
    repository: &Repository,
    stop: &Stop,
    tried: &mut ScrubReport,
) -> Result<(), Failure> {
    let failed = |error: holdall::Error| Failure::from(error).with_interrupt_code(stop.exit_code());
    let display = Display::of_a_check(context.renderer, stop.clone());
    let done = repository.heal_control(&display);
    drop(display);
    let done = done.map_err(failed)?;
    for lost in &done.healed {
        let what = format!("{}; written anew from what was kept of it", lost.wrong);
        super::scrub::show_healed(context, &lost.object, &what);
        tried.damage.retain(|damage| damage.object != lost.object);
    }
    for LostObject { object, wrong } in done.unhealed {
        context.renderer.notice(&format!("{object} could not be healed: {wrong}"));
        if !tried.damage.iter().any(|damage| damage.object == object) {
            tried.damage.push(ScrubDamage { object, bytes: 0, wrong });
        }
    }
    done.failure.map_or(Ok(()), |error| Err(failed(error)))
}

fn options(context: &Context<'_>, arguments: &CheckArguments) -> CheckOptions {
    let mut options = CheckOptions::default();
    if arguments.read_data || arguments.read_data_subset.is_some() {
        options = options.depth(CheckDepth::Data).subset(arguments.read_data_subset.unwrap_or_default());
    }
    if let Some(Span(age)) = arguments.max_age {
        options = options.age_max(age);
    }
    if let Some(Span(duration)) = arguments.max_duration {
        options = options.duration_max(duration);
    }
    if arguments.no_remember { options.remember(Remember::Nothing) } else { options.vouch(Vouch::As(context.writer())) }
}

fn summary(report: &CheckReport, damage_count: u64) -> CheckSummary {
    CheckSummary {
        message_type: "summary",
        num_errors: damage_count,
        snapshots: u64::try_from(report.snapshot_count).unwrap_or(u64::MAX),
        packs: report.pack_count,
        unlisted_packs: report.unlisted_pack_count,
        nodes: report.node_count,
        chunk_references: report.chunk_reference_count,
        packs_read: report.read_pack_count,
        bytes_read: report.read_bytes,
        packs_recent: report.recent_pack_count,
        packs_left: report.left_pack_count,
        packs_remembered: report.remembered_pack_count,
        packs_vouched: report.vouched_pack_count,
        total_duration: report.duration.as_secs_f64(),
    }
}

fn summary_text(report: &CheckReport, damage_count: u64) -> String {
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
        let packs = text::counted(report.read_pack_count, "pack", "packs");
        let (bytes, rate) = (text::bytes(report.read_bytes), text::rate(report.read_bytes, report.duration));
        text.push_str(&format!("read {bytes} in {packs} ({rate})\n"));
    }
    if report.vouched_pack_count > 0 {
        let packs = text::counted(report.vouched_pack_count, "pack", "packs");
        text.push_str(&format!("vouched for {packs} of put keys: backups with other keys count on them from now on\n"));
    }
    if report.recent_pack_count > 0 {
        let packs = text::counted(report.recent_pack_count, "pack that was", "packs that were");
        text.push_str(&format!("passed over {packs} verified lately\n"));
    }
    if report.left_pack_count > 0 {
        let packs = text::counted(report.left_pack_count, "pack is", "packs are");
        text.push_str(&format!("the time was up: {packs} left for the next check\n"));
    }
    text.push_str(&match damage_count {
        0 => "no damage found\n".to_owned(),
        count => format!("{} found, listed above\n", text::counted(count, "damage", "damages")),
    });
    text
}

fn damage_text(damage: &Damage, shown_count_max: usize) -> String {
    let place = if damage.place.is_empty() { String::new() } else { format!(", {}", damage.place) };
    let mut lines = vec![format!("damaged: {}{place}", damage.object), format!("  what   {}", damage.wrong)];
    let some = |label: &str, items: Vec<String>, count: u64| {
        let shown = items.iter().take(shown_count_max);
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
        let text = damage_text(&damage, SHOWN_COUNT_MAX);
        assert!(
            text.starts_with("damaged: packs/ab/abc, frame 3\n  what   the seal does not open\n  hits   /f00\\n\n")
        );
        assert!(text.ends_with("  hits   /f19\\n\n  hits   and 10 more\n  remedy copy it back\n"), "{text}");
        let all = damage_text(&damage, usize::MAX);
        assert!(all.ends_with("  hits   /f24\\n\n  hits   and 5 more\n  remedy copy it back\n"), "{all}");
    }
}

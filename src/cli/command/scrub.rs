//! `holdall scrub`

use crate::cli::arguments::ScrubArguments;
use crate::cli::context::{Context, require_folder};
use crate::cli::failure::{Failure, exit};
use crate::cli::render::json::{DamageReport, ScrubSummary, UnknownObject};
use crate::cli::render::progress::Display;
use crate::cli::render::protection::HealedObject;
use crate::cli::render::text;
use crate::cli::stop::Stop;
use holdall::{Remedy, Repository, ScrubDamage, ScrubOptions, ScrubReport};
use std::path::Path;

const REMEDY: &str = "`holdall scrub --repair` heals it if it has parity or a second copy; otherwise put it back from \
                      another copy of the store; `holdall check` says what it touches";
const REMEDY_UNHEALED: &str =
    "put it back from another copy of the store; of a pack, `holdall repair packs` keeps what is left";
const REMEDY_UNREAD: &str = "scrub as a user who may read it";

/// How many unknown names people are shown; programs get all that were kept.
const SHOWN_COUNT_MAX: usize = 20;

pub(crate) fn run(context: &Context<'_>, arguments: &ScrubArguments) -> Result<u8, Failure> {
    let path = match &arguments.store {
        Some(path) => path.clone(),
        None => context.repository_path()?,
    };
    let report = scrub(context, &path, if arguments.repair { Remedy::Heal } else { Remedy::Report })?;
    report.notices.iter().for_each(|notice| context.renderer.notice(notice));
    report.healed.iter().for_each(|healed| show_healed(context, &healed.object, &healed.wrong));
    for (label, found, remedy) in [("damaged", &report.damage, REMEDY), ("not read", &report.unread, REMEDY_UNREAD)] {
        for damage in found {
            context.renderer.print(&damage_text(label, damage, remedy));
            context.renderer.json(&damage_report(damage, remedy));
        }
    }
    context.renderer.say(&unknown_text(&report));
    for object in &report.unknown {
        context.renderer.json(&UnknownObject { message_type: "unknown", object });
    }
    context.renderer.say(&summary_text(&report));
    context.renderer.json(&summary(&report));
    Ok(match (report.damage.count(), report.unread.count()) {
        (0, 0) => exit::DONE,
        (0, _) => exit::INCOMPLETE,
        _ => exit::DAMAGED,
    })
}

/// Heals what can be healed and says what was, and what was not: that may be what keeps the repository from being opened.
pub(super) fn heal(context: &Context<'_>, path: &Path) -> Result<ScrubReport, Failure> {
    let report = scrub(context, path, Remedy::Heal)?;
    report.healed.iter().for_each(|healed| show_healed(context, &healed.object, &healed.wrong));
    for damage in &report.damage {
        context.renderer.notice(&format!("{} could not be healed: {}", damage.object, damage.wrong));
    }
    for damage in &report.unread {
        context.renderer.notice(&format!("{} could not be read: {}", damage.object, damage.wrong));
    }
    Ok(report)
}

fn scrub(context: &Context<'_>, path: &Path, remedy: Remedy) -> Result<ScrubReport, Failure> {
    require_folder(path)?;
    let stop = Stop::listen()?;
    let display = Display::of_a_check(context.renderer, stop.clone());
    let report = Repository::scrub(path, &ScrubOptions::default().remedy(remedy), &display);
    drop(display);
    report.map_err(|error| Failure::from(error).with_interrupt_code(stop.exit_code()))
}

/// What was damaged and is right now.
pub(super) fn show_healed(context: &Context<'_>, object: &str, what: &str) {
    let lines = format!("healed: {object}\n  what   {what}");
    context.renderer.print(&(text::printable_lines(&lines) + "\n"));
    context.renderer.json(&HealedObject::new(object, what));
}

/// What is still damaged after everything was tried.
pub(super) fn show_unhealed(context: &Context<'_>, damage: &ScrubDamage) {
    context.renderer.print(&damage_text("damaged", damage, REMEDY_UNHEALED));
    context.renderer.json(&damage_report(damage, REMEDY_UNHEALED));
}

fn damage_text(label: &str, damage: &ScrubDamage, remedy: &str) -> String {
    text::printable_lines(&format!("{label}: {}\n  what   {}\n  remedy {remedy}", damage.object, damage.wrong)) + "\n"
}

fn damage_report(damage: &ScrubDamage, remedy: &'static str) -> DamageReport {
    DamageReport {
        message_type: "damage",
        object: damage.object.clone(),
        place: None,
        message: damage.wrong.clone(),
        snapshots: Vec::new(),
        files: Vec::new(),
        file_count: 0,
        remedy,
    }
}

fn unknown_text(report: &ScrubReport) -> String {
    let shown = report.unknown.iter().take(SHOWN_COUNT_MAX);
    let mut lines: Vec<String> = shown.map(|path| format!("unknown: {}\n", text::printable(path.as_bytes()))).collect();
    let more = report.unknown.count().saturating_sub(u64::try_from(lines.len()).unwrap_or(u64::MAX));
    if more > 0 {
        lines.push(format!("unknown: and {} more\n", text::count(more)));
    }
    lines.concat()
}

fn summary_text(report: &ScrubReport) -> String {
    let mut text = format!(
        "proved {} and {}, {}, in {} ({})\n",
        text::counted(report.pack_count, "pack", "packs"),
        text::counted(report.small_object_count, "small object", "small objects"),
        text::bytes(report.proven_bytes),
        text::duration(report.duration.as_secs()),
        text::rate(report.proven_bytes, report.duration),
    );
    if report.temporary_count > 0 {
        let files = text::counted(report.temporary_count, "temporary file", "temporary files");
        text.push_str(&format!("{files} of backups that are running or were interrupted\n"));
    }
    if report.unread.count() > 0 {
        let objects = text::counted(report.unread.count(), "object", "objects");
        text.push_str(&format!("{objects} could not be read, listed above\n"));
    }
    if report.healed.count() > 0 {
        text.push_str(&format!("{} healed, listed above\n", text::counted(report.healed.count(), "object", "objects")));
    }
    text.push_str(&match report.damage.count() {
        0 if report.healed.count() > 0 => {
            "no damage is left; what is missing altogether, only `holdall check` can tell\n".to_owned()
        }
        0 => "no damage found; what is missing altogether, only `holdall check` can tell\n".to_owned(),
        count => format!("{} found, listed above\n", text::counted(count, "damaged object", "damaged objects")),
    });
    text
}

fn summary(report: &ScrubReport) -> ScrubSummary {
    ScrubSummary {
        message_type: "summary",
        num_errors: report.damage.count().saturating_add(report.unread.count()),
        damaged: report.damage.count(),
        healed: report.healed.count(),
        unread: report.unread.count(),
        packs: report.pack_count,
        small_objects: report.small_object_count,
        unknown: report.unknown.count(),
        temporary_files: report.temporary_count,
        bytes_proven: report.proven_bytes,
        total_duration: report.duration.as_secs_f64(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_unknown_names_the_first_are_shown() {
        let unknown = (0..40).map(|number| format!("packs/x\n{number:02}")).collect();
        let report = ScrubReport { unknown, ..ScrubReport::default() };
        let text = unknown_text(&report);
        assert!(text.starts_with("unknown: packs/x\\n00\n") && text.ends_with("19\nunknown: and 20 more\n"), "{text}");
        assert_eq!(unknown_text(&ScrubReport::default()), "");
    }

    #[test]
    fn the_summary_promises_no_more_than_was_proved() {
        let sound = ScrubReport { pack_count: 1, ..ScrubReport::default() };
        assert!(summary_text(&sound).contains("only `holdall check` can tell"));
        let denied = ScrubDamage { object: "packs/x".to_owned(), bytes: 0, wrong: "denied".to_owned() };
        let unread = [denied.clone(), denied].into_iter().collect();
        let unread = ScrubReport { unread, temporary_count: 1, ..ScrubReport::default() };
        let text = summary_text(&unread);
        assert!(text.contains("2 objects could not be read") && text.contains("1 temporary file of"), "{text}");
    }
}

//! `holdall parity`

use crate::cli::arguments::{ParityArguments, ParityCommand};
use crate::cli::context::{Context, require_folder};
use crate::cli::failure::{Failure, exit};
use crate::cli::render::progress::Display;
use crate::cli::render::protection::ProtectSummary;
use crate::cli::render::text;
use crate::cli::stop::Stop;
use holdall::{ParityPercent, ProtectOptions, ProtectReport, Repository};
use std::path::PathBuf;

pub(crate) fn run(context: &Context<'_>, arguments: &ParityArguments) -> Result<u8, Failure> {
    match &arguments.command {
        ParityCommand::Add { store, percent } => add(context, store.as_ref(), *percent),
    }
}

fn add(context: &Context<'_>, store: Option<&PathBuf>, percent: Option<ParityPercent>) -> Result<u8, Failure> {
    let path = match store {
        Some(path) => path.clone(),
        None => context.repository_path()?,
    };
    require_folder(&path)?;
    let stop = Stop::listen()?;
    let display = Display::of_a_check(context.renderer, stop.clone());
    let options = percent.map_or_else(ProtectOptions::default, |percent| ProtectOptions::default().percent(percent));
    let report = Repository::protect(&path, &options, &display);
    drop(display);
    let report = report.map_err(|error| Failure::from(error).with_interrupt_code(stop.exit_code()))?;

    for failure in &report.failures {
        context.renderer.print(&(text::printable_lines(&format!("not protected: {failure}")) + "\n"));
    }
    context.renderer.say(&summary_text(&report));
    context.renderer.json(&ProtectSummary::new(&report));
    Ok(if report.failures.count() == 0 { exit::DONE } else { exit::DAMAGED })
}

fn summary_text(report: &ProtectReport) -> String {
    let mut text = format!(
        "added parity to {} ({}) and second copies of {} ({}) in {}\n",
        text::counted(report.pack_count, "pack", "packs"),
        text::bytes(report.parity_bytes),
        text::counted(report.copy_count, "small object", "small objects"),
        text::bytes(report.copy_bytes),
        text::duration(report.duration.as_secs()),
    );
    if report.protected_count > 0 {
        let objects = text::counted(report.protected_count, "object has", "objects have");
        text.push_str(&format!("{objects} it already\n"));
    }
    if report.failures.count() > 0 {
        let objects = text::counted(report.failures.count(), "object", "objects");
        text.push_str(&format!("{objects} could get none, listed above; `holdall check` says what is wrong\n"));
    }
    text.push_str(
        "in a repository that was made without parity, what comes later has none: run this again after each backup\n",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_says_what_was_added_and_what_could_not_be() {
        let failures = (0..3).map(|number| format!("packs/{number}")).collect();
        let report = ProtectReport { pack_count: 1, copy_count: 2, failures, ..ProtectReport::default() };
        let text = summary_text(&report);
        assert!(text.starts_with("added parity to 1 pack (0 B) and second copies of 2 small objects"), "{text}");
        assert!(text.contains("3 objects could get none") && !text.contains("already"), "{text}");
    }
}

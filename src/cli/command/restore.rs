//! `holdall restore`

use super::ls::key;
use crate::cli::arguments::RestoreArguments;
use crate::cli::context::{self, Access, Context};
use crate::cli::failure::{Failure, exit};
use crate::cli::pattern;
use crate::cli::render::json::RestoreSummary;
use crate::cli::render::progress::Display;
use crate::cli::render::text;
use crate::cli::stop::Stop;
use holdall::{Choice, Entry, PatternList, RestoreOptions, RestoreReport, Snapshot};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

pub(crate) fn run(context: &Context<'_>, arguments: &RestoreArguments) -> Result<u8, Failure> {
    let mut options = RestoreOptions::new(&arguments.target).path(key(arguments.snapshot.path.as_deref())?);
    if let Some(selection) = Selection::new(context, arguments)? {
        options = options.select(Arc::new(move |entry: &Entry| selection.choose(entry)));
    }
    let repository = context.open(Access::Read)?;
    let snapshot = repository.resolve(&arguments.snapshot.spec, &context::filter(&arguments.filter)?)?;
    let stop = Stop::listen()?;

    let display = Display::new(context.renderer, stop.clone());
    let report = repository.restore(&snapshot, &options, &display);
    drop(display);
    let report = report.map_err(|error| Failure::from(error).with_interrupt_code(stop.exit_code()))?;

    context.renderer.say(&summary_text(&report, &snapshot, &arguments.target));
    context.renderer.json(&summary(&report, &snapshot));
    Ok(match (report.damaged_count, report.problem_count) {
        (0, 0) => exit::DONE,
        (0, _) => exit::INCOMPLETE,
        (_, _) => exit::DAMAGED,
    })
}

/// What `--include` and `--exclude` choose.
struct Selection {
    include: Vec<PatternList>,
    exclude: Vec<PatternList>,
}

impl Selection {
    fn new(context: &Context<'_>, arguments: &RestoreArguments) -> Result<Option<Self>, Failure> {
        let include = pattern::includes(&context.surroundings, &arguments.include)?;
        let exclude = pattern::excludes(&context.surroundings, &arguments.exclude)?;
        Ok((!include.is_empty() || !exclude.is_empty()).then_some(Self { include, exclude }))
    }

    fn choose(&self, entry: &Entry) -> Choice {
        let path: Vec<&[u8]> = entry.key.components().collect();
        let chosen = |lists: &[PatternList]| lists.iter().any(|list| list.choosing(&path).is_some());
        if chosen(&self.exclude) {
            Choice::Skip
        } else if self.include.is_empty() || chosen(&self.include) {
            Choice::Take
        } else {
            Choice::Pass
        }
    }
}

fn summary(report: &RestoreReport, snapshot: &Snapshot) -> RestoreSummary {
    RestoreSummary {
        message_type: "summary",
        seconds_elapsed: report.duration.as_secs(),
        total_files: report.file_count.saturating_add(report.other_count),
        files_restored: report.file_count,
        total_bytes: report.bytes,
        bytes_restored: report.bytes,
        errors: report.problem_count,
        total_duration: report.duration.as_secs_f64(),
        snapshot_id: snapshot.id.to_string(),
    }
}

fn summary_text(report: &RestoreReport, snapshot: &Snapshot, target: &Path) -> String {
    let mut text = format!(
        "restored {} and {} of snapshot {} into {} in {} ({})\n",
        text::counted(report.file_count, "file", "files"),
        text::bytes(report.bytes),
        snapshot.id.short(),
        text::printable(target.as_os_str().as_bytes()),
        text::duration(report.duration.as_secs()),
        text::rate(report.bytes, report.duration),
    );
    if report.problem_count > 0 {
        let items = text::counted(report.problem_count, "item", "items");
        text.push_str(&format!("{items} did not come back as they were, listed above\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdall::{Body, Key, Rule};

    fn chosen(include: &[&str], exclude: &[&str], path: &str) -> Choice {
        let lists = |texts: &[&str]| {
            let mut list = PatternList::default();
            texts.iter().for_each(|text| list.add(Rule::new(*text, "test")).expect(text));
            if list.is_empty() { Vec::new() } else { vec![list] }
        };
        let selection = Selection { include: lists(include), exclude: lists(exclude) };
        selection.choose(&Entry::new(Key::from_path(Path::new(path)).expect(path), Body::Directory))
    }

    #[test]
    fn exclusion_goes_before_inclusion_and_folders_on_the_way_are_passed_through() {
        assert_eq!(chosen(&[], &["*.iso"], "/a/b.iso"), Choice::Skip);
        assert_eq!(chosen(&[], &["*.iso"], "/a/b"), Choice::Take);
        assert_eq!(chosen(&["/a/b"], &[], "/a"), Choice::Pass);
        assert_eq!(chosen(&["/a/b"], &[], "/a/b/c"), Choice::Take);
        assert_eq!(chosen(&["/a"], &["*.iso"], "/a/b.iso"), Choice::Skip);
    }
}

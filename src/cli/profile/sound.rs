//! What a step of a profile would only fail for, found before anything runs.

use crate::cli::arguments::{Arguments, Command};
use crate::profile::{Given, HookKind, PlannedStep, Refusal, Set, StepKind};
use clap::Parser;
use clap::error::{ContextKind, ContextValue};
use holdall::{PatternList, Rule};
use std::ffi::OsString;
use std::path::Path;

/// Refuses a step of a set that could only fail: one that the command line does not understand, a forget without a rule,
/// and patterns that are none.
pub(super) fn require_sound(set: &Set, step: &PlannedStep) -> Result<(), Refusal> {
    let arguments = understood(set, step)?;
    match step.kind {
        StepKind::Backup => set.given(step.kind).try_for_each(|given| require_pattern(set, step.kind, given)),
        StepKind::Forget => {
            let has_rule = matches!(arguments.command, Command::Forget(forget) if !forget.keep.rules().is_empty());
            let why = "the policy keeps nothing, so nothing would be forgotten; say what to keep: keep-daily = 7";
            has_rule.then_some(()).ok_or_else(|| set.refuse(step.kind, None, why))
        }
        StepKind::Prune | StepKind::Check => Ok(()),
    }
}

/// Refuses a set of which a list of files or patterns can't be read, from the profile's folder, unless a hook may make it.
pub(super) fn require_files(set: &Set, folder: &Path) -> Result<(), Refusal> {
    if !set.hooks.of(HookKind::Before).is_empty() {
        return Ok(());
    }
    set.given(StepKind::Backup).try_for_each(|given| require_file(set, StepKind::Backup, given, folder))
}

fn understood(set: &Set, step: &PlannedStep) -> Result<Arguments, Refusal> {
    let line = [OsString::from("holdall")].into_iter().chain(step.arguments.iter().cloned());
    Arguments::try_parse_from(line).map_err(|error| {
        let named = option_of(&error).and_then(|name| set.given(step.kind).find(|given| given.name == name));
        // What is wrong comes first, in one line or, where several options lack, in more.
        let error = error.to_string();
        let wrong = error.lines().take_while(|line| !line.is_empty()).map(str::trim).collect::<Vec<_>>().join(" ");
        set.refuse(step.kind, named, wrong.trim_start_matches("error: "))
    })
}

/// The option that a command line is refused for: `--compression <LEVEL>` without what is around its name.
fn option_of(error: &clap::Error) -> Option<&str> {
    let Some(ContextValue::String(shown)) = error.get(ContextKind::InvalidArg) else { return None };
    shown.strip_prefix("--")?.split([' ', '=']).next()
}

fn require_pattern(set: &Set, kind: StepKind, given: &Given) -> Result<(), Refusal> {
    let Some(text) = given.value.as_ref().filter(|_| ["exclude", "iexclude"].contains(&&*given.name)) else {
        return Ok(());
    };
    let added = PatternList::default().add(Rule::new(text.as_bytes(), ""));
    added.map_err(|error| set.refuse(kind, Some(given), &format!("{} {text:?}: {error}", given.name)))
}

fn require_file(set: &Set, kind: StepKind, given: &Given, folder: &Path) -> Result<(), Refusal> {
    let Some(file) = given.file().map(|file| folder.join(file)) else { return Ok(()) };
    // What is no file, such as a pipe, is not opened: whoever writes to it would take this for the reader.
    let read = std::fs::metadata(&file)
        .and_then(|found| if found.is_file() { std::fs::File::open(&file).map(drop) } else { Ok(()) });
    read.map_err(|error| {
        set.refuse(kind, Some(given), &format!("{}: can't read {}: {error}", given.name, file.display()))
    })
}

//! `holdall run`: a supervisor that starts this program once for each step, with hooks around the steps.

mod hook;
mod lines;
mod one_set;
mod push;
mod step;

use crate::cli::arguments::RunArguments;
use crate::cli::context::Context;
use crate::cli::failure::{Failure, exit};
use crate::cli::profile::Loaded;
use crate::cli::render::run::{self as render, PlannedCommand};
use crate::cli::runs::Runs;
use crate::cli::shell;
use crate::cli::signals::Signals;
use crate::profile::{HookCommand, HookKind, PlannedStep, RepositorySecret, Set, Standing, worse};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use one_set::SetRun;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

pub(crate) fn run(context: &Context<'_>, arguments: &RunArguments) -> Result<u8, Failure> {
    refuse_other_repository(context)?;
    refuse_other_means(context)?;
    let loaded = Loaded::find(&context.surroundings, context.global)?;
    let runs = loaded.runs(&context.surroundings)?;
    let sets = loaded.chosen(&arguments.sets)?;
    // All is looked at before anything begins.
    let planned: Planned<'_> =
        sets.into_iter().map(|set| Ok((set, plan(context, &loaded, set)?))).collect::<Result<_, Failure>>()?;
    let planned = if arguments.due { only_due(&loaded, &runs, planned, arguments)? } else { planned };
    if arguments.dry_run {
        planned.iter().try_for_each(|(set, _)| loaded.require_files(set))?;
        planned.iter().for_each(|(set, steps)| show(context, set, steps));
        return Ok(exit::DONE);
    }
    let signals = Signals::listen()?;
    let mut code = exit::DONE;
    for (set, steps) in &planned {
        // What was not begun when a signal came was not done.
        if let Some(interrupted) = signals.exit_code() {
            code = worse(code, interrupted);
            break;
        }
        let run = SetRun::new(context, &loaded, set, steps, &signals);
        code = worse(code, one(context, run, &runs, arguments)?);
    }
    Ok(code)
}

/// The steps of a set, which go on in a repository that was set back if the run is told to.
fn plan(context: &Context<'_>, loaded: &Loaded, set: &Set) -> Result<Vec<PlannedStep>, Failure> {
    let mut steps = loaded.plan(set)?;
    if context.global.accept_rollback {
        steps.iter_mut().for_each(|step| step.arguments.insert(1, "--accept-rollback".into()));
    }
    Ok(steps)
}

/// Runs a set. That one can't be run keeps no other from it.
fn one(context: &Context<'_>, run: SetRun<'_>, runs: &Runs, arguments: &RunArguments) -> Result<u8, Failure> {
    match run.perform(runs, arguments.due) {
        Ok(code) => Ok(code),
        // What is due is being done.
        Err(failure) if arguments.due && failure.exit_code() == exit::BUSY => Ok(exit::DONE),
        Err(failure) => {
            context.renderer.flush();
            context.renderer.failure(&failure);
            Ok(failure.exit_code())
        }
    }
}

/// The profile alone says which repositories its sets are for.
pub(super) fn refuse_other_repository(context: &Context<'_>) -> Result<(), Failure> {
    let global = context.global;
    if global.profile.is_some() || global.repo.is_some() || global.repository_file.is_some() {
        return Err(Failure::misuse(
            "the sets of a profile say themselves which repository they are for: name the set",
        ));
    }
    Ok(())
}

/// The profile says what opens a repository and what is taken for it, as each may have its own.
pub(super) fn refuse_other_means(context: &Context<'_>) -> Result<(), Failure> {
    let (global, unlock) = (context.global, &context.global.unlock);
    let given = [
        ("key-file", unlock.key_file.is_some()),
        ("password-file", unlock.password_file.is_some()),
        ("password-command", unlock.password_command.is_some()),
        ("insecure-no-password", unlock.insecure_no_password),
        ("cache-dir", global.cache_dir.is_some()),
        ("memory", global.memory.is_some()),
    ];
    given.into_iter().find(|(_, is_given)| *is_given).map_or(Ok(()), |(name, _)| {
        Err(Failure::misuse(format!(
            "--{name} says nothing to the sets of a profile: it goes into [repository.NAME] there"
        )))
    })
}

/// A step has no terminal to ask.
fn require_secret(context: &Context<'_>, loaded: &Loaded, set: &Set) -> Result<(), Failure> {
    let repository = loaded.repository_of(set)?;
    let is_named = repository.secret != RepositorySecret::Unnamed || context.surroundings.names_secret();
    let name = &repository.name;
    is_named.then_some(()).ok_or_else(|| {
        Failure::no_secret(format!(
            "[repository.{name}] in {} names no password-file, password-command or key-file, and neither does the environment",
            loaded.path.display()
        ))
    })
}

type Planned<'a> = Vec<(&'a Set, Vec<PlannedStep>)>;

/// Those sets whose time has come. One that was named has to have a schedule.
fn only_due<'a>(
    loaded: &Loaded,
    runs: &Runs,
    planned: Planned<'a>,
    arguments: &RunArguments,
) -> Result<Planned<'a>, Failure> {
    let mut due = Vec::new();
    for (set, steps) in planned {
        match is_due(loaded, runs, set) {
            Ok(true) => due.push((set, steps)),
            Ok(false) => {}
            Err(failure) if !arguments.sets.is_empty() => return Err(failure),
            Err(_) => {}
        }
    }
    Ok(due)
}

/// Whether a set's time has come; an error if nobody here can tell. One whose record can't be read is due: the run tells it.
pub(super) fn is_due(loaded: &Loaded, runs: &Runs, set: &Set) -> Result<bool, Failure> {
    let name = &set.name;
    let Some(calendar) = &set.schedule else {
        return Err(loaded.refuse(&format!("[set.{name}] has no schedule: schedule = \"daily 02:30\"")));
    };
    match Standing::of(&runs.record(name).unwrap_or_default(), calendar, Timestamp::now(), &TimeZone::system()) {
        Standing::Due => Ok(true),
        Standing::Later(_) => Ok(false),
        Standing::Unknown => {
            Err(loaded.refuse(&format!("only systemd knows when [set.{name}] is due: `holdall schedule install`")))
        }
    }
}

/// Shows what a run would do.
fn show(context: &Context<'_>, set: &Set, steps: &[PlannedStep]) {
    let one = |stage, command: Vec<String>, line: &[u8]| {
        let planned = PlannedCommand { message_type: "planned", set: set.name.as_str(), stage, command };
        render::planned(context.renderer, &planned, line);
    };
    let hooks = |kind: HookKind| {
        for hook in set.hooks.of(kind) {
            match &hook.command {
                HookCommand::Shell(line) => {
                    one(kind.name(), vec!["/bin/sh".to_owned(), "-c".to_owned(), line.clone()], line.as_bytes());
                }
                HookCommand::Words(words) => {
                    one(kind.name(), words.clone(), &shell::line(words.iter().map(String::as_bytes)));
                }
            }
        }
    };
    hooks(HookKind::Before);
    for step in steps {
        let words = || [OsStr::new("holdall")].into_iter().chain(step.arguments.iter().map(OsString::as_os_str));
        let line = shell::line(words().map(OsStr::as_bytes));
        one(step.kind.name(), words().map(|word| word.to_string_lossy().into_owned()).collect(), &line);
    }
    [HookKind::After, HookKind::Failed, HookKind::Finally].into_iter().for_each(hooks);
}

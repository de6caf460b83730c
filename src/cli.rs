//! The command line: arguments, one file per command, rendering and exit codes.

mod arguments;
mod command;
mod context;
mod deadline;
mod failure;
mod fuse;
mod group;
mod pattern;
mod profile;
mod prompt;
mod render;
mod runs;
mod secret;
mod selection;
mod shell;
mod signals;
mod snapshot_argument;
mod sorted;
mod sources;
mod stop;
mod surroundings;
mod values;

use arguments::{Arguments, GlobalArguments};
use clap::Parser;
use clap::error::ErrorKind;
use context::Context;
use failure::{Failure, exit};
use render::{Renderer, Style, Verbosity};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::process::ExitCode;
use surroundings::Surroundings;

/// So many files may be open at once, if the system lets this user have as many. What this process starts inherits the
/// limit, and some programs close all that there may be, one by one: so it is no more than is of use here.
const OPEN_FILES: u64 = 4096;

/// Runs the command that the process was started with.
pub(crate) fn run() -> ExitCode {
    allow_open_files();
    let mut arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return refuse(&error),
    };
    let renderer = Renderer::new(style(&arguments.global), verbosity(&arguments.global));
    let surroundings = Surroundings::of_this_process();
    let applied = arguments.global.refuse_contradictions();
    let applied = applied.and_then(|()| profile::apply(&surroundings, &mut arguments.global));
    let outcome = applied.and_then(|()| {
        let context = Context::new(&arguments.global, surroundings, &renderer);
        command::run(&context, &arguments.command).map(|code| context.doubtful(code))
    });
    let code = outcome.unwrap_or_else(|failure| {
        renderer.flush();
        renderer.failure(&failure);
        failure.exit_code()
    });
    ExitCode::from(renderer.finish(code, command::purpose(&arguments.command)))
}

/// Raises the limit of open files as far as anybody may: systems begin with 1024 of them, some with 256.
fn allow_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(OPEN_FILES, |maximum| maximum.min(OPEN_FILES));
    if limit.current.is_some_and(|current| current < wanted) {
        // Where that is refused, fewer things stay open.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit });
    }
}

/// Prints what was asked for instead of a command, or what is wrong with the arguments.
fn refuse(error: &clap::Error) -> ExitCode {
    let code = u8::try_from(error.exit_code()).unwrap_or(exit::MISUSE);
    // What comes after -- belongs to another program.
    let mut own = std::env::args_os().skip(1).take_while(|word| word != "--");
    if code == exit::DONE || own.all(|word| word != "--json") {
        // Nothing is left to tell anybody when even this can't be printed.
        let is_unread = error.print().is_err_and(|failed| failed.kind() == std::io::ErrorKind::BrokenPipe);
        return ExitCode::from(if is_unread && code == exit::DONE { exit::UNREAD } else { code });
    }
    let said = error.render().to_string();
    let wrong = if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        "a command is missing; `--help` shows them"
    } else {
        said.split("\n\nUsage:").next().unwrap_or_default().trim_start_matches("error: ")
    };
    let wrong = wrong.split("\n\nFor more information").next().unwrap_or_default().trim_end();
    Renderer::new(Style::Json, Verbosity::Quiet).failure(&Failure::misuse(wrong));
    ExitCode::from(code)
}

const fn style(arguments: &GlobalArguments) -> Style {
    if arguments.json { Style::Json } else { Style::Human }
}

const fn verbosity(arguments: &GlobalArguments) -> Verbosity {
    match (arguments.quiet, arguments.verbose) {
        (true, _) => Verbosity::Quiet,
        (false, 0) => Verbosity::Normal,
        (false, 1) => Verbosity::Verbose,
        (false, _) => Verbosity::Everything,
    }
}

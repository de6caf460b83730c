//! Running a step: this program again, with the command line that the profile comes to.

use super::lines::{Lines, Stream};
use crate::cli::failure::exit;
use crate::cli::group::{Group, INTERVAL};
use crate::cli::render::run::Relay;
use crate::cli::runs::Held;
use crate::cli::signals::Signals;
use crate::cli::surroundings::Surroundings;
use crate::profile::{PlannedStep, RepositorySecret};
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long after a step's end is waited for what it printed last.
const LAST_LINES: Duration = Duration::from_secs(5);

/// The variables that name a secret. Where the profile names one, they say nothing.
const SECRETS: [&str; 4] =
    ["HOLDALL_PASSWORD", "HOLDALL_PASSWORD_FILE", "HOLDALL_PASSWORD_COMMAND", "HOLDALL_KEY_FILE"];

/// Runs a step to its end and returns its exit code. Signals are passed on to it.
pub(super) fn run(
    step: &PlannedStep,
    folder: &Path,
    secret: &RepositorySecret,
    (held, signals): (&Held, &Signals),
    (surroundings, relay): (&Surroundings, &mut Relay<'_>),
) -> io::Result<u8> {
    let mut command = this_program()?;
    command.args(&step.arguments).current_dir(folder).envs(surroundings.rooted_places());
    command.stdin(held.input()?).stdout(Stdio::piped()).stderr(Stdio::piped());
    if *secret != RepositorySecret::Unnamed {
        for name in SECRETS {
            command.env_remove(name);
        }
    }
    if let RepositorySecret::Password(password) = secret {
        command.env("HOLDALL_PASSWORD", password.as_str());
    }
    let mut group = Group::start(&mut command)?;
    let (out, err) = (group.leader().stdout.take(), group.leader().stderr.take());
    let (Some(out), Some(err)) = (out, err) else { return Ok(exit::FAILED) };
    let lines = Lines::of(out, err)?;
    let status = follow(&mut group, &lines, signals, relay)?;
    Ok(exit_code(status, relay))
}

/// This program, be there another one or none in its place by now: an upgrade may come between two steps.
fn this_program() -> io::Result<Command> {
    let running = Path::new("/proc/self/exe");
    let path = std::env::current_exe()?;
    let mut command = Command::new(if running.exists() { running } else { &path });
    command.arg0(&path);
    Ok(command)
}

fn follow(group: &mut Group, lines: &Lines, signals: &Signals, relay: &mut Relay<'_>) -> io::Result<ExitStatus> {
    let mut ended: Option<(ExitStatus, Instant)> = None;
    let mut is_interrupted = false;
    loop {
        if let Some(signal) = signals.take() {
            group.pass_on(signal);
            is_interrupted = true;
        }
        if ended.is_none() {
            ended = group.ended()?.map(|status| (status, Instant::now()));
            if ended.is_some() && is_interrupted {
                // What its commands started.
                group.end()?;
            }
        }
        match lines.next(INTERVAL) {
            Ok(Some((Stream::Out, line))) => relay.printed(&line),
            Ok(Some((Stream::Err, line))) => relay.complained(&line),
            Ok(None) => {}
            // Who has closed its output may still be at work.
            Err(_) if ended.is_none() => std::thread::sleep(INTERVAL),
            Err(_) => {}
        }
        if let Some((status, at)) = ended
            && (at.elapsed() >= LAST_LINES || lines_are_over(lines, relay))
        {
            return Ok(status);
        }
    }
}

/// Takes all lines that are there.
fn lines_are_over(lines: &Lines, relay: &mut Relay<'_>) -> bool {
    loop {
        match lines.next(Duration::ZERO) {
            Ok(Some((Stream::Out, line))) => relay.printed(&line),
            Ok(Some((Stream::Err, line))) => relay.complained(&line),
            Ok(None) => return false,
            Err(_) => return true,
        }
    }
}

fn exit_code(status: ExitStatus, relay: &mut Relay<'_>) -> u8 {
    match (status.code(), status.signal()) {
        (Some(code), _) => u8::try_from(code).unwrap_or(exit::FAILED),
        (None, signal) => {
            relay.failed(&format!("it was ended by signal {}", signal.unwrap_or_default()));
            exit::FAILED
        }
    }
}

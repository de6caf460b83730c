//! Running a hook.

use crate::cli::group::{Group, INTERVAL};
use crate::cli::render::Renderer;
use crate::cli::signals::Signals;
use crate::profile::{Hook, HookCommand};
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Instant;

/// What becomes of a hook when this process is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnSignal {
    /// It ends: what it prepares is not wanted any more.
    End,
    /// It goes on: it puts things in order.
    GoOn,
}

/// How a hook ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HookEnd {
    Done,
    /// Why it did not do what it should.
    Failed(String),
}

/// Runs a hook to its end, or to the end of its time, with what it reads. What it prints goes to the standard error.
pub(super) fn run(
    hook: &Hook,
    folder: &Path,
    environment: &[(&str, OsString)],
    (input, renderer): (Stdio, &Renderer),
    signals: (&Signals, OnSignal),
) -> HookEnd {
    let mut command = match &hook.command {
        HookCommand::Shell(line) => {
            let mut shell = Command::new("/bin/sh");
            shell.arg("-c").arg(line);
            shell
        }
        HookCommand::Words(words) => {
            let mut words = words.iter();
            let mut program = Command::new(words.next().map_or("", String::as_str));
            program.args(words);
            program
        }
    };
    // A password that steps get from the environment is none of a hook's business.
    command.current_dir(folder).stdin(input).env_remove("HOLDALL_PASSWORD");
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    match printing_beside(command, renderer, |group| wait(group, hook, signals)) {
        Ok(Some(status)) if status.success() => HookEnd::Done,
        Ok(Some(status)) => HookEnd::Failed(format!("it ended with {status}")),
        Ok(None) => HookEnd::Failed(format!("it did not end within {} s", hook.timeout.as_secs())),
        Err(error) => HookEnd::Failed(format!("it can't be run: {error}")),
    }
}

/// Starts a command and waits for it while what it prints is passed on.
fn printing_beside<T>(
    mut command: Command,
    renderer: &Renderer,
    wait: impl FnOnce(&mut Group) -> io::Result<T>,
) -> io::Result<T> {
    let (passage, printed) = renderer.beside_output()?;
    command.stdout(printed.try_clone()?).stderr(printed);
    let ended = Group::run(command, wait);
    // That nobody reads the words of a hook says nothing about it.
    let _ = passage.end();
    ended
}

/// How it ended; `None` if its time was up.
fn wait(group: &mut Group, hook: &Hook, (signals, on_signal): (&Signals, OnSignal)) -> io::Result<Option<ExitStatus>> {
    let began = Instant::now();
    loop {
        if let Some(status) = group.ended()? {
            return Ok(Some(status));
        }
        if signals.take().is_some() && on_signal == OnSignal::End {
            return group.end().map(Some);
        }
        if began.elapsed() >= hook.timeout {
            group.end()?;
            return Ok(None);
        }
        std::thread::sleep(INTERVAL);
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use crate::cli::group::tests::adopt_orphans;
    use crate::cli::render::tests::renderer;
    use crate::cli::render::{Style, Verbosity};
    use std::time::Duration;

    #[test]
    fn of_a_hook_that_is_killed_nothing_goes_on() {
        adopt_orphans();
        let folder = tempfile::tempdir().unwrap();
        let line = "(trap 'touch ended; exit' TERM; touch begun; while :; do sleep 0.05; done) &
                    while [ ! -e begun ]; do sleep 0.05; done; kill -KILL $$";
        let hook = Hook { command: HookCommand::Shell(line.to_owned()), timeout: Duration::from_secs(60) };
        let signals = Signals::listen().unwrap();
        let (renderer, ..) = renderer(Style::Human, Verbosity::Normal);
        let end = run(&hook, folder.path(), &[], (Stdio::null(), &renderer), (&signals, OnSignal::GoOn));
        assert!(matches!(&end, HookEnd::Failed(why) if why.contains("signal: 9")), "{end:?}");
        assert!(folder.path().join("ended").exists());
    }
}

//! Running the command that judges what was restored.

use crate::cli::failure::Failure;
use crate::cli::group::{Group, INTERVAL};
use crate::cli::render::drill::percent;
use crate::cli::render::{Renderer, text};
use crate::cli::stop::Stop;
use holdall::{DrillCommand, DrillReport, DrillSample, ErrorKind};
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, ExitStatus, Stdio};

/// Runs a command in the folder, and says what came of it. When this process is asked to stop, the command is ended and
/// that is a failure.
pub(super) fn run(
    renderer: &Renderer,
    words: &[OsString],
    (report, sample): (&DrillReport, DrillSample),
    stop: &Stop,
) -> Result<DrillCommand, Failure> {
    let mut words = words.iter();
    let program = words.next().cloned().unwrap_or_default();
    let mut command = Command::new(&program);
    command
        .args(words)
        .current_dir(&report.folder)
        .stdin(Stdio::null())
        // The password is none of its business.
        .env_remove("HOLDALL_PASSWORD")
        .env("HOLDALL_DRILL_FOLDER", &report.folder)
        .env("HOLDALL_DRILL_SNAPSHOT", report.snapshot.to_string())
        .env("HOLDALL_DRILL_PERCENT", percent(sample.millionths()).to_string());
    let ended = printing(command, renderer, stop);
    if stop.is_asked() {
        let message = "stopped as asked; nothing is stated about this drill";
        let interrupted = holdall::Error::new(ErrorKind::Interrupted, message);
        return Err(Failure::from(interrupted).with_interrupt_code(stop.exit_code()));
    }
    let why = match ended {
        Ok(status) if status.success() => return Ok(DrillCommand::Succeeded),
        Ok(status) => format!("it ended with {status}"),
        Err(error) => format!("it can't be run: {error}"),
    };
    let program = text::printable(program.as_bytes());
    renderer.notice(&format!("the command {program} failed: {why}"));
    Ok(DrillCommand::Failed)
}

/// Starts a command and waits for it while what it prints is passed on.
fn printing(mut command: Command, renderer: &Renderer, stop: &Stop) -> io::Result<ExitStatus> {
    let (out, printed) = renderer.output_of_a_command()?;
    let (err, complained) = renderer.beside_output()?;
    command.stdout(printed).stderr(complained);
    let ended = Group::run(command, |group| wait(group, stop));
    renderer.end_output_of_a_command(out);
    // That nobody reads what it complains of says nothing about it.
    let _ = err.end();
    ended
}

fn wait(group: &mut Group, stop: &Stop) -> io::Result<ExitStatus> {
    loop {
        if let Some(status) = group.ended()? {
            return Ok(status);
        }
        if stop.is_asked() {
            return group.end();
        }
        std::thread::sleep(INTERVAL);
    }
}

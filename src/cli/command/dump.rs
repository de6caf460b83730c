//! `holdall dump`

use super::ls::key;
use super::restore::tell_partial;
use crate::cli::arguments::DumpArguments;
use crate::cli::context::{self, Access, Context};
use crate::cli::failure::{Failure, exit};
use crate::cli::render::json::DumpSummary;
use crate::cli::render::progress::Display;
use crate::cli::stop::Stop;
use holdall::{Below, DumpForm, DumpReport, Error, ErrorKind, Key, Kind, Repository, Snapshot};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// What is written at once.
const BUFFER_BYTES: usize = 256 << 10;

pub(crate) fn run(context: &Context<'_>, arguments: &DumpArguments) -> Result<u8, Failure> {
    let path = key(arguments.snapshot.path.as_deref())?;
    if arguments.target.is_none() && context.global.json {
        return Err(Failure::misuse("--json needs --target: the standard output takes the dump itself"));
    }
    let repository = context.open(Access::Read)?;
    let snapshot = context.snapshot(&repository, &arguments.snapshot.spec, &context::filter(&arguments.filter)?)?;
    tell_partial(context, &snapshot);
    let form = match arguments.archive {
        Some(form) => form,
        None => usual_form(&repository, &snapshot, &path)?,
    };
    let stop = Stop::listen()?;
    let display = Display::new(context.renderer, stop.clone());
    let dump = |out: &mut dyn Write| repository.dump(&snapshot, (&path, form), out, &display);
    let report = match &arguments.target {
        Some(target) => into_file(target, dump).map(Some),
        None => into_output(context, form, &stop, dump),
    };
    drop(display);
    let report = report.map_err(|failure| failure.with_interrupt_code(stop.exit_code()))?;
    let Some(report) = report else { return Ok(exit::DONE) };
    context.renderer.json(&DumpSummary {
        message_type: "summary",
        files_dumped: report.file_count,
        others_dumped: report.other_count,
        bytes_dumped: report.bytes,
        errors: report.problem_count,
        total_duration: report.duration.as_secs_f64(),
        snapshot_id: snapshot.id.to_string(),
    });
    Ok(match (report.damaged_count, report.problem_count) {
        (0, 0) => exit::DONE,
        (0, _) => exit::INCOMPLETE,
        (_, _) => exit::DAMAGED,
    })
}

/// A file as it is, anything else as a tar archive.
fn usual_form(repository: &Repository, snapshot: &Snapshot, path: &Key) -> Result<DumpForm, Failure> {
    let mut form = DumpForm::Tar;
    let listed = repository.list(snapshot, path, &mut |entry| {
        if entry.key == *path && entry.kind() == Kind::File {
            form = DumpForm::Content;
        }
        Ok(Below::Skip)
    });
    match listed {
        // Whatever it was, an archive takes what is left of it, and the dump tells what is not.
        Err(error) if error.kind() == ErrorKind::Damaged => Ok(form),
        listed => Ok(listed.map(|()| form)?),
    }
}

/// Makes the file, which stays only if all of the dump is in it.
fn into_file(
    target: &Path,
    dump: impl FnOnce(&mut dyn Write) -> holdall::Result<DumpReport>,
) -> Result<DumpReport, Failure> {
    let file = File::create_new(target).map_err(|error| Failure::io(target, "make", &error))?;
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, file);
    let gone = format!("; {} was cut off and is removed", target.display());
    let dumped = dump(&mut out).map_err(|error| failure(error, &gone));
    // Some file systems say only now that they have no room for what they took.
    let synced =
        |report| out.get_ref().sync_all().map(|()| report).map_err(|error| Failure::io(target, "write", &error));
    let dumped = dumped.and_then(synced);
    if dumped.is_err() {
        // Why the dump failed is what matters.
        let _ = std::fs::remove_file(target);
    }
    dumped
}

/// Dumps to whoever reads the standard output; nothing is reported once they had enough, which is no failure.
fn into_output(
    context: &Context<'_>,
    form: DumpForm,
    stop: &Stop,
    dump: impl FnOnce(&mut dyn Write) -> holdall::Result<DumpReport>,
) -> Result<Option<DumpReport>, Failure> {
    if form != DumpForm::Content && context.renderer.is_on_terminal() {
        return Err(Failure::misuse("an archive is nothing for a terminal: pipe it, or name a file with --target"));
    }
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, context.renderer.raw_output());
    let dumped = dump(&mut out);
    // Asked before the buffer goes and writes what it holds: a reader that is missed only then did not end the dump.
    let is_closed = context.renderer.is_closed();
    match dumped {
        // Whoever interrupts a pipeline interrupts the reader too.
        Err(_) if is_closed && stop.is_asked() => Err(Error::new(ErrorKind::Interrupted, "stopped as asked").into()),
        Err(error) if is_closed && error.kind() == ErrorKind::Io => Ok(None),
        dumped => dumped.map(Some).map_err(|error| failure(error, "")),
    }
}

/// A dump keeps nothing of what it wrote, as other commands do when there is no room left.
fn failure(error: Error, gone: &str) -> Failure {
    if error.kind() != ErrorKind::NoSpace {
        return Failure::from(error);
    }
    let message = format!("{error}\nmake room and run it again{gone}");
    Failure::elsewhere(Error::new(ErrorKind::NoSpace, message))
}

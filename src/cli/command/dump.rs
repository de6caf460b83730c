//! `holdall dump`

use super::ls::key;
use crate::cli::arguments::DumpArguments;
use crate::cli::context::{self, Access, Context};
use crate::cli::failure::{Failure, exit};
use crate::cli::render::json::DumpSummary;
use crate::cli::render::progress::Display;
use crate::cli::stop::Stop;
use holdall::{Below, DumpForm, Key, Kind, Repository, Snapshot};
use std::fs::File;
use std::io::{BufWriter, Write};

/// What is written at once.
const BUFFER_BYTES: usize = 256 << 10;

pub(crate) fn run(context: &Context<'_>, arguments: &DumpArguments) -> Result<u8, Failure> {
    let path = key(arguments.snapshot.path.as_deref())?;
    if arguments.target.is_none() && context.global.json {
        return Err(Failure::misuse("--json needs --target: the standard output takes the dump itself"));
    }
    let repository = context.open(Access::Read)?;
    let snapshot = repository.resolve(&arguments.snapshot.spec, &context::filter(&arguments.filter)?)?;
    let form = match arguments.archive {
        Some(form) => form,
        None => usual_form(&repository, &snapshot, &path)?,
    };
    let stop = Stop::listen()?;
    let mut out = open(context, arguments, form)?;
    let display = Display::new(context.renderer, stop.clone());
    let report = repository.dump(&snapshot, (&path, form), &mut out, &display);
    drop(display);
    let report = report.map_err(|error| Failure::from(error).with_interrupt_code(stop.exit_code()))?;
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
    repository.list(snapshot, path, &mut |entry| {
        if entry.key == *path && entry.kind() == Kind::File {
            form = DumpForm::Content;
        }
        Ok(Below::Skip)
    })?;
    Ok(form)
}

fn open(context: &Context<'_>, arguments: &DumpArguments, form: DumpForm) -> Result<Box<dyn Write>, Failure> {
    if let Some(target) = &arguments.target {
        let file = File::create_new(target).map_err(|error| Failure::io(target, "make", &error))?;
        return Ok(Box::new(BufWriter::with_capacity(BUFFER_BYTES, file)));
    }
    if form != DumpForm::Content && context.renderer.is_on_terminal() {
        return Err(Failure::misuse("an archive is nothing for a terminal: pipe it, or name a file with --target"));
    }
    Ok(Box::new(BufWriter::with_capacity(BUFFER_BYTES, context.renderer.raw_output())))
}

//! `holdall copy`

use crate::cli::arguments::{CopyArguments, FromArguments};
use crate::cli::context::{self, Access, Context};
use crate::cli::failure::{Failure, exit};
use crate::cli::render::copy::{CopySummary, lacking_lines, plan_text, report_text};
use crate::cli::render::progress::Display;
use crate::cli::stop::Stop;
use crate::cli::surroundings::named_in;
use holdall::{CopyOptions, CopyWanted, Repository};

pub(crate) fn run(context: &Context<'_>, arguments: &CopyArguments) -> Result<u8, Failure> {
    let access = if arguments.dry_run { Access::Read } else { Access::Write };
    let from = from(context, &arguments.from)?
        .ok_or_else(|| Failure::misuse("which repository is copied from? --from-repo names its folder"))?;
    let repository = context.open(access)?;
    let filter = context::filter(&arguments.filter)?;
    let wanted = match arguments.snapshots.as_slice() {
        [] => CopyWanted::All(filter),
        named => CopyWanted::Named(context::resolve(context, &from, named, &filter)?),
    };
    let is_named = matches!(wanted, CopyWanted::Named(_));
    let plan = repository.plan_copy(&from, wanted)?;
    // What can't be read there is not copied.
    let is_lacking = context.tell_overlooked(&from) && !is_named;
    let done = if is_lacking { exit::DAMAGED } else { exit::DONE };
    if arguments.dry_run {
        context.renderer.print(&plan_text(&plan));
        context.renderer.json(&CopySummary::of_plan(&plan));
        return Ok(done);
    }
    let stop = Stop::listen()?;
    let options = CopyOptions::default().writer(context.writer()).compression(arguments.compression);
    let display = Display::of_a_check(context.renderer, stop.clone());
    let report = repository.copy(&from, plan, &options, &display);
    drop(display);
    let report = report.map_err(|error| Failure::from(error).with_interrupt_code(stop.exit_code()))?;
    report.notices.iter().for_each(|notice| context.renderer.notice(notice));
    lacking_lines(&report).iter().for_each(|line| context.renderer.notice_in_lines(line));
    context.renderer.say(&report_text(&report));
    context.renderer.json(&CopySummary::of(&report));
    Ok(if report.lacking.is_empty() { done } else { exit::DAMAGED })
}

/// Opens the other repository for reading, if one was named.
pub(super) fn from(context: &Context<'_>, arguments: &FromArguments) -> Result<Option<Repository>, Failure> {
    let path = match (&arguments.from_repo, &arguments.from_repository_file) {
        (Some(path), _) => path.clone(),
        (None, Some(file)) => named_in(file)?,
        (None, None) if arguments.secret().is_none() => return Ok(None),
        (None, None) => return Err(Failure::misuse("--from-repo has to say which repository that secret opens")),
    };
    context.open_other(&path, arguments.secret()).map(Some)
}

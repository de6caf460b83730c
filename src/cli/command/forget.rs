//! `holdall forget`

use crate::cli::arguments::{ForgetArguments, KeepArguments};
use crate::cli::context::{self, Access, Context};
use crate::cli::failure::{Failure, exit};
use crate::cli::render::progress::Display;
use crate::cli::render::retention;
use crate::cli::render::text;
use crate::cli::stop::Stop;
use holdall::{Forecast, ForgetPlan, ForgetReport, Repository, RetentionOptions, RetentionPolicy, SnapshotId};

pub(crate) fn run(context: &Context<'_>, arguments: &ForgetArguments) -> Result<u8, Failure> {
    if arguments.undo {
        return undo(context, arguments);
    }
    let access = if arguments.dry_run { Access::Read } else { Access::Write };
    let repository = context.open(access)?;
    let plan = plan(context, &repository, arguments)?;
    context.renderer.json(&retention::groups(&plan));
    match access {
        Access::Read => {
            context.renderer.print(&retention::plan_text(&plan));
            if plan.goes().next().is_some() {
                let forecast = forecast(context, &repository, &plan)?;
                context.renderer.print(&retention::forecast_text(forecast));
                context.renderer.json(&retention::forecast(forecast));
            }
            context.renderer.print("nothing was forgotten\n");
            Ok(exit::DONE)
        }
        Access::Write => {
            context.renderer.say(&retention::plan_text(&plan));
            let report = repository.forget(&plan)?;
            let code = tell(context, &report);
            drop(repository);
            if arguments.prune && code == exit::DONE { super::prune::run_as_usual(context) } else { Ok(code) }
        }
    }
}

fn forecast(context: &Context<'_>, repository: &Repository, plan: &ForgetPlan) -> Result<Forecast, Failure> {
    let stop = Stop::listen()?;
    let display = Display::of_a_check(context.renderer, stop.clone());
    let forecast = repository.forecast(plan, &display);
    drop(display);
    forecast.map_err(|error| Failure::from(error).with_interrupt_code(stop.exit_code()))
}

fn plan(context: &Context<'_>, repository: &Repository, arguments: &ForgetArguments) -> Result<ForgetPlan, Failure> {
    let filter = context::filter_of(&arguments.host, &arguments.kind)?;
    if !arguments.snapshots.is_empty() {
        let snapshots = context::resolve(context, repository, &arguments.snapshots, &filter)?;
        return Ok(repository.plan_forget_snapshots(snapshots)?);
    }
    let policy = policy(context, repository, &arguments.keep)?;
    let options = RetentionOptions::new(policy).group_by(arguments.group_by.0.iter().copied()).filter(filter);
    let options = match &arguments.time_zone {
        Some(zone) => options.zone(zone.clone()),
        None => options,
    };
    Ok(repository.plan_forget(&options)?)
}

fn policy(context: &Context<'_>, repository: &Repository, keep: &KeepArguments) -> Result<RetentionPolicy, Failure> {
    let mut policy = keep.rules();
    for snapshot in context::resolve(context, repository, &keep.keep_id, &holdall::SnapshotFilter::default())? {
        policy = policy.keep_id(snapshot.id);
    }
    Ok(policy)
}

/// Tells what was done, and returns the exit code.
fn tell(context: &Context<'_>, report: &ForgetReport) -> u8 {
    let count = u64::try_from(report.forgotten.len()).unwrap_or(u64::MAX);
    let hint = match count {
        0 => "",
        1 => "; its data stays until a prune, and `holdall forget --undo` brings it back",
        _ => "; their data stays until a prune, and `holdall forget --undo` brings them back",
    };
    context.renderer.say(&format!("{} forgotten{hint}\n", text::counted(count, "snapshot", "snapshots")));
    if !report.pinned.is_empty() {
        context.renderer.notice(&format!("pinned meanwhile, so not forgotten: {}", short(&report.pinned)));
    }
    if report.pinned_too_late.is_empty() {
        return exit::DONE;
    }
    let late = short(&report.pinned_too_late);
    context.renderer.notice(&format!(
        "pinned by somebody while being forgotten: {late}; `holdall forget --undo` with these ids brings them back"
    ));
    exit::INCOMPLETE
}

fn undo(context: &Context<'_>, arguments: &ForgetArguments) -> Result<u8, Failure> {
    let repository = context.open(Access::Write)?;
    let filter = context::filter_of(&arguments.host, &arguments.kind)?;
    let snapshots = context::resolve(context, &repository, &arguments.snapshots, &filter)?;
    let ids: Vec<SnapshotId> = snapshots.iter().map(|snapshot| snapshot.id).collect();
    let stop = Stop::listen()?;
    let display = Display::new(context.renderer, stop.clone());
    let report = repository.undo_forget(&ids, &context.writer(), &display);
    drop(display);
    let report = report.map_err(|error| Failure::from(error).with_interrupt_code(stop.exit_code()))?;
    report.notices.iter().for_each(|notice| context.renderer.notice(notice));
    context.renderer.json(&retention::undone(&report));
    if !report.restated.is_empty() {
        context.renderer.say(&format!("back again: {}\n", short(&report.restated)));
    }
    if !report.not_forgotten.is_empty() {
        context.renderer.notice(&format!("not forgotten: {}", short(&report.not_forgotten)));
    }
    Ok(exit::DONE)
}

fn short(ids: &[SnapshotId]) -> String {
    retention::short_ids(ids)
}

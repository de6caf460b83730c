//! `holdall stats`

use crate::cli::arguments::StatsArguments;
use crate::cli::context::{self, Access, Context};
use crate::cli::failure::{Failure, exit};
use crate::cli::render::progress::Display;
use crate::cli::render::{growth, stats};
use crate::cli::stop::Stop;
use crate::cli::values::GrowthStep;
use holdall::{Repository, Snapshot, SnapshotFilter, SnapshotId};

pub(crate) fn run(context: &Context<'_>, arguments: &StatsArguments) -> Result<u8, Failure> {
    let repository = context.open(Access::Read)?;
    let filter = context::filter(&arguments.filter)?;
    if let Some(step) = arguments.growth {
        show_growth(context, &repository, &filter, step)
    } else if arguments.snapshots.is_empty() && filter == SnapshotFilter::default() && !arguments.each {
        let totals = repository.stats()?;
        context.renderer.print(&stats::repository_text(&totals));
        context.renderer.json(&stats::repository_totals(&totals));
        Ok(exit::DONE)
    } else {
        show_each(context, &repository, &context::named_snapshots(context, &repository, &arguments.snapshots, &filter)?)
    }
}

fn show_each(context: &Context<'_>, repository: &Repository, snapshots: &[Snapshot]) -> Result<u8, Failure> {
    let ids: Vec<SnapshotId> = snapshots.iter().map(|snapshot| snapshot.id).collect();
    let stop = Stop::listen()?;
    let display = Display::of_a_check(context.renderer, stop.clone());
    let holdings = repository.holdings(&ids, &display);
    drop(display);
    let holdings = holdings.map_err(|error| Failure::from(error).with_interrupt_code(stop.exit_code()))?;
    context.renderer.print(&stats::snapshots_text(snapshots, &holdings));
    context.renderer.json(&stats::snapshot_totals(snapshots, &holdings));
    Ok(exit::DONE)
}

fn show_growth(
    context: &Context<'_>,
    repository: &Repository,
    filter: &SnapshotFilter,
    step: GrowthStep,
) -> Result<u8, Failure> {
    let rows = growth::rows(&repository.snapshots_ever(filter)?, step);
    context.renderer.print(&growth::as_text(&rows, step));
    context.renderer.json(&rows);
    Ok(exit::DONE)
}

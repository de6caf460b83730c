//! `holdall pin` and `holdall unpin`

use crate::cli::arguments::{PinArguments, UnpinArguments};
use crate::cli::context::{self, Access, Context};
use crate::cli::failure::{Failure, exit};
use crate::cli::render::progress::Display;
use crate::cli::render::{retention, text};
use crate::cli::stop::Stop;
use crate::cli::values::Moment;
use holdall::{SnapshotFilter, SnapshotId};

pub(crate) fn run(context: &Context<'_>, arguments: &PinArguments) -> Result<u8, Failure> {
    let until_ns = arguments.until.map(|until| until.time_ns);
    if until_ns.is_some_and(|until_ns| until_ns <= Moment::now().time_ns) {
        return Err(Failure::misuse("the time until which to pin is over, by this machine's clock"));
    }
    let repository = context.open(Access::Write)?;
    let snapshots = context::resolve(context, &repository, &arguments.snapshots, &SnapshotFilter::default())?;
    let stop = Stop::listen()?;
    let display = Display::new(context.renderer, stop.clone());
    let report = repository.pin(&snapshots, until_ns, &context.writer(), &display);
    drop(display);
    let report = report.map_err(|error| Failure::from(error).with_interrupt_code(stop.exit_code()))?;
    report.notices.iter().for_each(|notice| context.renderer.notice(notice));
    context.renderer.json(&retention::pinned(&report, until_ns));
    let end = until_ns.map_or_else(String::new, |until_ns| format!(" until {}", text::time(until_ns)));
    context.renderer.say(&format!("pinned{end}: {}\n", retention::short_ids(&report.pinned)));
    if !report.brought_back.is_empty() {
        context.renderer.say(&format!("back again: {}\n", retention::short_ids(&report.brought_back)));
    }
    Ok(exit::DONE)
}

pub(crate) fn lift(context: &Context<'_>, arguments: &UnpinArguments) -> Result<u8, Failure> {
    let repository = context.open(Access::Write)?;
    let snapshots = context::resolve(context, &repository, &arguments.snapshots, &SnapshotFilter::default())?;
    let ids: Vec<SnapshotId> = snapshots.iter().map(|snapshot| snapshot.id).collect();
    let unpinned = repository.unpin(&ids)?;
    context.renderer.json(&retention::unpinned(&unpinned));
    if !unpinned.is_empty() {
        context.renderer.say(&format!("unpinned: {}\n", retention::short_ids(&unpinned)));
    }
    let rest: Vec<SnapshotId> = ids.into_iter().filter(|id| !unpinned.contains(id)).collect();
    if !rest.is_empty() {
        context.renderer.notice(&format!("not pinned: {}", retention::short_ids(&rest)));
    }
    Ok(exit::DONE)
}

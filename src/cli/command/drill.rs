//! `holdall drill`

mod judge;

use crate::cli::arguments::DrillArguments;
use crate::cli::context::{self, Access, Context};
use crate::cli::failure::{Failure, exit};
use crate::cli::render::drill::{conclusion_text, finding, finding_text, plan_text, summary};
use crate::cli::render::progress::Display;
use crate::cli::render::{Verbosity, text};
use crate::cli::stop::Stop;
use crate::cli::surroundings::{absolute, host_name};
use holdall::{
    Afterwards, DrillCommand, DrillConclusion, DrillOptions, DrillPlace, DrillReport, DrillSample, ErrorKind, Live,
    Recorded, Repository, Snapshot, SnapshotSpec,
};

/// How many findings people are shown, unless they want more; programs get all that were kept.
const SHOWN_COUNT_MAX: usize = 20;

pub(crate) fn run(context: &Context<'_>, arguments: &DrillArguments) -> Result<u8, Failure> {
    let place = place(arguments)?;
    let repository = context.open(Access::Read)?;
    let snapshot = the_snapshot(context, &repository, arguments)?;
    if snapshot.is_partial() {
        context
            .renderer
            .notice(&format!("snapshot {} is partial: what it lacks can't be drilled", snapshot.id.short()));
    }
    let mut options = DrillOptions::new(place)
        .sample(arguments.sample.unwrap_or(DrillSample::WHOLE))
        .afterwards(afterwards(arguments))
        .live(live(context, &snapshot, arguments));
    if let Some(seed) = arguments.seed {
        options = options.seed(seed);
    }
    let stop = Stop::listen()?;
    let conclusion = perform(context, (&repository, snapshot), &options, (arguments, &stop))?;
    tell(context, &conclusion);
    Ok(exit_code(&conclusion))
}

/// Plans, restores, compares and judges; whatever fails on the way, nothing that was restored is left.
fn perform(
    context: &Context<'_>,
    (repository, snapshot): (&Repository, Snapshot),
    options: &DrillOptions,
    (arguments, stop): (&DrillArguments, &Stop),
) -> Result<DrillConclusion, Failure> {
    let failed = |error: holdall::Error| failure(error).with_interrupt_code(stop.exit_code());
    let display = Display::new(context.renderer, stop.clone());
    let plan = repository.plan_drill(snapshot, options, &display).map_err(failed)?;
    drop(display);
    let sample = arguments.sample.unwrap_or(DrillSample::WHOLE);
    context.renderer.say(&plan_text(&plan, sample));
    context.renderer.flush();

    let display = Display::new(context.renderer, stop.clone());
    let restored = repository.restore_drill(plan, &display).map_err(failed)?;
    drop(display);
    let display = Display::new(context.renderer, stop.clone());
    let drill = repository.compare_drill(restored, &display).map_err(failed)?;
    drop(display);

    tell_findings(context, drill.report(), afterwards(arguments));
    let command = if arguments.command.is_empty() {
        DrillCommand::None
    } else {
        judge::run(context.renderer, &arguments.command, (drill.report(), sample), stop)?
    };
    Ok(repository.conclude_drill(drill, command))
}

const fn afterwards(arguments: &DrillArguments) -> Afterwards {
    if arguments.keep { Afterwards::Keep } else { Afterwards::Remove }
}

fn place(arguments: &DrillArguments) -> Result<DrillPlace, Failure> {
    Ok(match &arguments.target {
        Some(target) => DrillPlace::At(absolute(target)?),
        None => DrillPlace::Within(absolute(&std::env::temp_dir())?),
    })
}

fn the_snapshot(
    context: &Context<'_>,
    repository: &Repository,
    arguments: &DrillArguments,
) -> Result<Snapshot, Failure> {
    let spec = arguments.snapshot.clone().unwrap_or(SnapshotSpec::Latest { back: 0 });
    context.snapshot(repository, &spec, &context::filter(&arguments.filter)?)
}

/// Only where the snapshot was made can live files be those that it was made of.
fn live(context: &Context<'_>, snapshot: &Snapshot, arguments: &DrillArguments) -> Live {
    let host = snapshot.origin.as_ref().map(|origin| origin.host.as_slice()).unwrap_or_default();
    let is_here = host == host_name().as_bytes();
    if arguments.no_live {
        return Live::PassOver;
    }
    if !is_here {
        let (id, host) = (snapshot.id.short(), text::printable(host));
        context
            .renderer
            .notice(&format!("snapshot {id} is of the host {host}: it is not compared with files of this one"));
        return Live::PassOver;
    }
    Live::Compare
}

/// What helps where there is too little room is another place, not another backup.
fn failure(error: holdall::Error) -> Failure {
    if error.kind() != ErrorKind::NoSpace {
        return Failure::from(error);
    }
    let advice = "nothing is left of it; restore less with --sample, or where there is more room with --target";
    Failure::elsewhere(holdall::Error::new(ErrorKind::NoSpace, format!("{error}\n{advice}")))
}

fn tell_findings(context: &Context<'_>, report: &DrillReport, afterwards: Afterwards) {
    let renderer = context.renderer;
    let shown_count_max = if renderer.verbosity() > Verbosity::Normal { usize::MAX } else { SHOWN_COUNT_MAX };
    let folder = (afterwards == Afterwards::Keep).then_some(report.folder.as_path());
    for (number, found) in report.findings.iter().enumerate() {
        renderer.json(&finding(found));
        if number < shown_count_max {
            renderer.print(&finding_text(found, folder));
        }
    }
    let all = report.result.differing_count.saturating_add(report.result.live_differing_count);
    let shown = u64::try_from(report.findings.len().min(shown_count_max)).unwrap_or(u64::MAX);
    if all > shown {
        renderer.print(&format!("and {} more\n", text::count(all.saturating_sub(shown))));
    }
}

fn tell(context: &Context<'_>, conclusion: &DrillConclusion) {
    if let Some(leftover) = &conclusion.leftover {
        context.renderer.notice(&leftover.to_string());
    }
    if let Recorded::Not(error) = &conclusion.recorded {
        context.renderer.notice(&format!("nothing was recorded in the repository: {error}"));
    }
    context.renderer.say(&conclusion_text(conclusion));
    context.renderer.json(&summary(conclusion));
}

fn exit_code(conclusion: &DrillConclusion) -> u8 {
    let result = &conclusion.report.result;
    if result.differing_count > 0 || result.live_differing_count > 0 {
        exit::DAMAGED
    } else if result.command == DrillCommand::Failed {
        exit::COMMAND_FAILED
    } else if result.left_count > 0 || conclusion.leftover.is_some() {
        exit::INCOMPLETE
    } else {
        exit::DONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_room_has_an_exit_code_and_an_advice_of_its_own() {
        let failed = failure(holdall::Error::new(ErrorKind::NoSpace, "there is no room in /tmp"));
        assert_eq!(failed.exit_code(), exit::NO_SPACE);
        let text = failed.to_string();
        assert!(text.starts_with("there is no room in /tmp\n") && text.contains("--sample"), "{text}");
        assert!(!text.contains("stored so far"), "a drill stores nothing: {text}");
        assert_eq!(failure(holdall::Error::new(ErrorKind::Damaged, "x")).exit_code(), exit::DAMAGED);
    }
}

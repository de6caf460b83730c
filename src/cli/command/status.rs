//! `holdall status`: whether the sets of the profile are backed up as they should be, by what this machine remembers.

use super::run::refuse_other_repository;
use crate::cli::arguments::StatusArguments;
use crate::cli::context::Context;
use crate::cli::failure::{Failure, exit};
use crate::cli::profile::Loaded;
use crate::cli::render::json::moment;
use crate::cli::render::run::moment_s;
use crate::cli::render::status::{LastRun, SetStatus, status_table};
use crate::profile::{Record, Set, Standing};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// By how much a clock may have been ahead that is set right every now and then.
const AHEAD_SECONDS_MAX: i64 = 60;

pub(crate) fn run(context: &Context<'_>, arguments: &StatusArguments) -> Result<u8, Failure> {
    refuse_other_repository(context)?;
    let loaded = Loaded::find(&context.surroundings, context.global)?;
    let runs = loaded.runs(&context.surroundings)?;
    let now = Timestamp::now();
    let of = |set: &Set| Ok(status(set, &runs.record(&set.name)?, runs.is_held(&set.name), now));
    let all: Vec<SetStatus> = loaded.chosen(&arguments.sets)?.into_iter().map(of).collect::<Result<_, Failure>>()?;
    all.iter().for_each(|status| context.renderer.json(status));
    context.renderer.print(&status_table(&all));
    Ok(if all.iter().any(|status| status.too_old) { exit::FAILED } else { exit::DONE })
}

/// How old a backup is; none if it lies in the future, which says that a clock was wrong and not how old it is.
fn age_seconds(time_s: i64, now: Timestamp) -> Option<u64> {
    let age = now.as_second().saturating_sub(time_s);
    (age >= -AHEAD_SECONDS_MAX).then(|| u64::try_from(age).unwrap_or(0))
}

fn status(set: &Set, record: &Record, running: bool, now: Timestamp) -> SetStatus {
    let age_seconds = record.backup.as_ref().and_then(|backup| age_seconds(backup.time_s, now));
    let max_age_seconds = set.max_age.map(|max_age| max_age.as_secs());
    let standing = set.schedule.as_ref().map(|calendar| Standing::of(record, calendar, now, &TimeZone::system()));
    SetStatus {
        message_type: "set_status",
        set: set.name.to_string(),
        repository: set.repository.clone(),
        last_backup: record.backup.as_ref().map(|backup| moment_s(backup.time_s)),
        last_backup_s: record.backup.as_ref().map(|backup| backup.time_s),
        snapshot_id: record.backup.as_ref().and_then(|backup| backup.snapshot.clone()),
        age_seconds,
        max_age_seconds,
        too_old: age_seconds.is_none_or(|age| max_age_seconds.is_some_and(|max| age > max)),
        running,
        last_run: record.run.as_ref().map(|run| LastRun {
            began: moment_s(run.began_s),
            ended: run.ended_s.map(moment_s),
            outcome: outcome(record, running),
            exit_code: run.exit_code,
            message: run.message.clone(),
        }),
        outcome: outcome(record, running),
        due: standing == Some(Standing::Due),
        next_run: match standing {
            Some(Standing::Later(next)) => i64::try_from(next.as_nanosecond()).ok().map(moment),
            Some(Standing::Due | Standing::Unknown) | None => None,
        },
        next_run_s: match standing {
            Some(Standing::Later(next)) => Some(next.as_second()),
            Some(Standing::Due | Standing::Unknown) | None => None,
        },
        by_systemd: standing == Some(Standing::Unknown),
    }
}

/// How the last run ended, in a word.
fn outcome(record: &Record, running: bool) -> &'static str {
    match (&record.run, running) {
        (_, true) => "running",
        (None, false) => "never",
        (Some(run), false) => run.outcome.map_or("killed", crate::profile::Outcome::name),
    }
}

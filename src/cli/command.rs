//! The commands, one file each.

mod backup;
mod check;
mod copy;
mod diff;
mod drill;
mod dump;
mod find;
mod forget;
mod import;
mod info;
mod init;
mod key;
mod ls;
mod mirror;
mod mount;
mod pages;
mod parity;
mod pin;
mod prune;
mod repair;
mod restore;
mod run;
mod schedule;
#[cfg(test)]
mod schemas;
mod scrub;
mod sessions;
mod snapshots;
mod stats;
mod status;

use super::arguments::{Command, ImportArguments, ImportCommand, KeyCommand, RepairCommand, ScheduleCommand};
use super::context::Context;
use super::failure::Failure;
use super::render::Purpose;

/// Runs a command and returns its exit code.
pub(crate) fn run(context: &Context<'_>, command: &Command) -> Result<u8, Failure> {
    let done = perform(context, command);
    context.tell_used_copies();
    done
}

fn perform(context: &Context<'_>, command: &Command) -> Result<u8, Failure> {
    match command {
        Command::Init(arguments) => init::run(context, arguments),
        Command::Backup(arguments) => backup::run(context, arguments),
        Command::Copy(arguments) => copy::run(context, arguments),
        Command::Snapshots(arguments) => snapshots::run(context, arguments),
        Command::Ls(arguments) => ls::run(context, arguments),
        Command::Find(arguments) => find::run(context, arguments),
        Command::Diff(arguments) => diff::run(context, arguments),
        Command::Dump(arguments) => dump::run(context, arguments),
        Command::Mirror(arguments) => mirror::run(context, arguments),
        Command::Mount(arguments) => mount::run(context, arguments),
        Command::Restore(arguments) => restore::run(context, arguments),
        Command::Drill(arguments) => drill::run(context, arguments),
        Command::Forget(arguments) => forget::run(context, arguments),
        Command::Pin(arguments) => pin::run(context, arguments),
        Command::Unpin(arguments) => pin::lift(context, arguments),
        Command::Sessions(arguments) => sessions::run(context, arguments),
        Command::Info(arguments) => info::run(context, arguments),
        Command::Stats(arguments) => stats::run(context, arguments),
        Command::Check(arguments) => check::run(context, arguments),
        Command::Repair(arguments) => repair::run(context, arguments),
        Command::Run(arguments) => run::run(context, arguments),
        Command::Status(arguments) => status::run(context, arguments),
        Command::Schedule(arguments) => schedule::run(context, arguments),
        Command::Scrub(arguments) => scrub::run(context, arguments),
        Command::Prune(arguments) => prune::run(context, arguments),
        Command::Import(arguments) => import::run(context, arguments),
        Command::Key(arguments) => key::run(context, arguments),
        Command::Parity(arguments) => parity::run(context, arguments),
        Command::Completions(arguments) => pages::completions(context, arguments),
        Command::Man(arguments) => pages::man(context, arguments),
    }
}

/// Whether there is more to a command than what it prints.
pub(crate) const fn purpose(command: &Command) -> Purpose {
    let only_prints = match command {
        Command::Snapshots(_)
        | Command::Ls(_)
        | Command::Find(_)
        | Command::Diff(_)
        | Command::Info(_)
        | Command::Stats(_)
        | Command::Status(_)
        | Command::Completions(_) => true,
        Command::Dump(arguments) => arguments.target.is_none(),
        Command::Man(arguments) => arguments.into.is_none(),
        Command::Sessions(arguments) => arguments.command.is_none(),
        Command::Key(arguments) => matches!(arguments.command, KeyCommand::List),
        Command::Schedule(arguments) => {
            matches!(arguments.command, ScheduleCommand::List { .. } | ScheduleCommand::Install { dry_run: true, .. })
        }
        Command::Backup(arguments) => arguments.dry_run,
        Command::Copy(arguments) => arguments.dry_run,
        Command::Mirror(arguments) => arguments.dry_run,
        Command::Restore(arguments) => arguments.overwrite.dry_run,
        Command::Forget(arguments) => arguments.dry_run,
        Command::Prune(arguments) => arguments.dry_run,
        Command::Import(ImportArguments { command: ImportCommand::Restic(arguments) }) => arguments.dry_run,
        Command::Run(arguments) => arguments.dry_run,
        Command::Repair(arguments) => match &arguments.command {
            RepairCommand::Index(arguments) => arguments.dry_run,
            RepairCommand::Packs(arguments) => arguments.dry_run,
            RepairCommand::Snapshots(arguments) => arguments.dry_run,
        },
        Command::Init(_)
        | Command::Mount(_)
        | Command::Drill(_)
        | Command::Pin(_)
        | Command::Unpin(_)
        | Command::Check(_)
        | Command::Scrub(_)
        | Command::Parity(_) => false,
    };
    if only_prints { Purpose::Output } else { Purpose::Effect }
}

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

use super::arguments::Command;
use super::context::Context;
use super::failure::Failure;

/// Runs a command and returns its exit code.
pub(crate) fn run(context: &Context<'_>, command: &Command) -> Result<u8, Failure> {
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

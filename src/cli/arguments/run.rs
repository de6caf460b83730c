//! Options of the commands that work by the profile.

use clap::{Args, Subcommand};
use std::path::PathBuf;

pub(super) const RUN_EXAMPLES: &str = "\
Examples:
  holdall run                  all sets, one after the other
  holdall run -n home          only print the commands and hooks of one
  holdall run --due            as often as you like: each set runs once when its time has come

A profile, in ~/.config/holdall/holdall.toml or /etc/holdall/holdall.toml:
  [repository.nas]
  store = \"/mnt/nas/holdall\"
  password-file = \"/root/holdall-password\"

  [set.home]
  schedule = \"daily 02:30\"
  max-age = \"2d\"

  [set.home.backup]
  paths = [\"/home\", \"/etc\"]
  exclude = [\"*.tmp\"]

  [set.home.forget]
  keep-daily = 7
  keep-monthly = 12

  [set.home.prune]

  [set.home.hooks]
  failed = \"mail -s \\\"backup: $HOLDALL_MESSAGE\\\" root\"

Hooks (before, after, failed, finally) of a set, or in [hooks] of every set, are told in their environment:
  HOLDALL_SET, HOLDALL_REPOSITORY, HOLDALL_CONFIG, HOLDALL_HOOK
  HOLDALL_OUTCOME              ok, incomplete, failed or interrupted; this and what follows not before the first step
  HOLDALL_EXIT_CODE            0 unless something is wrong
  HOLDALL_STEP                 the last step or hook, or the one that failed
  HOLDALL_SNAPSHOT             the snapshot that was made, if one was
  HOLDALL_MESSAGE              what went wrong, in one line

The keys of backup, forget, prune and check are the options of these commands. The exit code is the worst of all steps.";

pub(super) const STATUS_EXAMPLES: &str = "\
Examples:
  holdall status               all sets
  holdall status home --json   one, for programs

It goes by what this machine remembers of `holdall run`, and needs no password.";

pub(super) const SCHEDULE_EXAMPLES: &str = "\
Examples:
  holdall schedule install     timers of systemd, or a line in the crontab where no systemd runs
  holdall schedule list        what is installed, and what runs next
  holdall schedule remove home";

/// `holdall run`
#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// The sets [otherwise: all, in the order of the profile]
    #[arg(value_name = "SET")]
    pub(crate) sets: Vec<String>,
    /// Only sets whose time has come by their schedule and that have not run since; missed runs are caught up by one
    #[arg(long)]
    pub(crate) due: bool,
    /// Run nothing, only print the commands that would be run
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
}

/// `holdall status`
#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    /// The sets [otherwise: all, in the order of the profile]
    #[arg(value_name = "SET")]
    pub(crate) sets: Vec<String>,
}

/// `holdall schedule`
#[derive(Debug, Args)]
pub(crate) struct ScheduleArguments {
    #[command(subcommand)]
    pub(crate) command: ScheduleCommand,
}

/// What to do about schedules.
#[derive(Debug, Subcommand)]
pub(crate) enum ScheduleCommand {
    /// Have sets run when their `schedule` says so: by timers of systemd, or by cron where there is none
    Install {
        /// The sets [otherwise: all that have a schedule]
        #[arg(value_name = "SET")]
        sets: Vec<String>,
        #[command(flatten)]
        place: PlaceArguments,
        /// Install nothing, only print what would be written
        #[arg(short = 'n', long)]
        dry_run: bool,
    },
    /// List what is installed, and what runs next
    List {
        #[command(flatten)]
        place: PlaceArguments,
    },
    /// Take sets out of the schedule
    Remove {
        /// The sets [otherwise: all that are installed]
        #[arg(value_name = "SET")]
        sets: Vec<String>,
        #[command(flatten)]
        place: PlaceArguments,
    },
}

/// Who is to start the runs.
#[derive(Debug, Default, Args)]
#[group(multiple = false)]
pub(crate) struct PlaceArguments {
    /// By systemd, for the whole machine [this is the default for root]
    #[arg(long)]
    pub(crate) system: bool,
    /// By your own systemd; `loginctl enable-linger` keeps it running while you are not logged in
    #[arg(long)]
    pub(crate) user: bool,
    /// By cron: a line in your crontab that asks every five minutes whether a set is due
    #[arg(long)]
    pub(crate) cron: bool,
    /// Write the units of systemd into this folder and start nothing
    #[arg(long, value_name = "DIR")]
    pub(crate) into: Option<PathBuf>,
}

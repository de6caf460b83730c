//! Options of the commands that work by the profile.

use clap::Args;

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

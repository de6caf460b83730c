//! The arguments of `holdall parity`.

use crate::cli::values::parse_parity_percent;
use clap::{Args, Subcommand};
use holdall::ParityPercent;
use std::path::PathBuf;

/// `holdall parity`
#[derive(Debug, Args)]
pub(crate) struct ParityArguments {
    #[command(subcommand)]
    pub(crate) command: ParityCommand,
}

/// What to do about parity.
#[derive(Debug, Subcommand)]
pub(crate) enum ParityCommand {
    /// Give packs parity and small objects a second copy, unless they have it
    Add {
        /// The repository's folder [otherwise: as for every command]
        #[arg(value_name = "STORE", conflicts_with = "repo")]
        store: Option<PathBuf>,
        /// How much parity packs get that have none, in percent of their size: 1 to 25 [otherwise: what the repository
        /// was made with, or 2]
        #[arg(long, value_name = "PERCENT", value_parser = parse_parity_percent)]
        percent: Option<ParityPercent>,
    },
}

//! The arguments of the commands that look for damage.

use crate::cli::values::{Span, parse_read_subset};
use clap::Args;
use holdall::ReadSubset;
use std::path::PathBuf;

/// `holdall check`
#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// Also decode every frame and hash every chunk
    #[arg(long, group = "data")]
    pub(crate) read_data: bool,
    /// The same with a part of the packs: n/m for the n-th of m parts, a share such as 5%, or a size, picked at random
    #[arg(long, group = "data", value_name = "SUBSET", value_parser = parse_read_subset)]
    pub(crate) read_data_subset: Option<ReadSubset>,
    /// Pass over packs that a check verified less than so long ago: 7d, 12h
    #[arg(long, value_name = "DURATION", requires = "data")]
    pub(crate) max_age: Option<Span>,
    /// Begin to read no further pack after so long: 1h, 30m; packs that were verified never or long ago come first
    #[arg(long, value_name = "DURATION", requires = "data")]
    pub(crate) max_duration: Option<Span>,
    /// Write nothing into the repository: later checks don't know what this one verified, and what put keys stored stays
    /// theirs alone
    #[arg(long)]
    pub(crate) no_remember: bool,
    /// First heal what is damaged from parity and second copies, which reads every object
    #[arg(long)]
    pub(crate) repair: bool,
}

/// `holdall scrub`
#[derive(Debug, Args)]
pub(crate) struct ScrubArguments {
    /// The repository's folder [otherwise: as for every command]
    #[arg(value_name = "STORE", conflicts_with = "repo")]
    pub(crate) store: Option<PathBuf>,
    /// Heal what is damaged from parity and second copies
    #[arg(long)]
    pub(crate) repair: bool,
}

//! The arguments of `holdall restore`.

use super::{ExcludeArguments, FilterArguments, IncludeArguments};
use crate::cli::snapshot_argument::{SnapshotArgument, snapshot_argument};
use crate::cli::values::parse_overwrite;
use clap::Args;
use holdall::Overwrite;
use std::path::PathBuf;

/// `holdall restore`
#[derive(Debug, Args)]
pub(crate) struct RestoreArguments {
    /// latest, latest~N, or the start of an id; with :/path only what lies there; several paths of one snapshot may be
    /// named
    #[arg(required = true, value_name = "SNAPSHOT[:PATH]", value_parser = snapshot_argument())]
    pub(crate) snapshots: Vec<SnapshotArgument>,
    #[command(flatten)]
    pub(crate) filter: FilterArguments,
    /// The folder to restore into: a whole snapshot, or several parts, with absolute paths below it; one part directly
    #[arg(short, long, value_name = "DIR")]
    pub(crate) target: PathBuf,
    #[command(flatten)]
    pub(crate) overwrite: OverwriteArguments,
    #[command(flatten)]
    pub(crate) include: IncludeArguments,
    #[command(flatten)]
    pub(crate) exclude: ExcludeArguments,
}

/// `holdall restore`: what becomes of what is there
#[derive(Debug, Args)]
pub(crate) struct OverwriteArguments {
    /// What becomes of what is there already: always bring it to the snapshot's state, writing what differs; if-changed:
    /// the same, but believe files with the right size and time; if-newer: only where the snapshot's is newer; never
    #[arg(long, value_name = "WHEN", default_value = "always", value_parser = parse_overwrite)]
    pub(crate) overwrite: Overwrite,
    /// Remove from restored folders what the snapshot does not hold, as far as --include and --exclude choose it
    #[arg(long)]
    pub(crate) delete: bool,
    /// Leave owners alone: what is restored belongs to you
    #[arg(long, conflicts_with = "numeric_ids")]
    pub(crate) no_ownership: bool,
    /// Give files to the numbers of their owners, whatever names those have here
    #[arg(long)]
    pub(crate) numeric_ids: bool,
    /// Change nothing, only list what would change
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
}

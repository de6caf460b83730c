//! Arguments of repairs.

use super::FromArguments;
use clap::{Args, Subcommand};
use std::path::PathBuf;

const INDEX_EXAMPLES: &str = "\
Examples:
  holdall repair index -n    # only say what is lost and what would be read
  holdall repair index

Nothing is deleted, and done twice it has nothing to do the second time. The exit code is 5 when packs were set aside.";
const PACKS_EXAMPLES: &str = "\
Examples:
  holdall repair packs -n
  holdall repair packs --from /home --from /mnt/old-disc
  holdall repair packs --from-repo /mnt/other/repository --from-password-file /root/other

Nothing is deleted. The exit code is 5 while something is still lost.";

const SNAPSHOTS_EXAMPLES: &str = "\
Examples:
  holdall repair snapshots -n
  holdall repair snapshots

What is damaged and was not set aside yet is taken to be whole: run `holdall repair packs` first. The damaged snapshots
stay, and restore what they still can. The exit code is 5 while one has no corrected one beside it.";

/// `holdall repair`
#[derive(Debug, Args)]
#[command(disable_help_subcommand = true)]
pub(crate) struct RepairArguments {
    #[command(subcommand)]
    pub(crate) command: RepairCommand,
}

/// What is repaired.
#[derive(Debug, Subcommand)]
pub(crate) enum RepairCommand {
    /// Rebuild what is lost of the index from the packs, and this machine's view of it
    #[command(after_help = INDEX_EXAMPLES)]
    Index(RepairIndexArguments),
    /// Read all packs, heal damaged ones or save what can be read of them, and store anew what is lost from elsewhere
    #[command(after_help = PACKS_EXAMPLES)]
    Packs(RepairPacksArguments),
    /// Make a corrected snapshot beside each one that misses something, without what is lost
    #[command(after_help = SNAPSHOTS_EXAMPLES)]
    Snapshots(RepairSnapshotsArguments),
}

/// `holdall repair index`
#[derive(Debug, Args)]
pub(crate) struct RepairIndexArguments {
    /// Change nothing, only say what would be done
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
}

/// `holdall repair packs`
#[derive(Debug, Args)]
pub(crate) struct RepairPacksArguments {
    /// Change nothing, only say what is damaged and lost
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    /// A file or folder that may hold what is lost, such as what was backed up; may be repeated
    #[arg(long, value_name = "PATH")]
    pub(crate) from: Vec<PathBuf>,
    /// Another one that may hold what is lost: a copy of this one, or one of the same files.
    #[command(flatten)]
    pub(crate) other: FromArguments,
}

/// `holdall repair snapshots`
#[derive(Debug, Args)]
pub(crate) struct RepairSnapshotsArguments {
    /// Change nothing, only say which snapshots miss what
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
}

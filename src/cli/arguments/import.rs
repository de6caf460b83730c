//! Arguments of imports.

use super::FilterArguments;
use crate::cli::values::{parse_compression, parse_read_concurrency};
use clap::{Args, Subcommand};
use holdall::Compression;
use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;

const RESTIC_EXAMPLES: &str = "\
Examples:
  holdall import restic /mnt/disc/restic --from-password-file /root/restic -n
  holdall import restic /mnt/disc/restic --from-password-file /root/restic
  holdall import restic /mnt/disc/restic --host mail 1a2b3c4d 5e6f7a8b

Each snapshot keeps its time, host, user, paths and tags, and restores as restic restores it. What was carried over before
is passed over, so an import that was stopped goes on, and a later one takes what is new. restic's repository is only read,
in the versions 1 and 2 of its format; let no prune run in it meanwhile. The exit code is 3 when something in it is damaged:
such files are named, and are unreadable in the snapshot.";

/// `holdall import`
#[derive(Debug, Args)]
#[command(disable_help_subcommand = true)]
pub(crate) struct ImportArguments {
    #[command(subcommand)]
    pub(crate) command: ImportCommand,
}

/// From what to import.
#[derive(Debug, Subcommand)]
pub(crate) enum ImportCommand {
    /// Carry snapshots over from a repository of restic in a local folder
    #[command(after_help = RESTIC_EXAMPLES)]
    Restic(ImportResticArguments),
}

/// `holdall import restic`
#[derive(Debug, Args)]
pub(crate) struct ImportResticArguments {
    /// The folder of restic's repository
    #[arg(value_name = "RESTIC-DIR")]
    pub(crate) from: PathBuf,
    /// Only these: the start of restic's id
    #[arg(value_name = "SNAPSHOT")]
    pub(crate) snapshots: Vec<String>,
    /// A file with the password of restic's repository [otherwise a terminal is asked]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["from_password_command", "from_insecure_no_password"])]
    pub(crate) from_password_file: Option<PathBuf>,
    /// A shell command that prints the password of restic's repository
    #[arg(long, value_name = "COMMAND", conflicts_with = "from_insecure_no_password")]
    pub(crate) from_password_command: Option<OsString>,
    /// restic's repository has an empty password
    #[arg(long)]
    pub(crate) from_insecure_no_password: bool,
    #[command(flatten)]
    pub(crate) filter: FilterArguments,
    /// How hard to compress: auto, off, or 1 to 19
    #[arg(long, value_name = "LEVEL", default_value = "auto", value_parser = parse_compression)]
    pub(crate) compression: Compression,
    /// How many files are read at once: 1 for a disc that seeks, more for a network [otherwise: one for each core]
    #[arg(long, value_name = "N", value_parser = parse_read_concurrency)]
    pub(crate) read_concurrency: Option<NonZeroUsize>,
    /// Store nothing, only list what would be carried over
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
}

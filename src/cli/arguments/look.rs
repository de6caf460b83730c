//! The commands that look into snapshots, as their users see them.

use super::FilterArguments;
use crate::cli::snapshot_argument::{SnapshotArgument, SnapshotArgumentParser};
use crate::cli::values::{Moment, SizeBound, parse_archive, parse_kind};
use clap::Args;
use holdall::{DumpForm, Kind};
use std::ffi::OsString;
use std::path::PathBuf;

/// `holdall find`
#[derive(Debug, Args)]
pub(crate) struct FindArguments {
    /// A name such as *.odt, or a path such as /home/*/letters; may be repeated
    #[arg(required = true, value_name = "PATTERN")]
    pub(crate) patterns: Vec<OsString>,
    /// Only in these snapshots: latest, latest~N, or the start of an id; with :/path only there; may be repeated
    #[arg(short, long, value_name = "SNAPSHOT[:PATH]", value_parser = SnapshotArgumentParser)]
    pub(crate) snapshot: Vec<SnapshotArgument>,
    #[command(flatten)]
    pub(crate) filter: FilterArguments,
    /// Take A for a
    #[arg(short, long)]
    pub(crate) ignore_case: bool,
    /// Only what changed last at this time or later
    #[arg(short = 'O', long, value_name = "TIME")]
    pub(crate) oldest: Option<Moment>,
    /// Only what changed last at this time or earlier
    #[arg(short = 'N', long, value_name = "TIME")]
    pub(crate) newest: Option<Moment>,
    /// Only files of this size: 4K, +10M for more, -1G for less; may be repeated
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true)]
    pub(crate) size: Vec<SizeBound>,
    /// Only files (f), folders (d), links (l), pipes (p), sockets (s) or devices (b, c)
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',', value_parser = parse_kind)]
    pub(crate) kind: Vec<Kind>,
    /// Show type, permissions, owner, size and time as well
    #[arg(short, long)]
    pub(crate) long: bool,
    /// Show where it came, changed and went from snapshot to snapshot, instead of every snapshot that has it
    #[arg(long)]
    pub(crate) history: bool,
}

/// `holdall diff`
#[derive(Debug, Args)]
#[command(after_help = DIFF_MODIFIERS)]
pub(crate) struct DiffArguments {
    /// latest, latest~N, or the start of an id; with :/path only what lies there
    #[arg(value_name = "SNAPSHOT[:PATH]", value_parser = SnapshotArgumentParser)]
    pub(crate) first: SnapshotArgument,
    /// The snapshot to compare it with
    #[arg(value_name = "SNAPSHOT", value_parser = SnapshotArgumentParser, required_unless_present = "live")]
    pub(crate) second: Option<SnapshotArgument>,
    #[command(flatten)]
    pub(crate) filter: FilterArguments,
    /// Compare with what is on this machine now
    #[arg(long, conflicts_with = "second")]
    pub(crate) live: bool,
    /// Show also what changed in nothing but its owner, mode, times or attributes
    #[arg(long)]
    pub(crate) metadata: bool,
}

const DIFF_MODIFIERS: &str = "\
+ only in the second; - only in the first; M other content; T another type of thing; U other metadata; \
? other content with the same size and time, which no program leaves behind: a sign of rotten bytes";

/// `holdall dump`
#[derive(Debug, Args)]
pub(crate) struct DumpArguments {
    /// latest, latest~N, or the start of an id; with :/path only what lies there
    #[arg(value_name = "SNAPSHOT[:PATH]", value_parser = SnapshotArgumentParser)]
    pub(crate) snapshot: SnapshotArgument,
    #[command(flatten)]
    pub(crate) filter: FilterArguments,
    /// The form in which a folder is written, and a file too when it is given [otherwise: tar for a folder]
    #[arg(short, long, value_name = "FORM", value_parser = parse_archive)]
    pub(crate) archive: Option<DumpForm>,
    /// Write into this file instead, which must not exist
    #[arg(short, long, value_name = "FILE")]
    pub(crate) target: Option<PathBuf>,
}

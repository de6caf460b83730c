//! The commands that look into snapshots, as their users see them.

use super::FilterArguments;
use crate::cli::snapshot_argument::{SnapshotArgument, snapshot_argument, whole_snapshot};
use crate::cli::values::{GrowthStep, Moment, SizeBound, parse_archive, parse_growth_step, parse_kind};
use clap::Args;
use holdall::{DumpForm, Kind, PathTemplate, SnapshotSpec};
use std::ffi::OsString;
use std::path::PathBuf;

/// `holdall find`
#[derive(Debug, Args)]
pub(crate) struct FindArguments {
    /// A name such as *.odt, or a path such as /home/*/letters; may be repeated
    #[arg(required = true, value_name = "PATTERN")]
    pub(crate) patterns: Vec<OsString>,
    /// Only in these snapshots: latest, latest~N, or the start of an id; with :/path only there; may be repeated
    #[arg(short, long, value_name = "SNAPSHOT[:PATH]", value_parser = snapshot_argument())]
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

/// `holdall info`
#[derive(Debug, Args)]
pub(crate) struct InfoArguments {
    /// latest, latest~N, or the start of an id [otherwise: the repository]
    #[arg(value_name = "SNAPSHOT", value_parser = whole_snapshot())]
    pub(crate) snapshot: Option<SnapshotSpec>,
    #[command(flatten)]
    pub(crate) filter: FilterArguments,
}

pub(super) const INFO_EXAMPLES: &str = "\
Examples:
  holdall info                    id, format, keys, snapshots, objects by folder, what is under way, what was verified
  holdall info latest             who made it and when, what it holds and lacks, what was said about it, how to restore it
  holdall info latest --host web1";

/// `holdall stats`
#[derive(Debug, Args)]
#[command(after_help = STATS_COLUMNS)]
pub(crate) struct StatsArguments {
    /// What each of these takes: latest, latest~N, or the start of an id
    #[arg(value_name = "SNAPSHOT", value_parser = whole_snapshot())]
    pub(crate) snapshots: Vec<SnapshotSpec>,
    #[command(flatten)]
    pub(crate) filter: FilterArguments,
    /// What each snapshot takes, without naming any
    #[arg(long)]
    pub(crate) each: bool,
    /// What backups added and what that comes to, by snapshot, day, week, month or year; forgotten snapshots count
    #[arg(
        long,
        value_name = "STEP",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "snapshot",
        value_parser = parse_growth_step,
        conflicts_with_all = ["snapshots", "each"]
    )]
    pub(crate) growth: Option<GrowthStep>,
}

const STATS_COLUMNS: &str = "\
Of a snapshot:
  Unique  stored for it alone: what `forget` and then `prune --max-unused 0` free
  Shared  stored for it and for others
  Added   stored by its backup, because the repository did not have it
  Dedup   bytes of content for each byte of distinct content
  Compr   bytes of distinct content for each byte in which it is stored";

/// `holdall diff`
#[derive(Debug, Args)]
#[command(after_help = DIFF_MODIFIERS)]
pub(crate) struct DiffArguments {
    /// latest, latest~N, or the start of an id; with :/path only what lies there
    #[arg(value_name = "SNAPSHOT[:PATH]", value_parser = snapshot_argument())]
    pub(crate) first: SnapshotArgument,
    /// The snapshot to compare it with
    #[arg(value_name = "SNAPSHOT", value_parser = snapshot_argument(), required_unless_present = "live")]
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
    #[arg(value_name = "SNAPSHOT[:PATH]", value_parser = snapshot_argument())]
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

/// `holdall mount`
#[derive(Debug, Args)]
#[command(after_help = MOUNT_EXAMPLES)]
pub(crate) struct MountArguments {
    /// An existing folder, which shows the snapshots until Ctrl-C or umount
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
    /// Show only this one, at the top: latest, latest~N, or the start of an id; with :/path only what lies there
    #[arg(value_name = "SNAPSHOT[:PATH]", value_parser = snapshot_argument())]
    pub(crate) snapshot: Option<SnapshotArgument>,
    #[command(flatten)]
    pub(crate) filter: FilterArguments,
    /// Let other users in, as far as the permissions of the files go
    #[arg(long)]
    pub(crate) allow_other: bool,
    /// With --allow-other, let them read everything
    #[arg(long, requires = "allow_other")]
    pub(crate) no_default_permissions: bool,
    /// Show everything as root's
    #[arg(long)]
    pub(crate) owner_root: bool,
    /// Where a snapshot shows, with %i and %I for its id, %T its time, %h its host, %u its user, %t each tag; may be repeated
    /// [otherwise: ids/%i, snapshots/%T, hosts/%h/%T and tags/%t/%T]
    #[arg(long, value_name = "TEMPLATE", conflicts_with = "snapshot")]
    pub(crate) path_template: Vec<PathTemplate>,
    /// How %T writes a time, as strftime does
    #[arg(long, value_name = "FORMAT", default_value = "%Y-%m-%dT%H:%M:%S%:z", conflicts_with = "snapshot")]
    pub(crate) time_template: String,
}

const MOUNT_EXAMPLES: &str = "\
Examples:
  holdall mount /mnt                    all snapshots, and those that are made meanwhile
  ls /mnt/snapshots/latest/etc          the newest of all
  diff -r /mnt/hosts/web1/latest/etc /etc
  holdall mount /mnt latest:/home       one folder of one snapshot
  umount /mnt                           or Ctrl-C; without root's rights: fusermount3 -u /mnt";

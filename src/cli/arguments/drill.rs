//! The arguments of `holdall drill`.

use super::FilterArguments;
use crate::cli::snapshot_argument::whole_snapshot;
use crate::cli::values::parse_sample;
use clap::Args;
use holdall::{DrillSample, SnapshotSpec};
use std::ffi::OsString;
use std::path::PathBuf;

pub(super) const EXAMPLES: &str = "\
Examples:
  holdall drill                                  # the latest complete snapshot, all of it
  holdall drill --sample 5% --host mail          # a twentieth of its files, others each time
  holdall drill --sample 5% --seed 42            # the same ones again
  holdall drill --target /srv/drill -- sh -c 'pg_verifybackup srv/db/base'

What is restored lies below the folder at its absolute path, is read back from its disc, and compared with the snapshot: types,
sizes, content, links, permissions, times, attributes, and owners if you are root. A live file that has the size, times and
inode number that it had when it was backed up is compared too: if its content differs, it has rotted, or the backup has.
Files that were changed since are counted.

The command is run in the folder, without a shell. It finds HOLDALL_DRILL_FOLDER, HOLDALL_DRILL_SNAPSHOT (the id) and
HOLDALL_DRILL_PERCENT (100 for all) in its environment, and fails the drill by any exit code but 0. The folder is removed
however the drill ends, unless --keep is given.

`holdall snapshots` shows when a snapshot was drilled last, and whether it passed. Keys with the role read, prune or all can
state that; if it can't be stated, the drill says so. Exit codes: 5 if something differs or is lost, else 4 if the command failed,
else 3 if something could not be restored here or is not in the snapshot, 13 if there is no room.";

/// `holdall drill`
#[derive(Debug, Args)]
pub(crate) struct DrillArguments {
    /// latest, latest~N, or the start of an id [otherwise: latest]
    #[arg(value_name = "SNAPSHOT", value_parser = whole_snapshot())]
    pub(crate) snapshot: Option<SnapshotSpec>,
    #[command(flatten)]
    pub(crate) filter: FilterArguments,
    /// Restore only a share of the files and other items, picked at random one by one, such as 5% or 0.25%
    #[arg(long, value_name = "PERCENT", value_parser = parse_sample)]
    pub(crate) sample: Option<DrillSample>,
    /// Pick what a drill picked that printed this seed
    #[arg(long, value_name = "N", requires = "sample")]
    pub(crate) seed: Option<u64>,
    /// An empty folder to restore into, made if it is not there [otherwise: a new one where temporary files go]
    #[arg(short, long, value_name = "DIR")]
    pub(crate) target: Option<PathBuf>,
    /// Leave what was restored there
    #[arg(long)]
    pub(crate) keep: bool,
    /// Don't read the files that the snapshot was made of
    #[arg(long)]
    pub(crate) no_live: bool,
    /// A command that judges what was restored
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

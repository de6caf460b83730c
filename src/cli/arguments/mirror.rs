//! Arguments of mirrors.

use clap::Args;
use std::path::PathBuf;

pub(super) const EXAMPLES: &str = "\
Examples:
  holdall mirror --repo /srv/backup /mnt/disc/mirror
  holdall mirror -n /mnt/disc/mirror    # only say how much would be copied
  holdall mirror --delete /mnt/disc/mirror

No key is needed without --delete. The mirror is a repository with the same keys: `holdall --repo /mnt/disc/mirror restore ...`. Each object is
verified on its way and flushed to the medium. Wherever a run is cut off, what the mirror shows as snapshots restores; the
next run goes on, and with nothing new costs two listings. Backups and prunes may run in the repository meanwhile.

Whatever is damaged in the repository is listed and not copied, never over what is whole in the mirror; the exit code is 5.
Packs that a prune deleted and slots of keys that were ended stay in the mirror, unless --delete is given. That refuses when the
repository was emptied or set back, lacks something that its index or a snapshot needs, or has something that could not be
copied.

A mirror is only read otherwise, as often as you like: restore, check, scrub and drill it. A file this-is-a-mirror in it
keeps all from it that would write to it. Whoever has lost the repository for good removes that file, and has a repository
of its own, which mirror then leaves alone.";

/// `holdall mirror`
#[derive(Debug, Args)]
pub(crate) struct MirrorArguments {
    /// The folder of the mirror; it is made if it is not there
    #[arg(value_name = "TO")]
    pub(crate) to: PathBuf,
    /// Copy nothing, only say how much would be copied
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    /// Then delete in the mirror what the repository has no more and does not need; takes the password, with which alone
    /// what a prune deleted can be told from what was lost
    #[arg(long)]
    pub(crate) delete: bool,
    /// With --delete: also key slots that the repository has no more and whose keys were not ended, as after a change of the
    /// password; otherwise they stay, since the repository may have lost them
    #[arg(long, requires = "delete")]
    pub(crate) delete_keys: bool,
}

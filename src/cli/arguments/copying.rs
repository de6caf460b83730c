//! Arguments about another repository, and of copying from it.

use super::FilterArguments;
use crate::cli::secret::SecretSource;
use crate::cli::snapshot_argument::whole_snapshot;
use crate::cli::values::parse_compression;
use clap::Args;
use holdall::{Compression, SnapshotSpec};
use std::ffi::OsString;
use std::path::PathBuf;

pub(super) const EXAMPLES: &str = "\
Examples:
  holdall copy --repo /mnt/disc/repository --from-repo /srv/backup --from-password-file /root/srv
  holdall copy --from-repo /srv/backup --host mail --tag weekly
  holdall copy --from-repo /srv/backup -n      # only say what would be copied

Copies keep time, host, user, paths, tags, owners and what could not be read. A snapshot that was copied before, from there
or by way of other repositories, is not copied again; one whose copy was forgotten here only if it is named. Nothing is
written to the other repository, and both may be used and pruned meanwhile.

Content is decrypted, verified and encrypted anew. Only what is new since the last copy is read where the same host and
paths were copied before. A repository that is made with `holdall init --from-repo DIR --copy-chunker-params` cuts files
where the other one does: then a chunk is only read if it is not here yet, and whoever backs up into both stores nothing
twice.

A snapshot of which anything can't be read there is not copied, and the exit code is 5: `holdall repair snapshots` makes one
without what is lost.";

/// Another repository.
#[derive(Debug, Args)]
pub(crate) struct FromArguments {
    /// The other repository's folder
    #[arg(long, value_name = "DIR", conflicts_with = "from_repository_file")]
    pub(crate) from_repo: Option<PathBuf>,
    /// A file whose first line names that folder
    #[arg(long, value_name = "FILE")]
    pub(crate) from_repository_file: Option<PathBuf>,
    /// A file whose first line is the other repository's password [otherwise: what opens this one]
    #[arg(long, value_name = "FILE", group = "from_secret")]
    pub(crate) from_password_file: Option<PathBuf>,
    /// A shell command that prints the other repository's password
    #[arg(long, value_name = "COMMAND", group = "from_secret")]
    pub(crate) from_password_command: Option<OsString>,
    /// A key file of the other repository
    #[arg(long, value_name = "FILE", group = "from_secret")]
    pub(crate) from_key_file: Option<PathBuf>,
    /// The other repository has no password
    #[arg(long, group = "from_secret")]
    pub(crate) from_insecure_no_password: bool,
}

impl FromArguments {
    /// What opens it, if that was said.
    pub(crate) fn secret(&self) -> Option<SecretSource> {
        let file = self.from_password_file.clone().map(SecretSource::PasswordFile);
        let command = || self.from_password_command.clone().map(SecretSource::PasswordCommand);
        let key = || self.from_key_file.clone().map(SecretSource::KeyFile);
        let none = || self.from_insecure_no_password.then_some(SecretSource::NoPassword);
        file.or_else(command).or_else(key).or_else(none)
    }
}

/// `holdall copy`
#[derive(Debug, Args)]
pub(crate) struct CopyArguments {
    /// Only these of the other repository: latest, latest~N, or the start of an id
    #[arg(value_name = "SNAPSHOT", value_parser = whole_snapshot())]
    pub(crate) snapshots: Vec<SnapshotSpec>,
    #[command(flatten)]
    pub(crate) from: FromArguments,
    #[command(flatten)]
    pub(crate) filter: FilterArguments,
    /// How hard to compress: auto, off, or 1 to 19
    #[arg(long, value_name = "LEVEL", default_value = "auto", value_parser = parse_compression)]
    pub(crate) compression: Compression,
    /// Copy nothing, only say what would be copied
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
}

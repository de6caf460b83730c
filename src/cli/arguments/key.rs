//! Options of `holdall key`.

use crate::cli::values::ByteSize;
use clap::{Args, Subcommand, ValueEnum};
use holdall::Role;
use std::ffi::OsString;
use std::path::PathBuf;

/// `holdall key`
#[derive(Debug, Args)]
pub(crate) struct KeyArguments {
    #[command(subcommand)]
    pub(crate) command: KeyCommand,
}

/// What to do about keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// List the ways into the repository: whose they are and what they may do
    List,
    /// Make another way in: one more password for this key, or with --role a key of its own for another user
    Add(AddKeyArguments),
    /// Remove ways in; a key that has no other one left ends, and nothing counts that it signs under a later configuration
    Remove {
        /// The start of a name that `key list` shows, of at least 4 digits
        #[arg(required = true, value_name = "KEY")]
        keys: Vec<String>,
    },
    /// Change the password or key file with which the repository was opened, or with --kdf-memory or --kdf-passes only what
    /// trying the same password costs
    Passwd(NewSecretArguments),
    /// Write the sealed key with which the repository was opened to a file, for the day when the repository loses it
    Export {
        /// Where to write it; it is of no use without the password or key file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Put an exported key back into a repository that has lost it
    Import {
        /// What `key export` wrote
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

/// `holdall key add`
#[derive(Debug, Args)]
pub(crate) struct AddKeyArguments {
    /// Make a key of its own that may do so much: put only backs up and can't read; read also reads; prune also forgets
    /// and prunes; all also changes keys [otherwise: the rights of the key at hand]
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: Option<RoleArgument>,
    /// What to call it in lists [otherwise: user@host]
    #[arg(long, value_name = "TEXT")]
    pub(crate) label: Option<String>,
    #[command(flatten)]
    pub(crate) secret: NewSecretArguments,
}

/// A role's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleArgument {
    Put,
    Read,
    Prune,
    All,
}

impl From<RoleArgument> for Role {
    fn from(role: RoleArgument) -> Self {
        match role {
            RoleArgument::Put => Self::Put,
            RoleArgument::Read => Self::Read,
            RoleArgument::Prune => Self::Prune,
            RoleArgument::All => Self::All,
        }
    }
}

/// Where the new secret comes from. Without any of these a terminal is asked, twice.
#[derive(Debug, Default, Args)]
pub(crate) struct NewSecretArguments {
    /// A file whose first line is the new password
    #[arg(long, value_name = "FILE", group = "new_secret")]
    pub(crate) new_password_file: Option<PathBuf>,
    /// A shell command that prints the new password
    #[arg(long, value_name = "COMMAND", group = "new_secret")]
    pub(crate) new_password_command: Option<OsString>,
    /// A key file, which is made if it is not there
    #[arg(long, value_name = "FILE", group = "new_secret")]
    pub(crate) new_key_file: Option<PathBuf>,
    /// A recovery key: 24 words that are shown once, to be written down; a file that holds them is a key file
    #[arg(long, group = "new_secret")]
    pub(crate) new_recovery_key: bool,
    /// No password at all: whoever can read the repository's folder can read its contents
    #[arg(long, group = "new_secret")]
    pub(crate) new_insecure_no_password: bool,
    #[command(flatten)]
    pub(crate) kdf: KdfArguments,
}

/// What trying a password costs.
#[derive(Debug, Default, Args)]
pub(crate) struct KdfArguments {
    /// Memory that trying one password costs; more is slower for you and for those who guess [otherwise: 64MiB]
    #[arg(long, value_name = "SIZE")]
    pub(crate) kdf_memory: Option<ByteSize>,
    /// How often that memory is passed over [otherwise: 3]
    #[arg(long, value_name = "N")]
    pub(crate) kdf_passes: Option<u32>,
}

impl KdfArguments {
    /// Whether a cost was asked for.
    pub(crate) const fn is_given(&self) -> bool {
        self.kdf_memory.is_some() || self.kdf_passes.is_some()
    }
}

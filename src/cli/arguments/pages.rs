//! The arguments of `holdall completions` and `holdall man`.

use clap::Args;
use clap_complete::Shell;
use std::path::PathBuf;

/// `holdall completions`
#[derive(Debug, Args)]
#[command(after_help = COMPLETIONS_EXAMPLES)]
pub(crate) struct CompletionsArguments {
    /// Which shell
    pub(crate) shell: Shell,
}

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  holdall completions bash > /etc/bash_completion.d/holdall
  holdall completions zsh > \"${fpath[1]}/_holdall\"
  holdall completions fish > ~/.config/fish/completions/holdall.fish";

/// `holdall man`
#[derive(Debug, Args)]
#[command(after_help = MAN_EXAMPLES)]
pub(crate) struct ManArguments {
    /// Write the page of every command into this folder
    #[arg(long, value_name = "DIR")]
    pub(crate) into: Option<PathBuf>,
}

const MAN_EXAMPLES: &str = "\
Examples:
  holdall man | man -l -
  holdall man --into /usr/local/share/man/man1 && man holdall-backup";

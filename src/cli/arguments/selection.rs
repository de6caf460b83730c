//! What is backed up, what is chosen and what is left out, as its users say it.

use crate::cli::values::{ByteSize, Mark};
use clap::{ArgGroup, Args};
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// Patterns for what is left out.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "What is left out")]
pub(crate) struct ExcludeArguments {
    /// Leave out what fits this pattern (*.o, /var/cache, src/**/test, !keep); may be repeated
    #[arg(short, long, value_name = "PATTERN", allow_hyphen_values = true)]
    pub(crate) exclude: Vec<OsString>,
    /// The same, upper and lower case being alike
    #[arg(long, value_name = "PATTERN", allow_hyphen_values = true)]
    pub(crate) iexclude: Vec<OsString>,
    /// Leave out what fits the patterns in this file, one a line; # begins a comment, $NAME is a variable
    #[arg(long, value_name = "FILE")]
    pub(crate) exclude_file: Vec<PathBuf>,
    /// The same, upper and lower case being alike
    #[arg(long, value_name = "FILE")]
    pub(crate) iexclude_file: Vec<PathBuf>,
}

/// Patterns for what is taken.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "What is taken")]
pub(crate) struct IncludeArguments {
    /// Take only what fits this pattern; may be repeated
    #[arg(short, long, value_name = "PATTERN", allow_hyphen_values = true)]
    pub(crate) include: Vec<OsString>,
    /// The same, upper and lower case being alike
    #[arg(long, value_name = "PATTERN", allow_hyphen_values = true)]
    pub(crate) iinclude: Vec<OsString>,
    /// Take only what fits the patterns in this file, one a line; # begins a comment, $NAME is a variable
    #[arg(long, value_name = "FILE")]
    pub(crate) include_file: Vec<PathBuf>,
    /// The same, upper and lower case being alike
    #[arg(long, value_name = "FILE")]
    pub(crate) iinclude_file: Vec<PathBuf>,
}

/// What else a backup leaves out.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "What is left out")]
pub(crate) struct SelectionArguments {
    /// Leave out what is in folders marked by a CACHEDIR.TAG
    #[arg(long)]
    pub(crate) exclude_caches: bool,
    /// Leave out what is in folders that hold a file of this name, and that file begins so; may be repeated
    #[arg(long, value_name = "NAME[:HEADER]")]
    pub(crate) exclude_if_present: Vec<Mark>,
    /// Leave out files larger than this
    #[arg(long, value_name = "SIZE")]
    pub(crate) exclude_larger_than: Option<ByteSize>,
    /// Leave out what is marked as not to be dumped (chattr +d)
    #[arg(long)]
    pub(crate) exclude_nodump: bool,
    /// Leave out what files named .gitignore say
    #[arg(long)]
    pub(crate) git_ignore: bool,
    /// Do not heed files named .holdallignore, which say what to leave out in their folder as .gitignore does
    #[arg(long)]
    pub(crate) no_holdallignore: bool,
    /// Leave out other file systems; the folders that they are mounted on are taken
    #[arg(short = 'x', long)]
    pub(crate) one_file_system: bool,
}

/// The options that store a file of the name that `--stdin-filename` gives.
const NAMELESS: &str = "nameless";

/// What is backed up.
#[derive(Debug, Default, Args)]
#[command(
    next_help_heading = "What is backed up",
    group = ArgGroup::new(NAMELESS).args(["stdin", "stdin_from_command"]).multiple(true),
)]
pub(crate) struct SourceArguments {
    /// What to back up
    #[arg(
        value_name = "PATH",
        required_unless_present_any = [
            "trailing", "files_from", "files_from_verbatim", "files_from_raw",
            "stdin", "stdin_from_command", "command", "optional_command",
        ]
    )]
    pub(crate) paths: Vec<PathBuf>,
    /// The command of --stdin-from-command; without that option, more paths
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) trailing: Vec<OsString>,
    /// Also what this file lists, one path a line; * ? and [...] are expanded, # begins a comment; - is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) files_from: Vec<PathBuf>,
    /// The same, but each line is a path as it stands
    #[arg(long, value_name = "FILE")]
    pub(crate) files_from_verbatim: Vec<PathBuf>,
    /// The same, but a zero byte ends each path, as find -print0 writes it
    #[arg(long, value_name = "FILE")]
    pub(crate) files_from_raw: Vec<PathBuf>,
    /// What comes in on standard input, as a file in the root of the snapshot
    #[arg(long, conflicts_with = "stdin_from_command")]
    pub(crate) stdin: bool,
    /// The name of that file [default: stdin]
    #[arg(long, value_name = "NAME", requires = NAMELESS)]
    stdin_filename: Option<OsString>,
    /// What the command after -- writes, as a file NAME [otherwise: that of --stdin-filename]
    #[arg(long, value_name = "NAME", num_args = 0..=1, requires = "trailing")]
    pub(crate) stdin_from_command: Option<Option<OsString>>,
    /// What this shell command writes, as a file NAME; if it fails there is no snapshot; may be repeated
    #[arg(long, value_name = "NAME=COMMAND")]
    pub(crate) command: Vec<OsString>,
    /// The same, but if it fails the snapshot is made without it
    #[arg(long, value_name = "NAME=COMMAND")]
    pub(crate) optional_command: Vec<OsString>,
}

impl SourceArguments {
    /// The name of a file whose content comes without one.
    pub(crate) fn stdin_filename(&self) -> &OsStr {
        self.stdin_filename.as_deref().unwrap_or(OsStr::new("stdin"))
    }
}

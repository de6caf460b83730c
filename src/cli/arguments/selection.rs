//! What is chosen and what is left out, as its users say it.

use clap::Args;
use std::ffi::OsString;
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

//! What is installed to run by itself.

use super::text::{self, Align};
use serde::Serialize;
use std::path::Path;

/// A set that is installed somewhere.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Installed {
    message_type: &'static str,
    pub(crate) set: String,
    /// The name of its unit, without what all have in common.
    #[serde(skip)]
    pub(crate) name: String,
    /// The profile that has it.
    pub(crate) config: String,
    /// `systemd`, `systemd --user`, `cron`, or `nobody` for units in some folder.
    pub(crate) by: &'static str,
    /// As whoever starts it has it.
    pub(crate) calendar: String,
    /// As far as the profile at hand tells.
    pub(crate) next_run: Option<String>,
    #[serde(skip)]
    pub(crate) next_run_s: Option<i64>,
}

impl Installed {
    pub(crate) fn new((set, name): (&str, &str), config: &str, by: &'static str, calendar: String) -> Self {
        let (set, name, config) = (set.to_owned(), name.to_owned(), config.to_owned());
        Self { message_type: "scheduled", set, name, config, by, calendar, next_run: None, next_run_s: None }
    }
}

/// What an installation would write for a set, or take away, for programs.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct PlannedText {
    message_type: &'static str,
    set: String,
    /// Where it would lie; none for lines of a crontab.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// Empty where what is installed would be taken away.
    text: String,
}

impl PlannedText {
    pub(crate) fn new(set: &str, path: Option<&Path>, text: &str) -> Self {
        let (set, path) = (set.to_owned(), path.map(|path| path.display().to_string()));
        Self { message_type: "planned", set, path, text: text.to_owned() }
    }
}

/// A line for each.
pub(crate) fn schedule_table(all: &[Installed]) -> String {
    let columns = ["Set", "By", "Calendar", "Next run", "Profile"].map(|title| (title, Align::Left));
    let rows: Vec<Vec<String>> = all.iter().map(row).collect();
    text::table(&columns, &rows)
}

fn row(entry: &Installed) -> Vec<String> {
    let next = entry.next_run_s.map_or_else(|| "-".to_owned(), text::time_s);
    vec![entry.set.clone(), entry.by.to_owned(), entry.calendar.clone(), next, text::printable(entry.config.as_bytes())]
}

//! How the sets of a profile stand.

use super::text::{self, Align};
use serde::Serialize;

/// How a set stands.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct SetStatus {
    pub(crate) message_type: &'static str,
    pub(crate) set: String,
    pub(crate) repository: String,
    /// When the last backup began that made a snapshot; of a set without backups, the last run that did all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_backup: Option<String>,
    #[serde(skip)]
    pub(crate) last_backup_s: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) snapshot_id: Option<String>,
    /// Absent also if the last backup lies in the future, since a clock was wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) age_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_age_seconds: Option<u64>,
    /// Whether the last backup is older than it may be, lies in the future, or there is none.
    pub(crate) too_old: bool,
    pub(crate) running: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_run: Option<LastRun>,
    #[serde(skip)]
    pub(crate) outcome: &'static str,
    /// Whether its time has come and it has not run since.
    pub(crate) due: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_run: Option<String>,
    #[serde(skip)]
    pub(crate) next_run_s: Option<i64>,
    #[serde(skip)]
    pub(crate) by_systemd: bool,
}

/// The last run of a set.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct LastRun {
    pub(crate) began: String,
    /// Absent while it runs, and for good if it was killed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ended: Option<String>,
    /// `running`, `ok`, `incomplete`, `failed`, `interrupted` or `killed`.
    pub(crate) outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) exit_code: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
}

/// A line for each set.
pub(crate) fn status_table(all: &[SetStatus]) -> String {
    let left = |title| (title, Align::Left);
    let columns = [left("Set"), left("Last backup"), ("Age", Align::Right), left("Next run"), left("Last run")];
    let rows: Vec<Vec<String>> = all.iter().map(row).collect();
    text::table(&columns, &rows)
}

fn row(status: &SetStatus) -> Vec<String> {
    let age = match (status.age_seconds, status.last_backup_s) {
        (Some(seconds), _) if status.too_old => format!("{} too old", age(seconds)),
        (Some(seconds), _) => age(seconds),
        (None, Some(_)) => "in the future".to_owned(),
        (None, None) => "- too old".to_owned(),
    };
    let next = match status.next_run_s {
        Some(next) => text::time_s(next),
        None if status.due => "now".to_owned(),
        None if status.by_systemd => "as systemd says".to_owned(),
        None => "-".to_owned(),
    };
    let message = status.last_run.as_ref().and_then(|run| run.message.as_deref());
    let message = message.map_or_else(String::new, |message| format!(": {}", text::printable(message.as_bytes())));
    vec![
        status.set.clone(),
        status.last_backup_s.map_or_else(|| "never".to_owned(), text::time_s),
        age,
        next,
        format!("{}{message}", status.outcome),
    ]
}

/// `3 d 4 h`, `5 h 12 m`, `7 m`
fn age(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes} m"),
        (0, hours) => format!("{hours} h {minutes} m"),
        (days, hours) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_the_two_units_that_matter() {
        for (seconds, text) in [(0, "0 m"), (59, "0 m"), (3599, "59 m"), (45_000, "12 h 30 m"), (266_400, "3 d 2 h")] {
            assert_eq!(age(seconds), text);
        }
    }
}

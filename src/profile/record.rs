//! What is remembered of a set's runs on this machine.

use super::outcome::Outcome;
use serde::{Deserialize, Serialize};

/// What is remembered of a set. Times are seconds since 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The moment of the calendar up to which nothing is due any more.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) settled_s: Option<i64>,
    /// The last run.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) run: Option<Run>,
    /// The last backup that made a snapshot.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) backup: Option<Backup>,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) began_s: i64,
    /// Absent while it runs, and for good if it was killed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) ended_s: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) outcome: Option<Outcome>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) exit_code: Option<u8>,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) message: Option<String>,
}

/// A backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Backup {
    /// When the step began: what it holds is at least so new.
    pub(crate) time_s: i64,
    /// The snapshot's id; of a set that only looks after a repository there is none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) snapshot: Option<String>,
}

impl Record {
    /// Reads a record. One that can't be read is as good as none.
    pub(crate) fn parse(text: &[u8]) -> Self {
        serde_json::from_slice(text).unwrap_or_default()
    }

    /// As it is kept.
    pub(crate) fn to_text(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec_pretty(self).expect("a record has text keys and whole numbers");
        text.push(b'\n');
        text
    }
}

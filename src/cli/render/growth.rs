//! What backups added to a repository, in the order of time.

use super::json::moment;
use super::text::{self, Align};
use crate::cli::values::GrowthStep;
use holdall::Snapshot;
use serde::Serialize;

/// What the backups of one step in time added.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct GrowthRow {
    /// The day, week, month or year, or the snapshot's time.
    pub(crate) time: String,
    #[serde(skip)]
    time_ns: i64,
    /// The snapshot, where each has a row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    /// Snapshots that were made, forgotten ones among them.
    pub(crate) snapshots_count: u64,
    pub(crate) forgotten_count: u64,
    /// Snapshots of programs that did not say yet what they added: it is in no sum.
    #[serde(skip_serializing_if = "super::json::is_zero")]
    pub(crate) unknown_count: u64,
    /// Bytes that backups stored because the repository did not have them.
    pub(crate) added_size: u64,
    /// The same of this row and all before.
    pub(crate) total_added_size: u64,
}

/// One row for each step in which there are snapshots, which are in the order of time.
pub(crate) fn rows(snapshots: &[Snapshot], step: GrowthStep) -> Vec<GrowthRow> {
    let mut rows: Vec<GrowthRow> = Vec::new();
    for snapshot in snapshots {
        let (time, id) = match step.label(snapshot.time_ns) {
            Some(label) => (label, None),
            None => (moment(snapshot.time_ns), Some(snapshot.id.to_string())),
        };
        let total = rows.last().map_or(0, |row| row.total_added_size);
        if rows.last().is_none_or(|row| (&row.time, &row.id) != (&time, &id)) {
            rows.push(GrowthRow {
                time,
                time_ns: snapshot.time_ns,
                id,
                snapshots_count: 0,
                forgotten_count: 0,
                unknown_count: 0,
                added_size: 0,
                total_added_size: total,
            });
        }
        if let Some(row) = rows.last_mut() {
            row.add(snapshot);
        }
    }
    rows
}

impl GrowthRow {
    fn add(&mut self, snapshot: &Snapshot) {
        let added = snapshot.written.map_or(0, |written| written.stored_bytes);
        self.snapshots_count = self.snapshots_count.saturating_add(1);
        self.forgotten_count = self.forgotten_count.saturating_add(u64::from(snapshot.forgotten));
        self.unknown_count = self.unknown_count.saturating_add(u64::from(snapshot.written.is_none()));
        self.added_size = self.added_size.saturating_add(added);
        self.total_added_size = self.total_added_size.saturating_add(added);
    }

    fn cells(&self) -> Vec<String> {
        let is_unknown = self.unknown_count == self.snapshots_count;
        let added = if is_unknown { "?".to_owned() } else { text::bytes(self.added_size) };
        let total = text::bytes(self.total_added_size);
        match &self.id {
            None => {
                let counts = [self.snapshots_count, self.forgotten_count].map(text::count);
                [self.time.clone()].into_iter().chain(counts).chain([added, total]).collect()
            }
            Some(id) => {
                let mark = if self.forgotten_count > 0 { " (forgotten)" } else { "" };
                vec![id.chars().take(8).collect(), format!("{}{mark}", text::time(self.time_ns)), added, total]
            }
        }
    }
}

pub(crate) fn as_text(rows: &[GrowthRow], step: GrowthStep) -> String {
    let counts = [("Snapshots", Align::Right), ("Forgotten", Align::Right)];
    let sizes = [("Added", Align::Right), ("In all", Align::Right)];
    let columns = match step.title() {
        Some(title) => [&[(title, Align::Left)], &counts[..], &sizes].concat(),
        None => [&[("ID", Align::Left), ("Time", Align::Left)], &sizes[..]].concat(),
    };
    let table = text::table(&columns, &rows.iter().map(GrowthRow::cells).collect::<Vec<_>>());
    let unknown = rows.iter().map(|row| row.unknown_count).fold(0, u64::saturating_add);
    let said = match unknown {
        0 => String::new(),
        1 => "what 1 snapshot of an older program added is not known\n".to_owned(),
        _ => format!("what {} snapshots of older programs added is not known\n", text::count(unknown)),
    };
    format!("{table}{said}")
}

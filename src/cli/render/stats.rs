//! How much a repository and its snapshots hold, as people and programs read it.

use super::json::moment;
use super::text::{self, Align};
use holdall::{Counts, FolderStats, Holding, Holdings, RepositoryStats, Snapshot};
use serde::Serialize;
use std::collections::BTreeMap;

/// How much a repository holds.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct RepositoryTotals {
    snapshots_count: u64,
    /// Bytes of content of all snapshots, as if each stood alone.
    total_restore_size: u64,
    /// Bytes of all objects but parity and second copies.
    total_size: u64,
    /// Bytes of parity and second copies.
    protection_size: u64,
    total_blob_count: u64,
    /// Bytes by folder of the store.
    folders: BTreeMap<String, u64>,
    /// Bytes of packs by what they hold.
    classes: BTreeMap<String, u64>,
}

/// How much some snapshots hold.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct SnapshotTotals {
    snapshots_count: u64,
    total_size: u64,
    total_file_count: u64,
    total_directory_count: u64,
    total_other_count: u64,
    hard_links: u64,
    unreadable: u64,
    inconsistent: u64,
    /// What they take together: `unique_size` is what a prune could free once all of them are forgotten.
    #[serde(flatten)]
    stored: StoredSizes,
    snapshots: Vec<SnapshotSizes>,
}

/// What a snapshot takes of the store.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct SnapshotSizes {
    id: String,
    short_id: String,
    time: String,
    hostname: String,
    file_count: u64,
    /// Bytes of content, as if it stood alone.
    size: u64,
    /// Bytes that its backup stored because the repository did not have them; absent for backups of older programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    added_size: Option<u64>,
    /// Absent for a forgotten snapshot.
    #[serde(flatten)]
    stored: Option<StoredSizes>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    forgotten: bool,
}

/// Bytes in the store, and how they came to be so few.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct StoredSizes {
    /// Stored bytes that no other snapshot needs.
    unique_size: u64,
    /// Stored bytes that other snapshots need as well.
    shared_size: u64,
    /// Bytes of content for each byte of distinct content, in hundredths.
    #[serde(skip_serializing_if = "Option::is_none")]
    deduplication_ratio: Option<f64>,
    /// Bytes of distinct content for each byte in which it is stored, in hundredths.
    #[serde(skip_serializing_if = "Option::is_none")]
    compression_ratio: Option<f64>,
}

pub(crate) fn repository_totals(stats: &RepositoryStats) -> RepositoryTotals {
    RepositoryTotals {
        snapshots_count: stats.snapshot_count,
        total_restore_size: stats.logical_bytes,
        total_size: stats.stored_bytes,
        protection_size: stats.protection_bytes,
        total_blob_count: stats.chunk_count,
        folders: stats.folders.iter().map(|(name, folder)| (name.clone(), folder.bytes)).collect(),
        classes: stats.classes.iter().map(|(name, class)| (name.clone(), class.bytes)).collect(),
    }
}

pub(crate) fn repository_text(stats: &RepositoryStats) -> String {
    let columns =
        [("Packs of", Align::Left), ("Packs", Align::Right), ("Size", Align::Right), ("Chunks", Align::Right)];
    let rows: Vec<Vec<String>> = stats
        .classes
        .iter()
        .map(|(name, class)| {
            vec![name.clone(), text::count(class.pack_count), text::bytes(class.bytes), text::count(class.chunk_count)]
        })
        .collect();
    let packs = text::table(&columns, &rows);
    let objects = folders_text(&stats.folders);
    let mut total = format!(
        "{} {}; the repository takes {}",
        text::counted(stats.snapshot_count, "snapshot holds", "snapshots hold"),
        text::bytes(stats.logical_bytes),
        text::bytes(stats.stored_bytes),
    );
    if let Some(hundredths) = ratio_hundredths(stats.logical_bytes, stats.stored_bytes) {
        total.push_str(&format!(", one part in {}", decimal(hundredths)));
    }
    if stats.protection_bytes > 0 {
        total.push_str(&format!("; parity and second copies take {} more", text::bytes(stats.protection_bytes)));
    }
    format!("{packs}\n{objects}\n{total}\n")
}

/// What lies in each folder of the store that holds something.
pub(crate) fn folders_text(folders: &BTreeMap<String, FolderStats>) -> String {
    let columns = [("Objects in", Align::Left), ("Objects", Align::Right), ("Size", Align::Right)];
    let held = folders.iter().filter(|(_, folder)| folder.object_count > 0);
    let rows: Vec<Vec<String>> = held
        .map(|(name, folder)| vec![name.clone(), text::count(folder.object_count), text::bytes(folder.bytes)])
        .collect();
    text::table(&columns, &rows)
}

fn ratio_hundredths(whole: u64, part: u64) -> Option<u64> {
    let hundredths = u128::from(whole).saturating_mul(100).checked_div(u128::from(part))?;
    u64::try_from(hundredths).ok().filter(|hundredths| *hundredths > 0)
}

fn decimal(hundredths: u64) -> String {
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// A ratio for programs; none that means nothing.
fn ratio(whole: u64, part: u64) -> Option<f64> {
    let hundredths = u32::try_from(ratio_hundredths(whole, part)?).ok()?;
    Some(f64::from(hundredths) / 100.0)
}

/// A ratio for people.
fn ratio_text(whole: u64, part: u64) -> String {
    ratio_hundredths(whole, part).map_or_else(|| "-".to_owned(), decimal)
}

pub(crate) fn snapshot_totals(snapshots: &[Snapshot], holdings: &Holdings) -> SnapshotTotals {
    let counts = counted(snapshots);
    let of_each = snapshots.iter().zip(&holdings.each);
    SnapshotTotals {
        snapshots_count: u64::try_from(snapshots.len()).unwrap_or(u64::MAX),
        total_size: counts.bytes,
        total_file_count: counts.files,
        total_directory_count: counts.directories,
        total_other_count: counts.symlinks.saturating_add(counts.others),
        hard_links: counts.hard_links,
        unreadable: counts.unreadable,
        inconsistent: counts.inconsistent,
        stored: stored_sizes(live(of_each.clone()), &holdings.together),
        snapshots: of_each.map(|(snapshot, holding)| snapshot_sizes(snapshot, holding.as_ref())).collect(),
    }
}

fn counted(snapshots: &[Snapshot]) -> Counts {
    snapshots.iter().fold(Counts::default(), |sum, snapshot| sum.plus(&snapshot.counts()))
}

/// Bytes of content of the distinct snapshots that are not forgotten.
fn live<'a>(of_each: impl Iterator<Item = (&'a Snapshot, &'a Option<Holding>)>) -> u64 {
    let live = of_each.filter(|(_, holding)| holding.is_some());
    let by_id: BTreeMap<_, _> = live.map(|(snapshot, _)| (snapshot.id, snapshot.counts().bytes)).collect();
    by_id.into_values().fold(0, u64::saturating_add)
}

fn snapshot_sizes(snapshot: &Snapshot, holding: Option<&Holding>) -> SnapshotSizes {
    let counts = snapshot.counts();
    SnapshotSizes {
        id: snapshot.id.to_string(),
        short_id: snapshot.id.short(),
        time: moment(snapshot.time_ns),
        hostname: String::from_utf8_lossy(host(snapshot)).into_owned(),
        file_count: counts.files,
        size: counts.bytes,
        added_size: snapshot.written.map(|written| written.stored_bytes),
        stored: holding.map(|holding| stored_sizes(counts.bytes, holding)),
        forgotten: snapshot.forgotten,
    }
}

fn host(snapshot: &Snapshot) -> &[u8] {
    snapshot.origin.as_ref().map_or(&[], |origin| origin.host.as_slice())
}

fn stored_sizes(logical_bytes: u64, holding: &Holding) -> StoredSizes {
    StoredSizes {
        unique_size: holding.unique_bytes,
        shared_size: holding.shared_bytes,
        deduplication_ratio: ratio(logical_bytes, holding.content_raw_bytes),
        compression_ratio: ratio(holding.content_raw_bytes, holding.content_stored_bytes),
    }
}

const SNAPSHOT_COLUMNS: [(&str, Align); 9] = [
    ("ID", Align::Left),
    ("Time", Align::Left),
    ("Files", Align::Right),
    ("Size", Align::Right),
    ("Unique", Align::Right),
    ("Shared", Align::Right),
    ("Added", Align::Right),
    ("Dedup", Align::Right),
    ("Compr", Align::Right),
];

pub(crate) fn snapshots_text(snapshots: &[Snapshot], holdings: &Holdings) -> String {
    let rows: Vec<Vec<String>> =
        snapshots.iter().zip(&holdings.each).map(|(snapshot, holding)| row(snapshot, holding.as_ref())).collect();
    let each = text::table(&SNAPSHOT_COLUMNS, &rows);
    let counts = counted(snapshots);
    let rows = [
        ("Snapshots", text::count(u64::try_from(snapshots.len()).unwrap_or(u64::MAX))),
        ("Files", text::count(counts.files)),
        ("Folders", text::count(counts.directories)),
        ("Links, devices, pipes, sockets", text::count(counts.symlinks.saturating_add(counts.others))),
        ("Further hard links", text::count(counts.hard_links)),
        ("Content", text::bytes(counts.bytes)),
        ("Stored for them alone", text::bytes(holdings.together.unique_bytes)),
        ("Stored for others too", text::bytes(holdings.together.shared_bytes)),
        ("Unreadable", text::count(counts.unreadable)),
        ("Changed while being read", text::count(counts.inconsistent)),
    ];
    let rows: Vec<Vec<String>> = rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect();
    format!("{each}\n{}", text::table(&[("What", Align::Left), ("How much", Align::Right)], &rows))
}

fn row(snapshot: &Snapshot, holding: Option<&Holding>) -> Vec<String> {
    let counts = snapshot.counts();
    let unknown = || "?".to_owned();
    let of_holding = |of: fn(&Holding) -> u64| holding.map_or_else(unknown, |holding| text::bytes(of(holding)));
    let (raw, stored) =
        holding.map(|holding| (holding.content_raw_bytes, holding.content_stored_bytes)).unwrap_or_default();
    vec![
        snapshot.id.short(),
        text::time(snapshot.time_ns),
        text::count(counts.files),
        text::bytes(counts.bytes),
        of_holding(|holding| holding.unique_bytes),
        of_holding(|holding| holding.shared_bytes),
        snapshot.written.map_or_else(unknown, |written| text::bytes(written.stored_bytes)),
        ratio_text(counts.bytes, raw),
        ratio_text(raw, stored),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_has_two_decimals_and_none_without_content() {
        assert_eq!(ratio_hundredths(350, 100), Some(350));
        assert_eq!(ratio_hundredths(1, 3), Some(33));
        assert_eq!(ratio_hundredths(0, 3), None);
        assert_eq!(ratio_hundredths(3, 0), None);
        assert_eq!((ratio_text(350, 100), ratio_text(3, 0)), ("3.50".to_owned(), "-".to_owned()));
        assert_eq!((ratio(350, 100), ratio(3, 0)), (Some(3.5), None));
    }
}

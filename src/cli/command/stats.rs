//! `holdall stats`

use crate::cli::arguments::StatsArguments;
use crate::cli::context::{self, Access, Context};
use crate::cli::failure::{Failure, exit};
use crate::cli::render::json::{RepositoryTotals, SnapshotTotals};
use crate::cli::render::text::{self, Align};
use holdall::{Counts, RepositoryStats, Snapshot, SnapshotFilter};

pub(crate) fn run(context: &Context<'_>, arguments: &StatsArguments) -> Result<u8, Failure> {
    let repository = context.open(Access::Read)?;
    let filter = context::filter(&arguments.filter)?;
    if arguments.snapshots.is_empty() && filter == SnapshotFilter::default() {
        let stats = repository.stats()?;
        context.renderer.print(&repository_text(&stats));
        context.renderer.json(&repository_totals(&stats));
    } else {
        let snapshots = context::named_snapshots(&repository, &arguments.snapshots, &filter)?;
        let totals = snapshot_totals(&snapshots);
        context.renderer.print(&snapshots_text(&totals));
        context.renderer.json(&totals);
    }
    Ok(exit::DONE)
}

fn repository_totals(stats: &RepositoryStats) -> RepositoryTotals {
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

fn repository_text(stats: &RepositoryStats) -> String {
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

    let columns = [("Objects in", Align::Left), ("Objects", Align::Right), ("Size", Align::Right)];
    let held = stats.folders.iter().filter(|(_, folder)| folder.object_count > 0);
    let rows: Vec<Vec<String>> = held
        .map(|(name, folder)| vec![name.clone(), text::count(folder.object_count), text::bytes(folder.bytes)])
        .collect();
    let objects = text::table(&columns, &rows);

    let mut total = format!(
        "{} hold {}; the repository takes {}",
        text::counted(stats.snapshot_count, "snapshot", "snapshots"),
        text::bytes(stats.logical_bytes),
        text::bytes(stats.stored_bytes),
    );
    if let Some(hundredths) = ratio_hundredths(stats.logical_bytes, stats.stored_bytes) {
        total.push_str(&format!(", one part in {}.{:02}", hundredths / 100, hundredths % 100));
    }
    if stats.protection_bytes > 0 {
        total.push_str(&format!("; parity and second copies take {} more", text::bytes(stats.protection_bytes)));
    }
    format!("{packs}\n{objects}\n{total}\n")
}

fn ratio_hundredths(logical: u64, stored: u64) -> Option<u64> {
    let hundredths = u128::from(logical).saturating_mul(100).checked_div(u128::from(stored))?;
    u64::try_from(hundredths).ok().filter(|hundredths| *hundredths > 0)
}

fn snapshot_totals(snapshots: &[Snapshot]) -> SnapshotTotals {
    let counts: Vec<Counts> = snapshots.iter().map(Snapshot::counts).collect();
    let sum = |of: fn(&Counts) -> u64| counts.iter().map(of).fold(0, u64::saturating_add);
    SnapshotTotals {
        snapshots_count: u64::try_from(snapshots.len()).unwrap_or(u64::MAX),
        total_size: sum(|counts| counts.bytes),
        total_file_count: sum(|counts| counts.files),
        total_directory_count: sum(|counts| counts.directories),
        total_other_count: sum(|counts| counts.symlinks.saturating_add(counts.others)),
        hard_links: sum(|counts| counts.hard_links),
        unreadable: sum(|counts| counts.unreadable),
        inconsistent: sum(|counts| counts.inconsistent),
    }
}

fn snapshots_text(totals: &SnapshotTotals) -> String {
    let rows = [
        ("Snapshots", text::count(totals.snapshots_count)),
        ("Files", text::count(totals.total_file_count)),
        ("Folders", text::count(totals.total_directory_count)),
        ("Links, devices, pipes, sockets", text::count(totals.total_other_count)),
        ("Further hard links", text::count(totals.hard_links)),
        ("Content", text::bytes(totals.total_size)),
        ("Unreadable", text::count(totals.unreadable)),
        ("Changed while being read", text::count(totals.inconsistent)),
    ];
    let rows: Vec<Vec<String>> = rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect();
    text::table(&[("What", Align::Left), ("How much", Align::Right)], &rows)
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
    }
}

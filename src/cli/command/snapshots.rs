//! `holdall snapshots`

use crate::cli::arguments::SnapshotsArguments;
use crate::cli::context::{self, Access, Context};
use crate::cli::failure::{Failure, exit};
use crate::cli::render::text::{self, Align};
use crate::cli::render::{Style, snapshot};
use holdall::{Pin, Snapshot, SnapshotId};
use std::collections::BTreeMap;

pub(crate) fn run(context: &Context<'_>, arguments: &SnapshotsArguments) -> Result<u8, Failure> {
    let repository = context.open(Access::Read)?;
    let filter = context::filter(&arguments.filter)?;
    let snapshots = if arguments.forgotten {
        let forgotten = repository.forgotten_snapshots()?;
        context.tell_overlooked(&repository);
        forgotten.into_iter().filter(|snapshot| filter.passes(snapshot)).collect()
    } else {
        context::named_snapshots(context, &repository, &arguments.snapshots, &filter)?
    };
    let snapshots = match arguments.latest {
        Some(count) => latest(snapshots, count.get()),
        None => snapshots,
    };
    match context.renderer.style() {
        Style::Json => context.renderer.json(&snapshots.iter().map(snapshot::as_json).collect::<Vec<_>>()),
        Style::Human => {
            context.renderer.print(&table(&snapshots, if arguments.compact { Room::Little } else { Room::Much }))
        }
    }
    Ok(exit::DONE)
}

/// The newest ones of each host and set of paths, in the order in which they were.
fn latest(snapshots: Vec<Snapshot>, count: usize) -> Vec<Snapshot> {
    let group =
        |snapshot: &Snapshot| snapshot.origin.as_ref().map(|origin| (origin.host.clone(), origin.paths.clone()));
    let mut times: BTreeMap<_, Vec<(i64, SnapshotId)>> = BTreeMap::new();
    for snapshot in &snapshots {
        times.entry(group(snapshot)).or_default().push((snapshot.time_ns, snapshot.id));
    }
    for of_group in times.values_mut() {
        of_group.sort_unstable();
        of_group.drain(..of_group.len().saturating_sub(count));
    }
    let is_late = |snapshot: &Snapshot| {
        times.get(&group(snapshot)).is_some_and(|kept| kept.contains(&(snapshot.time_ns, snapshot.id)))
    };
    snapshots.into_iter().filter(is_late).collect()
}

/// The columns, and whether they are shown where there is little room.
const COLUMNS: [(&str, Align, bool); 7] = [
    ("ID", Align::Left, true),
    ("Time", Align::Left, true),
    ("Host", Align::Left, true),
    ("Tags", Align::Left, true),
    ("Files", Align::Right, false),
    ("Size", Align::Right, true),
    ("Paths", Align::Left, false),
];

/// How wide a table may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    Little,
    Much,
}

fn table(snapshots: &[Snapshot], room: Room) -> String {
    let is_shown = |(_, _, always): &(&str, Align, bool)| *always || room == Room::Much;
    let columns: Vec<_> =
        COLUMNS.iter().filter(|column| is_shown(column)).map(|(name, align, _)| (*name, *align)).collect();
    let shown = |snapshot: &Snapshot| {
        row(snapshot).into_iter().zip(&COLUMNS).filter(|(_, column)| is_shown(column)).map(|(cell, _)| cell).collect()
    };
    let rows: Vec<Vec<String>> = snapshots.iter().map(shown).collect();
    let count = u64::try_from(snapshots.len()).unwrap_or(u64::MAX);
    format!("{}{}\n", text::table(&columns, &rows), text::counted(count, "snapshot", "snapshots"))
}

fn row(listed: &Snapshot) -> Vec<String> {
    let counts = listed.counts();
    let list = |items: &[Vec<u8>]| items.iter().map(|item| text::printable(item)).collect::<Vec<_>>().join(", ");
    let (host, tags, paths) = match &listed.origin {
        Some(origin) => (text::printable(&origin.host), list(&origin.tags), list(&origin.paths)),
        None => ("(sealed)".to_owned(), String::new(), "(sealed)".to_owned()),
    };
    let marks = [
        (listed.repairs.is_some(), " (repaired)"),
        (listed.is_partial(), " (partial)"),
        (listed.forgotten, " (forgotten)"),
    ];
    let marks: String = marks.iter().filter(|(applies, _)| *applies).map(|(_, mark)| *mark).collect();
    let pin = match snapshot::standing_pin(listed) {
        Some(Pin { until_ns: Some(until_ns) }) => format!(" (pinned until {})", text::time(until_ns)),
        Some(Pin { until_ns: None }) => " (pinned)".to_owned(),
        None => String::new(),
    };
    let drill = listed.drill.map(|drill| format!(" ({} {})", snapshot::drilled(&drill), text::day(drill.made_at_ns)));
    vec![
        listed.id.short(),
        text::time(listed.time_ns),
        host,
        tags,
        text::count(counts.files),
        text::bytes(counts.bytes),
        format!("{paths}{marks}{pin}{}", drill.unwrap_or_default()),
    ]
}

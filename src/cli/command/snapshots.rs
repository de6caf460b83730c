//! `holdall snapshots`

use crate::cli::arguments::SnapshotsArguments;
use crate::cli::context::{self, Access, Context};
use crate::cli::failure::{Failure, exit};
use crate::cli::render::text::{self, Align};
use crate::cli::render::{Style, snapshot};
use holdall::{Pin, Snapshot};

pub(crate) fn run(context: &Context<'_>, arguments: &SnapshotsArguments) -> Result<u8, Failure> {
    let repository = context.open(Access::Read)?;
    let filter = context::filter(&arguments.filter)?;
    let snapshots = if arguments.forgotten {
        repository.forgotten_snapshots()?.into_iter().filter(|snapshot| filter.passes(snapshot)).collect()
    } else {
        context::named_snapshots(&repository, &arguments.snapshots, &filter)?
    };
    match context.renderer.style() {
        Style::Json => context.renderer.json(&snapshots.iter().map(snapshot::as_json).collect::<Vec<_>>()),
        Style::Human => context.renderer.print(&table(&snapshots)),
    }
    Ok(exit::DONE)
}

fn table(snapshots: &[Snapshot]) -> String {
    let columns = [
        ("ID", Align::Left),
        ("Time", Align::Left),
        ("Host", Align::Left),
        ("Tags", Align::Left),
        ("Files", Align::Right),
        ("Size", Align::Right),
        ("Paths", Align::Left),
    ];
    let rows: Vec<Vec<String>> = snapshots.iter().map(row).collect();
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
    vec![
        listed.id.short(),
        text::time(listed.time_ns),
        host,
        tags,
        text::count(counts.files),
        text::bytes(counts.bytes),
        format!("{paths}{marks}{pin}"),
    ]
}

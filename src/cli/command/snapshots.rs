//! `holdall snapshots`

use crate::cli::arguments::SnapshotsArguments;
use crate::cli::context::{self, Access, Context};
use crate::cli::failure::{Failure, exit};
use crate::cli::render::Style;
use crate::cli::render::json::{self, PathText, SnapshotSummary, moment};
use crate::cli::render::text::{self, Align};
use holdall::Snapshot;

pub(crate) fn run(context: &Context<'_>, arguments: &SnapshotsArguments) -> Result<u8, Failure> {
    let repository = context.open(Access::Read)?;
    let filter = context::filter(&arguments.filter)?;
    let snapshots = context::named_snapshots(&repository, &arguments.snapshots, &filter)?;
    match context.renderer.style() {
        Style::Json => context.renderer.json(&snapshots.iter().map(snapshot).collect::<Vec<_>>()),
        Style::Human => context.renderer.print(&table(&snapshots)),
    }
    Ok(exit::DONE)
}

/// A snapshot as JSON shows it.
pub(crate) fn snapshot(snapshot: &Snapshot) -> json::Snapshot {
    let origin = snapshot.origin.clone().unwrap_or_default();
    let paths: Vec<PathText> = origin.paths.iter().map(|path| PathText::new(path)).collect();
    let all_text = paths.iter().all(|path| path.path_b64.is_none());
    let counts = snapshot.counts();
    json::Snapshot {
        time: moment(snapshot.time_ns),
        parent: origin.parent.map(|id| id.to_string()),
        paths_b64: (!all_text).then(|| origin.paths.iter().map(|path| json::base64(path)).collect()),
        paths: paths.into_iter().map(|path| path.path).collect(),
        hostname: lossy(&origin.host),
        username: lossy(&origin.user),
        tags: origin.tags.iter().map(|tag| lossy(tag)).collect(),
        program_version: lossy(&origin.program),
        summary: SnapshotSummary {
            total_files_processed: counts.files,
            total_bytes_processed: counts.bytes,
            errors: counts.unreadable.saturating_add(counts.inconsistent),
        },
        state: if snapshot.is_partial() { "partial" } else { "complete" },
        id: snapshot.id.to_string(),
        short_id: snapshot.id.short(),
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
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

fn row(snapshot: &Snapshot) -> Vec<String> {
    let counts = snapshot.counts();
    let list = |items: &[Vec<u8>]| items.iter().map(|item| text::printable(item)).collect::<Vec<_>>().join(", ");
    let (host, tags, paths) = match &snapshot.origin {
        Some(origin) => (text::printable(&origin.host), list(&origin.tags), list(&origin.paths)),
        None => ("(sealed)".to_owned(), String::new(), "(sealed)".to_owned()),
    };
    let marks = [(snapshot.is_partial(), " (partial)"), (snapshot.forgotten, " (forgotten)")];
    let marks: String = marks.iter().filter(|(applies, _)| *applies).map(|(_, mark)| *mark).collect();
    vec![
        snapshot.id.short(),
        text::time(snapshot.time_ns),
        host,
        tags,
        text::count(counts.files),
        text::bytes(counts.bytes),
        format!("{paths}{marks}"),
    ]
}

//! Restoring: walk the manifest in windows, find the chunks, read every frame of a window once and in the order of the
//! packs, prove every chunk, write it wherever it is wanted; then owners, attributes, modes and times.
//!
//! ```text
//! planner (1 thread: manifest, directories, links) -> windows, in order -> frames on all cores -> files -> metadata
//! ```

mod options;
mod outcome;
mod plan;
mod tree;
mod window;
mod write;

pub use options::{Choice, RestoreOptions, Select};
pub use outcome::{RestoreProblem, RestoreProblemKind, RestoreReport};
pub use tree::list;

use crate::access::Access;
use crate::content::ContentReader;
use crate::destination::Destination;
use crate::error::{Error, ErrorKind, Result};
use crate::manifest::Key;
use crate::progress::{Event, Progress};
use crate::session::{Snapshot, SnapshotComponent};
use crossbeam_channel::bounded;
use outcome::Outcome;
use plan::Planner;
use window::Writer;

/// Restores what the options select.
///
/// # Errors
/// When the target can't be written at all or is full, the caller stops, or nothing is at the path. Items that could
/// not be restored as they were are in the report.
pub fn run(
    access: &Access,
    snapshot: &Snapshot,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<RestoreReport> {
    let started = std::time::Instant::now();
    let reader = ContentReader::new(access.clone());
    let destination = Destination::open(&options.target)?;
    let outcome = Outcome::new(progress);
    let counts = snapshot.counts();
    if options.path.is_root() {
        progress.event(&Event::Estimated { files: counts.files, bytes: counts.bytes });
    }
    let mut found = false;
    for component in &snapshot.components {
        found |= restore_component(&reader, component, &destination, options, &outcome)?;
    }
    if !found && !options.path.is_root() {
        return Err(nothing_there(snapshot, &options.path));
    }
    destination.settle()?;
    let mut report = outcome.into_report();
    report.duration = started.elapsed();
    Ok(report)
}

fn restore_component(
    reader: &ContentReader,
    component: &SnapshotComponent,
    destination: &Destination,
    options: &RestoreOptions,
    outcome: &Outcome<'_>,
) -> Result<bool> {
    let Some(root) = component.manifest else {
        if options.path.is_root() {
            let message = format!("the snapshot lacks its component \"{}\"", component.name.escape_ascii());
            outcome.problem(options.path.to_path(), RestoreProblemKind::NotStored, message);
        }
        return Ok(false);
    };
    let Some(entries) = tree::entries_at(reader, root, &options.path)? else { return Ok(false) };
    let writer = Writer::new(reader, destination, outcome);
    // One window waits while one is written and one is planned.
    let (sender, windows) = bounded(1);
    std::thread::scope(|scope| {
        let written = scope.spawn(|| {
            // Dropped when writing fails, which ends the planning.
            let windows = windows;
            windows.iter().try_for_each(|window| writer.write(window))
        });
        let planner = Planner::new(&writer, destination, component, options, outcome, sender);
        let planned = plan(entries, planner, outcome);
        let written = written.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // What stopped the writing is the cause of what the planner then ran into.
        written.and(planned)
    })?;
    Ok(true)
}

fn plan(mut entries: tree::Entries<'_>, mut planner: Planner<'_>, outcome: &Outcome<'_>) -> Result<()> {
    while let Some(entry) = entries.next_entry(outcome)? {
        if outcome.stopped() {
            return Err(Error::new(ErrorKind::Interrupted, "stopped as asked; a second run continues"));
        }
        planner.take(entry)?;
    }
    planner.finish()
}

fn nothing_there(snapshot: &Snapshot, path: &Key) -> Error {
    let message = format!("snapshot {} holds nothing at {}", snapshot.id.short(), path.to_path().display());
    Error::new(ErrorKind::NotFound, message)
}

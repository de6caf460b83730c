//! Restoring: walk the manifest in windows, find the chunks, read every frame of a window once and in the order of the
//! packs, prove every chunk, write it wherever it is wanted; then owners, attributes, modes and times.
//!
//! ```text
//! planner (manifest, directories, links) -> locator -> writer (frames and files on all cores) -> directories' metadata
//! ```

mod earlier;
mod options;
mod outcome;
mod plan;
mod tree;
mod window;
mod write;

pub use options::{Choice, RestoreOptions, Select};
pub use outcome::{RestoreProblem, RestoreProblemKind, RestoreReport};
pub use tree::{Below, list};

use crate::access::Access;
use crate::content::ContentReader;
use crate::destination::Destination;
use crate::error::{Error, ErrorKind, Result};
use crate::manifest::{Key, is_stream};
use crate::outcome::ComponentKind;
use crate::progress::{Event, Progress};
use crate::session::{Snapshot, SnapshotComponent};
use crossbeam_channel::{SendError, Sender, bounded};
use outcome::Outcome;
use plan::Planner;
use std::thread::ScopedJoinHandle;
use window::{Left, Window, Writer};
use write::Located;

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
    for (number, component) in snapshot.components.iter().enumerate() {
        let earlier = snapshot.components.get(..number).unwrap_or_default();
        found |= restore_component(&reader, (component, earlier), &destination, options, &outcome)?;
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
    (component, earlier): (&SnapshotComponent, &[SnapshotComponent]),
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
    if component.kind == ComponentKind::Stream && !is_stream(reader, root)? {
        let message = format!("the component \"{}\" has no stream's form", component.name.escape_ascii());
        outcome.damaged(options.path.to_path(), Error::new(ErrorKind::Damaged, message))?;
        return Ok(false);
    }
    let Some(entries) = tree::entries_at(reader, root, &options.path)? else { return Ok(false) };
    let writer = Writer::new(reader, destination, outcome);
    let planned = |windows| {
        let planner = Planner::new(&writer, destination, (component, earlier), options, outcome, windows);
        plan(entries, planner, outcome)
    };
    in_stages(&writer, planned)?;
    Ok(true)
}

/// Plans, locates, writes and finishes, each in a thread of its own, so that what one thread does alone is done while
/// others write: a look-up of 32 thousand chunks takes as long as some hundred files.
///
/// A stage that fails drops what it receives from, which ends the stages before it.
fn in_stages(writer: &Writer<'_>, plan: impl FnOnce(Sender<Window>) -> Result<()>) -> Result<()> {
    // Nothing waits between the first stages: a window is large, and each of them holds one already.
    let (planned, windows) = bounded::<Window>(0);
    let (located, places) = bounded::<Located>(0);
    let (written, complete) = bounded::<Vec<Left>>(1);
    std::thread::scope(|scope| {
        let finishing = scope.spawn(move || complete.iter().try_for_each(|left| writer.finish_directories(&left)));
        let writing = scope.spawn(move || {
            places.iter().try_for_each(|window| {
                window.write(writer)?;
                written.send(window.left).map_err(gone)
            })
        });
        let locating = scope.spawn(move || {
            windows.iter().try_for_each(|window| located.send(Located::new(writer, window)?).map_err(gone))
        });
        let planned = plan(planned);
        let join = |stage: ScopedJoinHandle<'_, Result<()>>| {
            stage.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        // What stopped a later stage is the cause of what the earlier ones then ran into.
        let (located, written, finished) = (join(locating), join(writing), join(finishing));
        finished.and(written).and(located).and(planned)
    })
}

/// The stage that would take something has failed, and says why itself.
fn gone<T>(_: SendError<T>) -> Error {
    Error::new(ErrorKind::Aborted, "writing has stopped")
}

fn plan(mut entries: tree::Entries<'_>, mut planner: Planner<'_>, outcome: &Outcome<'_>) -> Result<()> {
    while let Some(entry) = entries.next_entry(outcome)? {
        if outcome.stopped() {
            return Err(Error::new(ErrorKind::Interrupted, "stopped as asked; a second run continues"));
        }
        let key = entry.key.clone();
        if planner.take(entry)? == Below::Skip {
            entries.skip_below(&key);
        }
    }
    planner.finish()
}

fn nothing_there(snapshot: &Snapshot, path: &Key) -> Error {
    let message = format!("snapshot {} holds nothing at {}", snapshot.id.short(), path.to_path().display());
    Error::new(ErrorKind::NotFound, message)
}

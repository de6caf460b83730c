//! Restoring: walk the manifest in windows, compare what is there, find the chunks that are missing, read every frame of a
//! window once and in the order of the packs, prove every chunk, write it wherever it is wanted; then owners, attributes,
//! times and modes.
//!
//! ```text
//! planner (manifest, directories, links) -> judge and locator -> writer (frames and files on all cores) -> directories' metadata
//! ```
//!
//! Where nothing lies, in a directory that was just made or is empty, nothing is looked for: a restore into a fresh
//! folder makes no system call for each file that it would not make if there were no comparing. A file that is there is
//! hashed piece by piece at the borders of the snapshot's chunks, and only the pieces that differ are written, into the
//! same inode. It is replaced where that can't be: it has other names, it may be mapped by what runs, it is something else.

mod compare;
mod earlier;
mod groups;
mod hand;
mod options;
mod outcome;
mod plan;
mod sweep;
mod tree;
mod twins;
mod way;
mod window;
mod write;
mod writer;

pub use options::{Choice, Extras, Manner, Overwrite, Ownership, RestoreOptions, Select};
pub use outcome::{Renumbered, RestoreProblem, RestoreProblemKind, RestoreReport};
pub use tree::{Below, Entries, entries_at, list};

use crate::access::Access;
use crate::content::ContentReader;
use crate::error::{Error, ErrorKind, Result};
use crate::manifest::{Cursor, Entry, Key, is_stream};
use crate::outcome::{ComponentKind, ComponentState};
use crate::progress::{Event, Progress};
use crate::session::Snapshot;
use crate::threads;
use compare::Judge;
use crossbeam_channel::{SendError, Sender, bounded};
use groups::Claims;
use hand::Hand;
use outcome::Outcome;
use plan::Planner;
use sweep::{Spared, Sweeper};
use window::{Left, Window};
use write::Located;
use writer::Writer;

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
    refuse_to_sweep(snapshot, options)?;
    require(&reader, snapshot, options)?;
    let spared = Spared::look(options)?;
    let hand = Hand::open(options)?;
    let outcome = Outcome::new(progress, &options.target);
    let counts = snapshot.counts();
    if options.path.is_root() && options.parts.is_empty() {
        progress.event(&Event::Estimated { files: counts.files, bytes: counts.bytes });
    }
    let restored = (0..snapshot.components.len())
        .try_for_each(|number| restore_component(&reader, (snapshot, number), (&hand, &spared), options, &outcome));
    // Also after an error, what was opened up for the time of the restore is closed again.
    let settled = hand.settle();
    restored.map_err(|error| error.if_stopped("a second run continues"))?;
    settled.and_then(|()| hand.complete()).map_err(|error| outcome.within_target(error))?;
    let mut report = outcome.into_report();
    report.duration = started.elapsed();
    Ok(report)
}

/// What a partial snapshot lacks was there all the same.
fn refuse_to_sweep(snapshot: &Snapshot, options: &RestoreOptions) -> Result<()> {
    if options.extras != Extras::Delete || options.manner != Manner::Perform || !snapshot.is_partial() {
        return Ok(());
    }
    let message = format!(
        "snapshot {} is partial: what it lacks would be deleted; restore it without deleting, or take a complete one",
        snapshot.id.short()
    );
    Err(Error::new(ErrorKind::Invalid, message))
}

/// Tests that something is at every path that is asked for, before anything is written.
fn require(reader: &ContentReader, snapshot: &Snapshot, options: &RestoreOptions) -> Result<()> {
    for path in std::iter::once(&options.path).chain(&options.parts).filter(|path| !path.is_root()) {
        let mut found = false;
        for root in snapshot.components.iter().filter_map(|component| component.manifest) {
            found |= match Cursor::<Entry, _>::new(reader, root).find(path).map_err(Error::from) {
                Ok(entry) => entry.is_some(),
                // Its own entry is lost, or what would say that it never was there: what lies below it may be left.
                Err(error) if error.is_of_one_thing() => true,
                Err(error) => return Err(error),
            };
        }
        if !found {
            return Err(nothing_there(snapshot, path));
        }
    }
    Ok(())
}

fn restore_component(
    reader: &ContentReader,
    (snapshot, number): (&Snapshot, usize),
    (hand, spared): (&Hand, &Spared),
    options: &RestoreOptions,
    outcome: &Outcome<'_>,
) -> Result<()> {
    let Some(component) = snapshot.components.get(number) else { return Ok(()) };
    let earlier = snapshot.components.get(..number).unwrap_or_default();
    let Some(root) = component.manifest else {
        if options.path.is_root() {
            outcome.problem(options.path.to_path(), RestoreProblemKind::NotStored, component.lack());
        }
        return Ok(());
    };
    if component.kind == ComponentKind::Stream && !is_stream(reader, root)? {
        let message = format!("the component \"{}\" has no stream's form", component.name.escape_ascii());
        return outcome.damaged(options.path.to_path(), Error::new(ErrorKind::Damaged, message));
    }
    let entries = if options.parts.is_empty() {
        match tree::entries_at(reader, root, &options.path) {
            Some(entries) => entries,
            None => return Ok(()),
        }
    } else {
        tree::entries_of(reader, root, &options.parts)
    };
    let writer = Writer::new(reader, hand, outcome);
    let others = snapshot.components.iter().enumerate().filter(|(other, _)| *other != number);
    let sweeper = Sweeper::new((hand, spared), reader, options, outcome, others.map(|(_, other)| other));
    let claims = Claims::new(reader.access().scratch());
    let judge = Judge { writer: &writer, overwrite: options.overwrite, sweeper: &sweeper, claims: &claims };
    in_stages(&judge, |windows| {
        let mut planner = Planner::new(&judge, (component, earlier), options, windows);
        if sweeper.is_at_work() && component.state == ComponentState::Partial {
            outcome.spared(
                options.target.clone(),
                "nothing is removed: the snapshot is partial and may lack what is there",
            );
            planner.distrust_list();
        }
        plan(entries, planner, outcome)
    })
}

/// Plans, compares and locates, writes and finishes, each in a thread of its own, so that what one thread does alone is
/// done while others write: a look-up of 32 thousand chunks takes as long as some hundred files.
///
/// A stage that fails drops what it receives from, which ends the stages before it.
fn in_stages(judge: &Judge<'_>, plan: impl FnOnce(Sender<Window>) -> Result<()>) -> Result<()> {
    let writer = judge.writer;
    // Nothing waits between the first stages: a window is large, and each of them holds one already.
    let (planned, windows) = bounded::<Window>(0);
    let (located, places) = bounded::<Located>(0);
    let (written, complete) = bounded::<Vec<Left>>(1);
    std::thread::scope(|scope| {
        let finish = move || complete.iter().try_for_each(|left| writer.finish_directories(&left));
        let finishing = threads::start(scope, finish)?;
        let writing = threads::start(scope, move || {
            places.iter().try_for_each(|window| {
                window.write(writer)?;
                written.send(window.left).map_err(gone)
            })
        })?;
        let locating = threads::start(scope, move || {
            windows.iter().try_for_each(|window| {
                let window = judge.settle(window)?;
                located.send(Located::new(writer, window)?).map_err(gone)
            })
        })?;
        let planned = plan(planned);
        // What stopped a later stage is the cause of what the earlier ones then ran into.
        let [located, written, finished] = [locating, writing, finishing].map(threads::join);
        finished.and(written).and(located).and(planned)
    })
}

/// The stage that would take something has failed, and says why itself.
fn gone<T>(_: SendError<T>) -> Error {
    Error::new(ErrorKind::Aborted, "writing has stopped")
}

fn plan(mut entries: tree::Entries<'_>, mut planner: Planner<'_>, outcome: &Outcome<'_>) -> Result<()> {
    let mut is_whole = true;
    loop {
        let entry = entries.next_entry(outcome)?;
        if is_whole && entries.is_damaged() {
            planner.distrust_list();
            is_whole = false;
        }
        let Some(entry) = entry else { break };
        outcome.check_stopped()?;
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

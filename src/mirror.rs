//! Mirroring: the objects of a repository as they are, in another folder, without any key.
//!
//! What a snapshot needs is there before the outcome that makes it one, so the mirror is a repository whose snapshots all
//! restore wherever a run is cut off. The source is listed at a moment in which no session was decided, and listed anew
//! when something that was listed is gone before it was copied: a prune moved what was in it. format-spec/16-mirror.md.

mod inventory;
mod judgement;
mod mark;
mod removal;
mod report;
mod standing;
mod transfer;

pub use mark::refuse;
pub use removal::{MirrorKeyRemoval, MirrorRemovalPlan, MirrorRemovalReport, perform as remove, plan as plan_removal};
pub use report::{MirrorDamage, MirrorReport};

use crate::error::{Error, ErrorKind, Result};
use crate::id::SessionId;
use crate::progress::{Event, Progress};
use crate::store::{Folder, ObjectName, Store};
use inventory::Inventory;
use std::path::Path;
use std::time::{Instant, SystemTime};
use transfer::{Moved, Transfer};

/// How often the source is listed anew because something vanished before it was copied.
const ROUNDS_MAX: u32 = 50;

/// The order in which objects are copied, folder by folder: whatever one needs is in a folder before its own. Second
/// copies and parity decide nothing and come last.
const ORDER: [Folder; 9] = [
    Folder::Config,
    Folder::Keys,
    Folder::Packs,
    Folder::Segments,
    Folder::Gc,
    Folder::Sessions,
    Folder::Records,
    Folder::Parity,
    Folder::Mirror,
];

/// Where the length of its description stands in an envelope: format-spec/08-snapshot-and-outcome.md.
const DESCRIPTION_LENGTH_OFFSET: u64 = 104;

/// Whether to copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MirrorDepth {
    /// Copy what is missing.
    #[default]
    Copy,
    /// Only find out what is missing.
    Compare,
}

/// Copies to `to` what it lacks of `from`, each object verified against its name or checksum. Damaged objects are in the
/// report and are not copied. Memory: 48 bytes for each object of either store, and a piece of one object.
///
/// # Errors
/// [`ErrorKind::Occupied`] when `to` is a mirror of another repository, or was written to by somebody else;
/// [`ErrorKind::Busy`] when the source never stands still; when a store fails, or the caller stops. What was copied until
/// then stays, and another run goes on.
pub fn run(
    (from, written): (&dyn Store, &Written<'_>),
    to: &dyn Store,
    depth: MirrorDepth,
    progress: &dyn Progress,
) -> Result<MirrorReport> {
    let started = Instant::now();
    let mut report = MirrorReport::default();
    let mut transfer = Transfer::new(from, to, progress);
    if depth == MirrorDepth::Copy {
        transfer.sweep()?;
    }
    for _ in 0..ROUNDS_MAX {
        progress.event(&Event::Phase("listing"));
        let there = Inventory::of_all(to)?;
        let here = Inventory::of_quiet(from)?;
        standing::check((from, &here), (to, &there))?;
        let missing = missing(&here, &there);
        if depth == MirrorDepth::Compare {
            missing.iter().for_each(|(_, bytes)| report.add_copied(*bytes));
            report.extra_count = extra_count(&here, &there);
            report.duration = started.elapsed();
            return Ok(report);
        }
        mark::make(from, (to, &there))?;
        let bytes = missing.iter().fold(0u64, |sum, (_, bytes)| sum.saturating_add(*bytes));
        progress.event(&Event::Estimated { files: u64::try_from(missing.len()).unwrap_or(u64::MAX), bytes });
        progress.event(&Event::Phase("copying objects"));
        transfer.compare_lengths(&here, &there, &mut report)?;
        if copy_all(&mut transfer, &missing, (from, written), &mut report)? {
            to.remove_all(&ended_sessions(&here, &there))?;
            report.extra_count = extra_count(&here, &there);
            report.duration = started.elapsed();
            return Ok(report);
        }
    }
    let message = "objects of the repository went away before they could be copied, again and again; run it again when no \
                   prune is running";
    Err(Error::new(ErrorKind::Busy, message))
}

/// Copies in order; says whether everything was there that had been listed.
fn copy_all(
    transfer: &mut Transfer<'_>,
    missing: &[(ObjectName, u64)],
    (from, written): (&dyn Store, &Written<'_>),
    report: &mut MirrorReport,
) -> Result<bool> {
    let is_outcome = |name: &&ObjectName| name.folder() == Folder::Outcomes;
    let mut outcomes: Vec<ObjectName> = missing.iter().map(|(name, _)| name).filter(is_outcome).copied().collect();
    let others = missing.iter().map(|(name, _)| name).filter(|name| !is_outcome(name));
    let mut is_whole = true;
    let mut late = Vec::new();
    for name in others {
        if is_protection(name) {
            late.push(*name);
        } else if transfer.copy(name, report)? == Moved::Vanished {
            is_whole = false;
        }
    }
    if !is_whole {
        return Ok(false);
    }
    outcomes.sort_by_cached_key(|name| (describes(from, name), written(name), order_within(name)));
    for name in &outcomes {
        // An outcome is never removed; one that is not there any more is one that never was durable.
        let _ = transfer.copy(name, report)?;
    }
    for name in late {
        let _ = transfer.copy(&name, report)?;
    }
    Ok(true)
}

/// When an object of the source was written, by the clock of its medium.
pub type Written<'w> = dyn Fn(&ObjectName) -> SystemTime + 'w;

/// When the objects in a folder were written; the distant past where that can't be found out.
pub fn written_in(folder: &Path) -> impl Fn(&ObjectName) -> SystemTime {
    move |name| {
        let modified = std::fs::symlink_metadata(folder.join(name.to_string())).and_then(|status| status.modified());
        modified.unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

/// Whether an outcome has a description, as those have that make snapshots: what they need was committed before, by
/// outcomes without one and by snapshots that their writers had seen. One that can't be read is not copied anyway.
fn describes(from: &dyn Store, name: &ObjectName) -> bool {
    let mut length = [0; 4];
    let read = from.open(name).and_then(|object| object.read_at(DESCRIPTION_LENGTH_OFFSET, &mut length));
    read.is_ok() && length != [0; 4]
}

/// Sessions of the mirror that ended since: their writers removed the objects when they had created the outcomes.
fn ended_sessions(here: &Inventory, there: &Inventory) -> Vec<ObjectName> {
    let is_decided = |id: SessionId| here.bytes(&ObjectName::Outcome(id)).is_some();
    let has_ended = |name: &ObjectName| here.bytes(name).is_none() && name.session().is_some_and(is_decided);
    there.of(Folder::Sessions).filter(has_ended).collect()
}

const fn is_protection(name: &ObjectName) -> bool {
    matches!(name.folder(), Folder::Parity | Folder::Mirror)
}

/// What the mirror lacks, in the order in which it is to be copied.
fn missing(here: &Inventory, there: &Inventory) -> Vec<(ObjectName, u64)> {
    let mut missing: Vec<(ObjectName, u64)> =
        here.iter().filter(|(name, _)| there.bytes(name).is_none() && is_wanted(name, here)).copied().collect();
    missing.sort_by_key(|(name, _)| (place(name), order_within(name)));
    missing
}

/// A second copy of an object that is not copied itself would let somebody bring that back before what it needs is there.
fn is_wanted(name: &ObjectName, here: &Inventory) -> bool {
    let ObjectName::Mirror(copy) = name else { return true };
    here.bytes(&copy.first()).is_some()
}

fn place(name: &ObjectName) -> usize {
    ORDER.iter().position(|folder| *folder == name.folder()).unwrap_or(ORDER.len())
}

/// Numbers rise, so that no client's have a gap for longer than it takes to fill it.
fn order_within(name: &ObjectName) -> u64 {
    match (name, name.session()) {
        (_, Some(session)) => session.number,
        (ObjectName::Config(number), None) => u64::from(*number),
        (ObjectName::Record(_, number), None) => *number,
        (ObjectName::Condemned { generation }, None) => generation.saturating_mul(2),
        (ObjectName::Deleted { generation }, None) => generation.saturating_mul(2).saturating_add(1),
        (_, None) => 0,
    }
}

/// A check of the mirror itself says what it verified, with a second copy.
fn is_own(name: &ObjectName) -> bool {
    matches!(name, ObjectName::Mirror(copy) if copy.first().folder() == Folder::Verified)
}

fn extra_count(here: &Inventory, there: &Inventory) -> u64 {
    let is_extra = |(name, _): &&(ObjectName, u64)| {
        name.folder() != Folder::Sessions && here.bytes(name).is_none() && !is_own(name)
    };
    let extra = there.iter().filter(is_extra);
    u64::try_from(extra.count()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;

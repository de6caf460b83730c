//! What there is to know of one snapshot.

use crate::access::Access;
use crate::check::{self, Verification};
use crate::config::Role;
use crate::content::ContentReader;
use crate::error::Result;
use crate::id::{SignerKey, SnapshotId};
use crate::keys::{self, SlotOwner};
use crate::manifest::{Entry, Key, State};
use crate::outcome::{Counts, StatementKind};
use crate::record::{DrillResult, RecordKind};
use crate::restore;
use crate::session::{self, History, Snapshot};

/// The most items with problems that are named.
const PROBLEMS_COUNT_MAX: usize = 1000;

/// What there is to know of a snapshot.
#[derive(Debug, Clone)]
pub struct SnapshotInfo {
    /// What its outcome says, and what records made of it.
    pub snapshot: Snapshot,
    /// A name for the key that signed it; none when no slot of it is there, or the key at hand can't read that.
    pub signer_label: Option<Vec<u8>>,
    /// What became of the snapshot that it was made against; none when it was made against none, or that can't be known.
    pub parent: Option<ParentStanding>,
    /// Snapshots that are not forgotten and were made against it.
    pub child_count: u64,
    /// Everything that was ever said about it, the oldest first.
    pub remarks: Vec<Remark>,
    /// What checks of data proved since it was committed: once they verified every pack, it is proven too.
    pub verification: Verification,
    /// Items that could not be read as they were, in the order of their paths, at most a thousand; none when the key at hand
    /// can't read trees.
    pub problems: Option<Vec<ItemProblem>>,
}

/// What became of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParentStanding {
    /// It is there.
    Live,
    /// It is forgotten.
    Forgotten,
    /// No outcome commits it here.
    Absent,
}

/// An item that is not, or not surely, as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemProblem {
    /// Where it was.
    pub key: Key,
    /// What the system said when it could not be read; none when it changed while it was read.
    pub errno: Option<u32>,
}

/// Something that was said about a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remark {
    /// When, by the clock of the machine that said it, in nanoseconds since the epoch.
    pub made_at_ns: i64,
    /// What.
    pub kind: RemarkKind,
    /// The key that said it.
    pub signer: SignerKey,
    /// What that key may do.
    pub role: Role,
}

/// What was said about a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemarkKind {
    /// It is forgotten.
    Forgotten,
    /// It is forgotten no longer.
    BroughtBack,
    /// It is forgotten no longer, and pinned.
    BroughtBackAndPinned,
    /// It is pinned, until a time if there is one.
    Pinned {
        /// The time, in nanoseconds since the epoch.
        until_ns: Option<i64>,
    },
    /// Its pin is lifted.
    Unpinned,
    /// It was restored for a test; none where the record says nothing that is understood.
    Drilled(Option<DrillResult>),
}

/// Gathers everything. Costs the records of what was verified; and where items could not be read, a walk through the
/// snapshot's tree up to the last of them, for which the index must be up to date.
///
/// # Errors
/// When the store can't be read, or the tree is damaged.
pub fn about_snapshot(access: &Access, history: &History, snapshot: &Snapshot) -> Result<SnapshotInfo> {
    let snapshots = session::all(history);
    let parent_of = |snapshot: &Snapshot| snapshot.origin.as_ref().and_then(|origin| origin.parent);
    let is_child = |other: &&Snapshot| !other.forgotten && parent_of(other) == Some(snapshot.id);
    Ok(SnapshotInfo {
        signer_label: label_of(access, snapshot.signer)?,
        parent: parent_of(snapshot).map(|parent| standing(&snapshots, parent)),
        child_count: u64::try_from(snapshots.iter().filter(is_child).count()).unwrap_or(u64::MAX),
        remarks: remarks(history, snapshot.id),
        verification: check::verification(access, snapshot.committed_at_ns)?,
        problems: if access.ring.reads() { Some(problems(access, history, snapshot)?) } else { None },
        snapshot: snapshot.clone(),
    })
}

fn label_of(access: &Access, wanted: SignerKey) -> Result<Option<Vec<u8>>> {
    let labels = keys::list(access)?.into_iter().filter_map(|slot| match slot.owner {
        SlotOwner::Known { signer, label, .. } if signer == wanted => Some(label),
        SlotOwner::Known { .. } | SlotOwner::Unknown(_) => None,
    });
    Ok(labels.into_iter().find(|label| !label.is_empty()))
}

fn standing(snapshots: &[Snapshot], wanted: SnapshotId) -> ParentStanding {
    match snapshots.iter().find(|snapshot| snapshot.id == wanted) {
        Some(found) if found.forgotten => ParentStanding::Forgotten,
        Some(_) => ParentStanding::Live,
        None => ParentStanding::Absent,
    }
}

/// What records and restates say about a snapshot, the oldest first.
fn remarks(history: &History, snapshot: SnapshotId) -> Vec<Remark> {
    let records = history.records.values().filter(|record| record.body.snapshots.0.contains(&snapshot));
    let of_records = records.filter_map(|record| {
        let kind = match record.body.kind {
            RecordKind::Forget => RemarkKind::Forgotten,
            RecordKind::Pin => RemarkKind::Pinned { until_ns: record.body.until_ns },
            RecordKind::Unpin => RemarkKind::Unpinned,
            RecordKind::Drill => RemarkKind::Drilled(DrillResult::of_note(&record.body.note)),
            // Of staged components and of packs.
            RecordKind::Release | RecordKind::Verified => return None,
        };
        Some(Remark { made_at_ns: record.body.made_at_ns, kind, signer: record.signer, role: record.role })
    });
    let of_restates = history.committed().filter_map(|(_, held)| {
        let statement = held.body.statement.as_ref().filter(|statement| statement.snapshots.0.contains(&snapshot))?;
        let kind = match statement.kind {
            StatementKind::Undo => RemarkKind::BroughtBack,
            StatementKind::PinForgotten => RemarkKind::BroughtBackAndPinned,
        };
        Some(Remark { made_at_ns: held.body.time_ns, kind, signer: held.signer, role: held.role })
    });
    let mut remarks: Vec<Remark> = of_records.chain(of_restates).collect();
    remarks.sort_by_key(|remark| remark.made_at_ns);
    remarks
}

/// The items that the counts tell of. The walk ends with the last of them.
fn problems(access: &Access, history: &History, snapshot: &Snapshot) -> Result<Vec<ItemProblem>> {
    let mut problems = Vec::new();
    let count_of = |counts: &Counts| counts.unreadable.saturating_add(counts.inconsistent);
    if count_of(&snapshot.counts()) == 0 {
        return Ok(problems);
    }
    session::bring_up_to_date(access, history)?;
    let reader = ContentReader::new(access.clone());
    for component in &snapshot.components {
        let mut left = count_of(&component.counts);
        let Some(root) = component.manifest else { continue };
        let Some(mut entries) = restore::entries_at(&reader, root, &Key::default()) else { continue };
        while left > 0 && problems.len() < PROBLEMS_COUNT_MAX {
            let Some(entry) = entries.try_next()? else { break };
            if let Some(problem) = problem(&entry) {
                left = left.saturating_sub(1);
                problems.push(problem);
            }
        }
    }
    Ok(problems)
}

fn problem(entry: &Entry) -> Option<ItemProblem> {
    let errno = match entry.state {
        State::Stored => return None,
        State::Inconsistent => None,
        State::Unreadable { errno } => Some(errno),
    };
    Some(ItemProblem { key: entry.key.clone(), errno })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::testing::{Told, restate, state, tell};

    #[test]
    fn what_was_said_about_a_snapshot_comes_in_the_order_of_time_and_nothing_else_does() {
        let mut history = History::default();
        let one = tell(&mut history, &Told { number: 1, ..Told::default() });
        let other = tell(&mut history, &Told { number: 2, ..Told::default() });
        let forget = state(&mut history, 1, RecordKind::Forget, &[one, other], 20, None);
        state(&mut history, 2, RecordKind::Pin, &[one], 10, Some(90));
        state(&mut history, 3, RecordKind::Drill, &[one], 40, None);
        state(&mut history, 4, RecordKind::Unpin, &[other], 50, None);
        restate(&mut history, 1, StatementKind::Undo, &[one], &[forget], 30);
        let said = |id| remarks(&history, id).iter().map(|remark| (remark.made_at_ns, remark.kind)).collect::<Vec<_>>();
        let expected = [
            (10, RemarkKind::Pinned { until_ns: Some(90) }),
            (20, RemarkKind::Forgotten),
            (30, RemarkKind::BroughtBack),
            (40, RemarkKind::Drilled(None)),
        ];
        assert_eq!(said(one), expected);
        assert_eq!(said(other), [(20, RemarkKind::Forgotten), (50, RemarkKind::Unpinned)]);
    }

    #[test]
    fn a_parent_is_live_forgotten_or_not_there() {
        let mut history = History::default();
        let one = tell(&mut history, &Told { number: 1, ..Told::default() });
        let other = tell(&mut history, &Told { number: 2, ..Told::default() });
        state(&mut history, 1, RecordKind::Forget, &[other], 20, None);
        let snapshots = session::all(&history);
        let standings = [one, other, SnapshotId::from_bytes([7; 32])].map(|id| standing(&snapshots, id));
        assert_eq!(standings, [ParentStanding::Live, ParentStanding::Forgotten, ParentStanding::Absent]);
    }
}

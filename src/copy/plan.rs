//! What is to be copied: what was asked for and is not there yet.

use crate::access::Access;
use crate::config::Role;
use crate::error::{Error, ErrorKind, Result};
use crate::id::SnapshotId;
use crate::session::{self, CopyOf, History, Snapshot, SnapshotFilter};
use std::collections::{HashMap, HashSet};

/// Which snapshots to copy.
#[derive(Debug, Clone)]
pub enum CopyWanted {
    /// Those of the source that are not forgotten there and pass the filter, and that this repository never had.
    All(SnapshotFilter),
    /// These of the source, also where a copy was here and was forgotten.
    Named(Vec<Snapshot>),
}

/// How content gets from one repository to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Way {
    /// Both name and cut alike: chunks are carried over, and only those are read that are not there.
    CarryOver,
    /// All content that changed is read and cut anew.
    #[default]
    CutAnew,
}

/// A snapshot of the source that has a copy here.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PresentCopy {
    /// Its id in the source.
    pub source: SnapshotId,
    /// When it was taken, in nanoseconds since the epoch.
    pub time_ns: i64,
    /// Its id here.
    pub copy: SnapshotId,
}

/// What a copy would do.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct CopyPlan {
    /// What is to be copied, oldest first.
    pub to_copy: Vec<Snapshot>,
    /// What is here already.
    pub present: Vec<PresentCopy>,
    /// What was here and was forgotten, and therefore is not copied unless it is named.
    pub forgotten: Vec<PresentCopy>,
    /// How content gets here.
    pub way: Way,
}

impl CopyPlan {
    /// Whether there is nothing to do.
    pub const fn is_empty(&self) -> bool {
        self.to_copy.is_empty()
    }
}

pub(super) fn make(from: &Access, to: &Access, wanted: CopyWanted) -> Result<CopyPlan> {
    let repository = from.chain.repository();
    if repository == to.chain.repository() {
        let message = "both are the same repository, or one is a second copy of the other: there is nothing to copy";
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    let copies = Copies::of(to, &History::load(to)?);
    let mut plan = CopyPlan { way: way(from, to), ..CopyPlan::default() };
    let (snapshots, is_named) = match wanted {
        CopyWanted::Named(snapshots) => (snapshots, true),
        CopyWanted::All(filter) => {
            let fits = |snapshot: &Snapshot| !snapshot.forgotten && filter.passes(snapshot);
            (session::all(&History::load(from)?).into_iter().filter(fits).collect(), false)
        }
    };
    let mut met = HashSet::new();
    for snapshot in snapshots {
        let first = snapshot.first(repository);
        let present = |copy| PresentCopy { source: snapshot.id, time_ns: snapshot.time_ns, copy };
        match (copies.live(first), copies.forgotten(first)) {
            // Two copies of one snapshot in the source are one here.
            _ if !met.insert(first) => {}
            (Some(copy), _) => plan.present.push(present(copy)),
            (None, Some(copy)) if !is_named => plan.forgotten.push(present(copy)),
            (None, _) => plan.to_copy.push(snapshot),
        }
    }
    plan.to_copy.sort_by_key(|snapshot| (snapshot.time_ns, snapshot.id));
    Ok(plan)
}

/// Chunks of one repository are chunks of another, under the same ids, when both derive the names of chunks and the places
/// of cuts from one naming root, and cut between the same sizes.
fn way(from: &Access, to: &Access) -> Way {
    let is_same = from.ring.naming() == to.ring.naming() && from.naming.cuts == to.naming.cuts;
    if is_same { Way::CarryOver } else { Way::CutAnew }
}

/// The snapshots of the destination by what they are copies of.
pub(super) struct Copies {
    live: HashMap<CopyOf, SnapshotId>,
    forgotten: HashMap<CopyOf, SnapshotId>,
}

impl Copies {
    pub(super) fn of(to: &Access, history: &History) -> Self {
        let mut copies = Self { live: HashMap::new(), forgotten: HashMap::new() };
        let own = to.ring.signer();
        // What a stranger's put key calls a copy is neither believed to be one nor built upon.
        let is_believed = |one: &Snapshot| one.copy_of.is_none() || one.role != Role::Put || one.signer == own;
        for snapshot in session::all(history).into_iter().filter(is_believed) {
            let first = snapshot.first(to.chain.repository());
            let known = if snapshot.forgotten { &mut copies.forgotten } else { &mut copies.live };
            known.insert(first, snapshot.id);
        }
        copies
    }

    /// The copy, or the snapshot itself where it was made here.
    pub(super) fn live(&self, first: CopyOf) -> Option<SnapshotId> {
        self.live.get(&first).copied()
    }

    fn forgotten(&self, first: CopyOf) -> Option<SnapshotId> {
        self.forgotten.get(&first).copied()
    }
}

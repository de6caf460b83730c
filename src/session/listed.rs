//! What committed sessions list: segments and packs.

use crate::access::Access;
use crate::error::Result;
use crate::id::{PackId, SegmentId, SessionId};
use crate::outcome::{Outcome, OutcomeKind, SegmentRef};
use crate::session::history::{History, read_outcome};
use std::collections::{BTreeMap, BTreeSet};

impl History {
    /// The segments that committed sessions name, with their counts.
    pub fn segments(&self) -> BTreeMap<SegmentId, SegmentRef> {
        let named = self.committed().flat_map(|(_, held)| held.body.segments.0.iter());
        named.map(|segment| (segment.id, *segment)).collect()
    }

    /// The segments that may take the place of others: those of sessions that only somebody who may delete can commit.
    pub fn taking_segments(&self) -> BTreeSet<SegmentId> {
        let may_take = |held: &&Outcome| matches!(held.body.kind, OutcomeKind::Repack | OutcomeKind::Repair);
        let outcomes = self.committed().map(|(_, held)| held).filter(may_take);
        outcomes.flat_map(|held| held.body.segments.0.iter().map(|segment| segment.id)).collect()
    }
}

/// The packs that a committed session lists, sorted.
///
/// # Errors
/// When its outcome can't be read.
pub fn committed_packs(access: &Access, id: SessionId) -> Result<Vec<PackId>> {
    Ok(read_outcome(access, id)?.body.packs.0)
}

//! What committed sessions list: segments and packs.

use crate::access::Access;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{PackId, SegmentId, SessionId};
use crate::outcome::{Outcome, OutcomeKind, SegmentRef};
use crate::segment::{Replaced, SegmentReader};
use crate::session::history::{History, read_outcome};
use crate::store::ObjectName;
use std::collections::{BTreeMap, BTreeSet};

/// How committed outcomes name a segment: in one way at least. A key that may only add can name any segment, with any counts;
/// those are right that its body has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named(BTreeSet<SegmentRef>);

impl Named {
    /// Adds how an outcome names it.
    pub(super) fn add(&mut self, reference: SegmentRef) {
        self.0.insert(reference);
    }

    /// With the most packs and chunks that an outcome gives it.
    pub fn largest(&self) -> &SegmentRef {
        self.0.last().expect("a segment is named when an outcome names it")
    }

    /// With the counts that its body has.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] when no outcome gives it these.
    pub fn proven(&self, body: &SegmentReader<'_>) -> Result<SegmentRef> {
        let proven = SegmentRef { id: body.segment(), pack_count: body.pack_count(), chunk_count: body.chunk_count() };
        self.0.get(&proven).copied().ok_or_else(|| {
            let name = ObjectName::Segment(proven.id);
            Error::new(ErrorKind::Damaged, format!("{name} holds other counts than any outcome that names it"))
        })
    }

    /// Whether its place is taken by one of those that say what they replace.
    pub fn is_among(&self, replaced: &BTreeSet<Replaced>) -> bool {
        let replaces = |SegmentRef { id: segment, pack_count, chunk_count }: &SegmentRef| Replaced {
            segment: *segment,
            pack_count: *pack_count,
            chunk_count: *chunk_count,
        };
        self.0.iter().any(|reference| replaced.contains(&replaces(reference)))
    }
}

impl History {
    /// The segments that committed sessions name, with their counts.
    pub fn segments(&self) -> BTreeMap<SegmentId, Named> {
        let mut segments: BTreeMap<SegmentId, Named> = BTreeMap::new();
        for reference in self.committed().flat_map(|(_, held)| held.body.segments.0.iter()) {
            segments.entry(reference.id).or_default().add(*reference);
        }
        segments
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

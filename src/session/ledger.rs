//! The packs of one session that are durable, on their way into segments.

use crate::access::Access;
use crate::error::Result;
use crate::id::PackId;
use crate::index::{Applying, Index, IndexError};
use crate::outcome::SegmentRef;
use crate::segment::{PackRow, SegmentBuilder};
use crate::session::publishing::{SEGMENT_CHUNKS_TARGET, publish_segment};

/// The durable packs of one session. Memory: 34 bytes for each chunk.
#[derive(Default)]
pub struct Ledger {
    rows: Vec<PackRow>,
}

/// Segments that are durable in the store and that no outcome names yet.
pub struct PublishedSegments {
    segments: Vec<(SegmentRef, Vec<u8>)>,
}

impl Ledger {
    /// Adds a durable pack.
    pub fn add(&mut self, row: PackRow) {
        self.rows.push(row);
    }

    /// How many packs are durable.
    pub fn pack_count(&self) -> usize {
        self.rows.len()
    }

    /// Their names.
    pub fn pack_ids(&self) -> Vec<PackId> {
        self.rows.iter().map(|row| row.facts().pack).collect()
    }

    /// Their rows.
    pub fn rows(&self) -> &[PackRow] {
        &self.rows
    }

    /// Writes the segments that name these packs. Nothing counts until an outcome names the segments.
    ///
    /// # Errors
    /// When the store can't take them.
    pub fn publish(&mut self, access: &Access) -> Result<PublishedSegments> {
        self.rows.sort_unstable_by_key(|row| row.facts().pack);
        let mut segments = Vec::new();
        let mut rest = self.rows.as_slice();
        while !rest.is_empty() {
            let count = fitting(rest);
            let (now, later) = rest.split_at_checked(count).unwrap_or((rest, &[]));
            segments.push(publish_one(access, now)?);
            rest = later;
        }
        // As an outcome names them.
        segments.sort_unstable_by_key(|(reference, _)| reference.id);
        Ok(PublishedSegments { segments })
    }
}

/// How many of the packs fit into one segment: at least one.
fn fitting(rows: &[PackRow]) -> usize {
    let mut chunks = 0u64;
    let fits = rows.iter().take_while(|row| {
        chunks = chunks.saturating_add(row.frames().chunk_count().into());
        chunks <= SEGMENT_CHUNKS_TARGET
    });
    fits.count().max(1)
}

fn publish_one(access: &Access, rows: &[PackRow]) -> Result<(SegmentRef, Vec<u8>)> {
    let mut builder = SegmentBuilder::new();
    rows.iter().try_for_each(|row| builder.push(row.clone()))?;
    // Not read back: it hides no other, a repair makes it anew from its packs, and a rehearsal keeps none.
    publish_segment(access, builder)
}

impl PublishedSegments {
    /// How an outcome names the segments.
    pub fn references(&self) -> Vec<SegmentRef> {
        self.segments.iter().map(|(reference, _)| *reference).collect()
    }

    /// As [`Self::apply`], for what is committed last: it counts, whatever the index says. Where that can't take it, this
    /// machine is [`behind`](Access::behind), and whoever brings the index up to date next applies what it lacks.
    pub fn apply_last(self, access: &Access) {
        if let Err(error) = self.apply(access.index.as_ref()) {
            access.behind.note(format!(
                "what was committed is safe, but the index on this machine does not know it yet: {error}; the next run \
                 brings it up to date"
            ));
        }
    }

    /// Brings the segments into the index: call once the outcome that names them is committed, never before.
    ///
    /// # Errors
    /// When the index can't take them. Whoever goes on must not count on its answers: it would store all that again, or hold
    /// in memory what it lacks.
    pub fn apply(self, index: &dyn Index) -> Result<(), IndexError> {
        let mut applying = Applying::to(index);
        for (reference, body) in self.segments {
            applying.add(reference.id, &body)?;
        }
        applying.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::testing::Keys;
    use crate::config::Parameters;
    use crate::id::{ChunkId, ClientId, SessionId};
    use crate::layout::{Class, FrameTable};
    use crate::segment::PackFacts;
    use crate::store::MemoryStore;
    use std::sync::Arc;

    /// A pack with so many chunks that no second one fits into its segment.
    fn row(access: &Access, number: u8) -> PackRow {
        const FRAME_CHUNKS: usize = 50_000;
        let mut frames = FrameTable::new(128).unwrap();
        let ids: Vec<ChunkId> = (0..5 * FRAME_CHUNKS)
            .map(|chunk| {
                let mut id = [number; 32];
                id[..8].copy_from_slice(&chunk.to_be_bytes());
                ChunkId::from_bytes(id)
            })
            .collect();
        for _ in 0..5 {
            frames.push(100_000, &vec![1; FRAME_CHUNKS]).unwrap();
        }
        let bytes = u64::from(frames.end_offset()) + 600;
        let session = SessionId { client: ClientId::from_bytes([1; 16]), number: 1 };
        let pack = PackId::from_bytes([number; 32]);
        let facts = PackFacts { pack, class: Class::Content, bytes, signer: access.ring.signer(), session };
        PackRow::new(facts, frames, ids).unwrap()
    }

    /// Checkpoints with the chunks of a million tiny files need several segments. Their names are hashes: in the order
    /// in which they were made, half of such checkpoints named two of them the wrong way round, and were refused.
    #[test]
    fn outcome_4_several_segments_of_one_session_are_named_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let access = Keys::new(Parameters::default()).open(Arc::new(MemoryStore::new()), directory.path());
        let mut ledger = Ledger::default();
        (1..=6).for_each(|number| ledger.add(row(&access, number)));
        let references = ledger.publish(&access).unwrap().references();
        assert_eq!(references.len(), 6);
        assert!(references.is_sorted_by(|a, b| a.id < b.id));
    }
}

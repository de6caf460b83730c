//! One pack of a segment.

use super::SegmentFault;
use crate::id::{ChunkId, PackId, SessionId, SignerKey};
use crate::layout::{ChunkPlace, Class, FrameTable, PACK_BYTES_MAX};

/// What a segment says of a pack as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackFacts {
    /// The pack.
    pub pack: PackId,
    /// What its frames hold.
    pub class: Class,
    /// Length of the object.
    pub bytes: u64,
    /// The key that vouches for the pack.
    pub signer: SignerKey,
    /// The session that published it.
    pub session: SessionId,
}

/// One pack of a segment: its facts, its frame table, and the id of every chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackRow {
    facts: PackFacts,
    frames: FrameTable,
    /// As many as there are chunks in `frames`.
    ids: Vec<ChunkId>,
}

impl PackRow {
    /// Joins the parts of a row. `ids` are in the order of the chunks in the pack.
    ///
    /// # Errors
    /// [`SegmentFault`] when the pack has no frames, its length can't hold them, or ids and chunks differ in count.
    pub fn new(facts: PackFacts, frames: FrameTable, ids: Vec<ChunkId>) -> Result<Self, SegmentFault> {
        check_facts(&facts, &frames)?;
        let chunks = usize::try_from(frames.chunk_count()).unwrap_or(usize::MAX);
        if ids.len() != chunks {
            return Err(SegmentFault::IdCount { chunks, ids: ids.len() });
        }
        Ok(Self { facts, frames, ids })
    }

    /// The pack as a whole.
    pub const fn facts(&self) -> &PackFacts {
        &self.facts
    }

    /// Its frames.
    pub const fn frames(&self) -> &FrameTable {
        &self.frames
    }

    /// The ids of its chunks, in the order of the frames.
    pub fn ids(&self) -> &[ChunkId] {
        &self.ids
    }

    /// Every chunk with its place.
    pub fn chunks(&self) -> impl Iterator<Item = (ChunkId, ChunkPlace)> {
        self.ids.iter().copied().zip(self.frames.chunks())
    }
}

/// Checks that a pack of this length can hold these frames.
pub(super) fn check_facts(facts: &PackFacts, frames: &FrameTable) -> Result<(), SegmentFault> {
    if frames.frame_count() == 0 {
        return Err(SegmentFault::Table(crate::layout::LayoutError::NoFrames));
    }
    let (bytes, end) = (facts.bytes, frames.end_offset());
    if bytes <= end.into() || bytes > PACK_BYTES_MAX {
        return Err(SegmentFault::PackBytes { bytes, end });
    }
    Ok(())
}

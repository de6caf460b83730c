//! One pack of a segment.

use super::SegmentFault;
use crate::id::{ChunkId, PackId, SessionId, SignerKey};
use crate::layout::{ChunkPlace, Class, FrameTable, HEADER_BYTES_MIN, PACK_BYTES_MAX, SEALED_BYTES_MIN};

/// What a segment says of a pack as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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

    /// The row of a pack that is set aside: nothing in it counts, whatever its bytes are.
    pub fn set_aside(facts: PackFacts) -> Self {
        let mut frames = FrameTable::new(HEADER_BYTES_MIN).expect("the length of a header");
        let place = frames.push(SEALED_BYTES_MIN, &[1]).expect("the first frame of a pack fits");
        let bytes = facts.bytes.clamp(u64::from(place.end()).saturating_add(1), PACK_BYTES_MAX);
        Self { facts: PackFacts { bytes, ..facts }, frames, ids: vec![set_aside_id(facts.pack)] }
    }

    /// Whether the pack is set aside.
    pub fn is_set_aside(&self) -> bool {
        self.ids == [set_aside_id(self.facts.pack)]
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

/// The id in the row of a pack that is set aside, which is no chunk's.
pub fn set_aside_id(pack: PackId) -> ChunkId {
    ChunkId::from_bytes(blake3::derive_key("holdall 1 set aside", pack.as_bytes()))
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

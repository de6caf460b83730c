//! What goes into an index, and what comes out of it for a chunk.

use super::{IndexError, PackOrdinal};
use crate::id::{ChunkId, PackId, SegmentId, SessionId, SignerKey};

/// Length of what stands before a frame's sealed bytes: magic, number, length.
const FRAME_HEAD_BYTES: u32 = 12;

/// Where a copy of a chunk lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Extent {
    /// The pack, by its number in the index that gave this answer.
    pub pack: PackOrdinal,
    /// The frame's number in the pack.
    pub frame: u32,
    /// Where the stored frame begins in the pack.
    pub frame_offset: u32,
    /// Length of the stored frame, its head included.
    pub frame_bytes: u32,
    /// Where the chunk begins in the decoded frame.
    pub chunk_offset: u32,
    /// Length of the chunk.
    pub chunk_bytes: u32,
}

/// One frame of a pack as a segment lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameRow {
    /// Length of the sealed bytes, without the head before them.
    pub sealed_bytes: u32,
    /// Lengths of the chunks in it.
    pub lengths: Vec<u32>,
}

/// One pack as a segment lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackRow {
    /// The pack.
    pub pack: PackId,
    /// Which class of frames it holds.
    pub class: u8,
    /// Its length in bytes.
    pub bytes: u64,
    /// The key that vouches for it.
    pub signer: SignerKey,
    /// The session that published it.
    pub session: SessionId,
    /// Where its first frame begins.
    pub header_bytes: u32,
    /// Its frames.
    pub frames: Vec<FrameRow>,
    /// Its chunks, in the order in which they lie in the frames.
    pub ids: Vec<ChunkId>,
}

/// The rows of one segment, pack by pack.
pub trait SegmentRows {
    /// Calls `each` with every pack.
    ///
    /// # Errors
    /// Those of `each`, and when the segment can't be read to its end.
    fn for_each_pack(&self, each: &mut dyn FnMut(&PackRow) -> Result<(), IndexError>) -> Result<(), IndexError>;
}

impl SegmentRows for Vec<PackRow> {
    fn for_each_pack(&self, each: &mut dyn FnMut(&PackRow) -> Result<(), IndexError>) -> Result<(), IndexError> {
        self.iter().try_for_each(each)
    }
}

impl PackRow {
    /// Calls `each` with every chunk and its place.
    ///
    /// # Errors
    /// Those of `each`, and when ids and lengths don't match or a place does not fit in a pack.
    pub(super) fn for_each_extent(
        &self,
        segment: SegmentId,
        pack: PackOrdinal,
        each: &mut dyn FnMut(ChunkId, Extent) -> Result<(), IndexError>,
    ) -> Result<(), IndexError> {
        let wrong = |reason| IndexError::Rows { segment, pack: self.pack, reason };
        let mut ids = self.ids.iter();
        let mut frame_offset = self.header_bytes;
        for (frame, row) in (0u32..).zip(&self.frames) {
            let frame_bytes = row.sealed_bytes.checked_add(FRAME_HEAD_BYTES);
            let frame_bytes = frame_bytes.ok_or_else(|| wrong("a frame is too long"))?;
            let mut chunk_offset = 0u32;
            for &chunk_bytes in &row.lengths {
                let id = ids.next().ok_or_else(|| wrong("it has fewer ids than chunks"))?;
                each(*id, Extent { pack, frame, frame_offset, frame_bytes, chunk_offset, chunk_bytes })?;
                let next = chunk_offset.checked_add(chunk_bytes);
                chunk_offset = next.ok_or_else(|| wrong("the chunks of a frame are too long"))?;
            }
            let next = frame_offset.checked_add(frame_bytes).filter(|end| u64::from(*end) <= self.bytes);
            frame_offset = next.ok_or_else(|| wrong("its frames reach beyond its end"))?;
        }
        if ids.next().is_some() { Err(wrong("it has more ids than chunks")) } else { Ok(()) }
    }

    /// Checks all rows without keeping any: a segment is applied as a whole or not at all.
    pub(super) fn check(&self, segment: SegmentId) -> Result<(), IndexError> {
        self.for_each_extent(segment, PackOrdinal(0), &mut |_, _| Ok(()))
    }
}

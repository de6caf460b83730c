//! What the index answers for a chunk.

use super::PackOrdinal;
use crate::layout::{ChunkPlace, FramePlace};

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

impl Extent {
    /// A place in a pack.
    pub const fn new(pack: PackOrdinal, place: ChunkPlace) -> Self {
        Self {
            pack,
            frame: place.frame.number,
            frame_offset: place.frame.offset,
            frame_bytes: place.frame.stored_bytes,
            chunk_offset: place.chunk_offset,
            chunk_bytes: place.chunk_bytes,
        }
    }

    /// The place within the pack.
    pub const fn place(&self) -> ChunkPlace {
        let frame = FramePlace { number: self.frame, offset: self.frame_offset, stored_bytes: self.frame_bytes };
        ChunkPlace { frame, chunk_offset: self.chunk_offset, chunk_bytes: self.chunk_bytes }
    }
}

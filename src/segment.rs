//! Segments: objects that say which chunks lie where in a set of packs.
//!
//! The index is built from segments alone. This room knows the *body*: the envelope around it, with seal and
//! signature, is another room's. A body lists the segments that it replaces, the keys that vouch for the packs, the
//! clients that wrote them, and for each pack, in the order of their ids, its frame table and its chunk ids.
//! Byte-exact in format-spec/09-segment.md.
//!
//! [`SegmentReader::parse`] checks a whole body at once, in the memory of one pack; walking through it afterwards
//! can't fail, so an index applies a segment entirely or not at all. [`SegmentBuilder`] makes a body.

mod builder;
mod error;
mod reader;
mod row;

#[cfg(test)]
mod tests;

pub use builder::SegmentBuilder;
pub use error::{SegmentError, SegmentFault, SegmentFull};
pub use reader::SegmentReader;
pub use row::{PackFacts, PackRow, set_aside_id};

use crate::id::SegmentId;
use crate::layout::{FRAME_COUNT_MAX, PACK_CHUNK_COUNT_MAX};

/// Largest body. It bounds a segment to a little under a million chunks, and the memory of reading one.
pub const BODY_BYTES_MAX: usize = 32 << 20;
/// Most segments that one may replace.
pub const REPLACED_COUNT_MAX: usize = 65_536;

/// Shortest stored form of a replaced segment: its id and two varints.
const REPLACED_BYTES_MIN: usize = 34;

#[expect(clippy::as_conversions, reason = "widening constants")]
const _: () = {
    // A segment without packs takes any pack: ids, 4-byte lengths, 7 bytes a frame, facts, and all that it replaces.
    let largest_pack = PACK_CHUNK_COUNT_MAX as usize * 36 + FRAME_COUNT_MAX as usize * 7 + 256;
    assert!(largest_pack + REPLACED_COUNT_MAX * 52 <= BODY_BYTES_MAX);
};

/// A segment that another one replaces, with its counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, bincode::Encode, bincode::Decode)]
pub struct Replaced {
    /// The replaced segment.
    pub segment: SegmentId,
    /// How many packs it lists.
    pub pack_count: u64,
    /// How many chunks it lists.
    pub chunk_count: u64,
}

//! Why a segment is refused.

use crate::id::SegmentId;
use crate::layout::LayoutError;
use crate::wire::WireError;

/// A refusal: which segment, where in its body, and what is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("segment {segment}, body byte {offset}: {fault}")]
pub struct SegmentError {
    /// The segment.
    pub segment: SegmentId,
    /// How far the body was read when the fault was found; the offset of the malformed field where that is the fault.
    pub offset: usize,
    /// What is wrong.
    #[source]
    pub fault: SegmentFault,
}

/// What is wrong with a segment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SegmentFault {
    /// The encoding is malformed.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The body is longer than segments may be.
    #[error("{bytes} bytes are more than a segment may have")]
    Long {
        /// How long it is.
        bytes: usize,
    },
    /// A list is not strictly ascending.
    #[error("{0} are not in ascending order")]
    Order(&'static str),
    /// A segment says that it replaces itself.
    #[error("it replaces itself")]
    ReplacesItself,
    /// Neither packs nor replaced segments.
    #[error("it says nothing")]
    Empty,
    /// More replaced segments than one may name.
    #[error("{count} replaced segments are too many")]
    ReplacedCount {
        /// How many.
        count: usize,
    },
    /// A class that does not exist.
    #[error("class {0} is not known")]
    Class(u8),
    /// A pack names a signer or client that is not listed.
    #[error("{what} {index} is not listed")]
    NotListed {
        /// What is missing.
        what: &'static str,
        /// Its index.
        index: u64,
    },
    /// A listed signer or client belongs to no pack.
    #[error("a listed {0} belongs to no pack")]
    Unused(&'static str),
    /// The frame table does not describe a pack.
    #[error("frame table: {0}")]
    Table(#[source] LayoutError),
    /// The pack's length can't hold its frames, or is above what a pack may have.
    #[error("a pack of {bytes} bytes can't hold frames that end at byte {end}")]
    PackBytes {
        /// The length given.
        bytes: u64,
        /// Where its frames end.
        end: u32,
    },
    /// There are not as many ids as chunks in the frames.
    #[error("{ids} ids for {chunks} chunks")]
    IdCount {
        /// Chunks in the frame table.
        chunks: usize,
        /// Ids.
        ids: usize,
    },
}

/// A pack that a segment can't take any more: begin another segment with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the segment is full")]
pub struct SegmentFull(pub Box<super::PackRow>);

//! Frames: consecutive chunks, compressed together. Small chunks make deduplication good and compression bad; a frame
//! of about a mebibyte gives the latter back.
//!
//! ```text
//! encoding u8 | chunk count varint | length of each chunk, varints | payload
//! ```
//!
//! The payload is the chunks one behind the other, as they are or as one zstd frame. Byte-exact in
//! format-spec/04-frame.md.

mod decode;
mod encode;
mod fault;
mod probe;

pub use decode::{Frame, FrameDecoder, Head, parse_head};
pub use encode::{Compression, CompressionLevel, FrameBuffer, FrameEncoder};
pub use fault::EncoderFault;

use crate::wire::WireError;

/// The most chunks in a frame.
pub const CHUNK_COUNT_MAX: usize = 65_536;
/// The longest chunk that a reader accepts. Writers stay below it: the chunker makes none above 4 MiB.
pub const CHUNK_BYTES_MAX: u32 = 16 << 20;
/// The most bytes that the chunks of a frame have together.
pub const FRAME_RAW_BYTES_MAX: u32 = 32 << 20;

/// How a frame's payload holds its chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// As they are.
    Raw,
    /// As one zstd frame.
    Zstd,
}

impl Encoding {
    const fn tag(self) -> u8 {
        match self {
            Self::Raw => 0,
            Self::Zstd => 1,
        }
    }

    const fn parse(tag: u8) -> Result<Self, FrameError> {
        match tag {
            0 => Ok(Self::Raw),
            1 => Ok(Self::Zstd),
            value => Err(FrameError::Encoding { value }),
        }
    }
}

/// Why bytes are not a frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The head is malformed or claims too much.
    #[error("frame head: {0}")]
    Head(#[from] WireError),
    /// The encoding is unknown.
    #[error("unknown frame encoding {value}")]
    Encoding {
        /// The value found.
        value: u8,
    },
    /// The payload does not hold as many bytes as the lengths say.
    #[error("frame payload holds {found} bytes where its chunks have {expected}")]
    Length {
        /// What the payload holds.
        found: u64,
        /// The sum of the lengths.
        expected: u32,
    },
    /// The payload is not exactly one plain zstd frame that says its length.
    #[error("frame payload is not one zstd frame with its content size and without checksum and dictionary")]
    Shape,
    /// The payload does not decompress.
    #[error("frame payload does not decompress: {0}")]
    Zstd(String),
}

#[cfg(test)]
mod tests;

//! Cutting file content into chunks and naming them.
//!
//! A file is first split at its *zero runs* (64 KiB or more of zero bytes in whole 4 KiB blocks), so that cuts never
//! depend on how a file system allocates; every piece between them is then cut by content with FastCDC (Xia et al.,
//! "The Design of Fast Content-Defined Chunking for Data Deduplication Based Storage Systems", IEEE TPDS 2020) under
//! a gear table of the repository's own. Neither the sizes of reads nor the code path moves a cut.
//!
//! Byte-exact in format-spec/03-chunk.md.

mod cut;
mod ids;
#[cfg(target_arch = "x86_64")]
mod lanes;
#[cfg(target_arch = "x86_64")]
mod short;
mod stream;

pub use cut::{CutParameters, Cutter, Gear};
pub use ids::ChunkIdKey;
pub use stream::{Chunker, Piece, chunk_slice};

/// The grain of zero runs, counted from the start of the file.
pub const BLOCK_BYTES: usize = 4096;
/// The shortest zero run that is not content: shorter ones would cost an item each and save nothing.
pub const ZERO_RUN_BYTES_MIN: usize = 65_536;

/// Why chunker parameters are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChunkError {
    /// A size is odd.
    #[error("chunk sizes must be even, not {min_bytes}, {avg_bytes} and {max_bytes}")]
    Odd {
        /// The minimum.
        min_bytes: u32,
        /// The average.
        avg_bytes: u32,
        /// The maximum.
        max_bytes: u32,
    },
    /// The sizes are not in order, or outside 4 KiB to 4 MiB.
    #[error("chunk sizes must satisfy 4096 <= {min_bytes} < {avg_bytes} < {max_bytes} <= 4194304")]
    Order {
        /// The minimum.
        min_bytes: u32,
        /// The average.
        avg_bytes: u32,
        /// The maximum.
        max_bytes: u32,
    },
    /// The average is not a power of two.
    #[error("the average chunk size {avg_bytes} is not a power of two")]
    Average {
        /// The average.
        avg_bytes: u32,
    },
    /// The normalisation level is unknown.
    #[error("chunk size normalisation {level} is above 3")]
    Normalization {
        /// The level.
        level: u8,
    },
}

#[cfg(test)]
mod tests;

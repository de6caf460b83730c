//! Where a piece of data is cut.

use super::ChunkError;
use fastcdc::v2020::cut_gear;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The shortest minimum.
const SIZE_BYTES_MIN: u32 = 4096;
/// The longest maximum, also the longest chunk that a repository's writers make.
const SIZE_BYTES_MAX: u32 = 4 << 20;
/// The strongest normalisation.
const NORMALIZATION_MAX: u8 = 3;

/// The masks of FastCDC for mean distances of 2^10 to 2^24 bytes, those which averages of 2^13 to 2^21 bytes reach
/// with normalisation 3. They stand in the format: a change would cost every user all deduplication.
const MASKS: [u64; 15] = [
    0x0000_5900_0353_0000,
    0x0000_d900_0353_0000,
    0x0000_d901_0353_0000,
    0x0000_d903_0353_0000,
    0x0000_d903_1353_0000,
    0x0000_d90f_0353_0000,
    0x0000_d903_0353_7000,
    0x0000_d907_0353_7000,
    0x0000_d907_0753_7000,
    0x0000_d917_0753_7000,
    0x0000_d917_4753_7000,
    0x0000_d917_6753_7000,
    0x0000_d937_6753_7000,
    0x0000_d937_7753_7000,
    0x0000_d937_7757_7000,
];
/// The mean distance of the first mask, as a power of two.
const MASKS_START: u32 = 10;

/// Sizes that decide where content is cut, fixed for a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CutParameters {
    min_bytes: u32,
    avg_bytes: u32,
    max_bytes: u32,
    normalization: u8,
}

impl CutParameters {
    /// 16, 64 and 256 KiB with normalisation 1: what a new repository gets unless told otherwise.
    pub const DEFAULT: Self = Self { min_bytes: 16 << 10, avg_bytes: 64 << 10, max_bytes: 256 << 10, normalization: 1 };

    /// Takes sizes that are even, in strictly rising order from 4 KiB to 4 MiB, with a power of two as the average,
    /// and a normalisation of 0 to 3.
    ///
    /// # Errors
    /// A [`ChunkError`] that names the rule that was broken.
    pub const fn parse(min_bytes: u32, avg_bytes: u32, max_bytes: u32, normalization: u8) -> Result<Self, ChunkError> {
        if min_bytes < SIZE_BYTES_MIN || min_bytes >= avg_bytes || avg_bytes >= max_bytes || max_bytes > SIZE_BYTES_MAX
        {
            return Err(ChunkError::Order { min_bytes, avg_bytes, max_bytes });
        }
        if (min_bytes | avg_bytes | max_bytes) & 1 != 0 {
            return Err(ChunkError::Odd { min_bytes, avg_bytes, max_bytes });
        }
        if !avg_bytes.is_power_of_two() {
            return Err(ChunkError::Average { avg_bytes });
        }
        if normalization > NORMALIZATION_MAX {
            return Err(ChunkError::Normalization { level: normalization });
        }
        Ok(Self { min_bytes, avg_bytes, max_bytes, normalization })
    }

    /// No chunk but the last of a piece is shorter.
    pub const fn min_bytes(&self) -> u32 {
        self.min_bytes
    }

    /// Where the mask changes; the mean length lies about one minimum above it.
    pub const fn avg_bytes(&self) -> u32 {
        self.avg_bytes
    }

    /// No chunk is longer.
    pub const fn max_bytes(&self) -> u32 {
        self.max_bytes
    }

    /// How strongly lengths are drawn towards the average, 0 to 3.
    pub const fn normalization(&self) -> u8 {
        self.normalization
    }

    /// The mask below the average and the one from there on.
    pub(super) fn masks(&self) -> (u64, u64) {
        let level = u32::from(self.normalization);
        let middle = self.avg_bytes.ilog2().saturating_sub(MASKS_START);
        let mask = |index: u32| usize::try_from(index).ok().and_then(|index| MASKS.get(index)).copied();
        let both = mask(middle.saturating_add(level)).zip(mask(middle.saturating_sub(level)));
        both.expect("averages of 2^13 to 2^21 and levels up to 3 stay inside the table")
    }
}

/// The gear table: 256 secret words, one for each value of a byte. Erased when dropped, never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Gear {
    table: [u64; 256],
    /// Each word of `table` shifted left by one, for taking two bytes a step.
    table_shifted: [u64; 256],
}

impl Gear {
    /// Derives the table: 2048 bytes of BLAKE3 output, keyed with `gear_key`, over a fixed text, as little-endian
    /// words.
    pub fn derive(gear_key: &[u8; 32]) -> Self {
        let mut output = blake3::Hasher::new_keyed(gear_key).update(b"holdall 1 gear table").finalize_xof();
        let mut gear = Self { table: [0; 256], table_shifted: [0; 256] };
        for (word, shifted) in gear.table.iter_mut().zip(gear.table_shifted.iter_mut()) {
            let mut bytes = [0; 8];
            output.fill(&mut bytes);
            *word = u64::from_le_bytes(bytes);
            *shifted = *word << 1;
        }
        gear
    }

    #[cfg(test)]
    pub(super) fn word(&self, byte: u8) -> u64 {
        self.table[usize::from(byte)]
    }
}

impl std::fmt::Debug for Gear {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gear(..)")
    }
}

/// Finds the end of the first chunk of a piece.
#[derive(Debug, Clone, Copy)]
pub struct Cutter<'a> {
    gear: &'a Gear,
    min_bytes: usize,
    avg_bytes: usize,
    max_bytes: usize,
    mask_small: u64,
    mask_large: u64,
}

impl<'a> Cutter<'a> {
    /// Cuts with these sizes and this table.
    pub fn new(parameters: &CutParameters, gear: &'a Gear) -> Self {
        let (mask_small, mask_large) = parameters.masks();
        let size = |bytes: u32| usize::try_from(bytes).expect("a size of at most 4 MiB fits");
        Self {
            gear,
            min_bytes: size(parameters.min_bytes),
            avg_bytes: size(parameters.avg_bytes),
            max_bytes: size(parameters.max_bytes),
            mask_small,
            mask_large,
        }
    }

    /// No chunk is longer.
    pub const fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    /// The length of the first chunk of `data`, at least 1 unless there is none. `data` starts where a chunk starts
    /// and is either at least [`Self::max_bytes`] long or reaches to the end of its piece; with less the result
    /// would depend on how much there happens to be.
    pub fn cut(&self, data: &[u8]) -> usize {
        let (_, length) = cut_gear(
            data,
            self.min_bytes,
            self.avg_bytes,
            self.max_bytes,
            self.mask_small,
            self.mask_large,
            self.mask_small << 1,
            self.mask_large << 1,
            &self.gear.table,
            &self.gear.table_shifted,
        );
        length
    }
}

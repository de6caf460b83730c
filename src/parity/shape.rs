//! How a pack is laid out as shards and groups: every length and place of a parity object follows from it.

use super::{
    CHECKSUM_BYTES, GROUP_BYTES_MAX, GROUP_SHARD_COUNT_MAX, HEAD_BYTES, ParityError, SHARD_BYTES_MAX, SHARD_BYTES_MIN,
    SHARD_COUNT_MAX,
};
use crate::layout::PACK_BYTES_MAX;

/// The shard length that a writer uses for all but small packs: a sector of today's disks.
const SECTOR_BYTES: u32 = 4096;
/// A writer cuts a pack into at least so many shards, as long as they don't become too short.
const SHARD_COUNT_WANTED: u64 = 64;
/// A writer's groups have at most so many shards, parity included and rounded up: smaller ones are coded faster (2.4 GB/s
/// against 1.7 with twice as many), larger ones withstand more patterns of damage.
const GROUP_SHARD_COUNT_WRITTEN: u32 = 1024;
/// Length of the checksum of a shard.
const CHECK_BYTES: u64 = 4;

/// How many parity shards a hundred shards get: 1 to 25.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percent(u8);

impl Percent {
    /// The most.
    pub const MAX: u8 = 25;
    /// What repositories get that are not told otherwise.
    pub const DEFAULT: Self = Self(2);

    /// None where the number is out of range.
    pub const fn parse(percent: u8) -> Option<Self> {
        if percent == 0 || percent > Self::MAX { None } else { Some(Self(percent)) }
    }

    /// The number.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl Default for Percent {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// How a pack of a certain length is laid out. Whatever exists holds every limit, so that no sum overflows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    pack_bytes: u64,
    shard_bytes: u32,
    group_count: u32,
    parity_count: u32,
}

impl Shape {
    /// The layout that a writer gives to the parity of a pack: at least `percent`, and enough to bring back any lost
    /// sector of 4 KiB. None for a pack that is empty or too long.
    pub fn choose(pack_bytes: u64, percent: Percent) -> Option<Self> {
        let wanted = (pack_bytes / SHARD_COUNT_WANTED).clamp(SHARD_BYTES_MIN.into(), SECTOR_BYTES.into());
        // The power of two at or below.
        let shard_bytes = 1u32.checked_shl(wanted.checked_ilog2()?)?;
        let shards = u32::try_from(pack_bytes.div_ceil(shard_bytes.into())).ok()?;
        let fewest = shards.div_ceil(GROUP_SHARD_COUNT_WRITTEN).max(1);
        let sector_shards = SECTOR_BYTES.div_ceil(shard_bytes);
        (fewest..=shards).find_map(|group_count| {
            let group_shards = shards.div_ceil(group_count);
            let share = group_shards.saturating_mul(percent.get().into()).div_ceil(100);
            let parity_count = share.max(sector_shards.div_ceil(group_count)).min(group_shards);
            let rounded = group_shards.saturating_add(parity_count.next_power_of_two());
            let shape = Self::parse(pack_bytes, shard_bytes, group_count, parity_count).ok()?;
            (rounded <= GROUP_SHARD_COUNT_WRITTEN).then_some(shape)
        })
    }

    /// Takes what stands in the head of a parity object.
    ///
    /// # Errors
    /// [`ParityError::Range`] names the first field outside its range.
    pub fn parse(pack_bytes: u64, shard_bytes: u32, group_count: u32, parity_count: u32) -> Result<Self, ParityError> {
        let shape = Self { pack_bytes, shard_bytes, group_count, parity_count };
        if pack_bytes == 0 || pack_bytes > PACK_BYTES_MAX {
            return Err(ParityError::Range("the length of the pack"));
        }
        if !shard_bytes.is_power_of_two() || !(SHARD_BYTES_MIN..=SHARD_BYTES_MAX).contains(&shard_bytes) {
            return Err(ParityError::Range("the length of a shard"));
        }
        let shards = pack_bytes.div_ceil(shard_bytes.into());
        if shards > SHARD_COUNT_MAX.into() {
            return Err(ParityError::Range("the length of a shard"));
        }
        if group_count == 0 || u64::from(group_count) > shards {
            return Err(ParityError::Range("the number of groups"));
        }
        if parity_count == 0 || parity_count > shape.group_shards() {
            return Err(ParityError::Range("the number of parity shards"));
        }
        let places = shape.group_shards().saturating_add(parity_count.next_power_of_two());
        let group_bytes = u64::from(places.next_power_of_two()).saturating_mul(shard_bytes.into());
        if places > GROUP_SHARD_COUNT_MAX || group_bytes > GROUP_BYTES_MAX {
            return Err(ParityError::Range("the size of a group"));
        }
        Ok(shape)
    }

    /// The length of the pack.
    pub const fn pack_bytes(&self) -> u64 {
        self.pack_bytes
    }

    /// The length of a shard.
    pub const fn shard_bytes(&self) -> u32 {
        self.shard_bytes
    }

    /// How many groups there are.
    pub const fn group_count(&self) -> u32 {
        self.group_count
    }

    /// How many parity shards each group has.
    pub const fn parity_count(&self) -> u32 {
        self.parity_count
    }

    /// How many shards the pack has; the last one is filled up with zeros.
    pub fn shard_count(&self) -> u32 {
        u32::try_from(self.pack_bytes.div_ceil(self.shard_bytes.into())).unwrap_or(u32::MAX)
    }

    /// How many shards of the pack each group has; those past the end of the pack are zeros.
    pub fn group_shards(&self) -> u32 {
        self.shard_count().div_ceil(self.group_count.max(1))
    }

    /// The number of the shard in the pack that is `place`-th in a group; none past the end of the pack.
    pub fn shard(&self, group: u32, place: u32) -> Option<u32> {
        let shard = place.checked_mul(self.group_count)?.checked_add(group)?;
        (shard < self.shard_count()).then_some(shard)
    }

    /// Where a shard lies in the pack, and how many bytes of it are there.
    pub fn extent(&self, shard: u32) -> (u64, usize) {
        let offset = u64::from(shard).saturating_mul(self.shard_bytes.into());
        let bytes = self.pack_bytes.saturating_sub(offset).min(self.shard_bytes.into());
        (offset, usize::try_from(bytes).unwrap_or(0))
    }

    /// How many parity shards there are in all.
    pub const fn parity_shards(&self) -> u32 {
        self.group_count.saturating_mul(self.parity_count)
    }

    /// Where a parity shard lies in the object; they are numbered group after group.
    pub fn parity_offset(&self, number: u32) -> u64 {
        as_u64(HEAD_BYTES).saturating_add(u64::from(number).saturating_mul(self.shard_bytes.into()))
    }

    /// Where the checksums of the shards begin.
    pub fn checks_offset(&self) -> u64 {
        self.parity_offset(self.parity_shards())
    }

    /// How many bytes the checksums of all shards take.
    pub fn checks_bytes(&self) -> u64 {
        u64::from(self.shard_count()).saturating_add(self.parity_shards().into()).saturating_mul(CHECK_BYTES)
    }

    /// How long the parity object is.
    pub fn object_bytes(&self) -> u64 {
        self.checks_offset().saturating_add(self.checks_bytes()).saturating_add(as_u64(CHECKSUM_BYTES))
    }
}

fn as_u64(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

//! Picking packs of a subset one after the other, in memory that does not depend on how many there are.

use crate::check::options::ReadSubset;
use crate::id::PackId;

/// How many packs there are, and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Amount {
    pub(super) pack_count: u64,
    pub(super) bytes: u64,
}

impl Amount {
    pub(super) const fn add(&mut self, bytes: u64) {
        self.pack_count = self.pack_count.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

/// Says of each pack whether it is picked. Whoever picks again with the same seed, in the same order, picks the same.
pub(super) struct Picker {
    subset: ReadSubset,
    seed: [u8; 32],
    /// How many packs come yet.
    left: u64,
    /// How many of them are to be picked.
    wanted: u64,
}

impl Picker {
    /// Picks from so many packs.
    pub(super) fn new(subset: ReadSubset, seed: [u8; 32], all: Amount) -> Self {
        let of_all = |part: u64, whole: u64| {
            let exact = u128::from(all.pack_count).saturating_mul(part.into()).div_ceil(u128::from(whole).max(1));
            u64::try_from(exact).unwrap_or(u64::MAX).clamp(1, all.pack_count.max(1))
        };
        let wanted = match subset {
            ReadSubset::All | ReadSubset::Part { .. } => all.pack_count,
            ReadSubset::Share(share) => of_all(share.into(), 10_000),
            ReadSubset::Bytes(bytes) => of_all(bytes, all.bytes),
        };
        Self { subset, seed, left: all.pack_count, wanted }
    }

    /// Whether the next pack is picked.
    pub(super) fn picks(&mut self, pack: PackId) -> bool {
        match self.subset {
            ReadSubset::All => true,
            ReadSubset::Part { part, parts } => {
                let (first, _) = pack.as_bytes().split_first_chunk::<8>().unwrap_or((&[0; 8], &[]));
                u64::from_be_bytes(*first).checked_rem(parts).is_some_and(|rest| part.checked_sub(1) == Some(rest))
            }
            ReadSubset::Share(_) | ReadSubset::Bytes(_) => self.picks_at_random(),
        }
    }

    /// Selection sampling (Knuth, The Art of Computer Programming 3.4.2, algorithm S): every set of so many packs is as
    /// likely as any other.
    fn picks_at_random(&mut self) -> bool {
        let drawn = blake3::keyed_hash(&self.seed, &self.left.to_le_bytes());
        let (drawn, _) = drawn.as_bytes().split_first_chunk::<8>().unwrap_or((&[0; 8], &[]));
        let is_picked = u64::from_le_bytes(*drawn).checked_rem(self.left).is_some_and(|drawn| drawn < self.wanted);
        self.left = self.left.saturating_sub(1);
        self.wanted = self.wanted.saturating_sub(is_picked.into());
        is_picked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn packs(count: u32) -> Vec<PackId> {
        (0..count).map(|number| PackId::of(&number.to_le_bytes())).collect()
    }

    fn picked(subset: ReadSubset, seed: u8, packs: &[PackId]) -> BTreeSet<PackId> {
        let pack_count = u64::try_from(packs.len()).unwrap();
        let mut picker = Picker::new(subset, [seed; 32], Amount { pack_count, bytes: pack_count * 1000 });
        packs.iter().copied().filter(|pack| picker.picks(*pack)).collect()
    }

    #[test]
    fn the_parts_are_all_packs_and_none_is_in_two() {
        let packs = packs(1000);
        for parts in [1, 2, 7, 300] {
            let mut all = BTreeSet::new();
            for part in 1..=parts {
                let part = picked(ReadSubset::Part { part, parts }, 1, &packs);
                assert_eq!(all.intersection(&part).count(), 0);
                all.extend(part);
            }
            assert_eq!(all.len(), packs.len());
        }
        let part = ReadSubset::Part { part: 3, parts: 7 };
        assert_eq!(picked(part, 1, &packs), picked(part, 2, &packs), "no part depends on chance");
    }

    #[test]
    fn shares_and_sizes_pick_as_many_as_they_say_and_at_least_one() {
        let packs = packs(1000);
        for seed in 0..20 {
            let count = |subset| picked(subset, seed, &packs).len();
            assert_eq!(count(ReadSubset::Share(10_000)), 1000);
            assert_eq!(count(ReadSubset::Share(250)), 25);
            assert_eq!(count(ReadSubset::Share(1)), 1);
            assert_eq!(count(ReadSubset::Bytes(1)), 1);
            assert_eq!(count(ReadSubset::Bytes(99_001)), 100);
            assert_eq!(count(ReadSubset::Bytes(u64::MAX)), 1000);
        }
        assert_eq!(picked(ReadSubset::Share(100), 0, &[]).len(), 0);
    }

    #[test]
    fn every_pack_is_picked_about_as_often_as_any_other() {
        let packs = packs(50);
        let mut counts = vec![0u32; packs.len()];
        for seed in 0..200 {
            let found = picked(ReadSubset::Share(2000), seed, &packs);
            packs.iter().zip(&mut counts).filter(|(pack, _)| found.contains(pack)).for_each(|(_, count)| *count += 1);
        }
        // 40 of 200 times each; six standard deviations are 34.
        assert!(counts.iter().all(|count| (6..=74).contains(count)), "{counts:?}");
    }
}

//! Which packs count: the part of an index that is small enough to be held in memory whole, four bytes a pack.

use super::{Excluded, IndexError, PACK_COUNT_MAX, PackEntry, PackOrdinal};
use crate::id::SegmentId;
#[cfg(feature = "rocksdb")]
use crate::wire::{Reader, WireError, Write};
use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

/// The pack numbers of a segment: mostly one range, since they are given out in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ordinals(Vec<Range<u32>>);

impl Ordinals {
    pub(super) fn push(&mut self, ordinal: u32) {
        let next = ordinal.saturating_add(1);
        match self.0.last_mut() {
            Some(last) if last.end == ordinal => last.end = next,
            _ => self.0.push(ordinal..next),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().cloned().flatten()
    }
}

/// For a view on disk.
#[cfg(feature = "rocksdb")]
impl Ordinals {
    /// Start and length of each range.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_count(self.0.len());
        for range in &self.0 {
            out.put_varint(range.start.into());
            out.put_varint(range.end.saturating_sub(range.start).into());
        }
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut input = Reader::new(bytes);
        let mut ranges = Vec::new();
        for _ in 0..input.count("pack ranges", 2)? {
            let start = input.varint_max("pack number", PACK_COUNT_MAX.into())?;
            let length = input.varint_max("pack range", u64::from(PACK_COUNT_MAX).saturating_sub(start))?;
            let bound = |value: u64| u32::try_from(value).map_err(|_| input.out_of_range("pack number"));
            ranges.push(bound(start)?..bound(start.saturating_add(length))?);
        }
        input.finish()?;
        Ok(Self(ranges))
    }
}

/// Stands for "no segment" among the holders.
const NOBODY: u32 = u32::MAX;

/// Segments, the packs they list, and what is excluded.
#[derive(Debug, Clone, Default)]
pub(super) struct Standing {
    segments: BTreeMap<SegmentId, (u32, Ordinals)>,
    /// By slot. Slots are not given out twice while the index is open.
    slots: Vec<SegmentId>,
    /// By pack number: the slot of a segment that lists the pack, or [`NOBODY`].
    holders: Vec<u32>,
    excluded: HashSet<Excluded>,
    excluded_numbers: HashSet<u32>,
    /// The next number to give out; numbers are never given out twice, so that a stale row never comes to count.
    next: u32,
}

impl Standing {
    /// Whether an applied segment lists this pack.
    pub(super) fn counts(&self, ordinal: PackOrdinal) -> bool {
        self.segment_of(ordinal.0).is_some()
    }

    /// Whether chunks in this pack are hits.
    pub(super) fn is_hit(&self, ordinal: PackOrdinal) -> bool {
        self.counts(ordinal) && !self.excluded_numbers.contains(&ordinal.0)
    }

    /// A segment that lists this pack.
    pub(super) fn segment_of(&self, ordinal: u32) -> Option<SegmentId> {
        let holder = self.holders.get(usize::try_from(ordinal).ok()?).filter(|holder| **holder != NOBODY)?;
        self.slots.get(usize::try_from(*holder).ok()?).copied()
    }

    pub(super) fn is_applied(&self, segment: SegmentId) -> bool {
        self.segments.contains_key(&segment)
    }

    pub(super) fn applied(&self) -> Vec<SegmentId> {
        self.segments.keys().copied().collect()
    }

    /// Gives out the next number.
    pub(super) fn number(&mut self) -> Result<u32, IndexError> {
        let ordinal = self.next;
        self.next = ordinal.checked_add(1).filter(|next| *next < PACK_COUNT_MAX).ok_or(IndexError::Full)?;
        Ok(ordinal)
    }

    /// Makes a number excluded if its pack is, or whoever vouches for it under that number.
    pub(super) fn met(&mut self, ordinal: u32, entry: &PackEntry) {
        if [Excluded::Pack(entry.id), Excluded::Signer(entry.signer)].iter().any(|what| self.excluded.contains(what)) {
            self.excluded_numbers.insert(ordinal);
        }
    }

    pub(super) fn exclude(&mut self, what: Excluded, ordinals: impl IntoIterator<Item = u32>) {
        self.excluded.insert(what);
        self.excluded_numbers.extend(ordinals);
    }

    pub(super) fn apply(&mut self, segment: SegmentId, ordinals: Ordinals) {
        let slot = u32::try_from(self.slots.len()).expect("fewer segments than packs");
        self.slots.push(segment);
        self.hold(slot, &ordinals, |_| true);
        self.segments.insert(segment, (slot, ordinals));
    }

    /// Takes a segment away; returns the numbers that no other one lists, sorted.
    pub(super) fn retract(&mut self, segment: SegmentId) -> Vec<u32> {
        let Some((_, gone)) = self.segments.remove(&segment) else { return Vec::new() };
        self.hold(NOBODY, &gone, |_| true);
        // Packs that another segment lists as well go over to it.
        for (slot, ordinals) in self.segments.clone().values() {
            self.hold(*slot, ordinals, |holder| holder == NOBODY);
        }
        let mut gone: Vec<u32> = gone.iter().filter(|ordinal| self.segment_of(*ordinal).is_none()).collect();
        gone.sort_unstable();
        gone
    }

    /// Gives packs a holder where the one they have is `replaceable`.
    fn hold(&mut self, slot: u32, ordinals: &Ordinals, replaceable: fn(u32) -> bool) {
        for ordinal in ordinals.iter() {
            let at = usize::try_from(ordinal).expect("a pack number fits in memory");
            if self.holders.len() <= at {
                self.holders.resize(at.saturating_add(1), NOBODY);
            }
            if let Some(holder) = self.holders.get_mut(at).filter(|holder| replaceable(**holder)) {
                *holder = slot;
            }
        }
    }
}

/// For a view on disk.
#[cfg(feature = "rocksdb")]
impl Standing {
    /// What was read from a view: its applied segments and the next number.
    pub(super) fn restore(segments: Vec<(SegmentId, Ordinals)>, next: u32) -> Self {
        let mut standing = Self { next, ..Self::default() };
        for (segment, ordinals) in segments {
            standing.apply(segment, ordinals);
        }
        standing
    }

    /// The next number to give out.
    pub(super) const fn next(&self) -> u32 {
        self.next
    }
}

#[cfg(test)]
#[cfg(feature = "rocksdb")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ordinals_read_back(numbers in prop::collection::vec(0u32..50, 0..40)) {
            let mut ordinals = Ordinals::default();
            numbers.iter().for_each(|number| ordinals.push(*number));
            prop_assert_eq!(ordinals.iter().collect::<Vec<_>>(), numbers);
            prop_assert_eq!(Ordinals::decode(&ordinals.encode()), Ok(ordinals));
        }

        #[test]
        fn any_bytes_are_no_ordinals_or_some_without_a_panic(bytes: Vec<u8>) {
            let _ = Ordinals::decode(&bytes);
        }
    }
}

//! Which packs count: the part of an index that is small enough to be held in memory whole.

use super::{IndexError, PACK_COUNT_MAX, PackOrdinal};
use crate::id::{PackId, SegmentId};
use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

/// A set of pack numbers, a bit each.
#[derive(Debug, Clone, Default)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
    fn place(ordinal: u32) -> (usize, u64) {
        (usize::try_from(ordinal / 64).expect("a pack number fits in memory"), 1 << (ordinal % 64))
    }

    pub(super) fn contains(&self, ordinal: u32) -> bool {
        let (word, bit) = Self::place(ordinal);
        self.0.get(word).is_some_and(|bits| bits & bit != 0)
    }

    pub(super) fn insert(&mut self, ordinal: u32) {
        let (word, bit) = Self::place(ordinal);
        if self.0.len() <= word {
            self.0.resize(word.saturating_add(1), 0);
        }
        if let Some(bits) = self.0.get_mut(word) {
            *bits |= bit;
        }
    }
}

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

    fn contains(&self, ordinal: u32) -> bool {
        self.0.iter().any(|range| range.contains(&ordinal))
    }
}

/// Segments, the packs they list, and the packs that are excluded.
#[derive(Debug, Clone, Default)]
pub(super) struct Standing {
    segments: BTreeMap<SegmentId, Ordinals>,
    listed: Bits,
    excluded_ids: HashSet<PackId>,
    excluded: Bits,
    /// The next number to give out; numbers are never given out twice, so a stale row never comes to count again.
    next: u32,
}

impl Standing {
    /// Whether an applied segment lists this pack.
    pub(super) fn counts(&self, ordinal: PackOrdinal) -> bool {
        self.listed.contains(ordinal.0)
    }

    /// Whether chunks in this pack are hits.
    pub(super) fn is_hit(&self, ordinal: PackOrdinal) -> bool {
        self.counts(ordinal) && !self.excluded.contains(ordinal.0)
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

    /// Makes a pack's number excluded if its id is.
    pub(super) fn met(&mut self, ordinal: u32, pack: &PackId) {
        if self.excluded_ids.contains(pack) {
            self.excluded.insert(ordinal);
        }
    }

    pub(super) fn exclude(&mut self, pack: PackId, ordinals: impl IntoIterator<Item = u32>) {
        self.excluded_ids.insert(pack);
        ordinals.into_iter().for_each(|ordinal| self.excluded.insert(ordinal));
    }

    pub(super) fn apply(&mut self, segment: SegmentId, ordinals: Ordinals) {
        ordinals.iter().for_each(|ordinal| self.listed.insert(ordinal));
        self.segments.insert(segment, ordinals);
    }

    /// Takes a segment away; returns the numbers that no other one lists, sorted.
    pub(super) fn retract(&mut self, segment: SegmentId) -> Vec<u32> {
        let Some(gone) = self.segments.remove(&segment) else { return Vec::new() };
        let mut listed = Bits::default();
        self.segments.values().flat_map(Ordinals::iter).for_each(|ordinal| listed.insert(ordinal));
        self.listed = listed;
        let mut gone: Vec<u32> = gone.iter().filter(|ordinal| !self.listed.contains(*ordinal)).collect();
        gone.sort_unstable();
        gone
    }

    /// A segment that lists this pack.
    pub(super) fn segment_of(&self, ordinal: u32) -> Option<SegmentId> {
        let mut holders = self.segments.iter().filter(|(_, ordinals)| ordinals.contains(ordinal));
        holders.next().map(|(segment, _)| *segment)
    }
}

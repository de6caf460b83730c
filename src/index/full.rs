//! An index whose medium is full.

use super::{Bulk, Excluded, Extent, Index, IndexError, MemoryIndex, OneByOne, PackEntry, PackOrdinal};
use crate::id::{ChunkId, PackId, SegmentId};
use crate::segment::SegmentReader;
use std::sync::atomic::{AtomicBool, Ordering};

/// Answers as any other, and takes nothing while it is full.
#[derive(Default)]
pub(crate) struct FullIndex {
    inner: MemoryIndex,
    is_full: AtomicBool,
}

impl FullIndex {
    pub(crate) fn set_full(&self, is_full: bool) {
        self.is_full.store(is_full, Ordering::Relaxed);
    }
}

impl Index for FullIndex {
    fn lookup(&self, ids: &[ChunkId], found: &mut Vec<Option<Extent>>) -> Result<(), IndexError> {
        self.inner.lookup(ids, found)
    }

    fn copies(&self, id: ChunkId) -> Result<Vec<Extent>, IndexError> {
        self.inner.copies(id)
    }

    fn pack(&self, ordinal: PackOrdinal) -> Result<PackEntry, IndexError> {
        self.inner.pack(ordinal)
    }

    fn numbers(&self, id: &PackId) -> Result<Vec<PackOrdinal>, IndexError> {
        self.inner.numbers(id)
    }

    fn for_each_pack(&self, each: &mut dyn FnMut(PackOrdinal, &PackEntry)) -> Result<(), IndexError> {
        self.inner.for_each_pack(each)
    }

    fn applied(&self) -> Result<Vec<SegmentId>, IndexError> {
        self.inner.applied()
    }

    fn is_applied(&self, id: SegmentId) -> Result<bool, IndexError> {
        self.inner.is_applied(id)
    }

    fn apply(&self, segment: &SegmentReader<'_>) -> Result<(), IndexError> {
        if self.is_full.load(Ordering::Relaxed) {
            return Err(IndexError::NoSpace { place: "the cache".into() });
        }
        self.inner.apply(segment)
    }

    fn bulk(&self) -> Result<Box<dyn Bulk + '_>, IndexError> {
        Ok(Box::new(OneByOne(self)))
    }

    fn retract(&self, id: SegmentId) -> Result<(), IndexError> {
        self.inner.retract(id)
    }

    fn exclude(&self, what: &[Excluded]) -> Result<(), IndexError> {
        self.inner.exclude(what)
    }

    fn remember(&self, key: &[u8], value: &[u8]) -> Result<(), IndexError> {
        self.inner.remember(key, value)
    }

    fn recall(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        self.inner.recall(key)
    }

    fn flush(&self) -> Result<(), IndexError> {
        self.inner.flush()
    }
}

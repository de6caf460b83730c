//! An index that may turn out to be damaged while it is asked. A second one is then built anew, takes over in the middle
//! of what is being done, and the question is asked again.
//!
//! Whoever asks keeps pack numbers from one question to the next, so a pack keeps the number that the first index gave
//! it: the second's numbers are told apart by what both know of a pack. Which packs there are the first must therefore
//! be able to say even when it is damaged; a view whose pack rows can't be read is not opened at all.

use super::{
    Bulk, Excluded, Extent, Index, IndexError, PACK_COUNT_MAX, PackEntry, PackOrdinal, SideClaim, SideRow, SideRows,
    SideTable,
};
use crate::id::{ChunkId, PackId, SegmentId};
use crate::segment::SegmentReader;
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// The upper bits of numbers that only the second index gave out. Layers of a view have the three values below.
const SECOND_TAG: u32 = 3 * PACK_COUNT_MAX;

/// Builds an index that holds every segment that is committed at that moment.
pub type Rebuild = Box<dyn Fn() -> Result<Arc<dyn Index>, IndexError> + Send + Sync>;

/// An index with another one in reserve.
pub struct Replaceable {
    first: Box<dyn Index>,
    second: OnceLock<Second>,
    rebuild: Rebuild,
    /// Held by whoever writes, and while the second is built. All that was excluded, for the second.
    excluded: Mutex<BTreeSet<Excluded>>,
    /// The side table of the first turned out to be damaged: nobody gets it any more.
    side_is_lost: AtomicBool,
}

/// What took the first one's place.
struct Second {
    index: Arc<dyn Index>,
    /// Its pack numbers, and what they are called here. Memory: some 20 bytes for each pack that was asked for.
    names: Mutex<HashMap<PackOrdinal, PackOrdinal>>,
}

impl Replaceable {
    /// Asks `first` for as long as it is whole, and then what `rebuild` makes.
    pub fn new(first: Box<dyn Index>, rebuild: Rebuild) -> Self {
        let (second, excluded) = (OnceLock::new(), Mutex::default());
        Self { first, second, rebuild, excluded, side_is_lost: AtomicBool::new(false) }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<Excluded>> {
        self.excluded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the first index and, where that is damaged, the second.
    fn ask<T>(
        &self,
        first: impl FnOnce(&dyn Index) -> Result<T, IndexError>,
        second: impl FnOnce(&Second) -> Result<T, IndexError>,
    ) -> Result<T, IndexError> {
        if self.second.get().is_none() {
            match first(&*self.first) {
                Err(IndexError::Damaged { .. }) => {}
                answer => return answer,
            }
        }
        second(self.second(&self.lock())?)
    }

    /// The same for what changes an index; the lock is held.
    fn write(
        &self,
        excluded: &BTreeSet<Excluded>,
        write: impl Fn(&dyn Index) -> Result<(), IndexError>,
    ) -> Result<(), IndexError> {
        if self.second.get().is_none() {
            match write(&*self.first) {
                Err(IndexError::Damaged { .. }) => {}
                answer => return answer,
            }
        }
        write(&*self.second(excluded)?.index)
    }

    /// The second index, built now if it is not there; the lock is held.
    fn second(&self, excluded: &BTreeSet<Excluded>) -> Result<&Second, IndexError> {
        if let Some(second) = self.second.get() {
            return Ok(second);
        }
        let index = (self.rebuild)()?;
        index.exclude(&excluded.iter().copied().collect::<Vec<_>>())?;
        Ok(self.second.get_or_init(|| Second { index, names: Mutex::default() }))
    }

    /// What a pack of the second index is called here.
    fn name(&self, second: &Second, number: PackOrdinal) -> Result<PackOrdinal, IndexError> {
        let names = || second.names.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = names().get(&number).copied() {
            return Ok(name);
        }
        let entry = second.index.pack(number)?;
        let name = same_pack(&*self.first, &entry)?.unwrap_or(PackOrdinal(number.0 | SECOND_TAG));
        names().insert(number, name);
        Ok(name)
    }

    fn extent(&self, second: &Second, extent: Extent) -> Result<Extent, IndexError> {
        Ok(Extent { pack: self.name(second, extent.pack)?, ..extent })
    }

    /// What the second index knows of a pack that is called so here.
    fn entry(&self, second: &Second, ordinal: PackOrdinal) -> Result<PackEntry, IndexError> {
        if ordinal.0 >= SECOND_TAG {
            return second.index.pack(PackOrdinal(ordinal.0 - SECOND_TAG));
        }
        let number = same_pack(&*second.index, &self.first.pack(ordinal)?)?;
        second.index.pack(number.ok_or(IndexError::UnknownPack { ordinal })?)
    }

    /// The packs of the second index by their numbers here, from behind `after` on.
    fn each_pack_after(
        &self,
        second: &Second,
        after: Option<PackOrdinal>,
        each: &mut dyn FnMut(PackOrdinal, &PackEntry),
    ) -> Result<(), IndexError> {
        let mut numbers = Vec::new();
        second.index.for_each_pack(&mut |number, _| numbers.push(number))?;
        let named = numbers.into_iter().map(|number| Ok((self.name(second, number)?, number)));
        let mut named: Vec<(PackOrdinal, PackOrdinal)> = named.collect::<Result<_, IndexError>>()?;
        named.sort_unstable();
        for (name, number) in named.into_iter().filter(|(name, _)| Some(*name) > after) {
            each(name, &second.index.pack(number)?);
        }
        Ok(())
    }

    /// Works with the first one's side table, which is not given out again once it was found damaged.
    fn side<T>(&self, work: impl FnOnce(&dyn SideTable) -> Result<T, IndexError>) -> Result<T, IndexError> {
        self.judge_side(work(self.first.side_table()?.ok_or_else(no_rows)?))
    }

    /// The same where rows are only read.
    fn side_rows_of<T>(&self, work: impl FnOnce(&dyn SideRows) -> Result<T, IndexError>) -> Result<T, IndexError> {
        self.judge_side(work(self.first.side_rows()?.ok_or_else(no_rows)?))
    }

    fn judge_side<T>(&self, done: Result<T, IndexError>) -> Result<T, IndexError> {
        if matches!(done, Err(IndexError::Damaged { .. })) {
            self.side_is_lost.store(true, Ordering::Release);
        }
        done
    }

    /// What the second holds goes away with it.
    fn has_lost_side(&self) -> bool {
        self.second.get().is_some() || self.side_is_lost.load(Ordering::Acquire)
    }
}

fn no_rows() -> IndexError {
    IndexError::Io { operation: "using", place: "memory".into(), reason: "it has no rows".into() }
}

/// The number under which an index knows this pack, by the same key's word.
fn same_pack(index: &dyn Index, entry: &PackEntry) -> Result<Option<PackOrdinal>, IndexError> {
    for number in index.numbers(&entry.id)? {
        if index.pack(number)?.is_same(entry) {
            return Ok(Some(number));
        }
    }
    Ok(None)
}

impl Index for Replaceable {
    fn lookup(&self, ids: &[ChunkId], found: &mut Vec<Option<Extent>>) -> Result<(), IndexError> {
        if self.second.get().is_none() {
            match self.first.lookup(ids, found) {
                Err(IndexError::Damaged { .. }) => {}
                answer => return answer,
            }
        }
        let second = self.second(&self.lock())?;
        second.index.lookup(ids, found)?;
        found.iter_mut().flatten().try_for_each(|extent| self.extent(second, *extent).map(|named| *extent = named))
    }

    fn copies(&self, id: ChunkId) -> Result<Vec<Extent>, IndexError> {
        self.ask(
            |first| first.copies(id),
            |second| second.index.copies(id)?.into_iter().map(|extent| self.extent(second, extent)).collect(),
        )
    }

    fn copies_of_sorted(&self, ids: &[ChunkId], each: &mut dyn FnMut(ChunkId, &[Extent])) -> Result<(), IndexError> {
        if self.second.get().is_none() {
            let mut given = 0usize;
            let asked = self.first.copies_of_sorted(ids, &mut |id, copies| {
                given = given.saturating_add(1);
                each(id, copies);
            });
            return match asked {
                // What was given already is not given again.
                Err(IndexError::Damaged { .. }) => {
                    self.second(&self.lock())?;
                    self.copies_of_sorted(ids.get(given..).unwrap_or_default(), each)
                }
                answer => answer,
            };
        }
        for id in ids {
            each(*id, &self.copies(*id)?);
        }
        Ok(())
    }

    fn pack(&self, ordinal: PackOrdinal) -> Result<PackEntry, IndexError> {
        self.ask(|first| first.pack(ordinal), |second| self.entry(second, ordinal))
    }

    fn numbers(&self, id: &PackId) -> Result<Vec<PackOrdinal>, IndexError> {
        self.ask(
            |first| first.numbers(id),
            |second| {
                let numbers = second.index.numbers(id)?.into_iter().map(|number| self.name(second, number));
                let mut numbers = numbers.collect::<Result<Vec<_>, _>>()?;
                numbers.sort_unstable();
                Ok(numbers)
            },
        )
    }

    fn for_each_pack(&self, each: &mut dyn FnMut(PackOrdinal, &PackEntry)) -> Result<(), IndexError> {
        let mut after = None;
        if self.second.get().is_none() {
            let visited = self.first.for_each_pack(&mut |ordinal, entry| {
                after = Some(ordinal);
                each(ordinal, entry);
            });
            match visited {
                Err(IndexError::Damaged { .. }) => {}
                answer => return answer,
            }
        }
        self.each_pack_after(self.second(&self.lock())?, after, each)
    }

    fn applied(&self) -> Result<Vec<SegmentId>, IndexError> {
        self.ask(|first| first.applied(), |second| second.index.applied())
    }

    fn is_applied(&self, id: SegmentId) -> Result<bool, IndexError> {
        self.ask(|first| first.is_applied(id), |second| second.index.is_applied(id))
    }

    fn apply(&self, segment: &SegmentReader<'_>) -> Result<(), IndexError> {
        self.write(&self.lock(), |index| index.apply(segment))
    }

    fn bulk(&self) -> Result<Box<dyn Bulk + '_>, IndexError> {
        let excluded = self.lock();
        let bulk = match self.second.get() {
            None => match self.first.bulk() {
                Err(IndexError::Damaged { .. }) => self.second(&excluded)?.index.bulk()?,
                bulk => bulk?,
            },
            Some(second) => second.index.bulk()?,
        };
        Ok(Box::new(ReplaceableBulk { index: self, excluded, bulk }))
    }

    fn retract(&self, id: SegmentId) -> Result<(), IndexError> {
        self.write(&self.lock(), |index| index.retract(id))
    }

    fn exclude(&self, what: &[Excluded]) -> Result<(), IndexError> {
        let mut excluded = self.lock();
        excluded.extend(what);
        self.write(&excluded, |index| index.exclude(what))
    }

    fn remember(&self, key: &[u8], value: &[u8]) -> Result<(), IndexError> {
        // What may be lost at any time is not worth building anything anew.
        match self.second.get().map_or(&*self.first, |second| &*second.index).remember(key, value) {
            Err(IndexError::Damaged { .. }) => Ok(()),
            answer => answer,
        }
    }

    fn recall(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        match self.second.get().map_or(&*self.first, |second| &*second.index).recall(key) {
            Err(IndexError::Damaged { .. }) => Ok(None),
            answer => answer,
        }
    }

    fn side_table(&self) -> Result<Option<&dyn SideTable>, IndexError> {
        let is_there = !self.has_lost_side() && self.first.side_table()?.is_some();
        Ok(is_there.then_some(self))
    }

    fn side_rows(&self) -> Result<Option<&dyn SideRows>, IndexError> {
        let are_there = !self.has_lost_side() && self.first.side_rows()?.is_some();
        Ok(are_there.then_some(self))
    }

    fn distrust(&self) {
        self.first.distrust();
    }

    fn flush(&self) -> Result<(), IndexError> {
        match self.second.get().map_or(&*self.first, |second| &*second.index).flush() {
            // It is built again the next time anyway.
            Err(IndexError::Damaged { .. }) => Ok(()),
            answer => answer,
        }
    }
}

impl SideRows for Replaceable {
    fn get_sorted(&self, keys: &[&[u8]], each: &mut dyn FnMut(usize, &[u8])) -> Result<(), IndexError> {
        self.side_rows_of(|table| table.get_sorted(keys, each))
    }

    fn scan(&self, prefix: &[u8], each: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), IndexError> {
        self.side_rows_of(|table| table.scan(prefix, each))
    }
}

impl SideTable for Replaceable {
    fn claim(&self) -> Option<SideClaim> {
        self.side(|table| Ok(table.claim())).ok().flatten()
    }

    fn write(&self, rows: &[SideRow]) -> Result<(), IndexError> {
        self.side(|table| table.write(rows))
    }

    fn replace(&self, rows: &[SideRow]) -> Result<(), IndexError> {
        self.side(|table| table.replace(rows))
    }
}

/// Segments that are applied together to whichever index it is. Only committed segments are ever applied, so a second
/// index that is built meanwhile has them.
struct ReplaceableBulk<'a> {
    index: &'a Replaceable,
    excluded: MutexGuard<'a, BTreeSet<Excluded>>,
    bulk: Box<dyn Bulk + 'a>,
}

impl Bulk for ReplaceableBulk<'_> {
    fn add(&mut self, segment: &SegmentReader<'_>) -> Result<(), IndexError> {
        match self.bulk.add(segment) {
            Err(IndexError::Damaged { .. }) if self.index.second.get().is_none() => {
                self.bulk = self.index.second(&self.excluded)?.index.bulk()?;
                self.bulk.add(segment)
            }
            answer => answer,
        }
    }

    fn finish(self: Box<Self>) -> Result<(), IndexError> {
        let Self { index, excluded, bulk } = *self;
        match bulk.finish() {
            Err(IndexError::Damaged { .. }) if index.second.get().is_none() => index.second(&excluded).map(drop),
            answer => answer,
        }
    }
}

#[cfg(test)]
mod tests;

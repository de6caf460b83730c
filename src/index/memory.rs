//! The index in memory: the reference for all others, the overlay of small additions, and the whole index of a build
//! without RocksDB. It takes some 80 bytes a chunk.

mod side;

use super::side::SideClaims;
use super::standing::{Ordinals, Standing};
use super::{Bulk, Excluded, Extent, Index, IndexError, OneByOne, PackEntry, PackOrdinal, SideRows, SideTable};
use crate::id::{ChunkId, PackId, SegmentId};
use crate::segment::{PackRow, SegmentReader};
use std::collections::{BTreeMap, HashMap};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// An index in memory.
#[derive(Debug, Default)]
pub struct MemoryIndex {
    state: RwLock<State>,
    side_claims: SideClaims,
    remembers_nothing: bool,
}

#[derive(Debug, Default)]
struct State {
    standing: Standing,
    /// The first copy of each chunk.
    chunks: HashMap<ChunkId, Extent>,
    /// Further copies, of the few that have them.
    more: HashMap<ChunkId, Vec<Extent>>,
    packs: BTreeMap<u32, PackEntry>,
    ordinals: HashMap<PackId, Vec<u32>>,
    notes: HashMap<Vec<u8>, Vec<u8>>,
    side: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl MemoryIndex {
    /// An empty index.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty index that keeps nothing of what it is told to remember.
    pub fn without_notes() -> Self {
        Self { remembers_nothing: true, ..Self::default() }
    }

    /// Roughly how much memory it takes.
    pub fn memory_bytes(&self) -> usize {
        let state = self.read();
        let chunks = state.chunks.capacity().saturating_mul(65);
        let rest = state.more.len().saturating_mul(100).saturating_add(state.packs.len().saturating_mul(250));
        chunks.saturating_add(rest)
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn extents(&self, id: &ChunkId) -> impl Iterator<Item = &Extent> {
        self.chunks.get(id).into_iter().chain(self.more.get(id).into_iter().flatten())
    }

    fn add(&mut self, id: ChunkId, extent: Extent) {
        if self.extents(&id).any(|known| *known == extent) {
            return;
        }
        match self.chunks.entry(id) {
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(extent);
            }
            std::collections::hash_map::Entry::Occupied(_) => self.more.entry(id).or_default().push(extent),
        }
    }

    /// The number of a pack: the one it has, if all that is known of it agrees, or a new one.
    fn ordinal(&mut self, entry: PackEntry) -> Result<u32, IndexError> {
        let known = self.ordinals.get(&entry.id).into_iter().flatten().copied();
        let mut known = known.filter(|ordinal| self.packs.get(ordinal).is_some_and(|known| known.is_same(&entry)));
        if let Some(ordinal) = known.next() {
            return Ok(ordinal);
        }
        let ordinal = self.standing.number()?;
        self.standing.met(ordinal, &entry);
        self.ordinals.entry(entry.id).or_default().push(ordinal);
        self.packs.insert(ordinal, entry);
        Ok(ordinal)
    }

    fn apply(&mut self, id: SegmentId, row: &PackRow) -> Result<u32, IndexError> {
        let ordinal = self.ordinal(PackEntry::of(id, row))?;
        for (chunk, place) in row.chunks() {
            self.add(chunk, Extent::new(PackOrdinal(ordinal), place));
        }
        Ok(ordinal)
    }

    fn drop_packs(&mut self, gone: &[u32]) {
        for ordinal in gone {
            if let Some(entry) = self.packs.remove(ordinal)
                && let Some(ordinals) = self.ordinals.get_mut(&entry.id)
            {
                ordinals.retain(|known| known != ordinal);
            }
        }
        let is_gone = |extent: &Extent| gone.binary_search(&extent.pack.0).is_ok();
        for copies in self.more.values_mut() {
            copies.retain(|extent| !is_gone(extent));
        }
        let more = &mut self.more;
        self.chunks.retain(|id, first| {
            if !is_gone(first) {
                return true;
            }
            let next = more.get_mut(id).and_then(Vec::pop);
            next.map(|next| *first = next).is_some()
        });
        self.more.retain(|_, copies| !copies.is_empty());
        self.ordinals.retain(|_, ordinals| !ordinals.is_empty());
    }
}

impl Index for MemoryIndex {
    fn lookup(&self, ids: &[ChunkId], found: &mut Vec<Option<Extent>>) -> Result<(), IndexError> {
        let state = self.read();
        found.clear();
        let hit = |id| state.extents(id).find(|extent| state.standing.is_hit(extent.pack)).copied();
        found.extend(ids.iter().map(hit));
        Ok(())
    }

    fn copies(&self, id: ChunkId) -> Result<Vec<Extent>, IndexError> {
        let state = self.read();
        Ok(state.extents(&id).filter(|extent| state.standing.counts(extent.pack)).copied().collect())
    }

    fn pack(&self, ordinal: PackOrdinal) -> Result<PackEntry, IndexError> {
        let state = self.read();
        let known = state.packs.get(&ordinal.0).zip(state.standing.segment_of(ordinal.0));
        let known = known.map(|(entry, segment)| PackEntry { segment, ..entry.clone() });
        known.ok_or(IndexError::UnknownPack { ordinal })
    }

    fn numbers(&self, id: &PackId) -> Result<Vec<PackOrdinal>, IndexError> {
        let state = self.read();
        let ordinals = state.ordinals.get(id).into_iter().flatten().map(|ordinal| PackOrdinal(*ordinal));
        Ok(ordinals.filter(|ordinal| state.standing.counts(*ordinal)).collect())
    }

    fn for_each_pack(&self, each: &mut dyn FnMut(PackOrdinal, &PackEntry)) -> Result<(), IndexError> {
        let state = self.read();
        for (ordinal, entry) in &state.packs {
            if let Some(segment) = state.standing.segment_of(*ordinal) {
                each(PackOrdinal(*ordinal), &PackEntry { segment, ..entry.clone() });
            }
        }
        Ok(())
    }

    fn applied(&self) -> Result<Vec<SegmentId>, IndexError> {
        Ok(self.read().standing.applied())
    }

    fn is_applied(&self, id: SegmentId) -> Result<bool, IndexError> {
        Ok(self.read().standing.is_applied(id))
    }

    fn apply(&self, segment: &SegmentReader<'_>) -> Result<(), IndexError> {
        let mut state = self.write();
        let id = segment.segment();
        if state.standing.is_applied(id) {
            return Ok(());
        }
        let mut ordinals = Ordinals::default();
        for row in segment.packs() {
            ordinals.push(state.apply(id, &row)?);
        }
        state.standing.apply(id, ordinals);
        Ok(())
    }

    fn bulk(&self) -> Result<Box<dyn Bulk + '_>, IndexError> {
        Ok(Box::new(OneByOne(self)))
    }

    fn retract(&self, id: SegmentId) -> Result<(), IndexError> {
        let mut state = self.write();
        let gone = state.standing.retract(id);
        state.drop_packs(&gone);
        Ok(())
    }

    fn exclude(&self, what: &[Excluded]) -> Result<(), IndexError> {
        let mut state = self.write();
        let State { standing, ordinals, packs, .. } = &mut *state;
        for one in what {
            match one {
                Excluded::Pack(pack) => standing.exclude(*one, ordinals.get(pack).into_iter().flatten().copied()),
                Excluded::Signer(signer) => {
                    let of_signer = packs.iter().filter(|(_, entry)| entry.signer == *signer);
                    standing.exclude(*one, of_signer.map(|(ordinal, _)| *ordinal));
                }
            }
        }
        Ok(())
    }

    fn remember(&self, key: &[u8], value: &[u8]) -> Result<(), IndexError> {
        if !self.remembers_nothing {
            self.write().notes.insert(key.to_vec(), value.to_vec());
        }
        Ok(())
    }

    fn recall(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        Ok(self.read().notes.get(key).cloned())
    }

    fn side_table(&self) -> Result<Option<&dyn SideTable>, IndexError> {
        Ok(Some(self))
    }

    fn side_rows(&self) -> Result<Option<&dyn SideRows>, IndexError> {
        Ok(Some(self))
    }

    fn flush(&self) -> Result<(), IndexError> {
        Ok(())
    }
}

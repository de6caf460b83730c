//! A view that only reads, with newer segments laid over it.
//!
//! One process writes the shared view. All others read what it has flushed and keep what is newer to themselves: in
//! memory at first, in a private view once that is full. Pack numbers carry their layer in the two upper bits.

use super::{
    Bulk, Excluded, Extent, Index, IndexError, MemoryIndex, OneByOne, PACK_COUNT_MAX, PackEntry, PackOrdinal, SideRows,
};
use crate::id::{ChunkId, PackId, SegmentId};
use crate::segment::SegmentReader;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// What may be laid over in memory, before a private view takes the rest.
pub(super) const OVERLAY_BYTES_MAX: usize = 32 << 20;

/// Makes the private view.
pub(super) type Spill = Box<dyn Fn() -> Result<Box<dyn Index>, IndexError> + Send + Sync>;

/// Layers, the oldest first: the shared view, what is in memory, what is in the private view.
pub(super) struct Overlay {
    layers: RwLock<Vec<Layer>>,
    memory: Arc<MemoryIndex>,
    memory_bytes_max: usize,
    spill: Option<Spill>,
    /// Held by the one `apply` at a time; all that was excluded, for layers to come.
    excluded: Mutex<BTreeSet<Excluded>>,
}

#[derive(Clone)]
struct Layer {
    index: Arc<dyn Index>,
    /// The upper bits of its pack numbers.
    tag: u32,
}

impl Layer {
    fn new(number: u32, index: Arc<dyn Index>) -> Self {
        Self { index, tag: number.saturating_mul(PACK_COUNT_MAX) }
    }

    fn tagged(&self, ordinal: PackOrdinal) -> PackOrdinal {
        PackOrdinal(ordinal.0 | self.tag)
    }

    fn extent(&self, extent: Extent) -> Extent {
        Extent { pack: self.tagged(extent.pack), ..extent }
    }
}

impl Overlay {
    /// Lays memory, and `spill` above `memory_bytes_max`, over a view.
    pub(super) fn new(base: Box<dyn Index>, memory_bytes_max: usize, spill: Option<Spill>) -> Self {
        let memory = Arc::new(MemoryIndex::new());
        let layers = vec![Layer::new(0, Arc::from(base)), Layer::new(1, Arc::<MemoryIndex>::clone(&memory))];
        Self { layers: RwLock::new(layers), memory, memory_bytes_max, spill, excluded: Mutex::default() }
    }

    fn layers(&self) -> Vec<Layer> {
        self.layers.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The view that lies below.
    fn base(&self) -> Arc<dyn Index> {
        let layers = self.layers.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&layers.first().expect("there are two layers from the start").index)
    }

    /// The layer that takes the next segment.
    fn top(&self, excluded: &BTreeSet<Excluded>) -> Result<Layer, IndexError> {
        let mut layers = self.layers.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(spill) = self.spill.as_ref().filter(|_| layers.len() == 2)
            && self.memory.memory_bytes() > self.memory_bytes_max
        {
            let view = spill()?;
            view.exclude(&excluded.iter().copied().collect::<Vec<_>>())?;
            layers.push(Layer::new(2, Arc::from(view)));
        }
        Ok(layers.last().expect("there are two layers from the start").clone())
    }

    /// The layer of a pack number, and the number in it.
    fn layer_of(&self, ordinal: PackOrdinal) -> Result<(Layer, PackOrdinal), IndexError> {
        let number = usize::try_from(ordinal.0 / PACK_COUNT_MAX).unwrap_or(usize::MAX);
        let layer = self.layers().get(number).cloned().ok_or(IndexError::UnknownPack { ordinal })?;
        Ok((layer, PackOrdinal(ordinal.0 % PACK_COUNT_MAX)))
    }

    /// Whether one of these layers says the same of a pack.
    fn is_known(lower: &[Layer], entry: &PackEntry) -> Result<bool, IndexError> {
        for layer in lower {
            for number in layer.index.numbers(&entry.id)? {
                if layer.index.pack(number)?.is_same(entry) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

/// Those of the view below, as they were when it was opened.
impl SideRows for Overlay {
    fn get_sorted(&self, keys: &[&[u8]], each: &mut dyn FnMut(usize, &[u8])) -> Result<(), IndexError> {
        self.base().side_rows()?.map_or(Ok(()), |rows| rows.get_sorted(keys, each))
    }

    fn scan(&self, prefix: &[u8], each: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), IndexError> {
        self.base().side_rows()?.map_or(Ok(()), |rows| rows.scan(prefix, each))
    }
}

impl Index for Overlay {
    fn lookup(&self, ids: &[ChunkId], found: &mut Vec<Option<Extent>>) -> Result<(), IndexError> {
        found.clear();
        found.resize(ids.len(), None);
        // From below, as copies are told apart: a pack that stands in two layers goes by its number in the lower one.
        let mut answers = Vec::new();
        for layer in self.layers() {
            let open: Vec<usize> = (0..).zip(&*found).filter(|(_, hit)| hit.is_none()).map(|(at, _)| at).collect();
            let asked: Vec<ChunkId> = open.iter().filter_map(|at| ids.get(*at)).copied().collect();
            layer.index.lookup(&asked, &mut answers)?;
            for (at, answer) in open.into_iter().zip(&answers) {
                if let Some(hit) = found.get_mut(at) {
                    *hit = answer.map(|extent| layer.extent(extent));
                }
            }
        }
        Ok(())
    }

    fn copies(&self, id: ChunkId) -> Result<Vec<Extent>, IndexError> {
        let layers = self.layers();
        let mut copies = Vec::new();
        for (number, layer) in layers.iter().enumerate() {
            let lower = layers.get(..number).unwrap_or_default();
            for extent in layer.index.copies(id)? {
                // A pack that a new segment took over stands in two layers until the old one is retracted.
                if lower.is_empty() || !Self::is_known(lower, &layer.index.pack(extent.pack)?)? {
                    copies.push(layer.extent(extent));
                }
            }
        }
        Ok(copies)
    }

    fn pack(&self, ordinal: PackOrdinal) -> Result<PackEntry, IndexError> {
        let (layer, inner) = self.layer_of(ordinal)?;
        layer.index.pack(inner)
    }

    fn numbers(&self, id: &PackId) -> Result<Vec<PackOrdinal>, IndexError> {
        let mut numbers = Vec::new();
        for layer in self.layers() {
            numbers.extend(layer.index.numbers(id)?.into_iter().map(|number| layer.tagged(number)));
        }
        Ok(numbers)
    }

    fn for_each_pack(&self, each: &mut dyn FnMut(PackOrdinal, &PackEntry)) -> Result<(), IndexError> {
        let layers = self.layers();
        for (number, layer) in layers.iter().enumerate() {
            let lower = layers.get(..number).unwrap_or_default();
            let mut failed = None;
            layer.index.for_each_pack(&mut |number, entry| match Self::is_known(lower, entry) {
                Ok(false) => each(layer.tagged(number), entry),
                Ok(true) => {}
                Err(error) => failed = Some(error),
            })?;
            if let Some(error) = failed {
                return Err(error);
            }
        }
        Ok(())
    }

    fn applied(&self) -> Result<Vec<SegmentId>, IndexError> {
        let mut applied = BTreeSet::new();
        for layer in self.layers() {
            applied.extend(layer.index.applied()?);
        }
        Ok(applied.into_iter().collect())
    }

    fn is_applied(&self, id: SegmentId) -> Result<bool, IndexError> {
        for layer in self.layers() {
            if layer.index.is_applied(id)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn apply(&self, segment: &SegmentReader<'_>) -> Result<(), IndexError> {
        let excluded = self.excluded.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_applied(segment.segment())? {
            return Ok(());
        }
        self.top(&excluded)?.index.apply(segment)
    }

    fn bulk(&self) -> Result<Box<dyn Bulk + '_>, IndexError> {
        Ok(Box::new(OneByOne(self)))
    }

    fn retract(&self, id: SegmentId) -> Result<(), IndexError> {
        self.layers().iter().try_for_each(|layer| layer.index.retract(id))
    }

    fn exclude(&self, what: &[Excluded]) -> Result<(), IndexError> {
        self.excluded.lock().unwrap_or_else(PoisonError::into_inner).extend(what);
        self.layers().iter().try_for_each(|layer| layer.index.exclude(what))
    }

    fn remember(&self, key: &[u8], value: &[u8]) -> Result<(), IndexError> {
        self.memory.remember(key, value)
    }

    fn recall(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        for layer in self.layers().iter().rev() {
            if let Some(value) = layer.index.recall(key)? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    fn side_rows(&self) -> Result<Option<&dyn SideRows>, IndexError> {
        let are_there = self.base().side_rows()?.is_some();
        Ok(are_there.then_some(self))
    }

    fn distrust(&self) {
        self.base().distrust();
    }

    fn flush(&self) -> Result<(), IndexError> {
        // What lies over the shared view is lost when it is closed, as it is meant to be.
        Ok(())
    }
}

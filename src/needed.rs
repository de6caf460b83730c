//! What is needed: every chunk and node that live snapshots can't be without.
//!
//! A *mark* reads every node that the roots reach, once, and gathers the ids of all nodes and chunks in sorted runs;
//! the runs are joined and every id is looked up in the index, in order. So memory depends neither on the number of
//! snapshots nor on that of chunks. Where several copies of a chunk are stored, each counts as needed: which of them
//! stays is for the collector to choose.
//!
//! From a mark the view keeps reference counts, so that the next prune only looks at what changed: `find`. By such counts
//! it is also told what some roots need and no others do: `alone`.
//!
//! Whatever can't be found or read stops the mark, with the name of a snapshot that needs it: what a collector does not
//! see it must not call garbage.

mod alone;
mod counts;
mod find;
mod ids;
mod mark;
mod nodes;
mod references;
mod roots;
mod seen;
mod spill;
mod tally;
mod walk;

pub use alone::alone;
pub use counts::{CountsCheck, KeptCounts};
pub use find::{find, settle};
pub use mark::{Mark, mark};
pub use references::References;
pub use roots::Roots;

use crate::error::Result;
use crate::id::ChunkId;
use crate::index::{Extent, PackOrdinal};

/// How much of a pack is needed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PackUse {
    /// Needed chunks or nodes that lie in it.
    pub chunk_count: u64,
    /// Their bytes, before compression.
    pub raw_bytes: u64,
    /// How many of them have a copy in another place as well, or had one. Where it is 0, the pack is used by exactly so
    /// much, whatever a collector chooses elsewhere.
    pub copied_count: u64,
}

impl PackUse {
    /// What one needed chunk uses of the pack in which this copy of it lies.
    fn of(copy: &Extent, copy_count: usize) -> Self {
        let copied_count = u64::from(copy_count > 1);
        Self { chunk_count: 1, raw_bytes: copy.chunk_bytes.into(), copied_count }
    }

    fn add(&mut self, more: &Self) {
        self.chunk_count = self.chunk_count.saturating_add(more.chunk_count);
        self.raw_bytes = self.raw_bytes.saturating_add(more.raw_bytes);
        self.copied_count = self.copied_count.saturating_add(more.copied_count);
    }

    fn subtract(&mut self, less: &Self) {
        self.chunk_count = self.chunk_count.saturating_sub(less.chunk_count);
        self.raw_bytes = self.raw_bytes.saturating_sub(less.raw_bytes);
        self.copied_count = self.copied_count.saturating_sub(less.copied_count);
    }
}

/// Tells what the snapshots behind some roots need. Too much may be called needed, which is slack; too little never.
pub trait Needed: Send + Sync {
    /// Answers for each id whether it is needed; `needed` is cleared first. Best with many ids at a time.
    ///
    /// # Errors
    /// When the answer can't be read.
    fn answer(&self, ids: &[ChunkId], needed: &mut Vec<bool>) -> Result<()> {
        let mut counts = Vec::with_capacity(ids.len());
        self.count(ids, &mut counts)?;
        needed.clear();
        needed.extend(counts.iter().map(|count| *count > 0));
        Ok(())
    }

    /// Answers for each id how many distinct nodes and roots name it, 0 where it is not needed; `counts` is cleared first.
    ///
    /// # Errors
    /// When the answer can't be read.
    fn count(&self, ids: &[ChunkId], counts: &mut Vec<u64>) -> Result<()>;

    /// Gives everything that is needed, in order, in pieces.
    ///
    /// # Errors
    /// When it can't be read, and those of `each`.
    fn for_each_id(&self, each: &mut dyn FnMut(&[ChunkId]) -> Result<()>) -> Result<()>;

    /// About how much that is: chunks of which there are copies may be counted more than once.
    fn id_count(&self) -> u64;

    /// How much of a pack is needed; none for one that was not looked at, so that only its chunks can tell.
    ///
    /// # Errors
    /// When the answer can't be read.
    fn pack_use(&self, pack: PackOrdinal) -> Result<Option<PackUse>>;

    /// What [`Self::keep_measured`] was told of a pack whose use has not changed since.
    fn measured_bytes(&self, pack: PackOrdinal) -> Option<u64>;

    /// Keeps how many bytes of some packs are needed, for the next that asks here, if there is a place for it.
    fn keep_measured(&self, measured: &[(PackOrdinal, u64)]);
}

#[cfg(test)]
mod tests;

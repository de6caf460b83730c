//! Which chunk lies where: a view of all committed segments that can be thrown away and built again.
//!
//! The index is not part of the format. It answers from what was *applied* to it, and whoever opens it says which
//! segments are committed: [`catch_up`] applies what is missing and retracts what is listed no more, so that a view
//! that is old, empty, or of another day answers right. A hit counts only in a pack that an applied segment lists
//! and that is not excluded. The requirements stand in format-spec/11-index.md; one suite holds all
//! implementations to the same answers.

mod applying;
#[cfg(test)]
pub(crate) mod conformance;
#[cfg(feature = "rocksdb")]
mod disk;
#[cfg(feature = "rocksdb")]
mod encoding;
#[cfg(test)]
pub(crate) mod full;
mod memory;
#[cfg(feature = "rocksdb")]
mod overlay;
#[cfg(feature = "rocksdb")]
mod own;
mod parts;
mod replaceable;
#[cfg(feature = "rocksdb")]
mod rocks;
mod rows;
mod scratch;
mod side;
#[cfg(feature = "rocksdb")]
mod sort;
mod standing;
mod view;

pub use applying::{Applying, CaughtUp, catch_up};
pub use memory::MemoryIndex;
pub use parts::in_parts;
pub use replaceable::{Rebuild, Replaceable};
pub use rows::Extent;
pub use scratch::{Scratch, open_scratch};
pub use side::{SideClaim, SideRow, SideRows, SideTable};
pub use view::{Mode, MovedAside, View, ViewKind, distrust_view, open_apart, open_view};

use crate::id::{ChunkId, PackId, SegmentId, SessionId, SignerKey};
use crate::layout::Class;
use crate::segment::{PackRow, SegmentError, SegmentReader};
use crate::threads::Unstarted;

/// A pack's number within one opened index. It means nothing elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackOrdinal(pub(crate) u32);

/// The most packs that one index can number.
pub const PACK_COUNT_MAX: u32 = 1 << 30;

/// What the index knows of a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackEntry {
    /// The pack.
    pub id: PackId,
    /// Which class of frames it holds.
    pub class: Class,
    /// Its length in bytes.
    pub bytes: u64,
    /// The key that vouches for it.
    pub signer: SignerKey,
    /// The session that published it.
    pub session: SessionId,
    /// A segment that lists it; when several do, any of them.
    pub segment: SegmentId,
    /// How many chunks lie in it.
    pub chunk_count: u64,
}

/// What no hit may come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Excluded {
    /// A pack, whoever vouches for it.
    Pack(PackId),
    /// What a key vouches for. Where another one vouches for the same pack, that stands: else somebody could keep hits from
    /// others' packs by naming them.
    Signer(SignerKey),
}

impl Excluded {
    /// These packs.
    pub fn packs(packs: impl IntoIterator<Item = PackId>) -> Vec<Self> {
        packs.into_iter().map(Self::Pack).collect()
    }
}

/// How much an index holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Packs that applied segments list.
    pub pack_count: u64,
    /// Chunks in them, copies counted.
    pub chunk_count: u64,
    /// Their length in bytes.
    pub pack_bytes: u64,
}

impl PackEntry {
    fn of(segment: SegmentId, row: &PackRow) -> Self {
        let facts = row.facts();
        Self {
            id: facts.pack,
            class: facts.class,
            bytes: facts.bytes,
            signer: facts.signer,
            session: facts.session,
            segment,
            chunk_count: row.ids().len().try_into().unwrap_or(u64::MAX),
        }
    }

    /// Whether two segments say the same of a pack. Where they don't, both stand apart: what one key vouches for must
    /// not be taken for another's word.
    fn is_same(&self, other: &Self) -> bool {
        Self { segment: other.segment, ..self.clone() } == *other
    }
}

impl Totals {
    const fn add(&mut self, entry: &PackEntry) {
        self.pack_count = self.pack_count.saturating_add(1);
        self.chunk_count = self.chunk_count.saturating_add(entry.chunk_count);
        self.pack_bytes = self.pack_bytes.saturating_add(entry.bytes);
    }
}

/// A view of segments. All methods block, and are safe to call from many threads; one `apply` or `retract` runs at a
/// time.
pub trait Index: Send + Sync {
    /// Finds one copy of each chunk, in a pack that counts and is not excluded; `found` is cleared and gets one
    /// answer per id, in order. Best with many ids at a time, a hundred or a hundred thousand; they may repeat.
    ///
    /// # Errors
    /// When the view can't be read.
    fn lookup(&self, ids: &[ChunkId], found: &mut Vec<Option<Extent>>) -> Result<(), IndexError>;

    /// Finds every copy of a chunk in packs that count, excluded ones among them.
    ///
    /// # Errors
    /// When the view can't be read.
    fn copies(&self, id: ChunkId) -> Result<Vec<Extent>, IndexError>;

    /// Gives each of these ids, which must be in order, with every copy of it as [`Self::copies`] finds them. Best with
    /// some hundred ids at a time. The visitor must not call back into the index.
    ///
    /// # Errors
    /// When the view can't be read.
    fn copies_of_sorted(&self, ids: &[ChunkId], each: &mut dyn FnMut(ChunkId, &[Extent])) -> Result<(), IndexError> {
        for id in ids {
            each(*id, &self.copies(*id)?);
        }
        Ok(())
    }

    /// What is known of a pack.
    ///
    /// # Errors
    /// [`IndexError::UnknownPack`], or when the view can't be read.
    fn pack(&self, ordinal: PackOrdinal) -> Result<PackEntry, IndexError>;

    /// The numbers of a pack that applied segments list, sorted. One number, but where segments say different things
    /// of a pack, where two keys vouch for it say, it has one for each.
    ///
    /// # Errors
    /// When the view can't be read.
    fn numbers(&self, id: &PackId) -> Result<Vec<PackOrdinal>, IndexError>;

    /// The lowest number of a pack that applied segments list.
    ///
    /// # Errors
    /// When the view can't be read.
    fn find_pack(&self, id: &PackId) -> Result<Option<PackOrdinal>, IndexError> {
        Ok(self.numbers(id)?.first().copied())
    }

    /// Visits every pack that an applied segment lists, excluded ones among them, by rising number. The visitor must
    /// not call back into the index.
    ///
    /// # Errors
    /// When the view can't be read.
    fn for_each_pack(&self, each: &mut dyn FnMut(PackOrdinal, &PackEntry)) -> Result<(), IndexError>;

    /// The segments that are applied, sorted.
    ///
    /// # Errors
    /// When the view can't be read.
    fn applied(&self) -> Result<Vec<SegmentId>, IndexError>;

    /// Whether a segment is applied.
    ///
    /// # Errors
    /// When the view can't be read.
    fn is_applied(&self, id: SegmentId) -> Result<bool, IndexError>;

    /// Adds all packs and chunks of a segment. It counts as a whole or, after a crash, not at all. Applying it again
    /// changes nothing.
    ///
    /// # Errors
    /// When the view can't be written; the segment does not count then.
    fn apply(&self, segment: &SegmentReader<'_>) -> Result<(), IndexError>;

    /// Begins to apply many segments at once, which is faster than one by one when they are large. Nothing else is
    /// written meanwhile.
    ///
    /// # Errors
    /// When the view can't be written.
    fn bulk(&self) -> Result<Box<dyn Bulk + '_>, IndexError>;

    /// Takes away what only this segment lists. Retracting one that is not applied changes nothing.
    ///
    /// # Errors
    /// When the view can't be written.
    fn retract(&self, id: SegmentId) -> Result<(), IndexError>;

    /// From now on these are no hits, whether their segments are applied yet or not. Forgotten when the index is closed.
    /// Costs a look at every pack where a signer is among them.
    ///
    /// # Errors
    /// When the view can't be read.
    fn exclude(&self, what: &[Excluded]) -> Result<(), IndexError>;

    /// Keeps a value that would be costly to fetch again, whatever becomes of the segments.
    ///
    /// # Errors
    /// When the view can't be written.
    fn remember(&self, key: &[u8], value: &[u8]) -> Result<(), IndexError>;

    /// What was last remembered under a key. It may have been lost.
    ///
    /// # Errors
    /// When the view can't be read.
    fn recall(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError>;

    /// The rows that a room above keeps in the view. None where they would not be there next time: another process
    /// writes the view.
    ///
    /// # Errors
    /// When the view can't be opened for writing.
    fn side_table(&self) -> Result<Option<&dyn SideTable>, IndexError> {
        Ok(None)
    }

    /// The same rows for reading: what they were at one moment, where the view was opened for reading. None where there
    /// are none.
    ///
    /// # Errors
    /// When the view can't be read.
    fn side_rows(&self) -> Result<Option<&dyn SideRows>, IndexError> {
        Ok(None)
    }

    /// Says that the view on disk is wrong: from now on nobody gets its side table, and the next who opens it for
    /// writing makes it anew.
    fn distrust(&self) {}

    /// How much the applied segments list.
    ///
    /// # Errors
    /// When the view can't be read.
    fn totals(&self) -> Result<Totals, IndexError> {
        let mut totals = Totals::default();
        self.for_each_pack(&mut |_, entry| totals.add(entry))?;
        Ok(totals)
    }

    /// Makes what was applied outlive a crash. Without it a crash only costs applying again.
    ///
    /// # Errors
    /// When the view can't be written.
    fn flush(&self) -> Result<(), IndexError>;
}

/// Segments that are being applied together. They count once they are finished; dropped before, they don't, or those
/// that were added last don't.
pub trait Bulk {
    /// Adds a segment. One that is applied already changes nothing.
    ///
    /// # Errors
    /// As [`Index::apply`].
    fn add(&mut self, segment: &SegmentReader<'_>) -> Result<(), IndexError>;

    /// Has all segments count, as one after a crash: all or none.
    ///
    /// # Errors
    /// As [`Index::apply`].
    fn finish(self: Box<Self>) -> Result<(), IndexError>;
}

/// For an index that gains nothing by applying many at once: each counts as soon as it is added.
struct OneByOne<'a>(&'a dyn Index);

impl Bulk for OneByOne<'_> {
    fn add(&mut self, segment: &SegmentReader<'_>) -> Result<(), IndexError> {
        self.0.apply(segment)
    }

    fn finish(self: Box<Self>) -> Result<(), IndexError> {
        Ok(())
    }
}

/// Why an index did not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// No applied segment lists a pack of this number.
    #[error("the index knows no pack of number {}", .ordinal.0)]
    UnknownPack {
        /// The number.
        ordinal: PackOrdinal,
    },
    /// A segment is malformed.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// More packs than can be numbered.
    #[error("the index can't number more than {PACK_COUNT_MAX} packs")]
    Full,
    /// The view's files are damaged. It is thrown away and built again when it is next opened.
    #[error("the index view in {place} is damaged: {reason}")]
    Damaged {
        /// The view.
        place: String,
        /// What was found.
        reason: String,
    },
    /// The medium that holds the view is full.
    #[error("no space left for the index view in {place} (HOLDALL_CACHE_DIR may name another disc)")]
    NoSpace {
        /// The view.
        place: String,
    },
    /// The system starts no thread.
    #[error(transparent)]
    Unstarted(#[from] Unstarted),
    /// Anything else that the system said.
    #[error("{operation} the index view in {place}: {reason}")]
    Io {
        /// What was being done.
        operation: &'static str,
        /// To what.
        place: String,
        /// What the system said.
        reason: String,
    },
}

#[cfg(test)]
mod tests;

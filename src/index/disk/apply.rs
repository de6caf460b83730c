//! Applying the rows of packs.

use super::super::encoding::{encode_entry, encode_numbers, put_extent};
use super::super::rocks::{Batch, Table};
use super::super::standing::Ordinals;
use super::super::{Extent, IndexError, PackEntry, PackOrdinal};
use super::keys::{NEXT_KEY, entry_key, pack_key};
use super::{BATCH_BYTES, DiskIndex};
use crate::id::{ChunkId, SegmentId};
use crate::segment::PackRow;

/// How many chunks of a segment are sorted together: some mebibytes.
const SORTED_CHUNKS: usize = if cfg!(test) { 4 } else { 1 << 17 };

impl DiskIndex {
    /// The number of a pack: the one that it has and that counts, if all that is known of it agrees, or a new one.
    pub(super) fn number(
        &self,
        entry: &PackEntry,
        counts: impl Fn(PackOrdinal) -> bool,
        batch: &mut Batch<'_>,
    ) -> Result<u32, IndexError> {
        let mut numbers = self.all_numbers(&entry.id)?;
        numbers.retain(|number| counts(PackOrdinal(*number)));
        for number in &numbers {
            if self.entry(*number, entry.segment)?.is_same(entry) {
                return Ok(*number);
            }
        }
        let number = {
            let mut standing = self.standing_mut();
            let number = standing.number()?;
            standing.met(number, entry);
            number
        };
        numbers.push(number);
        batch.put(Table::Packs, &entry_key(number), &encode_entry(entry));
        batch.put(Table::Packs, &pack_key(&entry.id), &encode_numbers(&numbers));
        Ok(number)
    }

    /// Numbers the packs of a segment and writes where their chunks lie.
    pub(super) fn apply_packs(
        &self,
        segment: SegmentId,
        packs: impl Iterator<Item = PackRow>,
        batch: &mut Batch<'_>,
    ) -> Result<Ordinals, IndexError> {
        let mut ordinals = Ordinals::default();
        let mut chunks = Vec::new();
        for row in packs {
            let number =
                self.number(&PackEntry::of(segment, &row), |ordinal| self.standing().counts(ordinal), batch)?;
            ordinals.push(number);
            chunks.extend(row.chunks().map(|(chunk, place)| (chunk, Extent::new(PackOrdinal(number), place))));
            if chunks.len() >= SORTED_CHUNKS {
                self.write_chunks(&mut chunks, batch)?;
            }
        }
        self.write_chunks(&mut chunks, batch)?;
        Ok(ordinals)
    }

    /// Writes where chunks lie, and forgets it.
    fn write_chunks(&self, chunks: &mut Vec<(ChunkId, Extent)>, batch: &mut Batch<'_>) -> Result<(), IndexError> {
        // RocksDB's buffer takes a key next to the last one without searching for its place: 35 ms instead of 76 for the
        // rows of the Linux sources (13 packs).
        chunks.sort_by_key(|(chunk, _)| *chunk);
        let mut value = Vec::new();
        for (chunk, extent) in chunks.drain(..) {
            value.clear();
            put_extent(&mut value, &extent);
            batch.merge(Table::Chunks, chunk.as_bytes(), &value);
            if batch.bytes() >= BATCH_BYTES {
                self.write_piece(batch)?;
            }
        }
        Ok(())
    }

    /// Writes a piece of a segment. The next number goes with it, so that those used in it are never given out again.
    pub(super) fn write_piece(&self, batch: &mut Batch<'_>) -> Result<(), IndexError> {
        batch.put(Table::Meta, NEXT_KEY, &self.standing().next().to_le_bytes());
        batch.write()
    }
}

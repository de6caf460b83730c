//! Applying much at once: the rows of all segments are sorted, outside of memory where they do not fit, and become files
//! of the table as they are, where one by one each row would be written and merged several times over.
//!
//! Packs are numbered and their rows written at once, chunk rows kept apart until all are there, then the marks of all
//! segments follow in one write. Before the files of chunk rows become durable the numbers that they name are: after a
//! crash in between they are given to no other pack.

use super::super::encoding::put_extent;
use super::super::own::OwnDirectory;
use super::super::rocks::{Batch, Lent, Under};
use super::super::sort::{FIRST_BYTES, Row, Sorted, Sorter};
use super::super::standing::{Ordinals, Standing};
use super::super::{Bulk, Extent, IndexError, PackEntry, PackOrdinal};
use super::{BATCH_BYTES, DiskIndex, SegmentId, Table, Writable, segment_key};
use crate::segment::SegmentReader;
use crate::threads;
use std::path::{Path, PathBuf};
use std::sync::MutexGuard;

/// How many threads merge and write files.
const PARTS: usize = 2;
/// First bytes that each of them takes.
const PART_FIRST_BYTES: usize = FIRST_BYTES / PARTS;
/// Fewer rows in memory are not worth files of their own.
const FILE_ROWS_MIN: usize = if cfg!(test) { 4 } else { 1 << 15 };

/// Segments on their way into the view.
pub(super) struct DiskBulk<'a> {
    index: &'a DiskIndex,
    /// Nothing else writes meanwhile.
    _writing: MutexGuard<'a, Writable>,
    batch: Batch<'a>,
    /// What the sorter takes comes from the cache, which would be full of what the view's own building reads.
    _lent: Lent,
    sorter: Sorter,
    /// What stands, and what will once this is finished: a pack of two segments gets one number.
    standing: Standing,
    marks: Vec<(SegmentId, Ordinals)>,
}

impl<'a> DiskBulk<'a> {
    pub(super) fn begin(index: &'a DiskIndex) -> Result<Self, IndexError> {
        let writing = index.writing()?;
        let standing = index.standing().clone();
        let sorter = Sorter::new(index.beside(), index.bulk_bytes);
        let (batch, lent) = (index.database.batch(), index.database.lend(index.bulk_bytes));
        Ok(Self { index, _writing: writing, batch, _lent: lent, sorter, standing, marks: Vec::new() })
    }

    /// Goes as far as a crash before the last write would.
    #[cfg(test)]
    pub(super) fn ingest_unmarked(&mut self) {
        let sorted = self.take_sorted().unwrap();
        assert!(goes_as_files(self.index, &sorted).unwrap());
        ingest(self.index, &sorted).unwrap();
    }

    fn take_sorted(&mut self) -> Result<Sorted, IndexError> {
        std::mem::replace(&mut self.sorter, Sorter::new(self.index.database.path(), 0)).finish()
    }

    /// Writes rows as if their segments had been applied one by one.
    fn write_rows(&mut self, sorted: &Sorted) -> Result<(), IndexError> {
        let mut value = Vec::new();
        sorted.merge(0..FIRST_BYTES, 1, &mut |id, extents| {
            value.clear();
            extents.iter().for_each(|extent| put_extent(&mut value, extent));
            self.batch.merge(Table::Chunks, id.as_bytes(), &value);
            if self.batch.bytes() >= BATCH_BYTES { self.batch.write() } else { Ok(()) }
        })
    }
}

/// Whether rows become files of the table. Few do not; nor do those that fit into memory where the table has others: every
/// night would add files to be merged. From its commit to its end a first backup of the Linux sources takes 46 ms, and 149
/// where the rows go through RocksDB's buffer, on two slow cores under strace.
fn goes_as_files(index: &DiskIndex, sorted: &Sorted) -> Result<bool, IndexError> {
    match sorted {
        Sorted::Memory(rows) => Ok(rows.len() >= FILE_ROWS_MIN && index.database.holds_no_chunk()?),
        Sorted::Files(_) => Ok(true),
    }
}

/// Makes rows part of the table by writing its files.
fn ingest(index: &DiskIndex, sorted: &Sorted) -> Result<(), IndexError> {
    index.database.flush()?;
    let under = if index.database.holds_no_chunk()? { Under::Nothing } else { Under::Older };
    let own = OwnDirectory::create(index.beside())?;
    let directory = own.path();
    let parts = std::thread::scope(|scope| {
        let threads: Result<Vec<_>, _> = (0..PARTS)
            .map(|part| threads::start(scope, move || write_part(index, sorted, directory, part, under)))
            .collect();
        threads.map(|threads| threads.into_iter().map(threads::join).collect::<Vec<_>>())
    })?;
    let files: Vec<PathBuf> = parts.into_iter().collect::<Result<Vec<_>, _>>()?.concat();
    index.database.ingest(&files)
}

fn write_part(
    index: &DiskIndex,
    sorted: &Sorted,
    directory: &Path,
    part: usize,
    under: Under,
) -> Result<Vec<PathBuf>, IndexError> {
    let first = part.saturating_mul(PART_FIRST_BYTES);
    let first_bytes = first..first.saturating_add(PART_FIRST_BYTES);
    let name = format!("part-{part}");
    index.database.write_sorted((directory, &name), under, &mut |each| {
        let mut value = Vec::new();
        sorted.merge(first_bytes.clone(), PARTS, &mut |id, extents| {
            value.clear();
            extents.iter().for_each(|extent| put_extent(&mut value, extent));
            each(id.as_bytes(), &value)
        })
    })
}

impl Bulk for DiskBulk<'_> {
    fn add(&mut self, segment: &SegmentReader<'_>) -> Result<(), IndexError> {
        let id = segment.segment();
        if self.standing.is_applied(id) {
            return Ok(());
        }
        let mut ordinals = Ordinals::default();
        for row in segment.packs() {
            let entry = PackEntry::of(id, &row);
            let number = self.index.number(&entry, |ordinal| self.standing.counts(ordinal), &mut self.batch)?;
            ordinals.push(number);
            for (id, place) in row.chunks() {
                self.sorter.push(Row { id, extent: Extent::new(PackOrdinal(number), place) })?;
            }
        }
        // The numbers of these packs are looked up for the next segment.
        self.index.write_piece(&mut self.batch)?;
        self.standing.apply(id, ordinals.clone());
        self.marks.push((id, ordinals));
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), IndexError> {
        let sorted = self.take_sorted()?;
        if goes_as_files(self.index, &sorted)? {
            ingest(self.index, &sorted)?;
        } else {
            self.write_rows(&sorted)?;
        }
        let marks = std::mem::take(&mut self.marks);
        for (id, ordinals) in &marks {
            self.batch.put(Table::Meta, &segment_key(*id), &ordinals.encode());
        }
        self.index.write_piece(&mut self.batch)?;
        marks.into_iter().for_each(|(id, ordinals)| self.index.standing_mut().apply(id, ordinals));
        match sorted {
            Sorted::Memory(_) => Ok(()),
            // Else a crash would have all of it done again.
            Sorted::Files(_) => self.index.database.flush(),
        }
    }
}

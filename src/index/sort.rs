//! Sorting more rows than memory holds: sorted runs in files, then one merge of all of them.
//!
//! Ids are hashes and arrive in no order. A run remembers where each first byte begins in it, so that several threads
//! can merge at once, each a range of first bytes, in memory that does not depend on how the ids are spread.

use super::own::{OwnDirectory, failed};
use super::{Extent, IndexError, PackOrdinal};
use crate::id::ChunkId;
use crate::threads;
use rayon::slice::ParallelSliceMut;
use rustix::fs::FallocateFlags;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// A row in a file: the id and six numbers of four bytes.
const ROW_BYTES: usize = ChunkId::LEN + 24;
/// How many first bytes there are.
pub(super) const FIRST_BYTES: usize = 256;
/// What a merge reads of a run at once: much for few runs, little for many.
const READ_ROWS: Range<usize> = 64..4096;
/// How much of a run is written at once.
const WRITE_BYTES: usize = 256 << 10;

/// Gets an id and all its extents.
pub(super) type EachId<'a> = dyn FnMut(&ChunkId, &[Extent]) -> Result<(), IndexError> + 'a;

/// From how many rows on they are sorted by several threads.
const POOL_ROWS_MIN: usize = if cfg!(test) { 64 } else { 1 << 15 };
/// What was read of a run is given back in pieces of this size, so that rows don't lie on the disk twice.
const GIVEN_BACK_BYTES: u64 = if cfg!(test) { BLOCK_BYTES } else { 1 << 20 };
/// What a file system gives back is whole blocks.
const BLOCK_BYTES: u64 = 4096;

/// A copy of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Row {
    pub(super) id: ChunkId,
    pub(super) extent: Extent,
}

/// Takes rows in any order.
pub(super) struct Sorter {
    parent: PathBuf,
    rows: Vec<Row>,
    rows_max: usize,
    spilled: Option<Runs>,
}

/// All rows that a sorter took.
pub(super) enum Sorted {
    /// They fitted into memory.
    Memory(Vec<Row>),
    /// They did not.
    Files(Runs),
}

/// Sorted runs in files, which go with this value.
pub(super) struct Runs {
    own: OwnDirectory,
    runs: Vec<Run>,
    memory_bytes: usize,
}

struct Run {
    file: File,
    path: PathBuf,
    /// Before which row each first byte begins, and the count of all rows.
    starts: Vec<u64>,
}

impl Sorter {
    /// Takes about `memory_bytes` of memory, and what is more in files below `parent`.
    pub(super) fn new(parent: &Path, memory_bytes: usize) -> Self {
        let rows_max = (memory_bytes / size_of::<Row>()).max(1);
        Self { parent: parent.to_owned(), rows: Vec::new(), rows_max, spilled: None }
    }

    pub(super) fn push(&mut self, row: Row) -> Result<(), IndexError> {
        self.rows.push(row);
        if self.rows.len() >= self.rows_max { self.spill() } else { Ok(()) }
    }

    pub(super) fn finish(mut self) -> Result<Sorted, IndexError> {
        if self.spilled.is_none() {
            self.sort()?;
            return Ok(Sorted::Memory(self.rows));
        }
        self.spill()?;
        Ok(self.spilled.map_or_else(|| Sorted::Memory(Vec::new()), Sorted::Files))
    }

    fn spill(&mut self) -> Result<(), IndexError> {
        if self.rows.is_empty() {
            return Ok(());
        }
        if self.spilled.is_none() {
            let memory_bytes = self.rows_max.saturating_mul(size_of::<Row>());
            let own = OwnDirectory::create(&self.parent)?;
            self.spilled = Some(Runs { own, runs: Vec::new(), memory_bytes });
        }
        self.sort()?;
        let Some(runs) = &mut self.spilled else { return Ok(()) };
        runs.write(&self.rows)?;
        self.rows.clear();
        Ok(())
    }

    /// Few rows are sorted in less time than a pool takes to start.
    fn sort(&mut self) -> Result<(), IndexError> {
        if self.rows.len() < POOL_ROWS_MIN {
            self.rows.sort_unstable();
        } else {
            let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
            threads::pool(cores)?.install(|| self.rows.par_sort_unstable());
        }
        Ok(())
    }
}

impl Sorted {
    /// Calls `each` with every id whose first byte lies in the range, in order, and its extents, sorted, each once. Of rows
    /// in files that can be done once: what was read is gone.
    /// `parts` is how many threads do so at the same time: they share the memory.
    pub(super) fn merge(
        &self,
        first_bytes: Range<usize>,
        parts: usize,
        each: &mut EachId<'_>,
    ) -> Result<(), IndexError> {
        match self {
            Self::Memory(rows) => {
                let [start, end] = [first_bytes.start, first_bytes.end].map(|first| rows_below(rows, first));
                grouped(rows.get(start..end).unwrap_or_default(), each)
            }
            Self::Files(runs) => runs.merge(first_bytes, parts, each),
        }
    }
}

/// How many of sorted rows lie before those that begin with a byte.
fn rows_below(rows: &[Row], first: usize) -> usize {
    rows.partition_point(|row| usize::from(row.id.as_bytes()[0]) < first)
}

impl Runs {
    fn merge(&self, first_bytes: Range<usize>, parts: usize, each: &mut EachId<'_>) -> Result<(), IndexError> {
        let shares = self.runs.len().saturating_mul(parts).saturating_mul(ROW_BYTES).max(1);
        let read_rows = (self.memory_bytes / shares).clamp(READ_ROWS.start, READ_ROWS.end);
        let mut cursors: Vec<Cursor<'_>> =
            self.runs.iter().map(|run| Cursor::new(run, &first_bytes, read_rows)).collect();
        let mut heads = BinaryHeap::with_capacity(cursors.len());
        for (run, cursor) in cursors.iter_mut().enumerate() {
            heads.extend(cursor.next()?.map(|row| Reverse((row, run))));
        }
        let mut group = Group::default();
        while let Some(mut head) = heads.peek_mut() {
            let Reverse((row, run)) = *head;
            group.add(&row, each)?;
            match cursors.get_mut(run).map_or(Ok(None), Cursor::next)? {
                Some(next) => *head = Reverse((next, run)),
                None => _ = PeekMut::pop(head),
            }
        }
        group.flush(each)
    }

    fn write(&mut self, rows: &[Row]) -> Result<(), IndexError> {
        let path = self.own.path().join(format!("run-{}", self.runs.len()));
        let mut starts = Vec::with_capacity(FIRST_BYTES.saturating_add(1));
        for first in 0..=FIRST_BYTES {
            starts.push(u64::try_from(rows_below(rows, first)).unwrap_or(u64::MAX));
        }
        let write = || -> io::Result<File> {
            let file = File::options().read(true).write(true).create_new(true).open(&path)?;
            let mut out = BufWriter::with_capacity(WRITE_BYTES, &file);
            for row in rows {
                out.write_all(&encode(row))?;
            }
            out.flush()?;
            drop(out);
            Ok(file)
        };
        let file = write().map_err(|error| failed("writing", &path, &error))?;
        self.runs.push(Run { file, path, starts });
        Ok(())
    }
}

/// Calls `each` with every id of sorted rows, in order, and its extents, each once.
fn grouped(rows: &[Row], each: &mut EachId<'_>) -> Result<(), IndexError> {
    let mut group = Group::default();
    rows.iter().try_for_each(|row| group.add(row, each))?;
    group.flush(each)
}

/// The extents of one id as its rows pass by.
#[derive(Default)]
struct Group {
    id: Option<ChunkId>,
    extents: Vec<Extent>,
}

impl Group {
    fn add(&mut self, row: &Row, each: &mut EachId<'_>) -> Result<(), IndexError> {
        if self.id != Some(row.id) {
            self.flush(each)?;
            self.id = Some(row.id);
        }
        // A pack that two segments list gives the same row twice, one after the other.
        if self.extents.last() != Some(&row.extent) {
            self.extents.push(row.extent);
        }
        Ok(())
    }

    fn flush(&mut self, each: &mut EachId<'_>) -> Result<(), IndexError> {
        if let Some(id) = self.id.take() {
            each(&id, &self.extents)?;
            self.extents.clear();
        }
        Ok(())
    }
}

/// Reads a part of a run, some rows at a time.
struct Cursor<'a> {
    run: &'a Run,
    rows: Range<u64>,
    /// From which byte on the file still has what was read.
    kept: u64,
    buffer: Vec<u8>,
    /// Where the next row begins in the buffer.
    at: usize,
    read_rows: usize,
}

impl<'a> Cursor<'a> {
    fn new(run: &'a Run, first_bytes: &Range<usize>, read_rows: usize) -> Self {
        let start = |first: usize| run.starts.get(first).copied().unwrap_or(0);
        let rows = start(first_bytes.start)..start(first_bytes.end);
        // The block at the border has rows of somebody else.
        let kept = offset(rows.start).next_multiple_of(BLOCK_BYTES);
        Self { run, rows, kept, buffer: Vec::new(), at: 0, read_rows }
    }

    fn next(&mut self) -> Result<Option<Row>, IndexError> {
        if self.at >= self.buffer.len() && !self.fill()? {
            return Ok(None);
        }
        let end = self.at.saturating_add(ROW_BYTES);
        let row = self.buffer.get(self.at..end).and_then(|bytes| bytes.try_into().ok()).map(decode);
        self.at = end;
        Ok(row)
    }

    /// Reads on; false at the end.
    fn fill(&mut self) -> Result<bool, IndexError> {
        let left = self.rows.end.saturating_sub(self.rows.start);
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(self.read_rows);
        self.buffer.resize(count.saturating_mul(ROW_BYTES), 0);
        self.at = 0;
        let read = self.run.file.read_exact_at(&mut self.buffer, offset(self.rows.start));
        read.map_err(|error| failed("reading", &self.run.path, &error))?;
        self.rows.start = self.rows.start.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        self.give_back();
        Ok(count > 0)
    }

    fn give_back(&mut self) {
        let read = offset(self.rows.start) / BLOCK_BYTES * BLOCK_BYTES;
        let bytes = read.saturating_sub(self.kept);
        if bytes >= GIVEN_BACK_BYTES {
            let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            // Where files can't have holes they need their room for a while longer.
            let _ = rustix::fs::fallocate(&self.run.file, hole, self.kept, bytes);
            self.kept = read;
        }
    }
}

/// Where a row begins in a run.
fn offset(row: u64) -> u64 {
    row.saturating_mul(u64::try_from(ROW_BYTES).unwrap_or(u64::MAX))
}

fn encode(row: &Row) -> [u8; ROW_BYTES] {
    let Extent { pack, frame, frame_offset, frame_bytes, chunk_offset, chunk_bytes } = row.extent;
    let mut out = [0; ROW_BYTES];
    let (id, numbers) = out.split_at_mut(ChunkId::LEN);
    id.copy_from_slice(row.id.as_bytes());
    let fields = [pack.0, frame, frame_offset, frame_bytes, chunk_offset, chunk_bytes];
    for (to, field) in numbers.as_chunks_mut::<4>().0.iter_mut().zip(fields) {
        *to = field.to_le_bytes();
    }
    out
}

fn decode(bytes: &[u8; ROW_BYTES]) -> Row {
    let (id, numbers) = bytes.split_first_chunk::<{ ChunkId::LEN }>().expect("a row begins with an id");
    let mut fields = [0; 6];
    for (to, field) in fields.iter_mut().zip(numbers.as_chunks::<4>().0) {
        *to = u32::from_le_bytes(*field);
    }
    let [pack, frame, frame_offset, frame_bytes, chunk_offset, chunk_bytes] = fields;
    let pack = PackOrdinal(pack);
    let extent = Extent { pack, frame, frame_offset, frame_bytes, chunk_offset, chunk_bytes };
    Row { id: ChunkId::from_bytes(*id), extent }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn row(id: u8, pack: u32) -> Row {
        let extent = Extent {
            pack: PackOrdinal(pack),
            frame: 1,
            frame_offset: 2,
            frame_bytes: 3,
            chunk_offset: 4,
            chunk_bytes: 5,
        };
        Row { id: ChunkId::from_bytes([id; 32]), extent }
    }

    proptest! {
        #[test]
        fn rows_come_back_in_order_and_once_whatever_fits_into_memory(
            numbers in prop::collection::vec((any::<u8>(), 0u32..4), 0..600), rows_max in 1usize..300, cut in 0usize..257,
        ) {
            let mut expected: BTreeMap<ChunkId, BTreeSet<Extent>> = BTreeMap::new();
            let place = tempfile::tempdir().unwrap();
            let mut sorter = Sorter::new(place.path(), rows_max * size_of::<Row>());
            for (id, pack) in &numbers {
                let row = row(*id, *pack);
                expected.entry(row.id).or_default().insert(row.extent);
                sorter.push(row).unwrap();
            }
            let mut found = Vec::new();
            let mut each = |id: &ChunkId, extents: &[Extent]| {
                found.push((*id, extents.to_vec()));
                Ok(())
            };
            let sorted = sorter.finish().unwrap();
            sorted.merge(0..cut, 2, &mut each).unwrap();
            sorted.merge(cut..FIRST_BYTES, 2, &mut each).unwrap();
            drop(sorted);
            let expected: Vec<_> = expected.into_iter().map(|(id, all)| (id, all.into_iter().collect())).collect();
            prop_assert_eq!(found, expected);
            prop_assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
        }

        #[test]
        fn a_row_reads_back(id: [u8; 32], fields: [u32; 6]) {
            let [pack, frame, frame_offset, frame_bytes, chunk_offset, chunk_bytes] = fields;
            let pack = PackOrdinal(pack);
            let extent = Extent { pack, frame, frame_offset, frame_bytes, chunk_offset, chunk_bytes };
            let row = Row { id: ChunkId::from_bytes(id), extent };
            prop_assert_eq!(decode(&encode(&row)), row);
        }
    }
}

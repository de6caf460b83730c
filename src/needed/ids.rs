//! Counting ids that may be too many for memory: sorted runs, joined once at the end.

use crate::error::Result;
use crate::id::ChunkId;
use crate::needed::spill::{Counted, SpillFile};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::{Path, PathBuf};

/// How many ids are read at once from a run, and how many share a fence.
const BLOCK_IDS: usize = 128;
/// How many blocks are read at once when ids are read in order: enough for several threads.
const PIECE_BLOCKS: usize = 256;
/// How many ids that is, in 1.3 MB.
pub(super) const PIECE_IDS: usize = BLOCK_IDS * PIECE_BLOCKS;

/// Takes ids in any order, and counts how often each comes.
pub(super) struct IdSorter {
    buffer: Vec<Counted>,
    buffer_ids_max: usize,
    directory: PathBuf,
    runs: Option<Runs>,
}

/// Sorted runs, one after the other.
struct Runs {
    file: SpillFile,
    /// Where each run ends, counted in ids.
    ends: Vec<u64>,
}

impl IdSorter {
    /// Holds up to about `memory_bytes` in memory, and what is more in a file in `directory`.
    pub(super) fn new(directory: &Path, memory_bytes: usize) -> Self {
        let buffer_ids_max = (memory_bytes / size_of::<Counted>()).max(BLOCK_IDS);
        Self { buffer: Vec::new(), buffer_ids_max, directory: directory.to_owned(), runs: None }
    }

    /// Adds ids.
    pub(super) fn add(&mut self, ids: &[ChunkId]) -> Result<()> {
        for piece in ids.chunks(self.buffer_ids_max) {
            if self.buffer.len().saturating_add(piece.len()) > self.buffer_ids_max {
                self.make_room()?;
            }
            self.buffer.extend(piece.iter().map(|id| (*id, 1)));
        }
        Ok(())
    }

    /// Sums up what is repeated; if that is less than half, what is left becomes a run.
    fn make_room(&mut self) -> Result<()> {
        self.sum_up();
        if self.buffer.len() > self.buffer_ids_max / 2 { self.write_run() } else { Ok(()) }
    }

    fn sum_up(&mut self) {
        self.buffer.sort_unstable();
        self.buffer.dedup_by(|(id, count), (kept, sum)| {
            let same = id == kept;
            if same {
                *sum = sum.saturating_add(*count);
            }
            same
        });
    }

    fn write_run(&mut self) -> Result<()> {
        let runs = match &mut self.runs {
            Some(runs) => runs,
            None => self.runs.insert(Runs { file: SpillFile::create(&self.directory)?, ends: Vec::new() }),
        };
        self.buffer.iter().try_for_each(|counted| runs.file.push(counted))?;
        runs.ends.push(runs.file.count());
        self.buffer.clear();
        Ok(())
    }

    /// Joins everything.
    pub(super) fn finish(mut self) -> Result<SortedIds> {
        self.sum_up();
        if self.runs.is_none() {
            self.buffer.shrink_to_fit();
            return Ok(SortedIds::Memory(self.buffer));
        }
        if !self.buffer.is_empty() {
            self.write_run()?;
        }
        // The buffers of the runs take its place.
        self.buffer = Vec::new();
        let Some(mut runs) = self.runs.take() else { return Ok(SortedIds::Memory(Vec::new())) };
        runs.file.flush()?;
        join(&runs, &self.directory).map(SortedIds::File)
    }
}

/// Reads one run in order.
struct Run {
    next: u64,
    end: u64,
    /// Read and not yet given out, the next one last.
    block: Vec<Counted>,
}

impl Run {
    fn next(&mut self, file: &SpillFile) -> Result<Option<Counted>> {
        if self.block.is_empty() && self.next < self.end {
            let count = usize::try_from(self.end.saturating_sub(self.next)).unwrap_or(usize::MAX).min(BLOCK_IDS);
            file.read(self.next, count, &mut self.block)?;
            self.block.reverse();
            self.next = self.next.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        }
        Ok(self.block.pop())
    }
}

fn join(runs: &Runs, directory: &Path) -> Result<IdFile> {
    let starts = std::iter::once(0).chain(runs.ends.iter().copied());
    let mut open: Vec<Run> =
        starts.zip(&runs.ends).map(|(next, end)| Run { next, end: *end, block: Vec::new() }).collect();
    let mut heads = BinaryHeap::with_capacity(open.len());
    for (number, run) in open.iter_mut().enumerate() {
        heads.extend(run.next(&runs.file)?.map(|counted| Reverse((counted, number))));
    }
    let mut joined = IdFile { file: SpillFile::create(directory)?, fences: Vec::new() };
    let mut last: Option<Counted> = None;
    while let Some(Reverse(((id, count), number))) = heads.pop() {
        match &mut last {
            Some((same, sum)) if *same == id => *sum = sum.saturating_add(count),
            other => {
                let done = other.replace((id, count));
                done.map_or(Ok(()), |done| joined.push(&done))?;
            }
        }
        let next = open.get_mut(number).map(|run| run.next(&runs.file)).transpose()?.flatten();
        heads.extend(next.map(|counted| Reverse((counted, number))));
    }
    last.map_or(Ok(()), |done| joined.push(&done))?;
    joined.file.flush()?;
    Ok(joined)
}

/// Distinct ids in order, each with how often it came.
pub(super) enum SortedIds {
    Memory(Vec<Counted>),
    File(IdFile),
}

/// The same in a file.
pub(super) struct IdFile {
    file: SpillFile,
    /// What each block of [`BLOCK_IDS`] begins with.
    fences: Vec<u64>,
}

impl SortedIds {
    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        match self {
            Self::Memory(ids) => u64::try_from(ids.len()).unwrap_or(u64::MAX),
            Self::File(ids) => ids.file.count(),
        }
    }

    /// Gives all ids out in order, in pieces.
    pub(super) fn for_each_piece(&self, each: &mut dyn FnMut(&[Counted]) -> Result<()>) -> Result<()> {
        match self {
            Self::Memory(ids) => ids.chunks(PIECE_IDS).try_for_each(each),
            Self::File(ids) => ids.for_each_piece(each),
        }
    }

    /// Answers for each id how often it came; `counts` is cleared first.
    pub(super) fn count_of(&self, ids: &[ChunkId], counts: &mut Vec<u64>) -> Result<()> {
        counts.clear();
        match self {
            Self::Memory(known) => {
                let mut ahead = Ahead { known, place: 0 };
                counts.extend(ids.iter().map(|id| ahead.count_of(id)));
            }
            Self::File(known) => {
                counts.resize(ids.len(), 0);
                // In order, those of a block come one after the other.
                let mut order: Vec<(&ChunkId, &mut u64)> = ids.iter().zip(counts).collect();
                order.sort_unstable_by_key(|(id, _)| *id);
                let mut held = HeldBlock::default();
                for (id, count) in order {
                    *count = known.count_of(id, &mut held)?;
                }
            }
        }
        Ok(())
    }
}

impl IdFile {
    fn push(&mut self, counted: &Counted) -> Result<()> {
        if self.file.count().is_multiple_of(u64::try_from(BLOCK_IDS).unwrap_or(u64::MAX)) {
            self.fences.push(fence(&counted.0));
        }
        self.file.push(counted)
    }

    fn for_each_piece(&self, each: &mut dyn FnMut(&[Counted]) -> Result<()>) -> Result<()> {
        let (mut start, mut piece) = (0, Vec::new());
        while start < self.file.count() {
            self.read(start, PIECE_IDS, &mut piece)?;
            each(&piece)?;
            start = start.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        }
        Ok(())
    }

    fn count_of(&self, id: &ChunkId, held: &mut HeldBlock) -> Result<u64> {
        let wanted = fence(id);
        // The last block that begins before the fence, and those that begin with it.
        let first = self.fences.partition_point(|fence| *fence < wanted).saturating_sub(1);
        let end = self.fences.partition_point(|fence| *fence <= wanted);
        for number in first..end {
            if held.number != Some(number) {
                let start = u64::try_from(number.saturating_mul(BLOCK_IDS)).unwrap_or(u64::MAX);
                held.number = None;
                self.read(start, BLOCK_IDS, &mut held.ids)?;
                held.number = Some(number);
            }
            let count = count_in(&held.ids, id);
            if count > 0 {
                return Ok(count);
            }
        }
        Ok(0)
    }

    fn read(&self, start: u64, count_max: usize, ids: &mut Vec<Counted>) -> Result<()> {
        let left = usize::try_from(self.file.count().saturating_sub(start)).unwrap_or(usize::MAX);
        self.file.read(start, left.min(count_max), ids)
    }
}

/// Looks for ids that mostly come in order, each near behind the one before.
struct Ahead<'k> {
    known: &'k [Counted],
    /// Where the last one was found, or would stand.
    place: usize,
}

impl Ahead<'_> {
    fn count_of(&mut self, id: &ChunkId) -> u64 {
        let is_before = |place: usize| self.known.get(place).is_some_and(|(known, _)| known < id);
        let start = if is_before(self.place) { self.place } else { 0 };
        // In steps that double, then between the last two.
        let mut step = 1usize;
        while is_before(start.saturating_add(step)) {
            step = step.saturating_mul(2);
        }
        let from = start.saturating_add(step / 2).min(self.known.len());
        let to = start.saturating_add(step).saturating_add(1).min(self.known.len());
        let between = self.known.get(from..to).unwrap_or_default();
        self.place = from.saturating_add(between.partition_point(|(known, _)| known < id));
        self.known.get(self.place).filter(|(known, _)| known == id).map_or(0, |(_, count)| *count)
    }
}

/// The block that was read last.
#[derive(Default)]
struct HeldBlock {
    number: Option<usize>,
    ids: Vec<Counted>,
}

/// How often an id came; no id that is there came never.
fn count_in(sorted: &[Counted], id: &ChunkId) -> u64 {
    let found = sorted.binary_search_by_key(id, |(id, _)| *id).ok();
    found.and_then(|place| sorted.get(place)).map_or(0, |(_, count)| *count)
}

/// The first eight bytes of an id, as a number of the same order.
fn fence(id: &ChunkId) -> u64 {
    id.as_bytes().first_chunk().map_or(0, |head| u64::from_be_bytes(*head))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// Ids with few different beginnings, so that blocks begin alike.
    fn id(number: u16) -> ChunkId {
        let mut bytes = [0; 32];
        bytes[7] = u8::try_from(number % 3).unwrap();
        bytes[8..10].copy_from_slice(&number.to_be_bytes());
        ChunkId::from_bytes(bytes)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn ids_are_joined_and_found_whatever_memory_there_is(
            numbers in prop::collection::vec(0u16..3000, 0..2500),
            memory_bytes in prop::sample::select(vec![0usize, 8 << 10, 1 << 20]),
        ) {
            let place = tempfile::tempdir().unwrap();
            let mut sorter = IdSorter::new(&place.path().join("cache"), memory_bytes);
            let ids: Vec<ChunkId> = numbers.iter().map(|number| id(*number)).collect();
            ids.chunks(300).for_each(|piece| sorter.add(piece).unwrap());
            let sorted = sorter.finish().unwrap();
            let mut expected = BTreeMap::<ChunkId, u64>::new();
            ids.iter().for_each(|id| *expected.entry(*id).or_default() += 1);
            let mut all = Vec::new();
            sorted.for_each_piece(&mut |piece| { all.extend_from_slice(piece); Ok(()) }).unwrap();
            prop_assert_eq!(&all, &expected.iter().map(|(id, count)| (*id, *count)).collect::<Vec<_>>());
            prop_assert_eq!(sorted.count(), u64::try_from(all.len()).unwrap());
            let asked: Vec<ChunkId> = (0..3100).map(id).collect();
            let mut found = Vec::new();
            sorted.count_of(&asked, &mut found).unwrap();
            let right: Vec<u64> = asked.iter().map(|id| expected.get(id).copied().unwrap_or(0)).collect();
            prop_assert_eq!(found, right);
            let left = std::fs::read_dir(place.path().join("cache")).map_or(0, Iterator::count);
            prop_assert_eq!(left, 0, "no file has a name");
        }
    }
}

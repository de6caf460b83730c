//! The rows of packs, and what is asked of their chunks. Ids are hashes, so the chunks of any pack lie all over the tables of
//! the view: asked pack by pack, every pack reads the whole of a table that the cache does not hold. So many packs are
//! asked about together, in the order of the ids.

use crate::access::Access;
use crate::error::Result;
use crate::id::{ChunkId, PackId, SegmentId};
use crate::index::Extent;
use crate::prune::marks::Marks;
use crate::prune::survey::{Known, Survey};
use crate::segment::{PackRow, SegmentReader};
use crate::session::read_segment;
use std::collections::BTreeSet;

/// How much of the memory that an operation may use is there for each chunk of a group: some 150 bytes are for the group.
const MEMORY_BYTES_PER_CHUNK: u64 = 512;

/// One pack's row, and what was found of its chunks.
pub(super) struct Needs<'r> {
    pub(super) row: &'r PackRow,
    pub(super) known: &'r Known,
    /// Whether each chunk is needed.
    pub(super) flags: &'r [bool],
    /// Where a look-up finds each chunk that is needed; none for others.
    pub(super) found: &'r [Option<Extent>],
}

impl Needs<'_> {
    /// The chunks that are needed, and where a look-up finds them.
    pub(super) fn needed(&self) -> impl Iterator<Item = (ChunkId, Option<Extent>)> {
        let all = self.row.ids().iter().zip(self.flags).zip(self.found);
        all.filter(|((_, is_needed), _)| **is_needed).map(|((id, _), found)| (*id, *found))
    }
}

/// Visits some packs, each once, in groups, as the segments list them.
///
/// # Errors
/// When a segment or the index can't be read, and those of `each`.
pub(super) fn for_each_group(
    access: &Access,
    survey: &Survey,
    marks: &Marks,
    packs: &BTreeSet<PackId>,
    each: &mut dyn FnMut(&[Needs<'_>]) -> Result<()>,
) -> Result<()> {
    let chunks_max = usize::try_from(access.memory_bytes / MEMORY_BYTES_PER_CHUNK).unwrap_or(usize::MAX);
    let mut group = Group::default();
    let known = packs.iter().filter_map(|id| Some((id, survey.packs.get(id)?)));
    let segments: BTreeSet<SegmentId> = known.map(|(_, known)| known.segment).collect();
    for segment in segments {
        let body = read_segment(access, segment)?;
        for row in SegmentReader::parse(segment, &body)?.packs() {
            let pack = row.facts().pack;
            let known = survey.packs.get(&pack).filter(|known| known.segment == segment && packs.contains(&pack));
            if let Some(known) = known {
                group.push(row, known);
            }
            if group.ids.len() >= chunks_max {
                std::mem::take(&mut group).ask(access, marks, each)?;
            }
        }
    }
    group.ask(access, marks, each)
}

/// Rows that are asked about together.
#[derive(Default)]
struct Group<'s> {
    rows: Vec<(PackRow, &'s Known)>,
    /// Of all of them, in turn.
    ids: Vec<ChunkId>,
}

impl<'s> Group<'s> {
    fn push(&mut self, row: PackRow, known: &'s Known) {
        self.ids.extend_from_slice(row.ids());
        self.rows.push((row, known));
    }

    fn ask(self, access: &Access, marks: &Marks, each: &mut dyn FnMut(&[Needs<'_>]) -> Result<()>) -> Result<()> {
        let Self { rows, ids } = self;
        let mut flags = Vec::new();
        marks.answer(&ids, &mut flags)?;
        let needed: Vec<ChunkId> = ids.iter().zip(&flags).filter(|(_, is)| **is).map(|(id, _)| *id).collect();
        drop(ids);
        let mut found_needed = Vec::new();
        access.index.lookup(&needed, &mut found_needed)?;
        drop(needed);
        let mut in_turn = found_needed.into_iter();
        let found = flags.iter().map(|is_needed| if *is_needed { in_turn.next().flatten() } else { None });
        let found: Vec<Option<Extent>> = found.collect();
        let (mut flags, mut found) = (flags.as_slice(), found.as_slice());
        let mut needs = Vec::with_capacity(rows.len());
        for (row, known) in &rows {
            let count = row.ids().len();
            let (own_flags, other_flags) = flags.split_at(count);
            let (own_found, other_found) = found.split_at(count);
            (flags, found) = (other_flags, other_found);
            needs.push(Needs { row, known, flags: own_flags, found: own_found });
        }
        each(&needs)
    }
}

//! The rows of packs, and what is asked of their chunks. Ids are hashes, so the chunks of any pack lie all over the tables of
//! the view: asked pack by pack, every pack reads the whole of a table that the cache does not hold. So many packs are
//! asked about together, in the order of the ids.

use crate::access::Access;
use crate::error::Result;
use crate::id::{ChunkId, PackId, SegmentId};
use crate::index::{Extent, in_parts};
use crate::prune::marks::Marks;
use crate::prune::survey::{Known, Survey};
use crate::segment::{PackRow, SegmentReader};
use crate::session::read_segment;
use std::collections::BTreeSet;

/// How much of the memory that an operation may use is there for each chunk of a group: some 150 bytes are for the group.
const MEMORY_BYTES_PER_CHUNK: u64 = 1024;

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

/// Whether to look for copies of what is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Copies {
    /// The index is asked.
    Sought,
    /// It would find none.
    None,
}

/// The packs of which nothing that is needed has a copy elsewhere, which are most, and the others. For the first no copies
/// need be sought: each look-up may read a block of the view.
///
/// # Errors
/// When what was counted can't be read.
pub(super) fn by_copies(
    survey: &Survey,
    marks: &Marks,
    packs: &BTreeSet<PackId>,
) -> Result<[(BTreeSet<PackId>, Copies); 2]> {
    let (mut alone, mut others) = (BTreeSet::new(), BTreeSet::new());
    for pack in packs {
        let used = survey.packs.get(pack).map(|known| marks.pack_use(known.ordinal)).transpose()?;
        let part = if used.flatten().is_some() { &mut alone } else { &mut others };
        part.insert(*pack);
    }
    Ok([(alone, Copies::None), (others, Copies::Sought)])
}

/// Visits some packs, each once, in groups, as the segments list them.
///
/// # Errors
/// When a segment or the index can't be read, and those of `each`.
pub(super) fn for_each_group(
    access: &Access,
    survey: &Survey,
    marks: &Marks,
    (packs, copies): (&BTreeSet<PackId>, Copies),
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
                std::mem::take(&mut group).ask(access, (marks, copies), each)?;
            }
        }
    }
    group.ask(access, (marks, copies), each)
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

    fn ask(
        self,
        access: &Access,
        asked: (&Marks, Copies),
        each: &mut dyn FnMut(&[Needs<'_>]) -> Result<()>,
    ) -> Result<()> {
        let Self { rows, ids } = self;
        let (mut flags, mut found) = (vec![false; ids.len()], vec![None; ids.len()]);
        let mut order: Vec<(ChunkId, usize)> = ids.into_iter().zip(0..).collect();
        order.sort_unstable();
        for looked in in_parts(&order, access.threads, |part| look_up(access, asked, part))? {
            let Looked { part, needed, places } = looked?;
            let mut places = places.into_iter();
            for ((_, at), _) in part.iter().zip(needed).filter(|(_, is_needed)| *is_needed) {
                flags.get_mut(*at).into_iter().for_each(|flag| *flag = true);
                let place = places.next().flatten();
                found.get_mut(*at).into_iter().for_each(|known| *known = place);
            }
        }
        drop(order);
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

/// Whether each chunk of a part is needed, and where those are found that are.
struct Looked<'o> {
    part: &'o [(ChunkId, usize)],
    needed: Vec<bool>,
    places: Vec<Option<Extent>>,
}

fn look_up<'o>(access: &Access, (marks, copies): (&Marks, Copies), part: &'o [(ChunkId, usize)]) -> Result<Looked<'o>> {
    let ids: Vec<ChunkId> = part.iter().map(|(id, _)| *id).collect();
    let (mut flags, mut places) = (Vec::new(), Vec::new());
    marks.answer(&ids, &mut flags)?;
    let needed: Vec<ChunkId> = ids.iter().zip(&flags).filter(|(_, is)| **is).map(|(id, _)| *id).collect();
    match copies {
        Copies::Sought => access.index.lookup(&needed, &mut places)?,
        Copies::None => places.resize(needed.len(), None),
    }
    Ok(Looked { part, needed: flags, places })
}

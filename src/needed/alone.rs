//! What some roots need and no others do.
//!
//! The roots are taken away from the counts of all in thought: what they named is named so many times less, a node that
//! nobody else names is read, and what it named is named less, and so on down. Where others name a node too, nothing below
//! it is looked at. So the cost follows what the roots have and the others have not.

use crate::access::Access;
use crate::content::ContentReader;
use crate::error::Result;
use crate::id::{ChunkId, NodeId};
use crate::index::Scratch;
use crate::needed::ids::IdSorter;
use crate::needed::mark::Mark;
use crate::needed::nodes::descend;
use crate::needed::references::References;
use crate::needed::spill::Counted;
use crate::needed::{Needed, Roots};
use crate::progress::Progress;

/// How many counts are asked for at a time.
const STEP_COUNTS: usize = 4096;

/// Finds what nothing would need any more without `roots`, which are among those that `all` was found for. Memory: as a
/// mark's.
///
/// # Errors
/// [`crate::error::ErrorKind::Damaged`] when something that only they need is missing or can't be read, or the caller stops.
pub fn alone(access: &Access, all: &dyn Needed, roots: &Roots, progress: &dyn Progress) -> Result<Mark> {
    let memory_bytes = usize::try_from(access.memory_bytes).unwrap_or(usize::MAX);
    let found = IdSorter::new(&access.cache_dir, memory_bytes / 4);
    let mut taking = Taking { all, met: access.scratch(), found };
    let (reader, roots) = (ContentReader::new(access.clone()), roots.nodes.keys().copied().collect::<Vec<_>>());
    descend(&reader, &roots, progress, &mut |named| taking.take_away(named))?;
    Mark::of(access, taking.found.finish()?, progress)
}

/// What was taken away so far.
struct Taking<'a> {
    all: &'a dyn Needed,
    /// How often what others seem to name as well was named so far.
    met: Box<dyn Scratch>,
    found: IdSorter,
}

impl Taking<'_> {
    /// Takes away what is named, and gives the nodes that nobody names any more.
    fn take_away(&mut self, named: References) -> Result<Vec<NodeId>> {
        let (named, nodes) = named.counted();
        let mut free_nodes = Vec::new();
        for step in named.chunks(STEP_COUNTS) {
            let free = self.free(step)?;
            let of_nodes = free.iter().filter(|id| nodes.contains(*id));
            free_nodes.extend(of_nodes.map(|id| NodeId::from_bytes(*id.as_bytes())));
            self.found.add(&free)?;
        }
        Ok(free_nodes)
    }

    /// Those that were named for the last time now.
    fn free(&mut self, named: &[Counted]) -> Result<Vec<ChunkId>> {
        let ids: Vec<ChunkId> = named.iter().map(|(id, _)| *id).collect();
        let (mut counts, mut free) = (Vec::with_capacity(ids.len()), Vec::new());
        self.all.count(&ids, &mut counts)?;
        for ((id, times), all) in named.iter().zip(counts) {
            let times = times.saturating_add(if *times < all { self.met_before(id)? } else { 0 });
            if times >= all {
                free.push(*id);
            } else {
                self.met.put(id.as_bytes(), &times.to_le_bytes())?;
            }
        }
        Ok(free)
    }

    fn met_before(&self, id: &ChunkId) -> Result<u64> {
        let row = self.met.get(id.as_bytes())?;
        Ok(row.and_then(|row| row.try_into().ok()).map_or(0, u64::from_le_bytes))
    }
}

//! The full mark: everything that some roots reach, found by reading every node once.

use crate::access::Access;
use crate::content::ContentReader;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{ChunkId, NodeId, SnapshotId};
use crate::index::PackOrdinal;
use crate::needed::ids::{IdSorter, SortedIds};
use crate::needed::seen::Seen;
use crate::needed::spill::Counted;
use crate::needed::tally::{Tally, tally};
use crate::needed::walk::Walk;
use crate::needed::{Needed, PackUse, Roots};
use crate::progress::{Progress, Silent};
use std::collections::BTreeSet;

/// What a full mark found.
pub struct Mark {
    ids: SortedIds,
    packs: Tally,
}

impl Mark {
    /// Looks up where everything lies that was found.
    pub(super) fn of(access: &Access, ids: SortedIds, progress: &dyn Progress) -> Result<Self> {
        let packs = tally(access, &ids, progress)?;
        Ok(Self { ids, packs })
    }

    /// Gives every needed id in order, in pieces, with how many distinct nodes and roots name it.
    pub(super) fn for_each_count(&self, each: &mut dyn FnMut(&[Counted]) -> Result<()>) -> Result<()> {
        self.ids.for_each_piece(each)
    }
}

impl Needed for Mark {
    fn count(&self, ids: &[ChunkId], counts: &mut Vec<u64>) -> Result<()> {
        self.ids.count_of(ids, counts)
    }

    fn for_each_id(&self, each: &mut dyn FnMut(&[ChunkId]) -> Result<()>) -> Result<()> {
        let mut ids = Vec::new();
        self.ids.for_each_piece(&mut |piece| {
            ids.clear();
            ids.extend(piece.iter().map(|(id, _)| *id));
            each(&ids)
        })
    }

    /// Exactly how many distinct chunks and nodes are needed.
    fn id_count(&self) -> u64 {
        self.ids.count()
    }

    fn pack_use(&self, pack: PackOrdinal) -> Result<Option<PackUse>> {
        Ok(Some(self.packs.get(&pack).copied().unwrap_or_default()))
    }

    fn measured_bytes(&self, _: PackOrdinal) -> Option<u64> {
        None
    }

    fn keep_measured(&self, _: &[(PackOrdinal, u64)]) {}
}

/// Finds everything that is needed. Time: every distinct node is read once. Memory: half of what the operation may use,
/// whatever the number of snapshots and chunks; above that, files in the cache directory of about 80 bytes a
/// chunk.
///
/// # Errors
/// [`ErrorKind::Damaged`] when something that is needed is missing or can't be read; the message names a snapshot that
/// needs it.
pub fn mark(access: &Access, roots: &Roots, progress: &dyn Progress) -> Result<Mark> {
    let nodes: Vec<NodeId> = roots.nodes.keys().copied().collect();
    match mark_nodes(access, nodes, progress) {
        Err(error) if error.kind() == ErrorKind::Damaged => Err(blame(access, roots, error)),
        other => other,
    }
}

fn mark_nodes(access: &Access, nodes: Vec<NodeId>, progress: &dyn Progress) -> Result<Mark> {
    let memory_bytes = usize::try_from(access.memory_bytes).unwrap_or(usize::MAX);
    let reader = ContentReader::new(access.clone());
    let seen = Seen::new(access, memory_bytes / 8);
    let sorter = IdSorter::new(&access.cache_dir, memory_bytes / 4);
    let ids = Walk::new(&reader, progress, seen, sorter).run(nodes)?.finish()?;
    Mark::of(access, ids, progress)
}

/// Finds a snapshot that can't be read in full, by marking one after the other.
fn blame(access: &Access, roots: &Roots, error: Error) -> Error {
    let outcomes: BTreeSet<SnapshotId> = roots.nodes.values().copied().collect();
    for outcome in outcomes {
        let own = roots.nodes.iter().filter(|(_, named_by)| **named_by == outcome).map(|(node, _)| *node).collect();
        if let Err(error) = mark_nodes(access, own, &Silent) {
            return error.while_doing(format_args!(
                "nothing is collected while snapshot {outcome} can't be read in full (check says what else is touched; \
                 put back what is lost from a second copy of the store, or forget the snapshot)"
            ));
        }
    }
    error
}

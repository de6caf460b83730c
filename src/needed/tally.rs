//! How much of each pack is needed.

use crate::access::Access;
use crate::error::{Error, ErrorKind, Result};
use crate::id::ChunkId;
use crate::index::{Extent, PackOrdinal};
use crate::needed::PackUse;
use crate::needed::ids::SortedIds;
use crate::progress::Progress;
use std::collections::BTreeMap;

/// How much of each pack is needed, every copy counted.
pub(super) type Tally = BTreeMap<PackOrdinal, PackUse>;

/// Looks every id up, in order. Memory: a hundred bytes a pack.
///
/// # Errors
/// [`ErrorKind::Damaged`] for an id that no committed pack holds.
pub(super) fn tally(access: &Access, ids: &SortedIds, progress: &dyn Progress) -> Result<Tally> {
    let mut tally = Tally::new();
    let mut missing = None;
    ids.for_each_piece(&mut |piece| {
        if progress.stopped() {
            return Err(Error::new(ErrorKind::Interrupted, "stopped as asked; nothing was changed"));
        }
        let piece: Vec<ChunkId> = piece.iter().map(|(id, _)| *id).collect();
        access.index.copies_of_sorted(&piece, &mut |id, copies| {
            if copies.is_empty() {
                missing.get_or_insert(id);
            }
            count(&mut tally, copies);
        })?;
        missing.map_or(Ok(()), |id: ChunkId| {
            Err(Error::new(ErrorKind::Damaged, format!("chunk {id} is in no committed pack")))
        })
    })?;
    Ok(tally)
}

fn count(tally: &mut Tally, copies: &[Extent]) {
    for extent in copies {
        let pack = tally.entry(extent.pack).or_default();
        pack.chunk_count = pack.chunk_count.saturating_add(1);
        pack.raw_bytes = pack.raw_bytes.saturating_add(extent.chunk_bytes.into());
        pack.copied_count = pack.copied_count.saturating_add(u64::from(copies.len() > 1));
    }
}

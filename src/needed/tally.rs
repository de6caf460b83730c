//! How much of each pack is needed.

use crate::access::Access;
use crate::error::{Error, ErrorKind, Result, check_stopped};
use crate::id::ChunkId;
use crate::index::{PackOrdinal, in_parts};
use crate::needed::PackUse;
use crate::needed::ids::SortedIds;
use crate::needed::spill::Counted;
use crate::progress::Progress;
use std::collections::BTreeMap;

/// How much of each pack is needed, every copy counted.
pub(super) type Tally = BTreeMap<PackOrdinal, PackUse>;

/// Looks every id up, in order. Memory: a hundred bytes a pack, and for each thread.
///
/// # Errors
/// [`ErrorKind::Damaged`] for an id that no committed pack holds.
pub(super) fn tally(access: &Access, ids: &SortedIds, progress: &dyn Progress) -> Result<Tally> {
    let mut tally = Tally::new();
    ids.for_each_piece(&mut |piece| {
        check_stopped(progress)?;
        for part in in_parts(piece, access.threads, |part| tally_part(access, part))? {
            part?.iter().for_each(|(pack, used)| tally.entry(*pack).or_default().add(used));
        }
        Ok(())
    })?;
    Ok(tally)
}

fn tally_part(access: &Access, part: &[Counted]) -> Result<Tally> {
    let ids: Vec<ChunkId> = part.iter().map(|(id, _)| *id).collect();
    let (mut tally, mut missing) = (Tally::new(), None);
    access.index.copies_of_sorted(&ids, &mut |id, copies| {
        if copies.is_empty() {
            missing.get_or_insert(id);
        }
        for extent in copies {
            tally.entry(extent.pack).or_default().add(&PackUse::of(extent, copies.len()));
        }
    })?;
    missing.map_or(Ok(tally), |id: ChunkId| {
        Err(Error::new(ErrorKind::Damaged, format!("chunk {id} is in no committed pack")))
    })
}

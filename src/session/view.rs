//! Bringing the view of the index to what the store says is committed.

use crate::access::Access;
use crate::config::{Role, Signer};
use crate::envelope::{self, Kind};
use crate::error::{Error, Result};
use crate::id::{PackId, SegmentId};
use crate::index::{self, IndexError};
use crate::outcome::SegmentRef;
use crate::segment::{Replaced, SegmentReader};
use crate::session::history::{CONTROL_BYTES_MAX, History};
use crate::store::{Folder, Listed, ObjectName, StoreError};
use crate::wire::{self, List};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// How often the store is read again when segments vanish between its listing and their reading: each time somebody has
/// published others in their place.
const ATTEMPTS_MAX: u32 = 5;

/// Applies the segments that committed sessions name and retracts all others; then excludes packs that no hit may come
/// from: condemned ones, and those that only a foreign put key vouches for. Returns the segments that are neither there
/// nor replaced: their packs can't be found until they are rebuilt.
///
/// # Errors
/// When the view can't be written, or a segment is there and can't be read.
pub fn bring_up_to_date(access: &Access, history: &History) -> Result<Vec<SegmentRef>> {
    let mut newer = None;
    let mut attempt = 1;
    loop {
        let now = newer.as_ref().unwrap_or(history);
        let caught = catch_up(access, now);
        let is_last = attempt >= ATTEMPTS_MAX;
        match caught {
            // A segment that is lost stays lost however often one looks.
            Ok(lost) if lost.is_empty() || attempt > 1 || is_last => {
                access.index.exclude(&now.excluded())?;
                access.index.exclude(&unvouched(access)?)?;
                return Ok(lost);
            }
            Err(CatchUp::Vanished(_)) if !is_last => {}
            Err(CatchUp::Vanished(error) | CatchUp::Failed(error)) => return Err(error),
            Ok(_) => {}
        }
        attempt = attempt.saturating_add(1);
        newer = Some(newer.take().unwrap_or_default().reload(access)?);
    }
}

/// Why the view did not catch up.
enum CatchUp {
    /// A segment was listed and is gone.
    Vanished(Error),
    Failed(Error),
}

impl From<Error> for CatchUp {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<StoreError> for CatchUp {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<IndexError> for CatchUp {
    fn from(error: IndexError) -> Self {
        Self::Failed(error.into())
    }
}

fn catch_up(access: &Access, history: &History) -> Result<Vec<SegmentRef>, CatchUp> {
    let present = present_segments(access)?;
    let named = history.segments();
    let committed: BTreeSet<SegmentId> = named.keys().filter(|id| present.contains(id)).copied().collect();
    index::catch_up(access.index.as_ref(), &committed, &mut |id| -> Result<Vec<u8>, CatchUp> {
        let bytes = access.store.read(&ObjectName::Segment(id), CONTROL_BYTES_MAX).map_err(|error| {
            if error.is_not_found() { CatchUp::Vanished(error.into()) } else { CatchUp::Failed(error.into()) }
        })?;
        Ok(open_segment(access, &bytes)?)
    })?;
    let absent: Vec<SegmentRef> = named.into_values().filter(|named| !present.contains(&named.id)).collect();
    if absent.is_empty() {
        return Ok(absent);
    }
    let mut replaced = BTreeMap::new();
    for id in committed {
        match replaced_by(access, id) {
            Ok(list) => replaced.extend(list.into_iter().map(|old| (old.segment, (old.pack_count, old.chunk_count)))),
            Err(error) => return Err(CatchUp::Vanished(error)),
        }
    }
    let stands_in = |lost: &SegmentRef| replaced.get(&lost.id) == Some(&(lost.pack_count, lost.chunk_count));
    Ok(absent.into_iter().filter(|lost| !stands_in(lost)).collect())
}

/// The segments that are in the store.
///
/// # Errors
/// When it can't be listed.
pub fn present_segments(access: &Access) -> Result<BTreeSet<SegmentId>> {
    let mut present = BTreeSet::new();
    access.store.list(Folder::Segments, &mut |listed| {
        if let Listed::Object { name: ObjectName::Segment(id), .. } = listed {
            present.insert(id);
        }
    })?;
    Ok(present)
}

/// What a segment says that it replaces; from the view's notes when they have it.
///
/// # Errors
/// When the segment can't be read.
pub fn replaced_by(access: &Access, id: SegmentId) -> Result<Vec<Replaced>> {
    let key = format!("replaced-by/{id}");
    let kept = access.index.recall(key.as_bytes())?;
    if let Some(list) = kept.and_then(|bytes| wire::decode::<List<Replaced>>(&bytes).ok()) {
        return Ok(list.0);
    }
    let body = read_segment(access, id)?;
    let replaced = SegmentReader::parse(id, &body)?.replaced().to_vec();
    access.index.remember(key.as_bytes(), &wire::encode(&List(replaced.clone())))?;
    Ok(replaced)
}

/// Reads and opens a segment's body.
///
/// # Errors
/// When it is not there, or not what its name says.
pub fn read_segment(access: &Access, id: SegmentId) -> Result<Vec<u8>> {
    open_segment(access, &access.store.read(&ObjectName::Segment(id), CONTROL_BYTES_MAX)?)
}

fn open_segment(access: &Access, bytes: &[u8]) -> Result<Vec<u8>> {
    Ok(envelope::open(Kind::Segment, &access.ring, &access.chain, bytes)?.body.to_vec())
}

/// The packs of foreign put keys: a key that may only write must not decide what others find when they look for their
/// own content. A reader that has re-hashed such a pack vouches for it in a segment of its own.
fn unvouched(access: &Access) -> Result<Vec<PackId>> {
    let own = access.ring.signer();
    let is_foreign_put = |signer: &&Signer| signer.role == Role::Put && signer.key != own;
    let signers = &access.chain.latest().signers.0;
    let foreign: HashSet<_> = signers.iter().filter(is_foreign_put).map(|signer| signer.key).collect();
    let mut packs = Vec::new();
    if !foreign.is_empty() {
        access.index.for_each_pack(&mut |_, entry| {
            if foreign.contains(&entry.signer) {
                packs.push(entry.id);
            }
        })?;
    }
    Ok(packs)
}

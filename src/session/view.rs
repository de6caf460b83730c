//! Bringing the view of the index to what the store says is committed.

use crate::access::Access;
use crate::config::{Role, Signer};
use crate::envelope::{self, Kind};
use crate::error::Result;
use crate::id::{PackId, SegmentId};
use crate::index;
use crate::session::history::{CONTROL_BYTES_MAX, History};
use crate::store::{Folder, Listed, ObjectName};
use std::collections::{BTreeSet, HashSet};

/// Applies the segments that committed sessions name and retracts all others; then excludes packs that no hit may come
/// from: condemned ones, and those that only a foreign put key vouches for.
///
/// A segment that is gone is passed over here: whether another one replaced it is for check to say.
///
/// # Errors
/// When the view can't be written, or a segment is there and can't be read.
pub fn bring_up_to_date(access: &Access, history: &History) -> Result<()> {
    let mut present = BTreeSet::new();
    access.store.list(Folder::Segments, &mut |listed| {
        if let Listed::Object { name: ObjectName::Segment(id), .. } = listed {
            present.insert(id);
        }
    })?;
    let committed: BTreeSet<SegmentId> = history.segments().intersection(&present).copied().collect();
    index::catch_up(access.index.as_ref(), &committed, &mut |id| read_segment(access, id))?;
    access.index.exclude(&history.excluded())?;
    access.index.exclude(&unvouched(access)?)?;
    Ok(())
}

/// Reads and opens a segment's body.
///
/// # Errors
/// When it is not there, or not what its name says.
pub fn read_segment(access: &Access, id: SegmentId) -> Result<Vec<u8>> {
    let bytes = access.store.read(&ObjectName::Segment(id), CONTROL_BYTES_MAX)?;
    let opened = envelope::open(Kind::Segment, &access.ring, &access.chain, &bytes)?;
    Ok(opened.body.to_vec())
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

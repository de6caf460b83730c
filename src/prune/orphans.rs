//! Parity and second copies of what is gone: left by a program that does not know them, or by one that was stopped in between.

use crate::access::Access;
use crate::error::Result;
use crate::store::{Folder, Listed, Mirrored, ObjectName};

/// How many objects are removed at once.
const REMOVED_AT_ONCE: usize = 256;

/// Removes parity whose pack is gone and named by no segment, and second copies of what may be removed and is. What heals
/// an object that nobody removes stays. Costs a listing, a look at the index for each pack's parity, and a look at the store
/// for each second copy. Memory: the names of what is removed.
///
/// # Errors
/// When the store or the index fails.
pub(super) fn remove(access: &Access) -> Result<()> {
    let (mut orphans, mut failure) = (Vec::new(), Ok(()));
    for folder in [Folder::Parity, Folder::Mirror] {
        access.store.list(folder, &mut |listed| {
            if let Listed::Object { name, .. } = listed
                && let Some(first) = removable_first(&name)
                && failure.is_ok()
            {
                match is_orphan_of(access, &first) {
                    Ok(true) => orphans.push(name),
                    Ok(false) => {}
                    Err(error) => failure = Err(error),
                }
            }
        })?;
    }
    failure?;
    for some in orphans.chunks(REMOVED_AT_ONCE) {
        access.store.remove_all(some)?;
    }
    Ok(())
}

/// What an object heals, where that is of a kind that is removed in the course of things.
const fn removable_first(name: &ObjectName) -> Option<ObjectName> {
    match name {
        ObjectName::Parity(pack) => Some(ObjectName::Pack(*pack)),
        ObjectName::Mirror(
            copy @ (Mirrored::Key(_)
            | Mirrored::Segment(_)
            | Mirrored::Verified(..)
            | Mirrored::Condemned(_)
            | Mirrored::Deleted(_)),
        ) => Some(copy.first()),
        ObjectName::Mirror(Mirrored::Config(_) | Mirrored::Outcome(_) | Mirrored::Record(..))
        | ObjectName::Config(_)
        | ObjectName::Key(_)
        | ObjectName::Pack(_)
        | ObjectName::Segment(_)
        | ObjectName::Session(_)
        | ObjectName::Heartbeat(..)
        | ObjectName::Outcome(_)
        | ObjectName::Record(..)
        | ObjectName::Verified(..)
        | ObjectName::Condemned { .. }
        | ObjectName::Deleted { .. } => None,
    }
}

/// The index is asked first: it knows nearly all packs, and a look at the store for each would make every prune pay for the
/// whole repository.
fn is_orphan_of(access: &Access, first: &ObjectName) -> Result<bool> {
    Ok(!is_listed(access, first)? && !access.store.exists(first)?)
}

/// Whether a segment names a pack. If that is gone it may be put back from elsewhere.
fn is_listed(access: &Access, name: &ObjectName) -> Result<bool> {
    let ObjectName::Pack(pack) = name else { return Ok(false) };
    Ok(access.index.find_pack(pack)?.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::testing::Keys;
    use crate::config::Parameters;
    use crate::id::{ClientId, ObjectHash, PackId, SegmentId, SessionId};
    use crate::store::{MemoryStore, Store};
    use std::sync::Arc;

    #[test]
    fn what_heals_nothing_any_more_goes_and_everything_else_stays() {
        let directory = tempfile::tempdir().unwrap();
        let store = MemoryStore::new();
        let access = Keys::new(Parameters::default()).open(Arc::new(store.clone()), directory.path());
        let pack = |byte| ObjectName::Pack(PackId::from_bytes([byte; 32]));
        let parity = |byte| ObjectName::Parity(PackId::from_bytes([byte; 32]));
        let outcome = ObjectName::Outcome(SessionId { client: ClientId::from_bytes([1; 16]), number: 9 });
        let segment = |byte| ObjectName::Segment(SegmentId::from_bytes([byte; 32]));
        let slot = ObjectName::Key(ObjectHash::from_bytes([1; 32]));
        let kept = [pack(1), parity(1), segment(1), segment(1).mirror().unwrap(), outcome.mirror().unwrap()];
        let orphans = [parity(2), segment(2).mirror().unwrap(), slot.mirror().unwrap()];
        for name in kept.iter().chain(&orphans) {
            store.overwrite(*name, b"x");
        }
        remove(&access).unwrap();
        assert!(kept.iter().all(|name| store.open(name).is_ok()));
        assert!(orphans.iter().all(|name| store.open(name).is_err()));
    }
}

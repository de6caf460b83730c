//! Which of the objects that only the mirror has may go from it. That the source does not have one says nothing alone:
//! it was deleted, or it was lost and the mirror's is the last one.

use super::inventory::Inventory;
use super::removal::MirrorKeyRemoval;
use crate::access::Access;
use crate::config::OPEN;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{ObjectHash, PackId};
use crate::key::{SLOT_BYTES_MAX, Slot};
use crate::needed::{Roots, mark};
use crate::progress::{Event, Progress};
use crate::segment::SegmentReader;
use crate::session::{self, History, SegmentStand, Stage, read_segment};
use crate::store::{Mirrored, ObjectName, Store};
use std::collections::HashSet;

/// What stays in the mirror although the source does not have it and its index does not need it: nobody said that it was
/// to go.
#[derive(Debug, Default)]
pub(super) struct Staying {
    /// Packs that the source set aside and that no prune has deleted since.
    pub(super) packs: HashSet<PackId>,
    /// Key slots whose keys were not ended.
    pub(super) keys: HashSet<ObjectHash>,
}

impl Staying {
    /// Whether an object stays, or what it protects.
    pub(super) fn contains(&self, name: &ObjectName) -> bool {
        if let ObjectName::Pack(pack) | ObjectName::Parity(pack) = name {
            return self.packs.contains(pack);
        }
        if let ObjectName::Key(key) | ObjectName::Mirror(Mirrored::Key(key)) = name {
            return self.keys.contains(key);
        }
        false
    }
}

/// Finds what must stay of `extra`, which the source does not have.
///
/// # Errors
/// [`ErrorKind::Damaged`] unless the source knows that it does not need the rest; when it can't be read.
pub(super) fn judge(
    access: &Access,
    (here, to): (&Inventory, &dyn Store),
    extra: &[(ObjectName, u64)],
    keys: MirrorKeyRemoval,
    progress: &dyn Progress,
) -> Result<Staying> {
    let history = History::load(&access.without_view())?;
    if let Some(trouble) = history.troubles.first() {
        return Err(lost(&format!("{} can't be believed: {}", trouble.object, trouble.error)));
    }
    if let Some(missing) = session::missing(access, &history)?.first() {
        return Err(lost(&format!("{missing}, as later numbers tell")));
    }
    let packs = staying_packs(access, &history, here, extra, progress)?;
    Ok(Staying { packs, keys: staying_keys(access, (here, to), extra, keys)? })
}

/// Packs that were set aside stay, and those go that a prune deleted. Of any other one nothing tells why the source does
/// not list it: a repair leaves those out that are gone. Such go only where nothing is lost.
fn staying_packs(
    access: &Access,
    history: &History,
    here: &Inventory,
    extra: &[(ObjectName, u64)],
    progress: &dyn Progress,
) -> Result<HashSet<PackId>> {
    let stand = SegmentStand::of(access, history)?;
    if let Some(segment) = stand.absent.first() {
        return Err(lost(&format!("{} is missing", ObjectName::Segment(segment.id))));
    }
    let deleted = history.generations.iter().filter(|generation| generation.stage != Stage::Condemned);
    let deleted: HashSet<PackId> = deleted.flat_map(|generation| generation.packs.iter().copied()).collect();
    let mut aside = HashSet::new();
    for id in stand.counting {
        let body = read_segment(access, id).map_err(|error| {
            let why = format!("{} can't be read: {error}", ObjectName::Segment(id));
            if error.kind() == ErrorKind::Damaged { lost(&why) } else { error }
        })?;
        for row in SegmentReader::parse(id, &body)?.packs() {
            let (pack, name) = (row.facts().pack, ObjectName::Pack(row.facts().pack));
            if deleted.contains(&pack) || here.bytes(&name).is_some() {
                continue;
            }
            if row.is_set_aside() {
                aside.insert(pack);
            } else if !access.store.exists(&name)? {
                return Err(lost(&format!("{name} is missing, and it counts upon it")));
            }
        }
    }
    let gone: HashSet<PackId> = extra.iter().filter_map(|(name, _)| pack_of(name)).collect();
    if gone.iter().any(|pack| !deleted.contains(pack) && !aside.contains(pack)) {
        progress.event(&Event::Phase("reading what snapshots need"));
        require_whole(access, history, progress)?;
    }
    aside.retain(|pack| gone.contains(pack));
    Ok(aside)
}

/// Fails unless all that live snapshots need is in packs that count.
fn require_whole(access: &Access, history: &History, progress: &dyn Progress) -> Result<()> {
    session::bring_up_to_date(access, history)?;
    mark(access, &Roots::of(history), progress).map(drop).map_err(|error| {
        let is_loss = error.kind() == ErrorKind::Damaged;
        if is_loss { lost("a snapshot can't be read in full there").because(error) } else { error }
    })
}

/// Slots of which the source has the second copy are lost there. Of the others those go whose keys were ended: a slot of a
/// key that counts is as good as its password, and the mirror's may be the last one.
fn staying_keys(
    access: &Access,
    (here, to): (&Inventory, &dyn Store),
    extra: &[(ObjectName, u64)],
    keys: MirrorKeyRemoval,
) -> Result<HashSet<ObjectHash>> {
    let mut staying = HashSet::new();
    for key in extra.iter().filter_map(|(name, _)| key_of(name)) {
        let is_lost = here.bytes(&ObjectName::Mirror(Mirrored::Key(key))).is_some();
        let may_go = match keys {
            MirrorKeyRemoval::All => true,
            MirrorKeyRemoval::Ended => is_ended(access, to, key)?,
        };
        if is_lost || !may_go {
            staying.insert(key);
        }
    }
    Ok(staying)
}

/// Whether a slot says, signed, that it is of a key that was revoked.
fn is_ended(access: &Access, to: &dyn Store, key: ObjectHash) -> Result<bool> {
    let limit_bytes = u64::try_from(SLOT_BYTES_MAX).unwrap_or(u64::MAX);
    // Else only its second copy is there.
    let Some(bytes) = to.read_if_there(&ObjectName::Key(key), limit_bytes)? else { return Ok(false) };
    let Ok(Some(note)) = Slot::parse(&key, &bytes).and_then(|slot| slot.note(&access.ring)) else { return Ok(false) };
    let listed = access.config().signers.0.iter().find(|listed| listed.key == note.signer);
    Ok(listed.is_some_and(|listed| listed.until != OPEN))
}

fn pack_of(name: &ObjectName) -> Option<PackId> {
    if let ObjectName::Pack(pack) = name { Some(*pack) } else { None }
}

fn key_of(name: &ObjectName) -> Option<ObjectHash> {
    if let ObjectName::Key(key) | ObjectName::Mirror(Mirrored::Key(key)) = name { Some(*key) } else { None }
}

fn lost(what: &str) -> Error {
    let message = format!(
        "nothing is deleted in the mirror, which may have what the repository has lost: {what}; `holdall check` tells all, \
         and `holdall repair` with --from-repo brings back what the mirror has"
    );
    Error::new(ErrorKind::Damaged, message)
}

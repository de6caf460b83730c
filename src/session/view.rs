//! Bringing the view of the index to what the store says is committed.

use crate::access::Access;
use crate::config::{Role, Signer};
use crate::envelope::{self, Kind, Opened};
use crate::error::{Error, ErrorKind, Result};
use crate::id::{PackId, SegmentId};
use crate::index::{self, Excluded, IndexError};
use crate::outcome::SegmentRef;
use crate::segment::{Replaced, SegmentReader, set_aside_id};
use crate::session::history::{CONTROL_BYTES_MAX, History, Trouble};
use crate::session::listed::Named;
use crate::store::{Folder, Listed, ObjectName, StoreError, is_proven};
use crate::wire::{self, List};
use std::collections::{BTreeSet, HashSet};

/// How often the store is read again when segments vanish between its listing and their reading: each time somebody has
/// published others in their place.
const ATTEMPTS_MAX: u32 = 5;

/// Applies the segments that count and retracts all others; then excludes what no hit may come from: condemned
/// packs, and what only a foreign put key vouches for. Returns the segments that are gone or damaged, and whose place
/// none takes: their packs can't be found until they are rebuilt.
///
/// # Errors
/// When the view can't be written or the store not be read.
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
                access.index.exclude(&Excluded::packs(now.excluded()))?;
                access.index.exclude(&unvouched(access))?;
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

/// Brings the view up to date for a session that will count on what is stored, and that was open when `history` was read.
/// While no set of a prune tells what it may delete, nothing that is stored is a hit: that prune, or the next one, may delete
/// it as soon as a set is healed, without waiting for a session that could not see it. Nor is what lies in packs that are
/// listed and gone; they are returned. Costs a listing of the packs.
///
/// # Errors
/// As [`bring_up_to_date`].
pub fn take_stock(access: &Access, history: &History) -> Result<BTreeSet<PackId>> {
    bring_up_to_date(access, history)?;
    let unknown = history.unreadable_set().map(|trouble| trouble.object);
    for (_, Trouble { object, .. }) in history.unreadable_sets() {
        let so = if unknown == Some(*object) {
            "what a prune is about to delete is not known, and everything is stored anew"
        } else {
            "nothing can be pruned"
        };
        access.behind.note(format!("{object} can't be read, so {so}: {}", way_back(access, object)));
    }
    if unknown.is_none() {
        return without_absent(access, history);
    }
    let mut stored = Vec::new();
    access.index.for_each_pack(&mut |_, entry| stored.push(entry.id))?;
    access.index.exclude(&Excluded::packs(stored))?;
    Ok(BTreeSet::new())
}

/// What puts a small object right that can't be read.
fn way_back(access: &Access, object: &ObjectName) -> &'static str {
    let is_sound = |copy: &ObjectName| access.store.open(copy).and_then(|there| is_proven(copy, there.as_ref()));
    if object.mirror().is_some_and(|copy| is_sound(&copy).unwrap_or(false)) {
        "`holdall check --repair` heals it"
    } else {
        "it has no second copy; put it back from another copy of the repository"
    }
}

/// Takes care that what lies in packs that are gone is no hit.
fn without_absent(access: &Access, history: &History) -> Result<BTreeSet<PackId>> {
    // No prune deletes what it condemns after the history was read: it waits for the session that read it.
    let absent = absent_packs(access, history)?;
    let Some(first) = absent.first() else { return Ok(absent) };
    let (count, first) = (absent.len(), ObjectName::Pack(*first));
    access.behind.note(format!(
        "{count} {}: what is met of what lay there is stored anew; run `holdall check`, and then `holdall repair packs`",
        if count == 1 { format!("pack is gone, {first}") } else { format!("packs are gone, {first} and others") },
    ));
    access.index.exclude(&Excluded::packs(absent.iter().copied()))?;
    Ok(absent)
}

/// The packs that are listed and of which nothing counts: those that a prune has deleted, and those that a repair has set
/// aside.
///
/// # Errors
/// When the view can't be read.
pub fn uncounted_packs(access: &Access, history: &History) -> Result<HashSet<PackId>> {
    let mut uncounted = history.deleted_or_retiring_packs();
    uncounted.extend(set_aside_packs(access)?);
    Ok(uncounted)
}

/// The packs that a repair has set aside. Costs a visit of all packs, and a look-up for each that has one chunk.
///
/// # Errors
/// When the view can't be read.
pub fn set_aside_packs(access: &Access) -> Result<Vec<PackId>> {
    let mut single = Vec::new();
    // The row of one that is set aside has one chunk, which is no chunk's.
    access.index.for_each_pack(&mut |_, entry| single.extend(Some(entry.id).filter(|_| entry.chunk_count == 1)))?;
    let mut aside = Vec::new();
    for id in single {
        if is_set_aside(access, id)? {
            aside.push(id);
        }
    }
    Ok(aside)
}

/// Whether a repair has set a pack aside, so that its state is no damage.
///
/// # Errors
/// When the view can't be read.
pub fn is_set_aside(access: &Access, id: PackId) -> Result<bool> {
    Ok(!access.index.copies(set_aside_id(id))?.is_empty())
}

/// The packs that the view lists and a listing of the store does not show. Memory: the names of all packs.
///
/// # Errors
/// When the store can't be listed, or the view not be read.
pub fn unseen_packs(access: &Access) -> Result<Vec<PackId>> {
    let mut present = HashSet::new();
    access.store.list(Folder::Packs, &mut |listed| {
        if let Listed::Object { name: ObjectName::Pack(id), .. } = listed {
            present.insert(id);
        }
    })?;
    let mut unseen = Vec::new();
    access.index.for_each_pack(&mut |_, entry| {
        if !present.contains(&entry.id) {
            unseen.push(entry.id);
        }
    })?;
    Ok(unseen)
}

/// The packs that are listed and gone, though no prune deletes them and no repair has set them aside. Costs a listing of the
/// packs.
///
/// # Errors
/// When the store can't be listed, or the view not be read.
pub fn absent_packs(access: &Access, history: &History) -> Result<BTreeSet<PackId>> {
    let unseen = unseen_packs(access)?;
    if unseen.is_empty() {
        return Ok(BTreeSet::new());
    }
    let deleted: HashSet<PackId> = history.excluded().into_iter().collect();
    let mut absent = BTreeSet::new();
    for id in unseen.into_iter().filter(|id| !deleted.contains(id)) {
        // Not every store lists what was just created.
        if !access.store.exists(&ObjectName::Pack(id))? && !is_set_aside(access, id)? {
            absent.insert(id);
        }
    }
    Ok(absent)
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
    let stand = SegmentStand::look(access, history)?;
    let named = history.segments();
    let mut lost = stand.absent;
    index::catch_up(access.index.as_ref(), &stand.counting, &mut |id| -> Result<Option<Vec<u8>>, CatchUp> {
        let bytes = access.store.read(&ObjectName::Segment(id), CONTROL_BYTES_MAX).map_err(|error| {
            if error.is_not_found() { CatchUp::Vanished(error.into()) } else { CatchUp::Failed(error.into()) }
        })?;
        match open_segment(access, id, &bytes) {
            Ok(body) => Ok(Some(body)),
            // What it lists can't be found until it is rebuilt; everything else can.
            Err(error) if error.kind() == ErrorKind::Damaged => {
                lost.extend(named.get(&id).map(Named::largest));
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    })?;
    Ok(lost)
}

/// How the segments stand that committed sessions name.
#[derive(Debug, Default)]
pub struct SegmentStand {
    /// Those that are there and whose place no other one takes. They make up the index, as far as they can be read.
    pub counting: BTreeSet<SegmentId>,
    /// Those that are there although others have taken their place.
    pub replaced: BTreeSet<SegmentId>,
    /// Those that are not there, and whose place none takes.
    pub absent: Vec<SegmentRef>,
}

impl SegmentStand {
    /// Looks at the store. Costs a reading of the segments that may take the place of others, unless the view has notes
    /// of it.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn of(access: &Access, history: &History) -> Result<Self> {
        let mut attempt = 1;
        loop {
            match Self::look(access, history) {
                Ok(stand) => return Ok(stand),
                // Somebody removed it since it was listed: it is absent then.
                Err(CatchUp::Vanished(_)) if attempt < ATTEMPTS_MAX => {}
                Err(CatchUp::Vanished(error) | CatchUp::Failed(error)) => return Err(error),
            }
            attempt = attempt.saturating_add(1);
        }
    }

    fn look(access: &Access, history: &History) -> Result<Self, CatchUp> {
        let present = present_segments(access)?;
        let mut taken = BTreeSet::new();
        for id in history.taking_segments().into_iter().filter(|id| present.contains(id)) {
            match replaced_by(access, id) {
                Ok(list) => taken.extend(list),
                Err(error) => {
                    if !access.store.exists(&ObjectName::Segment(id))? {
                        return Err(CatchUp::Vanished(error));
                    }
                    // One that can't be read takes no place.
                    if error.kind() != ErrorKind::Damaged {
                        return Err(CatchUp::Failed(error));
                    }
                }
            }
        }
        let mut stand = Self::default();
        for (id, named) in history.segments() {
            match (present.contains(&id), named.is_among(&taken)) {
                (true, false) => drop(stand.counting.insert(id)),
                (true, true) => drop(stand.replaced.insert(id)),
                (false, true) => {}
                (false, false) => stand.absent.push(*named.largest()),
            }
        }
        Ok(stand)
    }
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
    open_segment(access, id, &access.store.read(&ObjectName::Segment(id), CONTROL_BYTES_MAX)?)
}

fn open_segment(access: &Access, id: SegmentId, bytes: &[u8]) -> Result<Vec<u8>> {
    // Another segment under this name would open as well.
    if SegmentId::of(bytes) != id {
        let message = format!("the bytes of {} do not hash to its name", ObjectName::Segment(id));
        return Err(Error::new(ErrorKind::Damaged, message));
    }
    let opened = envelope::open(Kind::Segment, &access.ring, &access.chain, bytes)?;
    refuse_foreign_rows(id, &opened)?;
    Ok(opened.body.to_vec())
}

/// A key that may only add vouches for nothing but its own packs: under another key's name they would be hits for everybody.
fn refuse_foreign_rows(id: SegmentId, opened: &Opened) -> Result<()> {
    if matches!(opened.role, Role::Prune | Role::All) {
        return Ok(());
    }
    let segment = SegmentReader::parse(id, &opened.body)?;
    if segment.signers().iter().all(|signer| *signer == opened.signer) {
        return Ok(());
    }
    let (name, role) = (ObjectName::Segment(id), opened.role);
    let message = format!("{name} is signed by a key with the role {role}, and lists packs under another key");
    Err(Error::new(ErrorKind::Damaged, message))
}

/// What only foreign put keys vouch for: a key that may only write must not decide what others find when they look for
/// their own content. A reader that has re-hashed such a pack vouches for it in a segment of its own.
fn unvouched(access: &Access) -> Vec<Excluded> {
    let own = access.ring.signer();
    let is_foreign_put = |signer: &&Signer| signer.role == Role::Put && signer.key != own;
    let signers = access.chain.latest().signers.0.iter();
    signers.filter(is_foreign_put).map(|signer| Excluded::Signer(signer.key)).collect()
}

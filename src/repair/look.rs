//! What is wrong with the index: segments that are gone or damaged, and packs that no segment lists.

use crate::access::Access;
use crate::error::{Error, ErrorKind, Result, check_stopped};
use crate::id::{PackId, SegmentId, SessionId};
use crate::outcome::SegmentRef;
use crate::progress::{Event, Progress};
use crate::segment::{PackRow, SegmentReader};
use crate::session::{self, History, Named, SegmentStand, read_segment};
use crate::store::{Folder, Listed, ObjectName, is_proven};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// A committed pack that is there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    /// The session that published it.
    pub(super) session: SessionId,
    /// Its length.
    pub(super) bytes: u64,
}

/// What was seen. Memory: some 100 bytes a pack.
pub(super) struct IndexLook {
    /// Segments that are gone or damaged, and whose place none takes, with what is wrong.
    pub(super) lost: Vec<(SegmentRef, String)>,
    /// The segments that count and can be read.
    pub(super) sound: BTreeSet<SegmentId>,
    /// Committed packs that no sound segment lists.
    pub(super) unlisted: BTreeMap<PackId, Standing>,
    /// Packs that were set aside, and whose bytes are right again.
    pub(super) healed: BTreeMap<PackId, Standing>,
}

impl IndexLook {
    /// Takes a look, for those who need an index without fault.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] while the index has to be repaired; and as [`Self::take`].
    pub(super) fn require_clean(access: &Access, history: &History, progress: &dyn Progress) -> Result<()> {
        progress.event(&Event::Phase("reading segments"));
        if Self::take(access, history, progress)?.is_clean() {
            return Ok(());
        }
        let message = "segments are gone or damaged, or packs are listed by none; run `holdall repair index` first";
        Err(Error::new(ErrorKind::Damaged, message))
    }

    /// Reads all segments; and where packs are unlisted, all outcomes.
    ///
    /// # Errors
    /// When the store can't be listed, a segment is of a newer program, or the caller stops.
    pub(super) fn take(access: &Access, history: &History, progress: &dyn Progress) -> Result<Self> {
        let mut present = BTreeMap::new();
        access.store.list(Folder::Packs, &mut |listed| {
            if let Listed::Object { name: ObjectName::Pack(id), bytes } = listed {
                present.insert(id, bytes);
            }
        })?;
        let stand = SegmentStand::of(access, history)?;
        let gone = |absent: SegmentRef| (absent, "it is gone".to_owned());
        let mut look = Self {
            lost: stand.absent.into_iter().map(gone).collect(),
            sound: BTreeSet::new(),
            unlisted: BTreeMap::new(),
            healed: BTreeMap::new(),
        };
        let named = history.segments();
        let (mut listed, mut aside) = (HashSet::new(), Vec::new());
        for (id, named) in stand.counting.iter().filter_map(|id| named.get_key_value(id)) {
            check_stopped(progress)?;
            let mut each = |row: PackRow| {
                if row.is_set_aside() {
                    aside.push(row.facts().pack);
                }
                listed.insert(row.facts().pack);
            };
            match read_sound(access, *id, named, &mut each).or_else(|_| read_sound(access, *id, named, &mut each)) {
                Ok(()) => drop(look.sound.insert(*id)),
                Err(error) if is_of_bytes(&error) => look.lost.push((*named.largest(), error.to_string())),
                Err(error) => return Err(error),
            }
        }
        let deleted = history.deleted_or_retiring_packs();
        let is_right = |id: &PackId| {
            let name = ObjectName::Pack(*id);
            let object = access.store.open(&name);
            object.and_then(|object| is_proven(&name, object.as_ref())).unwrap_or(false)
        };
        let healed: BTreeSet<PackId> =
            aside.into_iter().filter(|id| present.contains_key(id) && !deleted.contains(id) && is_right(id)).collect();
        present.retain(|id, _| healed.contains(id) || !listed.contains(id) && !deleted.contains(id));
        look.find_sessions(access, history, &present, &healed)?;
        Ok(look)
    }

    /// Tells committed packs from others: by the outcomes, since a pack's header may be damaged.
    fn find_sessions(
        &mut self,
        access: &Access,
        history: &History,
        present: &BTreeMap<PackId, u64>,
        healed: &BTreeSet<PackId>,
    ) -> Result<()> {
        if present.is_empty() {
            return Ok(());
        }
        for (session, _) in history.committed() {
            for pack in session::committed_packs(access, *session)? {
                let Some(bytes) = present.get(&pack) else { continue };
                let standing = Standing { session: *session, bytes: *bytes };
                if healed.contains(&pack) {
                    self.healed.insert(pack, standing);
                } else {
                    self.unlisted.insert(pack, standing);
                }
            }
        }
        Ok(())
    }

    /// Whether nothing is wrong.
    pub(super) fn is_clean(&self) -> bool {
        self.lost.is_empty() && self.unlisted.is_empty() && self.healed.is_empty()
    }
}

/// Reads a segment in full, and gives its rows only if all of it is right.
fn read_sound(access: &Access, id: SegmentId, named: &Named, each: &mut dyn FnMut(PackRow)) -> Result<()> {
    let body = read_segment(access, id)?;
    let segment = SegmentReader::parse(id, &body)?;
    named.proven(&segment)?;
    segment.packs().for_each(each);
    Ok(())
}

/// Whether an object is to blame, and not what this program knows or may do.
fn is_of_bytes(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Damaged | ErrorKind::Io | ErrorKind::Denied)
}

/// What a repair can't do, because an object is damaged or gone that only a copy brings back, but for those
/// that it has brought back.
///
/// # Errors
/// When the store can't be read.
pub(super) fn notices(access: &Access, history: &History, back: &BTreeSet<ObjectName>) -> Result<Vec<String>> {
    let trouble = |trouble: &session::Trouble| {
        format!(
            "{} can't be believed ({}) and can't be rebuilt: put it back from a second copy of the store",
            trouble.object, trouble.error
        )
    };
    let mut missing = session::missing(access, history)?;
    missing.retain(|missing| !back.contains(&missing.last));
    Ok(history.troubles.iter().map(trouble).chain(missing.iter().map(gone)).collect())
}

fn gone(missing: &session::Missing) -> String {
    format!("{missing}, as later numbers tell, and can't be rebuilt: put them back from a second copy of the store")
}

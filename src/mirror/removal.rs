//! Removing from a mirror what the source has no more. That an object is not there says nothing alone: it may be lost, and
//! the mirror's the last one. So this takes a key of the source: only what the source's own index does not need goes.

use super::inventory::Inventory;
use super::judgement::judge;
use super::{is_own, missing, standing};
use crate::access::Access;
use crate::error::{Error, ErrorKind, Result, check_stopped};
use crate::progress::{Event, Progress};
use crate::store::{Folder, ObjectName, Store};
use std::collections::BTreeMap;

/// How many objects are removed at a time: between them a run can be stopped.
const BATCH_COUNT: usize = 1000;

/// In which order folders are gone through: what says that a pack is not needed goes after it.
const ORDER: [Folder; 7] =
    [Folder::Parity, Folder::Packs, Folder::Mirror, Folder::Segments, Folder::Gc, Folder::Sessions, Folder::Keys];

/// Which key slots go from a mirror that the source does not have any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MirrorKeyRemoval {
    /// Those of keys that were ended. Any other one may be lost at the source.
    #[default]
    Ended,
    /// All of which the source has no second copy: whoever asks for that has removed them, or changed passwords.
    All,
}

/// What a mirror holds that its source does not need any more. Nothing that is planned comes back: names are used once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MirrorRemovalPlan {
    names: Vec<ObjectName>,
    /// Objects to be removed.
    pub object_count: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects and their bytes by folder.
    pub folders: BTreeMap<String, (u64, u64)>,
    /// Objects of the source that the mirror lacks: before they are copied nothing can be removed.
    pub lacking_count: u64,
    /// Packs that stay: the source set them aside and has them no more, and no prune deleted them.
    pub staying_pack_count: u64,
    /// Key slots that stay: the source does not have them, and their keys were not ended.
    pub staying_key_count: u64,
}

/// What was removed from a mirror.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MirrorRemovalReport {
    /// Objects that were removed.
    pub object_count: u64,
}

/// Finds what the mirror `to` holds and the repository neither has nor needs. Changes nothing. Costs two listings, a question
/// for each object that would go, and a reading of all segments; and where a pack would go of which no set of a prune tells
/// any more, a reading of all that live snapshots need, as a prune does it. Memory: as a mirror run, or a prune.
///
/// # Errors
/// [`ErrorKind::Occupied`] when `to` is no mirror of this repository, was written to itself, or knows of more than the source,
/// which was emptied or set back then; [`ErrorKind::Damaged`] when the source has lost something that it needs, or can't tell.
pub fn plan(
    access: &Access,
    to: &dyn Store,
    keys: MirrorKeyRemoval,
    progress: &dyn Progress,
) -> Result<MirrorRemovalPlan> {
    progress.event(&Event::Phase("listing"));
    let from = access.store.as_ref();
    let there = Inventory::of_all(to)?;
    let here = Inventory::of_quiet(from)?;
    standing::check((from, &here), (to, &there))?;
    let lacking_count = count(missing(&here, &there).len());
    let mut plan = MirrorRemovalPlan { lacking_count, ..MirrorRemovalPlan::default() };
    let mut extra = Vec::new();
    for (name, bytes) in there.iter() {
        if here.bytes(name).is_none() && is_removable(name, &here) && !from.exists(name)? {
            extra.push((*name, *bytes));
        }
    }
    if extra.is_empty() {
        return Ok(plan);
    }
    progress.event(&Event::Phase("asking the index what is needed"));
    let staying = judge(access, (&here, to), &extra, keys, progress)?;
    plan.staying_pack_count = count(staying.packs.len());
    plan.staying_key_count = count(staying.keys.len());
    extra.retain(|(name, _)| !staying.contains(name));
    extra.sort_by_key(|(name, _)| place(name));
    for (name, bytes) in extra {
        let (object_count, folder_bytes) = plan.folders.entry(name.folder().to_string()).or_default();
        *object_count = object_count.saturating_add(1);
        *folder_bytes = folder_bytes.saturating_add(bytes);
        plan.object_count = plan.object_count.saturating_add(1);
        plan.bytes = plan.bytes.saturating_add(bytes);
        plan.names.push(name);
    }
    Ok(plan)
}

/// Removes what was planned.
///
/// # Errors
/// [`ErrorKind::Busy`] when the mirror lacked something when it was planned; [`ErrorKind::Damaged`] when something is back at
/// the source that was not there; when the mirror can't be written, or the caller stops: what was removed until then was
/// not needed.
pub fn perform(
    from: &dyn Store,
    to: &dyn Store,
    plan: &MirrorRemovalPlan,
    progress: &dyn Progress,
) -> Result<MirrorRemovalReport> {
    if plan.lacking_count > 0 {
        let count = plan.lacking_count;
        let message = format!(
            "nothing is deleted in the mirror: {count} objects of the repository are not in it; run mirror again when \
             nothing is damaged, and nobody is writing"
        );
        return Err(Error::new(ErrorKind::Busy, message));
    }
    progress.event(&Event::Phase("deleting in the mirror"));
    let mut report = MirrorRemovalReport::default();
    for batch in plan.names.chunks(BATCH_COUNT) {
        check_stopped(progress).map_err(|error| error.if_stopped("another run deletes the rest"))?;
        for name in batch {
            if from.exists(name)? {
                let message =
                    format!("{name} is in the repository again, where a listing did not show it: deleted no more");
                return Err(Error::new(ErrorKind::Damaged, message));
            }
        }
        let removed_count = u64::try_from(to.remove_all(batch)?.len()).unwrap_or(u64::MAX);
        report.object_count = report.object_count.saturating_add(removed_count);
    }
    Ok(report)
}

/// Whether the kind of an object can ever be removed from a mirror. What decides never is: it never is from a repository.
fn is_removable(name: &ObjectName, here: &Inventory) -> bool {
    match name.folder() {
        Folder::Outcomes | Folder::Records | Folder::Config | Folder::Heartbeats | Folder::Verified => false,
        // Of a pack that is there: it can be made anew, and is of use until then.
        Folder::Parity => matches!(name, ObjectName::Parity(pack) if here.bytes(&ObjectName::Pack(*pack)).is_none()),
        Folder::Mirror => {
            let ObjectName::Mirror(copy) = name else { return false };
            !is_own(name) && here.bytes(&copy.first()).is_none() && is_removable(&copy.first(), here)
        }
        Folder::Packs | Folder::Segments | Folder::Gc | Folder::Sessions | Folder::Keys => true,
    }
}

fn place(name: &ObjectName) -> (usize, bool) {
    let folder = ORDER.iter().position(|folder| *folder == name.folder()).unwrap_or(ORDER.len());
    // A deleted set alone says nothing; a condemned one alone would condemn what was spared.
    (folder, matches!(name, ObjectName::Deleted { .. }))
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

//! Generations of prunes as their sets tell of them: also where one of the two can't be read.

use crate::access::Access;
use crate::error::{Error, Result};
use crate::gc::{self, Condemned, Deleted, GcError};
use crate::id::{ObjectHash, PackId, SessionId, SnapshotId};
use crate::outcome::OutcomeKind;
use crate::session::history::{History, read_if_there, read_outcome};
use crate::store::ObjectName;
use std::collections::HashSet;

/// How far a prune generation has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Its condemned set is published: its packs may yet be spared. So it seems as well where its deleted set can't be read.
    Condemned,
    /// Its deleted set is published: its packs go, or are gone.
    Deleted,
    /// Its condemned set is removed already, its deleted set not yet; or the condemned set can't be read, or one that came
    /// too late lies in its place.
    Retiring,
}

/// One prune generation that was found in the store.
#[derive(Debug, Clone)]
pub struct Generation {
    /// Its number.
    pub number: u64,
    /// How far it has come.
    pub stage: Stage,
    /// The packs that must not be used: the deleted set once published, else the condemned set. Sorted.
    pub packs: Vec<PackId>,
    /// The snapshots that the condemned set counted as live. Sorted.
    pub live: Vec<SnapshotId>,
    /// The condemned set, while that is there and can be read.
    pub condemned: Option<CondemnedSet>,
}

/// A condemned set that was found in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CondemnedSet {
    /// What a deleted set names it by.
    pub hash: ObjectHash,
    /// The session that it names.
    pub session: SessionId,
}

impl Generation {
    /// What the sets say that were found of a generation; none when there is none: it was retired. A condemned set of an
    /// aborted session may lie beside the deleted set of another one: its collector slept while its number was used, and
    /// that generation is half retired. Such a set is none.
    ///
    /// # Errors
    /// [`GcError::Invalid`] when the deleted set does not follow from the condemned one.
    pub(crate) fn of(
        number: u64,
        mut condemned: Option<Condemned>,
        deleted: Option<Deleted>,
        is_aborted: impl FnOnce(SessionId) -> bool,
    ) -> Result<Option<Self>, GcError> {
        if let Some(deleted) = &deleted {
            condemned.take_if(|set| deleted.body.condemned != set.hash && is_aborted(set.body.session));
        }
        if let (Some(deleted), Some(condemned)) = (&deleted, &condemned) {
            deleted.check_follows(condemned)?;
        }
        let stage = match (&condemned, &deleted) {
            (None, None) => return Ok(None),
            (Some(_), None) => Stage::Condemned,
            (Some(_), Some(_)) => Stage::Deleted,
            // Retiring removes the condemned set first, so that no spared pack ever looks condemned again.
            (None, Some(_)) => Stage::Retiring,
        };
        let found = condemned.as_ref().map(|set| CondemnedSet { hash: set.hash, session: set.body.session });
        let (condemned, live) = condemned.map(|set| (set.body.packs.0, set.body.live.0)).unwrap_or_default();
        let packs = deleted.map_or(condemned, |deleted| deleted.body.packs.0);
        Ok(Some(Self { number, stage, packs, live, condemned: found }))
    }
}

impl History {
    /// The packs that are deleted and of which the rows may go as well: both sets of their generation are there. A condemned
    /// set that is gone was removed when no segment named its packs any more. Or it was lost: then some may be there, and
    /// be named by those rows alone.
    pub fn deleted_packs(&self) -> HashSet<PackId> {
        self.packs_at(&[Stage::Deleted])
    }

    /// The packs of which nothing counts: it was published that they are deleted.
    pub fn deleted_or_retiring_packs(&self) -> HashSet<PackId> {
        self.packs_at(&[Stage::Deleted, Stage::Retiring])
    }

    fn packs_at(&self, stages: &[Stage]) -> HashSet<PackId> {
        let generations = self.generations.iter().filter(|known| stages.contains(&known.stage));
        generations.flat_map(|known| known.packs.iter().copied()).collect()
    }
}

/// Reads what there is of a generation, and says which of its sets can't be read. Nothing is known of it when it was retired
/// since it was listed, and where those sets leave open what may be deleted.
pub(super) fn read(access: &Access, number: u64, is_deleted: bool) -> (Option<Generation>, Vec<(ObjectName, Error)>) {
    let (ring, chain, mut wrong) = (&access.ring, &access.chain, Vec::new());
    let name = ObjectName::Condemned { generation: number };
    let condemned = read_set(access, name, |bytes| Ok(gc::open_condemned(number, ring, chain, bytes)?), &mut wrong);
    let name = ObjectName::Deleted { generation: number };
    let open = |bytes: &[u8]| Ok(gc::open_deleted(number, ring, chain, bytes)?);
    let deleted = if is_deleted { read_set(access, name, open, &mut wrong) } else { None };
    let is_aborted =
        |session| read_outcome(access, session).is_ok_and(|outcome| outcome.body.kind == OutcomeKind::Abort);
    // What is deleted was condemned, so that either set holds all that any collector may yet delete. Two that don't fit tell
    // nothing: which of them is wrong is not known.
    match Generation::of(number, condemned, deleted, is_aborted) {
        Ok(generation) => (generation, wrong),
        Err(error) => (None, vec![(name, error.into())]),
    }
}

/// A set of a generation, if it is there and can be read; why it can't be goes to `wrong`.
fn read_set<T>(
    access: &Access,
    name: ObjectName,
    open: impl FnOnce(&[u8]) -> Result<T>,
    wrong: &mut Vec<(ObjectName, Error)>,
) -> Option<T> {
    let read = read_if_there(access, &name).and_then(|bytes| bytes.map(|bytes| open(&bytes)).transpose());
    read.unwrap_or_else(|error| {
        wrong.push((name, error));
        None
    })
}

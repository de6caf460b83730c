//! The snapshots as people name them, and what may be missing among them.

use super::{AcceptRollback, Repository};
use crate::error::Result;
use crate::session::{self, History, NamedSnapshot, Overlooked, Snapshot, SnapshotFilter, SnapshotSpec};
use crate::store::{self, Folder};
use std::sync::PoisonError;

impl Repository {
    /// All snapshots that pass a filter, oldest first; forgotten ones are left out.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn snapshots(&self, filter: &SnapshotFilter) -> Result<Vec<Snapshot>> {
        let history = self.listed_history()?;
        let fits = |snapshot: &Snapshot| !snapshot.forgotten && filter.passes(snapshot);
        Ok(session::all(&history).into_iter().filter(fits).collect())
    }

    /// Finds the snapshot that a user names.
    ///
    /// # Errors
    /// As [`named`](Self::named).
    pub fn resolve(&self, spec: &SnapshotSpec, filter: &SnapshotFilter) -> Result<Snapshot> {
        self.named(spec, filter).map(|named| named.snapshot)
    }

    /// Finds the snapshot that a user names, and what was passed over because it is not what `latest` should mean.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound), or [`ErrorKind::Ambiguous`](crate::ErrorKind::Ambiguous) with
    /// the list of what fits.
    pub fn named(&self, spec: &SnapshotSpec, filter: &SnapshotFilter) -> Result<NamedSnapshot> {
        session::resolve(&self.listed_history()?, spec, filter, session::now_ns())
    }

    /// Outcomes that were damaged or missing when snapshots were listed, named or planned to be copied last: one of them may
    /// be the snapshot that was meant.
    pub fn overlooked(&self) -> Vec<Overlooked> {
        self.overlooked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What comes before healing here, for advice to people: nothing where objects can be made, as far as that can be told
    /// without writing.
    pub fn before_healing(&self) -> &'static str {
        store::before_healing(self.access.store.as_ref(), Folder::Outcomes)
    }

    /// What the store says, for those who show snapshots. What it lacks is noted.
    pub(super) fn listed_history(&self) -> Result<History> {
        let access = self.access.with_second_copies();
        let history = History::load(&access)?;
        // Whoever only looks is not to fail because it could not be found out what is missing.
        let mut found = session::overlooked(&access, &history).unwrap_or_default();
        if self.options.accept_rollback == AcceptRollback::Refuse {
            let mut unfound = session::unfound(&access, &history).unwrap_or_default();
            unfound.retain(|lost| found.iter().all(|told| told.session != lost.session));
            found.extend(unfound);
        }
        *self.overlooked.lock().unwrap_or_else(PoisonError::into_inner) = found;
        Ok(history)
    }
}

//! Objects as they are, in another folder.

use super::Repository;
use super::within::refuse_within;
use crate::error::Result;
use crate::mirror::{
    self, MirrorDepth, MirrorKeyRemoval, MirrorRemovalPlan, MirrorRemovalReport, MirrorReport, Written,
};
use crate::progress::Progress;
use crate::session;
use crate::store::{LocalStore, MemoryStore, Store, StoreError};
use std::path::Path;

impl Repository {
    /// Copies what `to` lacks of the repository in the folder `from`, object by object and without any key. `to` is made if
    /// it is not there, and is a repository with the same keys whose snapshots all restore, wherever this is cut off.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NoRepository`]; [`crate::ErrorKind::Invalid`] when `to` lies in the repository;
    /// [`crate::ErrorKind::Occupied`] when it is something else than a mirror of it; when a folder can't be read or written,
    /// or the caller stops. Damage is data in the report.
    pub fn mirror(from: &Path, to: &Path, depth: MirrorDepth, progress: &dyn Progress) -> Result<MirrorReport> {
        let source = LocalStore::open(from)?;
        refuse_within(from, to)?;
        let written = mirror::written_in(from);
        let source: (&dyn Store, &Written<'_>) = (&source, &written);
        let mirror = match (LocalStore::open(to), depth) {
            (Ok(mirror), _) => mirror,
            (Err(StoreError::NotARepository { .. }), MirrorDepth::Copy) => LocalStore::create_mirror(to)?,
            (Err(StoreError::NotARepository { .. }), MirrorDepth::Compare) => {
                return mirror::run(source, &MemoryStore::new(), depth, progress);
            }
            (Err(error), _) => return Err(error.into()),
        };
        mirror::run(source, &mirror, depth, progress)
    }

    /// Fails where the folder is a mirror, which nobody but [`Self::mirror`] may write to; what would write to it refuses
    /// so too, when it is about to. Takes no key: whoever asks first need not type a password in vain.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Occupied`] says what to do instead; [`crate::ErrorKind::NoRepository`]; when the folder can't be
    /// read.
    pub fn refuse_mirror(path: &Path) -> Result<()> {
        mirror::refuse(&LocalStore::open(path)?)
    }

    /// Finds what the mirror in the folder `to` holds that this repository neither has nor needs any more, and changes
    /// nothing. A mirror that is not there yet holds nothing.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Occupied`] when `to` is something else than a mirror of this repository, or the repository was
    /// emptied or set back; [`crate::ErrorKind::Damaged`] when the repository has lost something that it needs; when a folder
    /// can't be read, or the caller stops.
    pub fn plan_mirror_removal(
        &self,
        to: &Path,
        keys: MirrorKeyRemoval,
        progress: &dyn Progress,
    ) -> Result<MirrorRemovalPlan> {
        session::require_opened_soundly(&self.access)?;
        match LocalStore::open(to) {
            Ok(mirror) => mirror::plan_removal(&self.access, &mirror, keys, progress),
            Err(StoreError::NotARepository { .. }) => Ok(MirrorRemovalPlan::default()),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes from the mirror what was planned.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Busy`] when the mirror lacked something when it was planned; when a folder can't be read or
    /// written, or the caller stops. What was removed until then was not needed.
    pub fn remove_from_mirror(
        &self,
        to: &Path,
        plan: &MirrorRemovalPlan,
        progress: &dyn Progress,
    ) -> Result<MirrorRemovalReport> {
        mirror::remove(self.access.store.as_ref(), &LocalStore::open(to)?, plan, progress)
    }
}

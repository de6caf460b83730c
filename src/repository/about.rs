//! What a repository and its snapshots tell of themselves.

use super::Repository;
use crate::error::Result;
use crate::info::{self, RepositoryInfo, SnapshotInfo};
use crate::session::{History, Snapshot};

impl Repository {
    /// Tells what there is to know of the repository without looking into its packs. What the key can't see is left out.
    ///
    /// # Errors
    /// When the store can't be listed or read.
    pub fn info(&self) -> Result<RepositoryInfo> {
        let access = self.access.with_second_copies();
        info::about_repository(&access, &History::load(&access)?)
    }

    /// Tells what there is to know of a snapshot. What the key can't see is left out.
    ///
    /// # Errors
    /// When the store can't be read; [`ErrorKind::Damaged`](crate::ErrorKind::Damaged) when items could not be read and the
    /// tree that names them is damaged.
    pub fn snapshot_info(&self, snapshot: &Snapshot) -> Result<SnapshotInfo> {
        let access = self.access.with_second_copies();
        info::about_snapshot(&access, &History::load(&access)?, snapshot)
    }
}

//! Taking snapshots from another repository.

use super::{CreateOptions, Repository, protection};
use crate::config::Parameters;
use crate::copy::{self, CopyOptions, CopyPlan, CopyReport, CopyWanted};
use crate::error::Result;
use crate::id::RepositoryId;
use crate::key::Unlock;
use crate::progress::Progress;
use crate::session;
use std::path::Path;

impl Repository {
    /// Makes a repository in an empty or absent directory, as [`Repository::create`] does, that names chunks and cuts content
    /// as this one: what is copied from one to the other is carried over chunk by chunk. The chunk sizes of the options
    /// don't count. Neither can be opened with the other's keys, but whoever holds a key of one knows which chunk ids of
    /// the other stand for content that both hold.
    ///
    /// # Errors
    /// As [`Repository::create`].
    pub fn create_alike(&self, path: &Path, unlock: Unlock<'_>, options: &CreateOptions) -> Result<RepositoryId> {
        let own = self.access.config().parameters;
        let parameters = Parameters {
            chunk_bytes_min: own.chunk_bytes_min,
            chunk_bytes_avg: own.chunk_bytes_avg,
            chunk_bytes_max: own.chunk_bytes_max,
            normalization: own.normalization,
            ..options.parameters
        };
        let features = protection::features(options.protection);
        let (ring, config) = self.access.ring.create_alike(parameters, features, session::now_ns())?;
        Self::create_from(path, unlock, options, (&ring, &config))
    }

    /// Finds out which snapshots of `from` are to be copied into this repository: those that it never had, or those that
    /// are named and have no copy now. Changes nothing.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Invalid`] when both are the same repository; [`crate::ErrorKind::Denied`] when the key of
    /// `from` can't read; when a store can't be read.
    pub fn plan_copy(&self, from: &Self, wanted: CopyWanted) -> Result<CopyPlan> {
        from.require_reader("be copied from")?;
        from.listed_history()?;
        copy::plan(&from.access.with_second_copies(), &self.access, wanted)
    }

    /// Copies snapshots as planned; nothing is written to `from`. What can't be read there is in the report, and no
    /// snapshot is made that would lack it.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Denied`] when the key at hand may not make snapshots, or that of `from` can't read; when this
    /// repository fails or was rolled back, or the caller stops. What was copied until then stands.
    pub fn copy(
        &self,
        from: &Self,
        plan: CopyPlan,
        options: &CopyOptions,
        progress: &dyn Progress,
    ) -> Result<CopyReport> {
        from.require_reader("be copied from")?;
        self.access.noting(
            |report: &mut CopyReport| &mut report.notices,
            |access| {
                self.writing(access)?;
                let _ = access.store.keep_reserve();
                copy::run(&from.reading()?, access, plan, options, progress)
            },
        )
    }
}

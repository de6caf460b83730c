//! A backup that stores nothing: everything is read, compared, cut, compressed and sealed, and then dropped.

use super::{Repository, view};
use crate::access::Access;
use crate::backup::{self, BackupOptions, BackupReport};
use crate::error::{Error, ErrorKind, Result};
use crate::index::Mode;
use crate::progress::Progress;
use crate::session;
use crate::store::RehearsalStore;
use std::path::{Path, PathBuf};
use std::sync::Arc;

impl Repository {
    /// Does everything that [`Repository::backup`] does, but leaves repository, view and state as they are. The report
    /// says what a backup would have done; no snapshot bears the id in it.
    ///
    /// # Errors
    /// As [`Repository::backup`], except that a repository that was rolled back or can't be written to is none.
    pub fn rehearse_backup(&self, options: &BackupOptions, progress: &dyn Progress) -> Result<BackupReport> {
        session::require_opened_soundly(&self.access)?;
        let folder = Folder::make(&self.options.cache_dir.join(self.id().to_string()))?;
        // What a reader's view is given lies over the shared one and goes away with it.
        let mut access = Access {
            store: Arc::new(RehearsalStore::over(Arc::clone(&self.access.store))),
            state_dir: folder.own.clone(),
            ..self.access.clone()
        };
        view::open(&mut access, Mode::Reader)?;
        let state = session::load(&access)?;
        let history = self.history()?;
        access.noting(
            |report: &mut BackupReport| &mut report.notices,
            |access| backup::run(access, &history, &state, options, progress),
        )
    }
}

/// A folder for the journals and the state of a client that never was; it goes away with this.
struct Folder {
    own: PathBuf,
}

impl Folder {
    fn make(place: &Path) -> Result<Self> {
        let number = u64::from_le_bytes(crate::seal::random());
        let own = place.join(format!("rehearsal-{}-{number:016x}", std::process::id()));
        std::fs::create_dir_all(&own).map_err(|cause| {
            Error::new(ErrorKind::of_refused(&cause), format!("can't make the folder {}", own.display())).because(cause)
        })?;
        Ok(Self { own })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Left behind, it holds nothing that anybody needs or may not see.
        let _ = std::fs::remove_dir_all(&self.own);
    }
}

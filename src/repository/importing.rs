//! Snapshots from other tools.

use super::Repository;
use crate::backup::BackupOptions;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::error::Result;
use crate::import::{self, ImportOptions, ImportPlan, ImportReport, ImportSnapshot};
use crate::progress::Progress;
use std::path::Path;

impl Repository {
    /// Says which snapshots of the restic repository in a local folder would be carried over, and changes nothing.
    ///
    /// # Errors
    /// [`ErrorKind::Denied`] when the key can't read; [`ErrorKind::NoRepository`] and [`ErrorKind::WrongPassword`] of
    /// restic's repository; [`ErrorKind::NotFound`] and [`ErrorKind::Ambiguous`] for a snapshot that was named.
    pub fn plan_import(&self, restic: &Path, password: &[u8], options: &ImportOptions) -> Result<ImportPlan> {
        // Whoever can't read descriptions can't tell what was carried over before.
        self.require_reader("import")?;
        import::plan(&self.history()?, restic, password, options)
    }

    /// Carries one snapshot of a plan over. Of the options, how to compress and how many readers there are count.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when nothing of it can be read, [`ErrorKind::Occupied`] when it is here by now,
    /// [`ErrorKind::Unsupported`] when its names are too long; those three are about this snapshot alone. Otherwise as
    /// [`Self::backup`]: what single items can't deliver is in the report.
    pub fn import(
        &self,
        plan: &ImportPlan,
        snapshot: &ImportSnapshot,
        options: &BackupOptions,
        progress: &dyn Progress,
    ) -> Result<ImportReport> {
        let mut report = self.access.noting(
            |report: &mut ImportReport| &mut report.backup.notices,
            |access| {
                let (history, state) = self.writing(access)?;
                import::run(access, (&history, &state), (plan, snapshot), options, progress)
            },
        )?;
        self.settle(&mut report.backup);
        Ok(report)
    }
}

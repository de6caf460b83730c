//! Restoring for a test.

use super::Repository;
use crate::drill::{self, Drill, DrillConclusion, DrillOptions, DrillPlan, DrillRestore};
use crate::error::Result;
use crate::progress::Progress;
use crate::record::DrillCommand;
use crate::restore::Extras;
use crate::session::Snapshot;

/// What it means that a drill is stopped.
const NOTHING_STATED: &str = "nothing is stated about this drill";

impl Repository {
    /// Picks what a drill restores, and makes sure that there is room for it. Nothing is written.
    ///
    /// # Errors
    /// [`ErrorKind::Denied`](crate::ErrorKind::Denied) when the key can't read; [`ErrorKind::Invalid`](crate::ErrorKind::Invalid)
    /// when the place lies in the repository or in what this machine keeps for it;
    /// [`ErrorKind::NoSpace`](crate::ErrorKind::NoSpace) when there is too little room; when the store can't be read, or the
    /// caller stops.
    pub fn plan_drill(&self, snapshot: Snapshot, options: &DrillOptions, progress: &dyn Progress) -> Result<DrillPlan> {
        self.require_reader("drill")?;
        self.refuse_own(options.folder(), Extras::Keep)?;
        drill::plan(&self.reading()?, snapshot, options, progress)
    }

    /// Restores what was planned, as [`Repository::restore`] does.
    ///
    /// # Errors
    /// When the folder can't be written to or is not empty, or the caller stops: nothing is left of it then.
    pub fn restore_drill(&self, plan: DrillPlan, progress: &dyn Progress) -> Result<DrillRestore> {
        let restored = drill::restore(&self.access.with_second_copies(), plan, progress);
        restored.map_err(|error| error.if_stopped(NOTHING_STATED))
    }

    /// Reads back what was restored and compares it with the manifest and, if that is wanted, with the live files.
    /// Differences are data in the report, not an error.
    ///
    /// # Errors
    /// When the store or the folder can't be read, or the caller stops: nothing is left of what was restored then.
    pub fn compare_drill(&self, restored: DrillRestore, progress: &dyn Progress) -> Result<Drill> {
        let compared = restored.compare(&self.access.with_second_copies(), progress);
        compared.map_err(|error| error.if_stopped(NOTHING_STATED))
    }

    /// States in the repository what came of a drill, passed or not, and of a command that the caller has run on what was
    /// restored; then removes that. What can't be stated or removed is in the conclusion.
    pub fn conclude_drill(&self, drill: Drill, command: DrillCommand) -> DrillConclusion {
        let writer = self.writing(&self.access).map(|(history, state)| (history, state.client));
        drill::conclude(&self.access, writer, drill, command)
    }
}

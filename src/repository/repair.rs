//! Repairing.

use super::{Repository, view};
use crate::access::Access;
use crate::config::Purpose;
use crate::error::{Error, Result};
use crate::mirror;
use crate::progress::Progress;
use crate::repair::{
    self, HealedControl, IndexRepairPlan, IndexRepairReport, LostObject, PackRepairPlan, PackRepairReport,
    RepairOptions, SnapshotRepairPlan, SnapshotRepairReport,
};

/// What it means that a repair is stopped.
const GO_ON: &str = "run it again to go on";

impl Repository {
    /// Finds out what is wrong with the index, and changes nothing.
    ///
    /// # Errors
    /// When the store can't be read, or the caller stops.
    pub fn plan_repair_index(&self, progress: &dyn Progress) -> Result<IndexRepairPlan> {
        repair::plan_index(&self.access, progress)
    }

    /// Brings back control objects that a second copy or the view still has, builds the view anew, replaces segments that
    /// are gone or damaged, and lists every committed pack that is there. Deletes nothing. Done twice it changes nothing
    /// the second time.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Denied`] when the key's role may not repair; [`crate::ErrorKind::Occupied`] for a mirror; when the
    /// store fails or the caller stops. What was committed until then stands, and what was brought back, of which the error
    /// says how much it is.
    pub fn repair_index(&mut self, options: &RepairOptions, progress: &dyn Progress) -> Result<IndexRepairReport> {
        mirror::refuse(self.access.store.as_ref())?;
        // Before the view goes with all that it keeps, and before an outcome that is lost passes for a rollback.
        self.access.chain.allows(Purpose::Write)?;
        let healed = repair::heal_control(&self.access, progress)?;
        let rebuilt = healed.failure.map_or(Ok(()), Err).and_then(|()| self.rebuild_index(options, progress));
        let mut report = rebuilt.map_err(|error| after_healing(healed.healed.len(), error.if_stopped(GO_ON)))?;
        report.healed_control_count = u64::try_from(healed.healed.len()).unwrap_or(u64::MAX);
        let unhealed = |lost: &LostObject| format!("{} could not be healed: {}", lost.object, lost.wrong);
        report.notices.extend(healed.unhealed.iter().map(unhealed));
        Ok(report)
    }

    fn rebuild_index(&mut self, options: &RepairOptions, progress: &dyn Progress) -> Result<IndexRepairReport> {
        self.writing(&self.access)?;
        view::renew(&mut self.access, self.options.view)?;
        self.access.noting(
            |report: &mut IndexRepairReport| &mut report.behind,
            |access| repair::repair_index(access, options, progress),
        )
    }

    /// Writes outcomes, records and the sets of prunes as they were, where they are damaged, or where one of the first two is
    /// gone, and a second copy or the view still has them. A key tells one sound object from another: what stands under the
    /// name of another one is put right as well, which [`Self::scrub`] can't; second copies too.
    ///
    /// # Errors
    /// When the repository needs a newer program to be written to, or can't be read, or the caller stops. What can't be
    /// written is in the report, and so is what ended it when something was written by then.
    pub fn heal_control(&self, progress: &dyn Progress) -> Result<HealedControl> {
        self.access.chain.allows(Purpose::Write)?;
        let done = repair::heal_control(&self.access, progress)?;
        done.go_on(|done| repair::heal_copies(&self.access, done, progress))
    }

    /// Reads every pack and finds out what is lost. Changes nothing.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Damaged`] while the index has to be repaired first; [`crate::ErrorKind::Denied`] when the key
    /// can't read; when the store can't be read, or the caller stops.
    pub fn plan_repair_packs(&self, progress: &dyn Progress) -> Result<PackRepairPlan> {
        self.require_reader("find out what is lost")?;
        repair::plan_packs(&self.access, progress)
    }

    /// Repairs packs as planned: copies what can be read of damaged ones and counts on them no more, and stores anew what
    /// is lost from the files that the options name and from `others`, which may have other keys and parameters.
    /// Deletes nothing.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Denied`] when the key's role may not repair; when the store fails or the caller stops. What
    /// was committed until then stands.
    pub fn repair_packs(
        &self,
        plan: PackRepairPlan,
        options: &RepairOptions,
        others: &[&Self],
        progress: &dyn Progress,
    ) -> Result<PackRepairReport> {
        let others: Vec<Access> = others.iter().map(|other| other.access.with_second_copies()).collect();
        let others: Vec<&Access> = others.iter().collect();
        let repaired = self.access.noting(
            |report: &mut PackRepairReport| &mut report.behind,
            |access| {
                self.writing(access)?;
                repair::repair_packs(access, plan, options, &others, progress)
            },
        );
        repaired.map_err(|error| error.if_stopped(GO_ON))
    }

    /// Finds the snapshots that miss something, and what a corrected one would lack. Changes nothing.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Damaged`] while the index has to be repaired first; [`crate::ErrorKind::Denied`] when the key
    /// can't read; when the store can't be read, or the caller stops.
    pub fn plan_repair_snapshots(&self, progress: &dyn Progress) -> Result<SnapshotRepairPlan> {
        self.require_reader("find out what is lost")?;
        repair::plan_snapshots(&self.access, progress)
    }

    /// Makes a corrected snapshot beside each one that misses something, unless there is one that holds the same. Done
    /// twice it makes none the second time.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Denied`] when the key can't read or its role may not make snapshots; when the store fails or
    /// the caller stops. What was committed until then stands.
    pub fn repair_snapshots(&self, options: &RepairOptions, progress: &dyn Progress) -> Result<SnapshotRepairReport> {
        self.require_reader("find out what is lost")?;
        let repaired = self.access.noting(
            |report: &mut SnapshotRepairReport| &mut report.behind,
            |access| {
                self.writing(access)?;
                repair::repair_snapshots(access, options, progress)
            },
        );
        repaired.map_err(|error| error.if_stopped(GO_ON))
    }
}

/// What ended a repair that had written something by then.
fn after_healing(count: usize, error: Error) -> Error {
    match count {
        0 => error,
        1 => error.while_doing("after 1 control object was brought back"),
        count => error.while_doing(format!("after {count} control objects were brought back")),
    }
}

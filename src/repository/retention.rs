//! Forgetting, pinning, bringing back; and the sessions that are open.

use super::Repository;
use crate::content::ContentReader;
use crate::error::{Error, ErrorKind, Result};
use crate::forget::{self, Client, ForgetPlan, ForgetReport, PinReport, RetentionOptions, UndoReport};
use crate::id::{SessionId, SnapshotId};
use crate::outcome::StatementKind;
use crate::progress::Progress;
use crate::prune::{self, Forecast, Holdings};
use crate::session::{
    self, AbortOutcome, History, LettingGo, SessionSpec, Snapshot, SnapshotFilter, UndecidedSession, Writer,
};

impl Repository {
    /// Works out what a policy would forget. Nothing is changed.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a policy that keeps nothing; [`ErrorKind::Damaged`] when something that was stated can't
    /// be believed or is missing, since it may be a pin; or when the store can't be read.
    pub fn plan_forget(&self, options: &RetentionOptions) -> Result<ForgetPlan> {
        let history = self.history_to_forget_by()?;
        if history.committed().any(|(_, held)| held.body.seen.overflow.is_some()) {
            session::bring_up_to_date(&self.access, &history)?;
        }
        let nodes = ContentReader::new(self.access.clone());
        forget::by_policy(&history, options, &|outcome| session::read_seen(&nodes, outcome))
    }

    /// A plan that forgets these snapshots, whatever else there is. Those that are forgotten already are left out.
    ///
    /// # Errors
    /// [`ErrorKind::Pinned`] when one of them is pinned; [`ErrorKind::Damaged`] as for [`Self::plan_forget`]; or when the
    /// store can't be read.
    pub fn plan_forget_snapshots(&self, snapshots: Vec<Snapshot>) -> Result<ForgetPlan> {
        self.history_to_forget_by()?;
        forget::by_name(snapshots, session::now_ns())
    }

    fn history_to_forget_by(&self) -> Result<History> {
        session::require_opened_soundly(&self.access)?;
        let mut history = self.history()?;
        session::require_sound(&self.access, &mut history, LettingGo::Forgetting)?;
        Ok(history)
    }

    /// Works out what a prune could free once a plan is carried out. Nothing is changed. Reads the manifests of all
    /// snapshots, unless a prune counted here before and the repository was opened for writing.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] when something that a snapshot needs is missing; or when the store can't be read.
    pub fn forecast(&self, plan: &ForgetPlan, progress: &dyn Progress) -> Result<Forecast> {
        prune::forecast(&self.access, &plan.goes().map(|snapshot| snapshot.id).collect(), progress)
    }

    /// Works out what each of some snapshots takes of the store, and what all of them take together. Nothing is changed.
    /// Reads the manifests of all snapshots once, and of each that is asked for once more.
    ///
    /// # Errors
    /// [`ErrorKind::Denied`] when the key can't read; and as [`Self::forecast`].
    pub fn holdings(&self, snapshots: &[SnapshotId], progress: &dyn Progress) -> Result<Holdings> {
        self.require_reader("measure snapshots")?;
        prune::holdings(&self.access.with_second_copies(), snapshots, progress)
    }

    /// Forgets what a plan says. Nothing is deleted: until a prune has collected what only these snapshots needed,
    /// [`Self::undo_forget`] brings them back.
    ///
    /// # Errors
    /// [`ErrorKind::Denied`] when the key may not forget; [`ErrorKind::Damaged`] as for [`Self::plan_forget`]; or when the
    /// store can't be written to.
    pub fn forget(&self, plan: &ForgetPlan) -> Result<ForgetReport> {
        let (_, state) = self.writing(&self.access)?;
        forget::perform(&self.access, state.client, plan, session::now_ns())
    }

    /// Brings forgotten snapshots back: all of them, or none.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when something that one of them needs was collected or is about to be, and nothing was
    /// changed; [`ErrorKind::Denied`]; or when the store can't be read or written.
    pub fn undo_forget(
        &self,
        snapshots: &[SnapshotId],
        writer: &Writer,
        progress: &dyn Progress,
    ) -> Result<UndoReport> {
        self.access.noting(
            |report: &mut UndoReport| &mut report.notices,
            |access| {
                let (_, state) = self.writing(access)?;
                forget::undo(access, &Client { state: &state, writer }, snapshots, StatementKind::Undo, progress)
            },
        )
    }

    /// Pins snapshots: nothing forgets them until they are unpinned or, where there is an end, until then. Forgotten ones
    /// are brought back first.
    ///
    /// # Errors
    /// As [`Self::undo_forget`].
    pub fn pin(
        &self,
        snapshots: &[Snapshot],
        until_ns: Option<i64>,
        writer: &Writer,
        progress: &dyn Progress,
    ) -> Result<PinReport> {
        self.access.noting(
            |report: &mut PinReport| &mut report.notices,
            |access| {
                let (_, state) = self.writing(access)?;
                forget::pin(access, &Client { state: &state, writer }, snapshots, until_ns, progress)
            },
        )
    }

    /// Lifts the pins of snapshots. Returns those that had one.
    ///
    /// # Errors
    /// [`ErrorKind::Denied`] when the key may not unpin, or when the store can't be written to.
    pub fn unpin(&self, snapshots: &[SnapshotId]) -> Result<Vec<SnapshotId>> {
        let (_, state) = self.writing(&self.access)?;
        forget::unpin(&self.access, state.client, snapshots)
    }

    /// The forgotten snapshots that can still be brought back, as far as is known at this moment, oldest first. Those
    /// from before a prune are walked.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn forgotten_snapshots(&self) -> Result<Vec<Snapshot>> {
        let (access, history) = (self.access.with_second_copies(), self.listed_history()?);
        session::bring_up_to_date(&access, &history)?;
        forget::recoverable(&access, &history)
    }

    /// Every snapshot that was ever made and passes a filter, oldest first, be it forgotten and its data gone.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn snapshots_ever(&self, filter: &SnapshotFilter) -> Result<Vec<Snapshot>> {
        let snapshots = session::all(&self.listed_history()?);
        Ok(snapshots.into_iter().filter(|snapshot| filter.passes(snapshot)).collect())
    }

    /// The sessions that nobody has decided yet.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn open_sessions(&self) -> Result<Vec<UndecidedSession>> {
        let access = self.access.with_second_copies();
        session::open_sessions(&access, &History::load(&access)?)
    }

    /// Ends a session of anybody, unless it ends before. Its writer loses what it had not committed.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], [`ErrorKind::Ambiguous`], [`ErrorKind::Denied`], [`ErrorKind::Occupied`] for a mirror, or when
    /// the store can't be written to.
    pub fn abort_session(&self, spec: &SessionSpec) -> Result<(SessionId, AbortOutcome)> {
        self.may_write()?;
        let open = self.history()?.open;
        let mut fitting = open.iter().filter(|id| spec.fits(**id));
        match (fitting.next(), fitting.next()) {
            (Some(id), None) => Ok((*id, session::abort_open(&self.access, *id)?)),
            (Some(one), Some(other)) => {
                let message = format!("{spec} fits several open sessions: {one}, {other}; give more digits");
                Err(Error::new(ErrorKind::Ambiguous, message))
            }
            (None, _) => {
                Err(Error::new(ErrorKind::NotFound, format!("no open session is named {spec}; `sessions` lists them")))
            }
        }
    }
}

#[cfg(test)]
mod tests;

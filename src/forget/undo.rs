//! Bringing forgotten snapshots back: a session that tests everything they need and commits a restate.

use super::whole::{self, Standing};
use crate::access::Access;
use crate::content::ContentReader;
use crate::error::{Error, ErrorKind, Result, check_stopped};
use crate::id::{ObjectHash, SnapshotId};
use crate::outcome::{OutcomeKind, Statement, StatementKind};
use crate::progress::{Event, Progress};
use crate::session::{self, ClientState, History, Pulse, RunningSession, Snapshot, Writer};
use crate::session_record::SessionKind;
use crate::wire::List;
use std::collections::BTreeSet;

/// Who undoes.
pub(crate) struct Client<'a> {
    pub(crate) state: &'a ClientState,
    pub(crate) writer: &'a Writer,
}

/// What an undo did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UndoReport {
    /// The snapshots that live again.
    pub restated: Vec<SnapshotId>,
    /// Snapshots that were not forgotten.
    pub not_forgotten: Vec<SnapshotId>,
    /// What could not be noted on this machine of what was committed. No snapshot lacks anything for it.
    pub notices: Vec<String>,
}

/// Makes forgotten snapshots live again, all or none of them. The session is open before anything is looked at, so that
/// every collector either sees it, or has published what it deletes before.
///
/// # Errors
/// [`ErrorKind::NotFound`] when something that one of them needs was collected, or is about to be;
/// [`ErrorKind::Denied`], [`ErrorKind::Aborted`], or when the store can't be read or written. Nothing was changed then.
pub(crate) fn undo(
    access: &Access,
    client: &Client<'_>,
    snapshots: &[SnapshotId],
    kind: StatementKind,
    progress: &dyn Progress,
) -> Result<UndoReport> {
    session::check_may_open(access, SessionKind::Restate)?;
    let own = client.state.client;
    let number = History::load(access)?.next_number(own);
    let session = session::open(access, own, number, SessionKind::Restate, client.writer)?;
    let attempt = Attempt { access, client, session };
    let outcome = attempt.run(snapshots, kind, progress);
    if !matches!(&outcome, Ok(report) if !report.restated.is_empty()) {
        session.abort(access);
    }
    outcome.map_err(|error| error.if_stopped("nothing was changed"))
}

struct Attempt<'a> {
    access: &'a Access,
    client: &'a Client<'a>,
    session: RunningSession,
}

impl Attempt<'_> {
    fn run(&self, wanted: &[SnapshotId], kind: StatementKind, progress: &dyn Progress) -> Result<UndoReport> {
        let history = History::load(self.access)?;
        session::bring_up_to_date(self.access, &history)?;
        let gone = history.forgotten();
        let wanted: BTreeSet<SnapshotId> = wanted.iter().copied().collect();
        let (restated, not_forgotten): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|id| gone.contains(id));
        if restated.is_empty() {
            return Ok(UndoReport { restated, not_forgotten, notices: Vec::new() });
        }
        progress.event(&Event::Phase("looking for everything that the snapshots need"));
        let standing = Standing::read(self.access, &history)?;
        let reader = ContentReader::new(self.access.clone());
        let mut pulse = Pulse::new(self.session.id);
        for snapshot in session::all(&history).iter().filter(|snapshot| restated.contains(&snapshot.id)) {
            let mut stop = || {
                check_stopped(progress)?;
                pulse.beat_if_due(self.access)
            };
            whole::check(&reader, &standing, snapshot, &mut stop)?.map_err(|missing| refusal(snapshot, &missing))?;
        }
        let cancels: BTreeSet<ObjectHash> = restated.iter().flat_map(|id| history.forgets_of(*id)).collect();
        let statement =
            Statement { kind, snapshots: List(restated.clone()), cancels: List(cancels.into_iter().collect()) };
        self.commit(&history, statement)?;
        Ok(UndoReport { restated, not_forgotten, notices: Vec::new() })
    }

    fn commit(&self, history: &History, statement: Statement) -> Result<()> {
        let mut body = self.session.outcome(OutcomeKind::Restate, Vec::new(), Vec::new());
        body.time_ns = history.statement_time_ns(&statement.snapshots.0, body.committed_at_ns);
        body.statement = Some(statement);
        session::commit_seen(self.access, self.session, self.client.state, history.seen(), body, None).map(drop)
    }
}

fn refusal(snapshot: &Snapshot, missing: &whole::Missing) -> Error {
    let message = format!(
        "snapshot {} can't be brought back: {missing}; it stays forgotten, and nothing was changed",
        snapshot.id.short()
    );
    Error::new(ErrorKind::NotFound, message)
}

/// The forgotten snapshots of which nothing was collected yet, as far as is known at this moment.
///
/// # Errors
/// When the store can't be read.
pub(crate) fn recoverable(access: &Access, history: &History) -> Result<Vec<Snapshot>> {
    let standing = Standing::read(access, history)?;
    let reader = ContentReader::new(access.clone());
    let mut found = Vec::new();
    for snapshot in session::all(history).into_iter().filter(|snapshot| snapshot.forgotten) {
        // The sets of the highest generation stay: when all that are there counted it as live, no collector has chosen
        // what to delete since it was forgotten.
        let untouched = history.generations.iter().all(|known| known.live.binary_search(&snapshot.id).is_ok());
        if untouched && standing.is_all_there() || whole::check(&reader, &standing, &snapshot, &mut || Ok(()))?.is_ok()
        {
            found.push(snapshot);
        }
    }
    Ok(found)
}

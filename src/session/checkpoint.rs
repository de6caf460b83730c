//! Finishes packs and commits them in checkpoints while a run goes on, so that an interrupted run loses at most the
//! packs in flight. One thread, off the workers' path: footers, fsyncs, segments, outcomes, heartbeats.

use crate::access::Access;
use crate::content::{Claims, ClosedPack, PackStream};
use crate::error::{Error, ErrorKind, Result, chain};
use crate::id::{ClientId, SessionId};
use crate::outcome::OutcomeKind;
use crate::session::heartbeat::{self, HEARTBEAT_INTERVAL};
use crate::session::journal::Journal;
use crate::session::ledger::Ledger;
use crate::session::running::{self, RunningSession, Writer};
use crate::session_record::SessionKind;
use crossbeam_channel::{Receiver, RecvTimeoutError};
use std::collections::BTreeMap;
use std::error::Error as _;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// A checkpoint is committed this long after its first pack was finished.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(120);
/// Or when it names so many chunks, some 8 GiB of content: their claims and rows are in memory until then, and the copies
/// of their segment while it is published. With 400 thousand, a backup of a million small files peaked at 186 MiB.
const CHECKPOINT_CHUNKS_MAX: usize = 128 << 10;

/// Opens checkpoint sessions when content streams ask for one.
pub(super) struct CheckpointSessions {
    access: Access,
    writer: Writer,
    client: ClientId,
    opened: Mutex<Vec<RunningSession>>,
}

impl CheckpointSessions {
    /// None is open yet.
    pub(super) const fn new(access: Access, writer: Writer, client: ClientId) -> Self {
        Self { access, writer, client, opened: Mutex::new(Vec::new()) }
    }

    /// Opens the next checkpoint session of the client, above `above`.
    ///
    /// # Errors
    /// When the store can't take the session object.
    pub(super) fn open(&self, above: u64) -> Result<SessionId> {
        // Held to the end: two that open at the same moment must not come to one number.
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let highest = opened.iter().map(|session| session.id.number).max().unwrap_or(above);
        let session =
            running::open(&self.access, self.client, highest.saturating_add(1), SessionKind::Checkpoint, &self.writer)?;
        opened.push(session);
        Ok(session.id)
    }

    fn find(&self, id: SessionId) -> Option<RunningSession> {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.iter().find(|session| session.id == id).copied()
    }

    fn undecided(&self, decided: &[SessionId]) -> Vec<RunningSession> {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.iter().filter(|session| !decided.contains(&session.id)).copied().collect()
    }
}

/// The thread's own side: everything between a closed pack and a committed checkpoint.
pub(super) struct Checkpointer {
    /// The repository.
    pub access: Access,
    /// The session whose packs wait for the run's end.
    pub main: RunningSession,
    /// Where checkpoint sessions come from.
    pub sessions: Arc<CheckpointSessions>,
    /// The stream whose session turns at each checkpoint; weak, so that dropping it ends the thread.
    pub content: Weak<PackStream>,
    /// Released once a checkpoint is in the index.
    pub claims: Arc<Claims>,
}

struct Pending {
    ledger: Ledger,
    /// None where it can't be written.
    journal: Option<Journal>,
    chunks: usize,
    since: Instant,
    /// How many packs the session will have, once its stream has turned.
    expected: Option<u64>,
}

struct Progressing {
    main: Ledger,
    checkpoints: BTreeMap<SessionId, Pending>,
    decided: Vec<SessionId>,
    /// The number of each session's last heartbeat: where one had to leap, those of the others stay as they are.
    beats: BTreeMap<SessionId, u64>,
    beaten: Instant,
}

impl Checkpointer {
    /// Receives closed packs until all their senders are gone, then commits what is left. Returns the main session's
    /// packs, which are durable and not yet published.
    ///
    /// # Errors
    /// The first failure of the store; every checkpoint session is then decided, by abort if need be.
    pub(super) fn run(self, closed: &Receiver<ClosedPack>) -> Result<Ledger> {
        let mut progressing = Progressing {
            main: Ledger::default(),
            checkpoints: BTreeMap::new(),
            decided: Vec::new(),
            beats: BTreeMap::new(),
            beaten: Instant::now(),
        };
        let outcome = self.receive(closed, &mut progressing).and_then(|()| self.finish(&mut progressing));
        if outcome.is_err() {
            for session in self.sessions.undecided(&progressing.decided) {
                session.abort(&self.access);
            }
        }
        outcome.map(|()| progressing.main)
    }

    fn receive(&self, closed: &Receiver<ClosedPack>, progressing: &mut Progressing) -> Result<()> {
        loop {
            match closed.recv_timeout(Duration::from_secs(5)) {
                Ok(pack) => self.take(pack, progressing)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            self.turn_if_due(progressing)?;
            self.beat_if_due(progressing)?;
        }
    }

    fn take(&self, pack: ClosedPack, progressing: &mut Progressing) -> Result<()> {
        let session = pack.session();
        let row = running::finish(&self.access, pack)?;
        if session == self.main.id {
            progressing.main.add(row);
            return Ok(());
        }
        let pending = match progressing.checkpoints.entry(session) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => entry.insert(Pending {
                ledger: Ledger::default(),
                journal: self.unless_refused(Journal::begin(&self.access.state_dir, session)),
                chunks: 0,
                since: Instant::now(),
                expected: None,
            }),
        };
        if let Some(mut journal) = pending.journal.take() {
            pending.journal = self.unless_refused(journal.add(&row)).map(|()| journal);
        }
        pending.chunks = pending.chunks.saturating_add(row.ids().len());
        pending.ledger.add(row);
        let finished = u64::try_from(pending.ledger.pack_count()).unwrap_or(u64::MAX);
        if pending.expected.is_some_and(|expected| finished >= expected) {
            self.commit(session, Some(&self.claims), progressing)?;
        }
        Ok(())
    }

    /// What was written to a journal; none where it can't be, which is noted. A journal spares work after an interruption, and
    /// a backup is worth more than that.
    fn unless_refused<T>(&self, written: Result<T>) -> Option<T> {
        let note = |error: Error| {
            let (place, cause) =
                (self.access.state_dir.display(), error.source().map_or_else(|| error.to_string(), chain));
            self.access.behind.note(format!(
                "what was stored could not be noted in {place} while it was stored: had this been interrupted, it would have \
                 been stored again: {cause}"
            ));
        };
        written.map_err(note).ok()
    }

    fn turn_if_due(&self, progressing: &mut Progressing) -> Result<()> {
        let due = |pending: &Pending| {
            pending.expected.is_none()
                && (pending.since.elapsed() >= CHECKPOINT_INTERVAL || pending.chunks >= CHECKPOINT_CHUNKS_MAX)
        };
        if !progressing.checkpoints.values().any(due) {
            return Ok(());
        }
        let Some(content) = self.content.upgrade() else { return Ok(()) };
        let turn = content.turn();
        drop(content);
        if let Some(pending) = turn.session.and_then(|session| progressing.checkpoints.get_mut(&session)) {
            pending.expected = Some(turn.begun);
        }
        if let Some(pack) = turn.closed {
            self.take(pack, progressing)?;
        }
        Ok(())
    }

    /// Nobody claims anything any more, so nothing is released.
    fn finish(&self, progressing: &mut Progressing) -> Result<()> {
        let left: Vec<SessionId> = progressing.checkpoints.keys().copied().collect();
        left.into_iter().try_for_each(|session| self.commit(session, None, progressing))
    }

    /// Publishes the segments, then the outcome; then, and only then, the index may answer with these packs.
    fn commit(&self, session: SessionId, claims: Option<&Claims>, progressing: &mut Progressing) -> Result<()> {
        let Some(pending) = progressing.checkpoints.remove(&session) else { return Ok(()) };
        let running = self.sessions.find(session).ok_or_else(|| {
            Error::new(ErrorKind::Aborted, format!("session {session} is not one that this run opened"))
        })?;
        commit_checkpoint(&self.access, running, pending.ledger, claims)?;
        progressing.decided.push(session);
        Ok(())
    }

    fn beat_if_due(&self, progressing: &mut Progressing) -> Result<()> {
        if progressing.beaten.elapsed() < HEARTBEAT_INTERVAL {
            return Ok(());
        }
        progressing.beaten = Instant::now();
        // Those too of which no pack is finished yet: a run that finds little that is new may take hours for one.
        let open = self.sessions.undecided(&progressing.decided);
        beat_each(&self.access, open.iter().map(|session| session.id).chain([self.main.id]), &mut progressing.beats)
    }
}

/// Writes the next heartbeat of each of these sessions, whose last ones are known, and forgets those of all others.
fn beat_each(
    access: &Access,
    open: impl Iterator<Item = SessionId>,
    last: &mut BTreeMap<SessionId, u64>,
) -> Result<()> {
    let before = std::mem::take(last);
    for id in open {
        last.insert(id, heartbeat::beat(access, id, before.get(&id).copied().unwrap_or(0))?);
    }
    Ok(())
}

/// Commits the packs of a checkpoint session and brings them into the index. `claims` are those of a run that goes on: it
/// can't without the index, since claims would have to stand in memory for what that lacks.
///
/// # Errors
/// When the store can't take them, or the index of a run that goes on; or when somebody else decided the session.
pub(super) fn commit_checkpoint(
    access: &Access,
    session: RunningSession,
    mut ledger: Ledger,
    claims: Option<&Claims>,
) -> Result<()> {
    let published = ledger.publish(access)?;
    let body = session.outcome(OutcomeKind::Checkpoint, ledger.pack_ids(), published.references());
    session.commit(access, &body, None)?;
    match claims {
        Some(claims) => {
            published.apply(access.index.as_ref())?;
            claims.release(ledger.rows().iter().flat_map(|row| row.ids().iter().copied()));
        }
        None => published.apply_last(access),
    }
    Journal::remove(&access.state_dir, session.id);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::testing::Keys;
    use crate::config::Parameters;
    use crate::session::{self, History};
    use crate::store::{Folder, Listed, MemoryStore, ObjectName, Store};
    use std::collections::BTreeSet;

    /// They once shared a number. After one had leapt over what somebody had put in its way, the others' next heartbeats
    /// left those before them, which a reader then had to look at for as long as the session ran.
    #[test]
    fn session_7_of_each_session_of_a_run_the_last_heartbeat_alone_stays() {
        let directory = tempfile::tempdir().unwrap();
        let store = MemoryStore::new();
        let access = Keys::new(Parameters::default()).open(Arc::new(store.clone()), directory.path());
        let client = session::load(&access).unwrap().client;
        let open = || {
            let number = History::load(&access).unwrap().next_number(client);
            running::open(&access, client, number, SessionKind::Checkpoint, &Writer::default()).unwrap().id
        };
        let (one, other, mut beats) = (open(), open(), BTreeMap::new());
        let taken = ObjectName::Heartbeat(one, 1);
        let _ = store.create(&taken, b"not a heartbeat").unwrap();
        let mut all = vec![one, other];
        for _ in 0..4 {
            beat_each(&access, all.iter().copied(), &mut beats).unwrap();
            if all.len() == 2 {
                all.push(open());
            }
        }
        assert_eq!((beats[&other], beats[&all[2]]), (4, 3), "each counts for itself");
        let mut there = BTreeSet::new();
        let mut each = |listed| {
            if let Listed::Object { name, .. } = listed {
                there.insert(name);
            }
        };
        store.list(Folder::Heartbeats, &mut each).unwrap();
        let last = beats.iter().map(|(id, beat)| ObjectName::Heartbeat(*id, *beat));
        assert_eq!(there, last.chain([taken]).collect());
        beat_each(&access, [other].into_iter(), &mut beats).unwrap();
        assert_eq!(beats, BTreeMap::from([(other, 5)]));
    }
}

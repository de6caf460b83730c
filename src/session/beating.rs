//! A session that shows that it lives while one thread works in it, and that continues its client's chain.

use crate::access::Access;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{ObjectHash, PackId, SessionId};
use crate::outcome::{OutcomeBody, OutcomeDescription, OutcomeKind, SeenEntry, SegmentRef};
use crate::session::heartbeat::Pulse;
use crate::session::history::History;
use crate::session::running::{self, RunningSession, Writer};
use crate::session::seen::commit_seen;
use crate::session::state::{self, ClientState};
use crate::session_record::SessionKind;
use std::time::Duration;

/// How long a full medium is given to make room again. What a removed file held is free only once no process has it
/// open, and a child that another thread is about to start has all of this one's files until it runs its own program; some
/// file systems free it some time later in any case.
const ROOM_PAUSES_MS: [u64; 5] = [1, 4, 16, 64, 256];

/// A running session of a collector or of a repair: the one who works also sees to the heartbeats.
pub struct Beating {
    session: RunningSession,
    state: ClientState,
    seen: Vec<SeenEntry>,
    pulse: Pulse,
}

impl Beating {
    /// Opens a session of this client. `history` may be from before.
    ///
    /// # Errors
    /// When the store can't take the session, or the state directory not be read.
    pub fn open(access: &Access, history: &History, kind: SessionKind, writer: &Writer) -> Result<Self> {
        // The state first: what another process of this client acknowledges in between is then no rollback.
        let state = state::load(access)?;
        let number = history.next_number(state.client).max(state.number.saturating_add(1));
        let session = running::open(access, state.client, number, kind, writer)?;
        Ok(Self { session, state, seen: history.seen(), pulse: Pulse::new(session.id) })
    }

    /// The session's name.
    pub const fn id(&self) -> SessionId {
        self.session.id
    }

    /// Writes a heartbeat when it is time for one.
    ///
    /// # Errors
    /// As [`Pulse::beat_if_due`].
    pub fn beat_if_due(&mut self, access: &Access) -> Result<()> {
        self.pulse.beat_if_due(access)
    }

    /// Commits what the session wrote.
    ///
    /// # Errors
    /// [`crate::error::ErrorKind::Aborted`] when somebody else ended the session; nothing was committed then.
    pub fn commit(
        &self,
        access: &Access,
        kind: OutcomeKind,
        packs: Vec<PackId>,
        segments: Vec<SegmentRef>,
    ) -> Result<()> {
        self.commit_body(access, self.session.outcome(kind, packs, segments), None).map(drop)
    }

    /// An outcome of this session that says nothing yet but its kind, packs and segments.
    pub(super) fn outcome(&self, kind: OutcomeKind, packs: Vec<PackId>, segments: Vec<SegmentRef>) -> OutcomeBody {
        self.session.outcome(kind, packs, segments)
    }

    /// Commits with an outcome of [`Self::outcome`]. Returns its hash.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub(super) fn commit_body(
        &self,
        access: &Access,
        mut body: OutcomeBody,
        description: Option<&OutcomeDescription>,
    ) -> Result<ObjectHash> {
        body.segments.0.sort_unstable_by_key(|segment| segment.id);
        commit_seen(access, self.session, &self.state, self.seen.clone(), body, description)
    }

    /// Ends a session that failed. On a full medium its abort takes from the reserve: while it is open, nothing that was
    /// condemned can be deleted.
    pub fn give_up(&self, access: &Access, error: &Error) {
        if self.session.abort(access) || error.kind() != ErrorKind::NoSpace {
            return;
        }
        let _ = access.store.give_up_reserve();
        let mut pauses_ms = ROOM_PAUSES_MS.into_iter();
        while !self.session.abort(access) {
            let Some(pause_ms) = pauses_ms.next() else { return };
            std::thread::sleep(Duration::from_millis(pause_ms));
        }
    }

    /// Gives the session up.
    pub fn abort(&self, access: &Access) {
        self.session.abort(access);
    }
}

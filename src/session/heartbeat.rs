//! Signs of life of an open session: `heartbeats/<session>-<k>`, k counted up, older ones removed.

use crate::access::Access;
use crate::error::Result;
use crate::id::SessionId;
use crate::session::running;
use crate::session_record::{self, HeartbeatBody};
use crate::store::ObjectName;
use std::time::{Duration, Instant};

/// How often an open session shows that it lives.
pub(super) const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(300);

/// The pulse of a session that one thread keeps alive.
pub struct Pulse {
    id: SessionId,
    beat: u64,
    beaten: Instant,
}

impl Pulse {
    /// Starts counting when the session was opened.
    pub fn new(id: SessionId) -> Self {
        Self { id, beat: 0, beaten: Instant::now() }
    }

    /// Writes a heartbeat when it is time for one.
    ///
    /// # Errors
    /// [`crate::error::ErrorKind::Aborted`] when the session was ended by someone else, or when the store can't take it.
    pub fn beat_if_due(&mut self, access: &Access) -> Result<()> {
        if self.beaten.elapsed() < HEARTBEAT_INTERVAL {
            return Ok(());
        }
        self.beaten = Instant::now();
        self.beat = self.beat.saturating_add(1);
        beat(access, &HeartbeatBody { id: self.id, beat: self.beat })
    }
}

/// Writes one heartbeat and removes the one before it.
///
/// # Errors
/// [`crate::error::ErrorKind::Aborted`] when the session was ended by someone else: it can't commit any more, and need
/// not go on. Or when the store can't take it.
pub(super) fn beat(access: &Access, heartbeat: &HeartbeatBody) -> Result<()> {
    running::check_undecided(access, heartbeat.id)?;
    let bytes = session_record::seal_heartbeat(heartbeat, &access.ring, &access.chain)?;
    // One that is there already says the same.
    let _ = access.store.create(&ObjectName::Heartbeat(heartbeat.id, heartbeat.beat), &bytes)?;
    if let Some(before) = heartbeat.beat.checked_sub(1).filter(|beat| *beat > 0) {
        // Only tidiness: an older heartbeat says nothing that the newer one does not.
        let _ = access.store.remove(&ObjectName::Heartbeat(heartbeat.id, before));
    }
    Ok(())
}

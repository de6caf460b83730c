//! Signs of life of an open session: `heartbeats/<session>-<k>`, k counted up, older ones removed.

use crate::access::Access;
use crate::error::{Error, ErrorKind, Result};
use crate::id::SessionId;
use crate::seal;
use crate::session::running;
use crate::session_record::{self, HeartbeatBody};
use crate::store::{Created, ObjectName};
use std::time::{Duration, Instant};

/// How often an open session shows that it lives.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(300);
/// How often a number is tried: the last ones are above 2^30 that can't be foreseen.
const ATTEMPTS_MAX: u32 = 40;

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
        self.beat = beat(access, self.id, self.beat)?;
        Ok(())
    }
}

/// Writes a heartbeat above `last`, which it then removes. Returns its number: the next one, unless somebody else put
/// something there that would hide it.
///
/// # Errors
/// [`ErrorKind::Aborted`] when the session was ended by someone else: it can't commit any more, and need not go on. Or
/// when the store can't take it.
pub(super) fn beat(access: &Access, id: SessionId, last: u64) -> Result<u64> {
    running::check_undecided(access, id)?;
    for attempt in 0..ATTEMPTS_MAX {
        let beat = last.saturating_add(1).saturating_add(leap(attempt));
        let bytes = session_record::seal_heartbeat(&HeartbeatBody { id, beat }, &access.ring, &access.chain)?;
        if access.store.create(&ObjectName::Heartbeat(id, beat), &bytes)? == Created::Exists {
            continue;
        }
        if last > 0 {
            // Only tidiness: an older heartbeat says nothing that the newer one does not.
            let _ = access.store.remove(&ObjectName::Heartbeat(id, last));
        }
        return Ok(beat);
    }
    Err(Error::new(
        ErrorKind::Busy,
        format!("session {id} finds no free number for a heartbeat above {last}; try again"),
    ))
}

/// How far above the next number an attempt looks: the first not at all, the others farther and farther, where nobody can
/// foresee. Whoever may add objects could take any number of those that can be.
fn leap(attempt: u32) -> u64 {
    u64::from_le_bytes(seal::random()) & 1_u64.wrapping_shl(attempt).wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::testing::Keys;
    use crate::config::Parameters;
    use crate::session::{self, History, Writer};
    use crate::session_record::SessionKind;
    use crate::store::{MemoryStore, Store};
    use std::sync::Arc;

    #[test]
    fn session_7_a_number_that_is_taken_is_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        let store = MemoryStore::new();
        let access = Keys::new(Parameters::default()).open(Arc::new(store.clone()), directory.path());
        let state = session::load(&access).unwrap();
        let number = History::load(&access).unwrap().next_number(state.client);
        let id = session::open(&access, state.client, number, SessionKind::Backup, &Writer::default()).unwrap().id;
        let name = |beat| ObjectName::Heartbeat(id, beat);
        assert_eq!(beat(&access, id, 0).unwrap(), 1);
        for taken in 2..1000 {
            let _ = store.create(&name(taken), b"not a heartbeat").unwrap();
        }
        let next = beat(&access, id, 1).unwrap();
        let bytes = store.read(&name(next), 1 << 20).unwrap();
        assert!(session_record::open_heartbeat(id, next, &access.ring, &access.chain, &bytes).is_ok(), "{next}");
        assert!(next >= 1000 && store.read(&name(1), 1 << 20).is_err(), "the one before it is removed");
        assert_eq!(beat(&access, id, next).unwrap(), next + 1);
    }
}

//! Signs of life of an open session: `heartbeats/<session>-<k>`, k counted up, older ones removed.

use crate::access::Access;
use crate::error::Result;
use crate::session_record::{self, HeartbeatBody};
use crate::store::ObjectName;

/// Writes one heartbeat and removes the one before it.
///
/// # Errors
/// When the store can't take it.
pub(super) fn beat(access: &Access, heartbeat: &HeartbeatBody) -> Result<()> {
    let bytes = session_record::seal_heartbeat(heartbeat, &access.ring, &access.chain)?;
    // One that is there already says the same.
    let _ = access.store.create(&ObjectName::Heartbeat(heartbeat.id, heartbeat.beat), &bytes)?;
    if let Some(before) = heartbeat.beat.checked_sub(1).filter(|beat| *beat > 0) {
        // Only tidiness: an older heartbeat says nothing that the newer one does not.
        let _ = access.store.remove(&ObjectName::Heartbeat(heartbeat.id, before));
    }
    Ok(())
}

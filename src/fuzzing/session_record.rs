//! Bodies of sessions and heartbeats from strangers.

use super::envelope::opened;
use crate::envelope::{Described, Kind, Plaintext};
use crate::id::{ClientId, SessionId};
use crate::session_record::{Liveness, SessionBody, SessionKind, parse, parse_heartbeat};
use crate::wire::{self, Blob};

/// Reads `data` as the body of a session, as its description, and as the body of a heartbeat.
///
/// # Panics
/// When what was accepted is not written the same again.
pub fn fuzz_session(data: &[u8]) {
    if let Ok(id) = wire::decode::<SessionId>(data.get(..24).unwrap_or(&[])) {
        if let Ok(session) = parse(id, &opened(Kind::Session, data, Described::Sealed)) {
            assert!(session.body.encode().is_ok_and(|bytes| bytes == data), "a session has one encoding");
        }
        let beat = wire::decode(data.get(24..).unwrap_or(&[])).unwrap_or(1);
        if let Ok(heartbeat) = parse_heartbeat(id, beat, &opened(Kind::Heartbeat, data, Described::Absent)) {
            assert!(wire::encode(&heartbeat.body) == data, "a heartbeat has one encoding");
        }
    }
    fuzz_description(data);
}

fn fuzz_description(data: &[u8]) {
    let liveness = Liveness { boot_id: [0; 16], pid_namespace: 1, pid: 2, process_start_ticks: 3 };
    let id = SessionId { client: ClientId::from_bytes([5; 16]), number: 1 };
    let kind = SessionKind::Backup;
    let body = SessionBody { id, kind, started_at_ns: 0, liveness, writer_version: Blob::default() };
    let description = Described::Open(Plaintext::from(data.to_vec()));
    let Ok(session) = parse(id, &opened(Kind::Session, &wire::encode(&body), description)) else { return };
    let description = session.description.as_open().expect("it was given open");
    assert!(description.encode(id).is_ok_and(|bytes| bytes == data), "a description has one encoding");
}

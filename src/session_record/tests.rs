//! Sessions and heartbeats.

use super::*;
use crate::envelope::testing::{NOW_NS, keys, session};

pub(crate) fn sample(kind: SessionKind) -> SessionBody {
    SessionBody {
        id: session(7),
        kind,
        started_at_ns: NOW_NS,
        liveness: Liveness {
            boot_id: [0xb0; 16],
            pid_namespace: 4_026_531_836,
            pid: 4711,
            process_start_ticks: 123_456,
        },
        writer_version: "holdall 0.1.0".into(),
    }
}

fn described() -> SessionDescription {
    SessionDescription {
        host: "attic".into(),
        user: "ada".into(),
        command: List(vec!["holdall".into(), "backup".into()]),
    }
}

#[test]
fn a_session_reads_back() {
    let keys = keys();
    let body = sample(SessionKind::Backup);
    let bytes = seal(&body, Some(&described()), keys.of(Role::Put), &keys.chain).unwrap();
    let session = open(body.id, keys.of(Role::Read), &keys.chain, &bytes).unwrap();
    assert_eq!((session.body, session.description), (body, Described::Open(described())));
}

#[test]
fn a_heartbeat_reads_back() {
    let keys = keys();
    let body = HeartbeatBody { id: session(7), beat: 3 };
    let bytes = seal_heartbeat(&body, keys.of(Role::Put), &keys.chain).unwrap();
    let heartbeat = open_heartbeat(body.id, 3, keys.of(Role::Put), &keys.chain, &bytes).unwrap();
    assert_eq!(heartbeat.body, body);
}

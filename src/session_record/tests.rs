//! Sessions and heartbeats.

mod vectors;

use super::*;
use crate::envelope::testing::{Keys, NOW_NS, client, forged, keys, long, session};

const EVERY: [SessionKind; 7] = [
    SessionKind::Backup,
    SessionKind::Checkpoint,
    SessionKind::Repack,
    SessionKind::Repair,
    SessionKind::Restate,
    SessionKind::Group,
    SessionKind::Copy,
];

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
        command: List(vec!["holdall".into(), "backup".into(), Blob(vec![0xff, 0x00])]),
    }
}

/// What this reader says to bodies that no writer of ours makes.
fn read_forged(
    keys: &Keys,
    role: Role,
    body: &[u8],
    description: Option<&SessionDescription>,
) -> Result<Session, SessionError> {
    let described = description.map(wire::encode);
    parse(session(7), &forged(keys, role, Kind::Session, body, described.as_deref()))
}

#[test]
fn a_session_reads_back() {
    let keys = keys();
    for kind in EVERY {
        let body = sample(kind);
        let bytes = seal(&body, Some(&described()), keys.of(Role::Prune), &keys.chain).unwrap();
        let session = open(body.id, keys.of(Role::Read), &keys.chain, &bytes).unwrap();
        assert_eq!((&session.body, session.description), (&body, Described::Open(described())));
        assert_eq!((session.signer, session.role), (keys.of(Role::Prune).signer(), Role::Prune));
        let by_put = open(body.id, keys.of(Role::Put), &keys.chain, &bytes).unwrap();
        assert_eq!((by_put.body, by_put.description, by_put.hash), (body, Described::Sealed, session.hash));
    }
}

#[test]
fn session_1_a_session_under_another_name_is_refused() {
    let keys = keys();
    let body = sample(SessionKind::Backup);
    let bytes = seal(&body, None, keys.of(Role::Put), &keys.chain).unwrap();
    for expected in [session(8), SessionId { client: client(2), number: 7 }] {
        let refused = SessionError::Misplaced { expected, found: body.id };
        assert_eq!(open(expected, keys.of(Role::Put), &keys.chain, &bytes), Err(refused));
    }
}

#[test]
fn session_2_each_role_opens_its_kinds_of_session_and_no_other() {
    let keys = keys();
    for kind in EVERY {
        for role in Role::EVERY {
            let by_writers = matches!(kind, SessionKind::Backup | SessionKind::Checkpoint | SessionKind::Copy);
            let allowed = by_writers || role >= Role::Prune;
            let body = sample(kind);
            let expected = if allowed { Ok(()) } else { Err(SessionError::Role { id: body.id, kind, role }) };
            assert_eq!(seal(&body, None, keys.of(role), &keys.chain).map(|_| ()), expected, "{role} opens {kind}");
            assert_eq!(read_forged(&keys, role, &wire::encode(&body), None).map(|_| ()), expected, "{role} {kind}");
        }
    }
}

#[test]
fn session_3_a_kind_that_is_not_known_is_refused_as_such() {
    let keys = keys();
    for kind in [7, 8, u32::MAX] {
        let mut body = wire::encode(&sample(SessionKind::Backup));
        body[KIND_OFFSET..KIND_OFFSET + 4].copy_from_slice(&kind.to_le_bytes());
        let refused = SessionError::UnknownKind { id: session(7), kind };
        assert_eq!(read_forged(&keys, Role::All, &body, None), Err(refused.clone()));
        body.truncate(KIND_OFFSET + 4);
        assert_eq!(read_forged(&keys, Role::All, &body, None), Err(refused), "whatever follows the kind");
    }
}

#[test]
fn session_4_fields_out_of_their_range_are_refused() {
    let keys = keys();
    let (put, chain) = (keys.of(Role::Put), &keys.chain);
    let range = |what| SessionError::Range { id: session(7), what };
    let body = SessionBody { writer_version: long(257), ..sample(SessionKind::Backup) };
    assert_eq!(seal(&body, None, put, chain), Err(range("the writer's version")));
    assert_eq!(read_forged(&keys, Role::Put, &wire::encode(&body), None), Err(range("the writer's version")));
    let good = wire::encode(&sample(SessionKind::Backup));
    let host = SessionDescription { host: long(1025), ..described() };
    let user = SessionDescription { user: long(1025), ..described() };
    for (description, what) in [(host, "the host's name"), (user, "the user's name")] {
        let sealed = seal(&sample(SessionKind::Backup), Some(&description), put, chain);
        assert_eq!(sealed, Err(range(what)));
        assert_eq!(read_forged(&keys, Role::Read, &good, Some(&description)), Err(range(what)));
    }
    let longest = SessionDescription { host: long(1024), user: long(1024), ..described() };
    assert!(read_forged(&keys, Role::Read, &good, Some(&longest)).is_ok());
    let zero = SessionBody { id: session(0), ..sample(SessionKind::Backup) };
    let refused = SessionError::Range { id: session(0), what: "its number" };
    assert_eq!(seal(&zero, None, put, chain), Err(refused.clone()));
    let opened = forged(&keys, Role::Put, Kind::Session, &wire::encode(&zero), None);
    assert_eq!(parse(session(0), &opened), Err(refused));
}

#[test]
fn session_4_truncated_and_longer_bodies_are_refused() {
    let keys = keys();
    let good = wire::encode(&sample(SessionKind::Backup));
    for length in 0..good.len() {
        let refused = read_forged(&keys, Role::Put, &good[..length], None);
        assert!(matches!(refused, Err(SessionError::Body { .. })), "{length} bytes: {refused:?}");
    }
    let mut long = good.clone();
    long.push(0);
    let refused = read_forged(&keys, Role::Put, &long, None);
    assert!(matches!(refused, Err(SessionError::Body { source: WireError::Trailing { .. }, .. })), "{refused:?}");
}

fn beat(keys: &Keys, role: Role, number: u64, beat: u64) -> Result<Vec<u8>, SessionError> {
    seal_heartbeat(&HeartbeatBody { id: session(number), beat }, keys.of(role), &keys.chain)
}

#[test]
fn session_5_a_heartbeat_under_another_name_is_refused() {
    let keys = keys();
    let bytes = beat(&keys, Role::Put, 7, 3).unwrap();
    let read = |id, beat| open_heartbeat(id, beat, keys.of(Role::Put), &keys.chain, &bytes);
    assert_eq!(read(session(7), 3).unwrap().body, HeartbeatBody { id: session(7), beat: 3 });
    assert_eq!(read(session(8), 3), Err(SessionError::Misplaced { expected: session(8), found: session(7) }));
    let refused = SessionError::MisplacedBeat { id: session(7), expected: 4, found: 3 };
    assert_eq!(read(session(7), 4), Err(refused));
}

#[test]
fn session_5_heartbeats_count_from_one() {
    let keys = keys();
    for (number, count, what) in [(7, 0, "the heartbeat's number"), (0, 1, "its number")] {
        let id = session(number);
        let refused = SessionError::Range { id, what };
        assert_eq!(beat(&keys, Role::Put, number, count), Err(refused.clone()));
        let body = wire::encode(&HeartbeatBody { id, beat: count });
        let opened = forged(&keys, Role::Put, Kind::Heartbeat, &body, None);
        assert_eq!(parse_heartbeat(id, count, &opened), Err(refused));
    }
}

#[test]
fn session_6_only_the_sessions_own_key_keeps_it_alive() {
    let keys = keys();
    let (put, read) = (keys.of(Role::Put), keys.of(Role::Read));
    let bytes = seal(&sample(SessionKind::Backup), None, put, &keys.chain).unwrap();
    let own = open(session(7), read, &keys.chain, &bytes).unwrap();
    let heartbeat = |role, number| {
        let bytes = beat(&keys, role, number, 1).unwrap();
        open_heartbeat(session(number), 1, read, &keys.chain, &bytes).unwrap()
    };
    assert_eq!(heartbeat(Role::Put, 7).check_belongs(&own), Ok(()));
    for role in [Role::Read, Role::Prune, Role::All] {
        let refused = SessionError::ForeignBeat { id: session(7), beat: 1, signer: keys.of(role).signer() };
        assert_eq!(heartbeat(role, 7).check_belongs(&own), Err(refused));
    }
    let other = SessionError::Misplaced { expected: session(7), found: session(8) };
    assert_eq!(heartbeat(Role::Put, 8).check_belongs(&own), Err(other));
}

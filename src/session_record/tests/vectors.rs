//! Vectors of sessions and heartbeats.

use super::*;
use crate::envelope::testing::{Vector, check_vectors, seal_fixed};

const HEAD: &str = "\
# Sessions and heartbeats. Files named beat* are heartbeat 3, all others are the session object, of session 7 of the client
# c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1. Configurations and secrets are those of ../envelope.
# file | verdict | refusal | comment
";

type Case = (&'static str, &'static str, Role, Vec<u8>, Option<Vec<u8>>);

fn cases() -> Vec<Case> {
    let body = |kind| wire::encode(&sample(kind));
    let good = body(SessionKind::Backup);
    let mut unknown = good.clone();
    unknown[KIND_OFFSET] = 7;
    let mut long = good.clone();
    long.push(0);
    let other = SessionBody { id: session(8), ..sample(SessionKind::Backup) };
    let host = SessionDescription { host: super::long(1025), ..described() };
    let heartbeat = |number, beat| wire::encode(&HeartbeatBody { id: session(number), beat });
    vec![
        ("backup", "with a description", Role::Read, good.clone(), Some(wire::encode(&described()))),
        ("checkpoint", "without a description", Role::Put, body(SessionKind::Checkpoint), None),
        ("repack", "by a collector", Role::Prune, body(SessionKind::Repack), None),
        ("beat", "heartbeat 3", Role::Put, heartbeat(7, 3), None),
        ("other", "session 8 under the name of 7", Role::Put, wire::encode(&other), None),
        ("role", "a repack by a key that may not", Role::Read, body(SessionKind::Repack), None),
        ("kind", "kind 7", Role::Put, unknown, None),
        ("short", "the body's last byte is missing", Role::Put, good[..good.len() - 1].to_vec(), None),
        ("long", "a byte too many", Role::Put, long, None),
        ("host", "a host name of 1025 bytes", Role::Read, good, Some(wire::encode(&host))),
        ("beat-other", "heartbeat 4 under the name of 3", Role::Put, heartbeat(7, 4), None),
        ("beat-session", "a heartbeat of session 8", Role::Put, heartbeat(8, 3), None),
    ]
}

#[test]
fn vectors_are_current_and_refused_as_their_index_says() {
    let keys = keys();
    let read = keys.of(Role::Read);
    let judged = cases().into_iter().map(|(name, comment, role, body, description)| {
        let is_beat = name.starts_with("beat");
        let kind = if is_beat { Kind::Heartbeat } else { Kind::Session };
        let bytes = seal_fixed(kind, keys.of(role), &keys.chain, &body, description.as_deref(), 0x0b).unwrap();
        let refusal = match is_beat {
            true => open_heartbeat(session(7), 3, read, &keys.chain, &bytes).err(),
            false => open(session(7), read, &keys.chain, &bytes).err(),
        };
        Vector { name, comment, bytes, refusal: refusal.map(|error| error.to_string()) }
    });
    check_vectors("session", HEAD, &judged.collect::<Vec<_>>());
}

//! Records.

mod vectors;

use super::*;
use crate::envelope::testing::{Keys, NOW_NS, client, forged, hash_of, keys, long, pack, snapshot};

const EVERY: [RecordKind; 6] = [
    RecordKind::Forget,
    RecordKind::Release,
    RecordKind::Pin,
    RecordKind::Unpin,
    RecordKind::Verified,
    RecordKind::Drill,
];

fn sample(kind: RecordKind) -> RecordBody {
    let of_packs = kind == RecordKind::Verified;
    RecordBody {
        client: client(0xc1),
        number: 4,
        made_at_ns: NOW_NS,
        kind,
        snapshots: List(if of_packs { Vec::new() } else { vec![snapshot(0x51), snapshot(0x52)] }),
        until_ns: (kind == RecordKind::Pin).then_some(NOW_NS + 1),
        packs: List(if of_packs { vec![pack(1), pack(2)] } else { Vec::new() }),
        note: "by hand".into(),
    }
}

fn read_forged(keys: &Keys, role: Role, body: &[u8]) -> Result<Record, RecordError> {
    parse(client(0xc1), 4, &forged(keys, role, Kind::Record, body, None))
}

#[test]
fn a_record_of_each_kind_reads_back() {
    let keys = keys();
    for kind in EVERY {
        let body = sample(kind);
        let bytes = seal(&body, keys.of(Role::Prune), &keys.chain).unwrap();
        let record = open(body.client, 4, keys.of(Role::Put), &keys.chain, &bytes).unwrap();
        assert_eq!((record.body, record.role, record.hash), (body, Role::Prune, hash_of(&bytes)));
    }
}

/// What leads to something being deleted may take the space that is kept for that, and nothing else.
#[test]
fn what_lets_go_is_what_lets_data_be_deleted() {
    let letting_go: Vec<RecordKind> = EVERY.into_iter().filter(|kind| kind.lets_go()).collect();
    assert_eq!(letting_go, [RecordKind::Forget, RecordKind::Release, RecordKind::Unpin]);
}

#[test]
fn record_1_a_record_under_another_name_is_refused() {
    let keys = keys();
    let bytes = seal(&sample(RecordKind::Forget), keys.of(Role::Prune), &keys.chain).unwrap();
    for (client, number) in [(client(0xc1), 5), (client(0xc2), 4)] {
        let found = super::super::envelope::testing::client(0xc1);
        let refused = RecordError::Misplaced { client, number, found, found_number: 4 };
        assert_eq!(open(client, number, keys.of(Role::Put), &keys.chain, &bytes), Err(refused));
    }
}

#[test]
fn record_2_each_role_states_its_kinds_and_no_other() {
    let keys = keys();
    for kind in EVERY {
        for role in [Role::Read, Role::Prune, Role::All] {
            let of_readers = matches!(kind, RecordKind::Verified | RecordKind::Drill);
            let allowed = of_readers || role >= Role::Prune;
            let body = sample(kind);
            let refused = RecordError::Role { client: body.client, number: 4, kind, role };
            let expected = if allowed { Ok(()) } else { Err(refused) };
            assert_eq!(seal(&body, keys.of(role), &keys.chain).map(|_| ()), expected, "{role} states {kind}");
            assert_eq!(read_forged(&keys, role, &wire::encode(&body)).map(|_| ()), expected, "{role} stated {kind}");
        }
        let refused = EnvelopeError::Role { kind: Kind::Record, role: Role::Put };
        let sealed = seal(&sample(kind), keys.of(Role::Put), &keys.chain);
        assert_eq!(sealed, Err(RecordError::Envelope(refused)), "put states nothing");
        assert!(!kind.may_state(Role::Put));
    }
}

type Change = fn(&mut RecordBody);

const BROKEN: &[(RecordKind, &str, Change)] = &[
    (RecordKind::Forget, "its snapshots are not sorted", |body| body.snapshots.0.reverse()),
    (RecordKind::Forget, "its snapshots are not sorted", |body| body.snapshots.0.push(snapshot(0x52))),
    (RecordKind::Forget, "it names too many snapshots", |body| {
        let id = |n: u32| SnapshotId::from_bytes([n.to_be_bytes(); 8].concat().try_into().unwrap());
        body.snapshots.0 = (0..16_385).map(id).collect();
    }),
    (RecordKind::Verified, "its packs are not sorted", |body| body.packs.0.reverse()),
    (RecordKind::Verified, "its packs are not sorted", |body| body.packs.0.push(pack(2))),
    (RecordKind::Verified, "it names too many packs", |body| {
        let id = |n: u32| PackId::from_bytes([n.to_be_bytes(); 8].concat().try_into().unwrap());
        body.packs.0 = (0..12_289).map(id).collect();
    }),
    (RecordKind::Forget, "it names no snapshot", |body| body.snapshots.0.clear()),
    (RecordKind::Release, "it names no snapshot", |body| body.snapshots.0.clear()),
    (RecordKind::Pin, "it names no snapshot", |body| body.snapshots.0.clear()),
    (RecordKind::Unpin, "it names no snapshot", |body| body.snapshots.0.clear()),
    (RecordKind::Drill, "it names no snapshot", |body| body.snapshots.0.clear()),
    (RecordKind::Drill, "it names packs", |body| body.packs.0.push(pack(1))),
    (RecordKind::Forget, "it names packs", |body| body.packs.0.push(pack(1))),
    (RecordKind::Verified, "it names no pack", |body| body.packs.0.clear()),
    (RecordKind::Forget, "it has an end and is no pin", |body| body.until_ns = Some(1)),
    (RecordKind::Verified, "it has an end and is no pin", |body| body.until_ns = Some(1)),
    (RecordKind::Pin, "its note is too long", |body| body.note = long(65_537)),
];

#[test]
fn record_3_every_broken_rule_is_named() {
    let keys = keys();
    for (kind, what, change) in BROKEN {
        let mut body = sample(*kind);
        change(&mut body);
        let refused = RecordError::Invalid { client: body.client, number: 4, what };
        assert_eq!(seal(&body, keys.of(Role::All), &keys.chain), Err(refused.clone()), "{kind}: {what}");
        assert_eq!(read_forged(&keys, Role::All, &wire::encode(&body)), Err(refused), "{kind}: {what}");
    }
    let zero = RecordBody { number: 0, ..sample(RecordKind::Pin) };
    let refused = RecordError::Invalid { client: client(0xc1), number: 0, what: "its number is zero" };
    assert_eq!(zero.encode(), Err(refused));
}

#[test]
fn record_3_the_limits_themselves_are_accepted() {
    let limits: [(RecordKind, Change); 5] = [
        (RecordKind::Pin, |body| body.until_ns = None),
        (RecordKind::Forget, |body| body.snapshots.0.truncate(1)),
        (RecordKind::Verified, |body| body.snapshots.0.push(snapshot(1))),
        (RecordKind::Drill, |body| body.note = long(65_536)),
        (RecordKind::Verified, |body| {
            let id = |n: u32| PackId::from_bytes([n.to_be_bytes(); 8].concat().try_into().unwrap());
            body.packs.0 = (0..12_288).map(id).collect();
        }),
    ];
    let keys = keys();
    for (kind, change) in limits {
        let mut body = sample(kind);
        change(&mut body);
        let bytes = seal(&body, keys.of(Role::All), &keys.chain).unwrap();
        assert_eq!(open(body.client, 4, keys.of(Role::Put), &keys.chain, &bytes).unwrap().body, body);
    }
}

#[test]
fn record_4_a_statement_that_is_not_known_is_refused_as_such() {
    let keys = keys();
    for kind in [6, 7, u32::MAX] {
        let mut body = wire::encode(&sample(RecordKind::Forget));
        body[KIND_OFFSET..KIND_OFFSET + 4].copy_from_slice(&kind.to_le_bytes());
        let refused = RecordError::UnknownKind { client: client(0xc1), number: 4, kind };
        assert_eq!(read_forged(&keys, Role::All, &body), Err(refused.clone()));
        body.truncate(KIND_OFFSET + 4);
        assert_eq!(read_forged(&keys, Role::All, &body), Err(refused), "whatever follows the kind");
    }
}

#[test]
fn record_14_whatever_the_note_of_a_drill_is_the_record_is_valid() {
    let keys = keys();
    let notes = ["", "by hand", "\u{1}\0\0\0", "\u{2}\0\0\0"].map(Blob::from);
    for note in notes.into_iter().chain([DrillResult::sample().to_note()]) {
        let body = RecordBody { note, ..sample(RecordKind::Drill) };
        let bytes = seal(&body, keys.of(Role::Read), &keys.chain).unwrap();
        assert_eq!(open(body.client, 4, keys.of(Role::Put), &keys.chain, &bytes).unwrap().body, body);
    }
}

#[test]
fn truncated_and_longer_bodies_are_refused() {
    let keys = keys();
    let good = wire::encode(&sample(RecordKind::Pin));
    for length in 0..good.len() {
        let refused = read_forged(&keys, Role::All, &good[..length]);
        assert!(matches!(refused, Err(RecordError::Body { .. })), "{length} bytes: {refused:?}");
    }
    let mut long = good.clone();
    long.push(0);
    assert!(matches!(read_forged(&keys, Role::All, &long), Err(RecordError::Body { .. })));
}

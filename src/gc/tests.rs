//! Condemned and deleted sets.

mod vectors;

use super::*;
use crate::config::Role;
use crate::envelope::testing::{Keys, forged, hash, keys, pack, session, snapshot};

fn condemned() -> CondemnedBody {
    CondemnedBody {
        generation: 9,
        session: session(7),
        packs: List(vec![pack(1), pack(2), pack(3)]),
        live: List(vec![snapshot(0x51), snapshot(0x52)]),
    }
}

fn deleted(condemned: ObjectHash) -> DeletedBody {
    DeletedBody { generation: 9, condemned, packs: List(vec![pack(1), pack(3)]) }
}

fn forged_condemned(keys: &Keys, body: &[u8]) -> Result<Condemned, GcError> {
    parse_condemned(9, &forged(keys, Role::All, Kind::Condemned, body, None))
}

fn forged_deleted(keys: &Keys, body: &[u8]) -> Result<Deleted, GcError> {
    parse_deleted(9, &forged(keys, Role::All, Kind::Deleted, body, None))
}

#[test]
fn condemned_and_deleted_sets_read_back_to_every_role() {
    let keys = keys();
    let bytes = seal_condemned(&condemned(), keys.of(Role::Prune), &keys.chain).unwrap();
    let first = open_condemned(9, keys.of(Role::Put), &keys.chain, &bytes).unwrap();
    assert_eq!(first.body, condemned());
    let bytes = seal_deleted(&deleted(first.hash), keys.of(Role::All), &keys.chain).unwrap();
    for role in Role::EVERY {
        let second = open_deleted(9, keys.of(role), &keys.chain, &bytes).unwrap();
        assert_eq!(second.body, deleted(first.hash));
    }
}

#[test]
fn prune_1_only_prune_and_all_keys_condemn_and_delete() {
    let keys = keys();
    for role in [Role::Put, Role::Read] {
        let refused = |kind| GcError::Envelope(EnvelopeError::Role { kind, role });
        let condemned = seal_condemned(&condemned(), keys.of(role), &keys.chain);
        assert_eq!(condemned, Err(refused(Kind::Condemned)));
        let deleted = seal_deleted(&deleted(hash(1)), keys.of(role), &keys.chain);
        assert_eq!(deleted, Err(refused(Kind::Deleted)));
    }
}

#[test]
fn prune_2_a_set_under_another_generation_is_refused() {
    let keys = keys();
    let misplaced = |kind| Err(GcError::Misplaced { kind, expected: 9, found: 8 });
    let body = CondemnedBody { generation: 8, ..condemned() };
    assert_eq!(forged_condemned(&keys, &wire::encode(&body)).map(|_| ()), misplaced(Kind::Condemned));
    let body = DeletedBody { generation: 8, ..deleted(hash(1)) };
    assert_eq!(forged_deleted(&keys, &wire::encode(&body)).map(|_| ()), misplaced(Kind::Deleted));
}

#[test]
fn prune_2_every_broken_rule_is_named() {
    let keys = keys();
    type Change = fn(&mut CondemnedBody);
    let cases: [(&str, Change); 5] = [
        ("the number of its session is zero", |body| body.session.number = 0),
        ("its packs are not sorted", |body| body.packs.0.swap(0, 1)),
        ("its packs are not sorted", |body| body.packs.0.push(pack(3))),
        ("its live snapshots are not sorted", |body| body.live.0.swap(0, 1)),
        ("its live snapshots are not sorted", |body| body.live.0.push(snapshot(0x52))),
    ];
    for (what, change) in cases {
        let mut body = condemned();
        change(&mut body);
        let refused = GcError::Invalid { kind: Kind::Condemned, generation: 9, what };
        assert_eq!(body.encode(), Err(refused.clone()));
        assert_eq!(forged_condemned(&keys, &wire::encode(&body)), Err(refused));
    }
    for packs in [vec![pack(3), pack(1)], vec![pack(1), pack(1)]] {
        let body = DeletedBody { packs: List(packs), ..deleted(hash(1)) };
        let what = "its packs are not sorted";
        let refused = GcError::Invalid { kind: Kind::Deleted, generation: 9, what };
        assert_eq!(body.encode(), Err(refused.clone()));
        assert_eq!(forged_deleted(&keys, &wire::encode(&body)), Err(refused));
    }
    let what = "its generation is zero";
    let body = CondemnedBody { generation: 0, ..condemned() };
    assert_eq!(body.encode(), Err(GcError::Invalid { kind: Kind::Condemned, generation: 0, what }));
    let body = DeletedBody { generation: 0, ..deleted(hash(1)) };
    assert_eq!(body.encode(), Err(GcError::Invalid { kind: Kind::Deleted, generation: 0, what }));
}

#[test]
fn prune_2_truncated_and_longer_bodies_are_refused() {
    let keys = keys();
    for length in 0..wire::encode(&condemned()).len() {
        let cut = &wire::encode(&condemned())[..length];
        assert!(matches!(forged_condemned(&keys, cut), Err(GcError::Body { .. })), "{length} bytes");
    }
    let mut long = wire::encode(&deleted(hash(1)));
    for length in 0..long.len() {
        assert!(matches!(forged_deleted(&keys, &long[..length]), Err(GcError::Body { .. })), "{length} bytes");
    }
    long.push(0);
    assert!(matches!(forged_deleted(&keys, &long), Err(GcError::Body { .. })));
}

#[test]
fn prune_3_a_deleted_set_deletes_only_what_its_condemned_set_condemned() {
    let first = Condemned { body: condemned(), hash: hash(1) };
    let follows = |change: fn(&mut DeletedBody)| {
        let mut body = deleted(hash(1));
        change(&mut body);
        Deleted { body, hash: hash(2) }.check_follows(&first)
    };
    let refused = |generation, what| Err(GcError::Invalid { kind: Kind::Deleted, generation, what });
    assert_eq!(follows(|_| ()), Ok(()));
    assert_eq!(follows(|body| body.packs.0.clear()), Ok(()), "everything was rescued");
    assert_eq!(follows(|body| body.packs = condemned().packs), Ok(()), "nothing was");
    let what = "it deletes a pack that was not condemned";
    assert_eq!(follows(|body| body.packs.0.push(pack(4))), refused(9, what));
    assert_eq!(follows(|body| body.condemned = hash(3)), refused(9, "it names another condemned set"));
    assert_eq!(follows(|body| body.generation = 8), refused(8, "its condemned set is of another generation"));
}

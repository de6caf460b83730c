//! Condemned and deleted sets.

use super::*;
use crate::config::Role;
use crate::envelope::testing::{hash, keys, pack, session, snapshot};

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

#[test]
fn condemned_and_deleted_sets_read_back() {
    let keys = keys();
    let bytes = seal_condemned(&condemned(), keys.of(Role::Prune), &keys.chain).unwrap();
    let first = open_condemned(9, keys.of(Role::Put), &keys.chain, &bytes).unwrap();
    assert_eq!(first.body, condemned());
    let bytes = seal_deleted(&deleted(first.hash), keys.of(Role::Prune), &keys.chain).unwrap();
    let second = open_deleted(9, keys.of(Role::Put), &keys.chain, &bytes).unwrap();
    assert_eq!(second.body, deleted(first.hash));
    second.check_follows(&first).unwrap();
    let other = Condemned { hash: hash(1), ..first };
    assert!(second.check_follows(&other).is_err());
}

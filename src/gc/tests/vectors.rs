//! Vectors of condemned and deleted sets.

use super::*;
use crate::envelope::testing::{Vector, check_example_body, check_vectors, hash_of, seal_fixed};

const HEAD: &str = "\
# Sets of a prune, all of generation 9. Files named deleted* are deleted sets and must also follow from condemned.hex, all
# others are condemned sets. Configurations and secrets are those of ../envelope.
# file | verdict | refusal | comment
";

type Case = (&'static str, &'static str, Vec<u8>);

fn condemned_cases() -> Vec<Case> {
    let good = condemned();
    let order = CondemnedBody { packs: List(vec![pack(2), pack(1)]), ..condemned() };
    let live = CondemnedBody { live: List(vec![snapshot(2), snapshot(2)]), ..condemned() };
    let mut long = wire::encode(&good);
    long.push(0);
    vec![
        ("condemned", "three packs, two live snapshots", wire::encode(&good)),
        (
            "empty",
            "nothing",
            wire::encode(&CondemnedBody { packs: List::default(), live: List::default(), ..condemned() }),
        ),
        (
            "generation",
            "generation 8 under the name of 9",
            wire::encode(&CondemnedBody { generation: 8, ..condemned() }),
        ),
        ("order", "packs out of order", wire::encode(&order)),
        ("live", "a snapshot twice", wire::encode(&live)),
        ("long", "a byte too many", long),
    ]
}

fn deleted_cases(condemned: ObjectHash) -> Vec<Case> {
    let with = |packs| wire::encode(&DeletedBody { packs: List(packs), ..deleted(condemned) });
    vec![
        ("deleted", "two of the three packs", wire::encode(&deleted(condemned))),
        ("deleted-none", "every pack was rescued", with(Vec::new())),
        ("deleted-more", "a pack that was not condemned", with(vec![pack(1), pack(4)])),
        ("deleted-other", "follows another condemned set", wire::encode(&deleted(hash(1)))),
        ("deleted-order", "packs out of order", with(vec![pack(3), pack(1)])),
    ]
}

#[test]
fn vectors_are_current_and_refused_as_their_index_says() {
    let keys = keys();
    let (prune, read) = (keys.of(Role::Prune), keys.of(Role::Read));
    let sealed = |kind, body: &[u8]| seal_fixed(kind, prune, &keys.chain, body, None, 0x0d).unwrap();
    let first = sealed(Kind::Condemned, &wire::encode(&condemned()));
    let mut judged = Vec::new();
    for (name, comment, body) in condemned_cases() {
        let bytes = sealed(Kind::Condemned, &body);
        let refusal = open_condemned(9, read, &keys.chain, &bytes).err().map(|error| error.to_string());
        judged.push(Vector { name, comment, bytes, refusal });
    }
    for (name, comment, body) in deleted_cases(hash_of(&first)) {
        let bytes = sealed(Kind::Deleted, &body);
        let condemned = open_condemned(9, read, &keys.chain, &first).unwrap();
        let opened = open_deleted(9, read, &keys.chain, &bytes);
        let refusal = opened.and_then(|deleted| deleted.check_follows(&condemned)).err();
        judged.push(Vector { name, comment, bytes, refusal: refusal.map(|error| error.to_string()) });
    }
    check_vectors("gc", HEAD, &judged);
}

#[test]
fn the_example_of_the_page_is_the_vector() {
    let keys = keys();
    let first = wire::encode(&condemned());
    let first = seal_fixed(Kind::Condemned, keys.of(Role::Prune), &keys.chain, &first, None, 0x0d).unwrap();
    check_example_body("10-sessions-and-prune.md", &wire::encode(&deleted(hash_of(&first))));
}

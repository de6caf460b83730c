//! Vectors of records.

use super::*;
use crate::envelope::testing::{Vector, check_example, check_example_body, check_vectors, seal_fixed};

const HEAD: &str = "\
# Records, all of them record 4 of the client c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1. Configurations and secrets are those of
# ../envelope.
# file | verdict | refusal | comment
";

type Case = (&'static str, &'static str, Role, Vec<u8>);

fn cases() -> Vec<Case> {
    let body = |kind| wire::encode(&sample(kind));
    let changed = |kind, change: Change| {
        let mut body = sample(kind);
        change(&mut body);
        wire::encode(&body)
    };
    let mut unknown = body(RecordKind::Forget);
    unknown[KIND_OFFSET] = 6;
    let option = 32 + 4 + 8 + 64;
    let mut tag = body(RecordKind::Pin);
    assert_eq!(tag[option], 1);
    tag[option] = 2;
    vec![
        ("forget", "two snapshots", Role::Prune, body(RecordKind::Forget)),
        ("release", "two staged outcomes", Role::All, body(RecordKind::Release)),
        ("pin", "until a time", Role::Prune, body(RecordKind::Pin)),
        ("pin-open", "for ever", Role::Prune, changed(RecordKind::Pin, |body| body.until_ns = None)),
        ("unpin", "two snapshots", Role::Prune, body(RecordKind::Unpin)),
        ("verified", "two packs", Role::Read, body(RecordKind::Verified)),
        ("drill", "two snapshots", Role::Read, body(RecordKind::Drill)),
        (
            "drill-result",
            "a drill of a twentieth that passed",
            Role::Read,
            changed(RecordKind::Drill, |body| body.note = DrillResult::sample().to_note()),
        ),
        ("other", "record 5 under the name of 4", Role::All, changed(RecordKind::Pin, |body| body.number = 5)),
        ("client", "another client's", Role::All, changed(RecordKind::Pin, |body| body.client = client(0xc2))),
        ("role", "a forget by a key that may not", Role::Read, body(RecordKind::Forget)),
        ("kind", "kind 6", Role::All, unknown),
        ("option", "an option that is neither none nor some", Role::All, tag),
        ("order", "snapshots out of order", Role::All, changed(RecordKind::Forget, |body| body.snapshots.0.reverse())),
        ("nothing", "a forget of nothing", Role::All, changed(RecordKind::Forget, |body| body.snapshots.0.clear())),
        (
            "packs",
            "a forget that names a pack",
            Role::All,
            changed(RecordKind::Forget, |body| body.packs.0.push(pack(1))),
        ),
        ("end", "a forget with an end", Role::All, changed(RecordKind::Forget, |body| body.until_ns = Some(1))),
        ("short", "the body's last byte is missing", Role::All, {
            let mut short = body(RecordKind::Pin);
            short.pop();
            short
        }),
    ]
}

#[test]
fn vectors_are_current_and_refused_as_their_index_says() {
    let keys = keys();
    let judged = cases().into_iter().map(|(name, comment, role, body)| {
        let bytes = seal_fixed(Kind::Record, keys.of(role), &keys.chain, &body, None, 0x0c).unwrap();
        let refused = open(client(0xc1), 4, keys.of(Role::Read), &keys.chain, &bytes).err();
        Vector { name, comment, bytes, refusal: refused.map(|error| error.to_string()) }
    });
    check_vectors("record", HEAD, &judged.collect::<Vec<_>>());
}

#[test]
fn the_example_of_the_page_is_the_vector() {
    let keys = keys();
    let body = wire::encode(&sample(RecordKind::Forget));
    let bytes = seal_fixed(Kind::Record, keys.of(Role::Prune), &keys.chain, &body, None, 0x0c).unwrap();
    assert_eq!((bytes.len(), body.len()), (384, 132));
    check_example("08-snapshot-and-outcome.md", &bytes);
    check_example_body("08-snapshot-and-outcome.md", &body);
}

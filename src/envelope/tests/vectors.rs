//! Vectors of the envelope itself: heartbeats and sessions whose bodies mean nothing.

use super::*;
use crate::envelope::testing::{Vector, check_vectors, kept};

const HEAD: &str = "\
# Envelopes with the body \"body\" and, where there is one, the description \"description\". The configurations are zero.hex
# and one.hex of ../config, the secrets those of ../key/none.hex. Files named heartbeat* are to be read as heartbeats,
# all others as sessions.
# file | verdict | refusal | comment
";
/// Where the description begins in an object with the body \"body\".
const DESCRIPTION: usize = HEAD_BYTES + OVERHEAD_BYTES + 4;

type Case = (&'static str, &'static str, Vec<u8>);

fn set(at: usize, value: u8) -> impl Fn(&mut Vec<u8>) {
    move |bytes| bytes[at] = value
}

fn heartbeats(keys: &Keys) -> Vec<Case> {
    let put = keys.of(Role::Put);
    let fixed = |kind, body: &[u8]| seal_fixed(kind, put, &keys.chain, body, None, 0x08).unwrap();
    let good = fixed(Kind::Heartbeat, b"body");
    let at = |config: u32| super::seal::assemble(Kind::Heartbeat, put, config, b"body", None, [8; 32]).unwrap();
    let mut flipped = good.clone();
    flipped[HEAD_BYTES] ^= 1;
    let described = forge(keys, Role::Read, Kind::Heartbeat, b"body", Some(b"x"));
    vec![
        ("heartbeat", "signed by a put key", good.clone()),
        ("heartbeat-empty", "an empty body", fixed(Kind::Heartbeat, b"")),
        ("heartbeat-nothing", "no bytes", Vec::new()),
        ("heartbeat-short", "one byte less than the smallest envelope", good[..251].to_vec()),
        ("heartbeat-magic", "a session under the name of a heartbeat", fixed(Kind::Session, b"body")),
        ("heartbeat-bit", "a flipped bit in the body", flipped),
        ("heartbeat-cut", "the last byte is missing", good[..good.len() - 1].to_vec()),
        ("heartbeat-version", "version 2", resigned(&good, put.signing(), set(8, 2))),
        ("heartbeat-suite", "suite 2", resigned(&good, put.signing(), set(10, 2))),
        ("heartbeat-body-length", "a body length that is one too long", resigned(&good, put.signing(), set(100, 53))),
        ("heartbeat-body-cap", "a body length above the cap", resigned(&good, put.signing(), set(103, 1))),
        ("heartbeat-description", "a description where there can be none", described),
        ("heartbeat-repository", "another repository", resigned(&good, put.signing(), set(16, 0))),
        ("heartbeat-config", "a configuration that is not there", at(2)),
        ("heartbeat-early", "signed under a configuration that does not yet list the key", at(0)),
        (
            "heartbeat-signature",
            "signed by another key than the one it names",
            resigned(&good, keys.of(Role::All).signing(), |_| ()),
        ),
        ("heartbeat-epoch", "an epoch that is not there", resigned(&good, put.signing(), set(12, 2))),
        ("heartbeat-salt", "another salt", resigned(&good, put.signing(), set(32, 0))),
    ]
}

fn descriptions(keys: &Keys) -> Vec<Case> {
    let read = keys.of(Role::Read);
    let good = seal_fixed(Kind::Session, read, &keys.chain, b"body", Some(b"description"), 0x07).unwrap();
    let short = |bytes: &mut Vec<u8>| {
        bytes.truncate(DESCRIPTION + 4 + 32 + OVERHEAD_BYTES - 1);
        bytes[104] = u8::try_from(4 + 32 + OVERHEAD_BYTES - 1).unwrap();
    };
    vec![
        ("symmetric", "a description sealed by a key that can read it", good.clone()),
        ("encapsulated", "a description sealed by a put key, which can't read it", kept("envelope", "encapsulated")),
        ("description-kind", "a key field of an unknown kind", resigned(&good, read.signing(), set(DESCRIPTION, 2))),
        (
            "description-reserved",
            "reserved bytes that are not zero",
            resigned(&good, read.signing(), set(DESCRIPTION + 1, 1)),
        ),
        ("description-commitment", "another commitment", resigned(&good, read.signing(), set(DESCRIPTION + 4, 0))),
        ("description-tag", "another tag", resigned(&good, read.signing(), |bytes| *bytes.last_mut().unwrap() ^= 1)),
        ("description-short", "a description too short for its seal", resigned(&good, read.signing(), short)),
    ]
}

#[test]
fn vectors_are_current_and_refused_as_their_index_says() {
    let keys = keys();
    let cases = heartbeats(&keys).into_iter().chain(descriptions(&keys));
    let judged = cases.map(|(name, comment, bytes)| {
        let kind = if name.starts_with("heartbeat") { Kind::Heartbeat } else { Kind::Session };
        let opened = open(kind, keys.of(Role::Read), &keys.chain, &bytes);
        let refusal = opened.as_ref().err().map(ToString::to_string);
        if let Ok(opened) = opened {
            let description = opened.description.as_open().map(AsRef::as_ref);
            assert!(name == "heartbeat-empty" || *opened.body == *b"body", "{name}");
            assert_eq!(description, (kind == Kind::Session).then_some(&b"description"[..]), "{name}");
        }
        Vector { name, comment, bytes, refusal }
    });
    check_vectors("envelope", HEAD, &judged.collect::<Vec<_>>());
}

/// Encapsulation is random, so this vector was made once and kept.
#[test]
fn the_kept_vector_is_what_a_put_key_makes() {
    let keys = keys();
    let made = seal_fixed(Kind::Session, keys.of(Role::Put), &keys.chain, b"body", Some(b"description"), 0x09).unwrap();
    let stored = kept("envelope", "encapsulated");
    assert_eq!(made.len(), stored.len());
    assert_eq!(made[..DESCRIPTION + 4], stored[..DESCRIPTION + 4]);
}

//! The shape of all control objects.

use super::testing::keys;
use super::*;

#[test]
fn an_object_reads_back() {
    let keys = keys();
    for role in Role::EVERY {
        let bytes = seal(Kind::Outcome, keys.of(role), &keys.chain, b"body", Some(b"description")).unwrap();
        let opened = open(Kind::Outcome, keys.of(Role::Read), &keys.chain, &bytes).unwrap();
        assert_eq!((&*opened.body, opened.role), (&b"body"[..], role));
        assert_eq!(opened.description.as_open().unwrap().as_ref(), b"description");
        let by_put = open(Kind::Outcome, keys.of(Role::Put), &keys.chain, &bytes).unwrap();
        assert_eq!(by_put.description, Described::Sealed);
    }
}

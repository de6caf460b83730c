//! Rings and slots.

use super::*;
use crate::envelope::testing::{NOW_NS, keys};

#[test]
fn a_ring_reads_back_from_its_slot() {
    let keys = keys();
    for role in Role::EVERY {
        let bytes = seal_slot(keys.of(role), Unlock::Password(b"secret"), KdfCost::CHEAP, b"laptop", NOW_NS).unwrap();
        let name = ObjectHash::from_bytes(*blake3::hash(&bytes).as_bytes());
        let ring = open_slot(&name, &bytes, Unlock::Password(b"secret")).unwrap();
        assert_eq!((ring.role(), ring.signer()), (role, keys.of(role).signer()));
        assert_eq!(ring.slot().unwrap().label, b"laptop");
        ring.confirm(&keys.chain).unwrap();
        let wrong = open_slot(&name, &bytes, Unlock::Password(b"secrets"));
        assert_eq!(wrong.unwrap_err(), KeyError::WrongSecret);
    }
}

//! Control objects from strangers.

use crate::config::{ConfigChain, Parameters, Role};
use crate::envelope::{Described, Envelope, Kind, Opened, Plaintext, open, seal};
use crate::id::{ObjectHash, SignerKey};
use crate::key::KeyRing;
use std::sync::OnceLock;

fn repository() -> &'static (KeyRing, ConfigChain) {
    static REPOSITORY: OnceLock<(KeyRing, ConfigChain)> = OnceLock::new();
    REPOSITORY.get_or_init(|| {
        let (ring, zero) = KeyRing::create(Parameters::default(), 0).expect("the defaults are within their ranges");
        let chain = ConfigChain::load(&[(0, zero)], ring.config_zero()).expect("a new chain holds");
        (ring, chain)
    })
}

/// An envelope that holds these bytes, opened.
pub(super) fn opened(kind: Kind, body: &[u8], description: Described<Plaintext>) -> Opened {
    let body = Plaintext::from(body.to_vec());
    let (signer, hash) = (SignerKey::from_bytes([3; 32]), ObjectHash::from_bytes([4; 32]));
    Opened { kind, signer, role: Role::All, config: 0, hash, body, description }
}

/// The first byte chooses the kind. Reads the rest as an object, again behind a sound magic and with a sound checksum,
/// and then signed with the repository's key.
///
/// # Panics
/// When an object passes every check that nobody sealed, or one that was sealed does not open.
pub fn fuzz_envelope(data: &[u8]) {
    let Some((choice, data)) = data.split_first() else { return };
    let Some(kind) = Kind::EVERY.get(usize::from(*choice) % Kind::EVERY.len()).copied() else { return };
    let (ring, chain) = repository();
    let _ = Envelope::parse(kind, data);

    let mut object = kind.magic().to_vec();
    object.extend_from_slice(data);
    assert!(open(kind, ring, chain, &with_checksum(object.clone())).is_err(), "nobody signed it");
    let signature = ring.signing().sign(&object);
    object.extend_from_slice(&signature);
    assert!(open(kind, ring, chain, &with_checksum(object)).is_err(), "nobody sealed it for this repository");

    let description = kind.may_describe().then_some(data);
    if let Ok(bytes) = seal(kind, ring, chain, data, description) {
        let opened = open(kind, ring, chain, &bytes).expect("what was sealed opens");
        assert!(*opened.body == *data && opened.description.as_open().map(AsRef::as_ref) == description);
    }
}

fn with_checksum(mut object: Vec<u8>) -> Vec<u8> {
    let checksum = blake3::hash(&object);
    object.extend_from_slice(checksum.as_bytes());
    object
}

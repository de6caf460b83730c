//! Seals: no bytes harm the opener, and nothing opens that sealing would not have made.

use crate::id::SignerKey;
use crate::seal::{Binding, ObjectKey, RootSecret, Secret, verify};

/// Takes the input as sealed bytes, as a key field with a salt, and as a signature with key and bytes.
pub fn fuzz_seal(data: &[u8]) {
    open(data);
    if let Some((field, rest)) = data.split_first_chunk::<32>() {
        let root = RootSecret::new(Secret::from_bytes([5; 32]));
        if let Ok(key) = root.decapsulate(field, &[6; 32]) {
            assert_eq!(key.check(&key.commitment()), Ok(()));
        }
        if let Some((signature, bytes)) = rest.split_first_chunk::<64>() {
            // A signature that the fuzzer makes up is not valid; that it is looked at without harm is what counts.
            let _ = verify(&SignerKey::from_bytes(*field), bytes, signature);
        }
    }
}

/// Sealing is deterministic, so that what opens must be what sealing gives.
fn open(sealed: &[u8]) {
    let key = ObjectKey::new(Secret::from_bytes([9; 32]));
    let binding = Binding { magic: *b"HOLDTEST", version: 1, class: 2, salt: [7; 32], number: 3 };
    if let Ok(plaintext) = key.open(&binding, sealed) {
        assert_eq!(key.seal(&binding, &plaintext), sealed);
    }
    let resealed = key.seal(&binding, sealed);
    assert_eq!(key.open(&binding, &resealed).as_deref(), Ok(sealed));
}

//! Key slots and key files from strangers.

use crate::id::{ObjectHash, RepositoryId};
use crate::key::{
    KdfCost, Slot, Unlock, UnlockKind, format_key_file, format_recovery_key, open_slot, parse_key_file, wrap,
};

/// Reads `data` as a slot under its own name, and opens it if that takes no derivation.
///
/// # Panics
/// Never, or there is a defect.
pub fn fuzz_key(data: &[u8]) {
    let name = hash(data);
    if Slot::parse(&name, data).is_ok_and(|slot| slot.kind == UnlockKind::None) {
        let _ = open_slot(&name, data, Unlock::None);
    }
}

/// Opens a slot whose payload is `data`: what whoever knows the password can put into one.
///
/// # Panics
/// When wrapping fails, which it does for no payload.
pub fn fuzz_key_payload(data: &[u8]) {
    // The payload begins with the repository; the head repeats it.
    let repository = RepositoryId::from_bytes(*data.first_chunk().unwrap_or(&[0; 16]));
    let bytes = wrap(data, repository, Unlock::None, KdfCost::CHEAP, [2; 32]).expect("any payload is wrapped");
    let _ = open_slot(&hash(&bytes), &bytes, Unlock::None);
}

/// Reads `data` as the text of a key file, or as the words of a recovery key.
///
/// # Panics
/// When a text that was accepted is not written the same again; between words any white space will do.
pub fn fuzz_key_file(data: &[u8]) {
    if let Ok(secret) = parse_key_file(data) {
        let is_line = format_key_file(&secret).trim_end().as_bytes() == data.trim_ascii_end();
        let given = data.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let are_words = format_recovery_key(&secret).split_ascii_whitespace().map(str::as_bytes).eq(given);
        assert!(is_line || are_words);
    }
}

fn hash(bytes: &[u8]) -> ObjectHash {
    ObjectHash::of(bytes)
}

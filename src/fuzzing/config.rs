//! Configurations from strangers.

use crate::config::{Config, MAGIC, SignedConfig};
use crate::seal::{Secret, SigningKey};
use crate::wire;

/// Reads `data` as a configuration, then again behind a sound magic and with a sound checksum, and then as the body of
/// one that an honest key signs.
///
/// # Panics
/// When a configuration that was signed does not read back.
pub fn fuzz_config(data: &[u8]) {
    let _ = SignedConfig::parse(data);
    let mut sound = MAGIC.to_vec();
    sound.extend_from_slice(data);
    let checksum = blake3::hash(&sound);
    sound.extend_from_slice(checksum.as_bytes());
    let _ = SignedConfig::parse(&sound);

    let Ok(config) = wire::decode::<Config>(data) else { return };
    assert!(wire::encode(&config) == data, "a configuration has one encoding");
    let key = SigningKey::from_seed(&Secret::from_bytes([1; 32]));
    if let Ok(bytes) = config.sign(&key) {
        let read = SignedConfig::parse(&bytes).expect("what was signed is read");
        assert!(read.config == config && read.signer == key.public());
    }
}

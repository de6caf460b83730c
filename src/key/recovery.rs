//! A key file's secret in words that a person can write down and type: the mnemonic of BIP 39, whose checksum tells a
//! slip of the pen.

use super::KeyError;
use crate::seal::Secret;
use bip39::{Language, Mnemonic};
use zeroize::Zeroizing;

/// How many words stand for the 256 bits of a secret.
pub(super) const WORD_COUNT: usize = 24;

/// The 24 words of a recovery key, each followed by a space but the last.
///
/// # Panics
/// Never: 32 bytes are a length that BIP 39 knows.
pub fn format_recovery_key(secret: &Secret) -> Zeroizing<String> {
    let mnemonic = Mnemonic::from_entropy_in(Language::English, secret.expose()).expect("32 bytes give 24 words");
    let mut text = Zeroizing::new(String::with_capacity(WORD_COUNT * 9));
    for word in mnemonic.words() {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(word);
    }
    text
}

/// Reads the words of a recovery key, parted by any white space.
pub(super) fn parse_recovery_key(text: &str) -> Result<Secret, KeyError> {
    let words = Zeroizing::new(text.split_ascii_whitespace().collect::<Vec<_>>().join(" "));
    let refused = |error: bip39::Error| match error {
        // The word itself is part of the secret and goes into no message.
        bip39::Error::UnknownWord(at) => {
            KeyError::Recovery(format!("word {} is not of the list", at.saturating_add(1)))
        }
        bip39::Error::BadWordCount(count) => {
            KeyError::Recovery(format!("{count} words where {WORD_COUNT} are expected"))
        }
        bip39::Error::BadEntropyBitCount(_) | bip39::Error::InvalidChecksum | bip39::Error::AmbiguousLanguages(_) => {
            KeyError::Recovery("its checksum is wrong: a word is another one, or they are in another order".to_owned())
        }
    };
    let mnemonic = Mnemonic::parse_in_normalized(Language::English, &words).map_err(refused)?;
    let (entropy, length) = mnemonic.to_entropy_array();
    let entropy = Zeroizing::new(entropy);
    match entropy.first_chunk::<32>().filter(|_| length == 32) {
        Some(secret) => Ok(Secret::from_bytes(*secret)),
        None => {
            let count = mnemonic.word_count();
            Err(KeyError::Recovery(format!("{count} words where {WORD_COUNT} are expected")))
        }
    }
}

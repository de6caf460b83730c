//! How restic seals: AES-256 in counter mode, and Poly1305-AES over the encrypted bytes.

use aws_lc_rs::cipher::{AES_128, AES_256, DecryptingKey, DecryptionContext, UnboundCipherKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::iv::FixedLength;
use poly1305::Poly1305;
use poly1305::universal_hash::KeyInit as _;
use zeroize::{Zeroize, ZeroizeOnDrop};

const NONCE_BYTES: usize = 16;
const TAG_BYTES: usize = 16;
/// What a seal adds to what is sealed.
pub(super) const SEAL_BYTES: usize = NONCE_BYTES + TAG_BYTES;

/// The key that seals everything in a repository, or that of a password, which seals the former.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(super) struct SealKey {
    /// For AES-256.
    pub(super) encryption: [u8; 32],
    /// For AES-128: turns a nonce into the second half of a Poly1305 key.
    pub(super) mac_k: [u8; 16],
    /// The first half of every Poly1305 key.
    pub(super) mac_r: [u8; 16],
}

impl SealKey {
    /// Opens what is sealed, in place; none when it is too short or anything in it was changed.
    pub(super) fn open<'a>(&self, sealed: &'a mut [u8]) -> Option<&'a mut [u8]> {
        let (nonce, rest) = sealed.split_first_chunk_mut::<NONCE_BYTES>()?;
        let (encrypted, tag) = rest.split_last_chunk_mut::<TAG_BYTES>()?;
        verify_slices_are_equal(&self.tag(nonce, encrypted)?, tag).ok()?;
        apply_counter(UnboundCipherKey::new(&AES_256, &self.encryption).ok()?, nonce, encrypted)?;
        Some(encrypted)
    }

    /// The authentication code of encrypted bytes. A Poly1305 key masks the bits of its first half that restic clears when
    /// it makes them.
    fn tag(&self, nonce: &[u8; NONCE_BYTES], encrypted: &[u8]) -> Option<[u8; TAG_BYTES]> {
        let mut key = [0; 32];
        let (first, second) = key.split_at_mut(16);
        first.copy_from_slice(&self.mac_r);
        // The first block of the key stream is the nonce itself, encrypted.
        apply_counter(UnboundCipherKey::new(&AES_128, &self.mac_k).ok()?, nonce, second)?;
        Some(Poly1305::new(&key.into()).compute_unpadded(encrypted).into())
    }

    /// Seals bytes as restic does.
    #[cfg(test)]
    pub(super) fn seal(&self, nonce: [u8; NONCE_BYTES], plain: &[u8]) -> Vec<u8> {
        let mut encrypted = plain.to_vec();
        let key = UnboundCipherKey::new(&AES_256, &self.encryption).unwrap();
        apply_counter(key, &nonce, &mut encrypted).unwrap();
        let tag = self.tag(&nonce, &encrypted).unwrap();
        [&nonce[..], &encrypted, &tag].concat()
    }
}

/// Counter mode, which is its own inverse.
fn apply_counter(key: UnboundCipherKey, nonce: &[u8; NONCE_BYTES], bytes: &mut [u8]) -> Option<()> {
    if bytes.is_empty() {
        return Some(());
    }
    let key = DecryptingKey::ctr(key).ok()?;
    key.decrypt(bytes, DecryptionContext::Iv128(FixedLength::from(*nonce))).ok().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The third example in the paper that defines Poly1305-AES (Bernstein, FSE 2005, appendix B).
    #[test]
    fn the_authentication_code_is_poly1305_aes() {
        let hex = |text: &str| crate::id::parse_hex::<16>(text).unwrap();
        let key = SealKey {
            encryption: [0; 32],
            mac_k: hex("6acb5f61a7176dd320c5c1eb2edcdc74"),
            mac_r: hex("48443d0bb0d21109c89a100b5ce2c208"),
        };
        let nonce = hex("ae212a55399729595dea458bc621ff0e");
        let message = crate::id::parse_hex::<32>("663cea190ffb83d89593f3f476b6bc24d7e679107ea26adb8caf6652d0656136");
        let tag = key.tag(&nonce, &message.unwrap()).unwrap();
        assert_eq!(tag, hex("0ee1c16bb73f0f4fd19881753c01cdbe"));
    }

    #[test]
    fn a_seal_opens_and_none_of_its_bits_may_change() {
        let key = SealKey { encryption: [1; 32], mac_k: [2; 16], mac_r: [3; 16] };
        for plain in [&b""[..], b"x", b"exactly sixteen!", b"more than one block of bytes"] {
            let sealed = key.seal([7; 16], plain);
            assert_eq!(sealed.len(), plain.len() + SEAL_BYTES);
            assert_eq!(key.open(&mut sealed.clone()).unwrap(), plain);
            for bit in 0..sealed.len() * 8 {
                let mut wounded = sealed.clone();
                wounded[bit / 8] ^= 1 << (bit % 8);
                assert!(key.open(&mut wounded).is_none(), "bit {bit} of {plain:?}");
            }
            for length in 0..sealed.len() {
                assert!(key.open(&mut sealed[..length].to_vec()).is_none());
            }
        }
    }
}

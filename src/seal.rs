//! The one construction that seals everything, the keys it uses, and signatures.
//!
//! Every sealed object carries a fresh 32-byte salt, which with a root secret gives its *object key*. A part of the
//! object is sealed with a key used once, derived from the object key, the part's number and a keyed hash of the
//! bytes to be sealed, so that neither a forked machine nor a bad random generator can make a two-time pad:
//!
//! ```text
//! hash = BLAKE3-keyed(derive_key("holdall 1 seal hash", object key), plaintext)
//! key  = BLAKE3-derive_key("holdall 1 seal key", object key || number as u64 || hash)
//! sealed = hash || AES-256-GCM(key, nonce of 12 zero bytes, plaintext, associated data)
//! ```
//!
//! Byte-exact in format-spec/05-seal.md.

mod encapsulate;
mod sign;

pub use encapsulate::{RootPublic, RootSecret, encapsulate};
pub use sign::{Signature, SigningKey, verify};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Length of the keyed hash that stands before sealed bytes.
pub const HASH_BYTES: usize = 32;
/// Length of the authentication tag that ends sealed bytes.
pub const TAG_BYTES: usize = 16;
/// What sealing adds to the plaintext's length.
pub const OVERHEAD_BYTES: usize = HASH_BYTES + TAG_BYTES;

/// The suite of algorithms: BLAKE3, AES-256-GCM, Ed25519, DHKEM(X25519, HKDF-SHA256).
pub const SUITE: u16 = 1;

/// Why sealed bytes were not opened, or a signature not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// Too short to hold hash and tag.
    #[error("sealed bytes are shorter than a hash and a tag")]
    TooShort,
    /// Wrong key, wrong place or changed bytes.
    #[error("the seal does not open: wrong key, wrong place, or changed bytes")]
    Forged,
    /// The commitment in the header belongs to another key.
    #[error("the key does not match the commitment")]
    Commitment,
    /// The signature does not belong to these bytes and this key.
    #[error("the signature is not valid")]
    Signature,
    /// An encapsulated key can't be opened with this secret.
    #[error("the encapsulated key is not valid")]
    Encapsulation,
}

/// 32 secret bytes: erased when dropped, never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret([u8; 32]);

/// Takes the same time wherever the two differ.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl Eq for Secret {}

impl Secret {
    /// Takes secret bytes that were read or derived.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Draws a new secret from the operating system.
    pub fn random() -> Self {
        Self(random())
    }

    /// Derives a secret for one purpose: BLAKE3's derive_key mode over this secret and `material`.
    pub fn derive(&self, context: &'static str, material: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(context);
        hasher.update(&self.0);
        for part in material {
            hasher.update(part);
        }
        let secret = Self(*hasher.finalize().as_bytes());
        hasher.zeroize();
        secret
    }

    /// The bytes, for encoding into a key slot and for algorithms.
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Draws random bytes from the operating system, at most 256, which it gives in one piece.
///
/// Not from the cipher library: its generator gathers entropy of its own from timing first, which takes a tenth of
/// what a backup takes that finds nothing changed.
///
/// # Panics
/// When the operating system has no randomness to give, where nothing safe could follow.
pub fn random<const N: usize>() -> [u8; N] {
    const { assert!(N <= 256) };
    let mut bytes = [0; N];
    #[cfg(any(test, fuzzing))]
    if testing::fill(&mut bytes) {
        return bytes;
    }
    let drawn = rustix::rand::getrandom(&mut bytes[..], rustix::rand::GetRandomFlags::empty());
    assert_eq!(drawn, Ok(N), "the operating system gives random bytes");
    bytes
}

/// Lets a test draw the same bytes each time that it runs.
#[cfg(any(test, fuzzing))]
pub(crate) mod testing {
    #[cfg(test)]
    use crate::id::SignerKey;
    #[cfg(test)]
    use std::cell::Cell;
    use std::cell::RefCell;

    thread_local! {
        static SOURCE: RefCell<Option<blake3::OutputReader>> = const { RefCell::new(None) };
        #[cfg(test)]
        static CHEAP: Cell<bool> = const { Cell::new(false) };
    }

    /// From now on this thread draws what follows from `seed`.
    pub(crate) fn draw_from(seed: u64) {
        SOURCE.set(Some(blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof()));
    }

    pub(super) fn fill(bytes: &mut [u8]) -> bool {
        SOURCE.with_borrow_mut(|source| source.as_mut().map(|source| source.fill(bytes)).is_some())
    }

    /// From now on signatures that this thread makes and accepts prove nothing and cost next to nothing.
    #[cfg(test)]
    pub(crate) fn sign_cheaply() {
        CHEAP.set(true);
    }

    #[cfg(test)]
    pub(super) fn signs_cheaply() -> bool {
        CHEAP.get()
    }

    #[cfg(test)]
    pub(super) fn cheap_signature(signer: &SignerKey, message: &[u8; 52]) -> [u8; 64] {
        let mut signature = [0; 64];
        blake3::Hasher::new().update(signer.as_bytes()).update(message).finalize_xof().fill(&mut signature);
        signature
    }
}

/// What a seal is bound to, so that no part opens anywhere else: it is the associated data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    /// The object's magic.
    pub magic: [u8; 8],
    /// The object's version.
    pub version: u16,
    /// What the sealed part is: a pack's class, or the part of a control object.
    pub class: u8,
    /// The object's salt.
    pub salt: [u8; 32],
    /// The part's number within the object.
    pub number: u64,
}

impl Binding {
    const LEN: usize = 53;

    fn associated_data(&self) -> [u8; Self::LEN] {
        let mut data = [0; Self::LEN];
        let parts: [&[u8]; 6] = [
            &self.magic,
            &self.version.to_le_bytes(),
            &SUITE.to_le_bytes(),
            &[self.class],
            &self.salt,
            &self.number.to_le_bytes(),
        ];
        let mut rest = data.as_mut_slice();
        for part in parts {
            let (head, tail) = rest.split_at_mut(part.len());
            head.copy_from_slice(part);
            rest = tail;
        }
        data
    }
}

/// The key of one object, from which the keys of its sealed parts come.
#[derive(Debug, Clone)]
pub struct ObjectKey {
    key: Secret,
    hash_key: Secret,
}

impl ObjectKey {
    /// Takes the object key that a root, a key field or a key derivation gave.
    pub fn new(key: Secret) -> Self {
        let hash_key = key.derive("holdall 1 seal hash", &[]);
        Self { key, hash_key }
    }

    /// The value that stands in a header and belongs to this key alone.
    pub fn commitment(&self) -> [u8; 32] {
        *self.key.derive("holdall 1 commitment", &[]).expose()
    }

    /// Checks a commitment from a header.
    ///
    /// # Errors
    /// [`SealError::Commitment`] when it belongs to another key.
    pub fn check(&self, commitment: &[u8; 32]) -> Result<(), SealError> {
        let same = blake3::Hash::from_bytes(self.commitment()) == blake3::Hash::from_bytes(*commitment);
        if same { Ok(()) } else { Err(SealError::Commitment) }
    }

    /// Seals the bytes from `start` to the end of `buffer` in place: the hash is put before them, the tag after.
    ///
    /// The hash goes into 32 bytes that the caller left free just before `start`, so nothing is moved.
    ///
    /// # Panics
    /// When the caller left no room for the hash, which is a defect in the caller.
    pub fn seal_in_place(&self, binding: &Binding, buffer: &mut Vec<u8>, start: usize) {
        let hash_start = start.checked_sub(HASH_BYTES).expect("the caller leaves room for the hash");
        let (head, plaintext) = buffer.split_at_mut_checked(start).expect("the plaintext starts inside the buffer");
        let hash = *blake3::keyed_hash(self.hash_key.expose(), plaintext).as_bytes();
        let tag = self
            .part_key(binding.number, &hash)
            .seal_in_place_separate_tag(zero_nonce(), Aad::from(binding.associated_data()), plaintext)
            .expect("a part is far below the limit of AES-GCM");
        head.get_mut(hash_start..).expect("checked above").copy_from_slice(&hash);
        buffer.extend_from_slice(tag.as_ref());
    }

    /// Seals `plaintext`: hash, ciphertext and tag.
    pub fn seal(&self, binding: &Binding, plaintext: &[u8]) -> Vec<u8> {
        let mut buffer = Vec::with_capacity(plaintext.len().saturating_add(OVERHEAD_BYTES));
        buffer.resize(HASH_BYTES, 0);
        buffer.extend_from_slice(plaintext);
        self.seal_in_place(binding, &mut buffer, HASH_BYTES);
        buffer
    }

    /// Opens hash, ciphertext and tag inside `buffer` and returns the plaintext, which lies there too.
    ///
    /// # Errors
    /// [`SealError::TooShort`] or [`SealError::Forged`]; the buffer's content is then unspecified.
    pub fn open_in_place<'b>(&self, binding: &Binding, buffer: &'b mut [u8]) -> Result<&'b mut [u8], SealError> {
        let (hash, sealed) = buffer.split_first_chunk_mut::<HASH_BYTES>().ok_or(SealError::TooShort)?;
        if sealed.len() < TAG_BYTES {
            return Err(SealError::TooShort);
        }
        let hash = *hash;
        let plaintext = self
            .part_key(binding.number, &hash)
            .open_in_place(zero_nonce(), Aad::from(binding.associated_data()), sealed)
            .map_err(|_| SealError::Forged)?;
        // AES-GCM alone does not commit to its key; the keyed hash does.
        let same = blake3::keyed_hash(self.hash_key.expose(), plaintext) == blake3::Hash::from_bytes(hash);
        if same { Ok(plaintext) } else { Err(SealError::Forged) }
    }

    /// Opens a copy of `sealed`.
    ///
    /// # Errors
    /// As [`Self::open_in_place`].
    pub fn open(&self, binding: &Binding, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut buffer = sealed.to_vec();
        let length = self.open_in_place(binding, &mut buffer)?.len();
        buffer.copy_within(HASH_BYTES..HASH_BYTES.saturating_add(length), 0);
        buffer.truncate(length);
        Ok(buffer)
    }

    fn part_key(&self, number: u64, hash: &[u8; HASH_BYTES]) -> LessSafeKey {
        let key = self.key.derive("holdall 1 seal key", &[&number.to_le_bytes(), hash]);
        LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.expose()).expect("the key has 32 bytes"))
    }
}

fn zero_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

#[cfg(test)]
mod vectors;

#[cfg(test)]
mod tests {
    use super::*;

    fn binding() -> Binding {
        Binding { magic: *b"HOLDTEST", version: 1, class: 2, salt: [7; 32], number: 3 }
    }

    fn key() -> ObjectKey {
        ObjectKey::new(Secret::from_bytes([9; 32]))
    }

    #[test]
    fn secrets_are_equal_only_in_all_bytes() {
        let mut other = [9; 32];
        assert!(Secret::from_bytes(other) == Secret::from_bytes([9; 32]));
        for at in [0, 31] {
            other[at] = 8;
            assert!(Secret::from_bytes(other) != Secret::from_bytes([9; 32]), "{at}");
            other[at] = 9;
        }
    }

    #[test]
    fn sealed_bytes_open_to_the_plaintext() {
        for length in [0usize, 1, 15, 16, 1000] {
            let plaintext = vec![0xab; length];
            let sealed = key().seal(&binding(), &plaintext);
            assert_eq!(sealed.len(), length + OVERHEAD_BYTES);
            assert_eq!(key().open(&binding(), &sealed).unwrap(), plaintext);
        }
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        let sealed = key().seal(&binding(), b"what a holdall holds");
        for bit in 0..sealed.len() * 8 {
            let mut forged = sealed.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(key().open(&binding(), &forged), Err(SealError::Forged), "bit {bit}");
        }
    }

    #[test]
    fn a_part_opens_nowhere_else() {
        let sealed = key().seal(&binding(), b"content");
        let moved = [
            Binding { magic: *b"HOLDTESS", ..binding() },
            Binding { version: 2, ..binding() },
            Binding { class: 1, ..binding() },
            Binding { salt: [8; 32], ..binding() },
            Binding { number: 4, ..binding() },
        ];
        for place in moved {
            assert_eq!(key().open(&place, &sealed), Err(SealError::Forged), "{place:?}");
        }
        assert_eq!(ObjectKey::new(Secret::from_bytes([8; 32])).open(&binding(), &sealed), Err(SealError::Forged));
        assert_eq!(key().open(&binding(), &sealed[..HASH_BYTES + TAG_BYTES - 1]), Err(SealError::TooShort));
    }

    #[test]
    fn a_commitment_belongs_to_one_key() {
        assert_eq!(key().check(&key().commitment()), Ok(()));
        let other = ObjectKey::new(Secret::from_bytes([8; 32]));
        assert_eq!(other.check(&key().commitment()), Err(SealError::Commitment));
    }
}

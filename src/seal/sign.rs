//! Ed25519 signatures over the BLAKE3 hash of an object's bytes.

use super::{SealError, Secret};
use crate::id::SignerKey;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

/// A signature as it is stored.
pub type Signature = [u8; 64];

const CONTEXT: &[u8; 20] = b"holdall 1 signature\0";

/// A signing key of one key slot.
#[derive(Debug)]
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: SignerKey,
}

impl SigningKey {
    /// Makes the key pair from its 32-byte seed (RFC 8032's private key).
    ///
    /// # Panics
    /// Never: every seed gives a key pair.
    pub fn from_seed(seed: &Secret) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose()).expect("any 32 bytes are a seed");
        let mut public = [0; 32];
        public.copy_from_slice(pair.public_key().as_ref());
        Self { pair, public: SignerKey::from_bytes(public) }
    }

    /// The public half, by which a configuration knows the key.
    pub const fn public(&self) -> SignerKey {
        self.public
    }

    /// Signs an object's bytes.
    ///
    /// # Panics
    /// Never: an Ed25519 signature has 64 bytes.
    pub fn sign(&self, bytes: &[u8]) -> Signature {
        #[cfg(test)]
        if super::testing::signs_cheaply() {
            return super::testing::cheap_signature(&self.public, &message(bytes));
        }
        let mut signature = [0; 64];
        signature.copy_from_slice(self.pair.sign(&message(bytes)).as_ref());
        signature
    }

    #[cfg(test)]
    pub(super) fn pair_sign(&self, bytes: &[u8]) -> Vec<u8> {
        self.pair.sign(bytes).as_ref().to_vec()
    }
}

/// Checks the signature of an object's bytes.
///
/// # Errors
/// [`SealError::Signature`] when it was not made by this key over these bytes.
pub fn verify(signer: &SignerKey, bytes: &[u8], signature: &Signature) -> Result<(), SealError> {
    #[cfg(test)]
    if super::testing::signs_cheaply() {
        let is_own = super::testing::cheap_signature(signer, &message(bytes)) == *signature;
        return if is_own { Ok(()) } else { Err(SealError::Signature) };
    }
    UnparsedPublicKey::new(&ED25519, signer.as_bytes())
        .verify(&message(bytes), signature)
        .map_err(|_| SealError::Signature)
}

fn message(bytes: &[u8]) -> [u8; 52] {
    let mut message = [0; 52];
    let (context, hash) = message.split_at_mut(CONTEXT.len());
    context.copy_from_slice(CONTEXT);
    hash.copy_from_slice(blake3::hash(bytes).as_bytes());
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_belongs_to_its_bytes_and_its_key() {
        let key = SigningKey::from_seed(&Secret::from_bytes([5; 32]));
        let signature = key.sign(b"outcome");
        assert_eq!(verify(&key.public(), b"outcome", &signature), Ok(()));
        assert_eq!(verify(&key.public(), b"outcomes", &signature), Err(SealError::Signature));
        let other = SigningKey::from_seed(&Secret::from_bytes([6; 32]));
        assert_eq!(verify(&other.public(), b"outcome", &signature), Err(SealError::Signature));
        let mut forged = signature;
        forged[0] ^= 1;
        assert_eq!(verify(&key.public(), b"outcome", &forged), Err(SealError::Signature));
    }
}

//! Root secrets and the key field of an object: symmetric, or encapsulated to a root's public key so that a client
//! can write what it can't read (HPKE, RFC 9180: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM, base mode,
//! secret export).

use super::{ObjectKey, SealError, Secret};
use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::{Kem as _, X25519HkdfSha256};
use hpke::{Deserializable, OpModeR, OpModeS, Serializable};

const INFO: &[u8] = b"holdall 1 encapsulation";
const EXPORT: &[u8] = b"holdall 1 exported key";
const OBJECT_KEY: &str = "holdall 1 object key";

/// The secret half of one root (content, manifest, stat, index or description).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootSecret(Secret);

/// The public half of a root: enough to write, not to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct RootPublic(pub [u8; 32]);

impl RootSecret {
    /// Takes a root's secret from a key slot, or a random one for a new repository.
    pub const fn new(secret: Secret) -> Self {
        Self(secret)
    }

    /// The secret itself, for encoding into a key slot.
    pub const fn secret(&self) -> &Secret {
        &self.0
    }

    /// The object key for a symmetric key field (or none), from the object's salt.
    pub fn object_key(&self, salt: &[u8; 32]) -> ObjectKey {
        ObjectKey::new(self.0.derive("holdall 1 root symmetric", &[]).derive(OBJECT_KEY, &[salt]))
    }

    /// The object key of a part that needs a key of its own (a pack's footer), from the object's salt.
    pub fn part_object_key(&self, part: &'static str, salt: &[u8; 32]) -> ObjectKey {
        ObjectKey::new(self.0.derive("holdall 1 root symmetric", &[]).derive(OBJECT_KEY, &[salt, part.as_bytes()]))
    }

    /// The public half.
    pub fn public(&self) -> RootPublic {
        let bytes = X25519HkdfSha256::sk_to_pk(&self.private()).to_bytes();
        RootPublic(bytes.into())
    }

    /// The object key from a key field that was encapsulated to this root's public half.
    ///
    /// # Errors
    /// [`SealError::Encapsulation`] when the field is not a valid encapsulation.
    pub fn decapsulate(&self, field: &[u8; 32], salt: &[u8; 32]) -> Result<ObjectKey, SealError> {
        let refuse = |_| SealError::Encapsulation;
        let encapped = <X25519HkdfSha256 as hpke::kem::Kem>::EncappedKey::from_bytes(field).map_err(refuse)?;
        let context = hpke::setup_receiver::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &self.private(),
            &encapped,
            INFO,
        )
        .map_err(refuse)?;
        let mut exported = [0; 32];
        context.export(EXPORT, &mut exported).map_err(refuse)?;
        Ok(ObjectKey::new(Secret::from_bytes(exported).derive(OBJECT_KEY, &[salt])))
    }

    fn private(&self) -> <X25519HkdfSha256 as hpke::kem::Kem>::PrivateKey {
        let secret = self.0.derive("holdall 1 root x25519", &[]);
        Deserializable::from_bytes(secret.expose()).expect("any 32 bytes are an X25519 secret")
    }
}

/// Makes a key field that only the holder of the root's secret opens, and the object key that it yields.
///
/// # Errors
/// [`SealError::Encapsulation`] when the public key is not a usable point.
pub fn encapsulate(public: &RootPublic, salt: &[u8; 32]) -> Result<([u8; 32], ObjectKey), SealError> {
    let refuse = |_| SealError::Encapsulation;
    let key = <X25519HkdfSha256 as hpke::kem::Kem>::PublicKey::from_bytes(&public.0).map_err(refuse)?;
    let (field, context) =
        hpke::setup_sender::<AesGcm256, HkdfSha256, X25519HkdfSha256>(&OpModeS::Base, &key, INFO).map_err(refuse)?;
    let mut exported = [0; 32];
    context.export(EXPORT, &mut exported).map_err(refuse)?;
    Ok((field.to_bytes().into(), ObjectKey::new(Secret::from_bytes(exported).derive(OBJECT_KEY, &[salt]))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_root_opens_what_was_encapsulated_to_it() {
        let root = RootSecret::new(Secret::random());
        let salt = [1; 32];
        let (field, key) = encapsulate(&root.public(), &salt).unwrap();
        assert_eq!(root.decapsulate(&field, &salt).unwrap().commitment(), key.commitment());
        assert_ne!(root.decapsulate(&field, &[2; 32]).unwrap().commitment(), key.commitment());
        let stranger = RootSecret::new(Secret::random());
        assert_ne!(stranger.decapsulate(&field, &salt).unwrap().commitment(), key.commitment());
        let low_order = [0; 32];
        assert_eq!(root.decapsulate(&low_order, &salt).err(), Some(SealError::Encapsulation));
        assert_eq!(encapsulate(&RootPublic(low_order), &salt).err(), Some(SealError::Encapsulation));
    }

    #[test]
    fn salt_and_part_change_the_object_key() {
        let root = RootSecret::new(Secret::from_bytes([3; 32]));
        let keys = [root.object_key(&[0; 32]), root.object_key(&[1; 32]), root.part_object_key("footer", &[0; 32])];
        let mut commitments: Vec<_> = keys.iter().map(ObjectKey::commitment).collect();
        commitments.sort_unstable();
        commitments.dedup();
        assert_eq!(commitments.len(), 3);
    }
}

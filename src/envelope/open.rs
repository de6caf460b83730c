//! Reading envelopes, one check after the other.

use super::seal::{BODY_CLASS, DESCRIPTION_CLASS};
use super::{CHECKSUM_BYTES, DESCRIPTION_BYTES_MAX, HEAD_BYTES, SIGNATURE_BYTES, VERSION};
use super::{Described, EnvelopeError, Kind, Opened, Plaintext};
use crate::config::{ConfigChain, Role};
use crate::id::{ObjectHash, RepositoryId, SignerKey};
use crate::key::{KeyRing, open_key_field};
use crate::seal::{self, Binding, HASH_BYTES, OVERHEAD_BYTES, ObjectKey, RootSecret, SUITE, SealError, Signature};
use crate::wire::{Reader, WireError};

/// What a description adds to its plaintext's length, with an encapsulated key field.
pub(super) const DESCRIPTION_OVERHEAD_BYTES_MAX: usize = 4 + 32 + 32 + OVERHEAD_BYTES;
const BYTES_MIN: usize = HEAD_BYTES + OVERHEAD_BYTES + SIGNATURE_BYTES + CHECKSUM_BYTES;

/// The clear fields of an envelope whose length, magic, checksum, version and suite have been checked: all that can
/// be said of it without a key.
#[derive(Debug, Clone)]
pub struct Envelope<'a> {
    /// What it is.
    pub kind: Kind,
    /// The key epoch.
    pub epoch: u32,
    /// The repository to which it claims to belong.
    pub repository: RepositoryId,
    /// The configuration under which it claims to be signed.
    pub config: u32,
    /// Its alleged signer.
    pub signer: SignerKey,
    /// BLAKE3 of all its bytes.
    pub hash: ObjectHash,
    salt: [u8; 32],
    body: &'a [u8],
    description: Option<SealedDescription<'a>>,
    signed: &'a [u8],
    signature: &'a Signature,
}

/// A description as it lies in an object.
#[derive(Debug, Clone)]
struct SealedDescription<'a> {
    encapsulated: Option<[u8; 32]>,
    commitment: [u8; 32],
    sealed: &'a [u8],
}

/// Opens an object: every check of the format up to the meaning of its body. The body is copied once.
///
/// # Errors
/// [`EnvelopeError`] says which check failed.
pub fn open(kind: Kind, keys: &KeyRing, chain: &ConfigChain, bytes: &[u8]) -> Result<Opened, EnvelopeError> {
    Envelope::parse(kind, bytes)?.open(keys, chain)
}

pub(super) const fn binding(kind: Kind, class: u8, salt: [u8; 32]) -> Binding {
    Binding { magic: kind.magic(), version: VERSION, class, salt, number: 0 }
}

impl<'a> Envelope<'a> {
    /// Checks length, magic, checksum, version, suite and the lengths of the parts.
    ///
    /// # Errors
    /// [`EnvelopeError`] says which check failed.
    pub fn parse(kind: Kind, bytes: &'a [u8]) -> Result<Self, EnvelopeError> {
        let found = bytes.len();
        let expected = found.clamp(BYTES_MIN, kind.bytes_max());
        if found != expected {
            return Err(EnvelopeError::Length { kind, found, expected });
        }
        if bytes.first_chunk() != Some(&kind.magic()) {
            return Err(EnvelopeError::Magic(kind));
        }
        let too_short = EnvelopeError::Length { kind, found, expected: BYTES_MIN };
        let (summed, checksum) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or(too_short.clone())?;
        if blake3::hash(summed) != blake3::Hash::from_bytes(*checksum) {
            return Err(EnvelopeError::Checksum(kind));
        }
        let (signed, signature) = summed.split_last_chunk::<SIGNATURE_BYTES>().ok_or(too_short)?;
        Self::fields(kind, bytes, signed, signature)
    }

    fn fields(kind: Kind, bytes: &'a [u8], signed: &'a [u8], signature: &'a Signature) -> Result<Self, EnvelopeError> {
        let wire = |source: WireError| EnvelopeError::Wire { kind, source };
        let mut reader = Reader::new(signed);
        reader.array::<8>().map_err(wire)?;
        match reader.u16().map_err(wire)? {
            VERSION => (),
            version => return Err(EnvelopeError::Version { kind, version }),
        }
        match reader.u16().map_err(wire)? {
            SUITE => (),
            suite => return Err(EnvelopeError::Suite { kind, suite }),
        }
        let epoch = reader.u32().map_err(wire)?;
        let repository = RepositoryId::from_bytes(reader.array().map_err(wire)?);
        let salt = reader.array().map_err(wire)?;
        let config = reader.u32().map_err(wire)?;
        let signer = SignerKey::from_bytes(reader.array().map_err(wire)?);
        let mut length = || reader.u32().map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX)).map_err(wire);
        let (body_bytes, description_bytes) = (length()?, length()?);
        check_lengths(kind, body_bytes, description_bytes)?;
        let expected = body_bytes.saturating_add(description_bytes);
        if reader.remaining() != expected {
            let fixed_bytes = HEAD_BYTES + SIGNATURE_BYTES + CHECKSUM_BYTES;
            let expected = expected.saturating_add(fixed_bytes);
            return Err(EnvelopeError::Length { kind, found: bytes.len(), expected });
        }
        let body = reader.bytes(body_bytes).map_err(wire)?;
        let description = match reader.rest() {
            [] => None,
            bytes => Some(SealedDescription::parse(kind, bytes)?),
        };
        let hash = ObjectHash::of(bytes);
        Ok(Self { kind, epoch, repository, config, signer, hash, salt, body, description, signed, signature })
    }

    /// Checks repository, signer, role and signature, and opens body and description.
    ///
    /// # Errors
    /// [`EnvelopeError`] says which check failed.
    pub fn open(&self, keys: &KeyRing, chain: &ConfigChain) -> Result<Opened, EnvelopeError> {
        let kind = self.kind;
        if self.repository != chain.repository() {
            return Err(EnvelopeError::Repository { kind, repository: self.repository });
        }
        let role = self.verify(chain)?;
        let key_error = |source| EnvelopeError::Key { kind, source };
        let body_key = keys.index_root(self.epoch).map_err(key_error)?.object_key(&self.salt);
        let body = open_part(&body_key, &binding(kind, BODY_CLASS, self.salt), self.body)
            .map_err(|source| EnvelopeError::Seal { kind, part: "body", source })?;
        let root = keys.description_root(self.epoch).map_err(key_error)?;
        let description = match (&self.description, root) {
            (None, _) => Described::Absent,
            (Some(_), None) => Described::Sealed,
            (Some(sealed), Some(root)) => Described::Open(sealed.open(kind, root, &self.salt)?),
        };
        let Self { signer, config, hash, .. } = *self;
        Ok(Opened { kind, signer, role, config, hash, body, description })
    }

    /// Checks that the signer was allowed to sign this kind of object, and did. It needs no secret.
    ///
    /// # Errors
    /// [`EnvelopeError::Signer`], [`EnvelopeError::Role`] or [`EnvelopeError::Signature`].
    pub fn verify(&self, chain: &ConfigChain) -> Result<Role, EnvelopeError> {
        let kind = self.kind;
        let role = chain.role_of(&self.signer, self.config).map_err(|source| EnvelopeError::Signer { kind, source })?;
        if !kind.may_sign(role) {
            return Err(EnvelopeError::Role { kind, role });
        }
        seal::verify(&self.signer, self.signed, self.signature)
            .map_err(|source| EnvelopeError::Signature { kind, source })?;
        Ok(role)
    }
}

impl<'a> SealedDescription<'a> {
    fn parse(kind: Kind, bytes: &'a [u8]) -> Result<Self, EnvelopeError> {
        let refuse = |what| EnvelopeError::Description { kind, what };
        let short = |_: WireError| refuse("it is too short");
        let mut reader = Reader::new(bytes);
        let field = reader.u8().map_err(short)?;
        if field > 1 {
            return Err(refuse("its key field is of no known kind"));
        }
        if reader.array().map_err(short)? != [0; 3] {
            return Err(refuse("its reserved bytes are not zero"));
        }
        let encapsulated = (field == 1).then(|| reader.array()).transpose().map_err(short)?;
        let commitment = reader.array().map_err(short)?;
        let sealed = reader.rest();
        let bytes = sealed.len().checked_sub(OVERHEAD_BYTES).ok_or(refuse("it is too short"))?;
        if bytes > DESCRIPTION_BYTES_MAX {
            return Err(EnvelopeError::TooLarge { kind, part: "description", bytes, bytes_max: DESCRIPTION_BYTES_MAX });
        }
        Ok(Self { encapsulated, commitment, sealed })
    }

    fn open(&self, kind: Kind, root: &RootSecret, salt: &[u8; 32]) -> Result<Plaintext, EnvelopeError> {
        let seal_error = |source| EnvelopeError::Seal { kind, part: "description", source };
        let key = open_key_field(root, self.encapsulated.as_ref(), salt)
            .map_err(|source| EnvelopeError::Key { kind, source })?;
        key.check(&self.commitment).map_err(seal_error)?;
        open_part(&key, &binding(kind, DESCRIPTION_CLASS, *salt), self.sealed).map_err(seal_error)
    }
}

fn check_lengths(kind: Kind, body_bytes: usize, description_bytes: usize) -> Result<(), EnvelopeError> {
    let body_bytes_max = kind.body_bytes_max().saturating_add(OVERHEAD_BYTES);
    if body_bytes > body_bytes_max {
        return Err(EnvelopeError::TooLarge { kind, part: "body", bytes: body_bytes, bytes_max: body_bytes_max });
    }
    let bytes_max = if kind.may_describe() { DESCRIPTION_BYTES_MAX + DESCRIPTION_OVERHEAD_BYTES_MAX } else { 0 };
    if description_bytes > bytes_max {
        return Err(EnvelopeError::TooLarge { kind, part: "description", bytes: description_bytes, bytes_max });
    }
    Ok(())
}

fn open_part(key: &ObjectKey, binding: &Binding, sealed: &[u8]) -> Result<Plaintext, SealError> {
    let mut buffer = sealed.to_vec();
    let length = key.open_in_place(binding, &mut buffer)?.len();
    Ok(Plaintext { buffer, start: HASH_BYTES, length })
}

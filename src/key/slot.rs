//! Key slots: a ring's secrets, wrapped by a password or a key file.

use super::note::{self, SealedNote, SlotNote};
use super::{EpochRoots, KdfCost, KeyError, KeyRing, ReadingRoots, Unlock, UnlockKind};
use crate::config::{EPOCHS_COUNT_MAX, EpochPublics, Role};
use crate::id::{ObjectHash, RepositoryId};
use crate::seal::{self, Binding, HASH_BYTES, OVERHEAD_BYTES, RootSecret, SUITE, SealError, Secret, SigningKey};
use crate::wire::{self, Blob, List, Reader, Write as _};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// The first eight bytes of a key slot.
pub const SLOT_MAGIC: [u8; 8] = *b"HOLDSLOT";
pub(super) const VERSION: u16 = 1;
const HEAD_BYTES: usize = 112;
/// Longest label of a key slot.
pub const LABEL_BYTES_MAX: usize = 1024;
/// Longest key slot.
pub const SLOT_BYTES_MAX: usize = 512 << 10;

/// A key slot whose shape and name have been checked, but which has not been opened.
#[derive(Debug, Clone)]
pub struct Slot<'a> {
    name: ObjectHash,
    /// What opens it.
    pub kind: UnlockKind,
    /// The repository to which it claims to belong.
    pub repository: RepositoryId,
    salt: [u8; 32],
    cost: KdfCost,
    commitment: [u8; 32],
    sealed: &'a [u8],
    note: Option<SealedNote<'a>>,
}

/// What an opened slot says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotFacts {
    /// The slot's name in the store.
    pub name: ObjectHash,
    /// A name for people.
    pub label: Vec<u8>,
    /// When it was sealed, in nanoseconds since the epoch.
    pub created_at_ns: i64,
}

/// What a slot wraps.
#[derive(bincode::Encode, bincode::Decode)]
pub(super) struct Payload {
    pub(super) repository: RepositoryId,
    pub(super) role: Role,
    pub(super) config_zero: ObjectHash,
    pub(super) signing_seed: SecretBytes,
    pub(super) naming: SecretBytes,
    pub(super) epochs: List<EpochSecrets>,
    pub(super) label: Blob,
    pub(super) created_at_ns: i64,
}

#[derive(bincode::Encode, bincode::Decode)]
pub(super) struct EpochSecrets {
    pub(super) publics: EpochPublics,
    pub(super) index: SecretBytes,
    pub(super) content: Option<SecretBytes>,
    pub(super) manifest: Option<SecretBytes>,
    pub(super) stat: Option<SecretBytes>,
    pub(super) description: Option<SecretBytes>,
}

#[derive(Clone, bincode::Encode, bincode::Decode, Zeroize, ZeroizeOnDrop)]
pub(super) struct SecretBytes(pub(super) [u8; 32]);

impl From<&Secret> for SecretBytes {
    fn from(secret: &Secret) -> Self {
        Self(*secret.expose())
    }
}

impl SecretBytes {
    fn secret(&self) -> Secret {
        Secret::from_bytes(self.0)
    }

    fn root(&self) -> RootSecret {
        RootSecret::new(self.secret())
    }
}

/// Wraps a ring, with a note that says whose it is. The object's name is the hash of the bytes; the label is for people
/// and is sealed.
///
/// # Errors
/// [`KeyError::EmptyPassword`], [`KeyError::Memory`], [`KeyError::Threads`], and [`KeyError::Payload`] when the label is
/// too long.
pub fn seal_slot(
    ring: &KeyRing,
    unlock: Unlock<'_>,
    cost: KdfCost,
    label: &[u8],
    created_at_ns: i64,
) -> Result<Vec<u8>, KeyError> {
    seal_noted(ring, unlock, cost, &SlotNote::of(ring, label, created_at_ns), seal::random())
}

pub(super) fn seal_noted(
    ring: &KeyRing,
    unlock: Unlock<'_>,
    cost: KdfCost,
    note: &SlotNote,
    salt: [u8; 32],
) -> Result<Vec<u8>, KeyError> {
    let mut slot = seal_salted(ring, unlock, cost, &note.label, note.created_at_ns, salt)?;
    note::seal(ring, note, &salt, &mut slot)?;
    Ok(slot)
}

/// A slot without a note.
pub(super) fn seal_salted(
    ring: &KeyRing,
    unlock: Unlock<'_>,
    cost: KdfCost,
    label: &[u8],
    created_at_ns: i64,
    salt: [u8; 32],
) -> Result<Vec<u8>, KeyError> {
    if label.len() > LABEL_BYTES_MAX {
        return Err(KeyError::Payload("the label is too long"));
    }
    let payload = Zeroizing::new(wire::encode(&ring.payload(label, created_at_ns)));
    wrap(&payload, ring.repository, unlock, cost, salt)
}

/// Wraps whatever payload it is given: for tests and fuzzing.
///
/// # Errors
/// [`KeyError::EmptyPassword`], [`KeyError::Memory`] and [`KeyError::Threads`].
///
/// # Panics
/// When the payload is above 4 GiB.
pub fn wrap(
    payload: &[u8],
    repository: RepositoryId,
    unlock: Unlock<'_>,
    cost: KdfCost,
    salt: [u8; 32],
) -> Result<Vec<u8>, KeyError> {
    let sealed_bytes = payload.len().saturating_add(OVERHEAD_BYTES);
    let key = unlock.derive(&salt, cost)?;
    // Nothing is moved while the payload lies open in it.
    let mut out = Vec::with_capacity(sealed_bytes.saturating_add(HEAD_BYTES));
    out.put(&SLOT_MAGIC);
    out.put_u16(VERSION);
    out.put_u16(SUITE);
    out.put(&[unlock.kind().number(), 0, 0, 0]);
    out.put(repository.as_bytes());
    out.put(&salt);
    let cost = match unlock.kind() {
        UnlockKind::Password => [cost.memory_kib, cost.passes, cost.lanes],
        UnlockKind::KeyFile | UnlockKind::None => [0; 3],
    };
    cost.iter().for_each(|value| out.put_u32(*value));
    out.put_u32(sealed_bytes.try_into().expect("a payload is far below 4 GiB"));
    out.put(&key.commitment());
    out.put(&[0; HASH_BYTES]);
    out.put(payload);
    key.seal_in_place(&binding(unlock.kind(), salt), &mut out, HEAD_BYTES.saturating_add(HASH_BYTES));
    Ok(out)
}

const fn binding(kind: UnlockKind, salt: [u8; 32]) -> Binding {
    Binding { magic: SLOT_MAGIC, version: VERSION, class: kind.number(), salt, number: 0 }
}

impl<'a> Slot<'a> {
    /// Checks length, magic, name, version, suite, kind and cost, and opens nothing.
    ///
    /// # Errors
    /// [`KeyError`] says which check failed; [`KeyError::Damaged`] when the bytes are not those of the name.
    pub fn parse(name: &ObjectHash, bytes: &'a [u8]) -> Result<Self, KeyError> {
        let found = bytes.len();
        let expected = found.clamp(HEAD_BYTES + OVERHEAD_BYTES, SLOT_BYTES_MAX);
        if found != expected {
            return Err(KeyError::Length { found, expected });
        }
        if bytes.first_chunk() != Some(&SLOT_MAGIC) {
            return Err(KeyError::Magic);
        }
        let hash = ObjectHash::of(bytes);
        if hash != *name {
            return Err(KeyError::Damaged { expected: *name, found: hash });
        }
        Self::fields(hash, bytes)
    }

    fn fields(name: ObjectHash, bytes: &'a [u8]) -> Result<Self, KeyError> {
        let mut reader = Reader::new(bytes);
        reader.array::<8>()?;
        match reader.u16()? {
            VERSION => (),
            other => return Err(KeyError::Version(other)),
        }
        match reader.u16()? {
            SUITE => (),
            other => return Err(KeyError::Suite(other)),
        }
        let kind = UnlockKind::parse(reader.u8()?)?;
        if reader.array()? != [0; 3] {
            return Err(KeyError::Reserved);
        }
        let repository = RepositoryId::from_bytes(reader.array()?);
        let salt = reader.array()?;
        let cost = match (kind, [reader.u32()?, reader.u32()?, reader.u32()?]) {
            (UnlockKind::Password, [memory_kib, passes, lanes]) => KdfCost::parse(memory_kib, passes, lanes)?,
            (UnlockKind::KeyFile | UnlockKind::None, [0, 0, 0]) => KdfCost::DEFAULT,
            (UnlockKind::KeyFile | UnlockKind::None, _) => return Err(KeyError::Reserved),
        };
        let sealed_bytes = usize::try_from(reader.u32()?).unwrap_or(usize::MAX);
        let commitment = reader.array()?;
        let expected = sealed_bytes.saturating_add(HEAD_BYTES);
        let cut_short = |_| KeyError::Length { found: bytes.len(), expected };
        let sealed = reader.bytes(sealed_bytes).map_err(cut_short)?;
        let note = SealedNote::parse(reader.rest())?;
        Ok(Self { name, kind, repository, salt, cost, commitment, sealed, note })
    }

    /// What the slot's note says to whoever can read the repository; none when it has no note.
    ///
    /// # Errors
    /// [`KeyError::Lacks`] when `ring` can't read, [`KeyError::Note`] when the note can't be believed.
    pub fn note(&self, ring: &KeyRing) -> Result<Option<SlotNote>, KeyError> {
        self.note.as_ref().map(|note| note.open(ring, &self.salt)).transpose()
    }

    /// Opens the slot.
    ///
    /// # Errors
    /// [`KeyError::WrongSecret`] when the password or key file is another one, [`KeyError::OtherKind`] when it is not
    /// of the slot's kind, [`KeyError::Payload`] when the slot was made wrongly.
    pub fn open(&self, unlock: Unlock<'_>) -> Result<KeyRing, KeyError> {
        if unlock.kind() != self.kind {
            return Err(KeyError::OtherKind { slot: self.kind, given: unlock.kind() });
        }
        let key = unlock.derive(&self.salt, self.cost)?;
        key.check(&self.commitment).map_err(|_| KeyError::WrongSecret)?;
        let mut buffer = Zeroizing::new(self.sealed.to_vec());
        let forged = |_: SealError| KeyError::Payload("the seal does not open");
        let plaintext = key.open_in_place(&binding(self.kind, self.salt), &mut buffer).map_err(forged)?;
        let payload: Payload = wire::decode(plaintext)?;
        if payload.repository != self.repository {
            return Err(KeyError::Payload("it belongs to another repository"));
        }
        KeyRing::from_payload(&payload, self.name)
    }
}

/// Opens the slot object `name`.
///
/// # Errors
/// As [`Slot::parse`] and [`Slot::open`].
pub fn open_slot(name: &ObjectHash, bytes: &[u8], unlock: Unlock<'_>) -> Result<KeyRing, KeyError> {
    Slot::parse(name, bytes)?.open(unlock)
}

impl KeyRing {
    pub(super) fn payload(&self, label: &[u8], created_at_ns: i64) -> Payload {
        let epochs = self.epochs.iter().map(|epoch| {
            let reading = epoch.reading.as_ref();
            let secret = |root: &RootSecret| SecretBytes::from(root.secret());
            EpochSecrets {
                publics: epoch.publics,
                index: secret(&epoch.index),
                content: reading.map(|roots| secret(&roots.content)),
                manifest: reading.map(|roots| secret(&roots.manifest)),
                stat: reading.map(|roots| secret(&roots.stat)),
                description: reading.map(|roots| secret(&roots.description)),
            }
        });
        Payload {
            repository: self.repository,
            role: self.role,
            config_zero: self.config_zero,
            signing_seed: SecretBytes::from(&self.seed),
            naming: SecretBytes::from(&self.naming),
            epochs: List(epochs.collect()),
            label: Blob::from(label),
            created_at_ns,
        }
    }

    fn from_payload(payload: &Payload, name: ObjectHash) -> Result<Self, KeyError> {
        let epochs = &payload.epochs.0;
        let ordered = epochs.is_sorted_by(|a, b| a.publics.epoch < b.publics.epoch);
        if epochs.is_empty() || epochs.len() > EPOCHS_COUNT_MAX || !ordered {
            return Err(KeyError::Payload("its list of epochs"));
        }
        if payload.label.0.len() > LABEL_BYTES_MAX {
            return Err(KeyError::Payload("the label is too long"));
        }
        let seed = payload.signing_seed.secret();
        let epochs = epochs.iter().map(|epoch| EpochRoots::from_secrets(epoch, payload.role));
        Ok(Self {
            role: payload.role,
            repository: payload.repository,
            config_zero: payload.config_zero,
            signing: SigningKey::from_seed(&seed),
            seed,
            naming: payload.naming.secret(),
            epochs: epochs.collect::<Result<_, _>>()?,
            slot: Some(SlotFacts { name, label: payload.label.0.clone(), created_at_ns: payload.created_at_ns }),
        })
    }
}

impl EpochRoots {
    fn from_secrets(epoch: &EpochSecrets, role: Role) -> Result<Self, KeyError> {
        let EpochSecrets { publics, index, content, manifest, stat, description } = epoch;
        let reading = match (role, content, manifest, stat, description) {
            (Role::Put, None, None, None, None) => None,
            (Role::Read | Role::Prune | Role::All, Some(content), Some(manifest), Some(stat), Some(description)) => {
                let (content, manifest) = (content.root(), manifest.root());
                Some(ReadingRoots { content, manifest, stat: stat.root(), description: description.root() })
            }
            _ => return Err(KeyError::Payload("its secrets are not those of its role")),
        };
        if reading.as_ref().is_some_and(|roots| roots.publics(publics.epoch) != *publics) {
            return Err(KeyError::Payload("its public keys are not those of its secrets"));
        }
        Ok(Self { publics: *publics, index: index.root(), reading })
    }
}

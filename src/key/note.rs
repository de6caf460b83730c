//! The note of a slot: whose it is, for those who can read the repository and can't open the slot.

use super::slot::{LABEL_BYTES_MAX, SLOT_MAGIC, VERSION};
use super::{KeyError, KeyRing, open_key_field};
use crate::config::Role;
use crate::id::SignerKey;
use crate::seal::{self, Binding, HASH_BYTES, OVERHEAD_BYTES, ObjectKey};
use crate::wire::{self, Blob, Reader, Write as _};

const CLASS: u8 = 16;
const NUMBER: u64 = 1;
const SEALED_BYTES_MAX: usize = 2048;
const SYMMETRIC: u8 = 0;
const ENCAPSULATED: u8 = 1;

/// Whose slot it is. Signed by the key that it names, so that nobody makes a slot that passes for another one's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotNote {
    /// The key with which the slot's holder signs.
    pub signer: SignerKey,
    /// What the slot's secrets were meant to allow.
    pub role: Role,
    /// A name for people.
    pub label: Vec<u8>,
    /// When the slot was sealed, in nanoseconds since the epoch.
    pub created_at_ns: i64,
}

/// A note whose head has been checked.
#[derive(Debug, Clone)]
pub(super) struct SealedNote<'a> {
    epoch: u32,
    encapsulated: Option<[u8; 32]>,
    sealed: &'a [u8],
}

#[derive(bincode::Encode, bincode::Decode)]
struct Signed {
    claims: Claims,
    signature: [u8; 64],
}

#[derive(Clone, bincode::Encode, bincode::Decode)]
struct Claims {
    signer: SignerKey,
    role: Role,
    label: Blob,
    created_at_ns: i64,
}

impl Claims {
    fn message(&self, salt: &[u8; 32]) -> Vec<u8> {
        [&SLOT_MAGIC[..], salt, &wire::encode(self)].concat()
    }
}

impl SlotNote {
    pub(super) fn of(ring: &KeyRing, label: &[u8], created_at_ns: i64) -> Self {
        Self { signer: ring.signer(), role: ring.role(), label: label.to_vec(), created_at_ns }
    }
}

/// Appends a note to a slot of `salt`, signed by `ring`, whose own key the note must name to be believed.
pub(super) fn seal(ring: &KeyRing, note: &SlotNote, salt: &[u8; 32], slot: &mut Vec<u8>) -> Result<(), KeyError> {
    let (encapsulated, key) = ring.new_description_key(salt)?;
    slot.put(&[if encapsulated.is_some() { ENCAPSULATED } else { SYMMETRIC }, 0, 0, 0]);
    slot.put_u32(ring.epoch());
    slot.put(encapsulated.as_ref().map_or(&[], |field| &field[..]));
    let SlotNote { signer, role, label, created_at_ns } = note.clone();
    let claims = Claims { signer, role, label: Blob(label), created_at_ns };
    let signature = ring.signing().sign(&claims.message(salt));
    slot.put(&key.seal(&binding(salt), &wire::encode(&Signed { claims, signature })));
    Ok(())
}

const fn binding(salt: &[u8; 32]) -> Binding {
    Binding { magic: SLOT_MAGIC, version: VERSION, class: CLASS, salt: *salt, number: NUMBER }
}

impl<'a> SealedNote<'a> {
    /// Checks the head of what follows a slot's payload; nothing there is no note.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Option<Self>, KeyError> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let mut reader = Reader::new(bytes);
        let cut_short = |_| KeyError::Note("it is cut short");
        let [kind, reserved @ ..] = reader.array::<4>().map_err(cut_short)?;
        if reserved != [0; 3] {
            return Err(KeyError::Reserved);
        }
        let epoch = reader.u32().map_err(cut_short)?;
        let encapsulated = match kind {
            SYMMETRIC => None,
            ENCAPSULATED => Some(reader.array().map_err(cut_short)?),
            _ => return Err(KeyError::Note("its key field")),
        };
        let sealed = reader.rest();
        if !(OVERHEAD_BYTES..=SEALED_BYTES_MAX).contains(&sealed.len()) {
            return Err(KeyError::Note("its length"));
        }
        Ok(Some(Self { epoch, encapsulated, sealed }))
    }

    /// Opens the note of the slot of `salt` and checks that the key which it names has signed it.
    pub(super) fn open(&self, ring: &KeyRing, salt: &[u8; 32]) -> Result<SlotNote, KeyError> {
        let lacks = KeyError::Lacks { role: ring.role(), what: "what opens the notes of key slots" };
        let root = ring.description_root(self.epoch)?.ok_or(lacks)?;
        let key: ObjectKey = open_key_field(root, self.encapsulated.as_ref(), salt)?;
        let plain = key.open(&binding(salt), self.sealed).map_err(|_| KeyError::Note("the seal does not open"))?;
        let Signed { claims, signature } = wire::decode(&plain)?;
        if claims.label.0.len() > LABEL_BYTES_MAX {
            return Err(KeyError::Note("the label is too long"));
        }
        let forged = |_| KeyError::Note("it is not signed by the key that it names");
        seal::verify(&claims.signer, &claims.message(salt), &signature).map_err(forged)?;
        let Claims { signer, role, label, created_at_ns } = claims;
        Ok(SlotNote { signer, role, label: label.0, created_at_ns })
    }
}

const _: () = assert!(LABEL_BYTES_MAX + 32 + 4 + 8 + 8 + 64 + HASH_BYTES + 16 <= SEALED_BYTES_MAX);

//! The keys of a repository: who can open it and what each may do.
//!
//! A *key* is a signing key with a role, listed in the configuration; a *slot* is one way to open it, by a password or a
//! key file. One key may have several slots. To make a key is to list it in the next configuration and then to store a
//! slot; to end it is to revoke it in the next configuration and then to remove its slots. Both are safe to interrupt:
//! a key without a slot opens nothing, and a slot of a revoked key signs nothing.

mod change;
#[cfg(test)]
mod tests;
mod unlock;

pub use change::{add, end, import, read_configs, remove, replace};
pub use unlock::unlock;

use crate::access::Access;
use crate::config::{OPEN, Role};
use crate::error::{Error, ErrorKind, Result};
use crate::id::{ObjectHash, SignerKey};
use crate::key::{KdfCost, SLOT_BYTES_MAX, Slot, SlotNote, UnlockKind};
use crate::store::{Folder, Listed, ObjectName, Store};

/// What a new slot opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Grant {
    /// The key with which the repository was opened: another way to the same rights.
    #[default]
    SameKey,
    /// A key of its own with this role. Only a key with the role all can make one.
    NewKey(Role),
}

/// How to make a slot.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct NewKeyOptions {
    pub(crate) grant: Grant,
    pub(crate) label: Vec<u8>,
    pub(crate) kdf: KdfCost,
}

impl NewKeyOptions {
    /// Names the slot for people: at most 1024 bytes.
    pub fn new(label: impl Into<Vec<u8>>) -> Self {
        Self { label: label.into(), ..Self::default() }
    }

    /// What the slot opens.
    #[must_use]
    pub const fn grant(mut self, grant: Grant) -> Self {
        self.grant = grant;
        self
    }

    /// What deriving the key from a password costs.
    #[must_use]
    pub const fn kdf(mut self, kdf: KdfCost) -> Self {
        self.kdf = kdf;
        self
    }
}

/// Whether a key may still sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyStanding {
    /// It may.
    Valid,
    /// It was revoked: the slot still opens everything that it opened, and signs nothing any more.
    Revoked,
    /// No configuration ever listed it: making it was interrupted, or somebody else put it there.
    Unlisted,
}

/// Whose a slot is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SlotOwner {
    /// The slot says it, signed by the key that it names.
    Known {
        /// The key.
        signer: SignerKey,
        /// What the configuration lets it do, or let it do until it was revoked.
        role: Role,
        /// A name for people.
        label: Vec<u8>,
        /// When the slot was made, in nanoseconds since the epoch.
        created_at_ns: i64,
        /// Whether it may still sign.
        standing: KeyStanding,
    },
    /// It can't be known; the text says why.
    Unknown(String),
}

/// One way into a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySlot {
    /// The slot's name.
    pub id: ObjectHash,
    /// What opens it; none when the slot is damaged.
    pub kind: Option<UnlockKind>,
    /// Whose it is.
    pub owner: SlotOwner,
    /// Whether the repository was opened with it just now.
    pub is_current: bool,
}

/// What became of a slot that was to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddedKey {
    /// The slot's name.
    pub id: ObjectHash,
    /// The key that it opens.
    pub signer: SignerKey,
    /// What that key may do.
    pub role: Role,
}

/// Whether a slot may be replaced by one that the same secret opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameSecret {
    /// Whoever has just learnt a password must not be told that it was changed.
    Refuse,
    /// It is to cost more, or less, to try.
    Accept,
}

/// What became of a slot that was to be replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedKey {
    /// The new slot.
    pub key: AddedKey,
    /// Whether it is opened by what opened the old one.
    pub is_same_secret: bool,
}

/// What became of a slot that was to be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovedKey {
    /// The slot's name; none for a key that had no slot.
    pub id: Option<ObjectHash>,
    /// The key that was ended with its last slot; none while it has others, or when it is not known whose the slot was.
    pub revoked: Option<SignerKey>,
    /// How many other slots of the same key are there; none when it is not known whose the slot was.
    pub remaining_count: Option<usize>,
}

/// A key that may sign, and of which no slot is there that says so: lost, damaged, or carried away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotlessKey {
    /// The key.
    pub signer: SignerKey,
    /// What it may do.
    pub role: Role,
}

impl KeySlot {
    /// The key that the slot says, signed, that it opens.
    pub const fn signer(&self) -> Option<SignerKey> {
        match &self.owner {
            SlotOwner::Known { signer, .. } => Some(*signer),
            SlotOwner::Unknown(_) => None,
        }
    }
}

/// How many digits of a name a slot or key is removed by at least, as with snapshots: one that was typed by mistake fits none.
const DIGITS_MIN: usize = 4;

/// Every slot, by name. A damaged one is listed as such.
///
/// # Errors
/// When the store can't be read.
pub fn list(access: &Access) -> Result<Vec<KeySlot>> {
    let mut slots = Vec::new();
    for id in names(access.store.as_ref())? {
        match access.store.read(&ObjectName::Key(id), limit_bytes()) {
            Ok(bytes) => slots.push(described(access, id, &bytes)),
            // Removed since the folder was listed.
            Err(error) if error.is_not_found() => {}
            Err(error) => {
                let owner = SlotOwner::Unknown(error.to_string());
                slots.push(KeySlot { id, kind: None, owner, is_current: false });
            }
        }
    }
    Ok(slots)
}

/// The keys that may sign and of which no slot is there. None for a key that can't read whose slots are.
///
/// # Errors
/// When the store can't be read.
pub fn without_slot(access: &Access) -> Result<Vec<SlotlessKey>> {
    if !access.ring.reads() {
        return Ok(Vec::new());
    }
    let having: Vec<SignerKey> = list(access)?.iter().filter_map(KeySlot::signer).collect();
    let valid = access.config().signers.0.iter().filter(|listed| listed.until == OPEN && !having.contains(&listed.key));
    Ok(valid.map(|listed| SlotlessKey { signer: listed.key, role: listed.role }).collect())
}

/// Finds the one key without a slot whose public half begins with `prefix`.
///
/// # Errors
/// As [`find`].
pub fn find_without_slot(access: &Access, prefix: &str) -> Result<SlotlessKey> {
    let mut fitting = without_slot(access)?.into_iter().filter(|key| key.signer.to_string().starts_with(prefix));
    match (fitting.next(), fitting.next()) {
        (Some(key), None) => Ok(key),
        (Some(one), Some(other)) => Err(ambiguous(prefix, &one.signer, &other.signer)),
        (None, _) => {
            Err(Error::new(ErrorKind::NotFound, format!("no key begins with {prefix}; `key list` lists them")))
        }
    }
}

fn ambiguous(prefix: &str, one: &dyn std::fmt::Display, other: &dyn std::fmt::Display) -> Error {
    let message = format!("{prefix} fits several keys: {one}, {other}; give more digits, as `key list` shows them");
    Error::new(ErrorKind::Ambiguous, message)
}

/// Finds the one slot whose name begins with `prefix`.
///
/// # Errors
/// [`ErrorKind::Invalid`] for less than four digits; [`ErrorKind::NotFound`], [`ErrorKind::Ambiguous`], or when the store
/// can't be read.
pub fn find(access: &Access, prefix: &str) -> Result<KeySlot> {
    if prefix.len() < DIGITS_MIN {
        let message =
            format!("a key is named by at least {DIGITS_MIN} digits, not by {prefix:?}; `key list` lists them");
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    let mut fitting = list(access)?.into_iter().filter(|slot| slot.id.to_string().starts_with(prefix));
    match (fitting.next(), fitting.next()) {
        (Some(slot), None) => Ok(slot),
        (Some(one), Some(other)) => Err(ambiguous(prefix, &one.id, &other.id)),
        (None, _) => {
            Err(Error::new(ErrorKind::NotFound, format!("no key slot begins with {prefix}; `key list` lists them")))
        }
    }
}

/// The bytes of the slot with which the repository was opened: with the password or key file they open it even when the
/// store has lost its slots.
///
/// # Errors
/// [`ErrorKind::NotFound`] when the store has lost it already.
pub fn export(access: &Access) -> Result<Vec<u8>> {
    let facts = access.ring.slot().ok_or_else(no_slot)?;
    let bytes = access.store.read(&ObjectName::Key(facts.name), limit_bytes())?;
    Slot::parse(&facts.name, &bytes)?;
    Ok(bytes)
}

fn described(access: &Access, id: ObjectHash, bytes: &[u8]) -> KeySlot {
    let is_current = access.ring.slot().is_some_and(|facts| facts.name == id);
    let slot = match Slot::parse(&id, bytes) {
        Ok(slot) => slot,
        Err(error) => return KeySlot { id, kind: None, owner: SlotOwner::Unknown(error.to_string()), is_current },
    };
    let own = access.ring.slot().filter(|_| is_current).map(|facts| SlotNote {
        signer: access.ring.signer(),
        role: access.ring.role(),
        label: facts.label.clone(),
        created_at_ns: facts.created_at_ns,
    });
    let owner = match (own, slot.note(&access.ring)) {
        (Some(note), _) | (None, Ok(Some(note))) => known(access, note),
        (None, Ok(None)) => SlotOwner::Unknown("it does not say whose it is".to_owned()),
        (None, Err(error)) => SlotOwner::Unknown(error.to_string()),
    };
    KeySlot { id, kind: Some(slot.kind), owner, is_current }
}

/// What a note says, with the role that counts: the configuration's.
fn known(access: &Access, note: SlotNote) -> SlotOwner {
    let SlotNote { signer, role, label, created_at_ns } = note;
    let listed = access.config().signers.0.iter().find(|listed| listed.key == signer);
    let (role, standing) = match listed {
        Some(listed) if listed.until == OPEN => (listed.role, KeyStanding::Valid),
        Some(listed) => (listed.role, KeyStanding::Revoked),
        None => (role, KeyStanding::Unlisted),
    };
    SlotOwner::Known { signer, role, label, created_at_ns, standing }
}

fn names(store: &dyn Store) -> Result<Vec<ObjectHash>> {
    let mut names = Vec::new();
    store.list(Folder::Keys, &mut |listed| {
        if let Listed::Object { name: ObjectName::Key(name), .. } = listed {
            names.push(name);
        }
    })?;
    names.sort_unstable();
    Ok(names)
}

fn limit_bytes() -> u64 {
    u64::try_from(SLOT_BYTES_MAX).unwrap_or(u64::MAX)
}

fn no_slot() -> Error {
    Error::new(ErrorKind::NotFound, "the repository was opened without a key slot")
}

//! Who can open the repository.

use super::Repository;
use crate::error::{ErrorKind, Result};
use crate::id::ObjectHash;
use crate::key::{KdfCost, Unlock};
use crate::keys::{self, AddedKey, ChangedKey, KeySlot, NewKeyOptions, RemovedKey, SameSecret, SlotlessKey};
use crate::session;
use crate::store::LocalStore;
use std::path::Path;

impl Repository {
    /// Every way into the repository, by name.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn keys(&self) -> Result<Vec<KeySlot>> {
        keys::list(&self.access.with_second_copies())
    }

    /// Makes another way into the repository, which `unlock` opens.
    ///
    /// # Errors
    /// [`ErrorKind::Denied`] when the key at hand may not make another one; [`ErrorKind::Occupied`] for a mirror;
    /// [`ErrorKind::Invalid`] for an empty password or too long a label; or when the store
    /// can't be written to.
    pub fn add_key(&self, unlock: Unlock<'_>, options: &NewKeyOptions) -> Result<AddedKey> {
        self.may_write()?;
        keys::add(&self.access, unlock, options, session::now_ns())
    }

    /// The keys that may sign and of which no slot is there, so that [`Self::keys`] does not show them.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn slotless_keys(&self) -> Result<Vec<SlotlessKey>> {
        keys::without_slot(&self.access.with_second_copies())
    }

    /// Removes the way into the repository whose name begins with `prefix`. With the last one of a key the key ends: what
    /// it signs under a later configuration nobody accepts. A key of which no slot is there is named by its public half, and
    /// ends. Who has a copy of the removed slot can still read everything, what is stored later included.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], [`ErrorKind::Ambiguous`];
    /// [`ErrorKind::Invalid`] for the one with which the repository was opened;
    /// [`ErrorKind::Denied`]; [`ErrorKind::Occupied`] for a mirror; or when the store can't be written to.
    pub fn remove_key(&self, prefix: &str) -> Result<RemovedKey> {
        self.may_write()?;
        let now_ns = session::now_ns();
        match keys::find(&self.access, prefix) {
            Ok(slot) => keys::remove(&self.access, &slot, now_ns),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                keys::end(&self.access, &keys::find_without_slot(&self.access, prefix)?.signer, now_ns)
            }
            Err(error) => Err(error),
        }
    }

    /// Puts another password or key file in place of the one with which the repository was opened.
    ///
    /// # Errors
    /// As [`Self::add_key`]; [`ErrorKind::Invalid`] for what opens it already, unless that is accepted. The old one counts
    /// until the new one is stored.
    pub fn change_key(&self, unlock: Unlock<'_>, kdf: KdfCost, same: SameSecret) -> Result<ChangedKey> {
        self.may_write()?;
        keys::replace(&self.access, unlock, (kdf, same), session::now_ns())
    }

    /// The bytes of the key slot with which the repository was opened, for [`Self::import_key`] should the store lose it.
    /// Without the password or key file they are of no use to anybody.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn export_key(&self) -> Result<Vec<u8>> {
        keys::export(&self.access.with_second_copies())
    }

    /// Puts an exported key slot into the repository in a local directory, which may be a mirror. Needs no key.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the bytes are no key slot of this repository;
    /// [`ErrorKind::NoRepository`]; or when the store can't be written to.
    pub fn import_key(path: &Path, bytes: &[u8]) -> Result<ObjectHash> {
        let store = LocalStore::open(path)?;
        keys::import(&store, &keys::read_configs(&store)?, bytes)
    }
}

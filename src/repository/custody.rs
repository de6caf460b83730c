//! Who can open the repository.

use super::Repository;
use crate::error::Result;
use crate::id::ObjectHash;
use crate::key::{KdfCost, Unlock};
use crate::keys::{self, AddedKey, KeySlot, NewKeyOptions, RemovedKey};
use crate::session;
use crate::store::LocalStore;
use std::path::Path;

impl Repository {
    /// Every way into the repository, by name.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn keys(&self) -> Result<Vec<KeySlot>> {
        keys::list(&self.access)
    }

    /// Makes another way into the repository, which `unlock` opens.
    ///
    /// # Errors
    /// [`ErrorKind::Denied`](crate::ErrorKind::Denied) when the key at hand may not make another one;
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for an empty password or too long a label; or when the store
    /// can't be written to.
    pub fn add_key(&self, unlock: Unlock<'_>, options: &NewKeyOptions) -> Result<AddedKey> {
        keys::add(&self.access, unlock, options, session::now_ns())
    }

    /// Removes the way into the repository whose name begins with `prefix`. With the last one of a key the key ends: from
    /// then on nobody accepts what it signs. Who has a copy of the removed slot can still read what was stored until now.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound), [`ErrorKind::Ambiguous`](crate::ErrorKind::Ambiguous);
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for the one with which the repository was opened;
    /// [`ErrorKind::Denied`](crate::ErrorKind::Denied); or when the store can't be written to.
    pub fn remove_key(&self, prefix: &str) -> Result<RemovedKey> {
        keys::remove(&self.access, &keys::find(&self.access, prefix)?, session::now_ns())
    }

    /// Puts another password or key file in place of the one with which the repository was opened.
    ///
    /// # Errors
    /// As [`Self::add_key`]; the old one counts until the new one is stored.
    pub fn change_key(&self, unlock: Unlock<'_>, kdf: KdfCost) -> Result<AddedKey> {
        keys::replace(&self.access, unlock, kdf, session::now_ns())
    }

    /// The bytes of the key slot with which the repository was opened, for [`Self::import_key`] should the store lose it.
    /// Without the password or key file they are of no use to anybody.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn export_key(&self) -> Result<Vec<u8>> {
        keys::export(&self.access)
    }

    /// Puts an exported key slot into the repository in a local directory. Needs no key.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when the bytes are no key slot of this repository;
    /// [`ErrorKind::NoRepository`](crate::ErrorKind::NoRepository); or when the store can't be written to.
    pub fn import_key(path: &Path, bytes: &[u8]) -> Result<ObjectHash> {
        let store = LocalStore::open(path)?;
        keys::import(&store, &keys::read_configs(&store)?, bytes)
    }
}

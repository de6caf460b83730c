//! The key ring as packs see it.

use crate::config::EpochPublics;
use crate::error::{Error, ErrorKind, Result};
use crate::id::RepositoryId;
use crate::key::KeyRing;
use crate::layout::Class;
use crate::pack::{PackIdentity, PackKeys, PackSealer, WriteKey};
use crate::seal::{RootPublic, RootSecret};

/// A ring that opens packs.
pub struct RingKeys<'a>(pub &'a KeyRing);

impl PackKeys for RingKeys<'_> {
    fn repository(&self) -> RepositoryId {
        self.0.repository()
    }

    fn class_root(&self, class: Class, epoch: u32) -> Option<&RootSecret> {
        self.0.class_root(class.code(), epoch).ok().flatten()
    }

    fn index_root(&self, epoch: u32) -> Option<&RootSecret> {
        self.0.index_root(epoch).ok()
    }
}

/// Begins a pack under the current epoch: symmetric when the ring may read the class, else encapsulated.
pub(super) fn sealer(ring: &KeyRing, class: Class, session: crate::id::SessionId) -> Result<PackSealer> {
    let epoch = ring.epoch();
    let identity = PackIdentity { class, key_epoch: epoch, repository: ring.repository(), session };
    let publics = ring.publics().find(|publics| publics.epoch == epoch).ok_or_else(|| {
        Error::new(ErrorKind::Damaged, format!("the key slot lacks the public keys of epoch {epoch}"))
    })?;
    let public = public(publics, class);
    let key = match ring.class_root(class.code(), epoch)? {
        Some(root) => WriteKey::Symmetric(root),
        None => WriteKey::Public(public),
    };
    Ok(PackSealer::create(&identity, key, ring.index_root(epoch)?)?)
}

const fn public(publics: &EpochPublics, class: Class) -> &RootPublic {
    match class {
        Class::Content => &publics.content,
        Class::Manifest => &publics.manifest,
        Class::Stat => &publics.stat,
    }
}

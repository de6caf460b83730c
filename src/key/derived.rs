//! Every key that a ring yields: of ids and cut points from the naming root, of objects from the roots.

use super::{EpochRoots, KeyError, KeyRing};
use crate::seal::{self, ObjectKey, RootPublic, RootSecret, Secret};

/// Derivation context of the key that names chunks.
pub const CHUNK_ID_CONTEXT: &str = "holdall 1 chunk id";
/// Derivation context of the key that names tree nodes.
pub const NODE_ID_CONTEXT: &str = "holdall 1 node id";
/// Derivation context of the key that makes the gear table.
pub const GEAR_CONTEXT: &str = "holdall 1 gear";
/// Derivation context of the key that decides where tree nodes end.
pub const BOUNDARY_CONTEXT: &str = "holdall 1 boundary";
/// Derivation context of the key that names hard-link groups.
pub const HARD_LINK_CONTEXT: &str = "holdall 1 hard link";

impl KeyRing {
    /// The naming root, from which the keys for ids, gear table, boundaries and hard links come.
    pub const fn naming(&self) -> &Secret {
        &self.naming
    }

    /// The key that names chunks.
    pub fn chunk_id_key(&self) -> Secret {
        self.naming.derive(CHUNK_ID_CONTEXT, &[])
    }

    /// The key that names tree nodes.
    pub fn node_id_key(&self) -> Secret {
        self.naming.derive(NODE_ID_CONTEXT, &[])
    }

    /// The key that makes the gear table.
    pub fn gear_key(&self) -> Secret {
        self.naming.derive(GEAR_CONTEXT, &[])
    }

    /// The key that decides where tree nodes end.
    pub fn boundary_key(&self) -> Secret {
        self.naming.derive(BOUNDARY_CONTEXT, &[])
    }

    /// The key that names hard-link groups.
    pub fn hard_link_key(&self) -> Secret {
        self.naming.derive(HARD_LINK_CONTEXT, &[])
    }

    /// The key of a new description: the key field (`None` for symmetric) and the key, in the current epoch.
    ///
    /// # Errors
    /// [`KeyError::Seal`] when the root's public half is not usable.
    pub fn new_description_key(&self, salt: &[u8; 32]) -> Result<(Option<[u8; 32]>, ObjectKey), KeyError> {
        let EpochRoots { publics, reading, .. } = self.current();
        new_key_field(reading.as_ref().map(|roots| &roots.description), &publics.description, salt)
    }
}

/// The object key that a key field yields to the holder of the root.
///
/// # Errors
/// [`KeyError::Seal`] when the field is no encapsulation.
pub fn open_key_field(
    root: &RootSecret,
    encapsulated: Option<&[u8; 32]>,
    salt: &[u8; 32],
) -> Result<ObjectKey, KeyError> {
    match encapsulated {
        None => Ok(root.object_key(salt)),
        Some(field) => Ok(root.decapsulate(field, salt)?),
    }
}

/// A key field and its object key: symmetric for who holds the root, otherwise encapsulated to its public half.
fn new_key_field(
    root: Option<&RootSecret>,
    public: &RootPublic,
    salt: &[u8; 32],
) -> Result<(Option<[u8; 32]>, ObjectKey), KeyError> {
    match root {
        Some(root) => Ok((None, root.object_key(salt))),
        None => seal::encapsulate(public, salt).map(|(field, key)| (Some(field), key)).map_err(KeyError::Seal),
    }
}

//! Making what an object can be healed with: parity of packs, second copies of small objects. Nothing needs a key.

use super::proof::Bytes;
use super::{Created, ObjectName, Store, StoreError, is_proven};
use crate::id::PackId;
use crate::parity::{self, ParityError, Percent, ReadError, Shape};

/// Longest object of which a second copy is kept: the largest that any of them may be, with room for its envelope.
const MIRRORED_BYTES_MAX: u64 = 72 << 20;

/// Why an object has nothing to be healed with.
#[derive(Debug, thiserror::Error)]
pub enum ProtectError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The pack is damaged, or nothing that can have parity.
    #[error("no parity can be made of pack {pack}: {source}")]
    Parity {
        /// The pack.
        pack: PackId,
        /// Why.
        source: ParityError,
    },
    /// A damaged object gets no second copy.
    #[error("{name} is damaged, so no second copy of it is made")]
    Damaged {
        /// The object.
        name: ObjectName,
    },
}

/// Makes the parity of a pack, or the second copy of a small object, unless it is there; what is damaged gets neither.
/// Returns how many bytes that took; 0 for objects that have neither, and where it was there. Costs two readings of a
/// pack; memory: its parity and 16 MiB, or a small object.
///
/// # Errors
/// When the object is damaged, or the store fails.
pub fn protect(store: &dyn Store, name: &ObjectName, percent: Percent) -> Result<u64, ProtectError> {
    let (protection, bytes) = match (name, name.mirror()) {
        (ObjectName::Pack(pack), _) => {
            let protection = ObjectName::Parity(*pack);
            if store.exists(&protection)? {
                return Ok(0);
            }
            (protection, parity_of(store, *pack, percent)?)
        }
        (_, Some(mirror)) => {
            if store.exists(&mirror)? {
                return Ok(0);
            }
            (mirror, proved(store, name)?)
        }
        (_, None) => return Ok(0),
    };
    match store.create(&protection, &bytes)? {
        Created::Exists => Ok(0),
        // Whoever removes it looks for a copy once more afterwards: between the two none is left.
        Created::New if !store.exists(name)? => store.remove_all(&[protection]).map(|_| 0).map_err(Into::into),
        Created::New => Ok(u64::try_from(bytes.len()).unwrap_or(u64::MAX)),
    }
}

/// The parity object of a pack, from its proved bytes.
pub(crate) fn parity_of(store: &dyn Store, pack: PackId, percent: Percent) -> Result<Vec<u8>, ProtectError> {
    let refused = |source| ProtectError::Parity { pack, source };
    let object = store.open(&ObjectName::Pack(pack))?;
    let shape = Shape::choose(object.bytes(), percent);
    let shape = shape.ok_or_else(|| refused(ParityError::Range("the length of the pack")))?;
    parity::encode(pack, shape, &mut |offset, buffer| object.read_at(offset, buffer)).map_err(|error| match error {
        ReadError::Source(error) => ProtectError::Store(error),
        ReadError::Parity(error) => refused(error),
    })
}

fn proved(store: &dyn Store, name: &ObjectName) -> Result<Vec<u8>, ProtectError> {
    let bytes = store.read(name, MIRRORED_BYTES_MAX)?;
    if is_proven(name, &Bytes { name: *name, bytes: &bytes })? {
        Ok(bytes)
    } else {
        Err(ProtectError::Damaged { name: *name })
    }
}

//! Putting right bytes in the place of damaged ones.

use super::super::{Created, ObjectName, Proof, Spool, StoreError};
use super::root::Root;
use super::temporary::Temporary;
use super::{LocalObject, open_at};
use std::sync::Arc;

/// Begins the file that is to take the place of an object.
pub(super) fn begin(root: &Arc<Root>, name: &ObjectName, proof: Proof) -> Result<Box<dyn Spool>, StoreError> {
    let temporary = Temporary::create(root, name.folder(), None)?;
    Ok(Box::new(Mending { root: Arc::clone(root), temporary, proof }))
}

struct Mending {
    root: Arc<Root>,
    temporary: Temporary,
    proof: Proof,
}

impl Spool for Mending {
    fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.temporary.write(bytes)
    }

    fn publish(self: Box<Self>, name: &ObjectName) -> Result<Created, StoreError> {
        self.temporary.require_in_place()?;
        let object = |path: &str| -> Result<LocalObject, StoreError> {
            let (file, bytes) = open_at(&self.root, name, path)?;
            Ok(LocalObject { root: Arc::clone(&self.root), name: *name, file, bytes })
        };
        if !self.proof.holds(name, &object(self.temporary.path())?)? {
            return Err(StoreError::Unproven { name: *name });
        }
        let there = object(&name.to_string())?;
        match self.proof.holds(name, &there) {
            Ok(true) => return Ok(Created::Exists),
            // What can't be read is as good as damaged.
            Ok(false) | Err(StoreError::Io { .. } | StoreError::OutOfRange { .. }) => {}
            Err(error) => return Err(error),
        }
        self.temporary.replace(name)?;
        Ok(Created::New)
    }
}

//! A store in memory, for tests and fuzzing.

use super::{Created, Fact, Folder, Listed, Object, ObjectName, Proof, Spool, Store, StoreError, StoreFacts};
use crate::id::SessionId;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Objects = BTreeMap<ObjectName, Arc<[u8]>>;

/// Objects in memory. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    objects: Arc<Mutex<Objects>>,
    is_mirror: Arc<AtomicBool>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts bytes under a name whatever is there: damage, for tests.
    pub fn overwrite(&self, name: ObjectName, bytes: &[u8]) {
        self.locked().insert(name, bytes.into());
    }

    fn locked(&self) -> MutexGuard<'_, Objects> {
        // No operation leaves the map half changed, so a panic elsewhere does not spoil it.
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, name: &ObjectName) -> Result<Arc<[u8]>, StoreError> {
        self.locked().get(name).cloned().ok_or(StoreError::NotFound { name: *name })
    }

    fn insert(&self, name: &ObjectName, bytes: Arc<[u8]>) -> Created {
        match self.locked().entry(*name) {
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(bytes);
                Created::New
            }
            std::collections::btree_map::Entry::Occupied(_) => Created::Exists,
        }
    }
}

impl Store for MemoryStore {
    fn create(&self, name: &ObjectName, bytes: &[u8]) -> Result<Created, StoreError> {
        Ok(self.insert(name, bytes.into()))
    }

    fn spool(&self, _session: SessionId) -> Result<Box<dyn Spool>, StoreError> {
        Ok(Box::new(MemorySpool { store: self.clone(), bytes: Vec::new() }))
    }

    fn mend(&self, _name: &ObjectName, proof: Proof) -> Result<Box<dyn Spool>, StoreError> {
        Ok(Box::new(MemoryMending { store: self.clone(), bytes: Vec::new(), proof }))
    }

    fn read(&self, name: &ObjectName, limit_bytes: u64) -> Result<Vec<u8>, StoreError> {
        let object = self.get(name)?;
        let bytes = length(&object);
        if bytes > limit_bytes {
            return Err(StoreError::TooLarge { name: *name, bytes, limit_bytes });
        }
        Ok(object.to_vec())
    }

    fn open(&self, name: &ObjectName) -> Result<Box<dyn Object>, StoreError> {
        Ok(Box::new(MemoryObject { name: *name, bytes: self.get(name)? }))
    }

    fn list(&self, folder: Folder, each: &mut dyn FnMut(Listed)) -> Result<(), StoreError> {
        let of_folder = |(name, bytes): (&ObjectName, &Arc<[u8]>)| {
            (name.folder() == folder).then(|| Listed::Object { name: *name, bytes: length(bytes) })
        };
        let found: Vec<Listed> = self.locked().iter().filter_map(of_folder).collect();
        found.into_iter().for_each(each);
        Ok(())
    }

    fn remove_all(&self, names: &[ObjectName]) -> Result<Vec<ObjectName>, StoreError> {
        let mut objects = self.locked();
        Ok(names.iter().filter(|name| objects.remove(name).is_some()).copied().collect())
    }

    fn sweep_temporaries(&self, _may_go: &dyn Fn(Option<SessionId>) -> bool) -> Result<u64, StoreError> {
        Ok(0)
    }

    fn is_mirror(&self) -> Result<bool, StoreError> {
        Ok(self.is_mirror.load(Ordering::Acquire))
    }

    fn mark_mirror(&self) -> Result<(), StoreError> {
        self.is_mirror.store(true, Ordering::Release);
        Ok(())
    }

    fn facts(&self) -> Result<StoreFacts, StoreError> {
        Ok(StoreFacts { creates_exclusively: Fact::Proven, lists_acknowledged: Fact::Proven })
    }

    fn describe(&self) -> String {
        "memory".into()
    }
}

fn length(bytes: &[u8]) -> u64 {
    bytes.len().try_into().expect("a length fits in 64 bits")
}

struct MemoryObject {
    name: ObjectName,
    bytes: Arc<[u8]>,
}

impl Object for MemoryObject {
    fn bytes(&self) -> u64 {
        length(&self.bytes)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), StoreError> {
        let end = offset.saturating_add(length(buffer));
        let range = usize::try_from(offset).ok().zip(usize::try_from(end).ok());
        let source = range.and_then(|(start, end)| self.bytes.get(start..end));
        buffer.copy_from_slice(source.ok_or(StoreError::OutOfRange { name: self.name, end })?);
        Ok(())
    }
}

struct MemorySpool {
    store: MemoryStore,
    bytes: Vec<u8>,
}

impl Spool for MemorySpool {
    fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn publish(self: Box<Self>, name: &ObjectName) -> Result<Created, StoreError> {
        Ok(self.store.insert(name, self.bytes.into()))
    }
}

struct MemoryMending {
    store: MemoryStore,
    bytes: Vec<u8>,
    proof: Proof,
}

impl Spool for MemoryMending {
    fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn publish(self: Box<Self>, name: &ObjectName) -> Result<Created, StoreError> {
        let mended = MemoryObject { name: *name, bytes: self.bytes.into() };
        if !self.proof.holds(name, &mended)? {
            return Err(StoreError::Unproven { name: *name });
        }
        let there = MemoryObject { name: *name, bytes: self.store.get(name)? };
        if self.proof.holds(name, &there)? {
            return Ok(Created::Exists);
        }
        self.store.locked().insert(*name, mended.bytes);
        Ok(Created::New)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use super::super::conformance::{Fresh, conforms};

    fn fresh() -> Fresh {
        (Box::new(MemoryStore::new()), None)
    }

    conforms!(fresh);
}

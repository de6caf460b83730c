//! A store for rehearsals: it shows what another store holds and forgets what it is given.

use super::forward::forward;
use super::{Created, ObjectName, Spool, Store, StoreError};
use crate::id::SessionId;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Reads from another store and keeps nothing of what is written but the names, so that a name is still taken once.
/// What was created can't be read back.
pub struct RehearsalStore {
    real: Arc<dyn Store>,
    taken: Mutex<BTreeSet<ObjectName>>,
}

impl RehearsalStore {
    /// Rehearses on what `real` holds.
    pub fn over(real: Arc<dyn Store>) -> Self {
        Self { real, taken: Mutex::default() }
    }
}

impl Store for RehearsalStore {
    fn create(&self, name: &ObjectName, _bytes: &[u8]) -> Result<Created, StoreError> {
        if self.real.exists(name)? {
            return Ok(Created::Exists);
        }
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(if taken.insert(*name) { Created::New } else { Created::Exists })
    }

    fn spool(&self, _session: SessionId) -> Result<Box<dyn Spool>, StoreError> {
        Ok(Box::new(Nowhere))
    }

    fn remove_all(&self, names: &[ObjectName]) -> Result<Vec<ObjectName>, StoreError> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(names.iter().filter(|name| taken.remove(name)).copied().collect())
    }

    fn sweep_temporaries(&self, _may_go: &dyn Fn(Option<SessionId>) -> bool) -> Result<u64, StoreError> {
        Ok(0)
    }

    /// What is rehearsed is written nowhere, so that it may be rehearsed on a mirror as well.
    fn is_mirror(&self) -> Result<bool, StoreError> {
        Ok(false)
    }

    fn mark_mirror(&self) -> Result<(), StoreError> {
        Ok(())
    }

    forward!(real: read, open, list, is_writable, facts, describe);
}

/// Where a rehearsed pack goes.
struct Nowhere;

impl Spool for Nowhere {
    fn append(&mut self, _bytes: &[u8]) -> Result<(), StoreError> {
        Ok(())
    }

    fn publish(self: Box<Self>, _name: &ObjectName) -> Result<Created, StoreError> {
        Ok(Created::New)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Folder, MemoryStore};

    #[test]
    fn nothing_that_is_written_arrives_and_names_are_taken_once() {
        let real = MemoryStore::new();
        let _ = real.create(&ObjectName::Config(0), b"there").unwrap();
        let rehearsal = RehearsalStore::over(Arc::new(real.clone()));
        assert_eq!(rehearsal.create(&ObjectName::Config(0), b"x").unwrap(), Created::Exists);
        assert_eq!(rehearsal.create(&ObjectName::Config(1), b"x").unwrap(), Created::New);
        assert_eq!(rehearsal.create(&ObjectName::Config(1), b"x").unwrap(), Created::Exists);
        assert_eq!(
            rehearsal.remove_all(&[ObjectName::Config(0), ObjectName::Config(1)]).unwrap(),
            [ObjectName::Config(1)]
        );
        let mut spool = rehearsal.spool("00112233445566778899aabbccddeeff-0000000000000001".parse().unwrap()).unwrap();
        spool.append(b"x").unwrap();
        assert_eq!(spool.publish(&ObjectName::Config(2)).unwrap(), Created::New);

        assert_eq!(rehearsal.read(&ObjectName::Config(0), 10).unwrap(), b"there");
        let mut listed = 0;
        real.list(Folder::Config, &mut |_| listed += 1).unwrap();
        assert_eq!(listed, 1);
    }
}

//! A store that lets a test act before each operation, set a clock say or have somebody else work in between, and that
//! hides from listings what a test says.

use super::forward::forward;
use super::{Created, Folder, Listed, Object, ObjectName, Spool, Store, StoreError};
use crate::id::SessionId;
use std::sync::Arc;

/// What an operation does to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Look,
    Change,
}

type Before = dyn Fn(Step) + Send + Sync;
type Hides = dyn Fn(&Listed) -> bool + Send + Sync;

#[derive(Clone)]
pub(crate) struct Hooked {
    inner: Arc<dyn Store>,
    before: Arc<Before>,
    hides: Arc<Hides>,
}

impl Hooked {
    pub(crate) fn new(inner: Arc<dyn Store>, before: impl Fn(Step) + Send + Sync + 'static) -> Self {
        Self { inner, before: Arc::new(before), hides: Arc::new(|_| false) }
    }

    /// Leaves out of listings what `hides` says. It may read the store.
    #[cfg(test)]
    pub(crate) fn hiding(mut self, hides: impl Fn(&Listed) -> bool + Send + Sync + 'static) -> Self {
        self.hides = Arc::new(hides);
        self
    }
}

impl Store for Hooked {
    fn create(&self, name: &ObjectName, bytes: &[u8]) -> Result<Created, StoreError> {
        (self.before)(Step::Change);
        self.inner.create(name, bytes)
    }

    fn spool(&self, session: SessionId) -> Result<Box<dyn Spool>, StoreError> {
        (self.before)(Step::Change);
        Ok(Box::new(HookedSpool { inner: self.inner.spool(session)?, before: Arc::clone(&self.before) }))
    }

    fn read(&self, name: &ObjectName, limit_bytes: u64) -> Result<Vec<u8>, StoreError> {
        (self.before)(Step::Look);
        self.inner.read(name, limit_bytes)
    }

    fn open(&self, name: &ObjectName) -> Result<Box<dyn Object>, StoreError> {
        (self.before)(Step::Look);
        self.inner.open(name)
    }

    fn list(&self, folder: Folder, each: &mut dyn FnMut(Listed)) -> Result<(), StoreError> {
        (self.before)(Step::Look);
        // Not while the store is being listed: it may be locked then.
        let mut all = Vec::new();
        self.inner.list(folder, &mut |listed| all.push(listed))?;
        all.into_iter().filter(|listed| !(self.hides)(listed)).for_each(each);
        Ok(())
    }

    fn remove_all(&self, names: &[ObjectName]) -> Result<Vec<ObjectName>, StoreError> {
        (self.before)(Step::Change);
        self.inner.remove_all(names)
    }

    fn sweep_temporaries(&self, may_go: &dyn Fn(Option<SessionId>) -> bool) -> Result<u64, StoreError> {
        (self.before)(Step::Change);
        self.inner.sweep_temporaries(may_go)
    }

    fn keep_reserve(&self) -> Result<(), StoreError> {
        (self.before)(Step::Change);
        self.inner.keep_reserve()
    }

    fn give_up_reserve(&self) -> Result<bool, StoreError> {
        (self.before)(Step::Change);
        self.inner.give_up_reserve()
    }

    fn mark_mirror(&self) -> Result<(), StoreError> {
        (self.before)(Step::Change);
        self.inner.mark_mirror()
    }

    forward!(inner: is_writable, is_mirror, facts, describe);
}

struct HookedSpool {
    inner: Box<dyn Spool>,
    before: Arc<Before>,
}

impl Spool for HookedSpool {
    fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.inner.append(bytes)
    }

    fn publish(self: Box<Self>, name: &ObjectName) -> Result<Created, StoreError> {
        (self.before)(Step::Change);
        self.inner.publish(name)
    }
}

//! A store that does not give one object as it is: for engines, which must look twice before they cry wolf.

use super::forward::forward;
use super::{Object, ObjectName, Store, StoreError};
use rustix::io::Errno;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A store that does not give one object as it is.
#[derive(Clone)]
pub(crate) struct MoodyStore {
    inner: Arc<dyn Store>,
    mood: Mood,
    name: ObjectName,
    reads: Arc<AtomicUsize>,
}

impl MoodyStore {
    /// Has the object of this name be not as it is.
    pub(crate) fn new(inner: Arc<dyn Store>, name: ObjectName, mood: Mood) -> Self {
        Self { inner, mood, name, reads: Arc::default() }
    }
}

/// What is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// The first reading gives a wrong byte.
    WrongOnce,
    /// The first reading fails.
    FailsOnce,
    /// Every reading fails.
    Fails,
    /// It was removed after it was listed.
    Gone,
    /// It may not be read.
    Denied,
    /// The process has too many files open for it.
    Unaffordable,
    /// What has it can't be worked with.
    Unusable,
}

struct MoodyObject {
    inner: Box<dyn Object>,
    store: MoodyStore,
}

fn failed(errno: Errno) -> StoreError {
    StoreError::from_io("reading", "it", errno.into())
}

fn unusable() -> StoreError {
    StoreError::Unsupported { place: "it".to_owned(), missing: "what it needs is not there".to_owned() }
}

impl Object for MoodyObject {
    fn bytes(&self) -> u64 {
        self.inner.bytes()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), StoreError> {
        let first = self.store.reads.fetch_add(1, Ordering::SeqCst) == 0;
        self.inner.read_at(offset, buffer)?;
        match self.store.mood {
            Mood::WrongOnce if first => buffer[0] ^= 1,
            Mood::FailsOnce if first => return Err(failed(Errno::IO)),
            Mood::Fails => return Err(failed(Errno::IO)),
            Mood::WrongOnce | Mood::FailsOnce | Mood::Gone | Mood::Denied | Mood::Unaffordable | Mood::Unusable => {}
        }
        Ok(())
    }
}

impl Store for MoodyStore {
    fn read(&self, name: &ObjectName, limit_bytes: u64) -> Result<Vec<u8>, StoreError> {
        let mut bytes = self.inner.read(name, limit_bytes)?;
        if *name != self.name {
            return Ok(bytes);
        }
        let first = self.reads.fetch_add(1, Ordering::SeqCst) == 0;
        match self.mood {
            Mood::WrongOnce if first => bytes[0] ^= 1,
            Mood::FailsOnce if first => return Err(failed(Errno::IO)),
            Mood::Fails => return Err(failed(Errno::IO)),
            Mood::Gone => return Err(StoreError::NotFound { name: *name }),
            Mood::Denied => return Err(failed(Errno::ACCESS)),
            Mood::Unaffordable => return Err(failed(Errno::MFILE)),
            Mood::Unusable => return Err(unusable()),
            Mood::WrongOnce | Mood::FailsOnce => {}
        }
        Ok(bytes)
    }

    fn open(&self, name: &ObjectName) -> Result<Box<dyn Object>, StoreError> {
        let inner = self.inner.open(name)?;
        if *name != self.name {
            return Ok(inner);
        }
        match self.mood {
            Mood::Gone => Err(StoreError::NotFound { name: *name }),
            Mood::Denied => Err(failed(Errno::ACCESS)),
            Mood::Unaffordable => Err(failed(Errno::MFILE)),
            Mood::Unusable => Err(unusable()),
            Mood::WrongOnce | Mood::FailsOnce | Mood::Fails => Ok(Box::new(MoodyObject { inner, store: self.clone() })),
        }
    }

    forward!(
        inner: create, spool, mend, list, remove_all, sweep_temporaries, is_writable, is_mirror, mark_mirror, facts,
        describe
    );
}

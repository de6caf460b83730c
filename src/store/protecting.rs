//! A store that gives what is written what it can be healed with: packs their parity, small objects a second copy. That
//! is done behind whoever writes, in a thread of its own: nothing waits for it but the end of the run, and nothing fails
//! because of it.

use super::forward::forward;
use super::{Created, ObjectName, ProtectError, Spool, Store, StoreError, protect};
use crate::id::SessionId;
use crate::parity::Percent;
use crate::threads;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// What new objects get.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Protection {
    /// Nothing. What an object has all the same goes with it.
    #[default]
    Nothing,
    /// Packs get so much parity, small objects a second copy.
    Parity(Percent),
}

/// What was made to heal with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Protected {
    /// Bytes of parity.
    pub parity_bytes: u64,
    /// Bytes of second copies.
    pub copy_bytes: u64,
    /// Objects that got nothing because the store or the object failed; adding parity later makes up for it.
    pub failure_count: u64,
}

/// Passes everything on to another store, and protects what is new in it.
pub struct ProtectingStore {
    inner: Arc<dyn Store>,
    protection: Protection,
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: std::collections::VecDeque<ObjectName>,
    working: bool,
    ended: bool,
    protected: Protected,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the next object when there is one, and none once the store is given up.
    fn next(&self) -> Option<ObjectName> {
        let mut state = self.lock();
        state.working = false;
        self.changed.notify_all();
        loop {
            if let Some(name) = state.waiting.pop_front() {
                state.working = true;
                return Some(name);
            }
            if state.ended {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn note(&self, name: &ObjectName, done: Result<u64, ProtectError>) {
        let protected = &mut self.lock().protected;
        let (total, amount) = match (done, name) {
            (Ok(bytes), ObjectName::Pack(_)) => (&mut protected.parity_bytes, bytes),
            (Ok(bytes), _) => (&mut protected.copy_bytes, bytes),
            // It was removed before its turn came.
            (Err(ProtectError::Store(error)), _) if error.is_not_found() => return,
            (Err(_), _) => (&mut protected.failure_count, 1),
        };
        *total = total.saturating_add(amount);
    }
}

impl ProtectingStore {
    /// Protects what is written to `inner` from now on.
    pub fn over(inner: Arc<dyn Store>, protection: Protection) -> Self {
        Self { inner, protection, shared: Arc::default(), thread: Mutex::default() }
    }

    /// Waits until everything that was written is protected, and says what was made since this was last asked.
    pub fn settle(&self) -> Protected {
        let mut state = self.shared.lock();
        while state.working || !state.waiting.is_empty() {
            state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        std::mem::take(&mut state.protected)
    }

    /// Waits as [`Self::settle`] does, and goes on counting.
    fn wait(&self) {
        let earlier = self.settle();
        let protected = &mut self.shared.lock().protected;
        protected.parity_bytes = protected.parity_bytes.saturating_add(earlier.parity_bytes);
        protected.copy_bytes = protected.copy_bytes.saturating_add(earlier.copy_bytes);
        protected.failure_count = protected.failure_count.saturating_add(earlier.failure_count);
    }

    fn created(&self, name: &ObjectName, created: Created) {
        let Protection::Parity(percent) = self.protection else { return };
        if created == Created::Exists || !is_protected(name) {
            return;
        }
        let is_started = self.is_started(percent);
        let mut state = self.shared.lock();
        if state.ended || !is_started {
            state.protected.failure_count = state.protected.failure_count.saturating_add(1);
            return;
        }
        state.waiting.push_back(*name);
        drop(state);
        self.shared.changed.notify_all();
    }

    /// Whether there is a thread that protects; it is started when there is none. What waited without one would be
    /// waited for to no end.
    fn is_started(&self, percent: Percent) -> bool {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_none() {
            let (inner, shared) = (Arc::clone(&self.inner), Arc::clone(&self.shared));
            let started = threads::start_free(move || {
                let _ended = Ended(&shared);
                while let Some(name) = shared.next() {
                    shared.note(&name, protect(inner.as_ref(), &name, percent));
                }
            });
            *thread = started.ok();
        }
        thread.is_some()
    }
}

/// However the thread ends, nobody waits for it any more.
struct Ended<'a>(&'a Shared);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        (state.ended, state.working) = (true, false);
        state.waiting.clear();
        self.0.changed.notify_all();
    }
}

impl Drop for ProtectingStore {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.changed.notify_all();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // What a panic there left undone is what a lost process leaves undone.
        let _ = thread.map(JoinHandle::join);
    }
}

fn is_protected(name: &ObjectName) -> bool {
    matches!(name, ObjectName::Pack(_)) || name.mirror().is_some()
}

impl Store for Arc<ProtectingStore> {
    fn create(&self, name: &ObjectName, bytes: &[u8]) -> Result<Created, StoreError> {
        let created = self.inner.create(name, bytes)?;
        self.created(name, created);
        Ok(created)
    }

    fn spool(&self, session: SessionId) -> Result<Box<dyn Spool>, StoreError> {
        Ok(Box::new(ProtectingSpool { store: Arc::clone(self), spool: self.inner.spool(session)? }))
    }

    /// Second copies go before the first ones, so that nothing is left to bring back what was removed, and again after
    /// them: another process may have made one just then.
    fn remove_all(&self, names: &[ObjectName]) -> Result<Vec<ObjectName>, StoreError> {
        let copies: Vec<ObjectName> = names.iter().filter_map(ObjectName::mirror).collect();
        if copies.is_empty() {
            return self.inner.remove_all(names);
        }
        self.wait();
        self.inner.remove_all(&copies)?;
        let removed = self.inner.remove_all(names)?;
        self.inner.remove_all(&copies)?;
        Ok(removed)
    }

    forward!(
        inner: mend, read, open, list, sweep_temporaries, keep_reserve, give_up_reserve, free_bytes, is_writable,
        is_mirror, mark_mirror, facts, describe
    );
}

struct ProtectingSpool {
    store: Arc<ProtectingStore>,
    spool: Box<dyn Spool>,
}

impl Spool for ProtectingSpool {
    fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.spool.append(bytes)
    }

    fn publish(self: Box<Self>, name: &ObjectName) -> Result<Created, StoreError> {
        let created = self.spool.publish(name)?;
        self.store.created(name, created);
        Ok(created)
    }
}

#[cfg(test)]
mod tests {
    use super::super::MemoryStore;
    use super::super::conformance::{Fresh, conforms, everything};
    use super::super::faulty::{Fault, FaultyStore};
    use super::*;
    use crate::id::{ClientId, ObjectHash, PackId};

    fn over(inner: impl Store + 'static, protection: Protection) -> Arc<ProtectingStore> {
        Arc::new(ProtectingStore::over(Arc::new(inner), protection))
    }

    fn fresh() -> Fresh {
        (Box::new(over(MemoryStore::new(), Protection::Nothing)), None)
    }

    conforms!(fresh);

    fn hash(bytes: &[u8]) -> [u8; 32] {
        *blake3::hash(bytes).as_bytes()
    }

    const PARITY: Protection = Protection::Parity(Percent::DEFAULT);

    fn session() -> SessionId {
        SessionId { client: ClientId::from_bytes([7; 16]), number: 1 }
    }

    #[test]
    fn what_is_written_is_protected_by_the_time_it_has_settled() {
        let inner = MemoryStore::new();
        let store = over(inner.clone(), PARITY);
        let bytes = vec![5; 100_000];
        let pack = ObjectName::Pack(PackId::from_bytes(hash(&bytes)));
        let mut spool = store.spool(session()).unwrap();
        spool.append(&bytes).unwrap();
        assert_eq!(spool.publish(&pack).unwrap(), Created::New);
        let key = ObjectName::Key(ObjectHash::from_bytes(hash(b"slot")));
        for _ in 0..2 {
            let _ = store.create(&key, b"slot").unwrap();
        }
        let _ = store.create(&ObjectName::Session(session()), b"open").unwrap();
        let protected = store.settle();
        assert_eq!((protected.copy_bytes, protected.failure_count), (4, 0));
        let ObjectName::Pack(id) = pack else { unreachable!() };
        let parity = inner.open(&ObjectName::Parity(id)).unwrap();
        assert_eq!(protected.parity_bytes, parity.bytes());
        assert_eq!(inner.read(&key.mirror().unwrap(), 100).unwrap(), b"slot");
        assert_eq!(everything(&inner).len(), 5, "sessions get no second copy");
        assert_eq!(store.settle(), Protected::default(), "it is told once");
    }

    #[test]
    fn store_12_a_second_copy_goes_before_its_first() {
        let inner = MemoryStore::new();
        let counting = FaultyStore::new(Arc::new(inner.clone()), 4, Fault::CrashBefore);
        let key = ObjectName::Key(ObjectHash::from_bytes(hash(b"slot")));
        let store = over(counting, PARITY);
        let _ = store.create(&key, b"slot").unwrap();
        // The first change was the slot, the second its copy; the third removes that, and the fourth never happens.
        assert!(store.remove(&key).is_err());
        assert_eq!(everything(&inner).into_iter().map(|(name, _)| name).collect::<Vec<_>>(), [key]);
        let later = over(inner.clone(), Protection::Nothing);
        let _ = inner.create(&key.mirror().unwrap(), b"slot").unwrap();
        assert_eq!(later.remove_all(&[key]).unwrap(), [key]);
        assert!(everything(&inner).is_empty(), "also where nothing new is protected");
    }

    #[test]
    fn what_can_t_be_protected_fails_nobody() {
        let inner = MemoryStore::new();
        let store = over(FaultyStore::new(Arc::new(inner.clone()), 2, Fault::Full), PARITY);
        let key = ObjectName::Key(ObjectHash::from_bytes(hash(b"slot")));
        assert_eq!(store.create(&key, b"slot").unwrap(), Created::New);
        assert_eq!(store.settle(), Protected { failure_count: 1, ..Protected::default() });
        // A name that is not the hash of its bytes: no parity is made of it.
        let _ = store.create(&ObjectName::Pack(PackId::from_bytes([1; 32])), b"other bytes").unwrap();
        assert_eq!(store.settle(), Protected { failure_count: 1, ..Protected::default() });
        assert_eq!(everything(&inner).len(), 2);
    }

    #[test]
    fn where_no_thread_starts_nothing_is_waited_for_and_it_is_told() {
        let store = over(MemoryStore::new(), PARITY);
        let created = |slot: &[u8]| store.create(&ObjectName::Key(ObjectHash::from_bytes(hash(slot))), slot).unwrap();
        assert_eq!(threads::allowance::within(0, || created(b"first")), Created::New);
        assert_eq!(store.settle(), Protected { failure_count: 1, ..Protected::default() });
        assert_eq!(created(b"second"), Created::New);
        assert_eq!(store.settle(), Protected { copy_bytes: 6, ..Protected::default() }, "the next one tries again");
    }

    #[test]
    fn nothing_is_made_where_nothing_is_asked_for() {
        let inner = MemoryStore::new();
        let store = over(inner.clone(), Protection::Nothing);
        let _ = store.create(&ObjectName::Config(0), b"x").unwrap();
        assert_eq!((store.settle(), everything(&inner).len()), (Protected::default(), 1));
    }
}

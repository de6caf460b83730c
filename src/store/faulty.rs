//! A store that fails where a test wants it to: for engines, which must come through every one of these.

use super::forward::forward;
use super::{Created, Folder, Listed, Object, ObjectName, Proof, Spool, Store, StoreError, StoreFacts};
use crate::id::SessionId;
use rustix::io::Errno;
use std::sync::{Arc, Mutex};

/// How a change to the store goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is refused and nothing happens; what follows works.
    Refused,
    /// The medium is full; what follows works.
    Full,
    /// It happens, and an error is reported.
    LostReply,
    /// An error is reported, and it happens at the next change.
    Late,
    /// The process dies before it: neither this nor anything after happens.
    CrashBefore,
    /// The process dies after it: it happens, and nothing after does.
    CrashAfter,
}

impl Fault {
    /// Every fault.
    pub(crate) const ALL: [Self; 6] =
        [Self::Refused, Self::Full, Self::LostReply, Self::Late, Self::CrashBefore, Self::CrashAfter];

    /// Whether the process is gone afterwards: the test goes on with a new one.
    pub(crate) const fn is_crash(self) -> bool {
        matches!(self, Self::CrashBefore | Self::CrashAfter)
    }
}

/// Counts the changes made to a store and has one of them fail. Clones share the count.
#[derive(Clone)]
pub(crate) struct FaultyStore {
    inner: Arc<dyn Store>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    change_count: usize,
    plan: Option<(usize, Fault)>,
    dead: bool,
    late: Option<(ObjectName, Vec<u8>)>,
}

/// What becomes of a change.
enum Verdict {
    Do,
    DoAndFail,
    Fail(Errno),
    FailAndDoLater,
}

/// What becomes of a change that a process makes elsewhere than in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It happens.
    Happens,
    /// It happens, and the process is told that it did not, or does not live to hear of it.
    HappensAndFails,
    /// It does not happen.
    Fails,
}

impl FaultyStore {
    /// Has the change of this number fail, counted from 1.
    pub(crate) fn new(inner: Arc<dyn Store>, at: usize, fault: Fault) -> Self {
        let state = State { plan: Some((at, fault)), ..State::default() };
        Self { inner, state: Arc::new(Mutex::new(state)) }
    }

    /// Counts, and lets everything pass.
    #[cfg(test)]
    pub(crate) fn counting(inner: Arc<dyn Store>) -> Self {
        Self { inner, state: Arc::default() }
    }

    /// How many changes were attempted.
    #[cfg(test)]
    pub(crate) fn change_count(&self) -> usize {
        self.state.lock().expect("no test panics while it holds this").change_count
    }

    /// Counts a change that is made elsewhere, to a file of the process's own say, and decides on it.
    pub(crate) fn judge_elsewhere(&self) -> Fate {
        match self.judge() {
            Ok(Verdict::Do) => Fate::Happens,
            Ok(Verdict::DoAndFail) => Fate::HappensAndFails,
            Ok(Verdict::Fail(_) | Verdict::FailAndDoLater) | Err(_) => Fate::Fails,
        }
    }

    /// Does a change that may be done twice as was decided on it.
    fn do_judged<T>(&self, change: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        match self.judge()? {
            Verdict::Do => change(),
            Verdict::DoAndFail => change().and(Err(failed(Errno::IO))),
            Verdict::Fail(errno) => Err(failed(errno)),
            // A removal that comes late is one that did not happen, as far as anybody may rely on it.
            Verdict::FailAndDoLater => Err(failed(Errno::TIMEDOUT)),
        }
    }

    /// Counts a change and decides on it; what was late happens first.
    fn judge(&self) -> Result<Verdict, StoreError> {
        let mut state = self.state.lock().expect("no test panics while it holds this");
        if let Some((name, bytes)) = state.late.take() {
            let _ = self.inner.create(&name, &bytes)?;
        }
        state.change_count += 1;
        if state.dead {
            return Ok(Verdict::Fail(Errno::IO));
        }
        let planned = state.plan.filter(|(at, _)| *at == state.change_count).map(|(_, fault)| fault);
        state.dead = planned.is_some_and(Fault::is_crash);
        Ok(match planned {
            None => Verdict::Do,
            Some(Fault::Refused | Fault::CrashBefore) => Verdict::Fail(Errno::IO),
            Some(Fault::Full) => Verdict::Fail(Errno::NOSPC),
            Some(Fault::LostReply | Fault::CrashAfter) => Verdict::DoAndFail,
            Some(Fault::Late) => Verdict::FailAndDoLater,
        })
    }

    fn create_judged(&self, name: &ObjectName, bytes: &[u8]) -> Result<Created, StoreError> {
        match self.judge()? {
            Verdict::Do => self.inner.create(name, bytes),
            Verdict::DoAndFail => self.inner.create(name, bytes).and(Err(failed(Errno::IO))),
            Verdict::Fail(errno) => Err(failed(errno)),
            Verdict::FailAndDoLater => {
                self.state.lock().expect("no test panics while it holds this").late = Some((*name, bytes.to_vec()));
                Err(failed(Errno::TIMEDOUT))
            }
        }
    }

    fn alive(&self) -> Result<(), StoreError> {
        let dead = self.state.lock().expect("no test panics while it holds this").dead;
        if dead { Err(failed(Errno::IO)) } else { Ok(()) }
    }
}

fn failed(errno: Errno) -> StoreError {
    StoreError::from_io("writing", "the faulty store", errno.into())
}

impl Store for FaultyStore {
    fn create(&self, name: &ObjectName, bytes: &[u8]) -> Result<Created, StoreError> {
        self.create_judged(name, bytes)
    }

    fn spool(&self, _session: SessionId) -> Result<Box<dyn Spool>, StoreError> {
        self.alive()?;
        Ok(Box::new(FaultySpool { store: self.clone(), bytes: Vec::new() }))
    }

    fn mend(&self, name: &ObjectName, proof: Proof) -> Result<Box<dyn Spool>, StoreError> {
        self.alive()?;
        self.inner.mend(name, proof)
    }

    fn read(&self, name: &ObjectName, limit_bytes: u64) -> Result<Vec<u8>, StoreError> {
        self.alive()?;
        self.inner.read(name, limit_bytes)
    }

    fn open(&self, name: &ObjectName) -> Result<Box<dyn Object>, StoreError> {
        self.alive()?;
        self.inner.open(name)
    }

    fn list(&self, folder: Folder, each: &mut dyn FnMut(Listed)) -> Result<(), StoreError> {
        self.alive()?;
        self.inner.list(folder, each)
    }

    fn remove_all(&self, names: &[ObjectName]) -> Result<Vec<ObjectName>, StoreError> {
        self.do_judged(|| self.inner.remove_all(names))
    }

    fn sweep_temporaries(&self, may_go: &dyn Fn(Option<SessionId>) -> bool) -> Result<u64, StoreError> {
        self.do_judged(|| self.inner.sweep_temporaries(may_go))
    }

    fn keep_reserve(&self) -> Result<(), StoreError> {
        self.do_judged(|| self.inner.keep_reserve())
    }

    fn give_up_reserve(&self) -> Result<bool, StoreError> {
        self.do_judged(|| self.inner.give_up_reserve())
    }

    fn is_mirror(&self) -> Result<bool, StoreError> {
        self.alive()?;
        self.inner.is_mirror()
    }

    fn mark_mirror(&self) -> Result<(), StoreError> {
        self.do_judged(|| self.inner.mark_mirror())
    }

    fn facts(&self) -> Result<StoreFacts, StoreError> {
        self.alive()?;
        self.inner.facts()
    }

    forward!(inner: is_writable, describe);
}

struct FaultySpool {
    store: FaultyStore,
    bytes: Vec<u8>,
}

impl Spool for FaultySpool {
    fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.store.alive()?;
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn publish(self: Box<Self>, name: &ObjectName) -> Result<Created, StoreError> {
        self.store.create_judged(name, &self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::MemoryStore;
    use super::super::conformance::{Fresh, conforms, everything};
    use super::*;

    fn fresh() -> Fresh {
        (Box::new(FaultyStore::counting(Arc::new(MemoryStore::new()))), None)
    }

    conforms!(fresh);

    #[test]
    fn every_fault_does_what_it_says() {
        for fault in Fault::ALL {
            let inner = MemoryStore::new();
            let store = FaultyStore::new(Arc::new(inner.clone()), 2, fault);
            assert_eq!(store.create(&ObjectName::Config(1), b"x").unwrap(), Created::New);
            assert!(store.create(&ObjectName::Config(2), b"x").is_err());
            let there = matches!(fault, Fault::LostReply | Fault::CrashAfter);
            assert_eq!(everything(&inner).len(), 1 + usize::from(there), "{fault:?}");
            let next = store.create(&ObjectName::Config(3), b"x");
            assert_eq!(next.is_err(), fault.is_crash());
            assert_eq!(store.read(&ObjectName::Config(1), 10).is_err(), fault.is_crash());
            let expected = match fault {
                Fault::Refused | Fault::Full | Fault::CrashAfter => 2,
                Fault::LostReply | Fault::Late => 3,
                Fault::CrashBefore => 1,
            };
            assert_eq!(everything(&inner).len(), expected, "{fault:?}");
            assert_eq!(store.change_count(), 3);
        }
    }
}

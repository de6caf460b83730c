//! A prune that sleeps between two steps while others work.

use super::world::{World, files, objects, prune};
use crate::id::SessionId;
use crate::progress::Silent;
use crate::prune::{self, PruneOptions};
use crate::session::{self, History, Writer};
use crate::session_record::SessionKind;
use crate::store::{Created, Folder, Listed, MemoryStore, Object, ObjectName, Spool, Store, StoreError, StoreFacts};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// A store whose user falls asleep after it has listed the sessions so many times.
struct Drowsy {
    inner: MemoryStore,
    left: AtomicUsize,
    meanwhile: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl Store for Drowsy {
    fn create(&self, name: &ObjectName, bytes: &[u8]) -> Result<Created, StoreError> {
        self.inner.create(name, bytes)
    }

    fn spool(&self, session: SessionId) -> Result<Box<dyn Spool>, StoreError> {
        self.inner.spool(session)
    }

    fn read(&self, name: &ObjectName, limit_bytes: u64) -> Result<Vec<u8>, StoreError> {
        self.inner.read(name, limit_bytes)
    }

    fn open(&self, name: &ObjectName) -> Result<Box<dyn Object>, StoreError> {
        self.inner.open(name)
    }

    fn list(&self, folder: Folder, each: &mut dyn FnMut(Listed)) -> Result<(), StoreError> {
        self.inner.list(folder, each)?;
        if let Some(meanwhile) = self.meanwhile.get()
            && folder == Folder::Sessions
            && self.left.fetch_sub(1, Ordering::Relaxed) == 1
        {
            meanwhile();
        }
        Ok(())
    }

    fn remove_all(&self, names: &[ObjectName]) -> Result<u64, StoreError> {
        self.inner.remove_all(names)
    }

    fn sweep_temporaries(&self, may_go: &dyn Fn(Option<SessionId>) -> bool) -> Result<u64, StoreError> {
        self.inner.sweep_temporaries(may_go)
    }

    fn facts(&self) -> Result<StoreFacts, StoreError> {
        self.inner.facts()
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }
}

/// While the prune sleeps, a writer opens its session, then another prune condemns a pack and leaves the generation to
/// the next one. Whether there was anything left to condemn.
fn meanwhile(world: &World) -> bool {
    let writer = world.client("writer");
    let client = session::load(&writer.state_dir).unwrap().client;
    session::open(&writer, client, 1, SessionKind::Backup, &Writer::default()).unwrap();
    let is_first = History::load(&writer).unwrap().generations.is_empty();
    prune(&world.client("other"), &PruneOptions::default()).unwrap();
    is_first
}

/// A prune listed the sessions, slept, and then read the sets: it found a generation that had been published meanwhile,
/// and took it for one that waits for nobody. It deleted packs that an undo, whose session was open by then, was about to
/// bring back. The fast simulation found it.
#[test]
fn prune_14_a_session_that_was_opened_while_a_prune_slept_is_waited_for() {
    for sleeps_after in 1.. {
        let world = Arc::new(World::new());
        let forgotten = world.back_up("a", &files(0..4, 10_000));
        world.back_up("a", &files(4..8, 10_000));
        world.forget(forgotten);
        let store =
            Drowsy { inner: world.store.clone(), left: AtomicUsize::new(sleeps_after), meanwhile: OnceLock::new() };
        let store = Arc::new(store);
        let drowsy: Arc<dyn Store> = store.clone();
        let access = world.client_on("sleeper", drowsy);
        let options = PruneOptions::default();
        let plan = prune::plan(&access, &options, &Silent).unwrap();
        let before = world.pack_count();
        let (was_first, others) = (Arc::new(OnceLock::new()), Arc::clone(&world));
        let told = Arc::clone(&was_first);
        let _ = store.meanwhile.set(Box::new(move || {
            let _ = told.set(meanwhile(&others));
        }));
        prune::run(&access, plan, &options, &Silent).unwrap();
        if was_first.get() != Some(&true) {
            assert!(sleeps_after > 2, "the sessions were listed only {} times", sleeps_after - 1);
            return;
        }
        assert_eq!(
            world.pack_count(),
            before,
            "asleep after listing {sleeps_after}: {:?}",
            objects(&world.store).keys()
        );
    }
}

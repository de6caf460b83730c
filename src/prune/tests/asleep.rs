//! A prune that sleeps between two steps while others work.

use super::world::{World, files, objects, prune};
use crate::progress::Silent;
use crate::prune::{self, PruneOptions};
use crate::session::{self, History, Writer};
use crate::session_record::SessionKind;
use crate::store::hooked::{Hooked, Step};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// While the prune sleeps, a writer opens its session, then another prune condemns a pack and leaves the generation to
/// the next one. Whether there was anything left to condemn.
fn meanwhile(world: &World) -> bool {
    let writer = world.client("writer");
    let client = session::load(&writer).unwrap().client;
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
    for sleeps_before in 1.. {
        let world = Arc::new(World::new());
        let forgotten = world.back_up("a", &files(0..4, 10_000));
        world.back_up("a", &files(4..8, 10_000));
        world.forget(forgotten);
        let (looks, others, was_first) = (AtomicUsize::new(0), Arc::clone(&world), Arc::new(OnceLock::new()));
        let told = Arc::clone(&was_first);
        let store = Hooked::new(Arc::new(world.store.clone()), move |step| {
            if step == Step::Look && looks.fetch_add(1, Ordering::Relaxed) + 1 == sleeps_before {
                let _ = told.set(meanwhile(&others));
            }
        });
        let access = world.client_on("sleeper", Arc::new(store));
        let options = PruneOptions::default();
        let before = world.pack_count();
        let plan = prune::plan(&access, &options, &Silent).unwrap();
        prune::run(&access, plan, &options, &Silent).unwrap();
        if was_first.get() != Some(&true) {
            assert!(sleeps_before > 10, "the store was looked at only {} times", sleeps_before - 1);
            return;
        }
        let there = objects(&world.store);
        assert_eq!(world.pack_count(), before, "asleep before look {sleeps_before}: {:?}", there.keys());
    }
}

//! A prune that sleeps between two steps while others work.

use super::world::{Inherit, World, back_up, files, forget, objects, open_session, prune, prune_beside};
use crate::gc::open_deleted;
use crate::id::PackId;
use crate::outcome::OutcomeKind;
use crate::progress::Silent;
use crate::prune::generation::{Condemning, condemn};
use crate::prune::{self, PruneOptions};
use crate::session::{self, History, Writer};
use crate::session_record::SessionKind;
use crate::store::hooked::{Hooked, Step};
use crate::store::{ObjectName, Store};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

fn packs(world: &World) -> BTreeSet<PackId> {
    let names = objects(&world.store).into_keys();
    names.filter_map(|name| if let ObjectName::Pack(id) = name { Some(id) } else { None }).collect()
}

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

/// Before the session of this prune was open, the number that it had noted was used and retired: nobody waited for it.
#[test]
fn prune_23_a_number_is_noted_while_the_session_is_open() {
    let mut given_up_count = 0;
    for sleeps_before in 1.. {
        let world = World::new();
        // Little is needed, so that what was deleted meanwhile is not asked for.
        let first = world.back_up("a", &files(0..40, 10_000));
        world.back_up("a", &files(50..51, 10_000));
        world.forget(first);
        let (changes, was_open) = (AtomicUsize::new(0), Arc::new(AtomicBool::new(true)));
        let told = Arc::clone(&was_open);
        prune_beside(&world, move |other| {
            let is_now = changes.fetch_add(1, Ordering::Relaxed) + 1 == sleeps_before;
            if is_now {
                told.store(!History::load(other).unwrap().open.is_empty(), Ordering::Relaxed);
                prune(other, &PruneOptions::default()).unwrap();
                let second = back_up(other, &files(20..24, 10_000), Inherit::Never).unwrap();
                forget(other, second).unwrap();
                prune(other, &PruneOptions::default()).unwrap();
            }
            is_now
        });
        if was_open.load(Ordering::Relaxed) {
            break;
        }
        let owner = session::load(&world.client("owner")).unwrap().client;
        let history = History::load(&world.client("reader")).unwrap();
        let mut own = history.outcomes.iter().filter(|(id, _)| id.client == owner);
        assert!(own.clone().all(|(_, held)| held.body.kind == OutcomeKind::Abort), "asleep before {sleeps_before}");
        given_up_count += usize::from(own.next().is_some());
        world.assert_whole();
    }
    assert!(given_up_count > 0);
}

/// A prune slept before it condemned, and others ended its session. When it woke up its number had been used, and was
/// retired, or half so.
#[test]
fn prune_24_a_set_of_an_aborted_session_deletes_nothing() {
    for is_half_retired in [false, true] {
        let world = World::new();
        let [first, second, _] = [0, 10, 20].map(|at| world.back_up("a", &files(at..at + 4, 10_000)));
        let before = packs(&world);
        let third = world.back_up("a", &files(30..34, 10_000));
        let of_third = packs(&world).difference(&before).copied().collect();
        let sleeping = open_session(&world, "sleeper");
        assert!(sleeping.abort(&world.client("other")));
        world.forget(first);
        world.prune();
        let name = ObjectName::Deleted { generation: 1 };
        let earlier = world.store.read(&name, 1 << 20).unwrap();
        world.forget(second);
        world.prune();
        assert!(!world.store.exists(&name).unwrap());
        if is_half_retired {
            world.store.overwrite(name, &earlier);
        }
        world.forget(third);
        let late = condemn(&world.client("sleeper"), 1, sleeping.id, &of_third, &BTreeSet::new());
        assert_eq!(late.unwrap(), Condemning::Done);
        let (store, reader, earlier) = (world.store.clone(), world.client("reader"), earlier.clone());
        let report = prune_beside(&world, move |_| {
            let published = store.read(&name, 1 << 20).ok().filter(|bytes| *bytes != earlier);
            let published = published.map(|bytes| open_deleted(1, &reader.ring, &reader.chain, &bytes).unwrap());
            assert!(published.is_none_or(|set| set.body.packs.0.is_empty()));
            false
        });
        assert!(report.deleted.pack_count > 0 && report.waiting.is_empty(), "by a generation of its own");
        let history = History::load(&world.client("reader")).unwrap();
        assert!(history.troubles.is_empty(), "{:?}", history.troubles);
        assert_eq!(history.generations.iter().map(|known| known.number).collect::<Vec<_>>(), [3]);
        world.assert_whole();
    }
}

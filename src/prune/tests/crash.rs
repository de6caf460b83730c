//! A prune that dies, or is refused something, at each of its changes: the next one finishes it and nothing is lost.

use super::world::{World, files, prune};
use crate::progress::Silent;
use crate::prune::{self, MaxUnused, PruneOptions};
use crate::session::move_to_machine;
use crate::store::faulty::{Fault, FaultyStore};
use std::sync::Arc;
use std::time::Duration;

/// Something of everything: packs that nothing needs, packs that are half needed, what an aborted session left, a
/// generation that waited, segments to merge.
fn world() -> World {
    let world = World::new();
    move_to_machine(1);
    let first = world.back_up("a", &files(0..6, 10_000));
    world.back_up("b", &files(3..9, 10_000));
    let third = world.back_up("a", &files(20..24, 10_000));
    world.forget(first);
    prune(&world.client("early"), &options()).unwrap();
    world.forget(third);
    world.back_up("c", &files(3..5, 20_000));
    world
}

fn options() -> PruneOptions {
    PruneOptions::default().max_unused(MaxUnused::Share(0)).silent_after(Duration::ZERO)
}

/// Prunes, and says how many changes that took.
fn change_count(world: &World) -> usize {
    let counting = FaultyStore::counting(Arc::new(world.store.clone()));
    prune(&world.client_on("owner", Arc::new(counting.clone())), &options()).unwrap();
    counting.change_count()
}

/// A prune of a crowd once called packs damaged that another prune had deleted since it had chosen to repack them.
#[test]
fn overtaken_up_to_each_change_of_another_prune_a_prune_takes_nothing_that_is_gone_for_damaged() {
    let world = world();
    for at in 1..=change_count(&world.fork()) {
        let fork = world.fork();
        let owner = fork.client("owner");
        let plan = prune::plan(&owner, &options(), &Silent).unwrap();
        let store = FaultyStore::new(Arc::new(fork.store.clone()), at, Fault::CrashAfter);
        let _ = prune(&fork.client_on("other", Arc::new(store)), &options());
        let report = prune::run(&owner, plan, &options(), &Silent).unwrap_or_else(|error| panic!("at {at}: {error}"));
        assert_eq!(report.damaged_count, 0, "at {at}: {:?}", report.notices);
        fork.assert_whole();
    }
}

#[test]
fn killed_at_each_of_its_changes_a_prune_is_finished_by_the_next_and_nothing_is_lost() {
    let world = world();
    let finished = world.fork();
    let change_count = change_count(&finished);
    let expected = finished.pack_count();
    assert!(change_count > 10, "{change_count} changes");
    for at in 1..=change_count {
        for fault in Fault::ALL {
            let fork = world.fork();
            let store = Arc::new(FaultyStore::new(Arc::new(fork.store.clone()), at, fault));
            // Some faults are passed over: what could not be tidied up is left to the next.
            let first = prune(&fork.client_on("owner", store), &options());
            assert!(first.is_ok() || first.is_err());
            fork.assert_whole();
            move_to_machine(2);
            prune(&fork.client("next"), &options()).unwrap_or_else(|error| panic!("{fault:?} at {at}: {error}"));
            fork.assert_whole();
            prune(&fork.client("last"), &options()).unwrap();
            fork.assert_whole();
            assert_eq!(fork.pack_count(), expected, "{fault:?} at {at}");
            move_to_machine(1);
        }
    }
}

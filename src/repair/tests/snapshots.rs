//! Corrected snapshots beside damaged ones.

use super::packs::{lose, repair_all};
use super::*;
use crate::index::Index;
use crate::index::full::FullIndex;
use crate::layout::Class;
use crate::manifest::State;
use crate::outcome::ComponentState;
use crate::repair::{SnapshotRepairReport, plan_snapshots, repair_snapshots};
use crate::session::Snapshot;

fn repair_them(world: &World) -> SnapshotRepairReport {
    repair_snapshots(&world.client("owner"), &RepairOptions::default(), &Silent).unwrap()
}

fn live(world: &World) -> Vec<Snapshot> {
    let history = History::load(&world.client("reader")).unwrap();
    session::all(&history).into_iter().filter(|snapshot| !snapshot.forgotten).collect()
}

/// The names in a snapshot, and whether they can be read.
fn names(world: &World, snapshot: &Snapshot) -> BTreeMap<String, State> {
    let access = world.client("reader");
    session::bring_up_to_date(&access, &History::load(&access).unwrap()).unwrap();
    let reader = ContentReader::new(access);
    let mut entries = Cursor::<Entry, _>::new(&reader, snapshot.components[0].manifest.unwrap());
    let mut names = BTreeMap::new();
    while let Some(entry) = entries.next_row().unwrap() {
        names.insert(String::from_utf8(entry.key.name().to_vec()).unwrap(), entry.state);
    }
    names
}

/// Loses some of the packs of a class.
fn lose_some(world: &World, class: Class) {
    let of_class = |pack: &PackId| super::packs::class_of(&world.store, *pack) == class;
    let packs: Vec<PackId> = packs(&world.store).into_iter().filter(of_class).collect();
    packs.iter().step_by(2).for_each(|pack| world.store.remove(&ObjectName::Pack(*pack)).unwrap());
}

#[test]
fn of_whole_snapshots_no_corrected_one_is_made() {
    let (world, _) = used_world(60);
    let before = objects(&world.store);
    let report = repair_them(&world);
    assert_eq!((report.made, report.repaired, report.beyond), (Vec::new(), Vec::new(), Vec::new()));
    assert!(objects(&world.store) == before);
}

#[test]
fn outcome_17_a_corrected_snapshot_names_the_damaged_one_and_holds_what_is_left_of_it() {
    let (world, held) = used_world(60);
    lose_some(&world, Class::Content);
    repair_all(&world, &RepairOptions::default(), &[]);
    let (before, wounded) = (restorable(&world.client("reader"), &held), objects(&world.store));
    let planned = plan_snapshots(&world.client("owner"), &Silent).unwrap();
    assert!(!planned.damaged.is_empty() && objects(&world.store) == wounded, "{planned:?}");
    let report = repair_them(&world);
    assert_eq!(report.made.len(), planned.damaged.len());
    assert_only_added(&wounded, &world.store);
    assert!(restorable(&world.client("reader"), &held).is_superset(&before));
    for repair in &report.made {
        let all = live(&world);
        let corrected = all.iter().find(|snapshot| Some(snapshot.id) == repair.corrected).unwrap();
        let damaged = all.iter().find(|snapshot| snapshot.id == repair.damaged).unwrap();
        assert_eq!((corrected.repairs, corrected.time_ns), (Some(damaged.id), damaged.time_ns));
        assert_eq!(corrected.components[0].state, ComponentState::Partial);
        assert_eq!(damaged.components[0].state, ComponentState::Complete);
        let lost: BTreeSet<String> = repair.missing.files.iter().map(|path| name_of(path)).collect();
        let names = names(&world, corrected);
        for name in held[&damaged.id].keys() {
            let is_left = before.contains(&(damaged.id, name.clone()));
            assert_eq!(lost.contains(name), !is_left, "{name}");
            assert_eq!(names[name] == State::Stored, is_left, "{name}");
        }
        assert_eq!(u64::try_from(lost.len()).unwrap(), corrected.components[0].counts.unreadable);
    }
    // The damage is told of the damaged snapshots alone.
    let told: BTreeSet<SnapshotId> = check_all(&world).damage.iter().flat_map(|it| it.snapshots.clone()).collect();
    assert_eq!(told, report.made.iter().map(|repair| repair.damaged).collect());
}

fn name_of(path: &std::path::Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

/// What was committed then once counted as an error, and the report was lost.
#[test]
fn a_corrected_snapshot_that_is_committed_is_told_whatever_the_index_takes() {
    let world = World::new();
    world.back_up("writer", &files(0..6, 60));
    lose(&world, Class::Content);
    let index = Arc::new(FullIndex::default());
    let view: Arc<dyn Index> = index.clone();
    let access = Access { index: view, ..world.client("owner") };
    session::bring_up_to_date(&access, &History::load(&access).unwrap()).unwrap();
    index.set_full(true);
    let options = RepairOptions::default();
    let report = access
        .noting(
            |report: &mut SnapshotRepairReport| &mut report.behind,
            |access| repair_snapshots(access, &options, &Silent),
        )
        .unwrap();
    assert_eq!((report.made.len(), live(&world).len()), (1, 2), "{report:?}");
    let [lack] = report.behind.as_slice() else { panic!("{report:?}") };
    assert!(lack.contains("no space left for the index view"), "{lack}");
}

#[test]
fn done_twice_it_makes_none_the_second_time_and_more_once_more_is_lost() {
    let (world, _) = used_world(60);
    lose_some(&world, Class::Content);
    let first = repair_them(&world);
    assert!(!first.made.is_empty());
    let before = objects(&world.store);
    let second = repair_them(&world);
    assert_eq!((second.made.len(), second.repaired.len()), (0, first.made.len()));
    assert!(objects(&world.store) == before);
    lose(&world, Class::Content);
    let third = repair_them(&world);
    assert!(!third.made.is_empty());
    let fourth = repair_them(&world);
    assert_eq!(fourth.made, []);
}

#[test]
fn of_a_snapshot_whose_tree_is_lost_nothing_is_made_and_others_are_not_touched() {
    let (world, _) = used_world(60);
    let count = live(&world).len();
    lose(&world, Class::Manifest);
    let report = repair_them(&world);
    assert_eq!((report.made.len(), report.beyond.len()), (0, count));
    assert_eq!(live(&world).len(), count);
}

/// The corrected one needs what is left of the damaged one, whoever forgets that.
#[test]
fn a_prune_keeps_what_a_corrected_snapshot_holds_when_the_damaged_one_is_forgotten() {
    let (world, _) = used_world(60);
    lose_some(&world, Class::Content);
    repair_all(&world, &RepairOptions::default(), &[]);
    let report = repair_them(&world);
    report.made.iter().for_each(|repair| world.forget(repair.damaged));
    world.prune();
    world.assert_whole();
    assert_eq!(check_all(&world).damage, []);
}

#[test]
fn whatever_fails_at_each_change_of_a_repair_of_snapshots_the_next_one_ends_it() {
    let (base, held) = used_world(60);
    lose_some(&base, Class::Content);
    let run = |access: &Access| repair_snapshots(access, &RepairOptions::default(), &Silent);
    let done = base.fork();
    let counting = FaultyStore::counting(Arc::new(done.store.clone()));
    let expected = run(&done.client_on("owner", Arc::new(counting.clone()))).unwrap().made.len();
    assert!(expected > 0 && counting.change_count() > 3);
    let before = restorable(&base.client("reader"), &held);
    for at in 1..=counting.change_count() {
        for fault in Fault::ALL {
            let world = base.fork();
            let store = Arc::new(FaultyStore::new(Arc::new(world.store.clone()), at, fault));
            let _ = run(&world.client_on("owner", store));
            run(&world.client("next")).unwrap();
            let corrected = live(&world).iter().filter(|snapshot| snapshot.repairs.is_some()).count();
            assert_eq!(corrected, expected, "{fault:?} at {at}");
            assert_eq!(restorable(&world.client("reader"), &held), before, "{fault:?} at {at}");
        }
    }
}

//! Packs that can't be read in full, and where what is lost comes from again.

use super::*;
use crate::access::testing::Keys;
use crate::backup::BackupOptions;
use crate::config::Parameters;
use crate::key::{KdfCost, Unlock};
use crate::layout::Class;
use crate::prune::tests::world::{Inherit, back_up};
use crate::repair::reading::PackReader;
use crate::repair::{PackRepairReport, plan_packs, repair_packs};
use crate::repository::{CreateOptions, OpenOptions, Repository};
use crate::store::moody::{Mood, MoodyStore};

const SECRET: Unlock<'static> = Unlock::Password(b"a secret");

pub(super) fn repair_all(world: &World, options: &RepairOptions, others: &[&Access]) -> PackRepairReport {
    let access = world.client("owner");
    let plan = plan_packs(&access, &Silent).unwrap();
    repair_packs(&access, plan, options, others, &Silent).unwrap()
}

pub(super) fn class_of(store: &MemoryStore, pack: PackId) -> Class {
    Class::from_code(store.read(&ObjectName::Pack(pack), 1 << 30).unwrap()[12]).unwrap()
}

/// Backs up everything that was backed up before.
fn back_up_again(world: &World, held: &Held) {
    for files in held.values() {
        world.back_up("writer", files);
    }
}

/// Whether a check finds nothing that names this pack.
fn assert_not_named(report: &CheckReport, pack: PackId) {
    assert!(report.damage.iter().all(|damage| !damage.object.contains(&pack.to_string())), "{:?}", report.damage);
}

#[test]
fn of_whole_packs_nothing_is_planned() {
    let (world, _) = used_world(60);
    let plan = plan_packs(&world.client("owner"), &Silent).unwrap();
    assert!(plan.is_empty(), "{:?}", plan.packs);
}

#[test]
fn while_segments_are_lost_packs_are_not_judged() {
    let (world, _) = used_world(60);
    world.store.remove(&ObjectName::Segment(segments(&world.store)[0])).unwrap();
    let Err(error) = plan_packs(&world.client("owner"), &Silent) else { panic!("it was planned") };
    assert_eq!(error.kind(), crate::error::ErrorKind::Damaged);
    assert!(error.to_string().contains("repair index"), "{error}");
}

#[test]
fn segment_16_after_every_wound_of_a_pack_what_is_left_counts_and_what_is_lost_is_stored_again() {
    let (base, held) = used_world(60);
    for pack in packs(&base.store) {
        let class = class_of(&base.store, pack);
        for (wound, inflict) in WOUNDS {
            let world = base.fork();
            inflict(&world.store, ObjectName::Pack(pack));
            let wounded = objects(&world.store);
            let before = restorable(&world.client("reader"), &held);
            let report = repair_all(&world, &RepairOptions::default(), &[]);
            assert_eq!(report.set_aside.len(), 1, "{wound}: {report:?}");
            assert_only_added(&wounded, &world.store);
            assert!(restorable(&world.client("reader"), &held).is_superset(&before), "{wound} of {class}");
            let again = plan_packs(&world.client("owner"), &Silent).unwrap();
            assert_eq!(again.packs, [], "{wound} of {class}");
            assert_eq!(again.lost_chunk_count + again.lost_node_count, report.lost_chunk_count, "{wound} of {class}");
            assert!(plan(&world).is_empty(), "{wound} of {class}: {:?}", plan(&world));
            assert_not_named(&check_all(&world), pack);
            if class == Class::Content {
                back_up_again(&world, &held);
                assert_eq!(restorable(&world.client("reader"), &held), every_file(&held), "{wound}");
                assert_eq!(check_all(&world).damage, [], "{wound}");
                world.prune();
                assert_eq!(restorable(&world.client("reader"), &held), every_file(&held), "{wound}, pruned");
            }
        }
    }
}

/// Packs that nothing counts on once were among those that a check and the statistics counted.
#[test]
fn packs_that_are_set_aside_or_deleted_are_counted_by_nobody() {
    let (world, _) = used_world(60);
    let counts = |world: &World| {
        let access = world.client("reader");
        let history = History::load(&access).unwrap();
        session::bring_up_to_date(&access, &history).unwrap();
        let stats = crate::stats::run(&access, &history).unwrap();
        let of_classes = stats.classes.values().map(|class| class.pack_count).sum::<u64>();
        assert_eq!(stats.chunk_count, stats.classes.values().map(|class| class.chunk_count).sum::<u64>());
        (of_classes, check_all(world).pack_count)
    };
    let there = |world: &World| u64::try_from(packs(&world.store).len()).unwrap();
    assert_eq!(counts(&world), (there(&world), there(&world)), "after a prune that deleted packs");
    let content = packs(&world.store).into_iter().find(|pack| class_of(&world.store, *pack) == Class::Content).unwrap();
    WOUNDS.iter().find(|(wound, _)| *wound == "flipped").unwrap().1(&world.store, ObjectName::Pack(content));
    assert_eq!(repair_all(&world, &RepairOptions::default(), &[]).set_aside.len(), 1);
    let left = there(&world) - 1;
    assert_eq!(counts(&world), (left, left));
}

#[test]
fn what_parity_brings_back_is_not_set_aside() {
    let (world, held) = used_world(60);
    crate::heal::protect_all(&world.store, &crate::heal::ProtectOptions::default(), &Silent).unwrap();
    for pack in packs(&world.store) {
        WOUNDS.iter().find(|(wound, _)| *wound == "flipped").unwrap().1(&world.store, ObjectName::Pack(pack));
    }
    let report = repair_all(&world, &RepairOptions::default(), &[]);
    assert_eq!((report.healed.len(), &report.set_aside[..]), (packs(&world.store).len(), &[][..]), "{report:?}");
    assert_eq!((report.lost_chunk_count, report.written_bytes), (0, 0), "{report:?}");
    assert_eq!(restorable(&world.client("reader"), &held), every_file(&held));
    assert_eq!(check_all(&world).damage, []);
}

/// A first repair had set the packs aside, so nothing told any more what the lost trees had named.
#[test]
fn trees_and_content_come_back_from_a_second_copy_after_all_was_set_aside() {
    let (world, held) = used_world(60);
    let copy = world.fork();
    Class::ALL.into_iter().for_each(|class| lose(&world, class));
    assert!(repair_all(&world, &RepairOptions::default(), &[]).lost_chunk_count > 0);
    let report = repair_all(&world, &RepairOptions::default(), &[&copy.client("copy")]);
    assert_eq!((report.lost_chunk_count, &report.notices[..]), (0, &[][..]), "{report:?}");
    assert_eq!(restorable(&world.client("reader"), &held), every_file(&held));
    assert_eq!(check_all(&world).damage, []);
}

/// Counts were settled before the damage, and the roots are the same: nothing that changed tells of what is lost.
#[test]
fn index_13_what_a_repair_did_not_bring_back_stops_a_prune_that_has_counts() {
    let (world, _) = used_world(60);
    world.prune();
    let content = packs(&world.store).into_iter().find(|pack| class_of(&world.store, *pack) == Class::Content).unwrap();
    WOUNDS.iter().find(|(wound, _)| *wound == "flipped").unwrap().1(&world.store, ObjectName::Pack(content));
    assert!(repair_all(&world, &RepairOptions::default(), &[]).lost_chunk_count > 0);
    let before = packs(&world.store);
    let error = prune(world.collector(), &PruneOptions::default()).unwrap_err();
    assert_eq!(error.kind(), crate::error::ErrorKind::Damaged, "{error}");
    assert_eq!(packs(&world.store), before);
}

/// Likewise with nothing said of the pack: it was there when the counts were settled, and is there no more.
#[test]
fn index_13_a_pack_that_is_gone_stops_a_prune_that_has_counts() {
    let (base, _) = used_world(60);
    let all = packs(&base.store);
    assert!(all.iter().map(|pack| class_of(&base.store, *pack)).collect::<BTreeSet<_>>().len() > 2);
    for pack in all {
        let world = base.fork();
        world.prune();
        world.store.remove(&ObjectName::Pack(pack)).unwrap();
        let before = packs(&world.store);
        let error = prune(world.collector(), &PruneOptions::default()).unwrap_err();
        assert_eq!(error.kind(), crate::error::ErrorKind::Damaged, "{error}");
        assert_eq!(packs(&world.store), before);
    }
}

/// A backup that ran after the damage counted on a chunk of which nothing was left.
#[test]
fn without_a_repair_a_backup_counts_on_what_is_damaged_and_with_one_it_does_not() {
    let (world, held) = used_world(60);
    let content: Vec<PackId> =
        packs(&world.store).into_iter().filter(|pack| class_of(&world.store, *pack) == Class::Content).collect();
    for pack in content {
        let length = world.store.read(&ObjectName::Pack(pack), 1 << 30).unwrap().len();
        world.store.overwrite(ObjectName::Pack(pack), &vec![0; length]);
    }
    back_up_again(&world, &held);
    assert_eq!(restorable(&world.client("reader"), &held), Restorable::new());
    repair_all(&world, &RepairOptions::default(), &[]);
    back_up_again(&world, &held);
    assert_eq!(restorable(&world.client("reader"), &held), every_file(&held));
}

/// Loses every pack of a class.
pub(super) fn lose(world: &World, class: Class) {
    for pack in packs(&world.store).into_iter().filter(|pack| class_of(&world.store, *pack) == class) {
        world.store.remove(&ObjectName::Pack(pack)).unwrap();
    }
}

#[test]
fn lost_content_comes_back_from_the_files_that_hold_it() {
    let (world, held) = used_world(60);
    lose(&world, Class::Content);
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("below")).unwrap();
    for (number, files) in held.values().enumerate() {
        for (name, content) in files {
            // Wherever it lies, and whatever it is called.
            std::fs::write(folder.path().join("below").join(format!("{number}-{name}")), content).unwrap();
        }
    }
    std::os::unix::fs::symlink("nowhere", folder.path().join("link")).unwrap();
    let options = RepairOptions::default().from_path(folder.path()).from_path(folder.path().join("absent"));
    let report = repair_all(&world, &options, &[]);
    assert_eq!((report.lost_chunk_count, report.notices.len()), (0, 1), "{report:?}");
    assert!(report.found_chunk_count > 0);
    assert_eq!(restorable(&world.client("reader"), &held), every_file(&held));
    assert_eq!(check_all(&world).damage, []);
    assert!(plan_packs(&world.client("owner"), &Silent).unwrap().is_empty());
    world.prune();
    world.assert_whole();
}

/// Only what stands in an entry itself came back: attributes of more than a kibibyte stayed lost.
#[test]
fn lost_attributes_and_lists_of_holes_come_back_from_the_files_and_from_a_repository_with_other_keys() {
    let place = tempfile::tempdir().unwrap();
    let tree = place.path().join("tree");
    std::fs::create_dir_all(tree.join("folder")).unwrap();
    let holey = std::fs::File::create(tree.join("holey")).unwrap();
    for piece in 0..800u64 {
        std::os::unix::fs::FileExt::write_all_at(&holey, &[1; 4096], piece * 3 * 4096).unwrap();
    }
    for (number, name) in [(1, "folder"), (2, "holey")] {
        let value: Vec<u8> =
            (0..2500u32).map(|at| at.wrapping_mul(2_654_435_761).wrapping_mul(number).to_le_bytes()[3]).collect();
        rustix::fs::setxattr(tree.join(name), "user.long", &value, rustix::fs::XattrFlags::empty()).unwrap();
    }
    let create = CreateOptions::default().kdf(KdfCost::CHEAP);
    let open = |name: &str| {
        let own = |part: &str| place.path().join(format!("{name}-{part}"));
        Repository::open(&place.path().join(name), SECRET, OpenOptions::new(own("cache"), own("state"))).unwrap()
    };
    for name in ["whole", "files", "other"] {
        Repository::create(&place.path().join(name), SECRET, &create).unwrap();
        open(name).backup(&BackupOptions::new([tree.clone()]), &Silent).unwrap();
    }
    for name in ["files", "other"] {
        for folder in std::fs::read_dir(place.path().join(name).join("packs")).unwrap().flatten() {
            for pack in std::fs::read_dir(folder.path()).unwrap().flatten() {
                if std::fs::read(pack.path()).unwrap()[12] == Class::Content.code() {
                    std::fs::remove_file(pack.path()).unwrap();
                }
            }
        }
        let (options, whole) = (RepairOptions::default(), open("whole"));
        let (options, others) = match name {
            "files" => (options.from_path(&tree), vec![]),
            _ => (options, vec![&whole]),
        };
        let wounded = open(name);
        let plan = wounded.plan_repair_packs(&Silent).unwrap();
        let lost_chunk_count = plan.lost_chunk_count;
        let report = wounded.repair_packs(plan, &options, &others, &Silent).unwrap();
        assert!(lost_chunk_count >= 4, "two attributes, a list of holes, and content: {lost_chunk_count}");
        assert_eq!((report.found_chunk_count, report.lost_chunk_count), (lost_chunk_count, 0), "{name}: {report:?}");
    }
}

#[test]
fn lost_content_comes_back_from_a_repository_with_other_keys_by_the_paths_of_files() {
    let (world, held) = used_world(60);
    lose(&world, Class::Content);
    let other = Keys::new(Parameters { chunk_bytes_avg: 128 << 10, ..Parameters::default() });
    let place = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(place.path().join("state")).unwrap();
    let other = other.open(Arc::new(MemoryStore::new()), place.path());
    for files in held.values() {
        back_up(&other, files, Inherit::Never).unwrap();
    }
    let report = repair_all(&world, &RepairOptions::default(), &[&other]);
    assert_eq!((report.lost_chunk_count, &report.notices[..]), (0, &[][..]), "{report:?}");
    assert_eq!(restorable(&world.client("reader"), &held), every_file(&held));
    assert_eq!(check_all(&world).damage, []);
}

#[test]
fn another_repository_with_other_contents_at_the_same_paths_gives_nothing() {
    let (world, held) = used_world(60);
    lose(&world, Class::Content);
    let place = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(place.path().join("state")).unwrap();
    let other = Keys::new(Parameters::default()).open(Arc::new(MemoryStore::new()), place.path());
    for files in held.values() {
        let changed: Files = files.iter().map(|(name, content)| (name.clone(), content.repeat(2))).collect();
        back_up(&other, &changed, Inherit::Never).unwrap();
    }
    let report = repair_all(&world, &RepairOptions::default(), &[&other]);
    assert_eq!(report.found_chunk_count, 0);
    assert!(report.lost_chunk_count > 0);
}

#[test]
fn a_second_copy_of_the_repository_gives_back_trees_as_well() {
    for class in Class::ALL {
        let (world, held) = used_world(60);
        let copy = world.fork();
        lose(&world, class);
        let report = repair_all(&world, &RepairOptions::default(), &[&copy.client("copy")]);
        assert_eq!((report.lost_chunk_count, &report.notices[..]), (0, &[][..]), "{class}: {report:?}");
        assert_eq!(restorable(&world.client("reader"), &held), every_file(&held), "{class}");
        assert_eq!(check_all(&world).damage, [], "{class}");
    }
}

#[test]
fn whatever_fails_at_each_change_of_a_repair_of_packs_no_file_is_lost_and_the_next_one_ends_it() {
    let (base, held) = used_world(60);
    let every: Vec<PackId> = packs(&base.store);
    for (number, pack) in every.iter().step_by(3).enumerate() {
        let name = ObjectName::Pack(*pack);
        let mut bytes = base.store.read(&name, 1 << 30).unwrap();
        // A frame, of which nothing is left, or the trailer, without which all frames are.
        let at = if number % 2 == 0 { bytes.len() - 1 } else { 150 };
        bytes[at] ^= 1;
        base.store.overwrite(name, &bytes);
    }
    let run = |access: &Access| {
        let plan = plan_packs(access, &Silent)?;
        repair_packs(access, plan, &RepairOptions::default(), &[], &Silent)
    };
    let done = base.fork();
    let counting = FaultyStore::counting(Arc::new(done.store.clone()));
    run(&done.client_on("owner", Arc::new(counting.clone()))).unwrap();
    let expected = restorable(&done.client("reader"), &held);
    assert!(counting.change_count() > 5);
    for at in 1..=counting.change_count() {
        for fault in Fault::ALL {
            let world = base.fork();
            let before = restorable(&world.client("reader"), &held);
            let store = Arc::new(FaultyStore::new(Arc::new(world.store.clone()), at, fault));
            let _ = run(&world.client_on("owner", store));
            assert!(restorable(&world.client("reader"), &held).is_superset(&before), "{fault:?} at {at}");
            run(&world.client("next")).unwrap();
            assert_eq!(plan_packs(&world.client("next"), &Silent).unwrap().packs, [], "{fault:?} at {at}");
            assert_eq!(restorable(&world.client("reader"), &held), expected, "{fault:?} at {at}");
        }
    }
}

/// As a session leaves them that was aborted, or never ended.
#[test]
fn lost_content_comes_back_from_packs_of_a_session_that_does_not_count() {
    let (world, held) = used_world(60);
    lose(&world, Class::Content);
    let elsewhere = MemoryStore::new();
    let stray = world.client_on("stray", Arc::new(elsewhere.clone()));
    for files in held.values() {
        back_up(&stray, files, Inherit::Never).unwrap();
    }
    let without = repair_all(&world.fork(), &RepairOptions::default(), &[]);
    assert!(without.lost_chunk_count > 0, "{without:?}");
    for pack in packs(&elsewhere) {
        world.store.overwrite(ObjectName::Pack(pack), &elsewhere.read(&ObjectName::Pack(pack), 1 << 30).unwrap());
    }
    let report = repair_all(&world, &RepairOptions::default(), &[]);
    assert_eq!((report.lost_chunk_count, &report.notices[..]), (0, &[][..]), "{report:?}");
    assert_eq!(restorable(&world.client("reader"), &held), every_file(&held));
    assert_eq!(check_all(&world).damage, []);
}

/// A prune had copied what is needed of them, and was cut short before it deleted them.
#[test]
fn lost_content_comes_back_from_packs_that_were_to_be_deleted() {
    let (world, mut held) = used_world(10_000);
    let before = objects(&world.store);
    let gone = *held.keys().next().unwrap();
    held.remove(&gone);
    world.forget(gone);
    let strict = PruneOptions::default().max_unused(MaxUnused::Share(0));
    (0..2).for_each(|_| drop(prune(&world.client("pruner"), &strict).unwrap()));
    let copies: Vec<PackId> = packs(&world.store)
        .into_iter()
        .filter(|pack| {
            !before.contains_key(&ObjectName::Pack(*pack)) && class_of(&world.store, *pack) == Class::Content
        })
        .collect();
    assert!(!copies.is_empty(), "the prune copied nothing");
    copies.iter().for_each(|pack| world.store.remove(&ObjectName::Pack(*pack)).unwrap());
    let without = repair_all(&world.fork(), &RepairOptions::default(), &[]);
    assert!(without.lost_chunk_count > 0, "{without:?}");
    for (name, bytes) in before.iter().filter(|(name, _)| name.folder() == Folder::Packs) {
        world.store.overwrite(*name, bytes);
    }
    let report = repair_all(&world, &RepairOptions::default(), &[]);
    assert_eq!((report.lost_chunk_count, &report.notices[..]), (0, &[][..]), "{report:?}");
    assert_eq!(restorable(&world.client("reader"), &held), every_file(&held));
    assert_eq!(check_all(&world).damage, []);
}

/// Its packs do not count any more, nor do its segments take the place of others; but they are there.
#[test]
fn what_counted_by_an_outcome_that_is_lost_is_stored_again_for_all_other_snapshots() {
    let (base, held) = used_world(60);
    let snapshots = session::all(&History::load(&base.client("reader")).unwrap());
    let mut lost_count = 0;
    for (name, bytes) in objects(&base.store).into_iter().filter(|(name, _)| name.folder() == Folder::Outcomes) {
        let ObjectName::Outcome(session) = name else { panic!("{name}") };
        let world = base.fork();
        let mut damaged = bytes.clone();
        damaged[bytes.len() / 2] ^= 1;
        world.store.overwrite(name, &damaged);
        let wounded = objects(&world.store);
        let gone = snapshots.iter().find(|snapshot| snapshot.session == session).map(|snapshot| snapshot.id);
        let others: Held = held.clone().into_iter().filter(|(id, _)| Some(*id) != gone).collect();
        lost_count += every_file(&others).len() - restorable(&world.client("reader"), &others).len();
        repair(&world);
        let report = repair_all(&world, &RepairOptions::default(), &[]);
        assert_eq!(report.lost_chunk_count, 0, "{name}: {report:?}");
        assert_only_added(&wounded, &world.store);
        assert_eq!(restorable(&world.client("a new reader"), &held), every_file(&others), "{name}");
    }
    assert!(lost_count > 10, "{lost_count} files had been lost");
}

fn with_mood(world: &World, pack: PackId, mood: Mood) -> Access {
    let store = MoodyStore::new(Arc::new(world.store.clone()), ObjectName::Pack(pack), mood);
    world.client_on("owner", Arc::new(store))
}

/// Opens a world's repository as a user who may not read one of the packs.
fn without_right_to(world: &World, pack: PackId) -> Access {
    with_mood(world, pack, Mood::Denied)
}

/// It was judged damaged where this process had too many files open for a moment.
#[test]
fn a_pack_that_this_process_can_not_open_now_is_not_judged() {
    let (world, _) = used_world(60);
    let pack = packs(&world.store)[0];
    let session = crate::id::SessionId { client: crate::id::ClientId::from_bytes([1; 16]), number: 1 };
    let derived = |mood| PackReader::new(&with_mood(&world, pack, mood)).derive(pack, session);
    assert_eq!(derived(Mood::Unaffordable).unwrap_err().kind(), crate::error::ErrorKind::Exhausted);
    assert!(derived(Mood::Fails).unwrap().is_err());
    let salvaged = |mood| PackReader::new(&with_mood(&world, pack, mood)).salvage(pack, None, &mut |_, _, _| Ok(()));
    assert_eq!(salvaged(Mood::Unaffordable).unwrap_err().kind(), crate::error::ErrorKind::Exhausted);
    salvaged(Mood::Fails).unwrap();
}

/// A repair ended at the first of them.
#[test]
fn a_pack_that_this_user_may_not_read_is_passed_over_and_nothing_of_it_is_given_up() {
    let (base, held) = used_world(60);
    let mut repaired_count = 0;
    for denied in packs(&base.store) {
        let plan = plan_packs(&without_right_to(&base, denied), &Silent).unwrap();
        let unread: Vec<&str> = plan.unread.iter().map(|pack| pack.object.as_str()).collect();
        assert_eq!(unread, [ObjectName::Pack(denied).to_string()]);
        assert!(plan.is_empty() && plan.unread[0].wrong.contains("permission denied"), "{:?}", plan.packs);

        // One of the others is damaged, and content: what it lost is stored again.
        for damaged in packs(&base.store).into_iter().filter(|pack| class_of(&base.store, *pack) == Class::Content) {
            if damaged == denied {
                continue;
            }
            let world = base.fork();
            WOUNDS.iter().find(|(wound, _)| *wound == "flipped").unwrap().1(&world.store, ObjectName::Pack(damaged));
            let access = without_right_to(&world, denied);
            let plan = plan_packs(&access, &Silent).unwrap();
            let report = repair_packs(&access, plan, &RepairOptions::default(), &[], &Silent).unwrap();
            let aside: Vec<&str> = report.set_aside.iter().map(|pack| pack.object.as_str()).collect();
            assert_eq!(aside, [ObjectName::Pack(damaged).to_string()]);
            back_up_again(&world, &held);
            assert_eq!(restorable(&world.client("reader"), &held), every_file(&held));
            assert_eq!(check_all(&world).damage, []);
            repaired_count += 1;
        }
    }
    assert!(repaired_count > 1);
}

/// It was set aside, though nothing was wrong with it.
#[test]
fn a_pack_that_no_segment_lists_and_this_user_may_not_read_ends_a_repair_of_the_index_before_it_changes_anything() {
    let (base, held) = used_world(60);
    for denied in packs(&base.store) {
        let world = base.fork();
        segments(&world.store).into_iter().for_each(|id| world.store.remove(&ObjectName::Segment(id)).unwrap());
        let options = RepairOptions::default();
        let error = repair_index(&without_right_to(&world, denied), &options, &Silent).unwrap_err();
        assert!(error.to_string().contains("let a user who may read it run this"), "{error}");
        assert_eq!(segments(&world.store), [], "none was published without it");
        assert_eq!(repair(&world).set_aside, []);
        assert_eq!(restorable(&world.client("reader"), &held), every_file(&held));
    }
}

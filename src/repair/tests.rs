//! Repairs of small repositories in memory: every wound, and what must come back.

mod control;
mod packs;
mod patterns;
mod snapshots;

use super::{IndexRepairPlan, RepairOptions, plan_index, plan_packs, repair_index, repair_packs, repair_snapshots};
use crate::access::Access;
use crate::check::{self, CheckDepth, CheckOptions, CheckReport, Remember};
use crate::content::ContentReader;
use crate::envelope::{self, Kind};
use crate::id::{ChunkId, PackId, SegmentId, SnapshotId};
use crate::index::PackEntry;
use crate::layout::{FrameTable, HEADER_BYTES_MIN, SEALED_BYTES_MIN};
use crate::manifest::{Body, Content, Cursor, Entry, Item, ItemList};
use crate::outcome::{OutcomeKind, SegmentRef};
use crate::progress::Silent;
use crate::prune::tests::world::{Files, World, files, objects, prune};
use crate::prune::{MaxUnused, PruneOptions};
use crate::segment::{PackFacts, PackRow, Replaced, SegmentBuilder};
use crate::session::{self, Beating, History, Named, Writer};
use crate::session_record::SessionKind;
use crate::store::faulty::{Fault, FaultyStore};
use crate::store::hooked::Hooked;
use crate::store::{Folder, MemoryStore, ObjectName, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What every snapshot of a world held when it was made.
type Held = BTreeMap<SnapshotId, Files>;

/// Files of snapshots.
type Restorable = BTreeSet<(SnapshotId, String)>;

/// The files that can be restored now with the bytes that were backed up, found with a new view.
fn restorable(access: &Access, held: &Held) -> Restorable {
    let mut whole = BTreeSet::new();
    let history = History::load(access).unwrap();
    if session::bring_up_to_date(access, &history).is_err() {
        return whole;
    }
    let reader = ContentReader::new(access.clone());
    for snapshot in session::all(&history).iter().filter(|snapshot| !snapshot.forgotten) {
        let Some(files) = held.get(&snapshot.id) else { continue };
        let mut entries = Cursor::<Entry, _>::new(&reader, snapshot.components[0].manifest.unwrap());
        loop {
            match entries.next_row() {
                Ok(None) => break,
                // The range of one node; the rest is still there.
                Err(_) => {}
                Ok(Some(entry)) => {
                    let name = String::from_utf8(entry.key.name().to_vec()).unwrap();
                    if content(&reader, &entry).is_some_and(|content| files.get(&name) == Some(&content)) {
                        whole.insert((snapshot.id, name));
                    }
                }
            }
        }
    }
    whole
}

fn content(reader: &ContentReader, entry: &Entry) -> Option<Vec<u8>> {
    let Body::File(Content::Items(ItemList::Few(items))) = &entry.body else { return None };
    let [Item::Chunk { id, .. }] = items.as_slice() else { return None };
    reader.chunk(*id).ok()
}

fn every_file(held: &Held) -> Restorable {
    held.iter().flat_map(|(snapshot, files)| files.keys().map(|name| (*snapshot, name.clone()))).collect()
}

/// Three snapshots that share files, after a prune that repacked and compacted.
fn used_world(bytes: usize) -> (World, Held) {
    let world = World::new();
    let mut held = Held::new();
    let gone = world.back_up("writer", &files(0..6, bytes));
    for first in [3, 5, 8] {
        let files = files(first..first + 5, bytes);
        held.insert(world.back_up("writer", &files), files);
    }
    world.forget(gone);
    world.prune();
    let files = files(10..16, bytes);
    held.insert(world.back_up("writer", &files), files);
    (world, held)
}

fn check_all(world: &World) -> CheckReport {
    let access = world.client("checker");
    check::run(&access, &CheckOptions::default().depth(CheckDepth::Data).remember(Remember::Nothing), &Silent).unwrap()
}

fn segments(store: &MemoryStore) -> Vec<SegmentId> {
    let named = objects(store).into_keys();
    named.filter_map(|name| if let ObjectName::Segment(id) = name { Some(id) } else { None }).collect()
}

fn packs(store: &MemoryStore) -> Vec<PackId> {
    let named = objects(store).into_keys();
    named.filter_map(|name| if let ObjectName::Pack(id) = name { Some(id) } else { None }).collect()
}

fn repair(world: &World) -> super::IndexRepairReport {
    repair_index(&world.client("owner"), &RepairOptions::default(), &Silent).unwrap()
}

fn plan(world: &World) -> IndexRepairPlan {
    plan_index(&world.client("owner"), &Silent).unwrap()
}

/// What a bystander sees: nothing that was there is gone or has other bytes.
fn assert_only_added(before: &BTreeMap<ObjectName, Vec<u8>>, store: &MemoryStore) {
    let after = objects(store);
    for (name, bytes) in before.iter().filter(|(name, _)| name.folder() != Folder::Sessions) {
        assert!(after.get(name) == Some(bytes), "{name} was changed");
    }
}

type Wound = fn(&MemoryStore, ObjectName);

const WOUNDS: [(&str, Wound); 6] = [
    ("gone", |store, name| store.remove(&name).unwrap()),
    ("empty", |store, name| store.overwrite(name, &[])),
    ("cut short", |store, name| {
        let bytes = store.read(&name, 1 << 30).unwrap();
        store.overwrite(name, &bytes[..bytes.len() / 2]);
    }),
    ("flipped", |store, name| {
        let mut bytes = store.read(&name, 1 << 30).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        store.overwrite(name, &bytes);
    }),
    ("doubled", |store, name| {
        let bytes = store.read(&name, 1 << 30).unwrap();
        store.overwrite(name, &[&bytes[..], &bytes[..]].concat());
    }),
    ("zeroed", |store, name| {
        let bytes = store.read(&name, 1 << 30).unwrap();
        store.overwrite(name, &vec![0; bytes.len()]);
    }),
];

/// At whatever call of a repair others prune, and replace the segments that it was about to read.
#[test]
fn a_repair_that_a_prune_overtakes_begins_anew() {
    let (world, held) = used_world(10_000);
    world.forget(*held.keys().next().unwrap());
    for at in 1.. {
        let (fork, calls) = (Arc::new(world.fork()), Arc::new(AtomicUsize::new(0)));
        let (beside, counted) = (Arc::clone(&fork), Arc::clone(&calls));
        let overtaken = Hooked::new(Arc::new(fork.store.clone()), move |_| {
            if counted.fetch_add(1, Ordering::Relaxed) + 1 == at {
                let strict = PruneOptions::default().max_unused(MaxUnused::Share(0));
                (0..2).for_each(|_| drop(prune(&beside.client("other"), &strict).unwrap()));
            }
        });
        let access = fork.client_on("owner", Arc::new(overtaken));
        let options = RepairOptions::default();
        let repaired = repair_index(&access, &options, &Silent)
            .and_then(|_| plan_packs(&access, &Silent))
            .and_then(|plan| repair_packs(&access, plan, &options, &[], &Silent))
            .and_then(|_| repair_snapshots(&access, &options, &Silent));
        repaired.unwrap_or_else(|error| panic!("overtaken at call {at}: {error}"));
        fork.assert_whole();
        if calls.load(Ordering::Relaxed) < at {
            assert!(at > 30, "{at} calls");
            break;
        }
    }
}

#[test]
fn of_a_sound_repository_nothing_is_planned_and_nothing_is_changed() {
    let (world, _) = used_world(60);
    assert!(plan(&world).is_empty());
    let before = objects(&world.store);
    let report = repair(&world);
    assert_eq!((report.replaced_segment_count, report.listed_pack_count), (0, 0));
    assert!(objects(&world.store) == before);
}

#[test]
fn segment_15_every_wound_of_a_segment_is_healed_from_the_packs_and_a_prune_goes_on() {
    let (base, held) = used_world(60);
    let every = every_file(&held);
    for segment in segments(&base.store) {
        for (wound, inflict) in WOUNDS {
            let world = base.fork();
            inflict(&world.store, ObjectName::Segment(segment));
            let before = objects(&world.store);
            assert!(!plan(&world).lost_segments.is_empty(), "{wound}");
            let report = repair(&world);
            assert_eq!(report.set_aside, [], "{wound}");
            assert_only_added(&before, &world.store);
            assert!(plan(&world).is_empty(), "{wound}: {:?}", plan(&world));
            assert_eq!(restorable(&world.client("reader"), &held), every, "{wound}");
            assert_eq!(check_all(&world).damage, [], "{wound}");
            world.prune();
            assert_eq!(restorable(&world.client("reader"), &held), every, "{wound}, pruned");
            assert_eq!(check_all(&world).damage, [], "{wound}, pruned");
            assert!(!segments(&world.store).contains(&segment), "{wound}: the prune removes what is replaced");
        }
    }
}

#[test]
fn all_segments_can_be_lost_at_once() {
    let (world, held) = used_world(60);
    for segment in segments(&world.store) {
        world.store.remove(&ObjectName::Segment(segment)).unwrap();
    }
    assert_eq!(restorable(&world.client("reader"), &held), Restorable::new());
    let report = repair(&world);
    assert_eq!(usize::try_from(report.listed_pack_count), Ok(packs(&world.store).len()));
    assert_eq!(restorable(&world.client("reader"), &held), every_file(&held));
    assert_eq!(check_all(&world).damage, []);
    world.prune();
    world.assert_whole();
}

#[test]
fn segment_15_a_segment_of_a_key_that_may_not_delete_takes_no_place() {
    let (world, _) = used_world(60);
    let access = world.client("owner");
    let history = History::load(&access).unwrap();
    let taking = history.taking_segments();
    for (id, held) in history.committed() {
        let may = matches!(held.body.kind, crate::outcome::OutcomeKind::Repack | crate::outcome::OutcomeKind::Repair);
        for segment in &held.body.segments.0 {
            assert_eq!(taking.contains(&segment.id), may, "{id}");
        }
    }
    assert!(!taking.is_empty() && taking.len() < history.segments().len());
}

/// Commits a segment, as a key can that may only add, which names all others as replaced and says of every pack that
/// another chunk lies in it; its name sorts before theirs.
fn lie(access: &Access) {
    let history = History::load(access).unwrap();
    session::bring_up_to_date(access, &history).unwrap();
    let session = Beating::open(access, &history, SessionKind::Checkpoint, &Writer::default()).unwrap();
    let mut packs = Vec::new();
    access.index.for_each_pack(&mut |_, entry| packs.push(entry.clone())).unwrap();
    let first = *history.segments().keys().next().unwrap();
    for salt in 0u32.. {
        let mut builder = SegmentBuilder::new();
        for SegmentRef { id, pack_count, chunk_count } in history.segments().values().map(Named::largest).copied() {
            builder.replace(Replaced { segment: id, pack_count, chunk_count }).unwrap();
        }
        for entry in &packs {
            let mut frames = FrameTable::new(HEADER_BYTES_MIN).unwrap();
            frames.push(SEALED_BYTES_MIN, &[1]).unwrap();
            let PackEntry { id: pack, class, bytes, signer, .. } = *entry;
            let facts = PackFacts { pack, class, bytes, signer, session: session.id() };
            let chunk =
                ChunkId::from_bytes(*blake3::hash(&[&salt.to_le_bytes(), &pack.as_bytes()[..]].concat()).as_bytes());
            builder.push(PackRow::new(facts, frames, vec![chunk]).unwrap()).unwrap();
        }
        let (pack_count, chunk_count) = (builder.pack_count(), builder.chunk_count());
        let object = envelope::seal(Kind::Segment, &access.ring, &access.chain, &builder.finish(), None).unwrap();
        let id = SegmentId::of(&object);
        if id < first {
            let _ = access.store.create(&ObjectName::Segment(id), &object).unwrap();
            let named = vec![SegmentRef { id, pack_count, chunk_count }];
            return session.commit(access, OutcomeKind::Checkpoint, Vec::new(), named).unwrap();
        }
    }
}

#[test]
fn segment_15_what_a_segment_says_that_takes_no_place_changes_nothing_for_what_others_say() {
    let (world, held) = used_world(60);
    lie(&world.client("owner"));
    // Removes what was replaced, then compacts all segments, then collects by what they say.
    for limit in [MaxUnused::Unlimited, MaxUnused::Bytes(0), MaxUnused::Bytes(0)] {
        prune(&world.client("owner"), &PruneOptions::default().max_unused(limit)).unwrap();
        assert_eq!(restorable(&world.client("reader"), &held), every_file(&held));
        world.assert_whole();
    }
}

/// Of the newest outcome of a client no later number tells that it is gone.
#[test]
fn an_outcome_of_which_only_the_second_copy_is_there_stops_a_prune() {
    let (base, held) = used_world(60);
    crate::heal::protect_all(&base.store, &crate::heal::ProtectOptions::default(), &Silent).unwrap();
    let mut told_by_copy = 0;
    for name in objects(&base.store).into_keys().filter(|name| name.folder() == Folder::Outcomes) {
        let world = base.fork();
        world.store.remove(&name).unwrap();
        let error = prune(world.collector(), &PruneOptions::default()).unwrap_err();
        assert_eq!(error.kind(), crate::error::ErrorKind::Damaged, "{name}: {error}");
        told_by_copy += usize::from(error.to_string().contains("of which a second copy tells"));
        crate::heal::bring_back_lost(&world.store, &mut |_, brought| brought.unwrap()).unwrap();
        prune(world.collector(), &PruneOptions::default()).unwrap();
        assert_eq!(restorable(&world.client("reader"), &held), every_file(&held), "{name}");
    }
    assert!(told_by_copy > 0, "gaps told of all of them");
}

/// The copies are stored and the pack is set aside with one outcome.
#[test]
fn segment_16_a_pack_that_no_segment_lists_and_that_is_damaged_is_set_aside_after_what_is_left_was_copied() {
    let (base, held) = used_world(60);
    for pack in packs(&base.store) {
        for (wound, inflict) in WOUNDS.into_iter().filter(|(wound, _)| *wound != "gone") {
            let world = base.fork();
            for segment in segments(&world.store) {
                world.store.remove(&ObjectName::Segment(segment)).unwrap();
            }
            let sound = objects(&world.store).remove(&ObjectName::Pack(pack)).unwrap();
            inflict(&world.store, ObjectName::Pack(pack));
            let report = repair(&world);
            let [aside] = report.set_aside.as_slice() else { panic!("{wound}: {report:?}") };
            assert_eq!(aside.object, ObjectName::Pack(pack).to_string());
            assert!(plan(&world).is_empty(), "{wound}: {:?}", plan(&world));
            let left = restorable(&world.client("reader"), &held);
            let report = check_all(&world);
            if wound == "doubled" {
                // The first half is the pack, with all its frames.
                assert_eq!(left, every_file(&held));
                assert_eq!(report.damage, [], "{wound}");
            }
            assert!(report.damage.iter().all(|damage| !damage.object.contains(&pack.to_string())), "{report:?}");

            // Put back from a second copy, it counts again.
            world.store.overwrite(ObjectName::Pack(pack), &sound);
            assert_eq!(plan(&world).healed_pack_count, 1, "{wound}");
            assert_eq!(repair(&world).listed_pack_count, 1);
            assert!(plan(&world).is_empty());
            assert_eq!(restorable(&world.client("reader"), &held), every_file(&held), "{wound}");
            assert_eq!(check_all(&world).damage, [], "{wound}");
        }
    }
}

#[test]
fn what_was_lost_with_a_pack_is_stored_again_by_the_next_backup() {
    let (world, held) = used_world(60);
    let access = world.client("owner");
    let history = History::load(&access).unwrap();
    session::bring_up_to_date(&access, &history).unwrap();
    let (last, files) = held.iter().next_back().unwrap();
    let content = files.values().next().unwrap();
    let id = access.naming.chunk_ids.id(content);
    let mut found = Vec::new();
    access.index.lookup(&[id], &mut found).unwrap();
    let pack = access.index.pack(found[0].unwrap().pack).unwrap().id;
    for segment in segments(&world.store) {
        world.store.remove(&ObjectName::Segment(segment)).unwrap();
    }
    world.store.overwrite(ObjectName::Pack(pack), &[0; 400]);
    repair(&world);
    let lost = restorable(&world.client("reader"), &held);
    assert!(lost.len() < every_file(&held).len());
    world.back_up("writer", files);
    let again = restorable(&world.client("reader"), &held);
    assert!(files.keys().all(|name| again.contains(&(*last, name.clone()))), "{again:?}");
}

#[test]
fn a_repair_deletes_nothing_and_lists_nothing_that_a_prune_has_deleted() {
    let (world, held) = used_world(60);
    let gone = *held.keys().next().unwrap();
    let copies = objects(&world.store);
    world.forget(gone);
    world.prune();
    let deleted: Vec<ObjectName> =
        copies.keys().filter(|name| !objects(&world.store).contains_key(name)).copied().collect();
    let packs_deleted = deleted.iter().filter(|name| name.folder() == Folder::Packs).count();
    assert!(packs_deleted > 0);
    // A delete that was cut short.
    for name in deleted.iter().filter(|name| name.folder() == Folder::Packs) {
        world.store.overwrite(*name, &copies[name]);
    }
    for segment in segments(&world.store) {
        world.store.remove(&ObjectName::Segment(segment)).unwrap();
    }
    repair(&world);
    let access = world.client("reader");
    session::bring_up_to_date(&access, &History::load(&access).unwrap()).unwrap();
    for name in deleted {
        if let ObjectName::Pack(pack) = name {
            assert_eq!(access.index.find_pack(&pack).unwrap(), None);
        }
    }
}

/// Something of everything that a repair of the index does: a segment that is gone, and a pack that it listed cut short.
fn wounded_world() -> (World, Held) {
    let (world, held) = used_world(60);
    let victim = segments(&world.store)[0];
    world.store.remove(&ObjectName::Segment(victim)).unwrap();
    let name = ObjectName::Pack(packs(&world.store)[0]);
    let bytes = world.store.read(&name, 1 << 30).unwrap();
    world.store.overwrite(name, &bytes[..bytes.len() - 30]);
    (world, held)
}

#[test]
fn whatever_fails_at_each_change_of_a_repair_no_file_is_lost_and_the_next_one_ends_it() {
    let (base, held) = wounded_world();
    let done = base.fork();
    let counting = FaultyStore::counting(Arc::new(done.store.clone()));
    repair_index(&done.client_on("owner", Arc::new(counting.clone())), &RepairOptions::default(), &Silent).unwrap();
    let expected = restorable(&done.client("reader"), &held);
    assert!(counting.change_count() > 3);
    for at in 1..=counting.change_count() {
        for fault in Fault::ALL {
            let world = base.fork();
            let before = restorable(&world.client("reader"), &held);
            let store = Arc::new(FaultyStore::new(Arc::new(world.store.clone()), at, fault));
            // Some faults are passed over: what could not be tidied up is left to the next.
            let _ = repair_index(&world.client_on("owner", store), &RepairOptions::default(), &Silent);
            assert!(restorable(&world.client("reader"), &held).is_superset(&before), "{fault:?} at {at}");
            repair(&world);
            assert!(plan(&world).is_empty(), "{fault:?} at {at}");
            assert_eq!(restorable(&world.client("reader"), &held), expected, "{fault:?} at {at}");
        }
    }
}

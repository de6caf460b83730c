//! One prune at a time, and what it leaves to the next.

use super::world::{Inherit, World, back_up, files, objects, open_session, prune, prune_beside};
use crate::access::Access;
use crate::error::ErrorKind;
use crate::id::{SessionId, SnapshotId};
use crate::outcome::OutcomeKind;
use crate::progress::Silent;
use crate::progress::testing::Patience;
use crate::prune::generation::{Condemning, condemn};
use crate::prune::{self, Forecast, MaxUnused, PruneOptions};
use crate::record::RecordKind;
use crate::session::{self, History, RecordDraft, Stage, Writer};
use crate::session_record::SessionKind;
use crate::store::forward::forward;
use crate::store::{Folder, ObjectName, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

fn folder_count(world: &World, folder: Folder) -> usize {
    objects(&world.store).keys().filter(|name| name.folder() == folder).count()
}

#[test]
fn a_prune_deletes_what_only_forgotten_snapshots_needed_and_keeps_the_rest() {
    let world = World::new();
    let first = world.back_up("a", &files(0..6, 40_000));
    world.back_up("b", &files(3..9, 40_000));
    world.assert_whole();
    let before = objects(&world.store).len();
    let nothing = world.prune();
    assert_eq!((nothing.deleted.pack_count, nothing.waiting.len()), (0, 0));
    assert_eq!(folder_count(&world, Folder::Packs), 5, "two contents, two manifests, one stat tree");
    world.forget(first);
    let dry = prune::plan(&world.client("owner"), &PruneOptions::default(), &Silent).unwrap();
    assert!(dry.summary().unused.pack_count >= 1 && dry.summary().repacked.pack_count == 1, "{:?}", dry.summary());
    assert_eq!(folder_count(&world, Folder::Packs), 5);
    let report = world.prune();
    assert_eq!(report.deleted.pack_count, 2, "the first manifest, and the content of which half was needed");
    assert_eq!(report.written.pack_count, 1);
    world.assert_whole();
    let again = world.prune();
    assert_eq!((again.deleted.pack_count, again.written.pack_count), (0, 0));
    world.assert_whole();
    assert!(objects(&world.store).len() <= before + 6, "records and sets, and not more");
}

#[test]
fn a_machine_that_can_keep_nothing_in_mind_prunes_all_the_same() {
    let world = World::new();
    let first = world.back_up("a", &files(0..6, 40_000));
    world.back_up("b", &files(6..12, 40_000));
    world.forget(first);
    let _open = open_session(&world, "elsewhere");
    for kept in ["observed-sessions", "waiting-generations"] {
        std::fs::create_dir_all(world.collector().state_dir.join(kept).join("in the way")).unwrap();
    }
    let report = world.prune();
    assert_eq!((report.deleted.pack_count, report.waiting.len()), (0, 1), "it waits for the session, as ever");
    world.assert_whole();
}

#[test]
fn a_prune_in_a_view_that_was_counted_reads_only_what_was_forgotten() {
    let world = World::new();
    let gone = world.back_up("a", &files(0..6, 40_000));
    let others = objects(&world.store);
    world.back_up("b", &files(6..12, 40_000));
    let kept: Vec<_> = objects(&world.store)
        .into_iter()
        .filter(|(name, _)| name.folder() == Folder::Packs && !others.contains_key(name))
        .collect();
    world.back_up("c", &files(12..18, 40_000));
    world.prune();
    world.forget(gone);
    for (pack, mut bytes) in kept {
        bytes.iter_mut().for_each(|byte| *byte ^= 1);
        world.store.overwrite(pack, &bytes);
    }
    let anew = prune(&world.client("owner"), &PruneOptions::default()).unwrap_err();
    assert_eq!(anew.kind(), ErrorKind::Damaged, "a full mark reads what is kept");
    assert_eq!(world.prune().deleted.pack_count, 2, "the content and the manifest of what was forgotten");
}

#[test]
fn what_was_counted_and_measured_before_leads_to_the_plan_of_a_view_that_is_new() {
    let world = World::new();
    let options = PruneOptions::default().max_unused(MaxUnused::Unlimited);
    let plan = |access: &Access| prune::plan(access, &options, &Silent).unwrap().summary().clone();
    let mut snapshots = Vec::new();
    for night in 0..9 {
        // The first pack is used in part by ever fewer of its contents, so that what was measured of it is out of date.
        snapshots.push(world.back_up("a", &files(night * 2..night * 2 + 16, 30_000)));
        if night >= 4 {
            world.forget(snapshots.remove(0));
            prune(world.collector(), &options).unwrap();
        }
        let (kept, new) = (plan(world.collector()), plan(&world.client("owner")));
        assert_eq!(kept, new, "night {night}");
        assert_eq!(plan(world.collector()), new, "night {night}, once more");
    }
    assert!(plan(world.collector()).slack_bytes > 0, "some packs are used in part");
}

#[test]
fn what_would_be_freed_is_what_a_prune_then_frees() {
    let world = World::new();
    let apart = world.back_up("a", &files(0..6, 40_000));
    let shared = world.back_up("b", &files(6..12, 40_000));
    world.back_up("c", &files(9..15, 40_000));
    let forecast = |forgetting: &[SnapshotId]| {
        let forgetting = forgetting.iter().copied().collect();
        prune::forecast(&world.client("owner"), &forgetting, &Silent).unwrap()
    };
    assert_eq!(forecast(&[]), Forecast::default());
    let (one, both) = (forecast(&[apart]), forecast(&[apart, shared]));
    let part_bytes = both.freed_bytes - one.freed_bytes;
    assert!((3 * 40_000..4 * 40_000).contains(&part_bytes), "three of six contents and a manifest: {part_bytes}");
    world.forget(apart);
    assert_eq!(forecast(&[]), Forecast { freed_bytes: 0, unused_bytes: one.freed_bytes });
    let again = forecast(&[apart, shared]);
    assert_eq!(again, Forecast { freed_bytes: part_bytes, unused_bytes: one.freed_bytes });
    // Where boundaries of nodes fall depends on the repository's key: all three snapshots may have a leaf in common, whose
    // pack stays then.
    let report = world.prune();
    assert_eq!(report.deleted.bytes + report.slack_bytes, one.freed_bytes);
    assert_eq!(forecast(&[shared]), Forecast { freed_bytes: part_bytes, unused_bytes: report.slack_bytes });
}

#[test]
fn everything_forgotten_leaves_no_pack() {
    let world = World::new();
    for number in 0..3 {
        let snapshot = world.back_up("a", &files(number..number + 4, 10_000));
        world.forget(snapshot);
    }
    assert!(world.prune().deleted.pack_count > 0);
    assert_eq!(world.pack_count(), 0);
    world.back_up("a", &files(0..4, 10_000));
    world.assert_whole();
}

#[test]
fn prune_14_a_generation_waits_for_a_session_that_was_open_and_for_no_later_one() {
    let world = World::new();
    let first = world.back_up("a", &files(0..4, 10_000));
    world.forget(first);
    let open = open_session(&world, "b");
    let packs = world.pack_count();
    let report = world.prune();
    let waiting = &report.waiting[0];
    assert_eq!((waiting.sessions.len(), waiting.sessions[0].id), (1, open.id), "{report:?}");
    assert_eq!((world.pack_count(), report.deleted.pack_count), (packs, 0));
    let later = open_session(&world, "c");
    open.abort(&world.client("b"));
    let report = world.prune();
    assert_eq!((report.waiting.len(), world.pack_count()), (0, 0), "{later:?} is not waited for");
}

#[test]
fn prune_6_what_is_condemned_is_stored_anew_and_prune_16_what_came_to_be_needed_is_spared() {
    let world = World::new();
    let first = world.back_up("a", &files(0..4, 10_000));
    // A writer that opened its session before the generation was condemned and counts on what it found.
    let early = world.client("early");
    let history = History::load(&early).unwrap();
    session::bring_up_to_date(&early, &history).unwrap();
    let open = open_session(&world, "waiting");
    world.forget(first);
    assert_eq!(world.prune().waiting.len(), 1);
    let packs = world.pack_count();
    world.back_up("late", &files(0..4, 10_000));
    assert!(world.pack_count() >= packs + 3, "no hit lies in a condemned pack");
    open.abort(&world.client("waiting"));
    let report = world.prune();
    assert_eq!(report.spared.pack_count, 0, "every chunk has another copy");
    world.assert_whole();
}

#[test]
fn prune_7_a_parent_is_taken_over_unread_while_every_undecided_generation_counted_it_and_after_they_are_decided() {
    let world = World::new();
    let dead = world.back_up("a", &files(0..4, 10_000));
    let live = world.back_up("b", &files(4..8, 10_000));
    let open = open_session(&world, "c");
    world.forget(dead);
    assert_eq!(world.prune().waiting.len(), 1);
    let history = History::load(&world.client("d")).unwrap();
    assert_eq!(history.generations[0].stage, Stage::Condemned);
    assert!(history.may_inherit(live) && !history.may_inherit(dead));
    let later = world.back_up("e", &files(8..9, 10_000));
    assert!(!History::load(&world.client("d")).unwrap().may_inherit(later));
    open.abort(&world.client("c"));
    world.prune();
    let history = History::load(&world.client("d")).unwrap();
    assert_eq!(history.generations[0].stage, Stage::Deleted, "the sets of the highest generation stay");
    assert!(history.may_inherit(live) && history.may_inherit(later));
    back_up(&world.client("f"), &files(0..0, 1), Inherit::WhenAllowed).unwrap();
    world.assert_whole();
}

#[test]
fn a_silent_session_is_ended_and_what_it_stored_goes() {
    let world = World::new();
    world.back_up("a", &files(0..4, 10_000));
    let zombie = open_session(&world, "b");
    let owner = world.client("owner");
    let patient = PruneOptions::default();
    assert_eq!(prune(&owner, &patient).unwrap().aborted, []);
    let strict = PruneOptions::default().silent_after(Duration::ZERO);
    assert_eq!(prune(&owner, &strict).unwrap().aborted, [zombie.id]);
    let body = zombie.outcome(crate::outcome::OutcomeKind::Abort, Vec::new(), Vec::new());
    let late = zombie.commit(&world.client("b"), &body, None).unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Aborted, "prune_5: it never commits");
}

#[test]
fn a_damaged_or_missing_control_object_stops_the_collection() {
    let world = World::new();
    let first = world.back_up("a", &files(0..4, 10_000));
    world.back_up("a", &files(2..6, 10_000));
    world.forget(first);
    let all = objects(&world.store);
    let mut tried = 0;
    for (name, bytes) in &all {
        if !matches!(name.folder(), Folder::Outcomes | Folder::Records | Folder::Segments) {
            continue;
        }
        let mut damaged = bytes.clone();
        damaged[bytes.len() / 2] ^= 1;
        let fork = world.fork();
        fork.store.overwrite(*name, &damaged);
        let refused = prune(&fork.client("owner"), &PruneOptions::default()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Damaged, "{name}: {refused}");
        assert_eq!(fork.pack_count(), world.pack_count());
        let is_last = matches!(name, ObjectName::Outcome(SessionId { number: 4, .. }));
        if name.folder() == Folder::Records || is_last {
            // A record that is gone without a trace is no damage that anybody could see, nor is a client's last outcome.
            continue;
        }
        let fork = world.fork();
        fork.store.remove(name).unwrap();
        let refused = prune(&fork.client("owner"), &PruneOptions::default()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Damaged, "{name} missing: {refused}");
        tried += 1;
    }
    assert!(tried >= 6, "{tried} objects were taken away");
}

#[test]
fn prune_21_a_statement_that_is_gone_stops_the_collection_as_a_later_one_or_its_second_copy_tells() {
    let world = World::new();
    let [first, second, _] = [0, 2, 4].map(|from| world.back_up("a", &files(from..from + 3, 10_000)));
    let owner = world.client("owner");
    let client = session::load(&owner).unwrap().client;
    for kind in [RecordKind::Pin, RecordKind::Forget] {
        let draft = RecordDraft { kind, snapshots: &[first, second], until_ns: None, note: &[] };
        session::make_records(&owner, &History::load(&owner).unwrap(), client, &draft).unwrap();
    }
    let [pin, forget] = [1, 2].map(|number| ObjectName::Record(client, number));
    let copied = |fork: &World, name: ObjectName| {
        fork.store.overwrite(name.mirror().unwrap(), &objects(&fork.store)[&name]);
        fork.store.remove(&name).unwrap();
    };
    type Inflict<'a> = &'a dyn Fn(&World);
    let wounds: [(&str, Inflict<'_>); 4] = [
        ("below a later one", &|fork| fork.store.remove(&pin).unwrap()),
        ("below a later one, with a second copy", &|fork| copied(fork, pin)),
        ("the last one, with a second copy", &|fork| copied(fork, forget)),
        ("damaged, below a gap", &|fork| {
            fork.store.remove(&pin).unwrap();
            fork.store.overwrite(forget, b"no record");
        }),
    ];
    for (wound, inflict) in wounds {
        let fork = world.fork();
        inflict(&fork);
        let refused = prune(&fork.client("owner"), &PruneOptions::default()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Damaged, "{wound}: {refused}");
        assert!(refused.to_string().starts_with("nothing is collected while records/"), "{wound}: {refused}");
        assert_eq!(fork.pack_count(), world.pack_count());
    }
    // What it is a copy of is there, but one that had its name may be lost.
    let fork = world.fork();
    let stray = ObjectName::Record(client, 3).mirror().unwrap();
    fork.store.overwrite(stray, &objects(&fork.store)[&pin]);
    let refused = prune(&fork.client("owner"), &PruneOptions::default()).unwrap_err().to_string();
    let expected =
        format!("nothing is collected while {stray} is there: it is a second copy of {pin}, and there is no");
    assert!(refused.starts_with(&expected) && refused.contains("remove the copy"), "{refused}");
    assert!(world.prune().deleted.pack_count > 0);
}

#[test]
fn a_needed_chunk_that_is_lost_stops_the_collection() {
    let world = World::new();
    let first = world.back_up("a", &files(0..4, 10_000));
    world.back_up("b", &files(4..8, 10_000));
    world.forget(first);
    let packs: Vec<ObjectName> =
        objects(&world.store).into_keys().filter(|name| name.folder() == Folder::Packs).collect();
    let mut refused = 0;
    for pack in packs {
        let fork = world.fork();
        fork.store.remove(&pack).unwrap();
        match prune(&fork.client("owner"), &PruneOptions::default()) {
            Ok(_) => fork.assert_whole(),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
                refused += 1;
            }
        }
    }
    assert_eq!(refused, 3, "the content, manifest and stat pack of the live snapshot");
}

#[test]
fn segments_are_compacted_and_sets_retired() {
    let world = World::new();
    let strict = PruneOptions::default().max_unused(MaxUnused::Share(0));
    for number in 0..6 {
        let snapshot = world.back_up("a", &files(number..number + 5, 10_000));
        if number > 0 {
            world.assert_whole();
        }
        if number < 5 {
            world.forget(snapshot);
        }
        prune(&world.client("owner"), &strict).unwrap();
        world.assert_whole();
    }
    prune(&world.client("owner"), &strict).unwrap();
    assert_eq!(folder_count(&world, Folder::Segments), 1, "all were merged");
    let history = History::load(&world.client("reader")).unwrap();
    assert_eq!(history.generations.len(), 1, "only the highest generation is left: {:?}", history.generations);
    assert!(history.generations[0].number >= 5);
    world.assert_whole();
}

/// A prune of a crowd once said that a segment was damaged which another prune had replaced since the plan was made.
#[test]
fn a_plan_that_another_prune_overtook_is_made_anew() {
    let world = World::new();
    let first = world.back_up("a", &files(0..6, 40_000));
    world.back_up("b", &files(3..9, 40_000));
    world.forget(first);
    let strict = PruneOptions::default().max_unused(MaxUnused::Share(0));
    let owner = world.client("owner");
    let plan = prune::plan(&owner, &strict, &Silent).unwrap();
    assert!(plan.summary().repacked.pack_count > 0, "{:?}", plan.summary());
    for _ in 0..2 {
        prune(&world.client("other"), &strict).unwrap();
    }
    prune::run(&owner, plan, &strict, &Silent).unwrap();
    world.assert_whole();
}

#[test]
fn prune_18_sets_stay_while_a_session_is_open_that_was_so_when_packs_were_deleted() {
    let world = World::new();
    let strict = || prune(&world.client("owner"), &PruneOptions::default().max_unused(MaxUnused::Share(0))).unwrap();
    let first = world.back_up("a", &files(0..4, 10_000));
    let second = world.back_up("a", &files(10..14, 10_000));
    world.back_up("a", &files(20..24, 10_000));
    world.forget(first);
    // It may be one that compacts segments, and has read what names the packs that are deleted now.
    let waiting = open_session(&world, "b");
    assert_eq!(strict().waiting.len(), 1);
    waiting.abort(&world.client("b"));
    let open = open_session(&world, "c");
    assert!(strict().deleted.pack_count > 0);
    world.forget(second);
    let generations = || History::load(&world.client("reader")).unwrap().generations.len();
    strict();
    strict();
    assert_eq!(generations(), 2, "the first generation's set stays as long as the session is open");
    open.abort(&world.client("c"));
    strict();
    strict();
    assert_eq!(generations(), 1);
    world.assert_whole();
}

/// Two processes of one client may choose the same number, and the second may do so when the first has come to its end.
#[test]
fn outcome_22_a_session_that_was_opened_under_a_used_up_number_hides_nothing() {
    let world = World::new();
    let first = world.back_up("a", &files(0..4, 10_000));
    let outcomes = History::load(&world.client("reader")).unwrap().outcomes;
    let id = outcomes.values().find(|outcome| outcome.snapshot_id() == first).unwrap().body.id;
    let before = world.fork();
    before.store.remove(&ObjectName::Outcome(id)).unwrap();
    let access = before.client("a");
    session::open(&access, id.client, id.number, SessionKind::Backup, &Writer::default()).unwrap();
    let late = before.store.read(&ObjectName::Session(id), 1 << 20).unwrap();
    world.store.overwrite(ObjectName::Session(id), &late);
    let history = History::load(&world.client("reader")).unwrap();
    assert!(history.troubles.is_empty() && history.open.is_empty(), "{:?}", history.troubles);
    assert!(session::all(&history).iter().any(|snapshot| snapshot.id == first));
    assert!(world.prune().waiting.is_empty());
    assert_eq!(folder_count(&world, Folder::Sessions), 0, "a prune tidies it away");
    world.assert_whole();
}

#[test]
fn prune_12_a_number_that_is_taken_is_chosen_anew() {
    let world = World::new();
    let access = world.client("a");
    let session = SessionId { client: crate::id::ClientId::from_bytes([1; 16]), number: 1 };
    let condemn = |number| condemn(&access, number, session, &BTreeSet::new(), &BTreeSet::new()).unwrap();
    assert_eq!(condemn(1), Condemning::Done);
    assert_eq!(condemn(1), Condemning::Taken);
}

/// After packs were deleted some said that nothing was changed: what is needed is looked for more than once.
#[test]
fn wherever_a_prune_is_stopped_it_says_that_the_next_one_goes_on() {
    let world = World::new();
    let first = world.back_up("a", &files(0..6, 40_000));
    world.back_up("b", &files(3..9, 40_000));
    world.forget(first);
    let mut stop_count = 0;
    for patience in 0.. {
        let fork = world.fork();
        let owner = fork.client("owner");
        let plan = prune::plan(&owner, &PruneOptions::default(), &Silent).unwrap();
        fork.back_up("c", &files(20..26, 40_000));
        match prune::run(&owner, plan, &PruneOptions::default(), &Patience::of(patience)) {
            Err(error) => assert_eq!(
                (error.kind(), error.to_string().as_str()),
                (ErrorKind::Interrupted, "stopped as asked; the next prune goes on where this one stopped")
            ),
            Ok(_) => break,
        }
        fork.assert_whole();
        stop_count += 1;
    }
    assert!(stop_count > 2, "{stop_count}");
}

#[test]
fn prune_21_of_two_sets_that_cant_be_read_both_are_told() {
    let world = World::new();
    let first = world.back_up("a", &files(0..4, 10_000));
    world.forget(first);
    world.prune();
    let sets = [ObjectName::Condemned { generation: 1 }, ObjectName::Deleted { generation: 1 }];
    sets.iter().for_each(|name| world.store.overwrite(*name, b"rotten"));
    let history = History::load(&world.client("reader")).unwrap();
    let told: Vec<ObjectName> = history.troubles.iter().map(|trouble| trouble.object).collect();
    assert_eq!(told, sets);
    assert!(history.generations.is_empty() && history.unreadable_set().is_some());
}

/// It goes over the rest once more, under another number.
#[test]
fn what_was_written_before_a_number_was_taken_is_told_as_well_and_what_is_damaged_once() {
    use crate::prune::generation::{Condemning, condemn};
    let world = World::new();
    let mut before = BTreeMap::new();
    for start in [0, 10] {
        before = objects(&world.store);
        let first = world.back_up("a", &files(start..start + 6, 40_000));
        world.forget(first);
    }
    let (pack, mut bytes) = objects(&world.store)
        .into_iter()
        .filter(|(name, _)| name.folder() == Folder::Packs && !before.contains_key(name))
        .max_by_key(|(_, bytes)| bytes.len())
        .unwrap();
    for start in [3, 13] {
        world.back_up("b", &files(start..start + 6, 40_000));
    }
    bytes[200_000] ^= 1;
    world.store.overwrite(pack, &bytes);
    let report = prune_beside(&world, |other| {
        let outcomes = History::load(other).unwrap().outcomes;
        let repacked = outcomes.values().find(|outcome| outcome.body.kind == OutcomeKind::Repack);
        repacked.is_some_and(|outcome| {
            let taken = condemn(other, 1, outcome.body.id, &BTreeSet::new(), &BTreeSet::new()).unwrap();
            taken == Condemning::Done
        })
    });
    let told = (report.written.pack_count, report.damaged_frame_count, report.notices.len());
    assert_eq!(told, (1, 1, 1), "{report:?}");
    assert_eq!(History::load(&world.client("reader")).unwrap().generations.last().unwrap().number, 2);
}

#[test]
fn what_another_prune_deleted_is_not_told_as_deleted() {
    let world = World::new();
    let first = world.back_up("a", &files(0..6, 40_000));
    world.back_up("b", &files(6..12, 40_000));
    world.forget(first);
    let before = world.pack_count();
    let report = prune_beside(&world, |other| {
        let history = History::load(other).unwrap();
        let deleted = history.generations.iter().find(|known| known.stage == Stage::Deleted);
        deleted.is_some_and(|known| other.store.remove(&ObjectName::Pack(known.packs[0])).is_ok())
    });
    let gone = u64::try_from(before - world.pack_count()).unwrap();
    assert_eq!(report.deleted.pack_count, gone - 1, "{report:?}");
    world.assert_whole();
}

#[test]
fn prune_19_a_deleted_set_that_comes_after_its_generation_was_retired_deletes_nothing() {
    use crate::prune::generation::{condemn, publish_deleted, retire};
    let world = World::new();
    world.back_up("a", &files(0..4, 10_000));
    let access = world.client("a");
    let session = SessionId { client: crate::id::ClientId::from_bytes([1; 16]), number: 1 };
    let packs: BTreeSet<_> = objects(&world.store)
        .into_keys()
        .filter_map(|name| if let ObjectName::Pack(id) = name { Some(id) } else { None })
        .collect();
    condemn(&access, 1, session, &packs, &BTreeSet::new()).unwrap();
    let condemned = History::load(&access).unwrap().generations[0].condemned.unwrap().hash;
    // Another collector spared everything, and retired the generation.
    assert_eq!(publish_deleted(&access, 1, condemned, BTreeSet::new()).unwrap(), Some(vec![]));
    retire(&access, 1).unwrap();
    assert_eq!(publish_deleted(&access, 1, condemned, packs).unwrap(), None);
    assert_eq!(folder_count(&world, Folder::Gc), 0);
    world.assert_whole();
}

#[test]
fn prune_1_a_key_that_may_not_prune_is_refused_and_so_is_a_store_that_proves_nothing() {
    struct Unproven(crate::store::MemoryStore, crate::store::Fact);
    impl Store for Unproven {
        fn facts(&self) -> Result<crate::store::StoreFacts, crate::store::StoreError> {
            let lists_acknowledged = self.1.clone();
            Ok(crate::store::StoreFacts { creates_exclusively: crate::store::Fact::Proven, lists_acknowledged })
        }
        fn describe(&self) -> String {
            "a store that lags".into()
        }

        forward!(0: create, spool, read, open, list, remove_all, sweep_temporaries, is_mirror, mark_mirror);
    }
    let world = World::new();
    let refused = |fact| {
        let access = world.client_on("a", Arc::new(Unproven(world.store.clone(), fact)));
        prune(&access, &PruneOptions::default()).unwrap_err()
    };
    let lags = refused(crate::store::Fact::Unproven("it lags".into()));
    assert!(lags.kind() == ErrorKind::Unsupported && lags.to_string().contains("it lags"), "prune_15: {lags}");
    let closed = refused(crate::store::Fact::Untried("permission denied".into()));
    let said = "can't be written, so nothing is deleted there: permission denied";
    assert!(closed.kind() == ErrorKind::ReadOnly && closed.to_string().ends_with(said), "{closed}");
}

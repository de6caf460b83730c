use super::super::conformance;
use super::super::{Fact, Proof, StoreError};
use super::steps::{Afterwards, Step};
use super::*;
use crate::id::{ClientId, PackId};
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicU64, Ordering};

fn session(number: u64) -> SessionId {
    SessionId { client: ClientId::from_bytes([1; 16]), number }
}

fn fresh() -> (tempfile::TempDir, LocalStore) {
    let place = tempfile::tempdir().unwrap();
    let store = LocalStore::create(&place.path().join("repository")).unwrap();
    (place, store)
}

fn names_in(path: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(path).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// In memory where there is such a place: what these claim does not depend on the medium, and syncing takes its time.
fn fresh_in_memory() -> (tempfile::TempDir, LocalStore) {
    let place = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let store = LocalStore::create(&place.path().join("repository")).unwrap();
    (place, store)
}

mod linking {
    fn fresh() -> super::conformance::Fresh {
        let (place, store) = super::fresh_in_memory();
        (Box::new(store), Some(place))
    }

    super::conformance::conforms!(fresh);
}

mod without_hard_links {
    fn fresh() -> super::conformance::Fresh {
        let (place, store) = super::fresh_in_memory();
        store.root.pretend_no_links();
        (Box::new(store), Some(place))
    }

    super::conformance::conforms!(fresh);
}

fn a_pack() -> ObjectName {
    ObjectName::Pack(PackId::from_bytes([0xab; 32]))
}

fn publish_a_pack(store: &LocalStore) -> Result<Created, StoreError> {
    let mut spool = store.spool(session(1))?;
    spool.append(b"whole")?;
    spool.publish(&a_pack())
}

#[test]
fn store_3_an_object_is_synced_before_it_is_named_and_its_directory_after() {
    let (_place, store) = fresh();
    store.root.steps().made();
    assert_eq!(publish_a_pack(&store).unwrap(), Created::New);
    let (made, first) = (store.root.steps().made(), [Step::Create, Step::Write, Step::SyncFile]);
    let new_directory = [Step::MakeDirectory, Step::SyncDirectory];
    let last = [Step::Link, Step::Unlink, Step::SyncDirectory];
    assert_eq!(made, [&first[..], &new_directory, &last].concat());

    assert_eq!(publish_a_pack(&store).unwrap(), Created::Exists);
    assert_eq!(store.root.steps().made(), [first, last].concat(), "what is there already is made durable as well");

    store.root.pretend_no_links();
    let name = ObjectName::Segment(crate::id::SegmentId::from_bytes([1; 32]));
    assert_eq!(store.create(&name, b"x").unwrap(), Created::New);
    let last = [Step::Rename, Step::Unlink, Step::SyncDirectory];
    assert_eq!(store.root.steps().made(), [first, last].concat());
}

#[test]
fn store_3_a_crash_at_any_step_leaves_the_whole_object_or_none() {
    for without_links in [false, true] {
        for at in 1..=8 {
            let (place, store) = fresh_in_memory();
            if without_links {
                store.root.pretend_no_links();
            }
            store.root.steps().plan(at, Errno::IO, Afterwards::Dead);
            let published = publish_a_pack(&store);
            drop(store);
            let store = LocalStore::open(&place.path().join("repository")).unwrap();
            let found = conformance::everything(&store);
            match &published {
                Ok(created) => assert_eq!((*created, found.len()), (Created::New, 1)),
                Err(_) => assert!(found.is_empty() || found.contains(&(a_pack(), 5)), "step {at}: {found:?}"),
            }
            assert_eq!(publish_a_pack(&store).unwrap() == Created::Exists, !found.is_empty());
            assert_eq!(store.read(&a_pack(), 10).unwrap(), b"whole");
            store.sweep_temporaries(&|owner| owner == Some(session(1))).unwrap();
            assert_eq!(names_in(&place.path().join("repository/packs")), ["ab"]);
            assert_eq!(names_in(&place.path().join("repository/packs/ab")).len(), 1);
        }
    }
}

#[test]
fn store_8_a_failure_at_any_step_is_reported_and_after_a_failed_sync_nothing_follows() {
    for at in 1..=8 {
        let (_place, store) = fresh_in_memory();
        store.root.steps().plan(at, Errno::NOSPC, Afterwards::Recovers);
        let published = publish_a_pack(&store);
        let failed = store.root.steps().made()[at - 1];
        // A temporary file that can't be removed is swept one day.
        if failed == Step::Unlink {
            assert_eq!(published.unwrap(), Created::New);
        } else {
            assert!(published.is_err_and(|error| error.is_no_space()), "{failed:?}");
        }
        let again = publish_a_pack(&store);
        let abandoned = matches!(again, Err(StoreError::Abandoned { .. }));
        assert_eq!(abandoned, failed == Step::SyncDirectory, "{failed:?} {again:?}");
        assert!(abandoned || again.is_ok(), "{failed:?} {again:?}");
    }
}

#[test]
fn store_6_a_repository_is_made_only_where_nothing_is() {
    let place = tempfile::tempdir().unwrap();
    drop(LocalStore::create(place.path()).unwrap());
    drop(LocalStore::create(place.path()).expect("an attempt that wrote nothing can be taken up again"));
    let store = LocalStore::open(place.path()).unwrap();
    let _ = store.create(&ObjectName::Config(0), b"x").unwrap();
    let refused = LocalStore::create(place.path()).err().unwrap();
    assert!(matches!(&refused, StoreError::ARepository { .. }), "{refused}");
    drop(store);
    std::fs::rename(place.path().join("config/0"), place.path().join("config/.tmp-0011223344556677")).unwrap();
    std::fs::write(place.path().join("keys").join("ab".repeat(32)), "a slot").unwrap();
    drop(LocalStore::create(place.path()).expect("without a configuration there was no repository"));
    for stranger in ["keys/letter", "packs/.tmp-00112233445566778899aabbccddeeff-0000000000000001-0011223344556677"] {
        std::fs::write(place.path().join(stranger), "x").unwrap();
        let refused = LocalStore::create(place.path()).err().unwrap();
        assert!(matches!(&refused, StoreError::NotEmpty { .. }), "{stranger}: {refused}");
        std::fs::remove_file(place.path().join(stranger)).unwrap();
    }

    let other = tempfile::tempdir().unwrap();
    std::fs::write(other.path().join("letter"), "x").unwrap();
    let refused = LocalStore::create(other.path()).err().unwrap();
    assert!(matches!(&refused, StoreError::NotEmpty { found, .. } if found == "letter"), "{refused}");
    assert_eq!(names_in(other.path()), ["letter"]);
}

/// The mark comes first, so a folder may hold nothing else.
#[test]
fn store_6_an_attempt_at_a_mirror_that_ended_early_may_be_made_again_and_is_no_place_for_a_repository() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("this-is-a-mirror"), "").unwrap();
    let refused = LocalStore::create(place.path());
    assert!(matches!(refused, Err(StoreError::NotEmpty { found, .. }) if found == "this-is-a-mirror"));
    assert_eq!(names_in(place.path()), ["this-is-a-mirror"]);
    assert!(LocalStore::create_mirror(place.path()).unwrap().is_mirror().unwrap());
    let _ = LocalStore::create_mirror(place.path()).unwrap().create(&ObjectName::Config(0), b"x").unwrap();
    let refused = LocalStore::create_mirror(place.path());
    assert!(matches!(refused, Err(StoreError::ARepository { .. })));
    assert!(LocalStore::open(place.path()).unwrap().is_mirror().unwrap());
}

#[test]
fn mirror_10_a_mark_that_could_not_be_made_durable_is_told() {
    for at in 1..=4 {
        let (place, store) = fresh_in_memory();
        store.root.steps().plan(at, Errno::NOSPC, Afterwards::Recovers);
        assert!(store.mark_mirror().is_err_and(|error| error.is_no_space()), "{at}");
        let again = store.mark_mirror();
        let step = store.root.steps().made()[at - 1];
        assert_eq!(again.is_err(), step == Step::SyncDirectory, "{step:?}");
        let later = LocalStore::open(&place.path().join("repository")).unwrap();
        later.mark_mirror().unwrap();
        assert!(later.is_mirror().unwrap());
    }
}

#[test]
fn store_6_what_has_no_config_folder_is_not_a_repository_unless_it_lost_that() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("file"), "x").unwrap();
    for path in [place.path().to_owned(), place.path().join("absent"), place.path().join("file")] {
        let refused = LocalStore::open(&path).err().unwrap();
        assert!(matches!(refused, StoreError::NotARepository { .. }), "{refused}");
    }
    let (place, store) = fresh();
    drop(store);
    let path = place.path().join("repository");
    std::fs::remove_dir(path.join("config")).unwrap();
    let is_one = || match LocalStore::open(&path) {
        Ok(_) => true,
        Err(StoreError::NotARepository { .. }) => false,
        Err(error) => panic!("{error}"),
    };
    assert!(!is_one(), "nothing that was ever stored is lost");
    let pack = format!("packs/ab/{}", "ab".repeat(32));
    let outcome = "outcomes/01010101010101010101010101010101-0000000000000102";
    for object in [&pack, outcome, "mirror/config-0", "gc/00000000000000ff/condemned"] {
        let object = path.join(object);
        std::fs::create_dir_all(object.parent().unwrap()).unwrap();
        std::fs::write(&object, "x").unwrap();
        assert!(is_one(), "{}", object.display());
        std::fs::remove_file(&object).unwrap();
    }
    std::fs::write(path.join(outcome), "x").unwrap();
    std::fs::remove_dir_all(path.join("packs")).unwrap();
    assert!(!is_one());
}

#[test]
fn store_6_folders_of_somebody_elses_are_no_repository_whatever_their_names() {
    let place = tempfile::tempdir().unwrap();
    let file = |name: &str| {
        let path = place.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "x").unwrap();
    };
    for name in ["packs/icons.zip", "packs/ab", "packs/cd/notes", "outcomes/2026/letter", "keys/id_ed25519", "mirror/x"]
    {
        file(name);
    }
    assert!(matches!(LocalStore::open(place.path()), Err(StoreError::NotARepository { .. })));
    for name in ["config/settings.toml", "config/00"] {
        file(name);
    }
    assert!(matches!(LocalStore::open(place.path()), Err(StoreError::NotARepository { .. })));
    file("config/0");
    assert!(LocalStore::open(place.path()).is_ok());
}

#[test]
fn a_lost_empty_folder_is_empty_and_made_again() {
    let (place, store) = fresh();
    drop(store);
    let packs = place.path().join("repository/packs");
    std::fs::remove_dir(&packs).unwrap();
    let store = LocalStore::open(&place.path().join("repository")).unwrap();
    assert!(conformance::everything(&store).is_empty());
    let _ = store.create(&ObjectName::Pack(PackId::from_bytes([1; 32])), b"x").unwrap();
    assert_eq!(conformance::everything(&store).len(), 1);
}

#[test]
fn store_9_strangers_are_reported_and_temporaries_are_not() {
    let (place, store) = fresh();
    let root = place.path().join("repository");
    let pack = ObjectName::Pack(PackId::from_bytes([0xab; 32]));
    let _ = store.create(&pack, b"x").unwrap();
    std::fs::write(root.join("packs/notes\n.txt"), "x").unwrap();
    std::fs::write(root.join("packs/ab/.tmp-0011223344556677"), "x").unwrap();
    std::fs::write(root.join("packs/ab").join("cd".repeat(32)), "x").unwrap();
    std::fs::create_dir(root.join("packs/ab").join("ab".repeat(31) + "ff")).unwrap();
    symlink("/etc/passwd", root.join("packs/ab").join("ab".repeat(31) + "00")).unwrap();
    std::fs::create_dir(root.join("packs/xy")).unwrap();
    let (mut objects, mut strangers) = (Vec::new(), Vec::new());
    store
        .list(Folder::Packs, &mut |listed| match listed {
            Listed::Object { name, bytes } => objects.push((name, bytes)),
            Listed::Stranger { path } => strangers.push(path),
        })
        .unwrap();
    strangers.sort();
    assert_eq!(objects, [(pack, 1)]);
    let expected = [
        format!("packs/ab/{}00", "ab".repeat(31)),
        format!("packs/ab/{}ff", "ab".repeat(31)),
        format!("packs/ab/{}", "cd".repeat(32)),
        "packs/notes\\n.txt".into(),
        "packs/xy".into(),
    ];
    assert_eq!(strangers, expected);
}

#[test]
fn what_is_no_regular_file_is_not_opened() {
    let (place, store) = fresh();
    let root = place.path().join("repository");
    symlink("/etc/passwd", root.join("config/0")).unwrap();
    std::fs::create_dir(root.join("config/1")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, root.join("config/2"), rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0)
        .unwrap();
    for number in 0..3 {
        let refused = store.read(&ObjectName::Config(number), 100).unwrap_err();
        assert!(matches!(refused, StoreError::NotAFile { .. }), "{refused}");
    }
}

#[test]
fn store_7_temporaries_go_when_their_session_is_decided() {
    let (place, store) = fresh();
    let packs = place.path().join("repository/packs");
    let mut dead = store.spool(session(1)).unwrap();
    dead.append(&[0; 1000]).unwrap();
    // The process dies: nothing is dropped.
    std::mem::forget(dead);
    let mut alive = store.spool(session(2)).unwrap();
    alive.append(b"alive").unwrap();
    std::fs::write(place.path().join("repository/segments/.tmp-0011223344556677"), "12345").unwrap();
    let begins = format!(".tmp-{}-", session(1));
    assert!(names_in(&packs).iter().any(|name| name.starts_with(&begins)), "{:?}", names_in(&packs));

    assert_eq!(store.sweep_temporaries(&|owner| owner == Some(session(1))).unwrap(), 1000);
    assert_eq!(names_in(&packs).len(), 1, "the living session's file stays");
    assert_eq!(store.sweep_temporaries(&|owner| owner.is_none()).unwrap(), 5);
    let name = ObjectName::Pack(PackId::from_bytes([5; 32]));
    assert_eq!(alive.publish(&name).unwrap(), Created::New);
    assert_eq!(store.read(&name, 10).unwrap(), b"alive");
}

#[test]
fn an_object_whose_file_is_swept_before_it_has_its_name_is_written_again() {
    let (_place, store) = fresh();
    let swept = AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while swept.load(Ordering::Relaxed) < 3 {
                let bytes = store.sweep_temporaries(&|owner| owner.is_none()).unwrap();
                swept.fetch_add(bytes, Ordering::Relaxed);
            }
        });
        for number in 0.. {
            let name = ObjectName::Session(SessionId { number, ..session(1) });
            assert_eq!(store.create(&name, b"x").unwrap(), Created::New);
            assert_eq!(store.read(&name, 10).unwrap(), b"x");
            if swept.load(Ordering::Relaxed) >= 3 {
                break;
            }
        }
    });
}

#[test]
fn a_swept_spool_fails_and_publishes_nothing() {
    for without_links in [false, true] {
        let (_place, store) = fresh();
        if without_links {
            store.root.pretend_no_links();
        }
        let mut spool = store.spool(session(1)).unwrap();
        spool.append(b"x").unwrap();
        assert_eq!(store.sweep_temporaries(&|_| true).unwrap(), 1);
        let refused = spool.publish(&ObjectName::Pack(PackId::from_bytes([5; 32])));
        assert!(matches!(refused, Err(StoreError::Io { operation: "publishing", .. })), "{refused:?}");
        assert!(conformance::everything(&store).is_empty());
    }
}

#[test]
fn store_8_after_a_failed_sync_of_a_directory_nothing_more_is_written() {
    let (_place, store) = fresh();
    let begun = store.spool(session(1)).unwrap();
    let name = ObjectName::Pack(PackId::from_bytes([5; 32]));
    store.root.steps().plan(1, Errno::IO, Afterwards::Recovers);
    assert!(store.root.sync_directory("packs").is_err());
    for refused in [begun.publish(&name), store.create(&name, b"x")] {
        assert!(matches!(refused, Err(StoreError::Abandoned { .. })), "{refused:?}");
    }
    assert!(store.spool(session(1)).is_err());
    assert!(conformance::everything(&store).is_empty());
}

/// Of two prunes that retire the same generation one may find its directory gone where it was about to sync it.
#[test]
fn the_directory_of_a_generation_that_another_prune_removed_needs_no_sync() {
    let (place, store) = fresh();
    assert_eq!(store.create(&ObjectName::Condemned { generation: 1 }, b"x").unwrap(), Created::New);
    let directory = ObjectName::Condemned { generation: 1 }.directory();
    let root = place.path().join("repository");
    std::fs::remove_dir_all(root.join(&directory)).unwrap();
    store.root.sync_directory(&directory).unwrap();
    std::fs::remove_dir_all(root.join("packs")).unwrap();
    assert!(store.root.sync_directory("packs").is_err(), "nobody removes that");
}

#[test]
fn store_5_what_can_not_be_written_reads_and_proves_nothing() {
    for errno in [Errno::ROFS, Errno::ACCESS] {
        let (place, store) = fresh_in_memory();
        assert_eq!(publish_a_pack(&store).unwrap(), Created::New);
        let store = LocalStore::open(&place.path().join("repository")).unwrap();
        store.root.steps().plan(1, errno, Afterwards::Dead);
        assert_eq!(store.read(&a_pack(), 10).unwrap(), b"whole");
        assert_eq!(conformance::everything(&store).len(), 1);
        let facts = store.facts().unwrap();
        assert!(matches!(&facts.creates_exclusively, Fact::Untried(_)), "{facts:?}");
        assert!(!facts.lists_acknowledged.is_proven());
        assert!(store.create(&ObjectName::Config(1), b"x").is_err_and(|error| error.is_read_only()));
    }
}

#[test]
fn store_5_a_proof_hindered_by_a_full_disk_is_tried_again() {
    let (_place, store) = fresh_in_memory();
    store.root.steps().plan(1, Errno::NOSPC, Afterwards::Recovers);
    assert!(store.facts().is_err_and(|error| error.is_no_space()));
    assert!(store.facts().unwrap().creates_exclusively.is_proven());
}

/// A prune that saw no open session swept what another process, which only began, tried the store out with; that one then
/// failed, or took the store for one that proves nothing.
#[test]
fn store_5_a_proof_withstands_a_sweep_at_any_moment() {
    let (place, store) = fresh();
    let sweep = |at: fn(usize, usize) -> bool, chosen: usize| {
        let other = LocalStore::open(&place.path().join("repository")).unwrap();
        store.root.steps().before_each(move |number| {
            if at(number, chosen) {
                other.sweep_temporaries(&|owner| owner.is_none()).unwrap();
            }
        });
        probe::prove(&store.root)
    };
    let calls = {
        assert!(sweep(|_, _| false, 0).unwrap().creates_exclusively.is_proven());
        store.root.steps().made().len()
    };
    assert!(calls > 10, "{calls}");
    let mut repeated = 0;
    for chosen in 1..=calls {
        let facts = sweep(|number, chosen| number == chosen, chosen).unwrap();
        assert!(facts.creates_exclusively.is_proven() && facts.lists_acknowledged.is_proven(), "{chosen}: {facts:?}");
        repeated += usize::from(store.root.steps().made().len() > calls);
    }
    assert!(repeated > 3, "{repeated} of {calls}");
    assert!(sweep(|_, _| true, 0).is_err(), "nobody waits for ever");
    assert!(names_in(&place.path().join("repository/sessions")).is_empty());
}

#[test]
fn a_mend_whose_file_is_swept_does_not_take_the_object_for_lost() {
    let (place, store) = fresh();
    let (name, bytes) = (ObjectName::Pack(PackId::of(b"whole")), b"whole");
    assert_eq!(store.create(&name, bytes).unwrap(), Created::New);
    std::fs::write(place.path().join("repository").join(name.to_string()), "wrong").unwrap();
    let mut mending = store.mend(&name, Proof::Plain).unwrap();
    mending.append(bytes).unwrap();
    store.sweep_temporaries(&|owner| owner.is_none()).unwrap();
    let failed = mending.publish(&name).unwrap_err();
    assert!(failed.is_vanished() && !failed.is_not_found(), "{failed}");
    assert!(failed.to_string().contains("run again"), "{failed}");
}

mod remote {
    fn fresh() -> super::conformance::Fresh {
        let (place, store) = super::fresh_in_memory();
        store.root.steps().pretend_remote();
        (Box::new(store), Some(place))
    }

    super::conformance::conforms!(fresh);
}

#[test]
fn store_4_a_listing_that_is_not_local_business_is_forced_directory_by_directory() {
    let (_place, store) = fresh_in_memory();
    assert_eq!(publish_a_pack(&store).unwrap(), Created::New);
    store.root.steps().made();
    assert_eq!(conformance::everything(&store).len(), 1);
    assert_eq!(store.root.steps().made(), [Step::Ask], "a local listing needs no help");
    store.root.steps().pretend_remote();
    assert_eq!(conformance::everything(&store).len(), 1);
    let made = store.root.steps().made().into_iter().filter(|step| *step != Step::Ask);
    assert_eq!(made.collect::<Vec<_>>(), [Step::Create, Step::Unlink].repeat(Folder::ALL.len() + 1));
    store.root.steps().plan(1, Errno::ROFS, Afterwards::Dead);
    assert_eq!(conformance::everything(&store).len(), 1, "who can't write can still look");
}

/// A sub-directory of which nothing could be learned was taken for a stranger, and all packs in it for lost: a check then
/// found damage where a cable was loose.
#[test]
fn store_4_a_sub_directory_that_can_not_be_looked_at_ends_the_listing() {
    let (_place, store) = fresh_in_memory();
    assert_eq!(publish_a_pack(&store).unwrap(), Created::New);
    store.root.steps().plan(1, Errno::IO, Afterwards::Recovers);
    let listed = store.list(Folder::Packs, &mut |listed| panic!("{listed:?}"));
    assert!(matches!(&listed, Err(StoreError::Io { operation: "listing", place, .. }) if place.ends_with("packs/ab")));
    store.root.steps().plan(1, Errno::NOENT, Afterwards::Recovers);
    assert!(store.list(Folder::Packs, &mut |_| {}).is_ok(), "it was removed meanwhile");
}

#[test]
fn a_full_device_is_reported_as_such() {
    let error = std::fs::write("/dev/full", "x").unwrap_err();
    assert!(StoreError::from_io("writing", "/dev/full", error).is_no_space());
    let quota = std::io::Error::from(rustix::io::Errno::DQUOT);
    assert!(StoreError::from_io("writing", "there", quota).is_no_space());
    let read_only = std::io::Error::from(rustix::io::Errno::ROFS);
    assert!(StoreError::from_io("writing", "there", read_only).is_read_only());
}

/// Two processes of one client reach for the same number. The first is stopped while it writes its session's object;
/// the second takes the number, is done with it and sweeps. The first then found its file gone and failed.
#[test]
fn a_session_that_is_not_opened_yet_loses_nothing_to_another_of_its_number() {
    let (place, store) = fresh_in_memory();
    let sessions = place.path().join("repository/sessions");
    store.root.steps().plan(3, Errno::IO, Afterwards::Dead);
    store.create(&ObjectName::Session(session(1)), b"x").unwrap_err();
    let other = LocalStore::open(&place.path().join("repository")).unwrap();
    other.sweep_temporaries(&|owner| owner == Some(session(1))).unwrap();
    assert_eq!(names_in(&sessions).len(), 1);
    other.sweep_temporaries(&|owner| owner.is_none()).unwrap();
    assert!(names_in(&sessions).is_empty());
}

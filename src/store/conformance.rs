//! What every store must do, whatever it is made of. Each function is one claim; `run` makes them all.

use super::{Created, Folder, Listed, Mirrored, ObjectName, Proof, Store, StoreError};
use crate::id::{ClientId, ObjectHash, PackId, SegmentId, SessionId};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A fresh store, and what has to be kept as long as it is used.
pub(crate) type Fresh = (Box<dyn Store>, Option<tempfile::TempDir>);

/// Makes every claim a test of the stores that a function makes.
macro_rules! conforms {
    ($make:expr) => {
        #[test]
        fn store_2_the_first_to_create_a_name_wins() {
            let fresh = $make();
            $crate::store::conformance::the_first_to_create_a_name_wins(&*fresh.0);
        }

        #[test]
        fn store_2_racing_creators_have_one_winner() {
            let fresh = $make();
            $crate::store::conformance::racing_creators_have_one_winner(&*fresh.0);
        }

        #[test]
        fn an_object_of_every_kind_reads_back() {
            let fresh = $make();
            $crate::store::conformance::an_object_of_every_kind_reads_back(&*fresh.0);
        }

        #[test]
        fn ranges_read_back_and_never_reach_beyond_the_end() {
            let fresh = $make();
            $crate::store::conformance::ranges_read_back_and_never_reach_beyond_the_end(&*fresh.0);
        }

        #[test]
        fn an_absent_object_is_not_found() {
            let fresh = $make();
            $crate::store::conformance::an_absent_object_is_not_found(&*fresh.0);
        }

        #[test]
        fn a_small_object_above_its_limit_is_refused() {
            let fresh = $make();
            $crate::store::conformance::a_small_object_above_its_limit_is_refused(&*fresh.0);
        }

        #[test]
        fn store_3_a_spool_publishes_under_a_name_known_at_the_end() {
            let fresh = $make();
            $crate::store::conformance::a_spool_publishes_under_a_name_known_at_the_end(&*fresh.0);
        }

        #[test]
        fn store_7_a_dropped_spool_leaves_nothing() {
            let fresh = $make();
            $crate::store::conformance::a_dropped_spool_leaves_nothing(&*fresh.0);
        }

        #[test]
        fn store_4_a_listing_shows_what_was_acknowledged_and_not_what_was_removed() {
            let fresh = $make();
            $crate::store::conformance::a_listing_shows_what_was_acknowledged_and_not_what_was_removed(&*fresh.0);
        }

        #[test]
        fn removing_passes_over_what_is_absent() {
            let fresh = $make();
            $crate::store::conformance::removing_passes_over_what_is_absent(&*fresh.0);
        }

        #[test]
        fn store_11_bytes_that_fit_a_name_replace_only_bytes_that_do_not() {
            let fresh = $make();
            $crate::store::conformance::bytes_that_fit_a_name_replace_only_bytes_that_do_not(&*fresh.0);
        }

        #[test]
        fn mirror_10_a_mark_is_there_once_it_is_made_and_is_no_object() {
            let fresh = $make();
            $crate::store::conformance::a_mark_is_there_once_it_is_made_and_is_no_object(&*fresh.0);
        }

        #[test]
        fn store_5_the_facts_are_proven() {
            let fresh = $make();
            $crate::store::conformance::the_facts_are_proven(&*fresh.0);
        }
    };
}
pub(crate) use conforms;

fn session(number: u64) -> SessionId {
    SessionId { client: ClientId::from_bytes([7; 16]), number }
}

fn every_kind() -> Vec<ObjectName> {
    vec![
        ObjectName::Config(0),
        ObjectName::Config(10),
        ObjectName::Key(ObjectHash::from_bytes([1; 32])),
        ObjectName::Pack(PackId::from_bytes([2; 32])),
        ObjectName::Pack(PackId::from_bytes([0xfe; 32])),
        ObjectName::Segment(SegmentId::from_bytes([3; 32])),
        ObjectName::Session(session(1)),
        ObjectName::Heartbeat(session(1), 2),
        ObjectName::Outcome(session(1)),
        ObjectName::Record(ClientId::from_bytes([7; 16]), 5),
        ObjectName::Verified(ClientId::from_bytes([7; 16]), 5),
        ObjectName::Condemned { generation: 1 },
        ObjectName::Deleted { generation: 1 },
        ObjectName::Condemned { generation: u64::MAX },
        ObjectName::Parity(PackId::from_bytes([2; 32])),
        ObjectName::Mirror(Mirrored::Outcome(session(1))),
        ObjectName::Mirror(Mirrored::Deleted(7)),
    ]
}

/// Everything in a store, with lengths. Strangers are a failure.
pub(crate) fn everything(store: &dyn Store) -> BTreeSet<(ObjectName, u64)> {
    let mut found = BTreeSet::new();
    for folder in Folder::ALL {
        store
            .list(folder, &mut |listed| match listed {
                Listed::Object { name, bytes } => {
                    assert_eq!(name.folder(), folder);
                    assert!(found.insert((name, bytes)), "{name} is listed twice");
                }
                Listed::Stranger { path } => panic!("{path} is no object"),
            })
            .unwrap();
    }
    found
}

pub(crate) fn the_first_to_create_a_name_wins(store: &dyn Store) {
    let name = ObjectName::Outcome(session(1));
    assert_eq!(store.create(&name, b"commit").unwrap(), Created::New);
    assert_eq!(store.create(&name, b"abort").unwrap(), Created::Exists);
    assert_eq!(store.read(&name, 100).unwrap(), b"commit");
}

pub(crate) fn an_object_of_every_kind_reads_back(store: &dyn Store) {
    for name in every_kind() {
        assert_eq!(store.create(&name, name.to_string().as_bytes()).unwrap(), Created::New, "{name}");
    }
    for name in every_kind() {
        assert_eq!(store.read(&name, 1000).unwrap(), name.to_string().as_bytes());
    }
    let expected: BTreeSet<_> =
        every_kind().into_iter().map(|name| (name, u64::try_from(name.to_string().len()).unwrap())).collect();
    assert_eq!(everything(store), expected);
}

pub(crate) fn ranges_read_back_and_never_reach_beyond_the_end(store: &dyn Store) {
    let name = ObjectName::Parity(PackId::from_bytes([9; 32]));
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let _ = store.create(&name, &bytes).unwrap();
    let object = store.open(&name).unwrap();
    assert_eq!(object.bytes(), 100_000);
    for (offset, length) in [(0, 0), (0, 100_000), (99_999, 1), (100_000, 0), (70_000, 12_345)] {
        let mut buffer = vec![0; length];
        object.read_at(u64::try_from(offset).unwrap(), &mut buffer).unwrap();
        assert_eq!(buffer, bytes[offset..offset + length]);
    }
    for (offset, length) in [(100_000, 1), (99_999, 2), (0, 100_001), (u64::MAX, 1), (100_001, 0)] {
        let refused = object.read_at(offset, &mut vec![0; length]);
        assert!(matches!(refused, Err(StoreError::OutOfRange { .. })), "{offset} {length}");
    }
}

pub(crate) fn an_absent_object_is_not_found(store: &dyn Store) {
    for name in every_kind() {
        assert!(store.read(&name, 1000).is_err_and(|error| error.is_not_found()));
        assert!(store.open(&name).err().is_some_and(|error| error.is_not_found()));
        assert!(store.remove(&name).is_err_and(|error| error.is_not_found()));
    }
}

pub(crate) fn a_small_object_above_its_limit_is_refused(store: &dyn Store) {
    let name = ObjectName::Config(0);
    let _ = store.create(&name, &[0; 100]).unwrap();
    assert_eq!(store.read(&name, 100).unwrap().len(), 100);
    let refused = store.read(&name, 99);
    assert!(matches!(refused, Err(StoreError::TooLarge { bytes: 100, limit_bytes: 99, .. })), "{refused:?}");
}

pub(crate) fn a_spool_publishes_under_a_name_known_at_the_end(store: &dyn Store) {
    let name = ObjectName::Pack(PackId::from_bytes([0xab; 32]));
    for (text, expected) in [(b"first", Created::New), (b"other", Created::Exists)] {
        let mut spool = store.spool(session(3)).unwrap();
        for piece in text.chunks(2) {
            spool.append(piece).unwrap();
        }
        assert!(expected == Created::Exists || everything(store).is_empty(), "nothing shows before it is published");
        assert_eq!(spool.publish(&name).unwrap(), expected);
    }
    assert_eq!(store.read(&name, 100).unwrap(), b"first");
    assert_eq!(everything(store).len(), 1);
}

pub(crate) fn a_dropped_spool_leaves_nothing(store: &dyn Store) {
    let mut spool = store.spool(session(3)).unwrap();
    spool.append(&[1; 1000]).unwrap();
    drop(spool);
    assert!(everything(store).is_empty());
    assert_eq!(store.sweep_temporaries(&|_| true).unwrap(), 0);
}

pub(crate) fn a_listing_shows_what_was_acknowledged_and_not_what_was_removed(store: &dyn Store) {
    let packs: Vec<_> = (0..=255).map(|n| ObjectName::Pack(PackId::from_bytes([n; 32]))).collect();
    for name in &packs {
        let _ = store.create(name, b"x").unwrap();
        assert!(everything(store).contains(&(*name, 1)));
        if packs.iter().position(|pack| pack == name) == Some(9) {
            break;
        }
    }
    assert_eq!(store.remove_all(&packs[..5]).unwrap(), packs[..5]);
    assert_eq!(everything(store), packs[5..10].iter().map(|name| (*name, 1)).collect());
}

pub(crate) fn removing_passes_over_what_is_absent(store: &dyn Store) {
    let name = ObjectName::Condemned { generation: 4 };
    let absent = ObjectName::Deleted { generation: 4 };
    let _ = store.create(&name, b"x").unwrap();
    assert_eq!(store.remove_all(&[name, absent, name]).unwrap(), [name]);
    assert_eq!(store.create(&absent, b"x").unwrap(), Created::New);
    store.remove(&absent).unwrap();
    assert!(everything(store).is_empty());
}

pub(crate) fn racing_creators_have_one_winner(store: &dyn Store) {
    for round in 0..1000 {
        let name = ObjectName::Outcome(session(round));
        let barrier = std::sync::Barrier::new(2);
        let attempt = |bytes: &'static [u8]| {
            barrier.wait();
            store.create(&name, bytes).unwrap()
        };
        let (left, right) = std::thread::scope(|scope| {
            let left = scope.spawn(|| attempt(b"left"));
            let right = attempt(b"right");
            (left.join().unwrap(), right)
        });
        let winner: &[u8] = if left == Created::New { b"left" } else { b"right" };
        assert_ne!(left, right, "exactly one wins round {round}");
        assert_eq!(store.read(&name, 100).unwrap(), winner);
    }
    assert_eq!(everything(store).len(), 1000);
}

pub(crate) fn bytes_that_fit_a_name_replace_only_bytes_that_do_not(store: &dyn Store) {
    let right = vec![7; 100_000];
    let pack = ObjectName::Pack(PackId::of(&right));
    let checksummed = |body: &[u8]| [body, blake3::hash(body).as_bytes()].concat();
    let small = checksummed(b"a small object");
    for (name, right) in [(pack, right), (ObjectName::Outcome(session(4)), small)] {
        let mend = |bytes: &[u8]| {
            let mut spool = store.mend(&name, Proof::Plain).unwrap();
            bytes.chunks(30_000).for_each(|piece| spool.append(piece).unwrap());
            spool.publish(&name)
        };
        assert!(mend(&right).is_err_and(|error| error.is_not_found()), "{name}: nothing is made that is not there");
        let _ = store.create(&name, b"damaged").unwrap();
        let mut wrong = right.clone();
        wrong[3] ^= 1;
        let refused = mend(&wrong);
        assert!(matches!(refused, Err(StoreError::Unproven { .. })), "{name}: {refused:?}");
        assert_eq!(store.read(&name, 1 << 20).unwrap(), b"damaged");
        assert_eq!(mend(&right).unwrap(), Created::New);
        assert_eq!(store.read(&name, 1 << 20).unwrap(), right);
        assert_eq!(mend(&right).unwrap(), Created::Exists, "{name}: what is right stays");
    }
    let (name, other) = (ObjectName::Outcome(session(4)), checksummed(b"another object"));
    let mend = |bytes: &[u8], wanted: &[u8]| {
        let wanted = wanted.to_vec();
        let mut spool = store.mend(&name, Proof::Keyed(Arc::new(move |bytes| bytes == wanted))).unwrap();
        spool.append(bytes).unwrap();
        spool.publish(&name)
    };
    let refused = mend(&other, b"a third one");
    assert!(matches!(refused, Err(StoreError::Unproven { .. })), "{refused:?}");
    assert_eq!(mend(&other, &other).unwrap(), Created::New, "a key tells one sound object from another");
    assert_eq!(store.read(&name, 1 << 20).unwrap(), other);
    assert_eq!(mend(&other, &other).unwrap(), Created::Exists);
    assert_eq!(everything(store).len(), 2, "nothing else is left");
    assert_eq!(store.sweep_temporaries(&|_| true).unwrap(), 0);
}

pub(crate) fn a_mark_is_there_once_it_is_made_and_is_no_object(store: &dyn Store) {
    assert!(!store.is_mirror().unwrap());
    for _ in 0..2 {
        store.mark_mirror().unwrap();
        assert!(store.is_mirror().unwrap());
    }
    for folder in Folder::ALL {
        store.list(folder, &mut |listed| panic!("{listed:?}")).unwrap();
    }
}

pub(crate) fn the_facts_are_proven(store: &dyn Store) {
    let facts = store.facts().unwrap();
    assert!(facts.creates_exclusively.is_proven(), "{facts:?}");
    assert!(facts.lists_acknowledged.is_proven(), "{facts:?}");
    assert!(everything(store).is_empty(), "a proof leaves nothing behind");
}

//! What a scrub must find, and what it must not call damage.

use super::{Remedy, ScrubOptions, ScrubReport, run};
use crate::config;
use crate::error::ErrorKind;
use crate::heal;
use crate::id::{ClientId, ObjectHash, PackId, SegmentId, SessionId};
use crate::parity::Percent;
use crate::progress::{Event, Progress, Silent};
use crate::store::moody::{Mood, MoodyStore};
use crate::store::{Created, LocalStore, MemoryStore, ObjectName, Store};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that differ from one object to the next.
fn noise(seed: u32, count: usize) -> Vec<u8> {
    let mut words = (seed..).map(|number| number.wrapping_mul(2_654_435_761));
    std::iter::from_fn(|| words.next()).flat_map(u32::to_le_bytes).take(count).collect()
}

fn checksummed(seed: u32, count: usize) -> Vec<u8> {
    let mut bytes = noise(seed, count);
    let checksum = blake3::hash(&bytes);
    bytes.extend_from_slice(checksum.as_bytes());
    bytes
}

fn config(number: u32) -> Vec<u8> {
    let body = [config::beginning_of(number), noise(number, 400)].concat();
    [&body[..], &hash(&body)].concat()
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    *blake3::hash(bytes).as_bytes()
}

/// Sound objects of every kind: packs of less than a piece, exactly two, and a little more than one.
fn objects() -> Vec<(ObjectName, Vec<u8>)> {
    let session = SessionId { client: ClientId::from_bytes([7; 16]), number: 3 };
    let mut objects: Vec<(ObjectName, Vec<u8>)> = [1000, 2 << 20, (1 << 20) + 17]
        .into_iter()
        .map(|count| noise(1, count))
        .map(|bytes| (ObjectName::Pack(PackId::from_bytes(hash(&bytes))), bytes))
        .collect();
    let key = noise(2, 300);
    objects.push((ObjectName::Key(ObjectHash::from_bytes(hash(&key))), key));
    let segment = noise(3, 5000);
    objects.push((ObjectName::Segment(SegmentId::from_bytes(hash(&segment))), segment));
    objects.push((ObjectName::Config(0), config(0)));
    let by_their_end = [
        ObjectName::Session(session),
        ObjectName::Heartbeat(session, 2),
        ObjectName::Outcome(session),
        ObjectName::Record(session.client, 1),
        ObjectName::Verified(session.client, 1),
        ObjectName::Condemned { generation: 4 },
        ObjectName::Deleted { generation: 4 },
    ];
    objects.extend(by_their_end.into_iter().zip(10..).map(|(name, seed)| (name, checksummed(seed, 400))));
    objects
}

fn store(objects: &[(ObjectName, Vec<u8>)]) -> MemoryStore {
    let store = MemoryStore::new();
    objects.iter().for_each(|(name, bytes)| store.overwrite(*name, bytes));
    store
}

fn scrub(store: &dyn Store) -> ScrubReport {
    run(store, &ScrubOptions::default().threads(3), &Silent).unwrap()
}

fn names(report: &ScrubReport) -> Vec<String> {
    report.damage.iter().map(|damage| damage.object.clone()).collect()
}

#[test]
fn every_kind_of_object_is_proved_without_a_key() {
    let objects = objects();
    let report = scrub(&store(&objects));
    assert_eq!((report.damage.count(), report.unread.count(), report.unknown.count()), (0, 0, 0), "{report:?}");
    assert_eq!((report.pack_count, report.small_object_count), (3, 10));
    let bytes: usize = objects.iter().map(|(_, bytes)| bytes.len()).sum();
    assert_eq!(usize::try_from(report.proven_bytes), Ok(bytes));
}

/// What is done to an object, by name.
type Wound = (&'static str, fn(&mut Vec<u8>));

#[test]
fn store_10_whatever_is_done_to_an_objects_bytes_it_is_named_and_no_other() {
    let objects = objects();
    let wounds: [Wound; 7] = [
        ("the first bit", |bytes| bytes[0] ^= 1),
        ("a bit in the middle", |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x10;
        }),
        ("the last bit", |bytes| *bytes.last_mut().unwrap() ^= 0x80),
        ("cut short", |bytes| bytes.truncate(bytes.len() - 1)),
        ("cut to nothing", Vec::clear),
        ("longer", |bytes| bytes.push(0)),
        ("zeros", |bytes| bytes.fill(0)),
    ];
    for (name, bytes) in &objects {
        for (wound, inflict) in wounds {
            let store = store(&objects);
            let mut bytes = bytes.clone();
            inflict(&mut bytes);
            store.overwrite(*name, &bytes);
            let report = scrub(&store);
            assert_eq!(names(&report), [name.to_string()], "{wound}");
            assert_eq!(report.pack_count + report.small_object_count, 12, "{wound}");
        }
    }
}

#[test]
fn store_10_bytes_that_are_sound_under_another_name_are_damage_where_the_name_is_the_hash() {
    let objects = objects();
    let store = store(&objects);
    store.overwrite(objects[0].0, &objects[1].1);
    let report = scrub(&store);
    assert_eq!(names(&report), [objects[0].0.to_string()]);
    let said = format!("its 2097152 bytes hash to {} and not to its name", blake3::hash(&objects[1].1));
    assert_eq!(report.damage[0].wrong, said);
}

#[test]
fn what_no_repository_can_be_opened_without_is_missed() {
    let objects = objects();
    let store = store(&objects);
    store.remove(&ObjectName::Config(0)).unwrap();
    store.overwrite(ObjectName::Config(2), &config(2));
    store.remove(&objects[3].0).unwrap();
    let report = scrub(&store);
    assert_eq!(names(&report), ["config", "keys"]);
    assert!(report.damage[0].wrong.contains("2 of 3 configurations"), "{report:?}");
}

#[test]
fn parity_has_to_be_of_the_pack_whose_name_it_bears() {
    let objects = objects();
    let (ObjectName::Pack(one), ObjectName::Pack(other)) = (objects[0].0, objects[1].0) else { panic!("packs first") };
    let store = store(&objects);
    crate::store::protect(&store, &objects[0].0, Percent::DEFAULT).unwrap();
    assert_eq!(scrub(&store).damage.count(), 0);
    let parity = store.read(&ObjectName::Parity(one), 1 << 20).unwrap();
    store.overwrite(ObjectName::Parity(other), &parity);
    let report = scrub(&store);
    assert_eq!(names(&report), [ObjectName::Parity(other).to_string()]);
    let healing = ScrubOptions::default().remedy(Remedy::Heal);
    for (healed_count, round) in [(1, "the first"), (0, "the second")] {
        let report = run(&store, &healing, &Silent).unwrap();
        assert_eq!((report.healed.count(), report.damage.count()), (healed_count, 0), "{round}: {report:?}");
    }
    // One of a later version is not for this program to judge.
    let mut later = parity[..parity.len() - 32].to_vec();
    later[8] = 2;
    let checksum = hash(&later);
    later.extend_from_slice(&checksum);
    store.overwrite(ObjectName::Parity(other), &later);
    assert_eq!(scrub(&store).damage.count(), 0);
}

/// Two configurations under each other's names kept every repository shut, and no damage was found.
#[test]
fn store_10_a_configuration_has_the_number_in_its_name() {
    let store = store(&objects());
    store.overwrite(ObjectName::Config(1), &config(1));
    heal::protect_all(&store, &heal::ProtectOptions::default(), &Silent).unwrap();
    let copy = ObjectName::Config(1).mirror().unwrap();
    store.overwrite(ObjectName::Config(0), &config(1));
    store.overwrite(copy, &config(0));
    let report = scrub(&store);
    assert_eq!(names(&report), ["config/0".to_owned(), copy.to_string()]);
    assert_eq!(report.damage[0].wrong, "configuration 1 lies under the name of configuration 0");
    // An object of another kind is none, and one of a later version is not for this program to judge.
    store.overwrite(copy, &checksummed(9, 400));
    assert_eq!(names(&scrub(&store)), ["config/0".to_owned(), copy.to_string()]);
    let mut later = config(0)[..100].to_vec();
    later[8] = 2;
    store.overwrite(copy, &[&later[..], &hash(&later)].concat());
    assert_eq!(names(&scrub(&store)), ["config/0"]);
}

#[test]
fn a_scrub_that_heals_reports_what_it_healed_and_what_it_could_not() {
    let objects = objects();
    let store = store(&objects);
    heal::protect_all(&store, &heal::ProtectOptions::default(), &Silent).unwrap();
    let flip = |name: &ObjectName, at: usize| {
        let mut bytes = store.read(name, 1 << 30).unwrap();
        bytes[at] ^= 1;
        store.overwrite(*name, &bytes);
    };
    let outcome = ObjectName::Outcome(SessionId { client: ClientId::from_bytes([7; 16]), number: 3 });
    let session = ObjectName::Session(SessionId { client: ClientId::from_bytes([7; 16]), number: 3 });
    flip(&objects[1].0, 70_000);
    flip(&outcome, 5);
    flip(&session, 5);
    store.remove(&ObjectName::Config(0)).unwrap();
    let report = run(&store, &ScrubOptions::default().threads(2).remedy(Remedy::Heal), &Silent).unwrap();
    let healed: Vec<String> = report.healed.iter().map(|healed| healed.object.clone()).collect();
    let mut expected = vec!["config/0".to_owned(), outcome.to_string(), objects[1].0.to_string()];
    expected.sort();
    assert_eq!((healed, report.healed.count()), (expected, 3));
    assert_eq!(names(&report), [session.to_string()]);
    let again = scrub(&store);
    assert_eq!((names(&again), again.healed.count()), (vec![session.to_string()], 0));
}

#[test]
fn an_object_is_read_twice_before_it_is_called_damaged() {
    let objects = objects();
    for place in 0..objects.len() {
        let name = objects[place].0;
        let report = |mood| scrub(&MoodyStore::new(Arc::new(store(&objects)), name, mood));
        for mood in [Mood::WrongOnce, Mood::FailsOnce] {
            let report = report(mood);
            assert_eq!((report.damage.count(), report.notices.len()), (0, 1), "{report:?}");
            assert!(report.notices[0].starts_with(&format!("{name} was read right only the second time")));
        }
        assert_eq!(names(&report(Mood::Fails)), [name.to_string()]);
        let gone = report(Mood::Gone);
        assert_eq!((gone.damage.count(), gone.pack_count + gone.small_object_count), (0, 12), "{gone:?}");
        let denied = report(Mood::Denied);
        assert_eq!((denied.damage.count(), denied.unread.count()), (0, 1), "{denied:?}");
    }
}

#[test]
fn in_a_directory_strangers_are_named_and_temporary_files_counted() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("store");
    let local = LocalStore::create(&place).unwrap();
    for (name, bytes) in objects() {
        assert_eq!(local.create(&name, &bytes).unwrap(), Created::New);
    }
    std::fs::write(place.join("packs/letter"), b"dear").unwrap();
    std::fs::write(place.join("outcomes/.tmp-0123456789abcdef"), b"").unwrap();
    std::fs::write(place.join("packs/.tmp-07070707070707070707070707070707-0000000000000003-0123456789abcdef"), b"x")
        .unwrap();
    let report = scrub(&local);
    assert_eq!((report.damage.count(), report.temporary_count), (0, 2), "{report:?}");
    assert_eq!(*report.unknown, ["packs/letter"]);
    assert_eq!((report.pack_count, report.small_object_count), (3, 10));
}

/// Asks to stop once so much was read.
struct Impatient(AtomicUsize);

impl Progress for Impatient {
    fn event(&self, event: &Event<'_>) {
        if let Event::Processed { .. } = event {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn stopped(&self) -> bool {
        self.0.load(Ordering::SeqCst) > 2
    }
}

#[test]
fn a_scrub_that_is_asked_to_stop_says_that_it_did_not_finish() {
    let stopped = run(&store(&objects()), &ScrubOptions::default().threads(2), &Impatient(AtomicUsize::new(0)));
    let stopped = stopped.unwrap_err();
    assert_eq!(stopped.kind(), ErrorKind::Interrupted);
    assert!(stopped.to_string().ends_with("nothing was changed"), "{stopped}");
    let store = store(&objects());
    heal::protect_all(&store, &heal::ProtectOptions::default(), &Silent).unwrap();
    store.remove(&ObjectName::Config(0)).unwrap();
    let healing = ScrubOptions::default().threads(2).remedy(Remedy::Heal);
    let stopped = run(&store, &healing, &Impatient(AtomicUsize::new(0))).unwrap_err();
    assert!(stopped.to_string().ends_with("1 object was healed by then"), "{stopped}");
}

/// A length that was set to thirty gigabytes, by a flipped bit of the file system, kept a scrub and a repair busy for minutes.
#[test]
fn what_is_longer_than_any_such_object_is_damaged_and_is_not_hashed() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::create(folder.path()).unwrap();
    let mut objects = objects();
    objects.retain(|(name, _)| matches!(name, ObjectName::Pack(_) | ObjectName::Outcome(_) | ObjectName::Segment(_)));
    for (name, bytes) in &objects {
        assert_eq!(store.create(name, bytes).unwrap(), Created::New);
        if let Some(copy) = name.mirror() {
            assert_eq!(store.create(&copy, bytes).unwrap(), Created::New);
        }
        let file = folder.path().join(name.to_string());
        let path = std::fs::File::options().write(true).open(&file).or_else(|_| {
            let copy = folder.path().join("aside");
            std::fs::copy(&file, &copy)?;
            std::fs::rename(&copy, &file)?;
            std::fs::File::options().write(true).open(&file)
        });
        path.unwrap().set_len(2 << 30).unwrap();
    }
    let report = scrub(&store);
    let long: Vec<_> = report.damage.iter().filter(|damage| damage.object.contains('/')).collect();
    assert_eq!(long.len(), objects.len(), "{report:?}");
    for damage in long {
        assert!(damage.wrong.ends_with("bytes are more than any such object has"), "{damage:?}");
    }
    let healed = run(&store, &ScrubOptions::default().remedy(Remedy::Heal), &Silent).unwrap();
    assert_eq!(healed.healed.count(), 2, "the packs have no parity: {healed:?}");
    let hashed = usize::try_from(healed.proven_bytes).unwrap();
    assert!(hashed < 1 << 20, "{hashed}");
}

//! What is healed, what is left as it is, and what stays gone.

use super::*;
use crate::config;
use crate::id::{ClientId, ObjectHash, SegmentId, SessionId};
use crate::progress::Silent;
use crate::store::{Folder, Listed, LocalStore, MemoryStore, is_proven};

fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut out = vec![0; bytes];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut out);
    out
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    *blake3::hash(bytes).as_bytes()
}

fn checksummed(seed: u64) -> Vec<u8> {
    let body = noise(seed, 300);
    let checksum = hash(&body);
    [body, checksum.to_vec()].concat()
}

fn config(number: u32) -> Vec<u8> {
    let body = [config::beginning_of(number), noise(number.into(), 300)].concat();
    [&body[..], &hash(&body)].concat()
}

fn session() -> SessionId {
    SessionId { client: ClientId::from_bytes([7; 16]), number: 3 }
}

/// One object of every kind that can be healed, with its right bytes.
fn objects() -> Vec<(ObjectName, Vec<u8>)> {
    let pack = noise(1, 300_000);
    let small = noise(2, 900);
    let (key, segment) = (noise(3, 300), noise(4, 5000));
    let mut objects = vec![
        (ObjectName::Pack(PackId::from_bytes(hash(&pack))), pack),
        (ObjectName::Pack(PackId::from_bytes(hash(&small))), small),
        (ObjectName::Key(ObjectHash::from_bytes(hash(&key))), key),
        (ObjectName::Segment(SegmentId::from_bytes(hash(&segment))), segment),
    ];
    objects.push((ObjectName::Config(0), config(0)));
    let by_their_end = [
        ObjectName::Outcome(session()),
        ObjectName::Record(session().client, 1),
        ObjectName::Condemned { generation: 4 },
        ObjectName::Deleted { generation: 4 },
    ];
    objects.extend(by_their_end.into_iter().zip(10..).map(|(name, seed)| (name, checksummed(seed))));
    objects
}

fn everything(store: &dyn Store) -> Vec<(ObjectName, Vec<u8>)> {
    let mut names = Vec::new();
    for folder in Folder::ALL {
        let mut note = |listed| match listed {
            Listed::Object { name, .. } => names.push(name),
            Listed::Stranger { path } => panic!("{path} is no object"),
        };
        store.list(folder, &mut note).unwrap();
    }
    names.sort();
    names.into_iter().map(|name| (name, store.read(&name, 1 << 30).unwrap())).collect()
}

fn protected(store: &dyn Store) -> ProtectReport {
    for (name, bytes) in objects() {
        assert_eq!(store.create(&name, &bytes).unwrap(), Created::New);
    }
    protect_all(store, &ProtectOptions::default().threads(2), &Silent).unwrap()
}

#[test]
fn everything_that_can_be_healed_gets_what_heals_it_once() {
    let store = MemoryStore::new();
    let report = protected(&store);
    assert_eq!((report.pack_count, report.copy_count, report.protected_count, report.failures.count()), (2, 7, 0, 0));
    let before = everything(&store);
    assert_eq!(before.len(), 18);
    let parity: usize =
        before.iter().filter(|(name, _)| name.folder() == Folder::Parity).map(|(_, bytes)| bytes.len()).sum();
    assert_eq!(usize::try_from(report.parity_bytes), Ok(parity));
    let again = protect_all(&store, &ProtectOptions::default(), &Silent).unwrap();
    assert_eq!((again.pack_count, again.copy_count, again.protected_count), (0, 0, 9));
    assert_eq!(everything(&store), before);
}

#[test]
fn a_damaged_object_gets_nothing_that_would_be_made_of_its_damage() {
    let store = MemoryStore::new();
    let objects = objects();
    for (name, bytes) in &objects {
        let mut bytes = bytes.clone();
        bytes[100] ^= 1;
        store.overwrite(*name, &bytes);
    }
    let report = protect_all(&store, &ProtectOptions::default(), &Silent).unwrap();
    assert_eq!(report.failures.count(), 9, "{report:?}");
    assert_eq!(everything(&store).len(), 9);
}

#[test]
fn one_flipped_bit_anywhere_is_healed_bit_for_bit() {
    let store = MemoryStore::new();
    protected(&store);
    let right = everything(&store);
    for (name, bytes) in &right {
        for at in [0, 9, 40, bytes.len() / 2, bytes.len() - 1] {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x40;
            store.overwrite(*name, &damaged);
            heal(&store, name).unwrap_or_else(|error| panic!("{name} byte {at}: {error}"));
            assert!(everything(&store) == right, "{name} byte {at}");
        }
    }
}

#[test]
fn what_was_cut_short_or_written_twice_is_healed() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("store");
    let store = LocalStore::create(&place).unwrap();
    protected(&store);
    let right = everything(&store);
    for (name, bytes) in &right {
        for damaged in [bytes[..bytes.len() - 1].to_vec(), [bytes.clone(), bytes.clone()].concat()] {
            std::fs::write(place.join(name.to_string()), damaged).unwrap();
            heal(&store, name).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
    assert!(everything(&store) == right);
}

#[test]
fn store_11_what_is_right_is_left_alone_and_what_is_beyond_repair_as_well() {
    let store = MemoryStore::new();
    protected(&store);
    let right = everything(&store);
    for (name, _) in &right {
        assert_eq!(heal(&store, name).unwrap(), Cure::Unneeded, "{name}");
    }
    let (pack, bytes) = &objects()[0];
    let wrong = noise(9, bytes.len());
    store.overwrite(*pack, &wrong);
    let error = heal(&store, pack).unwrap_err();
    assert!(error.is_corrupt() && error.to_string().contains("beyond repair"), "{error}");
    assert_eq!(store.read(pack, 1 << 20).unwrap(), wrong);

    let outcome = ObjectName::Outcome(session());
    store.overwrite(outcome, b"wrong");
    store.overwrite(outcome.mirror().unwrap(), b"wrong as well");
    let error = heal(&store, &outcome).unwrap_err().to_string();
    assert!(error.contains("is damaged as well"), "{error}");
    store.remove(&outcome.mirror().unwrap()).unwrap();
    let error = heal(&store, &outcome).unwrap_err().to_string();
    assert!(error.contains("is not there"), "{error}");
    assert_eq!(store.read(&outcome, 100).unwrap(), b"wrong");
    let error = heal(&store, &ObjectName::Session(session())).unwrap_err().to_string();
    assert!(error.contains("no second copy is kept"), "{error}");
}

/// Brings back what is lost, and says what came back.
fn brought_back(store: &MemoryStore) -> Vec<ObjectName> {
    let mut brought = Vec::new();
    bring_back_lost(store, &mut |name, result| {
        result.unwrap();
        brought.push(*name);
    })
    .unwrap();
    brought
}

#[test]
fn store_12_only_what_nobody_removes_is_brought_back() {
    let store = MemoryStore::new();
    protected(&store);
    let other_slot = noise(9, 300);
    let other = ObjectName::Key(ObjectHash::from_bytes(hash(&other_slot)));
    let _ = store.create(&other, &other_slot).unwrap();
    for (name, bytes) in objects() {
        store.remove(&name).unwrap();
        assert!(heal(&store, &name).is_err(), "{name}: what is not there is not healed");
        let kept = matches!(name, ObjectName::Config(_) | ObjectName::Outcome(_) | ObjectName::Record(..));
        assert_eq!(brought_back(&store), if kept { vec![name] } else { Vec::new() });
        assert_eq!(store.read(&name, 1 << 20).ok(), kept.then_some(bytes), "{name}");
        assert_eq!(brought_back(&store), []);
    }
    let outcome = ObjectName::Outcome(session());
    store.remove(&outcome).unwrap();
    store.overwrite(outcome.mirror().unwrap(), b"damaged");
    let mut told = Vec::new();
    bring_back_lost(&store, &mut |name, result| told.push((*name, result.is_err()))).unwrap();
    assert_eq!(told, [(outcome, true)]);
    assert!(store.open(&outcome).is_err());
}

fn right(name: ObjectName) -> Vec<u8> {
    objects().into_iter().find(|(other, _)| *other == name).unwrap().1
}

/// A configuration that never was shut the repository, and an outcome that never was stopped every prune for good.
#[test]
fn store_12_by_a_second_copy_of_another_object_nothing_is_brought_back() {
    let (client, other) = (session().client, ObjectName::Outcome(SessionId { number: 9, ..session() }));
    for (name, under) in [
        (ObjectName::Config(0), ObjectName::Config(1)),
        (ObjectName::Outcome(session()), other),
        (ObjectName::Record(client, 1), ObjectName::Record(client, 9)),
        (ObjectName::Outcome(session()), ObjectName::Record(client, 9)),
    ] {
        let store = MemoryStore::new();
        protected(&store);
        let copy = under.mirror().unwrap();
        store.overwrite(copy, &right(name));
        let before = everything(&store);
        let mut told = Vec::new();
        bring_back_lost(&store, &mut |name, result| told.push((*name, result.unwrap_err().to_string()))).unwrap();
        let wrong = format!("it is a second copy of {name}, and there is no object of its own name");
        assert_eq!(Gone::find(&store).unwrap().told().collect::<Vec<_>>(), [(&copy, wrong.clone())]);
        // What does not fit its name is told with all else that was read.
        let expected = (copy, format!("{wrong}; remove it once that one is sound"));
        assert_eq!(told, Vec::from_iter((under != ObjectName::Config(1)).then_some(expected)));
        assert!(everything(&store) == before);
        assert!(lost_with_copy(&store).unwrap().contains(&under), "whoever deletes takes its name for a sign of one");
    }
}

#[test]
fn store_12_of_two_that_are_gone_with_the_same_second_copy_none_is_brought_back_without_a_key() {
    let store = MemoryStore::new();
    protected(&store);
    let (one, other) = (ObjectName::Outcome(session()), ObjectName::Outcome(SessionId { number: 9, ..session() }));
    store.remove(&one).unwrap();
    store.overwrite(other.mirror().unwrap(), &right(one));
    let before = everything(&store);
    let mut told = Vec::new();
    bring_back_lost(&store, &mut |name, result| told.push((*name, result.is_err()))).unwrap();
    assert_eq!(told, [(one, true), (other, true)]);
    assert!(everything(&store) == before);
}

#[test]
fn store_12_key_slots_are_brought_back_once_none_is_left() {
    let store = MemoryStore::new();
    protected(&store);
    let slots = [20, 21].map(|seed| noise(seed, 300));
    let mut names: Vec<_> = slots.iter().map(|slot| ObjectName::Key(ObjectHash::from_bytes(hash(slot)))).collect();
    for (name, slot) in names.iter().zip(&slots) {
        let _ = store.create(name, slot).unwrap();
    }
    names.extend(objects().into_iter().map(|(name, _)| name).filter(|name| name.folder() == Folder::Keys));
    protect_all(&store, &ProtectOptions::default(), &Silent).unwrap();
    for name in &names {
        assert_eq!(brought_back(&store), []);
        store.remove(name).unwrap();
    }
    names.sort();
    assert_eq!(brought_back(&store), names);
}

#[test]
fn parity_that_is_made_anew_is_as_strong_as_it_was() {
    let store = MemoryStore::new();
    let (name, bytes) = &objects()[0];
    let ObjectName::Pack(pack) = *name else { panic!("the first is a pack") };
    let _ = store.create(name, bytes).unwrap();
    let ten = Percent::parse(10).unwrap();
    protect_all(&store, &ProtectOptions::default().percent(ten), &Silent).unwrap();
    let parity = ObjectName::Parity(pack);
    let right = store.read(&parity, 1 << 20).unwrap();
    let mut damaged = right.clone();
    damaged[1000] ^= 1;
    store.overwrite(parity, &damaged);
    assert_eq!(heal(&store, &parity).unwrap(), Cure::MadeAnew);
    assert!(store.read(&parity, 1 << 20).unwrap() == right);
    assert!(is_proven(&parity, store.open(&parity).unwrap().as_ref()).unwrap());
}

/// It came back with 2 %, whatever the repository was made with.
#[test]
fn parity_of_which_nothing_tells_how_strong_it_was_is_made_as_the_newest_configuration_asks() {
    let store = MemoryStore::new();
    let (name, bytes) = &objects()[0];
    let _ = store.create(name, bytes).unwrap();
    let keys = crate::envelope::testing::keys();
    let signed = |number: u32, percent: u8| {
        let mut config = keys.chain.get(0).unwrap().clone();
        config.number = number;
        config.previous = ObjectHash::from_bytes([u8::from(number > 0); 32]);
        config.features.0 = vec![config::Feature::parity(percent)];
        config.sign(keys.of(config::Role::All).signing()).unwrap()
    };
    for (number, percent) in [(0, 3), (1, 20)] {
        let _ = store.create(&ObjectName::Config(number), &signed(number, percent)).unwrap();
    }
    protect_all(&store, &ProtectOptions::default(), &Silent).unwrap();
    let parity = everything(&store).into_iter().find(|(name, _)| name.folder() == Folder::Parity).unwrap();
    let config = ObjectName::Config(1);
    assert!(parity.1.len() > bytes.len() / 5);
    let wounds: [fn(&MemoryStore, &ObjectName); 2] =
        [|_, _| {}, |store, config| store.overwrite(*config, b"damaged, but not its second copy")];
    for wound in wounds {
        wound(&store, &config);
        store.overwrite(parity.0, &[0; 100]);
        assert_eq!(heal(&store, &parity.0).unwrap(), Cure::MadeAnew);
        assert!(store.read(&parity.0, 1 << 20).unwrap() == parity.1);
    }
}

/// It was told as healed, and stayed: so was the pack without anything to be healed with.
#[test]
fn parity_that_is_another_packs_is_made_anew() {
    let store = MemoryStore::new();
    protected(&store);
    let right = everything(&store);
    let parities: Vec<_> = right.iter().filter(|(name, _)| name.folder() == Folder::Parity).collect();
    let [(one, _), (other, bytes)] = parities[..] else { panic!("two packs") };
    store.overwrite(*one, bytes);
    assert_eq!(heal(&store, one).unwrap(), Cure::MadeAnew);
    assert!(everything(&store) == right);
    assert_eq!(heal(&store, other).unwrap(), Cure::Unneeded);
}

#[test]
fn configurations_that_were_mixed_up_come_back_from_their_second_copies() {
    let store = MemoryStore::new();
    let _ = store.create(&ObjectName::Config(1), &config(1)).unwrap();
    protected(&store);
    let right = everything(&store);
    let (zero, one) = (ObjectName::Config(0), ObjectName::Config(1));
    let copies = [zero, one].map(|name| name.mirror().unwrap());
    for swapped in [[zero, one], copies] {
        store.overwrite(swapped[0], &config(1));
        store.overwrite(swapped[1], &config(0));
        for name in &swapped {
            let _ = heal(&store, name).unwrap();
        }
        assert!(everything(&store) == right);
    }
}

/// Configuration 0 is what the whole repository hangs by.
#[test]
fn store_11_a_configuration_that_lies_only_under_another_ones_name_stays_there() {
    let store = MemoryStore::new();
    for (name, number) in [(0, 1), (1, 0)] {
        let _ = store.create(&ObjectName::Config(name), &config(number)).unwrap();
    }
    let _ = store.create(&ObjectName::Config(1).mirror().unwrap(), &config(1)).unwrap();
    let before = everything(&store);
    let error = heal(&store, &ObjectName::Config(1)).unwrap_err().to_string();
    assert!(error.contains("copy it to config/0 first"), "{error}");
    assert!(everything(&store) == before);
}

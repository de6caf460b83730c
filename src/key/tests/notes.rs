//! The notes of slots.

use super::*;

fn note_of(keys: &Keys, reader: Role, bytes: &[u8]) -> Result<Option<SlotNote>, KeyError> {
    Slot::parse(&hash_of(bytes), bytes).unwrap().note(keys.of(reader))
}

#[test]
fn a_note_tells_readers_whose_the_slot_is_and_nothing_to_others() {
    let keys = keys();
    for role in Role::EVERY {
        let bytes = noted(&keys, role, |_| ());
        opened(&bytes, Unlock::None).unwrap();
        let expected =
            SlotNote { signer: keys.of(role).signer(), role, label: b"laptop".to_vec(), created_at_ns: NOW_NS };
        for reader in [Role::Read, Role::Prune, Role::All] {
            assert_eq!(note_of(&keys, reader, &bytes), Ok(Some(expected.clone())), "{role} read by {reader}");
        }
        assert!(matches!(note_of(&keys, Role::Put, &bytes), Err(KeyError::Lacks { role: Role::Put, .. })));
    }
    let without = slot_of(&keys, Role::Read, Unlock::None);
    assert_eq!(note_of(&keys, Role::All, &without), Ok(None));
}

#[test]
fn key_10_a_note_with_a_wrong_head_or_length_is_refused_with_its_slot() {
    let keys = keys();
    for role in [Role::All, Role::Put] {
        let bytes = noted(&keys, role, |_| ());
        let start = slot_of(&keys, role, Unlock::None).len();
        let head = if role == Role::Put { 40 } else { 8 };
        for length in start + 1..start + head + 48 {
            let cut = &bytes[..length];
            assert!(Slot::parse(&hash_of(cut), cut).is_err(), "{role}: {length} bytes");
        }
        let mut long = bytes.clone();
        long.resize(start + head + 2049, 0);
        assert_eq!(Slot::parse(&hash_of(&long), &long).unwrap_err(), KeyError::Note("its length"));
        for (at, value) in [(0, 2), (1, 1), (2, 1), (3, 1)] {
            let mut wrong = bytes.clone();
            wrong[start + at] = value;
            assert!(Slot::parse(&hash_of(&wrong), &wrong).is_err(), "{role}: byte {at}");
        }
    }
}

#[test]
fn key_10_a_slot_opens_whatever_its_note_holds() {
    let keys = keys();
    let bytes = noted(&keys, Role::All, |_| ());
    let start = slot_of(&keys, Role::All, Unlock::None).len();
    for at in start + 4..bytes.len() {
        let mut wrong = bytes.clone();
        wrong[at] ^= 1;
        assert!(opened(&wrong, Unlock::None).is_ok(), "byte {at}");
        assert!(note_of(&keys, Role::All, &wrong).is_err(), "byte {at} is believed");
    }
}

#[test]
fn key_11_a_note_that_names_another_key_or_moved_to_another_slot_is_not_believed() {
    let keys = keys();
    let other = keys.of(Role::All).signer();
    let forged = noted(&keys, Role::Put, |note| note.signer = other);
    let unsigned = KeyError::Note("it is not signed by the key that it names");
    assert_eq!(note_of(&keys, Role::All, &forged), Err(unsigned));
    // The bytes of a true note behind another slot.
    let bytes = noted(&keys, Role::All, |_| ());
    let start = slot_of(&keys, Role::All, Unlock::None).len();
    let ring = keys.of(Role::All);
    let mut moved = seal_salted(ring, Unlock::None, KdfCost::CHEAP, b"laptop", NOW_NS, [0x0b; 32]).unwrap();
    moved.extend_from_slice(&bytes[start..]);
    assert_eq!(note_of(&keys, Role::All, &moved), Err(KeyError::Note("the seal does not open")));
}

#[test]
fn key_11_a_note_with_too_long_a_label_is_not_believed() {
    let keys = keys();
    let ring = keys.of(Role::All);
    for (bytes, expected) in [(1024, true), (1025, false)] {
        let note = SlotNote { label: vec![b'x'; bytes], ..SlotNote::of(ring, b"", NOW_NS) };
        let mut slot = slot_of(&keys, Role::All, Unlock::None);
        super::super::note::seal(ring, &note, &[0x0a; 32], &mut slot).unwrap();
        assert_eq!(note_of(&keys, Role::All, &slot).is_ok(), expected, "{bytes} bytes");
    }
}

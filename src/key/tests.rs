//! Rings and slots.

mod notes;
mod vectors;

use super::slot::{Payload, SecretBytes, seal_noted, seal_salted};
use super::*;
use crate::envelope::testing::{Keys, NOW_NS, hash_of, keys};
use crate::wire::{self, Blob, WireError};
use std::time::{Duration, Instant};

const PASSWORD: Unlock<'static> = Unlock::Password(b"correct horse");

fn slot_of(keys: &Keys, role: Role, unlock: Unlock<'_>) -> Vec<u8> {
    seal_salted(keys.of(role), unlock, KdfCost::CHEAP, b"laptop", NOW_NS, [0x0a; 32]).unwrap()
}

fn opened(bytes: &[u8], unlock: Unlock<'_>) -> Result<KeyRing, KeyError> {
    open_slot(&hash_of(bytes), bytes, unlock)
}

/// A slot opened by nothing, with a note that `change` has changed before it was signed.
fn noted(keys: &Keys, role: Role, change: impl FnOnce(&mut SlotNote)) -> Vec<u8> {
    let ring = keys.of(role);
    let mut note = SlotNote::of(ring, b"laptop", NOW_NS);
    change(&mut note);
    seal_noted(ring, Unlock::None, KdfCost::CHEAP, &note, [0x0a; 32]).unwrap()
}

#[test]
fn a_ring_reads_back_from_its_slot() {
    let keys = keys();
    let file = Secret::random();
    for unlock in [PASSWORD, Unlock::KeyFile(&file), Unlock::None] {
        for role in Role::EVERY {
            let bytes = slot_of(&keys, role, unlock);
            let ring = opened(&bytes, unlock).unwrap();
            ring.confirm(&keys.chain).unwrap();
            assert_eq!((ring.role(), ring.reads()), (role, role != Role::Put));
            assert_eq!(ring.signing().sign(b"x"), keys.of(role).signing().sign(b"x"));
            assert_eq!((ring.naming(), ring.config_zero()), (keys.of(role).naming(), keys.of(role).config_zero()));
            let facts = SlotFacts { name: hash_of(&bytes), label: b"laptop".to_vec(), created_at_ns: NOW_NS };
            assert_eq!(ring.slot(), Some(&facts));
            let again = seal_salted(&ring, unlock, KdfCost::CHEAP, b"laptop", NOW_NS, [0x0a; 32]).unwrap();
            assert_eq!(again, bytes, "a ring keeps everything");
        }
    }
}

#[test]
fn key_1_every_flipped_bit_and_every_truncation_is_damage() {
    let keys = keys();
    let bytes = slot_of(&keys, Role::Put, Unlock::None);
    let name = hash_of(&bytes);
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let damaged = KeyError::Damaged { expected: name, found: hash_of(&flipped) };
        let expected = if bit < 64 { KeyError::Magic } else { damaged };
        assert_eq!(open_slot(&name, &flipped, Unlock::None).unwrap_err(), expected, "bit {bit}");
        // Under a name of its own, it is refused by its fields and its seal.
        let refused = opened(&flipped, Unlock::None).unwrap_err();
        assert!(!matches!(refused, KeyError::Damaged { .. }), "bit {bit}: {refused}");
    }
    for length in 0..bytes.len() {
        assert!(open_slot(&name, &bytes[..length], Unlock::None).is_err(), "{length} bytes");
        assert!(opened(&bytes[..length], Unlock::None).is_err(), "{length} bytes under their own name");
    }
    let long = vec![0; SLOT_BYTES_MAX + 1];
    let refused = KeyError::Length { found: long.len(), expected: SLOT_BYTES_MAX };
    assert_eq!(opened(&long, Unlock::None).unwrap_err(), refused);
}

#[test]
fn key_2_absurd_costs_are_refused_before_they_are_run() {
    let keys = keys();
    let bytes = slot_of(&keys, Role::Read, PASSWORD);
    let out_of_range = [
        (u32::MAX, 1, 1),
        ((4 << 20) + 1, 1, 1),
        (64, 65, 1),
        (64, u32::MAX, 1),
        (64, 0, 1),
        (64, 1, 0),
        (4 << 20, 64, 17),
        (7, 1, 1),
        (127, 1, 16),
        (0, 0, 0),
        (u32::MAX, u32::MAX, u32::MAX),
    ];
    for (memory_kib, passes, lanes) in out_of_range {
        let mut absurd = bytes.clone();
        for (place, value) in [memory_kib, passes, lanes].into_iter().enumerate() {
            absurd[64 + 4 * place..][..4].copy_from_slice(&value.to_le_bytes());
        }
        let started = Instant::now();
        let refused = KeyError::Cost { memory_kib, passes, lanes };
        assert_eq!(opened(&absurd, PASSWORD).unwrap_err(), refused);
        assert_eq!(KdfCost::parse(memory_kib, passes, lanes), Err(refused));
        assert!(started.elapsed() < Duration::from_secs(1), "it was run");
    }
    for (memory_kib, passes, lanes) in [(8, 1, 1), (128, 64, 16), (4 << 20, 64, 16)] {
        KdfCost::parse(memory_kib, passes, lanes).unwrap();
    }
}

#[test]
fn key_2_a_cost_where_none_is_paid_is_refused() {
    let keys = keys();
    for at in [64, 68, 72] {
        let mut bytes = slot_of(&keys, Role::Read, Unlock::None);
        bytes[at] = 1;
        assert_eq!(opened(&bytes, Unlock::None).unwrap_err(), KeyError::Reserved);
    }
}

#[test]
fn key_3_a_wrong_secret_is_told_apart_from_damage() {
    let keys = keys();
    let (file, other) = (Secret::from_bytes([1; 32]), Secret::from_bytes([2; 32]));
    let by_password = slot_of(&keys, Role::Read, PASSWORD);
    let by_file = slot_of(&keys, Role::Read, Unlock::KeyFile(&file));
    for wrong in [&b"correct hors"[..], b"correct horse ", b"Correct horse", b"correct horse\0"] {
        assert_eq!(opened(&by_password, Unlock::Password(wrong)).unwrap_err(), KeyError::WrongSecret);
    }
    assert_eq!(opened(&by_file, Unlock::KeyFile(&other)).unwrap_err(), KeyError::WrongSecret);
    let mut damaged = by_password.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let refused = open_slot(&hash_of(&by_password), &damaged, PASSWORD).unwrap_err();
    assert!(matches!(refused, KeyError::Damaged { .. }));
}

#[test]
fn key_4_a_slot_is_opened_by_its_kind_of_secret_alone() {
    let keys = keys();
    let file = Secret::from_bytes([1; 32]);
    let unlocks = [PASSWORD, Unlock::KeyFile(&file), Unlock::None];
    for slot in unlocks {
        let bytes = slot_of(&keys, Role::Put, slot);
        assert_eq!(Slot::parse(&hash_of(&bytes), &bytes).unwrap().kind, slot.kind());
        for given in unlocks.into_iter().filter(|given| given.kind() != slot.kind()) {
            let refused = KeyError::OtherKind { slot: slot.kind(), given: given.kind() };
            assert_eq!(opened(&bytes, given).unwrap_err(), refused);
        }
    }
}

type Change = fn(&mut Payload);

fn rewrapped(keys: &Keys, role: Role, change: Change) -> Result<KeyRing, KeyError> {
    let ring = keys.of(role);
    let mut payload = ring.payload(b"", NOW_NS);
    change(&mut payload);
    let bytes = wrap(&wire::encode(&payload), ring.repository(), Unlock::None, KdfCost::CHEAP, [1; 32]).unwrap();
    opened(&bytes, Unlock::None)
}

#[test]
fn key_5_a_payload_that_contradicts_itself_is_refused() {
    let keys = keys();
    let of_role = "its secrets are not those of its role";
    let of_secrets = "its public keys are not those of its secrets";
    let cases: [(Role, &str, Change); 12] = [
        (Role::Put, of_role, |payload| payload.role = Role::Read),
        (Role::Read, of_role, |payload| payload.role = Role::Put),
        (Role::Read, of_role, |payload| payload.epochs.0[0].content = None),
        (Role::Prune, of_role, |payload| payload.epochs.0[0].manifest = None),
        (Role::All, of_role, |payload| payload.epochs.0[0].stat = None),
        (Role::Put, of_role, |payload| payload.epochs.0[0].description = Some(SecretBytes([1; 32]))),
        (Role::Read, of_secrets, |payload| payload.epochs.0[0].stat = Some(SecretBytes([1; 32]))),
        (Role::Read, of_secrets, |payload| payload.epochs.0[0].publics.description.0[0] ^= 1),
        (Role::Put, "its list of epochs", |payload| payload.epochs.0.clear()),
        (Role::Put, "its list of epochs", |payload| {
            let again = keys_of_one_epoch();
            payload.epochs.0.push(again.epochs.0.into_iter().next().unwrap());
        }),
        (Role::Put, "it belongs to another repository", |payload| {
            payload.repository = RepositoryId::from_bytes([1; 16])
        }),
        (Role::Put, "the label is too long", |payload| payload.label = Blob(vec![0; 1025])),
    ];
    for (role, what, change) in cases {
        assert_eq!(rewrapped(&keys, role, change).unwrap_err(), KeyError::Payload(what), "{role}");
    }
    assert!(rewrapped(&keys, Role::Put, |payload| payload.label = Blob(vec![0; 1024])).is_ok());
}

fn keys_of_one_epoch() -> Payload {
    keys().of(Role::Put).payload(b"", NOW_NS)
}

#[test]
fn key_5_a_payload_that_does_not_decode_is_refused() {
    let keys = keys();
    let mut payload = wire::encode(&keys_of_one_epoch());
    payload.push(0);
    let bytes = wrap(&payload, keys.of(Role::Put).repository(), Unlock::None, KdfCost::CHEAP, [1; 32]).unwrap();
    assert!(matches!(opened(&bytes, Unlock::None), Err(KeyError::Wire(WireError::Trailing { count: 1, .. }))));
}

#[test]
fn key_6_a_ring_and_a_chain_must_belong_together() {
    let keys = keys();
    let (other, zero) = KeyRing::create(Parameters::default(), NOW_NS).unwrap();
    let chain = ConfigChain::load(&[(0, zero)], other.config_zero()).unwrap();
    other.confirm(&chain).unwrap();
    assert_eq!(other.confirm(&keys.chain), Err(KeyError::Foreign("configuration 0")));
    let foreign = |change: Change, what| {
        let ring = rewrapped(&keys, Role::Put, change).unwrap();
        assert_eq!(ring.confirm(&keys.chain), Err(KeyError::Foreign(what)));
    };
    foreign(|payload| payload.config_zero = ObjectHash::from_bytes([1; 32]), "configuration 0");
    foreign(|payload| payload.epochs.0[0].publics.content.0[0] ^= 1, "key epochs");
    foreign(|payload| payload.epochs.0[0].publics.epoch = 2, "key epochs");
}

#[test]
fn key_7_the_words_of_a_recovery_key_read_back() {
    let secret = Secret::from_bytes([0x7f; 32]);
    // The vector of BIP 39 for this entropy.
    let words = "legal winner thank year wave sausage worth useful legal winner thank year wave sausage worth useful \
                 legal winner thank year wave sausage worth title";
    assert_eq!(*format_recovery_key(&secret), words);
    assert_eq!(parse_key_file(words.as_bytes()), Ok(secret.clone()));
    assert_eq!(parse_key_file(format!("\n  {}\n", words.replace(' ', "\n")).as_bytes()), Ok(secret));
    let refused = |text: String| parse_key_file(text.as_bytes()).unwrap_err().to_string();
    assert!(refused(words.replace("title", "winner")).contains("checksum"));
    assert!(refused(words.replacen("thank", "thankyou", 1)).contains("word 3 is not of the list"));
    assert!(refused(words.replace(" title", "")).contains("23 words"));
    let twelve = "legal winner thank year wave sausage worth useful legal winner thank yellow";
    assert!(refused(twelve.to_owned()).contains("12 words"));
    for other in ["", "legal", "Legal winner", "legal,winner"] {
        assert_eq!(parse_key_file(other.as_bytes()).unwrap_err(), KeyError::KeyFile, "{other:?}");
    }
}

#[test]
fn key_7_the_text_of_a_key_file_reads_back() {
    let secret = Secret::from_bytes(std::array::from_fn(|place| u8::try_from(place).unwrap()));
    let text = format_key_file(&secret);
    assert_eq!(*text, "holdall-key-1 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n");
    assert_eq!(parse_key_file(text.as_bytes()), Ok(secret.clone()));
    assert_eq!(parse_key_file(text.trim_end().as_bytes()), Ok(secret));
    let wrong =
        ["", "holdall-key-1 \n", "holdall-key-2 ", &text[1..], &text.replace("1f\n", "1F\n"), &format!("{}\n", *text)];
    for text in wrong {
        assert_eq!(parse_key_file(text.as_bytes()), Err(KeyError::KeyFile), "{text:?}");
    }
    assert_eq!(parse_key_file(b"holdall-key-1 \xff"), Err(KeyError::KeyFile));
}

#[test]
fn key_8_an_empty_password_neither_seals_nor_opens() {
    let keys = keys();
    let empty = Unlock::Password(b"");
    let sealed = seal_slot(keys.of(Role::All), empty, KdfCost::CHEAP, b"", NOW_NS);
    assert_eq!(sealed.unwrap_err(), KeyError::EmptyPassword);
    assert_eq!(opened(&slot_of(&keys, Role::All, PASSWORD), empty).unwrap_err(), KeyError::EmptyPassword);
}

#[test]
fn key_9_each_derived_key_is_another() {
    let keys = keys();
    let ring = keys.of(Role::Put);
    let derived = [ring.chunk_id_key(), ring.node_id_key(), ring.gear_key(), ring.boundary_key(), ring.hard_link_key()];
    let contexts = [CHUNK_ID_CONTEXT, NODE_ID_CONTEXT, GEAR_CONTEXT, BOUNDARY_CONTEXT, HARD_LINK_CONTEXT];
    for (secret, context) in derived.iter().zip(contexts) {
        assert_eq!(secret.expose(), &blake3::derive_key(context, ring.naming().expose()), "{context}");
        assert_eq!(derived.iter().filter(|other| *other == secret).count(), 1, "{context}");
    }
    assert_eq!(keys.of(Role::All).chunk_id_key(), ring.chunk_id_key(), "every role names chunks alike");
}

#[test]
fn every_role_holds_what_it_needs_and_no_more() {
    let keys = keys();
    let all = keys.of(Role::All);
    for role in Role::EVERY {
        let ring = keys.of(role);
        assert_eq!(ring.index_root(1).unwrap(), all.index_root(1).unwrap());
        for class in 1..=3 {
            let root = ring.class_root(class, 1).unwrap();
            assert_eq!(root.is_some(), role != Role::Put, "{role} {class}");
            let public = ring.class_public(class).unwrap();
            assert_eq!(*public, all.class_root(class, 1).unwrap().unwrap().public(), "{role} {class}");
        }
        for class in [0, 4] {
            assert_eq!(ring.class_root(class, 1), Err(KeyError::Class(class)));
            assert_eq!(ring.class_public(class), Err(KeyError::Class(class)));
        }
        assert_eq!(ring.class_root(1, 2), Err(KeyError::Epoch(2)));
        assert_eq!(ring.index_root(0), Err(KeyError::Epoch(0)));
        assert_eq!(ring.description_root(1).unwrap().is_some(), role != Role::Put);
    }
}

#[test]
fn a_ring_grants_no_more_than_it_holds() {
    let keys = keys();
    for from in Role::EVERY {
        for to in Role::EVERY {
            match keys.of(from).restricted(to) {
                Ok(ring) => {
                    assert!(to <= from && ring.role() == to && ring.reads() == (to != Role::Put));
                    assert_ne!(ring.signer(), keys.of(from).signer(), "a signing key of its own");
                }
                Err(refused) => {
                    assert!(to > from);
                    assert_eq!(refused, KeyError::Lacks { role: from, what: "what a stronger role holds" });
                }
            }
        }
        let mut ring = keys.of(from).restricted(from).unwrap();
        assert_eq!(ring.begin_epoch().is_ok(), from == Role::All);
        assert_eq!(ring.epoch(), if from == Role::All { 2 } else { 1 });
    }
}

#[test]
fn secrets_are_not_printed() {
    let keys = keys();
    let ring = keys.of(Role::All);
    let text = format!("{ring:?}");
    for byte in 0x10u8..=0x16 {
        let secret = [byte; 32];
        assert!(!text.contains(&format!("{secret:?}")), "{byte:x}: {text}");
        assert!(!text.contains(&format!("{byte:02x}").repeat(8)), "{byte:x}: {text}");
    }
}

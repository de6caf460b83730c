//! The shape of all control objects.

mod vectors;

use super::testing::{Keys, forge, keys, rechecked, resigned, seal_fixed};
use super::*;
use crate::config::{ConfigChain, Parameters};
use crate::key::KeyRing;
use crate::seal::OVERHEAD_BYTES;

const NOW_NS: i64 = super::testing::NOW_NS;

fn sealed(keys: &Keys, role: Role, kind: Kind) -> Vec<u8> {
    let description = kind.may_describe().then_some(&b"description"[..]);
    seal_fixed(kind, keys.of(role), &keys.chain, b"body", description, 7).unwrap()
}

fn refusal(keys: &Keys, kind: Kind, bytes: &[u8]) -> EnvelopeError {
    open(kind, keys.of(Role::Read), &keys.chain, bytes).unwrap_err()
}

#[test]
fn an_object_reads_back_to_every_role() {
    let keys = keys();
    for (writer, kind) in Role::EVERY.into_iter().zip(Kind::EVERY.into_iter().cycle().skip(3)) {
        let bytes = forge(&keys, Role::All, kind, b"body", kind.may_describe().then_some(b"description"));
        for reader in Role::EVERY {
            let opened = open(kind, keys.of(reader), &keys.chain, &bytes).unwrap();
            assert_eq!((&*opened.body, opened.role, opened.config), (&b"body"[..], Role::All, 1), "{writer}");
            assert_eq!(opened.hash, super::testing::hash_of(&bytes));
        }
    }
}

#[test]
fn envelope_1_every_flipped_bit_and_every_truncation_is_refused() {
    let keys = keys();
    let bytes = sealed(&keys, Role::Put, Kind::Session);
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let refused = refusal(&keys, Kind::Session, &flipped);
        let expected =
            if bit < 64 { EnvelopeError::Magic(Kind::Session) } else { EnvelopeError::Checksum(Kind::Session) };
        assert_eq!(refused, expected, "bit {bit}");
    }
    for length in 0..bytes.len() {
        let refused = refusal(&keys, Kind::Session, &bytes[..length]);
        let too_short = matches!(refused, EnvelopeError::Length { .. });
        assert!(too_short || refused == EnvelopeError::Checksum(Kind::Session), "{length}: {refused}");
    }
}

#[test]
fn envelope_2_a_bit_that_was_flipped_before_the_checksum_was_made_breaks_the_signature() {
    let keys = keys();
    let bytes = sealed(&keys, Role::Put, Kind::Heartbeat);
    for bit in 64..(bytes.len() - CHECKSUM_BYTES) * 8 {
        let flipped = rechecked(&bytes, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
        assert!(open(Kind::Heartbeat, keys.of(Role::Read), &keys.chain, &flipped).is_err(), "bit {bit}");
    }
}

#[test]
fn envelope_3_a_bit_that_a_signer_flipped_is_refused_by_the_fields_and_the_seals() {
    let keys = keys();
    let bytes = forge(&keys, Role::Read, Kind::Session, b"body", Some(b"description"));
    let signed_bytes = bytes.len() - SIGNATURE_BYTES - CHECKSUM_BYTES;
    // The key that signed stands in the object, and so does the configuration: changed, they name another key.
    for bit in 64..signed_bytes * 8 {
        let flipped = resigned(&bytes, keys.of(Role::Read).signing(), |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
        let refused = refusal(&keys, Kind::Session, &flipped);
        assert!(!matches!(refused, EnvelopeError::Checksum(_)), "bit {bit}: {refused}");
    }
}

#[test]
fn envelope_4_each_role_signs_its_kinds_and_no_other() {
    let allowed = |role: Role, kind: Kind| match kind {
        Kind::Segment | Kind::Session | Kind::Heartbeat | Kind::Outcome => true,
        Kind::Record => role != Role::Put,
        Kind::Condemned | Kind::Deleted => role == Role::Prune || role == Role::All,
    };
    let keys = keys();
    for role in Role::EVERY {
        for kind in Kind::EVERY {
            let expected = if allowed(role, kind) { Ok(()) } else { Err(EnvelopeError::Role { kind, role }) };
            let sealed = seal(kind, keys.of(role), &keys.chain, b"", None).map(|_| ());
            assert_eq!(sealed, expected, "{role} seals {kind}");
            let bytes = forge(&keys, role, kind, b"", None);
            let opened = open(kind, keys.of(Role::Put), &keys.chain, &bytes).map(|_| ());
            assert_eq!(opened, expected, "{role} sealed {kind}");
        }
    }
}

/// The chain with a third configuration, in which the key of the role `put` is revoked.
fn revoked(keys: &Keys) -> ConfigChain {
    let mut chain = keys.chain.clone();
    let mut draft = chain.draft(NOW_NS);
    draft.revoke(&keys.of(Role::Put).signer()).unwrap();
    chain.extend(&draft.sign(keys.of(Role::All).signing()).unwrap()).unwrap();
    chain
}

#[test]
fn envelope_5_a_revoked_signer_keeps_what_it_signed_and_signs_no_more() {
    let keys = keys();
    let put = keys.of(Role::Put);
    let before = sealed(&keys, Role::Put, Kind::Session);
    let chain = revoked(&keys);
    assert!(open(Kind::Session, put, &chain, &before).is_ok(), "signed while it was valid");
    let refused = EnvelopeError::Signer {
        kind: Kind::Session,
        source: ConfigError::SignerUnknown { signer: put.signer(), number: 2 },
    };
    assert_eq!(seal(Kind::Session, put, &chain, b"", None).unwrap_err(), refused);
    let after = super::seal::assemble(Kind::Session, put, 2, b"", None, [1; 32]).unwrap();
    assert_eq!(open(Kind::Session, put, &chain, &after).unwrap_err(), refused);
}

#[test]
fn envelope_5_a_signer_that_was_not_yet_listed_is_refused() {
    let keys = keys();
    let early = super::seal::assemble(Kind::Session, keys.of(Role::Put), 0, b"", None, [1; 32]).unwrap();
    let source = ConfigError::SignerUnknown { signer: keys.of(Role::Put).signer(), number: 0 };
    assert_eq!(refusal(&keys, Kind::Session, &early), EnvelopeError::Signer { kind: Kind::Session, source });
}

#[test]
fn envelope_6_an_object_signed_under_an_unseen_configuration_is_not_damage() {
    let keys = keys();
    let newer = super::seal::assemble(Kind::Outcome, keys.of(Role::Put), 2, b"", None, [1; 32]).unwrap();
    let refused = refusal(&keys, Kind::Outcome, &newer);
    assert_eq!(refused, EnvelopeError::Signer { kind: Kind::Outcome, source: ConfigError::Unknown(2) });
    assert!(refused.is_unsupported());
    assert!(!EnvelopeError::Checksum(Kind::Outcome).is_unsupported());
}

#[test]
fn envelope_7_no_object_opens_as_another_kind() {
    let keys = keys();
    for (kind, other) in Kind::EVERY.into_iter().zip(Kind::EVERY.into_iter().cycle().skip(1)) {
        let bytes = forge(&keys, Role::All, kind, b"body", None);
        assert_eq!(refusal(&keys, other, &bytes), EnvelopeError::Magic(other));
        let renamed =
            resigned(&bytes, keys.of(Role::All).signing(), |bytes| bytes[..8].copy_from_slice(&other.magic()));
        assert!(
            matches!(refusal(&keys, other, &renamed), EnvelopeError::Seal { part: "body", .. }),
            "{kind} as {other}"
        );
    }
}

#[test]
fn envelope_7_no_part_opens_in_another_object() {
    let keys = keys();
    let read = keys.of(Role::Read);
    let [one, two] =
        [1, 2].map(|salt| seal_fixed(Kind::Session, read, &keys.chain, b"body", Some(b"description"), salt).unwrap());
    let body = HEAD_BYTES..HEAD_BYTES + OVERHEAD_BYTES + 4;
    let description = body.end..one.len() - SIGNATURE_BYTES - CHECKSUM_BYTES;
    for (part, range) in [("body", body), ("description", description)] {
        let moved = resigned(&one, read.signing(), |bytes| bytes[range.clone()].copy_from_slice(&two[range.clone()]));
        let refused = refusal(&keys, Kind::Session, &moved);
        assert!(matches!(refused, EnvelopeError::Seal { part: found, .. } if found == part), "{part}: {refused}");
    }
}

#[test]
fn envelope_8_a_description_opens_for_who_holds_its_root() {
    let keys = keys();
    for writer in Role::EVERY {
        let bytes = seal(Kind::Outcome, keys.of(writer), &keys.chain, b"body", Some(b"description")).unwrap();
        let field_kind = bytes[HEAD_BYTES + OVERHEAD_BYTES + 4];
        assert_eq!(field_kind, u8::from(writer == Role::Put), "who holds the root does not encapsulate");
        for reader in Role::EVERY {
            let opened = open(Kind::Outcome, keys.of(reader), &keys.chain, &bytes).unwrap();
            match opened.description {
                Described::Open(description) => assert!(reader != Role::Put && *description == *b"description"),
                other @ (Described::Absent | Described::Sealed) => {
                    assert_eq!((reader, other), (Role::Put, Described::Sealed));
                }
            }
        }
        let plain = seal(Kind::Outcome, keys.of(writer), &keys.chain, b"body", None).unwrap();
        let opened = open(Kind::Outcome, keys.of(Role::Read), &keys.chain, &plain).unwrap();
        assert_eq!(opened.description, Described::Absent);
    }
}

#[test]
fn envelope_9_parts_above_their_caps_are_neither_made_nor_read() {
    let keys = keys();
    let all = keys.of(Role::All);
    for kind in Kind::EVERY {
        let body = vec![0; kind.body_bytes_max() + 1];
        let (bytes, bytes_max) = (body.len(), kind.body_bytes_max());
        let refused = seal(kind, all, &keys.chain, &body, None).unwrap_err();
        assert_eq!(refused, EnvelopeError::TooLarge { kind, part: "body", bytes, bytes_max });
        let largest = seal(kind, all, &keys.chain, &body[1..], None).unwrap();
        assert_eq!(open(kind, all, &keys.chain, &largest).unwrap().body.len(), bytes_max);
        let long = forge(&keys, Role::All, kind, &body, None);
        let refused = refusal(&keys, kind, &long);
        let by_length = matches!(refused, EnvelopeError::Length { found, .. } if found == long.len());
        assert!(by_length || matches!(refused, EnvelopeError::TooLarge { part: "body", .. }), "{refused}");
    }
}

#[test]
fn envelope_9_a_description_stands_on_sessions_and_outcomes_alone() {
    let keys = keys();
    for kind in Kind::EVERY {
        let sealed = seal(kind, keys.of(Role::All), &keys.chain, b"", Some(b"x"));
        let bytes = forge(&keys, Role::All, kind, b"", Some(b"x"));
        let opened = open(kind, keys.of(Role::Read), &keys.chain, &bytes);
        assert_eq!((sealed.is_ok(), opened.is_ok()), (kind.may_describe(), kind.may_describe()), "{kind}");
    }
    let long = vec![0; DESCRIPTION_BYTES_MAX + 1];
    let refused = seal(Kind::Outcome, keys.of(Role::Read), &keys.chain, b"", Some(&long)).unwrap_err();
    assert!(matches!(refused, EnvelopeError::TooLarge { part: "description", .. }));
    let bytes = forge(&keys, Role::Read, Kind::Outcome, b"", Some(&long));
    assert!(refusal(&keys, Kind::Outcome, &bytes).to_string().starts_with("outcome with a description of"));
}

#[test]
fn an_object_of_another_repository_is_refused() {
    let keys = keys();
    let (other, zero) = KeyRing::create(Parameters::default(), NOW_NS).unwrap();
    let chain = ConfigChain::load(&[(0, zero)], other.config_zero()).unwrap();
    let repository = other.repository();
    let bytes = seal(Kind::Session, &other, &chain, b"", None).unwrap();
    assert_eq!(refusal(&keys, Kind::Session, &bytes), EnvelopeError::Repository { kind: Kind::Session, repository });
    let refused = seal(Kind::Session, keys.of(Role::All), &chain, b"", None).unwrap_err();
    assert_eq!(refused, EnvelopeError::Repository { kind: Kind::Session, repository });
}

#[test]
fn an_object_of_an_epoch_that_the_key_does_not_hold_is_not_damage() {
    let keys = keys();
    let mut all = keys.of(Role::All).restricted(Role::All).unwrap();
    let publics = all.begin_epoch().unwrap();
    let mut chain = keys.chain.clone();
    let mut draft = chain.draft(NOW_NS);
    draft.epochs.0.push(publics);
    draft.enlist(all.signer(), Role::All).unwrap();
    chain.extend(&draft.sign(keys.of(Role::All).signing()).unwrap()).unwrap();
    let bytes = seal(Kind::Session, &all, &chain, b"new", None).unwrap();
    assert_eq!(*open(Kind::Session, &all, &chain, &bytes).unwrap().body, *b"new");
    let refused = open(Kind::Session, keys.of(Role::Read), &chain, &bytes).unwrap_err();
    assert_eq!(refused, EnvelopeError::Key { kind: Kind::Session, source: KeyError::Epoch(2) });
    assert!(refused.is_unsupported());
    let old = sealed(&keys, Role::Put, Kind::Session);
    assert_eq!(*open(Kind::Session, &all, &chain, &old).unwrap().body, *b"body", "older epochs stay open");
}

#[test]
fn nothing_but_a_public_key_is_needed_to_verify_a_signature() {
    let keys = keys();
    let bytes = sealed(&keys, Role::Put, Kind::Outcome);
    let envelope = Envelope::parse(Kind::Outcome, &bytes).unwrap();
    assert_eq!(envelope.verify(&keys.chain), Ok(Role::Put));
    assert_eq!((envelope.epoch, envelope.config, envelope.signer), (1, 1, keys.of(Role::Put).signer()));
}

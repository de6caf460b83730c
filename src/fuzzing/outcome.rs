//! Bodies and descriptions of outcomes from strangers.

use super::envelope::opened;
use crate::envelope::{Described, Kind, Plaintext};
use crate::id::{ClientId, NodeId, ObjectHash, SessionId};
use crate::outcome::{
    Component, ComponentKind, ComponentState, Counts, OutcomeBody, OutcomeKind, Seen, decode_overflow, encode_overflow,
    parse,
};
use crate::wire::{self, List};

/// Reads `data` as the body of an outcome, and as a long list of what was seen.
///
/// # Panics
/// When what was accepted is not written the same again.
pub fn fuzz_outcome(data: &[u8]) {
    let Ok(id) = wire::decode::<SessionId>(data.get(..24).unwrap_or(&[])) else { return };
    if let Ok(outcome) = parse(id, &opened(Kind::Outcome, data, Described::Sealed)) {
        assert!(outcome.body.encode().is_ok_and(|bytes| bytes == data), "an outcome has one encoding");
    }
    let rest = data.get(24..).unwrap_or(&[]);
    if let Ok(entries) = decode_overflow(id, rest) {
        assert!(encode_overflow(id, entries).is_ok_and(|bytes| bytes == rest), "a list has one encoding");
    }
}

fn snapshot() -> OutcomeBody {
    let component = Component {
        kind: ComponentKind::Tree,
        required: true,
        state: ComponentState::Complete,
        manifest: Some(NodeId::from_bytes([7; 32])),
        stat: None,
        counts: Counts::default(),
    };
    OutcomeBody {
        id: SessionId { client: ClientId::from_bytes([5; 16]), number: 1 },
        session: ObjectHash::from_bytes([6; 32]),
        kind: OutcomeKind::Snapshot,
        time_ns: 0,
        committed_at_ns: 0,
        packs: List::default(),
        segments: List::default(),
        seen: Seen::default(),
        components: List(vec![component]),
        members: List::default(),
        statement: None,
        attributes: List::default(),
    }
}

/// Reads `data` as the description of a snapshot with one component.
///
/// # Panics
/// When what was accepted is not written the same again.
pub fn fuzz_outcome_description(data: &[u8]) {
    let body = snapshot();
    let description = Described::Open(Plaintext::from(data.to_vec()));
    let Ok(outcome) = parse(body.id, &opened(Kind::Outcome, &wire::encode(&body), description)) else { return };
    let description = outcome.description.as_open().expect("it was given open");
    assert!(description.encode(&body).is_ok_and(|bytes| bytes == data), "a description has one encoding");
}

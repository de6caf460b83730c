//! What a session says it had seen of all clients when it commits.

use crate::access::Access;
use crate::content::{FrameWriter, PackStream, RawFrame, StoredTotals};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::Compression;
use crate::id::{NodeId, ObjectHash, SessionId};
use crate::layout::Class;
use crate::manifest::{NodeSource, opaque};
use crate::outcome::{
    Outcome, OutcomeBody, OutcomeDescription, SEEN_COUNT_MAX, SEEN_OVERFLOW_COUNT_MAX, Seen, SeenEntry,
    decode_overflow, encode_overflow,
};
use crate::session::ledger::Ledger;
use crate::session::running;
use crate::session::running::{RunningSession, aborted};
use crate::session::state::{self, ClientState};
use crate::wire::List;
use crossbeam_channel::unbounded;
use std::collections::HashMap;
use std::sync::Arc;

/// Commits a session that continues its client's chain: adds to `body` what moved since the client's last outcome, in a
/// manifest pack of the same outcome where the list is too long to stand in it, and keeps the outcome in mind.
///
/// # Errors
/// Those of [`RunningSession::commit`], and when the pack can't be written. Where the client's state can't be, this
/// machine is [`behind`](Access::behind): its next outcome only tells again what this one told.
pub fn commit_seen(
    access: &Access,
    session: RunningSession,
    state: &ClientState,
    seen: Vec<SeenEntry>,
    mut body: OutcomeBody,
    description: Option<&OutcomeDescription>,
) -> Result<ObjectHash> {
    // What is seen is read once the session is open: an end of it that is among that was made by somebody else.
    let own = session.id;
    if seen.iter().any(|entry| entry.client == own.client && entry.number >= own.number) {
        return Err(aborted(own));
    }
    let told = Told::since(state, seen, SEEN_OVERFLOW_COUNT_MAX);
    body.seen = Seen { base: state.number, ..Seen::default() };
    let mut published = None;
    if told.moved.len() > SEEN_COUNT_MAX {
        let (node, mut ledger) = store(access, session.id, told.moved)?;
        let segments = ledger.publish(access)?;
        body.seen.overflow = Some(node);
        body.packs.0.extend(ledger.pack_ids());
        body.packs.0.sort_unstable();
        body.segments.0.extend(segments.references());
        body.segments.0.sort_unstable_by_key(|segment| segment.id);
        published = Some(segments);
    } else {
        body.seen.entries = List(told.moved);
    }
    let outcome = session.commit(access, &body, description)?;
    let SessionId { client, number } = session.id;
    // It is committed: nothing from here on is a failure of it.
    let own = ClientState { client, number, outcome, seen: List(told.remembered) };
    if let Err(error) = state::advance(&access.state_dir, &own) {
        access.behind.note(format!(
            "what was committed is safe, but this machine can't keep in mind that it was: {error}; the next run tells again \
             what it had seen"
        ));
    }
    if let Some(segments) = published {
        segments.apply_last(access);
    }
    Ok(outcome)
}

/// What an outcome had seen since its base, wherever the list is.
///
/// # Errors
/// [`ErrorKind::Damaged`] when the node that holds the list is missing or holds none that the outcome may have.
pub fn read_seen(nodes: &impl NodeSource<Error = Error>, outcome: &Outcome) -> Result<Vec<SeenEntry>> {
    let seen = &outcome.body.seen;
    let Some(id) = seen.overflow else { return Ok(seen.entries.0.clone()) };
    let node = nodes.node(id)?;
    let payload = opaque::decode(&node).map_err(|cause| {
        Error::new(ErrorKind::Damaged, format!("node {id} is not the list of what an outcome had seen")).because(cause)
    })?;
    Ok(decode_overflow(outcome.body.id, payload)?)
}

/// What an outcome tells, and what the client then knows to have told.
struct Told {
    moved: Vec<SeenEntry>,
    remembered: Vec<SeenEntry>,
}

impl Told {
    /// Only what moved since the client's own last outcome; everything where there is none. What does not fit is not
    /// remembered either, so the next outcome tells it.
    fn since(state: &ClientState, seen: Vec<SeenEntry>, count_max: usize) -> Self {
        let before: HashMap<_, _> = state.seen.0.iter().map(|entry| (entry.client, *entry)).collect();
        let mut told = Self { moved: Vec::new(), remembered: Vec::with_capacity(seen.len()) };
        for entry in seen {
            let old = before.get(&entry.client).copied();
            if old == Some(entry) {
                told.remembered.push(entry);
            } else if told.moved.len() < count_max {
                told.moved.push(entry);
                told.remembered.push(entry);
            } else {
                told.remembered.extend(old);
            }
        }
        told
    }
}

/// Stores a long list as a node. It is never shared with another outcome's: what was there before may be condemned.
fn store(access: &Access, session: SessionId, entries: Vec<SeenEntry>) -> Result<(NodeId, Ledger)> {
    let list = encode_overflow(session, entries)?;
    let node = opaque::encode(&list).expect("the longest list is shorter than a node may be");
    let id = access.naming.node_ids.id(&node);
    let (sender, closed) = unbounded();
    let stream = Arc::new(PackStream::new(access.clone(), Class::Manifest, Box::new(move || Ok(session)), sender));
    let mut frame = RawFrame::default();
    frame.chunks.push(&node);
    frame.ids.push(id.as_chunk());
    let totals = Arc::new(StoredTotals::default());
    FrameWriter::new(Arc::clone(&stream), totals, Compression::default()).store(&mut frame)?;
    stream.end()?;
    let mut ledger = Ledger::default();
    closed.try_iter().try_for_each(|pack| running::finish(access, pack).map(|row| ledger.add(row)))?;
    Ok((id, ledger))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ClientId;

    fn entry(client: u8, number: u64) -> SeenEntry {
        SeenEntry { client: ClientId::from_bytes([client; 16]), number, outcome: ObjectHash::from_bytes([client; 32]) }
    }

    #[test]
    fn what_does_not_fit_into_an_outcome_is_told_by_the_next_one() {
        let state = |number, seen| ClientState {
            client: ClientId::from_bytes([9; 16]),
            number,
            outcome: ObjectHash::from_bytes([0; 32]),
            seen: List(seen),
        };
        let seen = vec![entry(1, 1), entry(2, 5), entry(3, 2), entry(4, 7)];
        let first = Told::since(&state(1, vec![entry(1, 1), entry(3, 1)]), seen.clone(), 1);
        assert_eq!(first.moved, [entry(2, 5)]);
        assert_eq!(first.remembered, [entry(1, 1), entry(2, 5), entry(3, 1)]);
        let second = Told::since(&state(2, first.remembered), seen.clone(), 5);
        assert_eq!(second.moved, [entry(3, 2), entry(4, 7)]);
        assert_eq!(second.remembered, seen);
    }
}

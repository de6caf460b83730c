//! What a writer had seen of all clients when it committed.

use super::OutcomeError;
use super::rules::first_broken;
use crate::id::{ClientId, NodeId, ObjectHash, SessionId};
use crate::wire::{self, List};

/// Most entries of a list that stands in the outcome: what makes 16 KiB. A longer one lies in a manifest pack.
pub const SEEN_COUNT_MAX: usize = 292;
/// Most entries of a list that lies in a manifest pack: what makes 1 MiB.
pub const SEEN_OVERFLOW_COUNT_MAX: usize = 18_724;

/// Up to where the writer had seen one client's sessions decided, without a gap from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct SeenEntry {
    /// The client.
    pub client: ClientId,
    /// The last number of the unbroken run.
    pub number: u64,
    /// Hash of the outcome with that number.
    pub outcome: ObjectHash,
}

/// What the writer had seen when it committed. A store that shows less later was rolled back.
#[derive(Debug, Clone, PartialEq, Eq, Default, bincode::Encode, bincode::Decode)]
pub struct Seen {
    /// The number of the writer's own outcome whose list this one continues; 0 for none: the list is whole.
    pub base: u64,
    /// What moved since, sorted by client.
    pub entries: List<SeenEntry>,
    /// Where the list is, when it is too long to stand here: see [`encode_overflow`].
    pub overflow: Option<NodeId>,
}

impl Seen {
    /// Names the first rule that the list of session `id` breaks.
    pub(super) fn broken_rule(&self, id: SessionId) -> Option<&'static str> {
        let entries = &self.entries.0;
        let here = first_broken(&[
            (self.base < id.number, "its seen list continues one that is not older"),
            (entries.len() <= SEEN_COUNT_MAX, "its seen list is too long to stand in it"),
            (self.overflow.is_none() || entries.is_empty(), "its seen list stands in two places"),
        ]);
        here.or_else(|| broken_entries_rule(id, entries))
    }
}

fn broken_entries_rule(id: SessionId, entries: &[SeenEntry]) -> Option<&'static str> {
    let is_older = |entry: &SeenEntry| entry.client != id.client || entry.number < id.number;
    first_broken(&[
        (entries.is_sorted_by(|a, b| a.client < b.client), "its seen list is not sorted"),
        (entries.iter().all(|entry| entry.number > 0), "its seen list has a number of zero"),
        (entries.iter().all(is_older), "it has seen itself"),
    ])
}

/// Encodes a list of session `id` that is too long to stand in its outcome: what an opaque node holds, which is stored in
/// a manifest pack of the same outcome.
///
/// # Errors
/// [`OutcomeError::Invalid`] when no reader would accept it.
pub fn encode_overflow(id: SessionId, entries: Vec<SeenEntry>) -> Result<Vec<u8>, OutcomeError> {
    check_overflow(id, &entries).map(|()| wire::encode(&List(entries)))
}

/// Reads what the node holds that [`Seen::overflow`] of the outcome of session `id` names.
///
/// # Errors
/// [`OutcomeError::Body`] or [`OutcomeError::Invalid`] when it is no such list.
pub fn decode_overflow(id: SessionId, bytes: &[u8]) -> Result<Vec<SeenEntry>, OutcomeError> {
    let List(entries) = wire::decode(bytes).map_err(|source| OutcomeError::Body { id, source })?;
    check_overflow(id, &entries).map(|()| entries)
}

fn check_overflow(id: SessionId, entries: &[SeenEntry]) -> Result<(), OutcomeError> {
    let length_holds = (SEEN_COUNT_MAX.saturating_add(1)..=SEEN_OVERFLOW_COUNT_MAX).contains(&entries.len());
    let length = (length_holds, "its seen list does not belong into a node");
    let broken = first_broken(&[length]).or_else(|| broken_entries_rule(id, entries));
    broken.map_or(Ok(()), |what| Err(OutcomeError::Invalid { id, what }))
}

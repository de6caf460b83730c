//! What a session says it had seen of all clients when it committed.

use crate::outcome::{Seen, SeenEntry};
use crate::session::state::ClientState;
use std::collections::HashMap;

/// Only what moved since the client's own last outcome, which an entry of the base says; everything where there is no
/// base.
pub fn seen_since(state: &ClientState, seen: &[SeenEntry]) -> Seen {
    let before: HashMap<_, _> = state.seen.0.iter().map(|entry| (entry.client, entry)).collect();
    let moved = seen.iter().filter(|entry| before.get(&entry.client).is_none_or(|old| *old != *entry));
    Seen { base: state.number, entries: moved.copied().collect::<Vec<_>>().into(), overflow: None }
}

//! Snapshots whose clock can't be believed: they stay, and fill no place of a policy.

use super::policy::Stays;
use crate::error::Result;
use crate::id::{ClientId, SessionId};
use crate::outcome::{Outcome, OutcomeKind, SeenEntry};
use crate::session::{History, Snapshot};
use std::collections::{BTreeMap, HashMap};

/// What an outcome had seen since its base, wherever the list is.
pub(crate) type SeenLists<'a> = dyn Fn(&Outcome) -> Result<Vec<SeenEntry>> + 'a;

/// The latest time at which each session's client had committed a snapshot before, as far as the session's outcome had
/// seen it.
pub(super) struct Clocks {
    before_ns: HashMap<SessionId, i64>,
    now_ns: i64,
}

impl Clocks {
    /// Follows every client's chain. A snapshot that is forgotten, or that lies ahead of the clock itself, is no
    /// witness against those that follow it.
    pub(super) fn read(history: &History, now_ns: i64, seen_lists: &SeenLists<'_>) -> Self {
        let forgotten = history.forgotten();
        let mut before_ns: HashMap<SessionId, i64> = HashMap::new();
        let mut chain = Chain::default();
        for (id, held) in history.committed() {
            if chain.client != Some(id.client) {
                chain = Chain { client: Some(id.client), ..Chain::default() };
            }
            let base = SessionId { client: id.client, number: held.body.seen.base };
            let seen_ns = own_seen(*id, held, seen_lists).and_then(|number| chain.latest_up_to(number));
            // What the base had seen, and the base itself, were seen too.
            let inherited = before_ns.get(&base).copied().max(chain.committed_ns.get(&base.number).copied());
            if let Some(latest_ns) = seen_ns.max(inherited) {
                before_ns.insert(*id, latest_ns);
            }
            let is_snapshot = matches!(held.body.kind, OutcomeKind::Snapshot | OutcomeKind::Group);
            let is_witness = held.body.committed_at_ns <= now_ns && !forgotten.contains(&held.snapshot_id());
            if is_snapshot && is_witness {
                chain.add(id.number, held.body.committed_at_ns);
            }
        }
        Self { before_ns, now_ns }
    }

    /// What is odd about a snapshot's clock.
    pub(super) fn oddity(&self, snapshot: &Snapshot) -> Option<Stays> {
        if snapshot.committed_at_ns > self.now_ns {
            return Some(Stays::AheadOfClock);
        }
        let before_ns = self.before_ns.get(&snapshot.session)?;
        (snapshot.committed_at_ns < *before_ns).then_some(Stays::Backwards)
    }
}

/// Up to which number an outcome had seen its own client. Of one whose list can't be read it is believed that it had seen
/// all before it: that keeps rather more than less.
fn own_seen(id: SessionId, held: &Outcome, seen_lists: &SeenLists<'_>) -> Option<u64> {
    let own = |list: &[SeenEntry]| list.iter().find(|entry| entry.client == id.client).map(|entry| entry.number);
    if held.body.seen.overflow.is_none() {
        return own(&held.body.seen.entries.0);
    }
    seen_lists(held).map_or_else(|_| id.number.checked_sub(1), |list| own(&list))
}

/// The witnesses of one client, by number.
#[derive(Default)]
struct Chain {
    client: Option<ClientId>,
    committed_ns: BTreeMap<u64, i64>,
    /// The latest of all witnesses up to each.
    latest_ns: BTreeMap<u64, i64>,
}

impl Chain {
    fn add(&mut self, number: u64, committed_ns: i64) {
        let latest_ns = self.latest_up_to(number).max(Some(committed_ns)).unwrap_or(committed_ns);
        self.committed_ns.insert(number, committed_ns);
        self.latest_ns.insert(number, latest_ns);
    }

    fn latest_up_to(&self, number: u64) -> Option<i64> {
        self.latest_ns.range(..=number).next_back().map(|(_, latest_ns)| *latest_ns)
    }
}

//! Numbers that a client must have used and that left nothing: what they stood for is lost.

use crate::id::ClientId;
use crate::session::history::History;
use crate::store::ObjectName;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

impl History {
    /// Numbers below a client's highest that left neither a session nor an outcome; what can't be believed is there all the
    /// same.
    pub fn gaps(&self) -> Vec<(ClientId, RangeInclusive<u64>)> {
        let unbelieved =
            self.unbelieved().filter_map(|name| if let ObjectName::Outcome(id) = name { Some(id) } else { None });
        let used = self.outcomes.keys().chain(&self.open).copied().chain(unbelieved);
        gaps_among(used.map(|id| (id.client, id.number)))
    }

    /// Numbers below a client's highest that left no record; what can't be believed is there all the same.
    pub fn record_gaps(&self) -> Vec<(ClientId, RangeInclusive<u64>)> {
        let unbelieved = self.unbelieved().filter_map(|name| {
            if let ObjectName::Record(client, number) = name { Some((client, number)) } else { None }
        });
        gaps_among(self.records.keys().copied().chain(unbelieved))
    }

    fn unbelieved(&self) -> impl Iterator<Item = ObjectName> {
        self.troubles.iter().map(|trouble| trouble.object)
    }
}

fn gaps_among(used: impl Iterator<Item = (ClientId, u64)>) -> Vec<(ClientId, RangeInclusive<u64>)> {
    let mut numbers: BTreeMap<ClientId, BTreeSet<u64>> = BTreeMap::new();
    for (client, number) in used {
        numbers.entry(client).or_default().insert(number);
    }
    let mut gaps = Vec::new();
    for (client, numbers) in numbers {
        let mut expected = 1u64;
        for number in numbers {
            if number > expected {
                gaps.push((client, expected..=number.saturating_sub(1)));
            }
            expected = number.saturating_add(1);
        }
    }
    gaps
}

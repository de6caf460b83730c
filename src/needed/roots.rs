//! What is live: the snapshots that nobody forgot, and where their trees begin.

use crate::id::{NodeId, SnapshotId};
use crate::outcome::{Outcome, OutcomeKind};
use crate::record::RecordKind;
use crate::session::{self, History, Snapshot};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Everything from which what is needed can be reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roots {
    /// The live snapshots, and staged outcomes that wait for their group.
    pub live: BTreeSet<SnapshotId>,
    /// The roots of their manifests and stat trees, and single nodes that outcomes name: seen lists that were too long
    /// for them. Outcomes are never deleted, so these are needed for ever. Each with an outcome that names it.
    pub nodes: BTreeMap<NodeId, SnapshotId>,
}

impl Roots {
    /// Finds what is live.
    pub fn of(history: &History) -> Self {
        Self::without(history, &BTreeSet::new())
    }

    /// Finds what would be live if these snapshots were forgotten as well.
    pub fn without(history: &History, forgotten: &BTreeSet<SnapshotId>) -> Self {
        let mut roots = Self::default();
        let is_live = |snapshot: &&Snapshot| !snapshot.forgotten && !forgotten.contains(&snapshot.id);
        for snapshot in session::all(history).iter().filter(is_live) {
            roots.add_snapshot(snapshot);
        }
        for held in waiting(history) {
            roots.live.insert(held.snapshot_id());
            for component in &held.body.components.0 {
                roots.add(held.snapshot_id(), component.manifest.into_iter().chain(component.stat));
            }
        }
        for (_, held) in history.committed() {
            roots.add(held.snapshot_id(), held.body.seen.overflow);
        }
        roots
    }

    /// What these snapshots begin with.
    pub fn below<'a>(snapshots: impl IntoIterator<Item = &'a Snapshot>) -> Self {
        let mut roots = Self::default();
        snapshots.into_iter().for_each(|snapshot| roots.add_snapshot(snapshot));
        roots
    }

    fn add_snapshot(&mut self, snapshot: &Snapshot) {
        self.live.insert(snapshot.id);
        for component in &snapshot.components {
            self.add(snapshot.id, component.manifest.into_iter().chain(component.stat));
        }
    }

    fn add(&mut self, outcome: SnapshotId, nodes: impl IntoIterator<Item = NodeId>) {
        for node in nodes {
            self.nodes.entry(node).or_insert(outcome);
        }
    }

    /// What these have beyond others.
    #[must_use]
    pub fn beyond(&self, others: &Self) -> Self {
        let is_new = |(node, _): &(&NodeId, &SnapshotId)| !others.nodes.contains_key(*node);
        Self {
            live: &self.live - &others.live,
            nodes: self.nodes.iter().filter(is_new).map(|(node, outcome)| (*node, *outcome)).collect(),
        }
    }

    /// These and others.
    #[must_use]
    pub fn with(mut self, others: Self) -> Self {
        self.live.extend(others.live);
        for (node, outcome) in others.nodes {
            self.nodes.entry(node).or_insert(outcome);
        }
        self
    }

    /// Whether nothing begins here.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }
}

/// Staged outcomes that neither a group took in nor a record released.
fn waiting(history: &History) -> impl Iterator<Item = &Outcome> {
    let grouped: HashSet<[u8; 32]> =
        history.committed().flat_map(|(_, held)| held.body.members.0.iter().map(|member| *member.as_bytes())).collect();
    let released: HashSet<SnapshotId> = history
        .records
        .values()
        .filter(|record| record.body.kind == RecordKind::Release)
        .flat_map(|record| record.body.snapshots.0.iter().copied())
        .collect();
    history.committed().map(|(_, held)| held).filter(move |held| {
        held.body.kind == OutcomeKind::Staged
            && !grouped.contains(held.hash.as_bytes())
            && !released.contains(&held.snapshot_id())
    })
}

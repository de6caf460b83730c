//! What is live: the snapshots that nobody forgot, and where their trees begin.

use crate::id::{NodeId, SnapshotId};
use crate::outcome::{Outcome, OutcomeKind};
use crate::record::RecordKind;
use crate::session::{self, History};
use std::collections::{BTreeSet, HashSet};

/// Everything from which what is needed can be reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roots {
    /// The live snapshots, and staged outcomes that wait for their group.
    pub live: BTreeSet<SnapshotId>,
    /// The roots of their manifests.
    pub manifests: BTreeSet<NodeId>,
    /// The roots of their stat trees.
    pub stats: BTreeSet<NodeId>,
    /// Single nodes that outcomes name: seen lists that were too long for them. Outcomes are never deleted, so these
    /// are needed for ever.
    pub nodes: BTreeSet<NodeId>,
}

impl Roots {
    /// Finds what is live.
    pub fn of(history: &History) -> Self {
        let mut roots = Self::default();
        for snapshot in session::all(history).iter().filter(|snapshot| !snapshot.forgotten) {
            roots.live.insert(snapshot.id);
            roots.manifests.extend(snapshot.components.iter().filter_map(|component| component.manifest));
            roots.stats.extend(snapshot.components.iter().filter_map(|component| component.stat));
        }
        for held in waiting(history) {
            roots.live.insert(held.snapshot_id());
            roots.manifests.extend(held.body.components.0.iter().filter_map(|component| component.manifest));
            roots.stats.extend(held.body.components.0.iter().filter_map(|component| component.stat));
        }
        roots.nodes.extend(history.committed().filter_map(|(_, held)| held.body.seen.overflow));
        roots
    }

    /// What these have beyond others.
    #[must_use]
    pub fn beyond(&self, others: &Self) -> Self {
        Self {
            live: &self.live - &others.live,
            manifests: &self.manifests - &others.manifests,
            stats: &self.stats - &others.stats,
            nodes: &self.nodes - &others.nodes,
        }
    }

    /// Whether nothing begins here.
    pub fn is_empty(&self) -> bool {
        self.manifests.is_empty() && self.stats.is_empty() && self.nodes.is_empty()
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

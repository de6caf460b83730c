//! The copy that the next one is built upon.

use crate::access::Access;
use crate::copy::plan::Copies;
use crate::error::{Error, Result};
use crate::id::NodeId;
use crate::session::{self, History, Snapshot, SnapshotComponent};

/// A snapshot of the source, and its copy.
pub(super) struct Base {
    source: Snapshot,
    pub(super) copy: Snapshot,
}

/// One component's trees in the source and in the copy.
#[derive(Debug, Clone, Copy)]
pub(super) struct Earlier {
    /// Roots of the manifest.
    pub(super) manifest: Option<(NodeId, NodeId)>,
    /// Roots of the stat tree.
    pub(super) stat: Option<(NodeId, NodeId)>,
}

/// Chooses the newest snapshot of the same host and paths, not younger than `wanted` if there is one, that has a copy from
/// which a session may inherit. Its nodes are read in both repositories, so it is forgotten in neither.
///
/// # Errors
/// When the source can't be listed.
pub(super) fn choose(
    from: &Access,
    to: &Access,
    wanted: &Snapshot,
    (history, copies): (&History, &Copies),
) -> Result<Option<Base>> {
    // A put key can't read any tree, its own neither.
    if !to.ring.reads() {
        return Ok(None);
    }
    let is_alike = |snapshot: &Snapshot| {
        let parts = |origin: &session::Origin| (origin.host.clone(), origin.paths.clone());
        snapshot.origin.as_ref().map(parts) == wanted.origin.as_ref().map(parts)
    };
    let candidates = session::all(&History::load(from)?).into_iter().filter(|one| !one.forgotten && is_alike(one));
    let copied = candidates.filter_map(|source| {
        let copy = copies.live(source.first(from.chain.repository()))?;
        history.may_inherit(copy).then_some((source, copy))
    });
    let best = copied.max_by_key(|(source, _)| {
        let is_younger = source.time_ns > wanted.time_ns;
        let distance_ns = source.time_ns.abs_diff(wanted.time_ns);
        (!is_younger, std::cmp::Reverse(distance_ns))
    });
    let Some((source, copy)) = best else { return Ok(None) };
    let copy = session::all(history).into_iter().find(|snapshot| snapshot.id == copy);
    Ok(copy.map(|copy| Base { source, copy }))
}

impl Base {
    /// The trees of the component that corresponds to one of the snapshot at hand.
    pub(super) fn component(&self, wanted: &SnapshotComponent) -> Option<Earlier> {
        let fits = |component: &SnapshotComponent| component.kind == wanted.kind && component.name == wanted.name;
        let place = self.source.components.iter().position(fits)?;
        let (source, copy) = (self.source.components.get(place)?, self.copy.components.get(place)?);
        fits(copy).then(|| Earlier { manifest: source.manifest.zip(copy.manifest), stat: source.stat.zip(copy.stat) })
    }

    /// What is told when a snapshot was read whole because this can't be.
    pub(super) fn unreadable(&self, wanted: &Snapshot, error: &Error) -> String {
        let [wanted, source, copy] = [wanted.id, self.source.id, self.copy.id].map(|id| id.short());
        format!(
            "snapshot {wanted} was read whole, for what was copied of it before can't be read: a part of snapshot {source} \
             there or of its copy {copy} here: {}; `holdall check` of both repositories lists what is damaged",
            crate::error::chain(error)
        )
    }
}

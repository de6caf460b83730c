//! What must be true of a repository, known without looking into it.

use super::tree::Tree;
use crate::id::SnapshotId;

/// Whether a snapshot is to be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Live,
    Forgotten,
    /// Whoever meant to change it never heard whether that happened.
    Unsure,
}

/// Whether a snapshot can be restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Soundness {
    Whole,
    /// It was made of what may have been damaged, and nobody has looked.
    Untold,
    Damaged,
}

/// A snapshot that somebody was told of.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) id: SnapshotId,
    pub(super) tree: Tree,
    pub(super) standing: Standing,
    pub(super) soundness: Soundness,
}

/// What a repository must hold.
#[derive(Debug, Clone, Default)]
pub(super) struct Expected {
    /// In the order in which they were told.
    pub(super) known: Vec<Known>,
    /// What those meant to store who were never told whether it is.
    pub(super) attempts: Vec<Tree>,
    /// Whether objects were damaged, or the whole store rolled back: then operations may fail.
    pub(super) is_touched: bool,
}

impl Expected {
    /// Takes note of a snapshot that somebody was told of.
    pub(super) fn acknowledge(&mut self, id: SnapshotId, tree: Tree) {
        let soundness = if self.is_touched { Soundness::Untold } else { Soundness::Whole };
        self.known.retain(|known| known.id != id);
        self.known.push(Known { id, tree, standing: Standing::Live, soundness });
    }

    pub(super) fn get(&self, id: SnapshotId) -> Option<&Known> {
        self.known.iter().find(|known| known.id == id)
    }

    pub(super) fn stand(&mut self, ids: &[SnapshotId], standing: Standing) {
        self.known.iter_mut().filter(|known| ids.contains(&known.id)).for_each(|known| known.standing = standing);
    }

    /// The snapshot of this turn among those that were ever made.
    pub(super) fn pick(&self, turn: u8) -> Option<SnapshotId> {
        self.known.iter().cycle().nth(usize::from(turn)).map(|known| known.id)
    }

    /// Whose trees may be those of a snapshot that nobody was told of.
    pub(super) fn was_attempted(&self, tree: &Tree) -> bool {
        self.attempts.contains(tree)
    }
}

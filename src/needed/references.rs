//! What a node names.

use crate::id::{ChunkId, NodeId};
use crate::manifest::{Item, ItemList, NodeError, NodeRow, Tree, inspect};
use crate::needed::spill::Counted;
use std::collections::HashSet;

/// What one or several nodes name, in no order; a thing that is named twice stands twice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct References {
    /// Nodes that may name others.
    pub nodes: Vec<NodeId>,
    /// Chunks, and nodes that name nothing: leaves of stat trees.
    pub ends: Vec<ChunkId>,
}

impl References {
    /// How many things are named.
    pub(super) const fn len(&self) -> usize {
        self.nodes.len().saturating_add(self.ends.len())
    }

    /// Takes over what others name, and leaves them empty.
    pub(super) fn append(&mut self, others: &mut Self) {
        self.nodes.append(&mut others.nodes);
        self.ends.append(&mut others.ends);
    }

    /// Everything that is named, in order, each with how often; and which of that are nodes that may name others.
    pub(super) fn counted(self) -> (Vec<Counted>, HashSet<ChunkId>) {
        let nodes: HashSet<ChunkId> = self.nodes.iter().map(|id| id.as_chunk()).collect();
        let mut ids = self.ends;
        ids.extend(self.nodes.iter().map(|id| id.as_chunk()));
        ids.sort_unstable();
        let counted = ids
            .chunk_by(|a, b| a == b)
            .filter_map(|same| Some((*same.first()?, u64::try_from(same.len()).unwrap_or(u64::MAX))));
        (counted.collect(), nodes)
    }

    /// Adds what a node names.
    ///
    /// # Errors
    /// [`NodeError`] when the node is malformed.
    pub fn add(&mut self, node: &[u8]) -> Result<(), NodeError> {
        let mut children = Vec::new();
        let inspected = inspect(node, &mut |row| match row {
            NodeRow::Entry(entry) => entry.item_lists().for_each(|list| self.list(list)),
            NodeRow::Item(item) => self.item(&item),
            NodeRow::Child { id, .. } => children.push(id),
            NodeRow::Stat(_) => {}
        })?;
        if inspected.tree == Tree::Stat && inspected.level == 1 {
            self.ends.extend(children.iter().map(|child| child.as_chunk()));
        } else {
            self.nodes.append(&mut children);
        }
        Ok(())
    }

    fn list(&mut self, list: &ItemList) {
        match list {
            ItemList::Few(items) => items.iter().for_each(|item| self.item(item)),
            ItemList::Tree(tree) => self.nodes.push(tree.root),
        }
    }

    fn item(&mut self, item: &Item) {
        if let Item::Chunk { id, .. } = item {
            self.ends.push(*id);
        }
    }
}

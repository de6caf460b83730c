//! Nodes that are likely to be wanted again: those near the roots are on the way to everything.

use crate::content::ContentReader;
use crate::error::Result;
use crate::id::NodeId;
use crate::manifest::{NodeSort, NodeSource};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// How many bytes of nodes are kept.
const BYTES_MAX: usize = 8 << 20;

/// Reads nodes. Keeps those that were used last: at least half, at most all of [`BYTES_MAX`].
pub(super) struct NodeCache {
    reader: ContentReader,
    held: Mutex<Held>,
}

/// Nodes of two ages. What is used becomes young; when the young fill half of the space, the old go and the young are old.
#[derive(Default)]
struct Held {
    young: HashMap<NodeId, Arc<[u8]>>,
    young_bytes: usize,
    old: HashMap<NodeId, Arc<[u8]>>,
}

impl Held {
    fn get(&mut self, id: NodeId) -> Option<Arc<[u8]>> {
        if let Some(node) = self.young.get(&id) {
            return Some(Arc::clone(node));
        }
        let node = self.old.remove(&id)?;
        self.put(id, &node);
        Some(node)
    }

    fn put(&mut self, id: NodeId, node: &Arc<[u8]>) {
        if self.young.insert(id, Arc::clone(node)).is_none() {
            self.young_bytes = self.young_bytes.saturating_add(node.len());
        }
        if self.young_bytes > BYTES_MAX / 2 {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
    }
}

impl NodeCache {
    pub(super) fn new(reader: ContentReader) -> Self {
        Self { reader, held: Mutex::default() }
    }

    fn held_or(&self, id: NodeId, read: impl FnOnce() -> Result<Arc<[u8]>>) -> Result<Arc<[u8]>> {
        if let Some(node) = self.held().get(id) {
            return Ok(node);
        }
        let node = read()?;
        self.held().put(id, &node);
        Ok(node)
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl NodeSource for NodeCache {
    type Error = crate::error::Error;

    fn node(&self, id: NodeId) -> Result<Arc<[u8]>> {
        self.held_or(id, || self.reader.node(id))
    }

    fn node_of(&self, sort: NodeSort, id: NodeId) -> Result<Arc<[u8]>> {
        self.held_or(id, || self.reader.node_of(sort, id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u32) -> NodeId {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&number.to_le_bytes());
        NodeId::from_bytes(bytes)
    }

    #[test]
    fn memory_is_bounded_and_what_is_used_stays() {
        let mut held = Held::default();
        let node: Arc<[u8]> = vec![0; 64 << 10].into();
        for number in 0..1000 {
            held.put(id(number), &node);
            assert!(held.get(id(0)).is_some(), "{number}");
            let count = held.young.len() + held.old.len();
            assert!(count * node.len() <= BYTES_MAX + node.len(), "{count}");
        }
        assert!(held.get(id(500)).is_none());
    }
}

//! Which nodes were read already.

use crate::access::Access;
use crate::error::Result;
use crate::id::NodeId;
use crate::index::Scratch;
use std::collections::HashSet;

/// What an id takes in memory, its share of the free places included.
const SEEN_BYTES: usize = 72;

/// A set of nodes: in memory at first, in a table on disk once they are too many.
pub(super) struct Seen {
    access: Access,
    memory: HashSet<NodeId>,
    memory_ids_max: usize,
    more: Option<Box<dyn Scratch>>,
}

impl Seen {
    pub(super) fn new(access: &Access, memory_bytes: usize) -> Self {
        let memory_ids_max = memory_bytes / SEEN_BYTES;
        Self { access: access.clone(), memory: HashSet::new(), memory_ids_max, more: None }
    }

    pub(super) fn contains(&self, id: &NodeId) -> Result<bool> {
        if self.memory.contains(id) {
            return Ok(true);
        }
        Ok(match &self.more {
            Some(more) => more.get(id.as_bytes())?.is_some(),
            None => false,
        })
    }

    pub(super) fn insert(&mut self, id: NodeId) -> Result<()> {
        if self.memory.len() < self.memory_ids_max {
            self.memory.insert(id);
            return Ok(());
        }
        let more = match &mut self.more {
            Some(more) => more,
            None => self.more.insert(self.access.scratch()),
        };
        Ok(more.put(id.as_bytes(), &[])?)
    }
}

//! Which chunks and nodes are needed, and by how much each pack is used.

use crate::access::Access;
use crate::content::ContentReader;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{ChunkId, NodeId};
use crate::manifest::{
    AttributeValue, Content, Cursor, Entry, Item, ItemList, ItemReader, NodeVisit, Row, StatEntry, Visit,
};
use crate::progress::Progress;
use crate::prune::roots::Roots;
use std::collections::HashSet;

/// Tells what the snapshots behind some roots need.
pub trait Needed: Send + Sync {
    /// Answers for each id whether it is needed; `needed` is cleared first. Over-counting is slack, under-counting would
    /// be loss.
    ///
    /// # Errors
    /// When the answer can't be read.
    fn answer(&self, ids: &[ChunkId], needed: &mut Vec<bool>) -> Result<()>;
}

/// Everything that was found to be needed so far, by the roots that were followed.
#[derive(Default)]
pub(super) struct Marks {
    followed: Roots,
    found: Vec<Box<dyn Needed>>,
}

impl Marks {
    /// Follows the roots that were not followed before. What was needed by roots that are forgotten meanwhile stays
    /// needed: that is slack until the next prune.
    pub(super) fn cover(&mut self, access: &Access, roots: &Roots, progress: &dyn Progress) -> Result<()> {
        let new = roots.beyond(&self.followed);
        if !new.is_empty() {
            self.found.push(mark(access, &new, progress)?);
        }
        self.followed = Roots {
            live: &self.followed.live | &new.live,
            manifests: &self.followed.manifests | &new.manifests,
            stats: &self.followed.stats | &new.stats,
            nodes: &self.followed.nodes | &new.nodes,
        };
        Ok(())
    }

    /// Answers for each id whether anything needs it.
    pub(super) fn answer(&self, ids: &[ChunkId], needed: &mut Vec<bool>) -> Result<()> {
        needed.clear();
        needed.resize(ids.len(), false);
        let mut one = Vec::with_capacity(ids.len());
        for found in &self.found {
            found.answer(ids, &mut one)?;
            needed.iter_mut().zip(&one).for_each(|(all, one)| *all |= *one);
        }
        Ok(())
    }
}

/// Reads every tree behind the roots, each node once. Memory: 40 bytes for each chunk and node that is needed.
fn mark(access: &Access, roots: &Roots, progress: &dyn Progress) -> Result<Box<dyn Needed>> {
    Ok(Box::new(InMemory(reach(access, roots, progress)?)))
}

/// The ids of everything that can be reached from the roots.
pub(super) fn reach(access: &Access, roots: &Roots, progress: &dyn Progress) -> Result<HashSet<ChunkId>> {
    let reader = ContentReader::new(access.clone());
    let mut marker = Marker { reader: &reader, progress, ids: HashSet::new() };
    for root in &roots.manifests {
        marker.tree::<Entry>(*root, Marker::entry)?;
    }
    for root in &roots.stats {
        marker.tree::<StatEntry>(*root, |_, _| Ok(()))?;
    }
    marker.ids.extend(roots.nodes.iter().map(|node| node.as_chunk()));
    Ok(marker.ids)
}

struct InMemory(HashSet<ChunkId>);

impl Needed for InMemory {
    fn answer(&self, ids: &[ChunkId], needed: &mut Vec<bool>) -> Result<()> {
        needed.clear();
        needed.extend(ids.iter().map(|id| self.0.contains(id)));
        Ok(())
    }
}

struct Marker<'a> {
    reader: &'a ContentReader,
    progress: &'a dyn Progress,
    ids: HashSet<ChunkId>,
}

impl Marker<'_> {
    fn tree<R: Row>(&mut self, root: NodeId, mut each: impl FnMut(&mut Self, R) -> Result<()>) -> Result<()> {
        let mut cursor: Cursor<R, _> = Cursor::new(self.reader, root);
        while let Some(row) = cursor.next_row_with(&mut |visit| self.visit(visit))? {
            if self.progress.stopped() {
                return Err(Error::new(ErrorKind::Interrupted, "stopped as asked; nothing was changed"));
            }
            each(self, row)?;
        }
        Ok(())
    }

    fn visit(&mut self, visit: &NodeVisit<'_>) -> Visit {
        if self.ids.insert(visit.id.as_chunk()) { Visit::Enter } else { Visit::Skip }
    }

    fn entry(&mut self, entry: Entry) -> Result<()> {
        if let Some(Content::Items(list)) = entry.content() {
            self.items(list)?;
        }
        for attribute in entry.attributes.iter() {
            if let AttributeValue::OutOfLine(list) = &attribute.value {
                self.items(list)?;
            }
        }
        Ok(())
    }

    fn items(&mut self, list: &ItemList) -> Result<()> {
        let mut items = ItemReader::new(self.reader, list.clone());
        while let Some(placed) = items.next_item_with(&mut |visit| self.visit(visit))? {
            if let Item::Chunk { id, .. } = placed.item {
                self.ids.insert(id);
            }
        }
        Ok(())
    }
}

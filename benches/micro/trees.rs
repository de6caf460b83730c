//! Writing, reading and joining the manifest.

use crate::Outcome;
use crate::pair::{Pair, Unit};
use holdall::id::{ChunkId, NodeId};
use holdall::manifest::{
    BoundaryKey, Carry, Content, Cursor, Item, ItemTreeBuilder, LeafCursor, Means, NodeIdKey, NodeSink, NodeSource,
    TreeBuilder,
};
use holdall::{Body, Entry, Key, Secret};
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

const ROW_COUNT: usize = 100_000;

/// Nodes in memory.
struct Shelf {
    ids: NodeIdKey,
    nodes: HashMap<NodeId, Arc<[u8]>>,
}

impl NodeSink for Shelf {
    type Error = Infallible;

    fn put(&mut self, node: &[u8]) -> Result<NodeId, Infallible> {
        let id = self.ids.id(node);
        self.nodes.entry(id).or_insert_with(|| Arc::from(node));
        Ok(id)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the shelf lacks a node")]
struct Missing;

impl NodeSource for Shelf {
    type Error = Missing;

    fn node(&self, id: NodeId) -> Result<Arc<[u8]>, Missing> {
        self.nodes.get(&id).cloned().ok_or(Missing)
    }
}

pub(crate) fn run() -> Outcome<Vec<Pair>> {
    let (ids, boundary) = (NodeIdKey::new(Secret::random()), BoundaryKey::new(Secret::random()));
    let means = Means::parse(128, 128).ok_or("means out of range")?;
    let shelf = || Shelf { ids: ids.clone(), nodes: HashMap::new() };
    let rows = rows(&boundary, means)?;
    let build = |shelf: &mut Shelf| -> Outcome<NodeId> {
        let mut builder = TreeBuilder::<Entry>::new(&boundary, means);
        rows.iter().try_for_each(|row| builder.push(row, shelf))?;
        Ok(builder.finish(shelf)?)
    };
    let mut full = shelf();
    let root = build(&mut full)?;
    let all: Vec<u8> = full.nodes.values().flat_map(|node| node.iter().copied()).collect();
    let read = || Cursor::<Entry, _>::new(&full, root).flatten().count();
    let join = || -> Outcome<usize> {
        let (mut sink, mut carried) = (shelf(), 0);
        let mut builder = TreeBuilder::<Entry>::new(&boundary, means);
        let mut leaves = LeafCursor::<Entry, _>::new(&full, root);
        while let Some(leaf) = leaves.next_leaf()? {
            if builder.carry(&leaf, &mut sink)? == Carry::Carried {
                carried += 1;
                continue;
            }
            let mut rows = leaves.read(&leaf)?;
            while let Some(row) = rows.next_row()? {
                builder.push(&row, &mut sink)?;
            }
        }
        builder.finish(&mut sink)?;
        Ok(carried)
    };
    let count = (Unit::Items, ROW_COUNT);
    let mut copy = vec![0; all.len()];
    Ok(vec![
        Pair::measure(
            ("manifest rows written", "BLAKE3 over the nodes"),
            count,
            || build(&mut shelf()).is_ok(),
            || blake3::hash(&all),
        ),
        Pair::measure(("manifest rows read", "memcpy of the nodes"), count, read, || copy.copy_from_slice(&all)),
        Pair::measure(
            ("manifest rows joined, unchanged", "BLAKE3 over the nodes"),
            count,
            || join().is_ok(),
            || blake3::hash(&all),
        ),
    ])
}

/// Files of one chunk in directories of a hundred.
fn rows(boundary: &BoundaryKey, means: Means) -> Outcome<Vec<Entry>> {
    let mut rows = Vec::with_capacity(ROW_COUNT);
    for number in 0..ROW_COUNT {
        let key = Key::parse(format!("home\0ada\0letters\0{:05}\0{number:07}.txt", number / 100).into_bytes())?;
        let id = ChunkId::from_bytes(*blake3::hash(&number.to_le_bytes()).as_bytes());
        let mut items = ItemTreeBuilder::new(boundary, means);
        items.push(
            Item::Chunk { id, bytes: 4096 },
            &mut Shelf { ids: NodeIdKey::new(Secret::random()), nodes: HashMap::new() },
        )?;
        let list = items.finish(&mut Shelf { ids: NodeIdKey::new(Secret::random()), nodes: HashMap::new() })?;
        rows.push(Entry::new(key, Body::File(list.map_or_else(Content::empty, Content::Items))));
    }
    Ok(rows)
}

//! Trees as wholes: built, carried over, read, damaged.

mod comparing;
mod laws;
mod numbered;
mod reading;
mod refusals;
mod samples;
mod vectors;

use super::boundary::Boundary;
use super::*;
use crate::id::ChunkId;
use crate::seal::Secret;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Nodes in memory; remembers which were asked for.
#[derive(Debug, Default)]
struct Shelf {
    nodes: BTreeMap<NodeId, Arc<[u8]>>,
    put_count: usize,
    asked: RefCell<Vec<NodeId>>,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no such node")]
struct Missing;

impl NodeSink for Shelf {
    type Error = Missing;

    fn put(&mut self, node: &[u8]) -> Result<NodeId, Missing> {
        let id = node_id_key().id(node);
        self.put_count += 1;
        self.nodes.insert(id, node.into());
        Ok(id)
    }
}

impl NodeSource for Shelf {
    type Error = Missing;

    fn node(&self, id: NodeId) -> Result<Arc<[u8]>, Missing> {
        self.asked.borrow_mut().push(id);
        self.nodes.get(&id).cloned().ok_or(Missing)
    }
}

fn naming() -> Secret {
    Secret::from_bytes([0x4e; 32])
}

fn node_id_key() -> NodeIdKey {
    NodeIdKey::new(naming().derive("holdall 1 node id", &[]))
}

fn boundary_key() -> BoundaryKey {
    BoundaryKey::new(naming().derive("holdall 1 boundary", &[]))
}

fn hard_link_key() -> HardLinkKey {
    HardLinkKey::new(naming().derive("holdall 1 hard link", &[]))
}

fn means() -> Means {
    Means::parse(8, 8).unwrap()
}

fn key(path: &str) -> Key {
    Key::from_path(path.as_ref()).unwrap()
}

fn chunk(number: u64) -> Item {
    let id = *blake3::hash(&number.to_le_bytes()).as_bytes();
    Item::Chunk { id: ChunkId::from_bytes(id), bytes: 1000 + number % 1000 }
}

fn file(path: &str, number: u64) -> Entry {
    Entry::new(key(path), Body::File(Content::Items(ItemList::Few(vec![chunk(number)]))))
}

/// A root directory and `count` files in it.
fn flat(count: u64) -> Vec<Entry> {
    let files = (0..count).map(|n| file(&format!("/f{n:06}"), n));
    std::iter::once(Entry::new(Key::root(), Body::Directory)).chain(files).collect()
}

fn build<R: Row>(rows: &[R], shelf: &mut Shelf) -> NodeId {
    let mut builder = TreeBuilder::new(&boundary_key(), means());
    rows.iter().for_each(|row| builder.push(row, shelf).unwrap());
    assert_eq!(builder.row_count(), u64::try_from(rows.len()).unwrap());
    builder.finish(shelf).unwrap()
}

fn read<R: Row>(root: NodeId, shelf: &Shelf) -> Vec<R> {
    Cursor::new(shelf, root).map(Result::unwrap).collect()
}

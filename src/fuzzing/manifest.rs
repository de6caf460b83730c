//! Nodes, trees and attribute values from strangers.

use crate::id::NodeId;
use crate::manifest::{
    BoundaryKey, Carry, Cursor, Entry, ItemList, ItemReader, Key, Kind, LeafCursor, Lineage, Means, NodeIdKey, NodeRow,
    NodeSink, NodeSource, Row, StatEntry, Timestamp, Tree, TreeBuilder, decode_holes, decode_xattrs, encode_holes,
    encode_xattrs, inspect, opaque, write_node,
};
use crate::seal::Secret;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How many rows, items and errors of one tree are looked at: a small tree may claim 2^63 items and have them.
const STEPS_MAX: usize = 20_000;

/// Reads `data` as a node by itself.
///
/// # Panics
/// When a node that was accepted is not what a writer makes of its rows.
pub fn fuzz_manifest_node(data: &[u8]) {
    let mut rows: Vec<NodeRow> = Vec::new();
    let Ok(inspected) = inspect(data, &mut |row| rows.push(row)) else { return };
    if inspected.tree == Tree::Opaque {
        let payload = opaque::decode(data).expect("it was accepted as an opaque node");
        assert_eq!(opaque::encode(payload).as_deref(), Some(data));
        return;
    }
    assert_eq!(inspected.node_rows, u64::try_from(rows.len()).expect("a node is small"));
    assert!(write_node(inspected.tree, inspected.level, &rows) == data, "a node has one encoding");
}

/// Nodes under ids that are no hashes: the first byte of an id says which node it is, so that any bytes make a tree,
/// cycles and all.
struct Pile<'a> {
    nodes: Vec<&'a [u8]>,
}

#[derive(Debug, thiserror::Error)]
#[error("no such node")]
struct Absent;

impl<'a> Pile<'a> {
    /// Takes nodes apart: each is two bytes of length and so many bytes.
    fn parse(mut data: &'a [u8]) -> Self {
        let mut nodes = Vec::new();
        while let Some((length, rest)) = data.split_first_chunk::<2>() {
            let length = usize::from(u16::from_le_bytes(*length));
            let (node, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
            nodes.push(node);
            data = after;
        }
        Self { nodes }
    }

    /// The last node: children come before their parents, as a builder writes them.
    fn root(&self) -> NodeId {
        let number = self.nodes.len().checked_sub(1).and_then(|number| u8::try_from(number).ok());
        NodeId::from_bytes([number.unwrap_or(0); 32])
    }
}

impl NodeSource for Pile<'_> {
    type Error = Absent;

    fn node(&self, id: NodeId) -> Result<Arc<[u8]>, Absent> {
        let [number, ..] = *id.as_bytes();
        self.nodes.get(usize::from(number)).map(|node| Arc::from(*node)).ok_or(Absent)
    }
}

/// Reads `data` as a pile of nodes, the root last: as a manifest with all its items, as a stat tree, and by leaves.
///
/// # Panics
/// When rows come out of order, items leave their content, or seeking finds other rows than reading on.
pub fn fuzz_manifest_tree(data: &[u8]) {
    let pile = Pile::parse(data);
    let root = pile.root();
    read_rows::<StatEntry>(&pile, root);
    let entries = read_rows::<Entry>(&pile, root);
    let mut lineage = Lineage::new();
    let mut directories = BTreeSet::new();
    for entry in &entries {
        let is_directory = entry.kind() == Kind::Directory;
        let is_in_place = entry.key.parent().map_or(is_directory, |parent| directories.contains(&parent));
        assert_eq!(lineage.check(entry).is_ok(), is_in_place);
        if is_in_place && is_directory {
            directories.insert(entry.key.clone());
        }
        entry.item_lists().take(4).for_each(|list| read_items(&pile, list));
    }
    for leaf in LeafCursor::<Entry, _>::new(&pile, root).take(STEPS_MAX).flatten() {
        let Ok(rows) = LeafCursor::<Entry, _>::new(&pile, root).read(&leaf) else { continue };
        let keys: Vec<_> = rows.flatten().map(|row| row.key).collect();
        assert!(keys.iter().all(|key| key <= leaf.last() && leaf.after().is_none_or(|after| key > after)));
    }
}

/// All rows that are left of a tree; those that seeking finds must be among them, at their places.
fn read_rows<R: Row + PartialEq + std::fmt::Debug>(pile: &Pile<'_>, root: NodeId) -> Vec<R> {
    let rows: Vec<R> = Cursor::new(pile, root).take(STEPS_MAX).flatten().collect();
    assert!(rows.iter().zip(rows.iter().skip(1)).all(|(a, b)| a.key() < b.key()), "keys rise");
    let mut cursor = Cursor::<R, _>::new(pile, root);
    for row in rows.iter().rev().chain(&rows).step_by(rows.len().div_ceil(8).max(1)) {
        cursor.seek(row.key());
        let found = cursor.by_ref().take(STEPS_MAX).flatten().next();
        assert_eq!(found.as_ref(), Some(row));
    }
    rows
}

fn read_items(pile: &Pile<'_>, list: &ItemList) {
    let mut offset = 0;
    for placed in ItemReader::new(pile, list.clone()).take(STEPS_MAX).flatten() {
        assert!(placed.offset >= offset, "items follow each other");
        offset = placed.offset.saturating_add(placed.item.bytes());
        assert!(offset <= list.bytes(), "items stay within their content");
    }
}

/// Reads `data` as the values of attributes and as a key.
///
/// # Panics
/// When a value that was accepted has another encoding, or a key does not come back from its path.
pub fn fuzz_manifest_value(data: &[u8]) {
    if let Ok(xattrs) = decode_xattrs(data) {
        assert_eq!(encode_xattrs(&xattrs).as_deref(), Ok(data));
    }
    if let Ok(holes) = decode_holes(data) {
        assert_eq!(encode_holes(&holes).as_deref(), Ok(data));
    }
    if let Ok(key) = Key::parse(data.to_vec()) {
        assert_eq!(Key::from_path(&key.to_path()).as_ref(), Ok(&key));
        assert_eq!(key.components().count(), key.depth());
    }
}

/// Nodes by their ids.
struct Shelf {
    key: NodeIdKey,
    nodes: BTreeMap<NodeId, Arc<[u8]>>,
}

impl NodeSink for Shelf {
    type Error = Absent;

    fn put(&mut self, node: &[u8]) -> Result<NodeId, Absent> {
        let id = self.key.id(node);
        self.nodes.insert(id, node.into());
        Ok(id)
    }
}

impl NodeSource for Shelf {
    type Error = Absent;

    fn node(&self, id: NodeId) -> Result<Arc<[u8]>, Absent> {
        self.nodes.get(&id).cloned().ok_or(Absent)
    }
}

/// Takes `data` for names, the last of which are added later: builds a tree, then the next one with leaves carried
/// over.
///
/// # Panics
/// When rows don't read back, or a tree with leaves carried over is not the one built from its rows.
pub fn fuzz_manifest_build(data: &[u8]) {
    let names = data.split(|byte| *byte == b'\n').filter_map(|name| Key::parse(name.to_vec()).ok());
    let mut old: BTreeSet<Key> = BTreeSet::new();
    let mut new: BTreeSet<Key> = BTreeSet::new();
    for (number, key) in names.enumerate() {
        // Every seventh name is new.
        if number % 7 > 0 {
            old.insert(key.clone());
        }
        new.insert(key);
    }
    let mut shelf = Shelf { key: NodeIdKey::new(Secret::from_bytes([1; 32])), nodes: BTreeMap::new() };
    let old_root = build(&old, &mut shelf);
    let expected = build(&new, &mut shelf);
    let found: BTreeSet<_> = Cursor::<StatEntry, _>::new(&shelf, expected).flatten().map(|row| row.key).collect();
    assert_eq!(found, new);
    let leaves: Vec<_> = LeafCursor::<StatEntry, _>::new(&shelf, old_root).flatten().collect();
    let mut builder = builder();
    let mut rest = new.iter().peekable();
    for leaf in leaves {
        let mut range = Vec::new();
        while let Some(key) = rest.next_if(|key| *key <= leaf.last()) {
            range.push(key);
        }
        let unchanged = range.iter().all(|key| old.contains(*key))
            && u64::try_from(range.len()).is_ok_and(|count| count == leaf.row_count());
        if !unchanged || builder.carry(&leaf, &mut shelf).expect("keys rise") == Carry::MustRead {
            range.into_iter().for_each(|key| builder.push(&row(key), &mut shelf).expect("keys rise"));
        }
    }
    rest.for_each(|key| builder.push(&row(key), &mut shelf).expect("keys rise"));
    assert_eq!(builder.finish(&mut shelf).expect("nodes are few"), expected);
}

fn build(keys: &BTreeSet<Key>, shelf: &mut Shelf) -> NodeId {
    let mut builder = builder();
    keys.iter().for_each(|key| builder.push(&row(key), shelf).expect("keys rise"));
    builder.finish(shelf).expect("nodes are few")
}

fn builder() -> TreeBuilder<StatEntry> {
    let key = BoundaryKey::new(Secret::from_bytes([1; 32]));
    TreeBuilder::new(&key, Means::parse(4, 4).expect("4 is the smallest mean"))
}

fn row(key: &Key) -> StatEntry {
    let time = Timestamp::default();
    StatEntry {
        key: key.clone(),
        kind: Kind::File,
        is_ancestor: false,
        size: 1,
        mtime: time,
        ctime: time,
        inode: 2,
        device: 3,
        links: 1,
        settled: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_laws_hold_for_any_bytes(data: Vec<u8>) {
            fuzz_manifest_node(&data);
            fuzz_manifest_tree(&data);
            fuzz_manifest_value(&data);
            fuzz_manifest_build(&data);
        }

        #[test]
        fn the_laws_hold_for_any_names(names in "([a-d]{1,2}(\u{0}[a-d]){0,2}\n){0,200}") {
            fuzz_manifest_build(names.as_bytes());
        }
    }

    fn seeds(name: &str) -> Vec<Vec<u8>> {
        let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
        std::fs::read_dir(corpus).unwrap().map(|seed| std::fs::read(seed.unwrap().path()).unwrap()).collect()
    }

    #[test]
    fn the_seeds_reach_what_they_are_meant_to_reach() {
        let accepted = seeds("manifest_node").iter().filter(|seed| inspect(seed, &mut |_| {}).is_ok()).count();
        assert!(accepted > 5, "{accepted} nodes are accepted");
        let rows = seeds("manifest_tree").into_iter().map(|seed| {
            let pile = Pile::parse(&seed);
            Cursor::<Entry, _>::new(&pile, pile.root()).flatten().count()
        });
        assert!(rows.max() > Some(20));
    }
}

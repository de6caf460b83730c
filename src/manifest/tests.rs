//! Trees as wholes: built, carried over, read, damaged.

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
    NodeIdKey::derive(&naming())
}

fn boundary_key() -> BoundaryKey {
    BoundaryKey::derive(&naming())
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

#[test]
fn rows_read_back_in_order_whatever_their_number() {
    for count in [0, 1, 7, 8, 9, 31, 32, 33, 100, 1000, 5000] {
        let mut shelf = Shelf::default();
        let rows = flat(count);
        let root = build(&rows, &mut shelf);
        assert_eq!(read::<Entry>(root, &shelf), rows, "{count}");
    }
}

#[test]
fn an_empty_tree_is_one_leaf_without_rows() {
    let mut shelf = Shelf::default();
    let root = build::<Entry>(&[], &mut shelf);
    assert_eq!(shelf.nodes[&root].as_ref(), [0x10, 0]);
    assert_eq!(read::<Entry>(root, &shelf), []);
    assert!(LeafCursor::<Entry, _>::new(&shelf, root).next().is_none());
}

#[test]
fn items_read_back_and_are_found_by_offset() {
    for count in [0u64, 1, 4, 5, 40, 3000] {
        let mut shelf = Shelf::default();
        let items: Vec<_> =
            (0..count).map(|n| if n % 7 == 3 { Item::Zeros { bytes: 65536 } } else { chunk(n) }).collect();
        let mut builder = ItemTreeBuilder::new(&boundary_key(), means());
        items.iter().for_each(|item| builder.push(*item, &mut shelf).unwrap());
        let Some(list) = builder.finish(&mut shelf).unwrap() else {
            assert_eq!(count, 0);
            continue;
        };
        assert_eq!(matches!(list, ItemList::Few(_)), count <= 4);
        let placed: Vec<_> = ItemReader::new(&shelf, list.clone()).map(Result::unwrap).collect();
        assert_eq!(placed.iter().map(|placed| placed.item).collect::<Vec<_>>(), items);
        let mut reader = ItemReader::new(&shelf, list.clone());
        for placed in placed.iter().rev().chain(&placed).step_by(3) {
            for offset in [placed.offset, placed.offset + placed.item.bytes() - 1] {
                reader.seek(offset);
                assert_eq!(reader.next_item().unwrap(), Some(*placed));
            }
        }
        reader.seek(list.bytes());
        assert_eq!(reader.next_item().unwrap(), None);
    }
}

#[test]
fn a_tree_of_which_every_leaf_was_offered_is_the_same_tree() {
    let mut shelf = Shelf::default();
    let rows = flat(3000);
    let root = build(&rows, &mut shelf);
    let mut builder = TreeBuilder::<Entry>::new(&boundary_key(), means());
    let (mut carried, mut leaves) = (0, 0);
    let refs: Vec<_> = LeafCursor::<Entry, _>::new(&shelf, root).map(Result::unwrap).collect();
    for leaf in refs {
        leaves += 1;
        if builder.carry(&leaf, &mut shelf).unwrap() == Carry::Carried {
            carried += 1;
            continue;
        }
        let rows: Vec<_> = LeafCursor::new(&shelf, root).read(&leaf).unwrap().map(Result::unwrap).collect();
        rows.iter().for_each(|row| builder.push(row, &mut shelf).unwrap());
    }
    assert!(carried >= leaves - 1, "{carried} of {leaves}");
    assert_eq!(builder.row_count(), 3001);
    assert_eq!(builder.finish(&mut shelf).unwrap(), root);
}

#[test]
fn seeking_finds_every_row_and_every_gap() {
    let mut shelf = Shelf::default();
    let rows = flat(500);
    let root = build(&rows, &mut shelf);
    let mut cursor = Cursor::<Entry, _>::new(&shelf, root);
    for row in rows.iter().rev().chain(&rows).step_by(7) {
        assert_eq!(cursor.find(&row.key).unwrap().as_ref(), Some(row));
        let gap = key(&format!("{}x", row.key));
        let after = rows.iter().find(|other| other.key > gap);
        assert_eq!(cursor.find(&gap).unwrap(), None);
        assert_eq!(cursor.next_row().unwrap().as_ref(), after);
    }
}

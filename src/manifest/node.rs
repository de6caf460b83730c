//! Nodes: the bytes that all trees are made of, and reading them row by row.
//!
//! ```text
//! node = tree and level (one byte), row count, rows
//! row  = [how much of the last key is kept, the rest of the key,] fields
//! ```

use super::NodeSource;
use super::error::NodeError;
use super::item::Item;
use super::key::{KEY_BYTES_MAX, Key};
use super::row::{ROW_BYTES_MAX, Row, RowError};
use crate::id::NodeId;
use crate::wire::{Reader, WireError, Write};
use std::sync::Arc;

/// Longest node in bytes.
pub const NODE_BYTES_MAX: usize = 1 << 20;
/// Highest level of a node; leaves have level 0.
pub const LEVEL_MAX: u8 = 15;

/// What a node belongs to. The number stands in the high half of a node's first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tree {
    /// A manifest: rows are entries.
    Manifest,
    /// A stat tree: rows are stat rows.
    Stat,
    /// An item tree: rows are items, which have no keys.
    Items,
    /// A single node whose bytes mean something elsewhere.
    Opaque,
}

impl Tree {
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Manifest => 1,
            Self::Stat => 2,
            Self::Items => 3,
            Self::Opaque => 4,
        }
    }

    pub(super) const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Manifest),
            2 => Some(Self::Stat),
            3 => Some(Self::Items),
            4 => Some(Self::Opaque),
            _ => None,
        }
    }

    /// Whether rows have keys.
    pub(super) const fn is_keyed(self) -> bool {
        matches!(self, Self::Manifest | Self::Stat)
    }
}

/// What the first byte of a node says: of which tree it is, and at which level it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeSort(u8);

impl NodeSort {
    const fn new(tree: Tree, level: u8) -> Self {
        Self(tree.code() << 4 | level)
    }

    /// That of a node; nothing is of no sort.
    pub fn of(node: &[u8]) -> Option<Self> {
        node.first().copied().map(Self)
    }
}

/// Where a node stands, which decides what it may look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Nothing stands above it.
    Root,
    /// Nothing stands above it, but its level is known.
    RootAt(u8),
    /// A parent stands above it, one level up.
    Level(u8),
    /// Not known.
    Anywhere,
}

impl Place {
    /// The node of a tree that stands there. Where it can be of one sort only, it is asked for as one of that.
    pub(super) fn fetch<S: NodeSource>(self, tree: Tree, id: NodeId, source: &S) -> Result<Arc<[u8]>, S::Error> {
        match self {
            Self::RootAt(level) | Self::Level(level) => source.node_of(NodeSort::new(tree, level), id),
            Self::Root | Self::Anywhere => source.node(id),
        }
    }
}

/// A row of an inner node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InnerRow {
    /// The last key below the child; the root's key in item trees, which have no keys.
    pub(super) last: Key,
    pub(super) child: NodeId,
    pub(super) totals: Totals,
}

/// What lies below a row: at the leaves, and in content. Sums stop at the largest number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Totals {
    pub(super) rows: u64,
    pub(super) bytes: u64,
}

impl Totals {
    pub(super) const fn add(&mut self, other: Self) {
        self.rows = self.rows.saturating_add(other.rows);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }

    pub(super) fn encode(self, out: &mut Vec<u8>) {
        out.put_varint(self.rows);
        out.put_varint(self.bytes);
    }
}

/// Appends the header of a node.
pub(super) fn encode_header(tree: Tree, level: u8, row_count: u64, out: &mut Vec<u8>) {
    out.put_u8(NodeSort::new(tree, level).0);
    out.put_varint(row_count);
}

/// Appends a key: how many bytes it shares with the one before, and the rest.
pub(super) fn encode_key(before: &[u8], key: &[u8], out: &mut Vec<u8>) {
    let shared = before.iter().zip(key).take_while(|(a, b)| a == b).count();
    out.put_count(shared);
    out.put_blob(key.get(shared..).unwrap_or(&[]));
}

/// The rows of one node, decoded one at a time: memory is the node's bytes and one key.
#[derive(Debug, Clone)]
pub(super) struct NodeRows {
    bytes: Arc<[u8]>,
    tree: Tree,
    level: u8,
    /// Where the next row starts.
    offset: usize,
    row_count: u64,
    cursor: KeyCursor,
}

/// The state that the keys of a node need from row to row.
#[derive(Debug, Clone, Default)]
struct KeyCursor {
    /// The next row's number.
    row: u64,
    /// The key of the row before; empty at the start.
    key: Vec<u8>,
}

impl NodeRows {
    /// Reads the header of a node that stands at `place` in a tree of the kind `tree`.
    pub(super) fn open(bytes: Arc<[u8]>, tree: Tree, place: Place) -> Result<Self, NodeError> {
        let (found, level) = Self::head(&bytes)?;
        if found != tree {
            return Err(NodeError::Tree { expected: tree, found });
        }
        let mut reader = Reader::new(&bytes);
        reader.u8().map_err(NodeError::Header)?;
        let row_count = reader.count("row count", 1).map_err(NodeError::Header)?;
        let (offset, row_count) = (reader.offset(), u64::try_from(row_count).unwrap_or(u64::MAX));
        match place {
            Place::Level(expected) | Place::RootAt(expected) if expected != level => {
                Err(NodeError::Level { expected, found: level })
            }
            Place::Level(_) | Place::RootAt(_) if row_count == 0 => Err(NodeError::Empty),
            Place::Root | Place::Anywhere if row_count == 0 && (level > 0 || !tree.is_keyed()) => Err(NodeError::Empty),
            Place::Root | Place::RootAt(_) if row_count == 1 && level > 0 => Err(NodeError::SingleChild),
            Place::Level(_) | Place::RootAt(_) | Place::Root | Place::Anywhere => {
                Ok(Self { bytes, tree, level, offset, row_count, cursor: KeyCursor::default() })
            }
        }
    }

    /// The tree and level that a node names; checks its length.
    pub(super) fn head(bytes: &[u8]) -> Result<(Tree, u8), NodeError> {
        if bytes.len() > NODE_BYTES_MAX {
            return Err(NodeError::TooLarge);
        }
        let head = Reader::new(bytes).u8().map_err(NodeError::Header)?;
        let tree = Tree::from_code(head >> 4).ok_or(NodeError::UnknownTree { code: head >> 4 })?;
        Ok((tree, head & LEVEL_MAX))
    }

    pub(super) const fn tree(&self) -> Tree {
        self.tree
    }

    pub(super) const fn level(&self) -> u8 {
        self.level
    }

    /// How many rows the node claims to have.
    pub(super) const fn row_count(&self) -> u64 {
        self.row_count
    }

    /// The key of the row read last.
    pub(super) fn key(&self) -> &[u8] {
        &self.cursor.key
    }

    /// The number of the row read last.
    pub(super) const fn row(&self) -> u64 {
        self.cursor.row.saturating_sub(1)
    }

    /// Whether a row was read.
    pub(super) const fn is_started(&self) -> bool {
        self.cursor.row > 0
    }

    /// The next row of a leaf of a keyed tree.
    pub(super) fn leaf_row<R: Row>(&mut self) -> Result<Option<R>, NodeError> {
        self.next(|keys, reader| {
            let key = keys.next(reader)?;
            let key_bytes = key.as_bytes().len();
            let start = reader.offset();
            let row = R::decode_fields(key, reader).map_err(|source| keys.wire(source))?;
            let broken = |source| NodeError::Row { row: keys.row, source };
            if reader.offset().saturating_sub(start).saturating_add(key_bytes) > ROW_BYTES_MAX {
                return Err(broken(RowError::TooLarge));
            }
            row.check().map_err(broken)?;
            Ok(row)
        })
    }

    /// The next row of an inner node.
    pub(super) fn inner_row(&mut self) -> Result<Option<InnerRow>, NodeError> {
        let keyed = self.tree.is_keyed();
        self.next(|keys, reader| {
            let last = if keyed { keys.next(reader)? } else { Key::root() };
            let child = NodeId::from_bytes(reader.array().map_err(|source| keys.wire(source))?);
            let rows = reader.varint().map_err(|source| keys.wire(source))?;
            let bytes = reader.varint().map_err(|source| keys.wire(source))?;
            Ok(InnerRow { last, child, totals: Totals { rows, bytes } })
        })
    }

    /// The next row of a leaf of an item tree.
    pub(super) fn item(&mut self) -> Result<Option<Item>, NodeError> {
        self.next(|keys, reader| {
            let item = Item::decode(reader).map_err(|source| keys.wire(source))?;
            item.check().map_err(|source| NodeError::Row { row: keys.row, source })?;
            Ok(item)
        })
    }

    fn next<T>(
        &mut self,
        read: impl FnOnce(&mut KeyCursor, &mut Reader<'_>) -> Result<T, NodeError>,
    ) -> Result<Option<T>, NodeError> {
        if self.cursor.row == self.row_count {
            let count = self.bytes.len().saturating_sub(self.offset);
            return if count == 0 { Ok(None) } else { Err(NodeError::Trailing { count }) };
        }
        let mut reader = Reader::new(&self.bytes);
        reader.bytes(self.offset).map_err(|source| self.cursor.wire(source))?;
        let value = read(&mut self.cursor, &mut reader)?;
        self.offset = reader.offset();
        self.cursor.row = self.cursor.row.saturating_add(1);
        Ok(Some(value))
    }
}

impl KeyCursor {
    const fn wire(&self, source: WireError) -> NodeError {
        NodeError::Wire { row: self.row, source }
    }

    /// Reads a key, which must lie above the one before and share with it exactly what it claims to share.
    fn next(&mut self, reader: &mut Reader<'_>) -> Result<Key, NodeError> {
        let row = self.row;
        let shared = reader.varint().map_err(|source| self.wire(source))?;
        let suffix = reader.blob("key", KEY_BYTES_MAX).map_err(|source| self.wire(source))?;
        let shared = usize::try_from(shared).ok().filter(|shared| *shared <= self.key.len());
        let shared = shared.ok_or(NodeError::Shared { row })?;
        if row > 0 {
            // What follows the shared bytes decides both the order and whether more could have been shared.
            match (self.key.get(shared), suffix.first()) {
                (_, None) => return Err(NodeError::Order { row }),
                (Some(before), Some(next)) if before == next => return Err(NodeError::Shared { row }),
                (Some(before), Some(next)) if before > next => return Err(NodeError::Order { row }),
                (Some(_) | None, Some(_)) => {}
            }
        }
        self.key.truncate(shared);
        self.key.extend_from_slice(suffix);
        Key::parse_after(self.key.clone(), shared).map_err(|source| NodeError::Key { row, source })
    }
}

pub(super) const fn leaf_totals(bytes: u64) -> Totals {
    Totals { rows: 1, bytes }
}

/// Checks that runs of zeros don't follow each other.
pub(super) fn check_zeros(before: &mut bool, item: &Item, row: u64) -> Result<(), NodeError> {
    let adjacent = *before && item.is_zeros();
    *before = item.is_zeros();
    if adjacent { Err(NodeError::Row { row, source: RowError::AdjacentZeros }) } else { Ok(()) }
}

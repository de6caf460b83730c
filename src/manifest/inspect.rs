//! Nodes by themselves, without the tree around them: reading one row after the other, and writing one.

use super::entry::Entry;
use super::error::NodeError;
use super::item::Item;
use super::key::Key;
use super::node::{InnerRow, NodeRows, Place, Totals, Tree, check_zeros, encode_header, encode_key};
use super::row::Row;
use super::stat::StatEntry;
use crate::id::NodeId;
use crate::wire::Write as _;
use std::sync::Arc;

/// A row of any node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeRow {
    /// Of a manifest leaf.
    Entry(Entry),
    /// Of a leaf of a stat tree.
    Stat(StatEntry),
    /// Of a leaf of an item tree.
    Item(Item),
    /// Of an inner node.
    Child {
        /// The child's last key; none in item trees.
        last: Option<Key>,
        /// The child.
        id: NodeId,
        /// How many rows lie below it at the leaves.
        row_count: u64,
        /// What those rows add up to in bytes of content.
        byte_total: u64,
    },
}

/// What a node says when it is read by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspected {
    /// The tree that it belongs to.
    pub tree: Tree,
    /// Its level; 0 for leaves.
    pub level: u8,
    /// How many rows it has itself.
    pub node_rows: u64,
    /// How many rows lie below it at the leaves, its own included if it is one.
    pub row_count: u64,
    /// What those rows add up to in bytes of content.
    pub byte_total: u64,
    /// Its last key, in keyed trees with at least one row.
    pub last: Option<Key>,
}

/// Reads a node by itself and gives out its rows: every rule is checked that does not need the node's parent. An
/// opaque node has no rows.
///
/// # Errors
/// The first rule that it breaks.
pub fn inspect(node: &[u8], each: &mut dyn FnMut(NodeRow)) -> Result<Inspected, NodeError> {
    inspect_shared(node.into(), each)
}

pub(super) fn inspect_shared(node: Arc<[u8]>, each: &mut dyn FnMut(NodeRow)) -> Result<Inspected, NodeError> {
    let (tree, level) = NodeRows::head(&node)?;
    if tree == Tree::Opaque {
        super::opaque::decode(&node)?;
        return Ok(Inspected { tree, level, node_rows: 0, row_count: 0, byte_total: 0, last: None });
    }
    let mut rows = NodeRows::open(node, tree, Place::Anywhere)?;
    let mut totals = Totals::default();
    let mut zeros_before = false;
    while let Some(row) = next_row(&mut rows, &mut zeros_before)? {
        totals.add(row.totals());
        each(row);
    }
    let last = if tree.is_keyed() && rows.is_started() { Key::parse(rows.key().to_vec()).ok() } else { None };
    let Totals { rows: row_count, bytes: byte_total } = totals;
    Ok(Inspected { tree, level, node_rows: rows.row_count(), row_count, byte_total, last })
}

fn next_row(rows: &mut NodeRows, zeros_before: &mut bool) -> Result<Option<NodeRow>, NodeError> {
    if rows.level() > 0 {
        let keyed = rows.tree().is_keyed();
        return Ok(rows.inner_row()?.map(|InnerRow { last, child, totals }| NodeRow::Child {
            last: if keyed { Some(last) } else { None },
            id: child,
            row_count: totals.rows,
            byte_total: totals.bytes,
        }));
    }
    match rows.tree() {
        Tree::Manifest => Ok(rows.leaf_row()?.map(NodeRow::Entry)),
        Tree::Stat => Ok(rows.leaf_row()?.map(NodeRow::Stat)),
        Tree::Items | Tree::Opaque => {
            let Some(item) = rows.item()? else { return Ok(None) };
            check_zeros(zeros_before, &item, rows.row())?;
            Ok(Some(NodeRow::Item(item)))
        }
    }
}

impl NodeRow {
    const fn key(&self) -> Option<&Key> {
        match self {
            Self::Entry(row) => Some(&row.key),
            Self::Stat(row) => Some(&row.key),
            Self::Child { last, .. } => last.as_ref(),
            Self::Item(_) => None,
        }
    }

    fn totals(&self) -> Totals {
        match self {
            Self::Entry(row) => Totals { rows: 1, bytes: row.byte_total() },
            Self::Stat(row) => Totals { rows: 1, bytes: row.byte_total() },
            Self::Item(item) => Totals { rows: 1, bytes: item.bytes() },
            Self::Child { row_count, byte_total, .. } => Totals { rows: *row_count, bytes: *byte_total },
        }
    }
}

/// Writes a node of any rows in any order. Nothing is checked: tests make from it what a reader must refuse, and
/// fuzzing compares what it gives with what a reader accepted.
pub fn write_node(tree: Tree, level: u8, rows: &[NodeRow]) -> Vec<u8> {
    let mut node = Vec::new();
    let mut before: &[u8] = &[];
    encode_header(tree, level, rows.len().try_into().unwrap_or(u64::MAX), &mut node);
    for row in rows {
        if let Some(key) = row.key() {
            encode_key(before, key.as_bytes(), &mut node);
            before = key.as_bytes();
        }
        match row {
            NodeRow::Entry(row) => row.encode_fields(&mut node),
            NodeRow::Stat(row) => row.encode_fields(&mut node),
            NodeRow::Item(item) => item.encode(&mut node),
            NodeRow::Child { id, .. } => {
                node.put(id.as_bytes());
                row.totals().encode(&mut node);
            }
        }
    }
    node
}

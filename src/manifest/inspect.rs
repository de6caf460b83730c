//! Reading a node by itself, without the tree around it.

use super::entry::Entry;
use super::error::NodeError;
use super::key::Key;
use super::node::{LEVEL_MAX, NodeRows, Place, Totals, Tree, check_zeros, leaf_totals};
use super::row::Row as _;
use super::stat::StatEntry;
use crate::id::NodeId;

/// What a node says when it is read by itself, without the tree around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspected {
    /// The tree that it belongs to.
    pub tree: Tree,
    /// Its level; 0 for leaves.
    pub level: u8,
    /// How many rows it has itself.
    pub node_rows: u64,
    /// How many rows lie below it at the leaves, itself included.
    pub row_count: u64,
    /// What its rows add up to in bytes of content.
    pub byte_total: u64,
    /// Its last key, in keyed trees with at least one row.
    pub last: Option<Key>,
    /// Its children, for inner nodes.
    pub children: Vec<NodeId>,
}

/// Reads a node by itself: every rule that does not need its parent or its place.
///
/// # Errors
/// The first rule that it breaks.
pub fn inspect(bytes: &[u8]) -> Result<Inspected, NodeError> {
    if let Some(head) = bytes.first().filter(|head| *head >> 4 == Tree::Opaque.code()) {
        super::opaque::decode(bytes)?;
        let level = head & LEVEL_MAX;
        let (tree, children) = (Tree::Opaque, Vec::new());
        return Ok(Inspected { tree, level, node_rows: 0, row_count: 0, byte_total: 0, last: None, children });
    }
    let any = NodeRows::open_any(bytes.into())?;
    let mut rows = NodeRows::open(bytes.into(), any.tree(), Place::Anywhere)?;
    let mut totals = Totals::default();
    let mut children = Vec::new();
    let mut zeros_before = false;
    loop {
        let below = match (rows.level(), rows.tree()) {
            (1.., _) => rows.inner_row()?.map(|row| {
                children.push(row.child);
                row.totals
            }),
            (0, Tree::Manifest) => rows.leaf_row::<Entry>()?.map(|row| leaf_totals(row.byte_total())),
            (0, Tree::Stat) => rows.leaf_row::<StatEntry>()?.map(|row| leaf_totals(row.byte_total())),
            (0, Tree::Items | Tree::Opaque) => rows
                .item()?
                .map(|item| -> Result<_, NodeError> {
                    check_zeros(&mut zeros_before, &item, rows.row())?;
                    Ok(leaf_totals(item.bytes()))
                })
                .transpose()?,
        };
        match below {
            Some(below) => totals.add(below),
            None => break,
        }
    }
    Ok(Inspected {
        tree: rows.tree(),
        level: rows.level(),
        node_rows: rows.row_count(),
        row_count: totals.rows,
        byte_total: totals.bytes,
        last: if rows.tree().is_keyed() && rows.is_started() { Key::parse(rows.key().to_vec()).ok() } else { None },
        children,
    })
}

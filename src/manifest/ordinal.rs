//! Single rows with their number in the tree: inner nodes say how many rows lie below each child, so a row is found by its
//! number, and the number of a row by its key, in one way down.

use super::NodeSource;
use super::descent::InnerFrame;
use super::error::ReadError;
use super::key::Key;
use super::leaf::{Child, LeafRows};
use super::node::NodeRows;
use super::row::Row;
use crate::id::NodeId;

/// Which row is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal<'a> {
    /// The one that so many rows lie before.
    Ordinal(u64),
    /// The first one whose key is not below this.
    Key(&'a Key),
}

/// The wanted row and how many rows lie before it; none when the tree ends before. Reads one node of each level.
///
/// # Errors
/// [`ReadError`] for a node on the way that can't be read.
pub fn row_at<R: Row, S: NodeSource>(
    source: &S,
    root: NodeId,
    goal: Goal<'_>,
) -> Result<Option<(u64, R)>, ReadError<S::Error>> {
    let mut child = Child::root(root);
    let mut before = 0u64;
    loop {
        let bytes = source.node(child.id);
        let bytes = bytes.map_err(|source| ReadError::Source { node: child.id, span: child.span(), source })?;
        let rows = NodeRows::open(bytes, R::TREE, child.place).map_err(|rule| child.broken(rule))?;
        if rows.level() == 0 {
            return row_of_leaf(LeafRows::of(rows, child), before, goal);
        }
        let mut frame = InnerFrame::new(rows, child);
        child = loop {
            let Some(next) = frame.next_child().map_err(|rule| frame.broken(rule))? else { return Ok(None) };
            let below = next.promise.as_ref().map_or(0, |promise| promise.totals.rows);
            let is_passed = match goal {
                Goal::Ordinal(ordinal) => ordinal.saturating_sub(before) >= below,
                Goal::Key(key) => next.ends_before(key.as_bytes()),
            };
            if !is_passed {
                break next;
            }
            before = before.saturating_add(below);
        };
    }
}

fn row_of_leaf<R: Row, E: std::error::Error + 'static>(
    mut leaf: LeafRows<R, E>,
    mut before: u64,
    goal: Goal<'_>,
) -> Result<Option<(u64, R)>, ReadError<E>> {
    while let Some(row) = leaf.next_row()? {
        let is_passed = match goal {
            Goal::Ordinal(ordinal) => before < ordinal,
            Goal::Key(key) => row.key() < key,
        };
        if !is_passed {
            return Ok(Some((before, row)));
        }
        before = before.saturating_add(1);
    }
    Ok(None)
}

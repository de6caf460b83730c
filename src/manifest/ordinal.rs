//! Single rows with their number in the tree: inner nodes say how many rows and bytes lie below each child, so a row is found
//! by its number or by where its content lies among all contents, and both by its key, in one way down.

use super::NodeSource;
use super::descent::InnerFrame;
use super::error::ReadError;
use super::key::Key;
use super::leaf::{Child, LeafRows};
use super::node::{NodeRows, Totals};
use super::row::Row;
use crate::id::NodeId;

/// Which row is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal<'a> {
    /// The one that so many rows lie before.
    Ordinal(u64),
    /// The first one whose key is not below this.
    Key(&'a Key),
    /// The one that holds this byte of all contents one after the other, counted from 1.
    Byte(u64),
}

/// How many bytes of content a tree holds.
///
/// # Errors
/// [`ReadError`] when the root can't be read.
pub fn byte_total<R: Row, S: NodeSource>(source: &S, root: NodeId) -> Result<u64, ReadError<S::Error>> {
    Ok(find::<R, S>(source, root, Goal::Byte(u64::MAX))?.0.bytes)
}

/// How many bytes of content a tree holds up to this key, its own included, whether it is there or not. Reads one node of
/// each level.
///
/// # Errors
/// [`ReadError`] for a node on the way that can't be read.
pub fn bytes_through<R: Row, S: NodeSource>(source: &S, root: NodeId, key: &Key) -> Result<u64, ReadError<S::Error>> {
    let (before, row) = find::<R, S>(source, root, Goal::Key(key))?;
    let own = row.filter(|row| row.key() == key).map_or(0, |row| row.byte_total());
    Ok(before.bytes.saturating_add(own))
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
    let (before, row) = find(source, root, goal)?;
    Ok(row.map(|row| (before.rows, row)))
}

/// The wanted row, and what lies before it; all that there is when the tree ends before.
fn find<R: Row, S: NodeSource>(
    source: &S,
    root: NodeId,
    goal: Goal<'_>,
) -> Result<(Totals, Option<R>), ReadError<S::Error>> {
    let mut child = Child::root(root);
    let mut before = Totals::default();
    loop {
        let bytes = child.fetch(R::TREE, source)?;
        let rows = NodeRows::open(bytes, R::TREE, child.place).map_err(|rule| child.broken(rule))?;
        if rows.level() == 0 {
            return row_of_leaf(LeafRows::of(rows, child), before, goal);
        }
        let mut frame = InnerFrame::new(rows, child);
        child = loop {
            let Some(next) = frame.next_child().map_err(|rule| frame.broken(rule))? else { return Ok((before, None)) };
            let below = next.promise.as_ref().map_or_else(Totals::default, |promise| promise.totals);
            let is_passed = match goal {
                Goal::Ordinal(ordinal) => ordinal.saturating_sub(before.rows) >= below.rows,
                Goal::Key(key) => next.ends_before(key.as_bytes()),
                Goal::Byte(byte) => before.bytes.saturating_add(below.bytes) < byte,
            };
            if !is_passed {
                break next;
            }
            before.add(below);
        };
    }
}

fn row_of_leaf<R: Row, E: std::error::Error + 'static>(
    mut leaf: LeafRows<R, E>,
    mut before: Totals,
    goal: Goal<'_>,
) -> Result<(Totals, Option<R>), ReadError<E>> {
    while let Some(row) = leaf.next_row()? {
        let own = Totals { rows: 1, bytes: row.byte_total() };
        let is_passed = match goal {
            Goal::Ordinal(ordinal) => before.rows < ordinal,
            Goal::Key(key) => row.key() < key,
            Goal::Byte(byte) => before.bytes.saturating_add(own.bytes) < byte,
        };
        if !is_passed {
            return Ok((before, Some(row)));
        }
        before.add(own);
    }
    Ok((before, None))
}

//! The leaves of the parent's manifests or stat trees, read only when they must be.

use crate::content::ContentReader;
use crate::error::{Error, Result};
use crate::id::NodeId;
use crate::manifest::{Key, LeafCursor, LeafRef, LeafRows, Row, StatEntry};
use std::collections::VecDeque;
use std::rc::Rc;

/// Follows the new walk through the parent's tree.
pub(super) struct OldLeaves<'a, R: Row> {
    leaves: LeafCursor<R, &'a ContentReader>,
    /// Those of the parent's later parts, which follow where the leaves end.
    later: VecDeque<LeafCursor<R, &'a ContentReader>>,
    leaf: Option<LeafRef<R>>,
    /// The rows of `leaf` that were not asked for yet, once it was read.
    rows: Option<LeafRows<R, Error>>,
}

impl<'a, R: Row> OldLeaves<'a, R> {
    /// Stands at the first leaf of the first of these trees; none without trees.
    ///
    /// # Errors
    /// When an inner node can't be read.
    pub(super) fn new(reader: &'a ContentReader, roots: impl Iterator<Item = NodeId>) -> Result<Option<Self>> {
        let mut later: VecDeque<_> = roots.map(|root| LeafCursor::new(reader, root)).collect();
        let Some(mut leaves) = later.pop_front() else { return Ok(None) };
        let leaf = leaves.next_leaf()?;
        Ok(Some(Self { leaves, later, leaf, rows: None }))
    }

    /// The leaf at hand, if `unchanged` is all that it holds: rows that were found as the parent has them, in order and
    /// without another one between them, since the leaf was advanced to.
    pub(super) fn whole(&self, unchanged: &[Rc<StatEntry>]) -> Option<&LeafRef<R>> {
        self.leaf.as_ref().filter(|leaf| {
            let last = unchanged.last().is_some_and(|row| row.key == *leaf.last());
            last && u64::try_from(unchanged.len()) == Ok(leaf.row_count())
        })
    }

    /// Whether `key` lies behind the leaf at hand.
    pub(super) fn is_past(&self, key: &Key) -> bool {
        self.leaf.as_ref().is_some_and(|leaf| leaf.last() < key)
    }

    /// Moves to the leaf in whose range `key` lies.
    ///
    /// # Errors
    /// When an inner node can't be read.
    pub(super) fn advance(&mut self, key: &Key) -> Result<()> {
        while self.is_past(key) {
            self.leaf = self.leaves.next_leaf()?;
            self.rows = None;
            while self.leaf.is_none()
                && let Some(mut later) = self.later.pop_front()
            {
                later.seek(key);
                self.leaf = later.next_leaf()?;
                self.leaves = later;
            }
        }
        Ok(())
    }

    /// The row of `key` in the leaf at hand, which is read when it was not yet. Keys must be asked for in order.
    ///
    /// # Errors
    /// When the leaf can't be read.
    pub(super) fn row(&mut self, key: &Key) -> Result<Option<R>> {
        let Some(leaf) = &self.leaf else { return Ok(None) };
        if self.rows.is_none() {
            self.rows = Some(self.leaves.read(leaf)?);
        }
        let Some(rows) = &mut self.rows else { return Ok(None) };
        while let Some(row) = rows.next_row()? {
            if row.key() >= key {
                return Ok(Some(row).filter(|row| row.key() == key));
            }
        }
        Ok(None)
    }
}

//! Building the manifest and the stat tree from rows in key order.

use super::NodeSink;
use super::boundary::{Boundary, BoundaryKey, Means};
use super::error::BuildError;
use super::key::Key;
use super::leaf::LeafRef;
use super::levels::{Finished, Levels, NewRow};
use super::node::leaf_totals;
use super::row::{ROW_BYTES_MAX, Row, RowError};
use crate::id::NodeId;
use std::marker::PhantomData;

/// What became of a leaf that was offered to [`TreeBuilder::carry`].
#[must_use = "a leaf that was not carried must be read and its rows pushed"]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carry {
    /// It is part of the new tree.
    Carried,
    /// Nothing happened: its rows have to be pushed.
    MustRead,
}

/// Builds a tree bottom-up from rows in key order, in memory for one node a level.
///
/// Where nodes end depends only on the keys (and, where rows are enormous, on their size), so equal rows give an
/// equal tree, whatever was carried over from an older one.
#[derive(Debug)]
pub struct TreeBuilder<R> {
    levels: Levels,
    /// The key of the row before; none at the start.
    last: Option<Vec<u8>>,
    /// How many rows were pushed or carried.
    row_count: u64,
    /// Fields being put together, kept from call to call.
    fields: Vec<u8>,
    rows: PhantomData<fn(&R)>,
}

impl<R: Row> TreeBuilder<R> {
    /// Starts a tree.
    pub fn new(key: &BoundaryKey, means: Means) -> Self {
        let levels = Levels::new(Boundary::new(key.clone(), R::TREE, means));
        Self { levels, last: None, row_count: 0, fields: Vec::new(), rows: PhantomData }
    }

    /// Adds the next row.
    ///
    /// # Errors
    /// [`BuildError::Order`] and [`BuildError::Row`] leave the tree as it was, so the caller may report the row and
    /// go on. After [`BuildError::Sink`] and [`BuildError::TooDeep`] the tree is lost.
    pub fn push<K: NodeSink>(&mut self, row: &R, sink: &mut K) -> Result<(), BuildError<K::Error>> {
        let key = row.key();
        self.check_order(key)?;
        self.fields.clear();
        row.encode_fields(&mut self.fields);
        let broken = |rule| BuildError::Row { key: key.clone(), rule };
        if self.fields.len().saturating_add(key.as_bytes().len()) > ROW_BYTES_MAX {
            return Err(broken(RowError::TooLarge));
        }
        row.check().map_err(broken)?;
        let totals = leaf_totals(row.byte_total());
        let new = NewRow { key: key.as_bytes(), mark: Some(key.as_bytes()), fields: &self.fields, totals };
        self.levels.add(0, new, sink)?;
        self.advance(key, 1);
        Ok(())
    }

    /// Takes over a leaf of an older tree without reading it. The caller vouches for two things: every row that the
    /// leaf holds is to stand unchanged in the new tree, and no other row lies between them. The tree must have been
    /// built under the same means and key.
    ///
    /// The builder itself sees to the rest: it declines unless a leaf starts here, and unless the old leaf ends
    /// where it does by its own last key or its count. The last leaf of an old tree mostly ends for want of rows; it
    /// is declined, read, and comes out the same if nothing follows.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn carry<K: NodeSink>(&mut self, leaf: &LeafRef<R>, sink: &mut K) -> Result<Carry, BuildError<K::Error>> {
        self.check_order(leaf.last())?;
        let last = leaf.last().as_bytes();
        if !self.levels.is_at_leaf_start() || !self.levels.leaf_ends(leaf.row_count(), last) {
            return Ok(Carry::MustRead);
        }
        self.advance(leaf.last(), leaf.row_count());
        let node = Finished { id: leaf.id(), level: 0, last: last.to_vec(), totals: leaf.totals() };
        self.levels.hand_up(node, sink)?;
        Ok(Carry::Carried)
    }

    /// Whether the next row starts a leaf, so that [`Self::carry`] has a chance.
    pub fn is_at_leaf_start(&self) -> bool {
        self.levels.is_at_leaf_start()
    }

    /// How many rows the tree holds so far.
    pub const fn row_count(&self) -> u64 {
        self.row_count
    }

    /// Ends the tree and gives its root. A tree without rows is one leaf without rows.
    ///
    /// # Errors
    /// [`BuildError::Sink`] and [`BuildError::TooDeep`].
    pub fn finish<K: NodeSink>(self, sink: &mut K) -> Result<NodeId, BuildError<K::Error>> {
        self.levels.finish(sink).map(|root| root.id)
    }

    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        self.levels.held_bytes()
    }

    fn check_order<E: std::error::Error + 'static>(&self, key: &Key) -> Result<(), BuildError<E>> {
        match &self.last {
            Some(last) if last.as_slice() >= key.as_bytes() => {
                let before = Key::parse(last.clone()).expect("it was taken from a key");
                Err(BuildError::Order { key: key.clone(), before })
            }
            _ => Ok(()),
        }
    }

    fn advance(&mut self, key: &Key, row_count: u64) {
        let last = self.last.get_or_insert_default();
        last.clear();
        last.extend_from_slice(key.as_bytes());
        self.row_count = self.row_count.saturating_add(row_count);
    }
}

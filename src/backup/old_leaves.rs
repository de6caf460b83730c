//! The leaves of the parent's manifests or stat trees, read only when they must be.

use crate::backup::losses::{Losses, last_of};
use crate::backup::work::Standing;
use crate::content::ContentReader;
use crate::error::{Error, Result};
use crate::id::NodeId;
use crate::manifest::{Key, LeafCursor, LeafRef, LeafRows, Row};
use std::collections::VecDeque;
use std::collections::vec_deque::Iter;

/// Follows the new walk through the parent's tree.
pub(super) struct OldLeaves<'a, R: Row> {
    losses: &'a Losses<'a>,
    tree: OldTree<'a, R>,
    /// The parent's later parts, which follow where the leaves end.
    later: VecDeque<OldTree<'a, R>>,
    at: At<R>,
    /// The rows of the leaf at hand that were not asked for yet, once it was read.
    rows: Option<LeafRows<R, Error>>,
}

/// The tree of one part of the parent.
struct OldTree<'a, R: Row> {
    leaves: LeafCursor<R, &'a ContentReader>,
    /// The last key that the part speaks for; none in the last part.
    end: Option<Key>,
}

/// What is at hand.
enum At<R> {
    Leaf(LeafRef<R>),
    /// A part of the tree that can't be read, up to a key; where there is none, all that is left.
    Lost(Option<Key>),
    /// Nothing: the trees have ended.
    End,
}

impl<'a, R: Row> OldLeaves<'a, R> {
    /// Stands at the first leaf of the first of these trees, each with the last key that it speaks for; none without trees.
    ///
    /// # Errors
    /// When an inner node can't be read for another reason than that it is lost.
    pub(super) fn new(
        reader: &'a ContentReader,
        losses: &'a Losses<'a>,
        trees: impl Iterator<Item = (NodeId, Option<Key>)>,
    ) -> Result<Option<Self>> {
        let mut later: VecDeque<_> =
            trees.map(|(root, end)| OldTree { leaves: LeafCursor::new(reader, root), end }).collect();
        let Some(mut tree) = later.pop_front() else { return Ok(None) };
        let at = tree.step(losses)?;
        Ok(Some(Self { losses, tree, later, at, rows: None }))
    }

    /// The leaf at hand, if `unchanged` is all that it holds: rows that were found as the parent has them, in order and
    /// without another one between them, since the leaf was advanced to. None where it has to be read all the same.
    ///
    /// # Errors
    /// When the index can't be read.
    pub(super) fn whole(&self, unchanged: Iter<'_, Standing>) -> Result<Option<&LeafRef<R>>> {
        let At::Leaf(leaf) = &self.at else { return Ok(None) };
        let is_whole = u64::try_from(unchanged.len()) == Ok(leaf.row_count())
            && unchanged.last().is_some_and(|standing| standing.row.key == *leaf.last());
        Ok(if is_whole && self.losses.may_carry(leaf.id())? { Some(leaf) } else { None })
    }

    /// Whether there is a leaf at hand, which may turn out to be [whole](Self::whole).
    pub(super) const fn is_at_leaf(&self) -> bool {
        matches!(self.at, At::Leaf(_))
    }

    /// Whether `key` lies behind what is at hand.
    pub(super) fn is_past(&self, key: &Key) -> bool {
        match &self.at {
            At::Leaf(leaf) => leaf.last() < key,
            At::Lost(last) => last.as_ref().is_some_and(|last| last < key),
            At::End => false,
        }
    }

    /// Moves to the leaf in whose range `key` lies, or to what is lost there.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub(super) fn advance(&mut self, key: &Key) -> Result<()> {
        while self.is_past(key) {
            self.at = self.tree.step(self.losses)?;
            self.rows = None;
            while matches!(self.at, At::End)
                && let Some(mut later) = self.later.pop_front()
            {
                later.leaves.seek(key);
                self.at = later.step(self.losses)?;
                self.tree = later;
            }
        }
        Ok(())
    }

    /// The row of `key` in the leaf at hand, which is read when it was not yet; none where it is lost, which is noted, or
    /// the leaf has none. Keys must be asked for in order.
    ///
    /// # Errors
    /// When the leaf can't be read for another reason than that it is lost.
    pub(super) fn row(&mut self, key: &Key) -> Result<Option<R>> {
        let At::Leaf(leaf) = &self.at else { return Ok(None) };
        let last = leaf.last().clone();
        if self.rows.is_none() {
            match self.tree.leaves.read(leaf) {
                Ok(rows) => self.rows = Some(rows),
                Err(error) => return self.lose(error, last),
            }
        }
        let Some(rows) = &mut self.rows else { return Ok(None) };
        loop {
            match rows.next_row() {
                Ok(None) => return Ok(None),
                Ok(Some(row)) if row.key() < key => {}
                Ok(Some(row)) => return Ok(Some(row).filter(|row| row.key() == key)),
                Err(error) => return self.lose(error, last),
            }
        }
    }

    fn lose(&mut self, error: crate::manifest::ReadError<Error>, last: Key) -> Result<Option<R>> {
        (self.at, self.rows) = (At::Lost(Some(last)), None);
        self.losses.pass(error).map(|()| None)
    }
}

impl<R: Row> OldTree<'_, R> {
    /// Goes on to the next leaf, or to what is lost before it.
    fn step(&mut self, losses: &Losses<'_>) -> Result<At<R>> {
        match self.leaves.next_leaf() {
            Ok(leaf) => Ok(leaf.map_or(At::End, At::Leaf)),
            Err(error) => {
                let last = last_of(&error).or_else(|| self.end.clone());
                losses.pass(error)?;
                Ok(At::Lost(last))
            }
        }
    }
}

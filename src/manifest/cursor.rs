//! Cursors: the rows of a keyed tree in order, and its leaves in order.

use super::NodeSource;
use super::descent::{Descent, NodeVisit, Step, Visit};
use super::error::ReadError;
use super::key::Key;
use super::leaf::{Child, LeafRef, LeafRows, Promise};
use super::row::Row;
use crate::id::NodeId;

/// The rows of a tree in key order.
///
/// Memory: the nodes on the way from the root to the row. Every node is checked against what its parent promises. An
/// error stands for the range of one node ([`ReadError::span`]); the next call goes on after that range, so a
/// damaged tree gives everything that is left of it, and the loop still ends.
#[derive(Debug)]
pub struct Cursor<R: Row, S: NodeSource> {
    descent: Descent<R, S>,
    leaf: Option<LeafRows<R, S::Error>>,
    /// Rows before it are passed over.
    bound: Vec<u8>,
    /// The first row from `bound` on, read by a search that was looking for another.
    ahead: Option<R>,
}

impl<R: Row, S: NodeSource> Cursor<R, S> {
    /// Starts before the first row. Nothing is read yet.
    pub const fn new(source: S, root: NodeId) -> Self {
        Self { descent: Descent::new(source, root), leaf: None, bound: Vec::new(), ahead: None }
    }

    /// The next row; none at the end.
    ///
    /// # Errors
    /// [`ReadError`] for a node that can't be read.
    pub fn next_row(&mut self) -> Result<Option<R>, ReadError<S::Error>> {
        self.next_row_with(&mut |_| Visit::Enter)
    }

    /// The next row, asking before each node whether to enter it: whoever has seen a node before passes over it.
    ///
    /// # Errors
    /// [`ReadError`] for a node that can't be read.
    pub fn next_row_with(
        &mut self,
        enter: &mut dyn FnMut(&NodeVisit<'_>) -> Visit,
    ) -> Result<Option<R>, ReadError<S::Error>> {
        if let Some(row) = self.ahead.take() {
            return Ok(Some(row));
        }
        loop {
            while let Some(leaf) = &mut self.leaf {
                match leaf.next_row() {
                    Ok(Some(row)) if row.key().as_bytes() < self.bound.as_slice() => {}
                    Ok(Some(row)) => return Ok(Some(row)),
                    Ok(None) => self.leaf = None,
                    Err(error) => {
                        self.leaf = None;
                        return Err(error);
                    }
                }
            }
            match self.descent.next_leaf(enter)? {
                Some(Step::Leaf(child)) => self.leaf = Some(fetch(self.descent.source(), child)?),
                Some(Step::RootLeaf(rows, child)) => self.leaf = Some(LeafRows::of(rows, child)),
                None => return Ok(None),
            }
        }
    }

    /// Goes on at the first row whose key is not below `bound`, forwards or backwards. Reads nothing yet; forwards
    /// costs only the nodes between.
    pub fn seek(&mut self, bound: &impl AsRef<[u8]>) {
        let bound = bound.as_ref();
        if let Some(row) = self.ahead.take()
            && (self.bound.as_slice()..=row.key().as_bytes()).contains(&bound)
        {
            self.ahead = Some(row);
            return;
        }
        match self.leaf.take() {
            Some(leaf) if leaf.reached().is_none_or(|reached| bound > reached) => {
                if leaf.child().ends_before(bound) {
                    self.descent.seek(bound);
                } else {
                    self.leaf = Some(leaf);
                }
            }
            Some(_) => {
                self.descent.restart();
                self.descent.seek(bound);
            }
            None => self.descent.seek(bound),
        }
        self.bound.clear();
        self.bound.extend_from_slice(bound);
    }

    /// Goes on after everything below `directory`.
    pub fn skip_subtree(&mut self, directory: &Key) {
        match directory.subtree_end() {
            Some(end) => self.seek(&end),
            None => {
                (self.leaf, self.ahead) = (None, None);
                self.descent.end();
            }
        }
    }

    /// The row with this key; the cursor goes on after it.
    ///
    /// # Errors
    /// [`ReadError`] for a node on the way that can't be read.
    pub fn find(&mut self, key: &Key) -> Result<Option<R>, ReadError<S::Error>> {
        self.seek(key);
        let row = self.next_row()?;
        if row.as_ref().is_some_and(|row| row.key() == key) {
            return Ok(row);
        }
        self.ahead = row;
        Ok(None)
    }
}

impl<R: Row, S: NodeSource> Iterator for Cursor<R, S> {
    type Item = Result<R, ReadError<S::Error>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_row().transpose()
    }
}

/// The leaves of a tree in key order, known from the inner nodes alone: what the next backup compares its walk with.
///
/// A root that is a leaf has to be read to know its keys. Errors are those of [`Cursor`].
#[derive(Debug)]
pub struct LeafCursor<R: Row, S: NodeSource> {
    descent: Descent<R, S>,
}

impl<R: Row, S: NodeSource> LeafCursor<R, S> {
    /// Starts before the first leaf. Nothing is read yet.
    pub const fn new(source: S, root: NodeId) -> Self {
        Self { descent: Descent::new(source, root) }
    }

    /// The next leaf; none at the end. An empty tree has none.
    ///
    /// # Errors
    /// [`ReadError`] for an inner node, or a root, that can't be read.
    pub fn next_leaf(&mut self) -> Result<Option<LeafRef<R>>, ReadError<S::Error>> {
        match self.descent.next_leaf(&mut |_| Visit::Enter)? {
            Some(Step::Leaf(Child { id, place, after, promise: Some(promise) })) => {
                Ok(Some(LeafRef::new(id, place, after, promise)))
            }
            Some(Step::RootLeaf(rows, root)) => summarize(LeafRows::of(rows, root)),
            Some(Step::Leaf(_)) | None => Ok(None),
        }
    }

    /// Goes on at the leaf that holds the first key not below `bound`, forwards or backwards.
    pub fn seek(&mut self, bound: &impl AsRef<[u8]>) {
        self.descent.seek(bound.as_ref());
    }

    /// Reads a leaf.
    ///
    /// # Errors
    /// [`ReadError`] when it can't be read; rows that break a rule are refused one by one.
    pub fn read(&self, leaf: &LeafRef<R>) -> Result<LeafRows<R, S::Error>, ReadError<S::Error>> {
        fetch(self.descent.source(), leaf.child())
    }
}

impl<R: Row, S: NodeSource> Iterator for LeafCursor<R, S> {
    type Item = Result<LeafRef<R>, ReadError<S::Error>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_leaf().transpose()
    }
}

fn fetch<R: Row, S: NodeSource>(source: &S, child: Child) -> Result<LeafRows<R, S::Error>, ReadError<S::Error>> {
    LeafRows::open(child.fetch(R::TREE, source)?, child)
}

/// Reads a root that is a leaf to the end and names it as a parent would.
fn summarize<R: Row, E: std::error::Error + 'static>(
    mut rows: LeafRows<R, E>,
) -> Result<Option<LeafRef<R>>, ReadError<E>> {
    let mut last = None;
    while let Some(row) = rows.next_row()? {
        last = Some(row.key().clone());
    }
    let Child { id, place, after, .. } = rows.child().clone();
    Ok(last.map(|last| LeafRef::new(id, place, after, Promise { last, totals: rows.seen() })))
}

//! Leaves of the keyed trees: naming them, and reading their rows against what their parents promise.

use super::NodeSource;
use super::error::{NodeError, ReadError, Span};
use super::key::Key;
use super::node::{NodeRows, Place, Totals, Tree, leaf_totals};
use super::row::Row;
use crate::id::NodeId;
use std::marker::PhantomData;
use std::sync::Arc;

/// What a parent says about a child: all keys lie above `after`, the last is `last`, and below it lie `totals`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Promise {
    pub(super) last: Key,
    pub(super) totals: Totals,
}

/// A node as its parent names it; a root has no promise.
#[derive(Debug, Clone)]
pub(super) struct Child {
    pub(super) id: NodeId,
    pub(super) place: Place,
    pub(super) after: Option<Key>,
    pub(super) promise: Option<Promise>,
}

impl Child {
    pub(super) const fn root(id: NodeId) -> Self {
        Self { id, place: Place::Root, after: None, promise: None }
    }

    /// The node itself.
    pub(super) fn fetch<S: NodeSource>(&self, tree: Tree, source: &S) -> Result<Arc<[u8]>, ReadError<S::Error>> {
        self.place.fetch(tree, self.id, source).map_err(|source| ReadError::Source {
            node: self.id,
            span: self.span(),
            source,
        })
    }

    pub(super) fn span(&self) -> Box<Span> {
        let last = self.promise.as_ref().map(|promise| promise.last.clone());
        Box::new(Span::Keys { after: self.after.clone(), last })
    }

    pub(super) fn broken<E: std::error::Error + 'static>(&self, rule: NodeError) -> ReadError<E> {
        ReadError::Node { node: self.id, span: self.span(), rule: Box::new(rule) }
    }

    /// Whether everything below lies before `bound`.
    pub(super) fn ends_before(&self, bound: &[u8]) -> bool {
        self.promise.as_ref().is_some_and(|promise| promise.last.as_bytes() < bound)
    }
}

/// Compares the rows of a node, as they come, with what its parent promised.
#[derive(Debug, Clone)]
pub(super) struct Ledger {
    pub(super) child: Child,
    seen: Totals,
}

impl Ledger {
    pub(super) const fn new(child: Child) -> Self {
        Self { child, seen: Totals { rows: 0, bytes: 0 } }
    }

    /// Takes note of a row.
    pub(super) fn row(&mut self, row: u64, key: &[u8], totals: Totals) -> Result<(), NodeError> {
        // Keys rise within a node, so the first alone is compared with the lower end.
        let below = row == 0 && self.child.after.as_ref().is_some_and(|after| key <= after.as_bytes());
        let above = self.child.promise.as_ref().is_some_and(|promise| key > promise.last.as_bytes());
        self.seen.add(totals);
        if below || above { Err(NodeError::Range { row }) } else { Ok(()) }
    }

    /// Takes note of the node's end.
    pub(super) fn end(&self, last: &[u8]) -> Result<(), NodeError> {
        let Some(promise) = &self.child.promise else { return Ok(()) };
        if promise.last.as_bytes() != last {
            return Err(NodeError::LastKey);
        }
        check_totals(promise.totals, self.seen)
    }
}

pub(super) const fn check_totals(promised: Totals, found: Totals) -> Result<(), NodeError> {
    if promised.rows != found.rows {
        return Err(NodeError::RowTotal { promised: promised.rows, found: found.rows });
    }
    if promised.bytes != found.bytes {
        return Err(NodeError::ByteTotal { promised: promised.bytes, found: found.bytes });
    }
    Ok(())
}

/// A leaf of a tree, named by its parent and not yet read. Only a [`super::LeafCursor`] gives one.
#[derive(Debug, Clone)]
pub struct LeafRef<R> {
    id: NodeId,
    after: Option<Key>,
    promise: Promise,
    /// A root stands alone and keeps other rules than a leaf with a parent.
    place: Place,
    rows: PhantomData<fn(&R)>,
}

impl<R: Row> LeafRef<R> {
    pub(super) const fn new(id: NodeId, place: Place, after: Option<Key>, promise: Promise) -> Self {
        Self { id, after, promise, place, rows: PhantomData }
    }

    /// The node.
    pub const fn id(&self) -> NodeId {
        self.id
    }

    /// The last key before the leaf.
    pub const fn after(&self) -> Option<&Key> {
        self.after.as_ref()
    }

    /// The leaf's last key.
    pub const fn last(&self) -> &Key {
        &self.promise.last
    }

    /// How many rows it holds.
    pub const fn row_count(&self) -> u64 {
        self.promise.totals.rows
    }

    /// What its rows add up to in bytes of content.
    pub const fn byte_total(&self) -> u64 {
        self.promise.totals.bytes
    }

    pub(super) const fn totals(&self) -> Totals {
        self.promise.totals
    }

    pub(super) fn child(&self) -> Child {
        Child { id: self.id, place: self.place, after: self.after.clone(), promise: Some(self.promise.clone()) }
    }
}

/// The rows of one leaf in key order, decoded one at a time and checked against what the parent promised.
///
/// A row is given out as soon as it is known to be in order and in range; totals are known to be right when the end
/// is reached.
#[derive(Debug)]
pub struct LeafRows<R, E> {
    rows: NodeRows,
    ledger: Ledger,
    ended: bool,
    marker: PhantomData<fn(E) -> R>,
}

impl<R: Row, E: std::error::Error + 'static> LeafRows<R, E> {
    pub(super) fn open(bytes: Arc<[u8]>, child: Child) -> Result<Self, ReadError<E>> {
        let rows = NodeRows::open(bytes, R::TREE, child.place).map_err(|rule| child.broken(rule))?;
        Ok(Self::of(rows, child))
    }

    pub(super) const fn of(rows: NodeRows, child: Child) -> Self {
        Self { rows, ledger: Ledger::new(child), ended: false, marker: PhantomData }
    }

    /// The next row; none at the end of the leaf and after an error.
    ///
    /// # Errors
    /// [`ReadError::Node`] when the leaf breaks a rule.
    pub fn next_row(&mut self) -> Result<Option<R>, ReadError<E>> {
        if self.ended {
            return Ok(None);
        }
        let result = self.checked_row();
        self.ended = !matches!(result, Ok(Some(_)));
        result.map_err(|rule| self.ledger.child.broken(rule))
    }

    fn checked_row(&mut self) -> Result<Option<R>, NodeError> {
        let Some(row) = self.rows.leaf_row::<R>()? else {
            self.ledger.end(self.rows.key())?;
            return Ok(None);
        };
        self.ledger.row(self.rows.row(), self.rows.key(), leaf_totals(row.byte_total()))?;
        Ok(Some(row))
    }

    /// The key of the row given out last, if any.
    pub(super) fn reached(&self) -> Option<&[u8]> {
        if self.rows.is_started() { Some(self.rows.key()) } else { self.ledger.child.after.as_ref().map(Key::as_bytes) }
    }

    pub(super) const fn child(&self) -> &Child {
        &self.ledger.child
    }

    pub(super) const fn seen(&self) -> Totals {
        self.ledger.seen
    }
}

impl<R: Row, E: std::error::Error + 'static> Iterator for LeafRows<R, E> {
    type Item = Result<R, ReadError<E>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_row().transpose()
    }
}

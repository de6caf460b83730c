//! The way down a keyed tree: from the root to its leaves, in order, without reading the leaves.

use super::NodeSource;
use super::error::{NodeError, ReadError};
use super::key::Key;
use super::leaf::{Child, Ledger, Promise};
use super::node::{NodeRows, Place};
use super::row::Row;
use crate::id::NodeId;
use std::marker::PhantomData;

/// Whether a reader goes into a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visit {
    /// It reads the node.
    Enter,
    /// It passes over everything below the node.
    Skip,
}

/// A node that a reader is about to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeVisit<'a> {
    /// The node.
    pub id: NodeId,
    /// Its level; not known for the root of a keyed tree before it is read.
    pub level: Option<u8>,
    /// The last key before the node; none at the start of a tree, and in item trees.
    pub after: Option<&'a Key>,
    /// The node's last key; none for a root, and in item trees.
    pub last: Option<&'a Key>,
}

/// A node being read, with what its parent promised.
#[derive(Debug)]
pub(super) struct InnerFrame {
    rows: NodeRows,
    ledger: Ledger,
    /// The last key of the child before the next one.
    before: Option<Key>,
}

impl InnerFrame {
    pub(super) fn new(rows: NodeRows, child: Child) -> Self {
        let before = child.after.clone();
        Self { rows, ledger: Ledger::new(child), before }
    }

    pub(super) fn next_child(&mut self) -> Result<Option<Child>, NodeError> {
        let Some(row) = self.rows.inner_row()? else {
            self.ledger.end(self.rows.key())?;
            return Ok(None);
        };
        self.ledger.row(self.rows.row(), row.last.as_bytes(), row.totals)?;
        let after = self.before.replace(row.last.clone());
        let promise = Some(Promise { last: row.last, totals: row.totals });
        Ok(Some(Child { id: row.child, place: Place::Level(self.child_level()), after, promise }))
    }

    /// The error of a node that breaks a rule.
    pub(super) fn broken<E: std::error::Error + 'static>(&self, rule: NodeError) -> ReadError<E> {
        self.ledger.child.broken(rule)
    }

    const fn child_level(&self) -> u8 {
        self.rows.level().saturating_sub(1)
    }
}

/// What a step down a tree leads to.
#[derive(Debug)]
pub(super) enum Step {
    /// A leaf, unread.
    Leaf(Child),
    /// The root, which was read and is a leaf.
    RootLeaf(NodeRows, Child),
}

/// How far a descent has come.
#[derive(Debug)]
enum Reached {
    /// Nothing was read yet.
    Start,
    /// Everything up to this key was given out or passed over.
    Key(Vec<u8>),
    /// Everything was.
    End,
}

/// A walk over the leaves of a tree. Memory: the inner nodes on the way to the next leaf.
///
/// An error stands for the range of one node; the next call goes on after it.
#[derive(Debug)]
pub(super) struct Descent<R, S> {
    source: S,
    root: NodeId,
    stack: Vec<InnerFrame>,
    /// Nodes that end before it are passed over.
    bound: Vec<u8>,
    reached: Reached,
    rows: PhantomData<fn() -> R>,
}

impl<R: Row, S: NodeSource> Descent<R, S> {
    pub(super) const fn new(source: S, root: NodeId) -> Self {
        Self { source, root, stack: Vec::new(), bound: Vec::new(), reached: Reached::Start, rows: PhantomData }
    }

    pub(super) const fn source(&self) -> &S {
        &self.source
    }

    /// The next leaf that does not end before the bound.
    pub(super) fn next_leaf(
        &mut self,
        enter: &mut dyn FnMut(&NodeVisit<'_>) -> Visit,
    ) -> Result<Option<Step>, ReadError<S::Error>> {
        if matches!(self.reached, Reached::Start)
            && let Some(leaf) = self.read_root(enter)?
        {
            return Ok(Some(leaf));
        }
        while let Some(frame) = self.stack.last_mut() {
            let level = frame.child_level();
            let child = match frame.next_child() {
                Ok(Some(child)) => child,
                Ok(None) => {
                    self.stack.pop();
                    continue;
                }
                Err(rule) => return Err(self.abandon(rule)),
            };
            let visit = NodeVisit { level: Some(level), ..visit(&child) };
            if child.ends_before(&self.bound) || enter(&visit) == Visit::Skip {
                self.pass(&child);
            } else if level == 0 {
                self.pass(&child);
                return Ok(Some(Step::Leaf(child)));
            } else {
                let rows = self.load(&child)?;
                self.stack.push(InnerFrame::new(rows, child));
            }
        }
        self.reached = Reached::End;
        Ok(None)
    }

    /// Goes on at the first leaf that does not end before `bound`, forwards or backwards.
    pub(super) fn seek(&mut self, bound: &[u8]) {
        // What lies before an earlier bound may be gone from the stack without having been reached.
        let ahead = match &self.reached {
            Reached::Start => true,
            Reached::Key(key) => bound > key.as_slice() && bound >= self.bound.as_slice(),
            Reached::End => false,
        };
        if !ahead {
            self.restart();
        }
        while self.stack.last().is_some_and(|frame| frame.ledger.child.ends_before(bound)) {
            self.stack.pop();
        }
        self.bound.clear();
        self.bound.extend_from_slice(bound);
    }

    /// Forgets how far it has come.
    pub(super) fn restart(&mut self) {
        self.stack.clear();
        self.bound.clear();
        self.reached = Reached::Start;
    }

    /// Passes over everything that is left.
    pub(super) fn end(&mut self) {
        self.stack.clear();
        self.reached = Reached::End;
    }

    fn read_root(
        &mut self,
        enter: &mut dyn FnMut(&NodeVisit<'_>) -> Visit,
    ) -> Result<Option<Step>, ReadError<S::Error>> {
        let root = Child::root(self.root);
        self.reached = Reached::End;
        if enter(&visit(&root)) == Visit::Skip {
            return Ok(None);
        }
        let rows = self.load(&root)?;
        if rows.level() == 0 {
            return Ok(Some(Step::RootLeaf(rows, root)));
        }
        self.reached = Reached::Key(Vec::new());
        self.stack.push(InnerFrame::new(rows, root));
        Ok(None)
    }

    /// Gives up the node on top: nothing more of it is believed.
    fn abandon(&mut self, rule: NodeError) -> ReadError<S::Error> {
        let frame = self.stack.pop().expect("a frame was just read");
        self.pass(&frame.ledger.child);
        frame.ledger.child.broken(rule)
    }

    fn load(&mut self, child: &Child) -> Result<NodeRows, ReadError<S::Error>> {
        let opened = |bytes| NodeRows::open(bytes, R::TREE, child.place).map_err(|rule| child.broken(rule));
        let result = child.fetch(R::TREE, &self.source).and_then(opened);
        if result.is_err() {
            self.pass(child);
        }
        result
    }

    fn pass(&mut self, child: &Child) {
        match (&child.promise, &mut self.reached) {
            (Some(promise), Reached::Key(key)) => {
                key.clear();
                key.extend_from_slice(promise.last.as_bytes());
            }
            (Some(promise), reached) => *reached = Reached::Key(promise.last.as_bytes().to_vec()),
            (None, reached) => *reached = Reached::End,
        }
    }
}

const fn visit(child: &Child) -> NodeVisit<'_> {
    let last = match &child.promise {
        Some(promise) => Some(&promise.last),
        None => None,
    };
    NodeVisit { id: child.id, level: None, after: child.after.as_ref(), last }
}

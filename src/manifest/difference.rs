//! What two trees do not have in common, without reading what they share.

use super::NodeSource;
use super::descent::InnerFrame;
use super::error::ReadError;
use super::key::Key;
use super::leaf::{Child, LeafRows};
use super::node::{NodeRows, Place};
use super::row::Row;
use crate::id::NodeId;
use std::cmp::Ordering;

/// Rows of one key that are not the same in two trees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference<R> {
    /// The first tree alone has it.
    First(R),
    /// The second tree alone has it.
    Second(R),
    /// Both have it, and not the same.
    Both(R, R),
}

impl<R: Row> Difference<R> {
    /// The key of the rows.
    pub fn key(&self) -> &Key {
        match self {
            Self::First(row) | Self::Second(row) | Self::Both(row, _) => row.key(),
        }
    }
}

/// The differences of two trees in key order.
///
/// Where nodes end depends on keys alone, so what two trees have in common lies mostly in common nodes: those are passed
/// over unread. Reading costs the nodes on the way to what differs, memory the nodes on the way to the next difference.
/// After an error there is nothing more to be had: what can't be read may hold differences.
#[derive(Debug)]
pub struct Differences<R: Row, S: NodeSource> {
    first: Front<R, S>,
    second: Front<R, S>,
}

impl<R: Row + PartialEq, S: NodeSource + Clone> Differences<R, S> {
    /// Compares what lies at and below `subtree`; a tree that is not there is empty. Nothing is read yet.
    pub fn new(source: S, (first, second): (Option<NodeId>, Option<NodeId>), subtree: &Key) -> Self {
        let front = |root| Front::new(source.clone(), root, subtree);
        Self { first: front(first), second: front(second) }
    }

    /// The next difference; none at the end.
    ///
    /// # Errors
    /// [`ReadError`] for a node that can't be read.
    pub fn next_difference(&mut self) -> Result<Option<Difference<R>>, ReadError<S::Error>> {
        let result = self.search();
        if result.is_err() {
            self.first.end();
            self.second.end();
        }
        result
    }

    fn search(&mut self) -> Result<Option<Difference<R>>, ReadError<S::Error>> {
        loop {
            match (&self.first.head, &self.second.head) {
                (Head::End, Head::End) => return Ok(None),
                (Head::Node(one), Head::Node(other)) if one.id == other.id => {
                    self.first.advance()?;
                    self.second.advance()?;
                }
                (Head::Node(one), Head::Node(other)) => match level(one).cmp(&level(other)) {
                    Ordering::Greater => self.first.open()?,
                    Ordering::Less => self.second.open()?,
                    Ordering::Equal => {
                        self.first.open()?;
                        self.second.open()?;
                    }
                },
                (Head::Node(node), Head::Row(row)) if !comes_before(row, node) => self.first.open()?,
                (Head::Row(row), Head::Node(node)) if !comes_before(row, node) => self.second.open()?,
                (Head::Node(_), Head::End) => self.first.open()?,
                (Head::End, Head::Node(_)) => self.second.open()?,
                (Head::Row(one), Head::Row(other)) => match one.key().cmp(other.key()) {
                    Ordering::Less => return Ok(self.first.take()?.map(Difference::First)),
                    Ordering::Greater => return Ok(self.second.take()?.map(Difference::Second)),
                    Ordering::Equal => {
                        let (one, other) = (self.first.take()?, self.second.take()?);
                        if let Some((one, other)) = one.zip(other).filter(|(one, other)| one != other) {
                            return Ok(Some(Difference::Both(one, other)));
                        }
                    }
                },
                (Head::Row(_), Head::End | Head::Node(_)) => return Ok(self.first.take()?.map(Difference::First)),
                (Head::End | Head::Node(_), Head::Row(_)) => return Ok(self.second.take()?.map(Difference::Second)),
            }
        }
    }
}

impl<R: Row + PartialEq, S: NodeSource + Clone> Iterator for Differences<R, S> {
    type Item = Result<Difference<R>, ReadError<S::Error>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_difference().transpose()
    }
}

/// Whether a row lies before everything in a node.
fn comes_before<R: Row>(row: &R, node: &Child) -> bool {
    node.after.as_ref().is_some_and(|after| row.key() <= after)
}

/// The level of a node; that of a root is known only when it is read, and may be any.
const fn level(node: &Child) -> u8 {
    match node.place {
        Place::Level(level) | Place::RootAt(level) => level,
        Place::Root | Place::Anywhere => u8::MAX,
    }
}

/// What comes next in a tree.
#[derive(Debug)]
enum Head<R> {
    /// A node, unread.
    Node(Child),
    Row(R),
    End,
}

/// A walk through a tree that stops before every node.
#[derive(Debug)]
struct Front<R: Row, S: NodeSource> {
    source: S,
    stack: Vec<InnerFrame>,
    leaf: Option<LeafRows<R, S::Error>>,
    head: Head<R>,
    /// What lies before and behind it is passed over.
    start: Vec<u8>,
    end: Option<Vec<u8>>,
}

impl<R: Row, S: NodeSource> Front<R, S> {
    fn new(source: S, root: Option<NodeId>, subtree: &Key) -> Self {
        let (start, end) = (subtree.as_bytes().to_vec(), subtree.subtree_end());
        let head = root.map_or(Head::End, |root| Head::Node(Child::root(root)));
        Self { source, stack: Vec::new(), leaf: None, head, start, end }
    }

    /// Goes on behind the head; a node is passed over.
    fn advance(&mut self) -> Result<(), ReadError<S::Error>> {
        self.head = Head::End;
        loop {
            if let Some(leaf) = &mut self.leaf {
                match leaf.next_row()? {
                    Some(row) if row.key().as_bytes() < self.start.as_slice() => {}
                    Some(row) if is_behind(self.end.as_deref(), row.key()) => {
                        self.end();
                        return Ok(());
                    }
                    Some(row) => {
                        self.head = Head::Row(row);
                        return Ok(());
                    }
                    None => self.leaf = None,
                }
                continue;
            }
            let Some(frame) = self.stack.last_mut() else { return Ok(()) };
            match frame.next_child() {
                Ok(Some(child)) if child.ends_before(&self.start) => {}
                Ok(Some(child)) => {
                    // All of it lies above the last key before it.
                    if child.after.as_ref().is_some_and(|after| is_behind(self.end.as_deref(), after)) {
                        self.end();
                    } else {
                        self.head = Head::Node(child);
                    }
                    return Ok(());
                }
                Ok(None) => drop(self.stack.pop()),
                Err(rule) => return Err(frame.broken(rule)),
            }
        }
    }

    /// Goes into the node at the head.
    fn open(&mut self) -> Result<(), ReadError<S::Error>> {
        if let Head::Node(child) = std::mem::replace(&mut self.head, Head::End) {
            let bytes = child.fetch(R::TREE, &self.source)?;
            let rows = NodeRows::open(bytes, R::TREE, child.place).map_err(|rule| child.broken(rule))?;
            if rows.level() == 0 {
                self.leaf = Some(LeafRows::of(rows, child));
            } else {
                self.stack.push(InnerFrame::new(rows, child));
            }
        }
        self.advance()
    }

    /// The row at the head.
    fn take(&mut self) -> Result<Option<R>, ReadError<S::Error>> {
        let head = std::mem::replace(&mut self.head, Head::End);
        self.advance()?;
        Ok(match head {
            Head::Row(row) => Some(row),
            Head::Node(_) | Head::End => None,
        })
    }

    fn end(&mut self) {
        (self.leaf, self.head) = (None, Head::End);
        self.stack.clear();
    }
}

fn is_behind(end: Option<&[u8]>, key: &Key) -> bool {
    end.is_some_and(|end| key.as_bytes() >= end)
}

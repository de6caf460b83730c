//! Why a tree could not be built or read.

use super::key::{Key, KeyError};
use super::node::Tree;
use super::row::RowError;
use crate::id::NodeId;
use crate::wire::WireError;
use std::fmt;

/// Why a tree could not be built. `E` is the sink's error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError<E: std::error::Error + 'static> {
    /// The sink did not take a node.
    #[error("a node could not be stored")]
    Sink(#[source] E),
    /// A row came out of order; the rows before it are untouched and building may go on without it.
    #[error("{key} comes after {before}, but is not above it")]
    Order {
        /// The row's key.
        key: Key,
        /// The key of the row before.
        before: Key,
    },
    /// A row breaks a rule of its own; building may go on without it.
    #[error("{key}: {rule}")]
    Row {
        /// The row's key.
        key: Key,
        /// The rule.
        rule: RowError,
    },
    /// An item breaks a rule of its own.
    #[error("item {item} of a content: {rule}")]
    Item {
        /// Which one, counted from 0.
        item: u64,
        /// The rule.
        rule: RowError,
    },
    /// A finished node did not read back as what went into it: the memory or this program is at fault.
    #[error("a finished node does not read back as it was built")]
    ReadBack,
    /// The tree needs more levels than there are: the mean of rows in a node is too small for it.
    #[error("the tree would need more than 16 levels")]
    TooDeep,
}

/// Which part of a tree a node stands for, as far as its parents tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Span {
    /// Keys above `after`, up to `last`; unbounded where there is none.
    Keys {
        /// The last key before the part.
        after: Option<Key>,
        /// The last key of the part.
        last: Option<Key>,
    },
    /// Bytes of one content.
    Bytes {
        /// The offset of the first byte.
        start: u64,
        /// The offset after the last byte.
        end: u64,
    },
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keys { after: None, last: None } => f.write_str("the whole tree"),
            Self::Keys { after: Some(after), last: None } => write!(f, "after {after}"),
            Self::Keys { after: None, last: Some(last) } => write!(f, "up to {last}"),
            Self::Keys { after: Some(after), last: Some(last) } => write!(f, "after {after} up to {last}"),
            Self::Bytes { start, end } => write!(f, "bytes {start} to {end}"),
        }
    }
}

/// Why a node of a tree could not be read. `E` is the source's error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError<E: std::error::Error + 'static> {
    /// The source did not give the node.
    #[error("node {node} ({span}) could not be fetched")]
    Source {
        /// The node.
        node: NodeId,
        /// What it stands for.
        span: Box<Span>,
        /// Why.
        #[source]
        source: E,
    },
    /// The node's bytes break a rule.
    #[error("node {node} ({span}): {rule}")]
    Node {
        /// The node.
        node: NodeId,
        /// What it stands for.
        span: Box<Span>,
        /// The rule.
        rule: Box<NodeError>,
    },
}

impl<E: std::error::Error + 'static> ReadError<E> {
    /// The node that could not be read.
    pub const fn node(&self) -> NodeId {
        match self {
            Self::Source { node, .. } | Self::Node { node, .. } => *node,
        }
    }

    /// What is lost with it.
    pub const fn span(&self) -> &Span {
        match self {
            Self::Source { span, .. } | Self::Node { span, .. } => span,
        }
    }
}

/// Which rule a node breaks. Rows are counted from 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// Longer than [`super::NODE_BYTES_MAX`].
    #[error("the node is longer than 1048576 bytes")]
    TooLarge,
    /// The first byte names no tree.
    #[error("the node belongs to no known tree: {code}")]
    UnknownTree {
        /// The number that stands there.
        code: u8,
    },
    /// A node of one tree stands where one of another must.
    #[error("a node of the {found:?} tree stands where one of the {expected:?} tree must")]
    Tree {
        /// The tree being read.
        expected: Tree,
        /// The tree that the node names.
        found: Tree,
    },
    /// A node's level is not the one that its parent implies.
    #[error("a node of level {found} stands where one of level {expected} must")]
    Level {
        /// One below the parent's, or what the entry says.
        expected: u8,
        /// What the node says.
        found: u8,
    },
    /// A node without rows that is not the one leaf of an empty tree.
    #[error("the node has no rows")]
    Empty,
    /// A root above a single node.
    #[error("the root has a single child, which should have been the root")]
    SingleChild,
    /// The header ends early or goes on too long.
    #[error("node header: {0}")]
    Header(WireError),
    /// Bytes follow the last row.
    #[error("{count} bytes too many after the last row")]
    Trailing {
        /// How many.
        count: usize,
    },
    /// A row does not decode.
    #[error("row {row}: {source}")]
    Wire {
        /// The row.
        row: u64,
        /// What is wrong.
        source: WireError,
    },
    /// A row's key is none.
    #[error("row {row}: {source}")]
    Key {
        /// The row.
        row: u64,
        /// What is wrong.
        source: KeyError,
    },
    /// A row breaks a rule of its own.
    #[error("row {row}: {source}")]
    Row {
        /// The row.
        row: u64,
        /// The rule.
        source: RowError,
    },
    /// A key is not above the one before.
    #[error("row {row}: the key is not above the one before")]
    Order {
        /// The row.
        row: u64,
    },
    /// A key keeps more of the one before than there is, or less than it could.
    #[error("row {row}: the key does not keep exactly what it shares with the one before")]
    Shared {
        /// The row.
        row: u64,
    },
    /// A key lies outside the range that the parent gives.
    #[error("row {row}: the key lies outside the range that the parent gives")]
    Range {
        /// The row.
        row: u64,
    },
    /// The last key is not the one that the parent names.
    #[error("the last key is not the one that the parent names")]
    LastKey,
    /// The number of rows at the leaves is not the one promised.
    #[error("the node holds {found} rows where {promised} were promised")]
    RowTotal {
        /// By the parent or the entry.
        promised: u64,
        /// What its own rows add up to.
        found: u64,
    },
    /// The byte total is not the one promised.
    #[error("the node holds {found} bytes of content where {promised} were promised")]
    ByteTotal {
        /// By the parent or the entry.
        promised: u64,
        /// What its own rows add up to.
        found: u64,
    },
}

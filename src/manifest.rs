//! The manifest: what a backup holds, as a sorted tree of content-addressed nodes.
//!
//! Entries are sorted by [`Key`]. A node ends after an entry whose keyed hash lies below a threshold, so where nodes
//! end depends on the keys alone: a change rewrites one leaf and the nodes above it, and equal trees share all nodes,
//! whoever made them. Three trees are built alike: the *manifest* of [`Entry`], the *stat tree* of [`StatEntry`] that
//! only the next backup reads, and an *item tree* for each file of many chunks. Byte-exact in
//! format-spec/07-manifest.md.
//!
//! Building and reading take memory for one node a level, never for the number of rows.

mod attribute;
mod boundary;
mod cursor;
mod descent;
mod difference;
mod entry;
mod error;
mod inspect;
mod item;
mod item_tree;
mod key;
mod leaf;
mod levels;
mod lineage;
mod node;
pub mod opaque;
mod ordinal;
mod row;
mod stat;
mod stream;
mod time;
mod tree;
mod value;

#[cfg(test)]
mod tests;

pub use attribute::{
    ATTRIBUTE_BYTES_MAX, ATTRIBUTE_COUNT_MAX, ATTRIBUTE_INLINE_BYTES_MAX, Attribute, AttributeValue, Attributes,
    Necessity,
};
pub use boundary::{BoundaryKey, HardLinkKey, MEAN_MAX, MEAN_MIN, Means, NodeIdKey};
pub use cursor::{Cursor, LeafCursor};
pub use descent::{NodeVisit, Visit};
pub use difference::{Difference, Differences};
pub use entry::{Body, Device, Entry, Kind, LinkGroup, MODE_MAX, State, TARGET_BYTES_MAX};
pub use error::{BuildError, NodeError, ReadError, Span};
pub use inspect::{Inspected, NodeRow, inspect, write_node};
pub use item::{
    CHUNK_BYTES_MAX, CONTENT_BYTES_MAX, Content, INLINE_BYTES_MAX, ITEM_COUNT_MAX, Item, ItemList, ItemTree,
};
pub use item_tree::{ItemReader, ItemTreeBuilder, Placed};
pub use key::{KEY_BYTES_MAX, Key, KeyError};
pub use leaf::{LeafRef, LeafRows};
pub use lineage::{Lineage, LineageError};
pub use node::{LEVEL_MAX, NODE_BYTES_MAX, NodeSort, Tree};
pub use ordinal::{Goal, byte_total, bytes_through, row_at};
pub use row::{ROW_BYTES_MAX, Row, RowError};
pub use stat::StatEntry;
pub use stream::is_stream;
pub use time::Timestamp;
pub use tree::{Carry, TreeBuilder};
pub use value::{
    HOLE_GRAIN_BYTES, Hole, ValueError, XATTR_NAME_BYTES_MAX, XATTR_VALUE_BYTES_MAX, Xattr, decode_holes,
    decode_xattrs, encode_holes, encode_xattrs, malformed_value,
};

use crate::id::NodeId;
use std::sync::Arc;

/// Where nodes come from. The bytes it gives have been compared with the id.
pub trait NodeSource {
    /// Why a node can't be had.
    type Error: std::error::Error + 'static;

    /// Fetches a node.
    ///
    /// # Errors
    /// When the node can't be had, or is not what its id says.
    fn node(&self, id: NodeId) -> Result<Arc<[u8]>, Self::Error>;

    /// The same of a node whose sort is known: a source whose nodes lie in the order of the tree finds it sooner.
    ///
    /// # Errors
    /// As [`Self::node`].
    fn node_of(&self, sort: NodeSort, id: NodeId) -> Result<Arc<[u8]>, Self::Error> {
        let _ = sort;
        self.node(id)
    }
}

/// Where finished nodes go. The same node may come more than once.
pub trait NodeSink {
    /// Why a node can't be taken.
    type Error: std::error::Error + 'static;

    /// Takes a node and names it.
    ///
    /// # Errors
    /// When the node can't be taken; the tree that it belongs to is lost.
    fn put(&mut self, node: &[u8]) -> Result<NodeId, Self::Error>;
}

impl<S: NodeSource + ?Sized> NodeSource for &S {
    type Error = S::Error;

    fn node(&self, id: NodeId) -> Result<Arc<[u8]>, Self::Error> {
        (**self).node(id)
    }

    fn node_of(&self, sort: NodeSort, id: NodeId) -> Result<Arc<[u8]>, Self::Error> {
        (**self).node_of(sort, id)
    }
}

impl<S: NodeSource + ?Sized> NodeSource for Arc<S> {
    type Error = S::Error;

    fn node(&self, id: NodeId) -> Result<Arc<[u8]>, Self::Error> {
        (**self).node(id)
    }

    fn node_of(&self, sort: NodeSort, id: NodeId) -> Result<Arc<[u8]>, Self::Error> {
        (**self).node_of(sort, id)
    }
}

impl<K: NodeSink + ?Sized> NodeSink for &mut K {
    type Error = K::Error;

    fn put(&mut self, node: &[u8]) -> Result<NodeId, Self::Error> {
        (**self).put(node)
    }
}

//! What the rows of the two keyed trees have in common.

use super::key::Key;
use super::node::Tree;
use crate::wire::{Reader, WireError};

/// Longest row in bytes: its whole key and its fields.
pub const ROW_BYTES_MAX: usize = 72 << 10;

/// Which rule a row breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RowError {
    /// Key and fields together exceed [`ROW_BYTES_MAX`].
    #[error("key and fields take more than 73728 bytes")]
    TooLarge,
    /// Mode bits above the low twelve.
    #[error("the mode has more than twelve bits")]
    Mode,
    /// An unreadable file or link carries content, or an entry of unknown kind is not unreadable.
    #[error("state and kind contradict each other")]
    State,
    /// A link target is empty, too long, or holds a zero byte.
    #[error("the link target is empty, longer than 4096 bytes, or holds a zero byte")]
    Target,
    /// Inline content exceeds [`super::INLINE_BYTES_MAX`].
    #[error("the inline content is longer than 4096 bytes")]
    InlineLength,
    /// An item is empty, or a chunk longer than [`super::CHUNK_BYTES_MAX`].
    #[error("the length of an item is out of range")]
    ItemLength,
    /// A list of no items, too many items in an entry, or too few in a tree.
    #[error("the number of items is out of range")]
    ItemCount,
    /// The root of an item tree claims a level above the highest.
    #[error("the level of an item tree is out of range")]
    ItemLevel,
    /// Two runs of zeros follow each other.
    #[error("two runs of zeros follow each other")]
    AdjacentZeros,
    /// A content exceeds [`super::CONTENT_BYTES_MAX`].
    #[error("the content is longer than a file can be")]
    ContentLength,
    /// Attribute numbers do not increase, or there are too many.
    #[error("the attributes are not in order or too many")]
    AttributeOrder,
    /// An attribute's bit for mandatory contradicts its number.
    #[error("a known attribute is marked against its definition")]
    AttributeMark,
    /// An attribute's value is too long for the entry, or short enough that it had to be there.
    #[error("the value of an attribute lies in the wrong place for its length")]
    AttributeLength,
}

/// A row of a keyed tree: [`super::Entry`] or [`super::StatEntry`].
pub trait Row: Sized {
    /// The tree that holds such rows.
    const TREE: Tree;

    /// The row's key.
    fn key(&self) -> &Key;

    /// Whether the row is a directory, which alone may have rows below it.
    fn is_directory(&self) -> bool;

    /// What the row adds to the byte totals of the nodes above it.
    fn byte_total(&self) -> u64;

    /// Checks every rule that a row must keep by itself.
    ///
    /// # Errors
    /// The first rule that it breaks.
    fn check(&self) -> Result<(), RowError>;

    /// Appends everything but the key.
    fn encode_fields(&self, out: &mut Vec<u8>);

    /// Reads everything but the key. The caller checks the row.
    ///
    /// # Errors
    /// [`WireError`] when the bytes are no such row.
    fn decode_fields(key: Key, reader: &mut Reader<'_>) -> Result<Self, WireError>;
}

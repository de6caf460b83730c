//! Items: what the content of a file is made of.

use super::node::LEVEL_MAX;
use super::row::RowError;
use crate::id::{ChunkId, NodeId};
use crate::wire::{Reader, WireError, Write};

/// Longest chunk in bytes that an item may name: a frame holds no longer one.
pub const CHUNK_BYTES_MAX: u64 = 16 << 20;
/// Longest content in bytes: the largest file offset.
pub const CONTENT_BYTES_MAX: u64 = i64::MAX.cast_unsigned();
/// How many items stand in an entry itself; longer lists get a tree of their own.
pub const ITEM_COUNT_MAX: usize = 4;

/// One part of a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    /// The bytes of a chunk.
    Chunk {
        /// The chunk.
        id: ChunkId,
        /// Its length, 1 to [`CHUNK_BYTES_MAX`].
        bytes: u64,
    },
    /// Zero bytes; two such runs never follow each other.
    Zeros {
        /// How many, at least one.
        bytes: u64,
    },
}

impl Item {
    /// The length of the part in bytes.
    pub const fn bytes(&self) -> u64 {
        match self {
            Self::Chunk { bytes, .. } | Self::Zeros { bytes } => *bytes,
        }
    }

    /// Whether the part is a run of zeros.
    pub const fn is_zeros(&self) -> bool {
        matches!(self, Self::Zeros { .. })
    }

    pub(super) fn check(&self) -> Result<(), RowError> {
        let max = if self.is_zeros() { CONTENT_BYTES_MAX } else { CHUNK_BYTES_MAX };
        if (1..=max).contains(&self.bytes()) { Ok(()) } else { Err(RowError::ItemLength) }
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Chunk { id, bytes } => {
                out.put_varint(bytes << 1);
                out.put(id.as_bytes());
            }
            Self::Zeros { bytes } => out.put_varint(bytes << 1 | 1),
        }
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let head = reader.varint()?;
        let bytes = head >> 1;
        if head & 1 == 1 {
            return Ok(Self::Zeros { bytes });
        }
        Ok(Self::Chunk { id: ChunkId::from_bytes(reader.array()?), bytes })
    }
}

/// A tree of items: the root and what it promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ItemTree {
    /// The root node.
    pub root: NodeId,
    /// The root's level; 0 when it is a leaf.
    pub level: u8,
    /// How many items the tree holds; more than [`ITEM_COUNT_MAX`].
    pub item_count: u64,
    /// The length of all items together.
    pub bytes: u64,
}

/// A list of items, in an entry or as a tree of its own. Made by [`super::ItemTreeBuilder`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemList {
    /// One to [`ITEM_COUNT_MAX`] items.
    Few(Vec<Item>),
    /// More items.
    Tree(ItemTree),
}

const TAG_INLINE: u8 = 0;
const TAG_FEW: u8 = 1;
const TAG_TREE: u8 = 2;

impl ItemList {
    /// The length of all items together.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Few(items) => items.iter().fold(0, |sum, item| item.bytes().saturating_add(sum)),
            Self::Tree(tree) => tree.bytes,
        }
    }

    /// Tells it from every other list: the hash of what stands for it in an entry.
    pub fn fingerprint(&self) -> [u8; blake3::OUT_LEN] {
        let mut encoded = Vec::new();
        self.encode(&mut encoded);
        *blake3::hash(&encoded).as_bytes()
    }

    pub(super) fn check(&self) -> Result<(), RowError> {
        match self {
            Self::Few(items) => {
                if items.is_empty() || items.len() > ITEM_COUNT_MAX {
                    return Err(RowError::ItemCount);
                }
                items.iter().try_for_each(Item::check)?;
                if items.iter().zip(items.iter().skip(1)).any(|(a, b)| a.is_zeros() && b.is_zeros()) {
                    return Err(RowError::AdjacentZeros);
                }
            }
            Self::Tree(tree) => {
                // More than four, and at least a byte each.
                let few = u64::try_from(ITEM_COUNT_MAX).is_ok_and(|most| tree.item_count <= most);
                if few || tree.item_count > tree.bytes {
                    return Err(RowError::ItemCount);
                }
                if tree.level > LEVEL_MAX {
                    return Err(RowError::ItemLevel);
                }
            }
        }
        if self.bytes() > CONTENT_BYTES_MAX { Err(RowError::ContentLength) } else { Ok(()) }
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Few(items) => {
                out.put_u8(TAG_FEW);
                out.put_count(items.len());
                items.iter().for_each(|item| item.encode(out));
            }
            Self::Tree(tree) => {
                out.put_u8(TAG_TREE);
                out.put(tree.root.as_bytes());
                out.put_u8(tree.level);
                out.put_varint(tree.item_count);
                out.put_varint(tree.bytes);
            }
        }
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let tag = reader.u8()?;
        Self::decode_after(tag, reader)
    }

    fn decode_after(tag: u8, reader: &mut Reader<'_>) -> Result<Self, WireError> {
        match tag {
            TAG_FEW => {
                let count = reader.varint_max("item count", ITEM_COUNT_MAX.try_into().unwrap_or(u64::MAX))?;
                (0..count).map(|_| Item::decode(reader)).collect::<Result<_, _>>().map(Self::Few)
            }
            TAG_TREE => Ok(Self::Tree(ItemTree {
                root: NodeId::from_bytes(reader.array()?),
                level: reader.u8()?,
                item_count: reader.varint()?,
                bytes: reader.varint()?,
            })),
            _ => Err(reader.out_of_range("content tag")),
        }
    }
}

/// The content of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// The bytes themselves, at most [`INLINE_BYTES_MAX`]; the content of an empty file is empty.
    Inline(Vec<u8>),
    /// Chunks and zeros.
    Items(ItemList),
}

/// Longest content in bytes that an entry may hold itself. A repository's configuration sets a lower limit.
pub const INLINE_BYTES_MAX: usize = 4 << 10;

impl Content {
    /// The content of an empty file, and of what could not be read.
    pub const fn empty() -> Self {
        Self::Inline(Vec::new())
    }

    /// The content of what [`super::ItemTreeBuilder::finish`] gave.
    pub fn of_items(items: Option<ItemList>) -> Self {
        items.map_or(Self::empty(), Self::Items)
    }

    /// The length of the content in bytes.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Inline(bytes) => bytes.len().try_into().unwrap_or(u64::MAX),
            Self::Items(items) => items.bytes(),
        }
    }

    pub(super) fn check(&self) -> Result<(), RowError> {
        match self {
            Self::Inline(bytes) if bytes.len() > INLINE_BYTES_MAX => Err(RowError::InlineLength),
            Self::Inline(_) => Ok(()),
            Self::Items(items) => items.check(),
        }
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Inline(bytes) => {
                out.put_u8(TAG_INLINE);
                out.put_blob(bytes);
            }
            Self::Items(items) => items.encode(out),
        }
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        match reader.u8()? {
            TAG_INLINE => Ok(Self::Inline(reader.blob("inline content", INLINE_BYTES_MAX)?.to_vec())),
            tag => ItemList::decode_after(tag, reader).map(Self::Items),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One chunk and a tree whose root has the same bytes were once taken for the same.
    #[test]
    fn lists_that_differ_have_other_fingerprints() {
        let (id, root) = (ChunkId::from_bytes([1; 32]), NodeId::from_bytes([1; 32]));
        let few = |bytes| ItemList::Few(vec![Item::Chunk { id, bytes }]);
        let tree = |item_count| ItemList::Tree(ItemTree { root, level: 1, item_count, bytes: 1 << 30 });
        let zeros = ItemList::Few(vec![Item::Zeros { bytes: 1 << 30 }]);
        let all = [few(1), few(2), tree(9), tree(10), zeros].map(|list| list.fingerprint());
        assert!(all.iter().enumerate().all(|(place, one)| !all.iter().skip(place + 1).any(|other| other == one)));
        assert_eq!(few(1).fingerprint(), few(1).fingerprint());
    }
}

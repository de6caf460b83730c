//! What lies where inside a pack: its class, its frame table, and the places of frames and chunks.
//!
//! A pack's footer and a segment of the index describe a pack by the same *frame table*: for every frame its sealed
//! length and the raw lengths of its chunks. All offsets follow by addition. A [`FrameTable`] exists only if every
//! sum stays within the limits below, so that every offset in a pack fits 32 bits and no later addition can
//! overflow. Byte-exact in format-spec/06-pack.md.

mod table;

pub use table::{FrameRow, FrameTable, LayoutError};

use std::fmt;

/// Largest pack: offsets in it fit 32 bits with room to spare, and a salvage of one stays bounded.
pub const PACK_BYTES_MAX: u64 = 1 << 30;
/// The frames of a pack end here at the latest, which leaves room for the largest footer and the trailer.
pub const FRAMES_END_MAX: u32 = 1019 << 20;
/// Most frames in one pack.
pub const FRAME_COUNT_MAX: u32 = 65_536;
/// Shortest sealed frame: a hash and a tag around nothing.
pub const SEALED_BYTES_MIN: u32 = 48;
/// Longest sealed frame (hash, ciphertext, tag): [`RAW_BYTES_MAX`] of chunks, their lengths, and the seal.
pub const SEALED_BYTES_MAX: u32 = 33 << 20;
/// Most chunks in one frame.
pub const FRAME_CHUNK_COUNT_MAX: u32 = 65_536;
/// Most chunks in one pack, so that the row of any pack fits into a segment (32 bytes of id and at most 4 of length
/// for each chunk, below 32 MiB).
pub const PACK_CHUNK_COUNT_MAX: u32 = 524_288;
/// Longest chunk.
pub const CHUNK_BYTES_MAX: u32 = 16 << 20;
/// Most raw bytes in one frame.
pub const RAW_BYTES_MAX: u32 = 32 << 20;
/// Length of the clear head of a frame: magic, number, sealed length.
pub const FRAME_HEAD_BYTES: u32 = 12;
/// Length of a pack's header with a symmetric key field.
pub const HEADER_BYTES_MIN: u32 = 128;
/// Length of a pack's header with an encapsulated key field.
pub const HEADER_BYTES_MAX: u32 = 160;

/// What the frames of a pack hold. All frames of one pack are of one class, and each class has a root key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Pieces of files.
    Content,
    /// Nodes of manifests and item trees.
    Manifest,
    /// Nodes of stat trees.
    Stat,
}

impl Class {
    /// Every class, in the order of their codes.
    pub const ALL: [Self; 3] = [Self::Content, Self::Manifest, Self::Stat];

    /// The code that stands in headers and segments.
    pub const fn code(self) -> u8 {
        match self {
            Self::Content => 1,
            Self::Manifest => 2,
            Self::Stat => 3,
        }
    }

    /// The class with this code, if there is one.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Content),
            2 => Some(Self::Manifest),
            3 => Some(Self::Stat),
            _ => None,
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Content => "content",
            Self::Manifest => "manifest",
            Self::Stat => "stat",
        })
    }
}

/// Where a stored frame lies in its pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FramePlace {
    /// The frame's number, from 0.
    pub number: u32,
    /// Offset of the frame's head in the pack.
    pub offset: u32,
    /// Length of head and sealed bytes.
    pub stored_bytes: u32,
}

impl FramePlace {
    /// Offset behind the frame. Places that come from a [`FrameTable`] end within the pack.
    pub const fn end(&self) -> u32 {
        self.offset.saturating_add(self.stored_bytes)
    }
}

/// Where a chunk lies: in which frame, and which part of that frame's raw bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkPlace {
    /// The frame that holds the chunk.
    pub frame: FramePlace,
    /// Offset of the chunk in the frame's raw bytes.
    pub chunk_offset: u32,
    /// Length of the chunk.
    pub chunk_bytes: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_the_code_and_the_name_of_the_format() {
        let classes = [(1, Class::Content, "content"), (2, Class::Manifest, "manifest"), (3, Class::Stat, "stat")];
        for (code, class, name) in classes {
            assert_eq!((class.code(), Class::from_code(code)), (code, Some(class)));
            assert_eq!(class.to_string(), name);
        }
        assert_eq!(classes.map(|(_, class, _)| class), Class::ALL);
        assert_eq!([0, 4, u8::MAX].map(Class::from_code), [None; 3]);
    }
}

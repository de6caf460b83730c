//! The two encodings: no bytes harm the readers, and there is one way to write a value.

use crate::wire::{self, Blob, List, Reader, Write as _};

/// A structure with one field of every kind that control objects use.
#[derive(Debug, Clone, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct Sample {
    /// Whole numbers of every width.
    pub numbers: (u8, u16, u32, u64, i64),
    /// A truth value.
    pub flag: bool,
    /// Something that may be absent.
    pub maybe: Option<u32>,
    /// One of several.
    pub choice: Choice,
    /// Bytes of a length that the format fixes.
    pub id: [u8; 4],
    /// Bytes of any length.
    pub name: Blob,
    /// A sequence of sequences.
    pub rows: List<List<(u16, Blob)>>,
}

/// An enumeration with and without content.
#[derive(Debug, Clone, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub enum Choice {
    /// Tag 0.
    Nothing,
    /// Tag 1.
    Number(u64),
    /// Tag 2.
    Named {
        /// Its content.
        name: Blob,
    },
}

/// Decodes the input as a plain structure; what decodes must encode to the same bytes.
pub fn fuzz_wire_plain(data: &[u8]) {
    if let Ok(sample) = wire::decode::<Sample>(data) {
        assert_eq!(wire::encode(&sample), data, "two encodings of one value");
    }
}

/// Reads packed fields, each of the kind that a byte of the input names; what was read must write to the same bytes.
pub fn fuzz_wire_packed(data: &[u8]) {
    let Some((kinds, fields)) = data.split_at_checked(data.len().min(16)) else { return };
    let mut reader = Reader::new(fields);
    let mut written = Vec::new();
    for kind in kinds {
        let before = written.len();
        let read = match kind % 8 {
            0 => reader.u8().map(|value| written.put_u8(value)),
            1 => reader.u16().map(|value| written.put_u16(value)),
            2 => reader.u32().map(|value| written.put_u32(value)),
            3 => reader.u64().map(|value| written.put_u64(value)),
            4 => reader.varint().map(|value| written.put_varint(value)),
            5 => reader.zigzag().map(|value| written.put_zigzag(value)),
            6 => reader.blob("blob", 64).map(|value| written.put_blob(value)),
            _ => reader.count("count", 3).map(|value| written.put_count(value)),
        };
        if read.is_err() {
            break;
        }
        let field = written.get(before..).unwrap_or_default();
        assert_eq!(fields.get(before..written.len()), Some(field), "two encodings of one field");
        assert_eq!(reader.offset(), written.len());
    }
}

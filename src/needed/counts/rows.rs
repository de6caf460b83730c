//! The rows of the counts.
//!
//! ```text
//! 's'                        -> how far they can be trusted, and the generation of the last full mark
//! 'r' root                   -> an outcome that names it: what is counted
//! 'c' id of a chunk or node  -> how many distinct nodes and roots name it, never 0
//! 'p' pack number            -> how much of the pack is needed; one more than the bytes that this was measured to be, or 0
//! ```

use crate::id::{ChunkId, NodeId, SnapshotId};
use crate::index::PackOrdinal;
use crate::needed::PackUse;
use crate::wire::{Reader, WireError, Write};

pub(super) const STATE_KEY: &[u8] = b"s";
pub(super) const ROOT_PREFIX: &[u8] = b"r";
pub(super) const COUNT_PREFIX: &[u8] = b"c";
pub(super) const PACK_PREFIX: &[u8] = b"p";

/// How far counts can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// They are being changed: whoever finds this knows that somebody was interrupted.
    Changing,
    /// They agree with the counted roots.
    Settled {
        /// The generation for which the last full mark was made.
        marked: u64,
    },
}

impl State {
    pub(super) fn encode(self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Changing => out.put_u8(0),
            Self::Settled { marked } => {
                out.put_u8(1);
                out.put_varint(marked);
            }
        }
        out
    }

    /// Anything that is not understood is not trusted.
    pub(super) fn decode(row: &[u8]) -> Self {
        let mut input = Reader::new(row);
        match (input.u8(), input.varint(), input.finish()) {
            (Ok(1), Ok(marked), Ok(())) => Self::Settled { marked },
            _ => Self::Changing,
        }
    }
}

pub(super) fn root_key(root: &NodeId) -> Vec<u8> {
    [ROOT_PREFIX, root.as_bytes()].concat()
}

/// A row that says which outcome names a root.
pub(super) fn decode_root(key: &[u8], value: &[u8]) -> Option<(NodeId, SnapshotId)> {
    let root = key.strip_prefix(ROOT_PREFIX)?.try_into().ok()?;
    Some((NodeId::from_bytes(root), SnapshotId::from_bytes(value.try_into().ok()?)))
}

pub(super) fn count_key(id: &ChunkId) -> Vec<u8> {
    [COUNT_PREFIX, id.as_bytes()].concat()
}

pub(super) fn decode_count_key(key: &[u8]) -> Option<ChunkId> {
    key.strip_prefix(COUNT_PREFIX)?.try_into().ok().map(ChunkId::from_bytes)
}

pub(super) fn encode_count(count: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(2);
    out.put_varint(count);
    out
}

pub(super) fn decode_count(row: &[u8]) -> Result<u64, WireError> {
    let mut input = Reader::new(row);
    let count = input.varint()?;
    input.finish().map(|()| count)
}

pub(super) fn pack_key(pack: PackOrdinal) -> Vec<u8> {
    [PACK_PREFIX, &pack.0.to_be_bytes()].concat()
}

pub(super) fn encode_pack(used: &PackUse, measured_bytes: Option<u64>) -> Vec<u8> {
    let mut out = Vec::with_capacity(16);
    let measured = measured_bytes.map_or(0, |bytes| bytes.saturating_add(1));
    [used.chunk_count, used.raw_bytes, used.copied_count, measured].into_iter().for_each(|field| out.put_varint(field));
    out
}

pub(super) fn decode_pack(key: &[u8], row: &[u8]) -> Result<(PackOrdinal, PackUse, Option<u64>), WireError> {
    let mut input = Reader::new(key);
    input.bytes(PACK_PREFIX.len())?;
    let number = u32::from_be_bytes(input.array()?);
    input.finish()?;
    let mut input = Reader::new(row);
    let used = PackUse { chunk_count: input.varint()?, raw_bytes: input.varint()?, copied_count: input.varint()? };
    let measured_bytes = input.varint()?.checked_sub(1);
    input.finish().map(|()| (PackOrdinal(number), used, measured_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_read_back(number: u32, fields: [u64; 3], measured in prop::option::of(0..u64::MAX)) {
            let [chunk_count, raw_bytes, copied_count] = fields;
            let (pack, used) = (PackOrdinal(number), PackUse { chunk_count, raw_bytes, copied_count });
            prop_assert_eq!(decode_pack(&pack_key(pack), &encode_pack(&used, measured)), Ok((pack, used, measured)));
            prop_assert_eq!(decode_count(&encode_count(chunk_count)), Ok(chunk_count));
            for state in [State::Changing, State::Settled { marked: raw_bytes }] {
                prop_assert_eq!(State::decode(&state.encode()), state);
            }
        }

        #[test]
        fn any_bytes_are_read_without_a_panic_and_give_no_trust(key: Vec<u8>, row: Vec<u8>) {
            let _ = (decode_root(&key, &row), decode_count(&row), decode_pack(&key, &row));
            prop_assert!(State::decode(&row) == State::Changing || row.first() == Some(&1));
        }
    }
}

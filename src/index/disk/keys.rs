//! The keys of the tables.

use crate::id::{PackId, SegmentId};

pub(super) const FORM_KEY: &[u8] = b"f";
pub(super) const NEXT_KEY: &[u8] = b"n";
pub(super) const SEGMENT_PREFIX: &[u8] = b"s";
const REMEMBERED_PREFIX: &[u8] = b"r";
pub(super) const ENTRY_PREFIX: &[u8] = b"e";
const PACK_PREFIX: &[u8] = b"i";

pub(super) fn segment_key(id: SegmentId) -> Vec<u8> {
    [SEGMENT_PREFIX, id.as_bytes()].concat()
}

pub(super) fn remembered_key(key: &[u8]) -> Vec<u8> {
    [REMEMBERED_PREFIX, key].concat()
}

pub(super) fn entry_key(number: u32) -> Vec<u8> {
    [ENTRY_PREFIX, &number.to_be_bytes()].concat()
}

pub(super) fn pack_key(id: &PackId) -> Vec<u8> {
    [PACK_PREFIX, id.as_bytes()].concat()
}

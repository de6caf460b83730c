//! Condemned and deleted sets from strangers.

use super::envelope::opened;
use crate::envelope::{Described, Kind};
use crate::gc::{parse_condemned, parse_deleted};
use crate::wire;

/// Reads `data` as the body of a condemned set and of a deleted set.
///
/// # Panics
/// When what was accepted is not written the same again.
pub fn fuzz_gc(data: &[u8]) {
    let Ok(generation) = wire::decode(data.get(..8).unwrap_or(&[])) else { return };
    if let Ok(condemned) = parse_condemned(generation, &opened(Kind::Condemned, data, Described::Absent)) {
        assert!(condemned.body.encode().is_ok_and(|bytes| bytes == data), "a condemned set has one encoding");
    }
    if let Ok(deleted) = parse_deleted(generation, &opened(Kind::Deleted, data, Described::Absent)) {
        assert!(deleted.body.encode().is_ok_and(|bytes| bytes == data), "a deleted set has one encoding");
    }
}

//! Bodies of segments from strangers.

use crate::id::SegmentId;
use crate::segment::{SegmentBuilder, SegmentReader};

/// Reads `data` as a segment's body, walks through it, and builds it again.
///
/// # Panics
/// When a body that was accepted does not build to the same bytes, or its counts are wrong.
pub fn fuzz_segment(data: &[u8]) {
    let Ok(reader) = SegmentReader::parse(SegmentId::from_bytes([0x99; 32]), data) else { return };
    let mut builder = SegmentBuilder::new();
    for replaced in reader.replaced() {
        if builder.replace(*replaced).is_err() {
            return;
        }
    }
    let mut chunk_count = 0u64;
    for pack in reader.packs() {
        chunk_count = chunk_count.saturating_add(u64::try_from(pack.chunks().count()).unwrap_or(u64::MAX));
        if builder.push(pack).is_err() {
            // The builder reckons with the longest varints and is full a little earlier than the cap.
            return;
        }
    }
    assert_eq!(chunk_count, reader.chunk_count());
    assert!(builder.finish() == data, "a segment has one encoding");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_laws_hold_for_any_bytes(data: Vec<u8>) {
            fuzz_segment(&data);
        }
    }
}

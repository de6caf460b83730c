//! Putting one segment into the store. Nothing counts until an outcome names it.

use crate::access::Access;
use crate::envelope::{self, Kind};
use crate::error::Result;
use crate::id::SegmentId;
use crate::outcome::SegmentRef;
use crate::segment::SegmentBuilder;
use crate::store::ObjectName;

/// A segment is ended when it names so many chunks, which keeps it near 16 MiB.
pub const SEGMENT_CHUNKS_TARGET: u64 = 400_000;

/// Seals a segment and makes it durable. Returns how an outcome names it, and its body.
///
/// # Errors
/// When the store can't take it.
pub(super) fn publish_segment(access: &Access, builder: SegmentBuilder) -> Result<(SegmentRef, Vec<u8>)> {
    let (pack_count, chunk_count) = (builder.pack_count(), builder.chunk_count());
    let body = builder.finish();
    let object = envelope::seal(Kind::Segment, &access.ring, &access.chain, &body, None)?;
    let id = SegmentId::of(&object);
    // Named by its hash: one that is there already is this one.
    let _ = access.store.create(&ObjectName::Segment(id), &object)?;
    Ok((SegmentRef { id, pack_count, chunk_count }, body))
}

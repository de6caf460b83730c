//! The index that a check works with.

use crate::access::Access;
use crate::check::report::Findings;
use crate::error::Result;
use crate::index::{Excluded, Index, MemoryIndex};
use crate::segment::SegmentReader;
use crate::session::{self, History, SegmentStand, read_segment};
use std::sync::Arc;

/// What a chunk costs in an index in memory.
const CHUNK_BYTES: u64 = 80;
/// Which part of the memory at hand such an index may take.
const INDEX_PART: u64 = 4;

/// Where the segments are few, reads them all into an index of the check's own, which is several times as fast and owes
/// nothing to what an earlier run left in the cache. Otherwise brings the view up to date.
///
/// # Errors
/// When an index can't be written. Segments that can't be read are told elsewhere.
pub(super) fn open(access: &Access, history: &History, findings: &Findings<'_>) -> Result<Access> {
    let segments = history.segments();
    let chunk_count = segments.values().fold(0u64, |sum, named| sum.saturating_add(named.largest().chunk_count));
    if chunk_count.saturating_mul(CHUNK_BYTES) > access.memory_bytes / INDEX_PART {
        if let Err(error) = session::bring_up_to_date(access, history) {
            findings.control_error("segments", error)?;
        }
        return Ok(access.clone());
    }
    let index = MemoryIndex::new();
    for segment in SegmentStand::of(access, history)?.counting {
        let body = match read_segment(access, segment) {
            Ok(body) => body,
            Err(error) => {
                error.found()?;
                continue;
            }
        };
        let Ok(reader) = SegmentReader::parse(segment, &body) else { continue };
        index.apply(&reader)?;
    }
    index.exclude(&Excluded::packs(history.excluded()))?;
    Ok(Access { index: Arc::new(index), ..access.clone() })
}

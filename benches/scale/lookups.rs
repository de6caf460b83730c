//! What looking chunks up costs: time, and how many parts of filters are read from files for each new chunk.

use crate::generate::Ids;
use crate::{Outcome, open};
use holdall::id::ChunkId;
use holdall::index::{Extent, Index};
use holdall::session::{History, bring_up_to_date};
use rocksdb::perf::{PerfContext, PerfStatsLevel, set_perf_stats};
use std::path::Path;
use std::time::Instant;

/// As many as a batch of files asks for at once.
const BATCH: usize = 512;

pub(crate) fn run(place: &Path, count: usize) -> Outcome<String> {
    let repository = open(place)?;
    let history = History::load(repository.access())?;
    bring_up_to_date(repository.access(), &history)?;
    let index = repository.access().index.as_ref();
    set_perf_stats(PerfStatsLevel::EnableCount);
    let mut fresh = Ids::of(b"ids that no segment lists");
    let fresh = measure(index, count, &mut || fresh.next())?;
    let mut known = Ids::new(place);
    // One in 513 names a pack instead of a chunk.
    let known = measure(index, count, &mut || known.next())?;
    Ok(format!(
        r#"{{"new_lookup_us": {:.3}, "new_found": {}, "filter_reads_per_new_chunk": {:.4}, "block_reads_per_new_chunk": {:.4}, "known_lookup_us": {:.3}, "known_found": {}, "block_reads_per_known_chunk": {:.4}}}"#,
        fresh.us, fresh.found, fresh.filter_reads, fresh.block_reads, known.us, known.found, known.block_reads,
    ))
}

struct Measured {
    us: f64,
    found: usize,
    filter_reads: f64,
    block_reads: f64,
}

fn measure(index: &dyn Index, count: usize, next: &mut dyn FnMut() -> [u8; 32]) -> Outcome<Measured> {
    let mut context = PerfContext::default();
    context.reset();
    let mut found: Vec<Option<Extent>> = Vec::new();
    let mut hits = 0;
    let mut asked = 0usize;
    let started = Instant::now();
    while asked < count {
        let ids: Vec<ChunkId> = (0..BATCH).map(|_| ChunkId::from_bytes(next())).collect();
        index.lookup(&ids, &mut found)?;
        hits += found.iter().flatten().count();
        asked += ids.len();
    }
    let seconds = started.elapsed().as_secs_f64();
    let report = context.report(false);
    let asked = f64::from(u32::try_from(asked).unwrap_or(u32::MAX));
    let each = |name: &str| counter(&report, name) / asked;
    Ok(Measured {
        us: seconds * 1e6 / asked,
        found: hits,
        filter_reads: each("filter_block_read_count"),
        block_reads: each("block_read_count"),
    })
}

/// A counter of a report: `name = value, name = value`.
fn counter(report: &str, name: &str) -> f64 {
    let values = report.split(',').filter_map(|part| part.trim().split_once(" = "));
    values.filter(|(key, _)| *key == name).filter_map(|(_, value)| value.parse::<f64>().ok()).sum()
}

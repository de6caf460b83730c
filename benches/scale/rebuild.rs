//! Building the view of the index from all segments, as the first command after the cache was lost does.

use crate::{Outcome, open};
use holdall::session::{History, bring_up_to_date};
use std::path::Path;
use std::time::Instant;

pub(crate) fn run(place: &Path) -> Outcome<String> {
    let started = Instant::now();
    let repository = open(place)?;
    let opened = started.elapsed().as_secs_f64();
    let history = History::load(repository.access())?;
    let loaded = started.elapsed().as_secs_f64();
    bring_up_to_date(repository.access(), &history)?;
    let applied = started.elapsed().as_secs_f64();
    let totals = repository.access().index.totals()?;
    drop(history);
    drop(repository);
    let closed = started.elapsed().as_secs_f64();
    Ok(format!(
        r#"{{"chunks": {}, "open_seconds": {opened:.4}, "history_seconds": {:.4}, "apply_seconds": {:.3}, "close_seconds": {:.3}}}"#,
        totals.chunk_count,
        loaded - opened,
        applied - loaded,
        closed - applied,
    ))
}

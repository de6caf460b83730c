//! What forgetting some snapshots would free.

use crate::access::Access;
use crate::error::Result;
use crate::id::SnapshotId;
use crate::needed::Roots;
use crate::progress::{Event, Progress};
use crate::prune::marks::Marks;
use crate::prune::measure::measure;
use crate::prune::survey::Survey;
use crate::session::{History, steadily};
use std::collections::BTreeSet;

/// What forgetting some snapshots would free, by the bytes that needed chunks take of the packs in which they lie.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Forecast {
    /// What only those snapshots need.
    pub freed_bytes: u64,
    /// What nothing needs already.
    pub unused_bytes: u64,
}

/// Works out what a prune could free once `forgetting` are forgotten. Nothing is changed. Costs two full marks; in a view
/// that was counted and that this process may write only what `forgetting` alone have.
///
/// # Errors
/// As [`super::plan`], whatever the key's role may do.
pub fn forecast(access: &Access, forgetting: &BTreeSet<SnapshotId>, progress: &dyn Progress) -> Result<Forecast> {
    steadily(access, || look(access, forgetting, progress))
}

fn look(access: &Access, forgetting: &BTreeSet<SnapshotId>, progress: &dyn Progress) -> Result<Forecast> {
    progress.event(&Event::Phase("looking at packs and sessions"));
    let survey = Survey::take(access, History::default(), progress)?;
    progress.event(&Event::Phase("finding what would be freed"));
    let used_bytes = |roots: &Roots| -> Result<u64> {
        let marks = Marks::of(access, roots, survey.generation.saturating_sub(1), progress)?;
        let used = measure(access, &survey, &marks, progress)?;
        Ok(used.values().map(|used| used.bytes).fold(0, u64::saturating_add))
    };
    let now_bytes = used_bytes(&Roots::of(&survey.history))?;
    let then_bytes = used_bytes(&Roots::without(&survey.history, forgetting))?;
    let all_bytes = survey.listed.values().copied().fold(0, u64::saturating_add);
    Ok(Forecast {
        freed_bytes: now_bytes.saturating_sub(then_bytes),
        unused_bytes: all_bytes.saturating_sub(now_bytes),
    })
}

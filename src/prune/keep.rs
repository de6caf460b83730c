//! The rule that loses nothing: of every needed chunk a copy stays in a committed pack that nobody condemns.

use crate::access::Access;
use crate::error::Result;
use crate::id::{ChunkId, PackId};
use crate::index::Extent;
use crate::prune::marks::Marks;
use crate::prune::measure::for_each_row;
use crate::prune::survey::Survey;
use std::collections::BTreeSet;

/// The candidates that must stay: each holds a needed chunk of which no copy stays elsewhere. `survey.condemned` must
/// hold what other generations condemn, and not what this one does.
///
/// # Errors
/// When the index or a segment can't be read.
pub(super) fn spared(
    access: &Access,
    survey: &Survey,
    marks: &Marks,
    candidates: &BTreeSet<PackId>,
) -> Result<BTreeSet<PackId>> {
    let (mut flags, mut found) = (Vec::new(), Vec::new());
    let mut spared = BTreeSet::new();
    for_each_row(access, survey, candidates, &mut |row, _| {
        marks.answer(row.ids(), &mut flags)?;
        let needed: Vec<ChunkId> = row.ids().iter().zip(&flags).filter(|(_, is)| **is).map(|(id, _)| *id).collect();
        if needed.is_empty() {
            return Ok(());
        }
        access.index.lookup(&needed, &mut found)?;
        for (id, extent) in needed.iter().zip(&found) {
            if extent.is_some_and(|extent| survey.stays(&extent, candidates)) {
                continue;
            }
            let copies = access.index.copies(*id)?;
            if !copies.iter().any(|copy| survey.stays(copy, candidates)) {
                // Every committed copy: which of them a writer counts on is not known.
                spared.extend(own_copies(survey, candidates, &copies));
            }
        }
        Ok(())
    })?;
    Ok(spared)
}

fn own_copies(survey: &Survey, candidates: &BTreeSet<PackId>, copies: &[Extent]) -> Vec<PackId> {
    let packs = copies.iter().filter_map(|copy| survey.name(copy.pack));
    packs.filter(|pack| candidates.contains(pack)).collect()
}

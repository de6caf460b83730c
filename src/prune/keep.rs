//! The rule that loses nothing: of every needed chunk a copy stays in a committed pack that nobody condemns.

use crate::access::Access;
use crate::error::Result;
use crate::id::PackId;
use crate::index::PackOrdinal;
use crate::prune::marks::Marks;
use crate::prune::rows::{Needs, for_each_group};
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
    let mut spared = BTreeSet::new();
    for_each_group(access, survey, marks, candidates, &mut |group| {
        for (id, extent) in group.iter().flat_map(Needs::needed) {
            if extent.is_some_and(|extent| survey.stays(extent.pack, candidates)) {
                continue;
            }
            let copies: Vec<PackOrdinal> = access.index.copies(id)?.iter().map(|copy| copy.pack).collect();
            spared.extend(spared_for(survey, candidates, &copies));
        }
        Ok(())
    })?;
    Ok(spared)
}

/// The candidates that must stay for one needed chunk, of which `copies` are all that the view lists: none while a copy
/// stays elsewhere.
pub(super) fn spared_for(survey: &Survey, candidates: &BTreeSet<PackId>, copies: &[PackOrdinal]) -> Vec<PackId> {
    if copies.iter().any(|pack| survey.stays(*pack, candidates)) {
        return Vec::new();
    }
    // Every committed copy: which of them a writer counts on is not known.
    let packs = copies.iter().filter_map(|pack| survey.name(*pack));
    packs.filter(|pack| candidates.contains(pack)).collect()
}

//! The rule that loses nothing: of every needed chunk a copy stays in a committed pack that nobody condemns.

use crate::access::Access;
use crate::error::{Error, Result};
use crate::id::{ChunkId, PackId};
use crate::index::{PackOrdinal, in_parts};
use crate::prune::marks::Marks;
use crate::prune::rows::{Copies, Needs, for_each_group};
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
    let known = candidates.iter().filter_map(|pack| survey.packs.get(pack));
    let chunk_count = known.map(|known| known.chunk_count).fold(0, u64::saturating_add);
    let judging = Judging { access, survey, marks, candidates };
    if chunk_count > marks.id_count() { judging.by_need() } else { judging.by_rows() }
}

/// Two ways to the same answer.
struct Judging<'a> {
    access: &'a Access,
    survey: &'a Survey,
    marks: &'a Marks,
    candidates: &'a BTreeSet<PackId>,
}

impl Judging<'_> {
    /// Goes through all that is needed: the shorter way where most is to go.
    fn by_need(&self) -> Result<BTreeSet<PackId>> {
        let mut spared = BTreeSet::new();
        self.marks.for_each_id(&mut |ids| self.judge(ids, &mut spared))?;
        Ok(spared)
    }

    /// Goes through all that the candidates hold.
    fn by_rows(&self) -> Result<BTreeSet<PackId>> {
        let Self { access, survey, marks, candidates } = *self;
        let mut spared = BTreeSet::new();
        for_each_group(access, survey, marks, (candidates, Copies::None), &mut |group| {
            let mut needed: Vec<ChunkId> = group.iter().flat_map(Needs::needed).map(|(id, _)| id).collect();
            needed.sort_unstable();
            self.judge(&needed, &mut spared)
        })?;
        Ok(spared)
    }

    /// Adds what must stay for some needed chunks, in order. All their copies are looked for at once: after a repack the
    /// one that a look-up finds first is in a candidate, and each chunk would be asked for twice.
    fn judge(&self, needed: &[ChunkId], spared: &mut BTreeSet<PackId>) -> Result<()> {
        let parts = in_parts(needed, self.access.threads, |part| {
            let mut spared = BTreeSet::new();
            self.access.index.copies_of_sorted(part, &mut |_, copies| {
                let copies: Vec<PackOrdinal> = copies.iter().map(|copy| copy.pack).collect();
                spared.extend(spared_for(self.survey, self.candidates, &copies));
            })?;
            Ok::<_, Error>(spared)
        })?;
        for part in parts {
            spared.extend(part?);
        }
        Ok(())
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::needed::{self, Roots};
    use crate::progress::Silent;
    use crate::prune::tests::world::{World, files};
    use crate::session::History;

    /// Of every choice of packs the same ones stay, whichever way is gone, and whether a mark or counts are asked.
    #[test]
    fn both_ways_spare_the_same_packs() {
        let world = World::new();
        let snapshots: Vec<_> = (0..3).map(|at| world.back_up("a", &files(at * 4..at * 4 + 6, 30_000))).collect();
        world.forget(snapshots[1]);
        let access = world.client("owner");
        let survey = Survey::take(&access, History::default(), &Silent).unwrap();
        let roots = Roots::of(&survey.history);
        let packs: Vec<PackId> = survey.packs.keys().copied().collect();
        assert!((4..12).contains(&packs.len()), "{}", packs.len());
        let mut spared_counts = BTreeSet::new();
        let mark = Marks::new(&roots, Box::new(needed::mark(&access, &roots, &Silent).unwrap()));
        // Who has just made a mark is answered from that, and the next from the counts.
        drop(needed::find(&access, &roots, 0, &Silent).unwrap());
        for marks in [mark, Marks::of(&access, &roots, 0, &Silent).unwrap()] {
            for chosen in 0..1u32 << packs.len() {
                let is_chosen = |(at, _): &(u32, &PackId)| chosen >> at & 1 == 1;
                let candidates = (0..).zip(&packs).filter(is_chosen).map(|(_, pack)| *pack).collect();
                let judging = Judging { access: &access, survey: &survey, marks: &marks, candidates: &candidates };
                let by_rows = judging.by_rows().unwrap();
                assert_eq!(judging.by_need().unwrap(), by_rows);
                spared_counts.insert(candidates.len() - by_rows.len());
            }
        }
        assert!(spared_counts.len() > 1, "some may go, and some must stay");
    }
}

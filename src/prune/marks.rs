//! What was found to be needed so far, by the roots that were followed.

use crate::access::Access;
use crate::error::Result;
use crate::id::ChunkId;
use crate::index::PackOrdinal;
use crate::needed::{self, Needed, PackUse, Roots};
use crate::progress::Progress;

/// Answers that add up. What was needed by roots that are forgotten meanwhile stays needed: slack until the next prune.
pub(super) struct Marks {
    followed: Roots,
    found: Vec<Box<dyn Needed>>,
}

impl Marks {
    /// Follows the first roots, as [`needed::find`] does.
    ///
    /// # Errors
    /// [`crate::error::ErrorKind::Damaged`] when something that is needed is missing or can't be read.
    pub(super) fn of(access: &Access, roots: &Roots, generation: u64, progress: &dyn Progress) -> Result<Self> {
        Ok(Self::new(roots, needed::find(access, roots, generation, progress)?))
    }

    /// Begins with what was found for the first roots.
    pub(super) fn new(roots: &Roots, found: Box<dyn Needed>) -> Self {
        Self { followed: roots.clone(), found: vec![found] }
    }

    /// Follows the roots that came meanwhile, by a mark of their own: the counts stay what was answered from.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub(super) fn cover(&mut self, access: &Access, roots: &Roots, progress: &dyn Progress) -> Result<()> {
        self.cover_by(roots, |new| Ok(Box::new(needed::mark(access, new, progress)?)))
    }

    /// The same, with `find` for roots that were not followed yet.
    pub(super) fn cover_by(
        &mut self,
        roots: &Roots,
        find: impl FnOnce(&Roots) -> Result<Box<dyn Needed>>,
    ) -> Result<()> {
        let new = roots.beyond(&self.followed);
        if !new.is_empty() {
            self.found.push(find(&new)?);
        }
        self.followed = std::mem::take(&mut self.followed).with(new);
        Ok(())
    }

    /// Answers for each id whether anything needs it.
    pub(super) fn answer(&self, ids: &[ChunkId], needed: &mut Vec<bool>) -> Result<()> {
        needed.clear();
        needed.resize(ids.len(), false);
        let mut one = Vec::with_capacity(ids.len());
        for found in &self.found {
            found.answer(ids, &mut one)?;
            needed.iter_mut().zip(&one).for_each(|(all, one)| *all |= *one);
        }
        Ok(())
    }

    /// Gives everything that is needed, in order, in pieces; what several were needed for, several times.
    pub(super) fn for_each_id(&self, each: &mut dyn FnMut(&[ChunkId]) -> Result<()>) -> Result<()> {
        self.found.iter().try_for_each(|found| found.for_each_id(each))
    }

    /// About how many ids that are.
    pub(super) fn id_count(&self) -> u64 {
        self.found.iter().map(|found| found.id_count()).fold(0, u64::saturating_add)
    }

    /// How much of a pack is needed; none when that can't be told without looking at each of its chunks.
    pub(super) fn pack_use(&self, pack: PackOrdinal) -> Result<Option<PackUse>> {
        let used = self.only().map(|one| one.pack_use(pack)).transpose()?.flatten();
        Ok(used.filter(|used| used.copied_count == 0))
    }

    /// What an earlier prune measured of a pack whose use has not changed since.
    pub(super) fn measured_bytes(&self, pack: PackOrdinal) -> Option<u64> {
        self.only()?.measured_bytes(pack)
    }

    /// Keeps what was measured for the next prune.
    pub(super) fn keep_measured(&self, measured: &[(PackOrdinal, u64)]) {
        self.only().into_iter().for_each(|one| one.keep_measured(measured));
    }

    /// The one answer there is. What several say of a pack does not add up.
    fn only(&self) -> Option<&dyn Needed> {
        match self.found.as_slice() {
            [one] => Some(&**one),
            _ => None,
        }
    }
}

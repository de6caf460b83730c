//! What was found to be needed so far, by the roots that were followed.

use crate::access::Access;
use crate::error::Result;
use crate::id::ChunkId;
use crate::index::PackOrdinal;
use crate::needed::{self, Mark, Needed, PackUse, Roots};
use crate::progress::Progress;

/// Marks that add up. What was needed by roots that are forgotten meanwhile stays needed: slack until the next prune.
#[derive(Default)]
pub(super) struct Marks {
    followed: Roots,
    found: Vec<Mark>,
}

impl Marks {
    /// Follows the roots that were not followed before.
    ///
    /// # Errors
    /// [`crate::error::ErrorKind::Damaged`] when something that is needed is missing or can't be read.
    pub(super) fn cover(&mut self, access: &Access, roots: &Roots, progress: &dyn Progress) -> Result<()> {
        let new = roots.beyond(&self.followed);
        if !new.is_empty() {
            self.found.push(needed::mark(access, &new, progress)?);
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

    /// How much of a pack is needed; none when that can't be told without looking at each of its chunks.
    pub(super) fn pack_use(&self, pack: PackOrdinal) -> Result<Option<PackUse>> {
        match self.found.as_slice() {
            [] => Ok(Some(PackUse::default())),
            [one] => one.pack_use(pack).map(|used| Some(used).filter(|used| used.copied_count == 0)),
            _ => Ok(None),
        }
    }
}

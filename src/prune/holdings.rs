//! What each of some snapshots takes of the store, alone and together with others.

use crate::access::Access;
use crate::error::Result;
use crate::id::SnapshotId;
use crate::layout::Class;
use crate::needed::{self, Mark, Needed, Roots};
use crate::progress::{Event, Progress};
use crate::prune::marks::Marks;
use crate::prune::measure::measure;
use crate::prune::survey::Survey;
use crate::session::{self, History, Snapshot, steadily};
use std::collections::BTreeSet;

/// What some snapshots take of the store, by the bytes that what they need takes of the packs in which it lies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Holding {
    /// What no others need: what a prune could free once they are forgotten.
    pub unique_bytes: u64,
    /// What others need as well.
    pub shared_bytes: u64,
    /// Content that they need, each chunk once, before compression.
    pub content_raw_bytes: u64,
    /// The same as it is stored; it is in the sum of the first two, and so are trees.
    pub content_stored_bytes: u64,
}

/// What some snapshots take of the store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Each by itself, in the order in which they were asked for; none for one that is forgotten.
    pub each: Vec<Option<Holding>>,
    /// All of them together: what is shared is needed by snapshots that were not asked for.
    pub together: Holding,
}

/// Works out what snapshots take. Nothing is changed. Costs a full mark of all snapshots, unless the view was counted and
/// this process may write it, and a mark of each that is asked for.
///
/// # Errors
/// As [`super::plan`], whatever the key's role may do.
pub fn holdings(access: &Access, wanted: &[SnapshotId], progress: &dyn Progress) -> Result<Holdings> {
    steadily(access, || Look::take(access, progress)?.all(wanted))
}

struct Look<'a> {
    access: &'a Access,
    survey: Survey,
    roots: Roots,
    all: Box<dyn Needed>,
    progress: &'a dyn Progress,
}

impl<'a> Look<'a> {
    fn take(access: &'a Access, progress: &'a dyn Progress) -> Result<Self> {
        progress.event(&Event::Phase("looking at packs and sessions"));
        let survey = Survey::take(access, History::default(), progress)?;
        progress.event(&Event::Phase("finding what is needed"));
        let roots = Roots::of(&survey.history);
        let all = needed::find(access, &roots, survey.generation.saturating_sub(1), progress)?;
        Ok(Self { access, survey, roots, all, progress })
    }

    fn all(&self, wanted: &[SnapshotId]) -> Result<Holdings> {
        self.progress.event(&Event::Phase("measuring snapshots"));
        let snapshots = session::all(&self.survey.history);
        let live = |id: &SnapshotId| snapshots.iter().find(|snapshot| snapshot.id == *id && !snapshot.forgotten);
        let of_each = |id: &SnapshotId| live(id).map(|snapshot| self.holding(&[snapshot])).transpose();
        let each = wanted.iter().map(of_each).collect::<Result<Vec<_>>>()?;
        let counted: BTreeSet<SnapshotId> = wanted.iter().copied().collect();
        let counted: Vec<&Snapshot> = counted.iter().filter_map(live).collect();
        let together = match (counted.len(), each.iter().flatten().next()) {
            (1, Some(only)) => *only,
            _ => self.holding(&counted)?,
        };
        Ok(Holdings { each, together })
    }

    fn holding(&self, snapshots: &[&Snapshot]) -> Result<Holding> {
        let ids = snapshots.iter().map(|snapshot| snapshot.id).collect();
        let own = self.roots.beyond(&Roots::without(&self.survey.history, &ids));
        let alone = needed::alone(self.access, &*self.all, &own, self.progress)?;
        let (unique_bytes, _) = self.measured(&own, alone)?;
        let roots = Roots::below(snapshots.iter().copied());
        let (all_bytes, content) = self.measured(&roots, needed::mark(self.access, &roots, self.progress)?)?;
        Ok(Holding {
            unique_bytes,
            // A share of a pack is rounded up wherever it is measured.
            shared_bytes: all_bytes.saturating_sub(unique_bytes),
            content_raw_bytes: content.raw_bytes,
            content_stored_bytes: content.stored_bytes,
        })
    }

    /// Stored bytes of all that was found, and how much of it is content.
    fn measured(&self, roots: &Roots, found: Mark) -> Result<(u64, Content)> {
        let marks = Marks::new(roots, Box::new(found));
        let used = measure(self.access, &self.survey, &marks, self.progress)?;
        let (mut stored_bytes, mut content) = (0u64, Content::default());
        for (pack, used) in &used {
            stored_bytes = stored_bytes.saturating_add(used.bytes);
            if self.survey.packs.get(pack).is_some_and(|known| known.class == Class::Content) {
                content.stored_bytes = content.stored_bytes.saturating_add(used.bytes);
                content.raw_bytes = content.raw_bytes.saturating_add(used.raw_bytes);
            }
        }
        Ok((stored_bytes, content))
    }
}

#[derive(Default)]
struct Content {
    raw_bytes: u64,
    stored_bytes: u64,
}

//! Unchanged rows on their way into both trees.

use crate::backup::work::Standing;
use std::collections::VecDeque;
use std::collections::vec_deque::Iter;

/// Rows that were found as the parent has them, in order, until both trees have them: of each tree they wait for the end of
/// the old leaf at hand, which may then be carried over, and the leaves of the two end at different rows. They lie here
/// themselves, for a backup of an unchanged tree that allocated one by one spent a tenth of its time in the allocator.
#[derive(Default)]
pub(super) struct Waiting {
    rows: VecDeque<Standing>,
    /// How many of them, from the first, the manifest has.
    entry_count: usize,
    /// How many of them, from the first, the stat tree has.
    stat_count: usize,
}

impl Waiting {
    pub(super) fn push(&mut self, standing: Standing) {
        self.rows.push_back(standing);
    }

    /// Those that the manifest lacks.
    pub(super) fn entries(&self) -> Iter<'_, Standing> {
        self.rows.range(self.entry_count..)
    }

    /// Those that the stat tree lacks.
    pub(super) fn stats(&self) -> Iter<'_, Standing> {
        self.rows.range(self.stat_count..)
    }

    /// The manifest has all of them.
    pub(super) fn have_entries(&mut self) {
        self.entry_count = self.rows.len();
        self.let_go();
    }

    /// The stat tree has all of them.
    pub(super) fn have_stats(&mut self) {
        self.stat_count = self.rows.len();
        self.let_go();
    }

    fn let_go(&mut self) {
        let count = self.entry_count.min(self.stat_count);
        self.rows.drain(..count);
        self.entry_count -= count;
        self.stat_count -= count;
    }
}

//! Why a backup does not hold all of the trees.

use crate::backup::work::Shared;
use crate::manifest::Key;
use std::sync::atomic::Ordering;

/// What was not taken of the trees, since the caller had enough.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unfinished {
    /// The first entry that was met and not taken, with all that comes behind it; none when only files were cut short.
    pub from: Option<Key>,
    /// How many files were not read to their end.
    pub cut_short_count: u64,
}

impl Unfinished {
    pub(super) fn of(shared: &Shared<'_>) -> Option<Self> {
        let from = shared.not_taken.get().cloned();
        let cut_short_count = shared.cut_short_count.load(Ordering::Relaxed);
        (from.is_some() || cut_short_count > 0).then_some(Self { from, cut_short_count })
    }
}

impl std::fmt::Display for Unfinished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the backup was ended early")?;
        if let Some(from) = &self.from {
            write!(f, "; {from} and all that comes behind it is not in it")?;
        }
        match self.cut_short_count {
            0 => Ok(()),
            1 => f.write_str("; a file that was being read is not in it"),
            count => write!(f, "; {count} files that were being read are not in it"),
        }
    }
}

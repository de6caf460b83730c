//! Which packs a check of the data reads, and in which order: first those that nobody ever verified, then those whose
//! verification lies furthest back.
//!
//! The order is never held as a whole: the next packs in it are found by going over the index once for every
//! [`BATCH_PACKS_MAX`] of them.

use crate::access::Access;
use crate::check::options::{CheckDepth, CheckOptions, ReadSubset};
use crate::check::packs::Seen;
use crate::check::pick::{Amount, Picker};
use crate::check::verified::Verified;
use crate::error::Result;
use crate::id::PackId;
use crate::index::PackOrdinal;
use crate::session::now_ns;
use std::collections::{BTreeSet, BinaryHeap};

/// How many packs are put in order at a time: a mebibyte and a half of memory, and two terabytes of packs.
const BATCH_PACKS_MAX: usize = if cfg!(test) { 3 } else { 65_536 };

/// Why a pack is read, in the order of urgency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Need {
    /// It was found damaged a moment ago: by this check while the repository was being pruned, or by whoever asks for it.
    Suspect,
    /// Nobody verified it yet.
    Never,
    /// It was verified at this time, in nanoseconds since the epoch.
    Since(i64),
}

/// A pack's place in the order. Packs with neighbouring numbers stand in the same segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn {
    pub(super) need: Need,
    pub(super) ordinal: PackOrdinal,
}

/// What is to be read.
pub(super) struct Plan<'a> {
    access: &'a Access,
    present: &'a Seen,
    verified: &'a Verified,
    suspects: &'a BTreeSet<PackId>,
    depth: CheckDepth,
    subset: ReadSubset,
    seed: [u8; 32],
    all: Amount,
    /// Packs that were verified since then are passed over.
    recent_from_ns: i64,
    /// What is to be read.
    pub(super) chosen: Amount,
    /// What would be, had it not been verified lately.
    pub(super) recent: Amount,
}

impl<'a> Plan<'a> {
    /// Chooses among the packs that are there. Those that are suspect are read in any case.
    ///
    /// # Errors
    /// When the index or the table of what was verified can't be read.
    pub(super) fn new(
        access: &'a Access,
        present: &'a Seen,
        verified: &'a Verified,
        suspects: &'a BTreeSet<PackId>,
        options: &CheckOptions,
    ) -> Result<Self> {
        let age_max_ns = i64::try_from(options.age_max.as_nanos()).unwrap_or(i64::MAX);
        let mut plan = Self {
            access,
            present,
            verified,
            suspects,
            depth: options.depth,
            subset: options.subset,
            seed: crate::seal::random(),
            all: Amount::default(),
            recent_from_ns: if age_max_ns == 0 { i64::MAX } else { now_ns().saturating_sub(age_max_ns) },
            chosen: Amount::default(),
            recent: Amount::default(),
        };
        let mut all = Amount::default();
        plan.for_each_present(&mut |_, _, bytes| {
            all.add(bytes);
            Ok(())
        })?;
        plan.all = all;
        let (mut chosen, mut recent) = <(Amount, Amount)>::default();
        plan.for_each_picked(&mut |turn, bytes| {
            if plan.is_recent(turn) {
                recent.add(bytes)
            } else {
                chosen.add(bytes)
            };
        })?;
        (plan.chosen, plan.recent) = (chosen, recent);
        Ok(plan)
    }

    /// The next packs after this one, in order; none at the end.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub(super) fn next_batch(&self, after: Option<Turn>) -> Result<Vec<Turn>> {
        let mut batch = BinaryHeap::new();
        self.for_each_picked(&mut |turn, _| {
            if after.is_some_and(|after| turn <= after) || self.is_recent(turn) {
                return;
            }
            if batch.len() < BATCH_PACKS_MAX {
                batch.push(turn);
            } else if let Some(mut last) = batch.peek_mut()
                && turn < *last
            {
                *last = turn;
            }
        })?;
        Ok(batch.into_sorted_vec())
    }

    fn is_recent(&self, turn: Turn) -> bool {
        matches!(turn.need, Need::Since(at_ns) if at_ns >= self.recent_from_ns)
    }

    fn for_each_picked(&self, each: &mut dyn FnMut(Turn, u64)) -> Result<()> {
        let mut picker = Picker::new(self.subset, self.seed, self.all);
        self.for_each_present(&mut |ordinal, pack, bytes| {
            let is_suspect = self.suspects.contains(&pack);
            let is_picked = self.depth == CheckDepth::Data && picker.picks(pack);
            if !is_picked && !is_suspect {
                return Ok(());
            }
            let known = self.verified.at_ns(pack)?.map_or(Need::Never, Need::Since);
            let need = if is_suspect { Need::Suspect } else { known };
            each(Turn { need, ordinal }, bytes);
            Ok(())
        })
    }

    fn for_each_present(&self, each: &mut dyn FnMut(PackOrdinal, PackId, u64) -> Result<()>) -> Result<()> {
        let mut failure = Ok(());
        self.access.index.for_each_pack(&mut |ordinal, entry| {
            if failure.is_ok() && self.present.contains(ordinal) {
                failure = each(ordinal, entry.id, entry.bytes);
            }
        })?;
        failure
    }
}

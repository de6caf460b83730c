//! Repacking where room is short: what is copied takes room before what it was copied from gives any back.

use crate::access::Access;
use crate::error::{ErrorKind, Result};
use crate::progress::Progress;
use crate::prune::options::{Chosen, MaxUnused, PruneOptions, PruneReport};
use crate::prune::{PrunePlan, perform};
use crate::session::Tracks;

/// Of what is free new packs may take so many parts of four. The rest is for their parity, segments and sets, and lets
/// whoever takes over from a prune that was killed begin.
const PACK_QUARTERS: u64 = 3;

/// A prune that is done at once or in steps. Each step is a prune of its own: killed at any moment, the next one goes on.
pub(super) struct Steps<'a> {
    access: &'a Access,
    /// What is not exceeded.
    shown: &'a Chosen,
    options: &'a PruneOptions,
    progress: &'a dyn Progress,
}

impl<'a> Steps<'a> {
    pub(super) const fn new(
        access: &'a Access,
        shown: &'a Chosen,
        options: &'a PruneOptions,
        progress: &'a dyn Progress,
    ) -> Self {
        Self { access, shown, options, progress }
    }

    /// Does all that was planned, or as much of it as there is room for.
    pub(super) fn run(&self, plan: PrunePlan) -> Result<PruneReport> {
        let summary = plan.look.summary.clone();
        if self.room_bytes()?.is_none_or(|room| summary.rewritten_bytes <= room) {
            let whole = perform(self.access, (Some(plan.look), plan.seen), self.shown, self.options, self.progress);
            match whole {
                Err(error) if error.kind() == ErrorKind::NoSpace => {}
                outcome => return outcome,
            }
        }
        let mut done = self.spare()?;
        if self.options.max_unused == MaxUnused::Unlimited {
            return Ok(done);
        }
        done.unroomed = summary.repacked;
        self.repack(done)
    }

    /// Repacks what there is room for, deletes it, and goes on with the room that this gave.
    fn repack(&self, mut done: PruneReport) -> Result<PruneReport> {
        while done.waiting.is_empty() && done.damaged_frame_count == 0 {
            let Some(room) = self.room_bytes()? else { break };
            let mut limited = self.options.clone();
            limited.max_rewritten_bytes = room;
            match self.step(&limited) {
                Ok(step) => {
                    let gained = step.deleted.bytes > step.written.bytes;
                    done.go_on(step);
                    if done.unroomed.pack_count == 0 || !gained && !self.access.store.give_up_reserve()? {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::NoSpace => {
                    let has_given = self.access.store.give_up_reserve()?;
                    // What it had copied goes.
                    let unroomed = done.unroomed;
                    done.go_on(self.spare()?);
                    done.unroomed = unroomed;
                    if !has_given {
                        break;
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    /// Deletes what may go without a copy, which takes next to no room, and if need be the reserve.
    fn spare(&self) -> Result<PruneReport> {
        let sparing = self.options.clone().max_unused(MaxUnused::Unlimited);
        match self.step(&sparing) {
            Err(error) if error.kind() == ErrorKind::NoSpace && self.access.store.give_up_reserve()? => {
                self.step(&sparing)
            }
            outcome => outcome,
        }
    }

    fn step(&self, options: &PruneOptions) -> Result<PruneReport> {
        perform(self.access, (None, Tracks::now(self.access)?), self.shown, options, self.progress)
    }

    /// How many bytes of new packs there is room for; none where nobody can tell.
    fn room_bytes(&self) -> Result<Option<u64>> {
        Ok(self.access.store.free_bytes()?.map(|free| (free / 4).saturating_mul(PACK_QUARTERS)))
    }
}

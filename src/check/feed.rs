//! Giving out packs to be read, in the order of a plan, until there are no more or the time is up.

use crate::access::Access;
use crate::check::plan::{Need, Plan, Turn};
use crate::check::report::Findings;
use crate::error::{Error, Result};
use crate::id::{PackId, SegmentId};
use crate::segment::{PackRow, SegmentReader};
use crate::session::read_segment;
use crossbeam_channel::Sender;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::time::Instant;

/// How many packs that are needed equally are gathered by the segments that list them, each of which is read for them
/// once. A segment lists about as many.
const PIECE_PACKS_MAX: usize = 1024;

/// Gives out packs.
pub(super) struct Feed<'a> {
    pub(super) access: &'a Access,
    pub(super) plan: &'a Plan<'a>,
    pub(super) findings: &'a Findings<'a>,
    /// After this no further pack is begun.
    pub(super) deadline: Option<Instant>,
    /// How many were given out.
    pub(super) given_count: u64,
    /// Whether the time was up before the end of the plan.
    pub(super) is_late: bool,
}

impl Feed<'_> {
    /// Gives out each pack of the plan once.
    ///
    /// # Errors
    /// When the caller stops, or the index can't be read.
    pub(super) fn run(&mut self, rows: &Sender<PackRow>) -> Result<()> {
        let mut last = None;
        loop {
            let batch = self.plan.next_batch(last)?;
            if batch.is_empty() {
                return Ok(());
            }
            last = batch.last().copied();
            let pieces = batch.chunk_by(|a, b| a.need == b.need).flat_map(|equal| equal.chunks(PIECE_PACKS_MAX));
            for piece in pieces {
                if self.piece(piece, rows)?.is_break() {
                    return Ok(());
                }
            }
        }
    }

    fn piece(&mut self, piece: &[Turn], rows: &Sender<PackRow>) -> Result<ControlFlow<()>> {
        let mut by_segment: BTreeMap<SegmentId, BTreeSet<PackId>> = BTreeMap::new();
        for turn in piece {
            let entry = self.access.index.pack(turn.ordinal)?;
            by_segment.entry(entry.segment).or_default().insert(entry.id);
        }
        let is_urgent = piece.first().is_some_and(|turn| turn.need == Need::Suspect);
        for (segment, mut wanted) in by_segment {
            // What is wrong with a segment was told before.
            let Ok(body) = read_segment(self.access, segment) else { continue };
            let Ok(reader) = SegmentReader::parse(segment, &body) else { continue };
            for row in reader.packs().filter(|row| wanted.remove(&row.facts().pack)) {
                if self.findings.is_over() {
                    return Err(Error::stopped());
                }
                self.is_late = !is_urgent && self.deadline.is_some_and(|deadline| Instant::now() >= deadline);
                // Where the readers have ended, they say why.
                if self.is_late || rows.send(row).is_err() {
                    return Ok(ControlFlow::Break(()));
                }
                self.given_count = self.given_count.saturating_add(1);
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

//! Segments that are put together in the place of others. What is replaced stays named, with its counts, as long as there
//! are outcomes that name it: for ever.

use crate::access::Access;
use crate::error::{Error, ErrorKind, Result};
use crate::id::SegmentId;
use crate::outcome::SegmentRef;
use crate::segment::{PackFacts, PackRow, REPLACED_COUNT_MAX, Replaced, SegmentBuilder, SegmentFull};
use crate::session::history::History;
use crate::session::publishing::{SEGMENT_CHUNKS_TARGET, publish_segment};
use crate::session::view::read_segment;
use crate::store::ObjectName;
use std::collections::{BTreeSet, HashSet};

/// Segments on their way into the store. Memory: one of them, and some hundred bytes for each pack. Nothing counts until an
/// outcome of the kind repack or repair names them.
pub struct Replacement {
    builder: SegmentBuilder,
    /// Segments that take places: what others say that they replace is nobody's word.
    taking: BTreeSet<SegmentId>,
    /// What was said of packs.
    said: HashSet<PackFacts>,
    /// How many the segment under way replaces.
    replaced: usize,
    published: Vec<SegmentRef>,
}

impl Replacement {
    /// Starts with nothing, in a repository with this history.
    pub fn new(history: &History) -> Self {
        let (taking, said) = (history.taking_segments(), HashSet::new());
        Self { builder: SegmentBuilder::new(), taking, said, replaced: 0, published: Vec::new() }
    }

    /// Says that the segment under way takes the place of another one, and of all whose place that had taken; begins
    /// another segment when there is no room for so many. What the other one says that it replaces counts only if it
    /// takes places: a key that may only add could name all others.
    ///
    /// # Errors
    /// When the store can't take a segment that is full.
    pub fn take_over(&mut self, access: &Access, input: SegmentRef, earlier: &[Replaced]) -> Result<()> {
        let earlier = if self.taking.contains(&input.id) { earlier } else { &[] };
        let own = Replaced { segment: input.id, pack_count: input.pack_count, chunk_count: input.chunk_count };
        if self.replaced.saturating_add(earlier.len()).saturating_add(1) > REPLACED_COUNT_MAX {
            self.publish(access)?;
        }
        for replaced in earlier.iter().chain([&own]) {
            if self.replaced >= REPLACED_COUNT_MAX {
                self.publish(access)?;
            }
            self.builder.replace(*replaced)?;
            self.replaced = self.replaced.saturating_add(1);
        }
        Ok(())
    }

    /// Adds a pack. What was said of it already is not said again; what another key or session says of it goes into a
    /// segment of its own, so that neither takes the other's place.
    ///
    /// # Errors
    /// When the store can't take a segment that is full.
    pub fn push(&mut self, access: &Access, row: PackRow) -> Result<()> {
        if !self.said.insert(*row.facts()) {
            return Ok(());
        }
        if self.builder.has(&row.facts().pack) {
            self.publish(access)?;
        }
        if let Err(SegmentFull(row)) = self.builder.push(row) {
            self.publish(access)?;
            self.builder.push(*row)?;
        } else if self.builder.chunk_count() >= SEGMENT_CHUNKS_TARGET {
            self.publish(access)?;
        }
        Ok(())
    }

    /// Ends the segment under way: what comes goes into another one.
    ///
    /// # Errors
    /// When the store can't take it.
    pub fn end_segment(&mut self, access: &Access) -> Result<()> {
        self.publish(access)
    }

    /// What is said of packs so far.
    pub const fn said(&self) -> &HashSet<PackFacts> {
        &self.said
    }

    /// Ends the last segment. Returns how an outcome names all of them, in the order in which they were made.
    ///
    /// # Errors
    /// When the store can't take it.
    pub fn finish(mut self, access: &Access) -> Result<Vec<SegmentRef>> {
        self.publish(access)?;
        Ok(self.published)
    }

    fn publish(&mut self, access: &Access) -> Result<()> {
        if self.builder.is_empty() {
            return Ok(());
        }
        let builder = std::mem::replace(&mut self.builder, SegmentBuilder::new());
        self.replaced = 0;
        let (reference, body) = publish_segment(access, builder)?;
        // It hides what it replaces, so it is proved before anything names it.
        if read_segment(access, reference.id)? != body {
            let name = ObjectName::Segment(reference.id);
            let message = format!("{name} reads back differently; test this machine's memory");
            return Err(Error::new(ErrorKind::Unreliable, message));
        }
        self.published.push(reference);
        Ok(())
    }
}

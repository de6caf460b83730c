//! Bringing an index to the segments that are committed.

use super::{Bulk, Index, IndexError};
use crate::id::SegmentId;
use crate::segment::SegmentReader;
use std::collections::BTreeSet;

/// What [`catch_up`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CaughtUp {
    /// Segments that were missing and are applied now.
    pub applied_count: usize,
    /// Segments that were applied and are committed no more.
    pub retracted_count: usize,
}

/// So much is applied one by one: a night's worth, which takes no memory beside the index.
const ONE_BY_ONE_BYTES_MAX: usize = if cfg!(test) { 1 << 9 } else { 1 << 20 };

/// Applies segments: few rows one by one, many together.
pub struct Applying<'a> {
    index: &'a dyn Index,
    bytes: usize,
    bulk: Option<Box<dyn Bulk + 'a>>,
}

impl<'a> Applying<'a> {
    /// Nothing yet.
    pub const fn to(index: &'a dyn Index) -> Self {
        Self { index, bytes: 0, bulk: None }
    }

    /// Adds a segment's opened body. It may count from now on, or only from [`Self::finish`] on.
    ///
    /// # Errors
    /// As [`Index::apply`], and when it is malformed.
    pub fn add(&mut self, id: SegmentId, body: &[u8]) -> Result<(), IndexError> {
        let segment = SegmentReader::parse(id, body)?;
        self.bytes = self.bytes.saturating_add(body.len());
        if self.bulk.is_none() && self.bytes > ONE_BY_ONE_BYTES_MAX {
            self.bulk = Some(self.index.bulk()?);
        }
        match &mut self.bulk {
            Some(bulk) => bulk.add(&segment),
            None => self.index.apply(&segment),
        }
    }

    /// Has all segments count.
    ///
    /// # Errors
    /// As [`Index::apply`].
    pub fn finish(self) -> Result<(), IndexError> {
        self.bulk.map_or(Ok(()), Bulk::finish)
    }
}

/// Brings an index to exactly the committed segments; `fetch` gets the opened bodies of those that are missing, or none
/// for one that can't be read and is left out. New ones are applied before old ones are retracted, so that packs which
/// move from one segment to another keep their rows.
///
/// # Errors
/// Those of `fetch` and of the index.
pub fn catch_up<E: From<IndexError>>(
    index: &dyn Index,
    committed: &BTreeSet<SegmentId>,
    fetch: &mut dyn FnMut(SegmentId) -> Result<Option<Vec<u8>>, E>,
) -> Result<CaughtUp, E> {
    let applied: BTreeSet<SegmentId> = index.applied()?.into_iter().collect();
    let mut done = CaughtUp::default();
    let mut applying = Applying::to(index);
    for id in committed.difference(&applied) {
        let Some(body) = fetch(*id)? else { continue };
        applying.add(*id, &body)?;
        done.applied_count = done.applied_count.saturating_add(1);
    }
    applying.finish()?;
    for id in applied.difference(committed) {
        index.retract(*id)?;
        done.retracted_count = done.retracted_count.saturating_add(1);
    }
    Ok(done)
}

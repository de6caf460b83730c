//! How extents are merged, and which of them are dropped.

use super::super::encoding::{for_each_extent, put_extent};
use super::super::rocks::Merge;
use super::super::standing::Standing;
use super::super::{Extent, PackOrdinal};
use std::sync::OnceLock;

/// Pack numbers that will never count again: those that were given out and did not count when the view was opened.
/// Rewriting the chunks table drops their extents. Numbers retracted since then have to wait: were this process to
/// crash, the view might come back from before, when they counted, and must not lack their extents then.
#[derive(Debug, Default)]
pub(super) struct Stale {
    numbers: OnceLock<Vec<bool>>,
}

impl Stale {
    /// Takes the view's standing when it is opened. Until then nothing is stale.
    pub(super) fn open(&self, standing: &Standing) {
        let uncounted = (0..standing.next()).map(|number| !standing.counts(PackOrdinal(number))).collect();
        self.numbers.set(uncounted).expect("a view is opened once");
    }

    fn contains(&self, number: PackOrdinal) -> bool {
        let stale = self.numbers.get().zip(usize::try_from(number.0).ok());
        stale.and_then(|(numbers, number)| numbers.get(number)).is_some_and(|stale| *stale)
    }
}

impl Merge for Stale {
    fn merge(&self, values: &mut dyn Iterator<Item = &[u8]>) -> Option<Vec<u8>> {
        let mut kept: Vec<Extent> = Vec::new();
        for value in values {
            let read = for_each_extent(value, &mut |extent| {
                if !self.contains(extent.pack) && !kept.contains(&extent) {
                    kept.push(extent);
                }
                true
            });
            read.ok()?;
        }
        let mut merged = Vec::new();
        kept.iter().for_each(|extent| put_extent(&mut merged, extent));
        Some(merged)
    }

    fn is_stale(&self, value: &[u8]) -> bool {
        let mut stale = true;
        let read = for_each_extent(value, &mut |extent| {
            stale = self.contains(extent.pack);
            stale
        });
        // What can't be read is for a reader to report.
        read.is_ok() && stale
    }
}

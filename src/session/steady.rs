//! Work beside collectors: what one of them removed under somebody's hands is no damage.

use crate::access::Access;
use crate::error::{ErrorKind, Result};
use crate::id::SegmentId;
use crate::session::{History, Stage, present_segments};
use std::collections::BTreeSet;

/// How often something begins anew because a collector was at work: each time that one got further.
pub(crate) const ATTEMPTS_MAX: u32 = 8;

/// By what collectors change, others know that one was at work.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tracks {
    generations: Vec<(u64, Stage)>,
    segments: BTreeSet<SegmentId>,
    /// Segments that were replaced are removed some time after the outcome that says so.
    present: BTreeSet<SegmentId>,
}

impl Tracks {
    /// As the store shows them now.
    ///
    /// # Errors
    /// When the store can't be read.
    pub(crate) fn now(access: &Access) -> Result<Self> {
        Ok(Self::of(&History::load(access)?, present_segments(access)?))
    }

    /// As a history and a listing of segments show them.
    pub(crate) fn of(history: &History, present: BTreeSet<SegmentId>) -> Self {
        Self {
            generations: history.generations.iter().map(|known| (known.number, known.stage)).collect(),
            segments: history.segments().into_keys().collect(),
            present,
        }
    }
}

/// Repeats what failed because a collector removed it under our hands. What is still missing when the store has not
/// changed since `before` is missing indeed. Returns as well what was there before the attempt that went well.
///
/// # Errors
/// Those of the attempts.
pub(crate) fn steadily_since<T>(
    access: &Access,
    mut before: Tracks,
    mut attempt: impl FnMut() -> Result<T>,
) -> Result<(T, Tracks)> {
    for _ in 1..ATTEMPTS_MAX {
        match attempt() {
            Err(error) if error.kind() == ErrorKind::Damaged => {
                let now = Tracks::now(access)?;
                if now == before {
                    return Err(error);
                }
                before = now;
            }
            other => return Ok((other?, before)),
        }
    }
    Ok((attempt()?, before))
}

/// Repeats what failed because a collector removed it meanwhile.
///
/// # Errors
/// Those of the attempts.
pub(crate) fn steadily<T>(access: &Access, attempt: impl FnMut() -> Result<T>) -> Result<T> {
    steadily_since(access, Tracks::now(access)?, attempt).map(|(done, _)| done)
}

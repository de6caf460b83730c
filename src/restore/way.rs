//! The directories from the root of a restore to the entry at hand, and what lies in them that the snapshot does not hold.

use crate::destination::{Made, Metadata};
use crate::error::Result;
use crate::fs::Names;
use crate::manifest::Key;
use crate::restore::sweep::Sweeper;

/// What is known of a directory in the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ground {
    /// Nothing: it was neither made nor found.
    Unknown,
    /// It was made, or is empty: nothing lies where its entries shall be.
    Fresh(Made),
    /// It was there, and something lies in it.
    Old,
}

impl Ground {
    /// Whether it was made, if it is known to be there.
    pub(super) const fn made(self) -> Option<Made> {
        match self {
            Self::Unknown => None,
            Self::Fresh(made) => Some(made),
            Self::Old => Some(Made::Reused),
        }
    }
}

/// A directory on the way to the entry at hand.
pub(super) struct OnTheWay {
    /// Its key in the snapshot.
    pub(super) key: Key,
    /// Its key in the target, and what it is to get in the end.
    pub(super) target: Key,
    pub(super) metadata: Metadata,
    /// What becomes of it if it is not made but was there.
    pub(super) if_there: IfThere,
    pub(super) ground: Ground,
    pub(super) sweep: Sweep,
}

/// What becomes of a directory that was there, or of what lies in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IfThere {
    /// It gets the owner, attributes, time and mode that the snapshot says.
    Set,
    /// It keeps what it has: nobody asked for more than for something below it.
    Keep,
    /// It keeps what it has, as asked.
    Leave,
    /// It is no directory, and stays, for this reason: nothing below it can be restored.
    Bar(&'static str),
}

/// What becomes of that in a directory which the snapshot does not hold.
pub(super) enum Sweep {
    /// It stays.
    Nothing,
    /// It stays, here and in every directory below: another file system is mounted here.
    NothingBelow,
    /// It is removed.
    Extras(Extras),
}

/// The names in a directory, compared one by one with those of the snapshot, both sorted.
pub(super) struct Extras {
    names: Names,
    next: usize,
    /// The device on which the directory lies.
    device: u64,
}

impl Extras {
    pub(super) const fn new(names: Names, device: u64) -> Self {
        Self { names, next: 0, device }
    }
}

impl OnTheWay {
    /// Removes what comes before `name`, which the snapshot holds; at the end, without a name, all that is left.
    pub(super) fn sweep_until(&mut self, name: Option<&[u8]>, sweeper: &Sweeper<'_>) -> Result<()> {
        let Sweep::Extras(extras) = &mut self.sweep else { return Ok(()) };
        while let Some(extra) = extras.names.get(extras.next).map(std::ffi::CStr::to_bytes) {
            if name.is_some_and(|name| name < extra) {
                break;
            }
            extras.next = extras.next.saturating_add(1);
            if name == Some(extra) {
                break;
            }
            if let Some((key, target)) = self.key.child(extra).ok().zip(self.target.child(extra).ok()) {
                sweeper.sweep(key, target, extras.device)?;
            }
        }
        Ok(())
    }
}

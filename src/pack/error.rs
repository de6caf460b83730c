//! Why a pack, or a part of one, is refused.

use crate::id::{PackId, RepositoryId};
use crate::layout::{Class, LayoutError};
use crate::seal::SealError;
use std::fmt;

/// A refusal: which pack, where in it, and what is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackError {
    /// The pack, or nothing for one that is still being written and has no id.
    pub pack: Option<PackId>,
    /// Offset in the pack of the part that is refused.
    pub offset: u64,
    /// What is wrong.
    pub fault: Fault,
}

impl fmt::Display for PackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pack {
            Some(pack) => write!(f, "pack {pack}, byte {}: {}", self.offset, self.fault),
            None => write!(f, "pack being written, byte {}: {}", self.offset, self.fault),
        }
    }
}

impl std::error::Error for PackError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.fault)
    }
}

impl PackError {
    /// Whether the bytes are wrong, as opposed to a key that is missing here or a format from the future.
    pub const fn is_corrupt(&self) -> bool {
        !matches!(
            self.fault,
            Fault::Version(_) | Fault::Suite(_) | Fault::Withheld(_) | Fault::Epoch(_) | Fault::Repository(_)
        )
    }
}

/// What is wrong with a part of a pack.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The pack or the part ends too early.
    #[error("{part} is cut short: {bytes} bytes are there")]
    Short {
        /// The part, with its article.
        part: &'static str,
        /// How many bytes are there.
        bytes: u64,
    },
    /// The pack is longer than packs may be.
    #[error("{bytes} bytes are more than a pack may have")]
    Long {
        /// How long it is.
        bytes: u64,
    },
    /// A part does not start (a trailer: end) with its magic.
    #[error("the magic of {0} is not there")]
    Magic(&'static str),
    /// A version of the format that this reader does not know.
    #[error("version {0} of packs is not known")]
    Version(u16),
    /// A suite of algorithms that this reader does not know.
    #[error("suite {0} is not known")]
    Suite(u16),
    /// A class that does not exist.
    #[error("class {0} is not known")]
    Class(u8),
    /// A key field of an unknown kind, or of a length that its kind does not have.
    #[error("a key field of kind {kind} and {bytes} bytes is not known")]
    KeyField {
        /// Its kind.
        kind: u8,
        /// Its length.
        bytes: u16,
    },
    /// Reserved bytes are not zero.
    #[error("reserved bytes are not zero")]
    Reserved,
    /// The pack belongs to another repository.
    #[error("it belongs to repository {0}")]
    Repository(RepositoryId),
    /// No key of the pack's epoch is at hand.
    #[error("no key of epoch {0} is at hand")]
    Epoch(u32),
    /// The role at hand does not hold the root of the pack's class.
    #[error("this key may not read {0} packs")]
    Withheld(Class),
    /// The header's key field or commitment does not open.
    #[error("the header's key: {0}")]
    Key(#[source] SealError),
    /// A frame stands in the place of another one.
    #[error("frame {found} stands where frame {expected} should be")]
    FrameNumber {
        /// Which frame was asked for.
        expected: u32,
        /// Which number stands there.
        found: u32,
    },
    /// A head's length contradicts what is known of the frame or footer, or is out of range.
    #[error("{part} claims {found} sealed bytes instead of {expected}")]
    SealedBytes {
        /// The part, with its article.
        part: &'static str,
        /// What the reader expects there.
        expected: u64,
        /// What stands there.
        found: u64,
    },
    /// A frame's seal does not open.
    #[error("frame {frame}: {source}")]
    Frame {
        /// The frame's number.
        frame: u32,
        /// Why not.
        source: SealError,
    },
    /// The footer's seal does not open.
    #[error("the footer: {0}")]
    Footer(#[source] SealError),
    /// The footer's table does not describe a pack.
    #[error("the footer's table: {0}")]
    Table(#[source] LayoutError),
    /// The footer belongs to another header.
    #[error("the footer was made for another header")]
    FooterHeader,
    /// The counts of frames in trailer, footer head and footer differ.
    #[error("the footer says {found} frames where {expected} were announced")]
    FrameCount {
        /// What trailer or footer head announced.
        expected: u32,
        /// What the next one says.
        found: u32,
    },
    /// The frames of the footer's table don't end where the footer starts.
    #[error("the footer's frames end at byte {end}")]
    FramesEnd {
        /// Where they end.
        end: u32,
    },
    /// The trailer puts the footer where it can't be.
    #[error("the trailer puts a footer of {bytes} bytes at byte {offset}")]
    FooterPlace {
        /// The footer's offset as given.
        offset: u64,
        /// The footer's length as given.
        bytes: u32,
    },
    /// The trailer's count of frames is out of range.
    #[error("the trailer claims {0} frames")]
    TrailerFrames(u32),
}

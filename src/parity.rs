//! Parity: what a pack is healed with when some of its bytes are lost.
//!
//! A pack is laid out as *shards* of one length, dealt out to *groups* in turn, so that a burst of damage hits all groups
//! alike; each group has parity shards of a Reed-Solomon code, and a checksum of every shard tells which are lost. As
//! many shards of a group as it has parity shards come back, whichever they are. Nothing here needs a key, and nothing
//! here is trusted: a healed pack is one whose bytes hash to its name. Byte-exact in format-spec/15-parity.md.

mod encode;
mod head;
mod heal;
mod shape;

pub use encode::encode;
pub use head::{ParityHead, verify};
pub use heal::{Healing, diagnose};
pub use shape::{Percent, Shape};

use crate::id::PackId;

/// The first eight bytes of a parity object.
pub const MAGIC: [u8; 8] = *b"HOLDPARI";
/// The version of parity objects that this program writes and reads.
pub const VERSION: u16 = 1;
/// Length of what comes before the parity shards.
pub const HEAD_BYTES: usize = 64;
/// Length of the hash at the end.
pub const CHECKSUM_BYTES: usize = 32;
/// Shortest shard: the code works on blocks of so many bytes.
pub const SHARD_BYTES_MIN: u32 = 64;
/// Longest shard.
pub const SHARD_BYTES_MAX: u32 = 65_536;
/// Most shards of a pack, so that their checksums stay within a mebibyte.
pub const SHARD_COUNT_MAX: u32 = 262_144;
/// Most shards of a group, those of parity rounded up to a power of two: the code has so many places.
pub const GROUP_SHARD_COUNT_MAX: u32 = 65_536;
/// Most memory that the shards of one group may take while it is healed, with their count rounded up to a power of two.
pub const GROUP_BYTES_MAX: u64 = 16 << 20;

/// Where the bytes of a pack or of a parity object come from: fills a buffer from an offset on.
pub type ReadAt<'a, E> = dyn FnMut(u64, &mut [u8]) -> Result<(), E> + 'a;

/// Why parity was refused, or a pack could not be healed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParityError {
    /// Not a parity object.
    #[error("not a parity object: wrong magic")]
    Magic,
    /// Its last 32 bytes are not the hash of those before.
    #[error("a damaged parity object: its checksum does not match")]
    Checksum,
    /// Written by a newer program.
    #[error("parity version {0} is not known")]
    Version(u16),
    /// Reserved bytes are not zero.
    #[error("reserved bytes of a parity object are not zero")]
    Reserved,
    /// It belongs to another pack than its name says.
    #[error("parity of pack {found} lies under the name of pack {expected}")]
    Misplaced {
        /// The pack in its name.
        expected: PackId,
        /// The pack in its head.
        found: PackId,
    },
    /// A field of the head is outside its range.
    #[error("parity object: {0} is out of range")]
    Range(&'static str),
    /// Not as long as its head says.
    #[error("a parity object of {found} bytes where {expected} were expected")]
    Length {
        /// How long it is.
        found: u64,
        /// How long it has to be.
        expected: u64,
    },
    /// Parity is only made of a pack whose bytes hash to its name.
    #[error("the bytes of pack {expected} hash to {found}")]
    NotThePack {
        /// The pack.
        expected: PackId,
        /// What was read.
        found: PackId,
    },
    /// More is lost than the parity can bring back.
    #[error("{lost} shards of a group are lost, and {parity} shards of its parity are left: beyond repair")]
    BeyondRepair {
        /// Lost shards of the pack in the worst group.
        lost: u32,
        /// Sound parity shards of that group.
        parity: u32,
    },
    /// The healed bytes do not hash to the pack's name.
    #[error("what the parity brings back hashes to {found} and not to the pack's name: beyond repair")]
    HealedWrong {
        /// What it hashes to.
        found: PackId,
    },
}

/// What is wrong with a reading or its bytes.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError<E> {
    /// The bytes could not be read.
    #[error(transparent)]
    Source(E),
    /// The bytes are refused.
    #[error(transparent)]
    Parity(#[from] ParityError),
}

#[cfg(test)]
mod tests;

//! Why a key is not there.

use super::UnlockKind;
use crate::config::{ConfigError, Role};
use crate::id::ObjectHash;
use crate::seal::SealError;
use crate::wire::WireError;

/// Why a key is not there, or does not open what it was asked to open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The slot is too short, too long, or not as long as it says.
    #[error("a key slot of {found} bytes where {expected} were expected")]
    Length {
        /// How long it is.
        found: usize,
        /// How long it says it is, or the bound that it breaks.
        expected: usize,
    },
    /// Not a key slot.
    #[error("not a key slot: wrong magic")]
    Magic,
    /// The slot's bytes do not hash to its name.
    #[error("a damaged key slot: its bytes hash to {found} instead of {expected}")]
    Damaged {
        /// The name.
        expected: ObjectHash,
        /// The hash of the bytes.
        found: ObjectHash,
    },
    /// Written by a newer program.
    #[error("key slot version {0} is not known")]
    Version(u16),
    /// Uses algorithms of a newer program.
    #[error("suite {0} of a key slot is not known")]
    Suite(u16),
    /// Opened by something that this program does not know.
    #[error("key slot kind {0} is not known")]
    Kind(u8),
    /// Reserved bytes are not zero.
    #[error("reserved bytes of a key slot are not zero")]
    Reserved,
    /// The cost of the key derivation is outside its range; it was not run.
    #[error("key derivation with {memory_kib} KiB, {passes} passes and {lanes} lanes is out of range")]
    Cost {
        /// Memory in KiB.
        memory_kib: u32,
        /// Passes over it.
        passes: u32,
        /// Lanes.
        lanes: u32,
    },
    /// There is not enough memory for the key derivation.
    #[error("not enough memory for key derivation with {memory_kib} KiB")]
    Memory {
        /// Memory in KiB.
        memory_kib: u32,
    },
    /// The system starts no threads for the key derivation.
    #[error("no threads can be started for key derivation: raise the limit of processes (ulimit -u), or try again")]
    Threads,
    /// The slot is opened by another kind of secret.
    #[error("the key slot is opened by {slot}, not by {given}")]
    OtherKind {
        /// What the slot wants.
        slot: UnlockKind,
        /// What it got.
        given: UnlockKind,
    },
    /// The password or key file is not the slot's.
    #[error("wrong password or key file")]
    WrongSecret,
    /// A password with no bytes.
    #[error("the password is empty")]
    EmptyPassword,
    /// Not the text of a key file.
    #[error("not a key file: expected `holdall-key-1` and 64 hexadecimal digits, or the 24 words of a recovery key")]
    KeyFile,
    /// Words that are no recovery key; which word, or that their checksum is wrong.
    #[error("not a recovery key: {0}")]
    Recovery(String),
    /// Bytes of the header or the payload do not decode.
    #[error("key slot: {0}")]
    Wire(#[from] WireError),
    /// The secret is right and yet the payload does not open or decode, or contradicts itself.
    #[error("payload of a key slot: {0}")]
    Payload(&'static str),
    /// The note of a slot can't be believed.
    #[error("note of a key slot: {0}")]
    Note(&'static str),
    /// The key belongs to another repository, or the configuration was exchanged.
    #[error("the key does not belong to this repository: {0}")]
    Foreign(&'static str),
    /// The role does not hold what was asked for.
    #[error("a key with the role {role} does not hold {what}")]
    Lacks {
        /// The role.
        role: Role,
        /// What it lacks.
        what: &'static str,
    },
    /// The key was made before the epoch began.
    #[error("the key does not hold epoch {0}")]
    Epoch(u32),
    /// No such class of packs.
    #[error("pack class {0} is not known")]
    Class(u8),
    /// A key field does not open.
    #[error("key field: {0}")]
    Seal(#[from] SealError),
    /// The first configuration can't be made.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

//! What an object says of its own bytes, and whether it is so: nobody needs a key to tell.

use super::{Object, ObjectName, Pieces, StoreError};
use crate::layout::PACK_BYTES_MAX;
use crate::parity::{HEAD_BYTES, ParityError, ParityHead};
use crate::read_buffer::ReadBuffer;
use std::sync::Arc;

/// The length of the checksum at the end of an object whose name is not its hash.
const CHECKSUM_BYTES: u64 = 32;
/// More than any control object takes.
const CONTROL_BYTES_MAX: u64 = 80 << 20;
/// How much is read at a time.
const PIECE_BYTES: usize = 1 << 18;

/// What an object says of its own bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// Its name is the hash of them all.
    Name([u8; 32]),
    /// It ends with the hash of those before.
    End,
}

impl Claim {
    /// What an object of this name says.
    pub const fn of(name: &ObjectName) -> Self {
        match name {
            ObjectName::Pack(id) => Self::Name(*id.as_bytes()),
            ObjectName::Key(id) => Self::Name(*id.as_bytes()),
            ObjectName::Segment(id) => Self::Name(*id.as_bytes()),
            ObjectName::Mirror(copy) => Self::of(&copy.first()),
            ObjectName::Config(_)
            | ObjectName::Session(_)
            | ObjectName::Heartbeat(..)
            | ObjectName::Outcome(_)
            | ObjectName::Record(..)
            | ObjectName::Verified(..)
            | ObjectName::Condemned { .. }
            | ObjectName::Deleted { .. }
            | ObjectName::Parity(_) => Self::End,
        }
    }

    /// How many bytes are hashed; none when the object is too short for what it claims.
    pub const fn hashed_bytes(&self, total: u64) -> Option<u64> {
        match self {
            Self::Name(_) => Some(total),
            Self::End => total.checked_sub(CHECKSUM_BYTES),
        }
    }

    /// Whether the hash of those bytes is the one that the object claims.
    ///
    /// # Errors
    /// When its end can't be read.
    pub fn holds(&self, object: &dyn Object, found: blake3::Hash) -> Result<bool, StoreError> {
        match self {
            Self::Name(name) => Ok(*name == *found.as_bytes()),
            Self::End => {
                let mut checksum = [0; 32];
                object.read_at(object.bytes().saturating_sub(CHECKSUM_BYTES), &mut checksum)?;
                Ok(checksum == *found.as_bytes())
            }
        }
    }
}

/// How long an object of this name can be. What is longer is damaged, and not hashed: a length is easily wrong by any factor.
pub const fn bytes_max(name: &ObjectName) -> u64 {
    if matches!(name, ObjectName::Pack(_) | ObjectName::Parity(_)) { PACK_BYTES_MAX } else { CONTROL_BYTES_MAX }
}

/// Says of all bytes of an object whether they are right.
pub type Judge = dyn Fn(&[u8]) -> bool + Send + Sync;

/// What bytes are held to before they may take the place of others, and those that are there before they are left alone.
#[derive(Clone)]
pub enum Proof {
    /// To the name, or to the checksum at their end: nobody needs a key.
    Plain,
    /// To what a key tells of them as well: that they are the object of this name, and not another sound one.
    Keyed(Arc<Judge>),
}

impl Proof {
    /// Whether an object's bytes are right. Reads it whole: in bounded memory for [`Proof::Plain`], else into memory.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn holds(&self, name: &ObjectName, object: &dyn Object) -> Result<bool, StoreError> {
        match self {
            Self::Keyed(is_right) if is_proven(name, object)? && object.bytes() <= CONTROL_BYTES_MAX => {
                let mut bytes = vec![0; usize::try_from(object.bytes()).unwrap_or(0)];
                object.read_at(0, &mut bytes)?;
                Ok(is_right(&bytes))
            }
            Self::Keyed(_) => Ok(false),
            Self::Plain => is_proven(name, object),
        }
    }
}

/// Whether an object's bytes are those that its name, or its end, stands for. Reads it whole, in bounded
/// memory, unless it is longer than any such object.
///
/// # Errors
/// When it can't be read.
pub fn is_proven(name: &ObjectName, object: &dyn Object) -> Result<bool, StoreError> {
    let claim = Claim::of(name);
    let Some(hashed) = claim.hashed_bytes(object.bytes()).filter(|_| object.bytes() <= bytes_max(name)) else {
        return Ok(false);
    };
    let mut hasher = blake3::Hasher::new();
    let mut buffer = ReadBuffer::new(usize::try_from(hashed).unwrap_or(PIECE_BYTES).min(PIECE_BYTES));
    let mut pieces = Pieces::of(object, 0..hashed, &mut buffer);
    while let Some(piece) = pieces.read()? {
        hasher.update(piece);
    }
    claim.holds(object, hasher.finalize())
}

/// What is wrong with the head of an object that is proven: parity has to be of the pack whose name it bears.
///
/// # Errors
/// When it can't be read.
pub fn wrong_head(name: &ObjectName, object: &dyn Object) -> Result<Option<String>, StoreError> {
    let ObjectName::Parity(pack) = name else { return Ok(None) };
    let mut head = [0; HEAD_BYTES];
    object.read_at(0, &mut head)?;
    Ok(match ParityHead::parse(*pack, object.bytes(), &head) {
        Ok(_) | Err(ParityError::Version(_)) => None,
        Err(error) => Some(error.to_string()),
    })
}

//! What an object says of its own bytes, and whether it is so: nobody needs a key to tell.

use super::{Object, ObjectName, Pieces, StoreError};
use crate::config::{self, BEGINNING_BYTES, ConfigError};
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
            Self::End => Ok(end_of(object)? == *found.as_bytes()),
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
    /// To the name, or to the checksum at their end and what their beginning says in clear: nobody needs a key.
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

/// Whether an object's bytes are those that its name stands for, as far as anybody can tell: [`flaw`] finds nothing.
///
/// # Errors
/// When it can't be read.
pub fn is_proven(name: &ObjectName, object: &dyn Object) -> Result<bool, StoreError> {
    Ok(flaw(name, object)?.is_none())
}

/// What is wrong with an object's bytes: they don't fit its name, or the checksum at their end, or are another object's.
/// Reads it whole, in bounded memory, unless it is longer than any such object.
///
/// # Errors
/// When it can't be read.
pub fn flaw(name: &ObjectName, object: &dyn Object) -> Result<Option<String>, StoreError> {
    if is_summed(name, object)? {
        wrong_head(name, object)
    } else {
        Ok(Some("its bytes don't fit its name or checksum".to_owned()))
    }
}

fn is_summed(name: &ObjectName, object: &dyn Object) -> Result<bool, StoreError> {
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

/// What is wrong with the beginning of an object whose checksum holds: parity has to be of the pack whose name it bears, and
/// a configuration, or its second copy, has to have the number in its name.
///
/// # Errors
/// When it can't be read.
pub fn wrong_head(name: &ObjectName, object: &dyn Object) -> Result<Option<String>, StoreError> {
    let ObjectName::Parity(pack) = name else {
        return Ok(wrong_config(name, object)?.map(|error| error.to_string()));
    };
    Ok(match ParityHead::parse(*pack, object.bytes(), &beginning::<HEAD_BYTES>(object)?) {
        Ok(_) | Err(ParityError::Version(_)) => None,
        Err(error) => Some(error.to_string()),
    })
}

/// The number of a configuration that lies under another one's name, as its checksum proves.
///
/// # Errors
/// When it can't be read.
pub fn misplaced_config(name: &ObjectName, object: &dyn Object) -> Result<Option<u32>, StoreError> {
    let Some(ConfigError::Misplaced { found, .. }) = wrong_config(name, object)? else { return Ok(None) };
    Ok(is_summed(name, object)?.then_some(found))
}

fn wrong_config(name: &ObjectName, object: &dyn Object) -> Result<Option<ConfigError>, StoreError> {
    let first = if let ObjectName::Mirror(copy) = name { copy.first() } else { *name };
    let ObjectName::Config(number) = first else { return Ok(None) };
    let said = config::require_number(number, &beginning::<BEGINNING_BYTES>(object)?);
    Ok(said.err().filter(|error| !matches!(error, ConfigError::Version(_))))
}

/// The last bytes of an object: the checksum, if it has one.
///
/// # Errors
/// When they can't be read, or it has fewer.
pub fn end_of(object: &dyn Object) -> Result<[u8; 32], StoreError> {
    let mut end = [0; 32];
    object.read_at(object.bytes().saturating_sub(CHECKSUM_BYTES), &mut end)?;
    Ok(end)
}

/// The first bytes of an object, and zeros where it has no more.
fn beginning<const N: usize>(object: &dyn Object) -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    let there = usize::try_from(object.bytes()).unwrap_or(N).min(N);
    object.read_at(0, bytes.get_mut(..there).unwrap_or_default())?;
    Ok(bytes)
}

/// Bytes in memory as an object.
pub(super) struct Bytes<'a> {
    pub(super) name: ObjectName,
    pub(super) bytes: &'a [u8],
}

impl Object for Bytes<'_> {
    fn bytes(&self) -> u64 {
        u64::try_from(self.bytes.len()).unwrap_or(u64::MAX)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), StoreError> {
        let end = offset.saturating_add(u64::try_from(buffer.len()).unwrap_or(u64::MAX));
        let range = usize::try_from(offset).ok().zip(usize::try_from(end).ok());
        let source = range.and_then(|(start, end)| self.bytes.get(start..end));
        buffer.copy_from_slice(source.ok_or(StoreError::OutOfRange { name: self.name, end })?);
        Ok(())
    }
}

//! The head of a parity object.

use super::{CHECKSUM_BYTES, HEAD_BYTES, MAGIC, ParityError, Shape, VERSION};
use crate::id::PackId;
use crate::wire::{Reader, WireError, Write as _};

/// What the first bytes of a parity object say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParityHead {
    /// The pack that it is of.
    pub pack: PackId,
    /// How that is laid out.
    pub shape: Shape,
}

impl ParityHead {
    /// The head as bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD_BYTES);
        out.put(&MAGIC);
        out.put_u16(VERSION);
        out.put_u16(0);
        out.put_u32(self.shape.shard_bytes());
        out.put_u32(self.shape.group_count());
        out.put_u32(self.shape.parity_count());
        out.put_u64(self.shape.pack_bytes());
        out.put(self.pack.as_bytes());
        out
    }

    /// Reads the head of the object that lies under the name of `pack` and has `object_bytes`. Whatever the bytes say,
    /// nothing is believed that these do not justify.
    ///
    /// # Errors
    /// [`ParityError`] says what is wrong with it.
    pub fn parse(pack: PackId, object_bytes: u64, head: &[u8; HEAD_BYTES]) -> Result<Self, ParityError> {
        let fields = Fields::read(head).map_err(|_| ParityError::Range("the head"))?;
        if fields.magic != MAGIC {
            return Err(ParityError::Magic);
        }
        if fields.version != VERSION {
            return Err(ParityError::Version(fields.version));
        }
        if fields.reserved != 0 {
            return Err(ParityError::Reserved);
        }
        if fields.pack != pack {
            return Err(ParityError::Misplaced { expected: pack, found: fields.pack });
        }
        let shape = Shape::parse(fields.pack_bytes, fields.shard_bytes, fields.group_count, fields.parity_count)?;
        let expected = shape.object_bytes();
        if object_bytes != expected {
            return Err(ParityError::Length { found: object_bytes, expected });
        }
        Ok(Self { pack, shape })
    }
}

/// Reads the head of a whole object, whose checksum has to hold.
///
/// # Errors
/// [`ParityError`] says what is wrong with it.
pub fn verify(pack: PackId, object: &[u8]) -> Result<ParityHead, ParityError> {
    let object_bytes = u64::try_from(object.len()).unwrap_or(u64::MAX);
    let least = u64::try_from(HEAD_BYTES + CHECKSUM_BYTES).unwrap_or(u64::MAX);
    let short = ParityError::Length { found: object_bytes, expected: least };
    if object_bytes < least {
        return Err(short);
    }
    let head = object.first_chunk::<HEAD_BYTES>().ok_or_else(|| short.clone())?;
    let (summed, checksum) = object.split_last_chunk::<CHECKSUM_BYTES>().ok_or(short)?;
    if !head.starts_with(&MAGIC) {
        return Err(ParityError::Magic);
    }
    if blake3::hash(summed) != blake3::Hash::from_bytes(*checksum) {
        return Err(ParityError::Checksum);
    }
    ParityHead::parse(pack, object_bytes, head)
}

struct Fields {
    magic: [u8; 8],
    version: u16,
    reserved: u16,
    shard_bytes: u32,
    group_count: u32,
    parity_count: u32,
    pack_bytes: u64,
    pack: PackId,
}

impl Fields {
    fn read(head: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(head);
        let fields = Self {
            magic: reader.array()?,
            version: reader.u16()?,
            reserved: reader.u16()?,
            shard_bytes: reader.u32()?,
            group_count: reader.u32()?,
            parity_count: reader.u32()?,
            pack_bytes: reader.u64()?,
            pack: PackId::from_bytes(reader.array()?),
        };
        reader.finish()?;
        Ok(fields)
    }
}

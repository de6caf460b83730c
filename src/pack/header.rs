//! The header, which is all that a reader needs to open any frame.

use super::{Fault, PACK_MAGIC, PACK_VERSION, PackError};
use crate::id::{ClientId, PackId, RepositoryId, SessionId};
use crate::layout::{Class, HEADER_BYTES_MAX, HEADER_BYTES_MIN};
use crate::seal::SUITE;
use crate::wire::{Reader, WireError, Write};

/// How a header yields the key of its frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyField {
    /// From the class's root and the salt.
    Symmetric,
    /// Encapsulated to the public half of the class's root.
    Encapsulated([u8; 32]),
}

/// The clear fields at the start of a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackHeader {
    /// What the frames hold.
    pub class: Class,
    /// The epoch of the roots that seal frames and footer.
    pub key_epoch: u32,
    /// The repository to which the pack belongs.
    pub repository: RepositoryId,
    /// The session that publishes it.
    pub session: SessionId,
    /// Fresh random bytes: no two packs share a key or a name.
    pub salt: [u8; 32],
    /// Belongs to the key of the frames alone.
    pub commitment: [u8; 32],
    /// Where that key comes from.
    pub key_field: KeyField,
}

const SYMMETRIC: (u8, u16) = (0, 0);
const ENCAPSULATED: (u8, u16) = (1, 32);

impl PackHeader {
    /// How long the encoded header is: 128 or 160 bytes.
    pub const fn bytes(&self) -> u32 {
        match self.key_field {
            KeyField::Symmetric => HEADER_BYTES_MIN,
            KeyField::Encapsulated(_) => HEADER_BYTES_MAX,
        }
    }

    /// The header as it is stored.
    pub fn encode(&self) -> Vec<u8> {
        let (kind, length) = match self.key_field {
            KeyField::Symmetric => SYMMETRIC,
            KeyField::Encapsulated(_) => ENCAPSULATED,
        };
        let mut out = Vec::with_capacity(160);
        out.put(&PACK_MAGIC);
        out.put_u16(PACK_VERSION);
        out.put_u16(SUITE);
        out.put_u8(self.class.code());
        out.put_u8(kind);
        out.put_u16(length);
        out.put_u32(self.key_epoch);
        out.put_u32(0);
        out.put(self.repository.as_bytes());
        out.put(self.session.client.as_bytes());
        out.put_u64(self.session.number);
        out.put(&self.salt);
        out.put(&self.commitment);
        if let KeyField::Encapsulated(field) = &self.key_field {
            out.put(field);
        }
        out
    }

    /// Reads the header from the first bytes of a pack; bytes behind it are ignored.
    ///
    /// # Errors
    /// [`PackError`] when the bytes don't start with a header of this version.
    pub fn parse(pack: Option<PackId>, bytes: &[u8]) -> Result<Self, PackError> {
        let mut input = Reader::new(bytes);
        parse(&mut input).map_err(|refusal| {
            let (offset, fault) = match refusal {
                Refusal::At(offset, fault) => (offset, fault),
                Refusal::Short => (0, Fault::Short { part: "the header", bytes: length(bytes) }),
            };
            PackError { pack, offset, fault }
        })
    }
}

enum Refusal {
    At(u64, Fault),
    Short,
}

impl From<WireError> for Refusal {
    fn from(_: WireError) -> Self {
        Self::Short
    }
}

fn parse(input: &mut Reader<'_>) -> Result<PackHeader, Refusal> {
    if input.array()? != PACK_MAGIC {
        return Err(Refusal::At(0, Fault::Magic("a pack")));
    }
    let version = input.u16()?;
    if version != PACK_VERSION {
        return Err(Refusal::At(8, Fault::Version(version)));
    }
    let suite = input.u16()?;
    if suite != SUITE {
        return Err(Refusal::At(10, Fault::Suite(suite)));
    }
    let class = input.u8()?;
    let class = Class::from_code(class).ok_or(Refusal::At(12, Fault::Class(class)))?;
    let (kind, bytes) = (input.u8()?, input.u16()?);
    if (kind, bytes) != SYMMETRIC && (kind, bytes) != ENCAPSULATED {
        return Err(Refusal::At(13, Fault::KeyField { kind, bytes }));
    }
    let key_epoch = input.u32()?;
    if input.u32()? != 0 {
        return Err(Refusal::At(20, Fault::Reserved));
    }
    Ok(PackHeader {
        class,
        key_epoch,
        repository: RepositoryId::from_bytes(input.array()?),
        session: SessionId { client: ClientId::from_bytes(input.array()?), number: input.u64()? },
        salt: input.array()?,
        commitment: input.array()?,
        key_field: if (kind, bytes) == SYMMETRIC {
            KeyField::Symmetric
        } else {
            KeyField::Encapsulated(input.array()?)
        },
    })
}

fn length(bytes: &[u8]) -> u64 {
    bytes.len().try_into().unwrap_or(u64::MAX)
}

//! Blobs: from sealed bytes to what was named by their hash.

use super::document::decompress;
use super::error::Fault;
use super::id::BlobId;
use super::seal::{SEAL_BYTES, SealKey};
use serde::Deserialize;
use std::fmt;

/// What a blob is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BlobKind {
    /// A piece of a file's content.
    Data,
    /// A directory.
    Tree,
}

impl BlobKind {
    /// The longest that is read, in bytes. restic cuts files into pieces of 8 MiB at most; a directory is one blob however
    /// many entries it has.
    pub(super) const fn bytes_max(self) -> u32 {
        match self {
            Self::Data => 64 << 20,
            Self::Tree => 1 << 30,
        }
    }
}

impl fmt::Display for BlobKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Data => "data blob",
            Self::Tree => "tree blob",
        })
    }
}

/// How long a blob is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lengths {
    /// In the pack, with its seal.
    sealed: u32,
    /// Before it was compressed; 0 when it was not.
    raw: u32,
}

impl Lengths {
    /// Takes what an index or a pack says of a blob; `raw` is 0 for one that is not compressed.
    ///
    /// # Errors
    /// [`Fault::Short`] and [`Fault::TooLong`].
    pub fn parse(kind: BlobKind, sealed: u64, raw: u64) -> Result<Self, Fault> {
        let max = kind.bytes_max();
        let too_long = Fault::TooLong { max: max.into() };
        let seal = u64::try_from(SEAL_BYTES).unwrap_or(u64::MAX);
        let stored = sealed.checked_sub(seal).ok_or(Fault::Short)?;
        if stored > max.into() || raw > max.into() {
            return Err(too_long);
        }
        let narrow = |length| u32::try_from(length).map_err(|_| too_long.clone());
        Ok(Self { sealed: narrow(sealed)?, raw: narrow(raw)? })
    }

    /// In the pack, with its seal.
    pub const fn sealed(self) -> u32 {
        self.sealed
    }

    /// Before it was compressed; 0 when it was not.
    pub const fn raw(self) -> u32 {
        self.raw
    }

    /// Of what it holds.
    pub fn plain(self) -> u64 {
        let seal = u32::try_from(SEAL_BYTES).unwrap_or(u32::MAX);
        if self.raw == 0 { self.sealed.saturating_sub(seal).into() } else { self.raw.into() }
    }

    pub(super) const fn of(sealed: u32, raw: u32) -> Self {
        Self { sealed, raw }
    }
}

/// Opens a blob and proves that it is the one of that name.
pub(super) fn open(key: &SealKey, id: BlobId, mut sealed: Vec<u8>, lengths: Lengths) -> Result<Vec<u8>, Fault> {
    let stored = key.open(&mut sealed).ok_or(Fault::Seal)?;
    let plain = if lengths.raw == 0 { stored.to_vec() } else { decompress(stored, lengths.plain().saturating_add(1))? };
    if u64::try_from(plain.len()).ok() != Some(lengths.plain()) {
        return Err(Fault::Compression);
    }
    if BlobId::of(&plain) == id { Ok(plain) } else { Err(Fault::Hash) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_opens_only_as_what_its_id_and_lengths_say() {
        let key = SealKey { encryption: [1; 32], mac_k: [2; 16], mac_r: [3; 16] };
        let plain = vec![9; 5000];
        let id = BlobId::of(&plain);
        let whole = key.seal([4; 16], &plain);
        let packed = key.seal([5; 16], &zstd::bulk::compress(&plain, 3).unwrap());
        let lengths =
            |sealed: &[u8], raw| Lengths::parse(BlobKind::Data, sealed.len().try_into().unwrap(), raw).unwrap();
        assert_eq!(open(&key, id, whole.clone(), lengths(&whole, 0)), Ok(plain.clone()));
        assert_eq!(open(&key, id, packed.clone(), lengths(&packed, 5000)), Ok(plain));
        for raw in [0, 1, 4999, 5001, 1 << 20] {
            assert!(open(&key, id, packed.clone(), lengths(&packed, raw)).is_err(), "{raw}");
        }
        let other = BlobId::of(b"other");
        assert_eq!(open(&key, other, whole.clone(), lengths(&whole, 0)), Err(Fault::Hash));
        let stranger = SealKey { encryption: [1; 32], mac_k: [2; 16], mac_r: [4; 16] };
        assert_eq!(open(&stranger, id, whole.clone(), lengths(&whole, 0)), Err(Fault::Seal));
    }

    #[test]
    fn lengths_beyond_what_restic_makes_are_refused() {
        assert_eq!(Lengths::parse(BlobKind::Data, 31, 0), Err(Fault::Short));
        assert_eq!(Lengths::parse(BlobKind::Data, 32, 0).map(Lengths::plain), Ok(0));
        assert!(matches!(Lengths::parse(BlobKind::Data, u64::MAX, 0), Err(Fault::TooLong { .. })));
        assert!(matches!(Lengths::parse(BlobKind::Data, 100, 1 << 30), Err(Fault::TooLong { .. })));
        assert!(Lengths::parse(BlobKind::Tree, 100, 1 << 30).is_ok());
        assert!(matches!(Lengths::parse(BlobKind::Tree, 100, u64::MAX), Err(Fault::TooLong { .. })));
    }
}

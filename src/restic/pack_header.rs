//! The list of blobs at the end of a pack: how they are found when an index does not tell.

use super::blob::{BlobKind, Lengths};
use super::error::Fault;
use super::id::BlobId;

/// A blob in a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackedBlob {
    /// What it is.
    pub kind: BlobKind,
    /// Its name.
    pub id: BlobId,
    /// Where it starts.
    pub offset: u32,
    /// How long it is.
    pub lengths: Lengths,
}

impl PackedBlob {
    /// Takes what is said of a blob: offset, and its length sealed and before compression, 0 if there was none.
    ///
    /// # Errors
    /// [`Fault::Short`] and [`Fault::TooLong`].
    pub fn parse(kind: BlobKind, id: BlobId, offset: u64, (sealed, raw): (u64, u64)) -> Result<Self, Fault> {
        let lengths = Lengths::parse(kind, sealed, raw)?;
        let end = offset.checked_add(sealed).and_then(|end| u32::try_from(end).ok());
        let too_long = Fault::TooLong { max: u32::MAX.into() };
        let offset = end.and_then(|end| end.checked_sub(lengths.sealed())).ok_or(too_long)?;
        Ok(Self { kind, id, offset, lengths })
    }
}

/// Reads the opened list: for each blob its kind (1 byte; 0 data, 1 tree, 2 and 3 the same compressed), its sealed length
/// (u32), if it is compressed its length before (u32), and its id. Blobs lie one behind the other.
///
/// # Errors
/// What is wrong with it.
pub fn entries(header: &[u8]) -> Result<Vec<PackedBlob>, Fault> {
    let mut blobs = Vec::new();
    let (mut rest, mut offset) = (header, 0u64);
    while let Some((&form, after)) = rest.split_first() {
        let (kind, is_compressed) = match form {
            0 => (BlobKind::Data, false),
            1 => (BlobKind::Tree, false),
            2 => (BlobKind::Data, true),
            3 => (BlobKind::Tree, true),
            _ => return Err(Fault::Meaning(format!("there is no blob of kind {form}"))),
        };
        let (sealed, after) = after.split_first_chunk::<4>().ok_or(Fault::Short)?;
        let (raw, after) =
            if is_compressed { after.split_first_chunk::<4>().ok_or(Fault::Short)? } else { (&[0; 4], after) };
        let (id, after) = after.split_first_chunk::<32>().ok_or(Fault::Short)?;
        let lengths = (u32::from_le_bytes(*sealed).into(), u32::from_le_bytes(*raw).into());
        let blob = PackedBlob::parse(kind, BlobId::from_bytes(*id), offset, lengths)?;
        offset = offset.saturating_add(lengths.0);
        blobs.push(blob);
        rest = after;
    }
    Ok(blobs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blobs_follow_each_other_and_half_an_entry_is_damage() {
        let mut header = Vec::new();
        header.extend([0]);
        header.extend(100u32.to_le_bytes());
        header.extend([7; 32]);
        header.extend([3]);
        header.extend(50u32.to_le_bytes());
        header.extend(90u32.to_le_bytes());
        header.extend([8; 32]);
        let blobs = entries(&header).unwrap();
        let told: Vec<_> = blobs.iter().map(|blob| (blob.kind, blob.offset, blob.lengths.plain())).collect();
        assert_eq!(told, [(BlobKind::Data, 0, 68), (BlobKind::Tree, 100, 90)]);
        for length in (1..header.len()).filter(|length| *length != 37) {
            assert_eq!(entries(&header[..length]), Err(Fault::Short), "{length}");
        }
        header[0] = 4;
        assert!(matches!(entries(&header), Err(Fault::Meaning(_))));
    }
}

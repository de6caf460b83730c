//! The rows of a view as bytes. They are read back from a cache that anything may have happened to, so every length
//! is checked like a stranger's.

use super::{Extent, PackEntry, PackOrdinal};
use crate::id::{ClientId, PackId, SegmentId, SessionId, SignerKey};
use crate::layout::Class;
use crate::wire::{Reader, WireError, Write};

/// Appends an extent; a value of the chunks table is any number of them.
pub(super) fn put_extent(out: &mut Vec<u8>, extent: &Extent) {
    let Extent { pack, frame, frame_offset, frame_bytes, chunk_offset, chunk_bytes } = *extent;
    for field in [pack.0, frame, frame_offset, frame_bytes, chunk_offset, chunk_bytes] {
        out.put_varint(field.into());
    }
}

/// Takes the next extent of a value.
fn extent(input: &mut Reader<'_>) -> Result<Extent, WireError> {
    let mut field = |what| {
        let value = input.varint()?;
        u32::try_from(value).map_err(|_| input.out_of_range(what))
    };
    Ok(Extent {
        pack: PackOrdinal(field("pack number")?),
        frame: field("frame number")?,
        frame_offset: field("frame offset")?,
        frame_bytes: field("frame length")?,
        chunk_offset: field("chunk offset")?,
        chunk_bytes: field("chunk length")?,
    })
}

/// Calls `each` with the extents of a value, in order, until it answers false.
pub(super) fn for_each_extent(value: &[u8], each: &mut dyn FnMut(Extent) -> bool) -> Result<(), WireError> {
    let mut input = Reader::new(value);
    while input.remaining() > 0 {
        if !each(extent(&mut input)?) {
            break;
        }
    }
    Ok(())
}

/// A pack's row; the segment is not part of it.
pub(super) fn encode_entry(entry: &PackEntry) -> Vec<u8> {
    let mut out = Vec::with_capacity(100);
    out.put(entry.id.as_bytes());
    out.put_u8(entry.class.code());
    out.put_varint(entry.bytes);
    out.put(entry.signer.as_bytes());
    out.put(entry.session.client.as_bytes());
    out.put_varint(entry.session.number);
    out.put_varint(entry.chunk_count);
    out
}

/// Reads a pack's row back, with a segment that lists it.
pub(super) fn decode_entry(bytes: &[u8], segment: SegmentId) -> Result<PackEntry, WireError> {
    let mut input = Reader::new(bytes);
    let entry = PackEntry {
        id: PackId::from_bytes(input.array()?),
        class: Class::from_code(input.u8()?).ok_or_else(|| input.out_of_range("class"))?,
        bytes: input.varint()?,
        signer: SignerKey::from_bytes(input.array()?),
        session: SessionId { client: ClientId::from_bytes(input.array()?), number: input.varint()? },
        segment,
        chunk_count: input.varint()?,
    };
    input.finish()?;
    Ok(entry)
}

/// The numbers of a pack.
pub(super) fn encode_numbers(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// Reads the numbers of a pack back.
pub(super) fn decode_numbers(bytes: &[u8]) -> Result<Vec<u32>, WireError> {
    let mut input = Reader::new(bytes);
    let mut numbers = Vec::new();
    while input.remaining() > 0 {
        numbers.push(input.u32()?);
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn extents_read_back(fields: Vec<[u32; 6]>) {
            let extents = fields.iter().map(|&[pack, frame, frame_offset, frame_bytes, chunk_offset, chunk_bytes]| {
                let pack = PackOrdinal(pack);
                Extent { pack, frame, frame_offset, frame_bytes, chunk_offset, chunk_bytes }
            });
            let extents: Vec<_> = extents.collect();
            let mut value = Vec::new();
            extents.iter().for_each(|extent| put_extent(&mut value, extent));
            let mut back = Vec::new();
            for_each_extent(&value, &mut |extent| { back.push(extent); true }).unwrap();
            prop_assert_eq!(back, extents);
        }

        #[test]
        fn entries_read_back(id: [u8; 32], code in 1u8..=3, numbers: [u64; 3], client: [u8; 16]) {
            let entry = PackEntry {
                id: PackId::from_bytes(id),
                class: Class::from_code(code).unwrap(),
                bytes: numbers[0],
                signer: SignerKey::from_bytes(id),
                session: SessionId { client: ClientId::from_bytes(client), number: numbers[1] },
                segment: SegmentId::from_bytes(id),
                chunk_count: numbers[2],
            };
            prop_assert_eq!(decode_entry(&encode_entry(&entry), entry.segment), Ok(entry));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            let _ = for_each_extent(&bytes, &mut |_| true);
            let _ = decode_entry(&bytes, SegmentId::from_bytes([0; 32]));
            let _ = decode_numbers(&bytes);
        }
    }
}

//! Packs from strangers: whole ones, their footers behind an honest seal, and scans of broken ones.

use crate::id::{ClientId, PackId, RepositoryId, SessionId};
use crate::layout::{Class, FrameTable};
use crate::pack::{
    FOOTER_CLASS, FOOTER_MAGIC, FOOTER_PART, FRAME_MAGIC, FRAME_PREFIX_BYTES, Found, KeyField, PACK_MAGIC,
    PACK_VERSION, PackHasher, PackHeader, PackKeys, PackOpener, Scan, Trailer, read_frame, read_opener,
};
use crate::seal::{Binding, ObjectKey, RootSecret, Secret};
use crate::wire::{Reader, Write};

const SALT: [u8; 32] = [0x77; 32];
const REPOSITORY: RepositoryId = RepositoryId::from_bytes([0x11; 16]);
const EPOCH: u32 = 3;

/// The secrets of the vectors.
struct Ring {
    class: RootSecret,
    index: RootSecret,
}

impl Ring {
    fn new() -> Self {
        let root = |byte| RootSecret::new(Secret::from_bytes([byte; 32]));
        Self { class: root(1), index: root(2) }
    }

    fn frame_key(&self) -> ObjectKey {
        self.class.object_key(&SALT)
    }

    fn header(&self) -> PackHeader {
        PackHeader {
            class: Class::Content,
            key_epoch: EPOCH,
            repository: REPOSITORY,
            session: SessionId { client: ClientId::from_bytes([0x22; 16]), number: 5 },
            salt: SALT,
            commitment: self.frame_key().commitment(),
            key_field: KeyField::Symmetric,
        }
    }
}

impl PackKeys for Ring {
    fn repository(&self) -> RepositoryId {
        REPOSITORY
    }

    fn class_root(&self, _: Class, epoch: u32) -> Option<&RootSecret> {
        Some(&self.class).filter(|_| epoch == EPOCH)
    }

    fn index_root(&self, epoch: u32) -> Option<&RootSecret> {
        Some(&self.index).filter(|_| epoch == EPOCH)
    }
}

fn opener(pack: &[u8]) -> Option<PackOpener> {
    let mut hasher = PackHasher::new();
    hasher.update(pack);
    read_opener(hasher.id(), pack, &Ring::new()).ok()
}

/// Reads `data` as a whole pack: header, footer, all frames.
///
/// # Panics
/// When a header does not encode to what it was read from, or a footer's frames are not where it says.
pub fn fuzz_pack(data: &[u8]) {
    if let Ok(header) = PackHeader::parse(None, data) {
        assert!(data.starts_with(&header.encode()), "a header has one encoding");
    }
    let Some(opener) = opener(data) else { return };
    let Ok(table) = opener.read_footer(data) else { return };
    let mut buffer = Vec::new();
    for row in table.frames() {
        assert!(usize::try_from(row.place.end()).is_ok_and(|end| end < data.len()), "frames lie in the pack");
        let _ = read_frame(&opener, data, row.place, &mut buffer);
    }
}

/// Seals `data` as a footer would be and opens it; also reads it as a bare frame table.
///
/// # Panics
/// When a table that was accepted does not encode to the bytes it was read from, or has gaps.
pub fn fuzz_pack_footer(data: &[u8]) {
    let mut input = Reader::new(data);
    if let Ok(table) = FrameTable::read(&mut input, 128) {
        check_table(&table, data);
    }
    let ring = Ring::new();
    let header = ring.header();
    let Some(&frame_count) = data.first() else { return };
    let plaintext = [blake3::hash(&header.encode()).as_bytes(), data].concat();
    let number = frame_count.into();
    let binding = Binding { magic: PACK_MAGIC, version: PACK_VERSION, class: FOOTER_CLASS | 1, salt: SALT, number };
    let sealed = ring.index.part_object_key(FOOTER_PART, &SALT).seal(&binding, &plaintext);
    let mut footer = FOOTER_MAGIC.to_vec();
    footer.put_u32(frame_count.into());
    footer.put_u32(sealed.len().try_into().unwrap_or(u32::MAX));
    footer.put(&sealed);
    let Ok(opener) = PackOpener::open(PackId::from_bytes([0; 32]), &header.encode(), &ring) else { return };
    let end = FrameTable::read(&mut Reader::new(data), 128).map_or(128, |table| table.end_offset());
    let footer_bytes = footer.len().try_into().unwrap_or(u32::MAX);
    let trailer = Trailer { footer_offset: end, footer_bytes, frame_count: frame_count.into() };
    if let Ok(table) = opener.open_footer(&trailer, &mut footer) {
        check_table(&table, data);
        assert_eq!(table.end_offset(), end, "frames end at the footer");
    }
}

fn check_table(table: &FrameTable, data: &[u8]) {
    let mut out = Vec::new();
    table.write(&mut out);
    assert!(data.starts_with(&out), "a table has one encoding");
    assert_eq!(out.len(), table.written_bytes());
    let mut end = table.header_bytes();
    for row in table.frames() {
        assert_eq!(row.place.offset, end, "frames follow each other");
        end = row.place.end();
    }
    assert_eq!(end, table.end_offset());
}

/// Scans a pack of honest frames and rubbish. `data` falls into pieces at each byte ff: a piece that starts with fe is
/// an honest frame (number, plaintext), any other one stands in the pack as it is.
///
/// # Panics
/// When the scan does not account for every byte, or frames don't ascend.
pub fn fuzz_pack_scan(data: &[u8]) {
    let ring = Ring::new();
    let mut bytes = ring.header().encode();
    for piece in data.split(|byte| *byte == 0xff) {
        match piece {
            [0xfe, number, plaintext @ ..] => bytes.extend_from_slice(&frame(&ring, *number, plaintext)),
            rubbish => bytes.extend_from_slice(rubbish),
        }
    }
    let Some(opener) = opener(&bytes) else { return };
    let Ok(mut scan) = Scan::new(&opener, &bytes[..]) else { return };
    let mut end = 128;
    let mut next = 0;
    while let Ok(Some(found)) = scan.step() {
        let (offset, length) = match found {
            Found::Frame(place, _) => {
                assert!(place.number >= next, "frames ascend");
                next = place.number.saturating_add(1);
                (u64::from(place.offset), u64::from(place.stored_bytes))
            }
            Found::Damage(damage) => (damage.offset, damage.bytes),
            Found::Footer(_) => return,
        };
        assert_eq!(offset, end, "nothing is passed over");
        end = offset.saturating_add(length);
    }
    assert_eq!(usize::try_from(end), Ok(bytes.len()), "the scan reaches the end");
}

fn frame(ring: &Ring, number: u8, plaintext: &[u8]) -> Vec<u8> {
    let binding = Binding { magic: PACK_MAGIC, version: PACK_VERSION, class: 1, salt: SALT, number: number.into() };
    let sealed = ring.frame_key().seal(&binding, plaintext);
    let mut out = Vec::with_capacity(FRAME_PREFIX_BYTES.saturating_add(plaintext.len()));
    out.put(&FRAME_MAGIC);
    out.put_u32(number.into());
    out.put_u32(sealed.len().try_into().unwrap_or(u32::MAX));
    out.put(&sealed);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_laws_hold_for_any_bytes(data: Vec<u8>) {
            fuzz_pack(&data);
            fuzz_pack_footer(&data);
            fuzz_pack_scan(&data);
        }

        #[test]
        fn the_laws_hold_for_scans_of_honest_frames(numbers in prop::collection::vec(0u8..6, 0..8), rubbish: Vec<u8>) {
            let pieces: Vec<u8> = numbers.iter().flat_map(|number| [0xff, 0xfe, *number, 9, 9, 0xff]).collect();
            fuzz_pack_scan(&[pieces, rubbish].concat());
        }
    }

    #[test]
    fn an_honest_footer_gets_through_to_the_table() {
        fuzz_pack_footer(&[2, 63, 2, 5, 6, 56, 1, 5]);
        fuzz_pack_footer(&[2, 63, 2, 5, 6, 56, 1, 5, 0]);
        assert!(std::panic::catch_unwind(|| check_table(&FrameTable::new(128).unwrap(), &[1])).is_err());
    }
}

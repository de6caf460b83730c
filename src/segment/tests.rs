//! Tests of segments.

use super::*;
use crate::id::{ChunkId, ClientId, PackId, SessionId, SignerKey};
use crate::layout::{Class, FrameTable};

const SEGMENT: SegmentId = SegmentId::from_bytes([0x99; 32]);

fn row(pack: u8, signer: u8, client: u8, frames: &[(u32, &[u32])]) -> PackRow {
    let mut table = FrameTable::new(128).unwrap();
    for (sealed, lengths) in frames {
        table.push(*sealed, lengths).unwrap();
    }
    let ids = (0..table.chunk_count()).map(|index| {
        let mut id = [pack; 32];
        id[0] = u8::try_from(index % 256).unwrap();
        ChunkId::from_bytes(id)
    });
    let facts = PackFacts {
        pack: PackId::from_bytes([pack; 32]),
        class: Class::Content,
        bytes: u64::from(table.end_offset()) + 200,
        signer: SignerKey::from_bytes([signer; 32]),
        session: SessionId { client: ClientId::from_bytes([client; 16]), number: u64::from(pack) * 1000 },
    };
    let ids = ids.collect();
    PackRow::new(facts, table, ids).unwrap()
}

#[test]
fn a_segment_reads_back_with_the_place_of_every_chunk() {
    let rows = [row(1, 8, 5, &[(100, &[1, 2, 3]), (200, &[4])]), row(2, 7, 6, &[(48, &[16 << 20])])];
    let mut builder = SegmentBuilder::new();
    rows.iter().rev().for_each(|row| builder.push(row.clone()).unwrap());
    let body = builder.finish();
    let reader = SegmentReader::parse(SEGMENT, &body).unwrap();
    assert_eq!((reader.pack_count(), reader.chunk_count()), (2, 5));
    assert_eq!(reader.packs().collect::<Vec<_>>(), rows);
    let places: Vec<_> = rows[0].chunks().map(|(_, place)| (place.frame.offset, place.chunk_offset)).collect();
    assert_eq!(places, [(128, 0), (128, 1), (128, 3), (240, 0)]);
}

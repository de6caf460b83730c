//! Tests of segments: what is built reads back, and whatever is wrong is refused by name.

mod vectors;

use super::*;
use crate::id::{ChunkId, ClientId, PackId, SessionId, SignerKey};
use crate::layout::{Class, FrameTable, LayoutError};
use crate::wire::{WireError, Write};
use proptest::prelude::*;

const SEGMENT: SegmentId = SegmentId::from_bytes([0x99; 32]);

fn facts(pack: u8, signer: u8, client: u8, bytes: u64) -> PackFacts {
    PackFacts {
        pack: PackId::from_bytes([pack; 32]),
        class: Class::Content,
        bytes,
        signer: SignerKey::from_bytes([signer; 32]),
        session: SessionId { client: ClientId::from_bytes([client; 16]), number: u64::from(pack) * 1000 },
    }
}

fn table(header_bytes: u32, frames: &[(u32, &[u32])]) -> FrameTable {
    let mut table = FrameTable::new(header_bytes).unwrap();
    for (sealed, lengths) in frames {
        table.push(*sealed, lengths).unwrap();
    }
    table
}

fn ids(pack: u8, count: u32) -> Vec<ChunkId> {
    let id = |index: u32| {
        let mut id = [pack; 32];
        id[..4].copy_from_slice(&index.to_le_bytes());
        ChunkId::from_bytes(id)
    };
    (0..count).map(id).collect()
}

fn row(pack: u8, signer: u8, client: u8, frames: &[(u32, &[u32])]) -> PackRow {
    let table = table(128, frames);
    let facts = facts(pack, signer, client, u64::from(table.end_offset()) + 200);
    let ids = ids(pack, table.chunk_count());
    PackRow::new(facts, table, ids).unwrap()
}

fn rows() -> [PackRow; 2] {
    [row(1, 8, 5, &[(100, &[1, 2, 3]), (200, &[4])]), row(2, 7, 6, &[(48, &[16 << 20])])]
}

fn replaced(byte: u8) -> Replaced {
    Replaced { segment: SegmentId::from_bytes([byte; 32]), pack_count: 1, chunk_count: 300 }
}

fn build(replaced: &[Replaced], rows: &[PackRow]) -> Vec<u8> {
    let mut builder = SegmentBuilder::new();
    replaced.iter().for_each(|replaced| builder.replace(*replaced).unwrap());
    rows.iter().for_each(|row| builder.push(row.clone()).unwrap());
    builder.finish()
}

/// A body by hand: replaced segments, signers and clients by one byte each, pack count, and the packs' bytes.
fn body(replaced: &[u8], signers: &[u8], clients: &[u8], pack_count: u64, packs: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    out.put_count(replaced.len());
    for byte in replaced {
        out.put(&[*byte; 32]);
        out.put(&[1, 1]);
    }
    out.put_count(signers.len());
    signers.iter().for_each(|byte| out.put(&[*byte; 32]));
    out.put_count(clients.len());
    clients.iter().for_each(|byte| out.put(&[*byte; 16]));
    out.put_varint(pack_count);
    packs.iter().for_each(|pack| out.put(pack));
    out
}

/// A pack's bytes by hand: class, then the varints from the length of the object to the last of the frame table, then
/// ids.
fn pack_bytes(pack: u8, class: u8, varints: &[u64], id_count: usize) -> Vec<u8> {
    let mut out = vec![pack; 32];
    out.put_u8(class);
    varints.iter().for_each(|value| out.put_varint(*value));
    out.put(&vec![0xcc; id_count * 32]);
    out
}

/// Bytes, signer, client, session number, header length, and one frame of one chunk.
const ONE: [u64; 9] = [400, 0, 0, 1, 128, 1, 100, 1, 77];

fn one(pack: u8) -> Vec<u8> {
    pack_bytes(pack, 1, &ONE, 1)
}

/// `ONE` with another value in one place.
fn one_with(place: usize, value: u64) -> Vec<u8> {
    let mut varints = ONE;
    varints[place] = value;
    pack_bytes(1, 1, &varints, 1)
}

fn of_one_pack(pack: Vec<u8>) -> Vec<u8> {
    body(&[], &[1], &[1], 1, &[pack])
}

fn fault(body: &[u8]) -> SegmentFault {
    match SegmentReader::parse(SEGMENT, body) {
        Err(refused) => {
            assert_eq!(refused.segment, SEGMENT);
            assert!(refused.offset <= body.len());
            refused.fault
        }
        Ok(_) => panic!("not refused: {body:x?}"),
    }
}

prop_compose! {
    fn any_row()(
        (pack, signer, client) in (any::<u8>(), 0u8..4, 0u8..4),
        frames in prop::collection::vec((48u32..1 << 20, prop::collection::vec(1u32..1 << 20, 1..6)), 1..6),
    ) -> PackRow {
        let frames: Vec<(u32, &[u32])> = frames.iter().map(|(sealed, lengths)| (*sealed, &lengths[..])).collect();
        row(pack, signer, client, &frames)
    }
}

proptest! {
    #[test]
    fn a_body_reads_back_and_builds_again_to_the_same_bytes(rows in prop::collection::vec(any_row(), 1..8)) {
        let body = build(&[replaced(4), replaced(3)], &rows);
        let reader = SegmentReader::parse(SEGMENT, &body).unwrap();
        let mut builder = SegmentBuilder::new();
        reader.replaced().iter().for_each(|replaced| builder.replace(*replaced).unwrap());
        let mut last = None;
        for pack in reader.packs() {
            prop_assert!(last < Some(pack.facts().pack));
            last = Some(pack.facts().pack);
            prop_assert!(rows.contains(&pack));
            builder.push(pack).unwrap();
        }
        prop_assert_eq!(builder.finish(), body);
    }

    #[test]
    fn a_changed_byte_is_refused_or_another_well_formed_segment(at in 0usize..400, value: u8) {
        let mut body = build(&[replaced(4)], &rows());
        let at = at % body.len();
        body[at] = value;
        if let Ok(reader) = SegmentReader::parse(SEGMENT, &body) {
            let packs: Vec<PackRow> = reader.packs().collect();
            prop_assert_eq!(build(reader.replaced(), &packs), body);
        }
    }
}

#[test]
fn a_segment_reads_back_with_the_place_of_every_chunk() {
    let rows = rows();
    let body = build(&[], &[rows[1].clone(), rows[0].clone()]);
    let reader = SegmentReader::parse(SEGMENT, &body).unwrap();
    assert_eq!((reader.segment(), reader.pack_count(), reader.chunk_count()), (SEGMENT, 2, 5));
    assert_eq!(reader.signers(), [SignerKey::from_bytes([7; 32]), SignerKey::from_bytes([8; 32])]);
    assert_eq!(reader.packs().collect::<Vec<_>>(), rows);
    let place = |(id, place): (ChunkId, crate::layout::ChunkPlace)| {
        let frame = place.frame;
        (id, frame.number, frame.offset, frame.stored_bytes, place.chunk_offset, place.chunk_bytes)
    };
    let ids = rows[0].ids();
    let expected = [
        (ids[0], 0, 128, 112, 0, 1),
        (ids[1], 0, 128, 112, 1, 2),
        (ids[2], 0, 128, 112, 3, 3),
        (ids[3], 1, 240, 212, 0, 4),
    ];
    assert_eq!(rows[0].chunks().map(place).collect::<Vec<_>>(), expected);
}

#[test]
fn segment_1_reader_refuses_packs_out_of_order() {
    assert!(SegmentReader::parse(SEGMENT, &body(&[], &[1], &[1], 2, &[one(1), one(2)])).is_ok());
    for second in [1, 2] {
        let unsorted = body(&[], &[1], &[1], 2, &[one(2), one(second)]);
        assert_eq!(fault(&unsorted), SegmentFault::Order("packs"));
    }
}

#[test]
fn segment_2_reader_refuses_replaced_segments_out_of_order_and_itself() {
    for second in [3, 4] {
        let unsorted = body(&[4, second], &[1], &[1], 1, &[one(1)]);
        assert_eq!(fault(&unsorted), SegmentFault::Order("replaced segments"));
    }
    assert_eq!(fault(&body(&[0x99], &[1], &[1], 1, &[one(1)])), SegmentFault::ReplacesItself);
    let mut many = Vec::new();
    many.put_count(REPLACED_COUNT_MAX + 1);
    many.put(&vec![0; (REPLACED_COUNT_MAX + 1) * 34]);
    assert_eq!(fault(&many), SegmentFault::ReplacedCount { count: 65_537 });
}

#[test]
fn segment_3_reader_refuses_signers_and_clients_out_of_order_or_without_a_pack() {
    assert_eq!(fault(&body(&[], &[2, 1], &[1], 1, &[one(1)])), SegmentFault::Order("signers"));
    assert_eq!(fault(&body(&[], &[1, 1], &[1], 1, &[one(1)])), SegmentFault::Order("signers"));
    assert_eq!(fault(&body(&[], &[1], &[2, 1], 1, &[one(1)])), SegmentFault::Order("clients"));
    assert_eq!(fault(&body(&[], &[1, 2], &[1], 1, &[one(1)])), SegmentFault::Unused("signer"));
    assert_eq!(fault(&body(&[], &[1], &[1, 2], 1, &[one(1)])), SegmentFault::Unused("client"));
    assert_eq!(fault(&body(&[5], &[1], &[], 0, &[])), SegmentFault::Unused("signer"));
}

#[test]
fn segment_4_reader_refuses_a_signer_or_client_that_is_not_listed() {
    let not_listed = |what, index| SegmentFault::NotListed { what, index };
    for index in [1, u64::MAX] {
        assert_eq!(fault(&of_one_pack(one_with(1, index))), not_listed("signer", index));
        assert_eq!(fault(&of_one_pack(one_with(2, index))), not_listed("client", index));
    }
}

#[test]
fn segment_5_reader_refuses_a_class_or_a_table_that_no_pack_has() {
    let refused = |layout| SegmentFault::Table(layout);
    for class in [0, 4, 0x41] {
        assert_eq!(fault(&of_one_pack(pack_bytes(1, class, &ONE, 1))), SegmentFault::Class(class));
    }
    let cases = [
        (4, 127, refused(LayoutError::Header { header_bytes: 127 })),
        (4, 1 << 32, SegmentFault::Wire(WireError::Range { what: "header length", offset: 95 })),
        (5, 0, refused(LayoutError::NoFrames)),
        (5, 65_537, refused(LayoutError::FrameCount { count: 65_537 })),
        (6, 47, refused(LayoutError::SealedBytes { frame: 0, sealed_bytes: 47 })),
        (6, (1 << 32) + 100, refused(LayoutError::SealedBytes { frame: 0, sealed_bytes: (1 << 32) + 100 })),
        (7, 0, refused(LayoutError::ChunkCount { frame: 0, count: 0 })),
        (7, u64::MAX, refused(LayoutError::ChunkCount { frame: 0, count: u64::MAX })),
        (8, 0, refused(LayoutError::ChunkBytes { frame: 0, chunk_bytes: 0 })),
        (8, (16 << 20) + 1, refused(LayoutError::ChunkBytes { frame: 0, chunk_bytes: (16 << 20) + 1 })),
    ];
    for (place, value, expected) in cases {
        assert_eq!(fault(&of_one_pack(one_with(place, value))), expected, "{value} at {place}");
    }
}

#[test]
fn segment_6_reader_refuses_a_pack_too_short_for_its_frames_or_above_the_cap() {
    let end = 128 + 112;
    for bytes in [0, u64::from(end), (1 << 30) + 1, u64::MAX] {
        assert_eq!(fault(&of_one_pack(one_with(0, bytes))), SegmentFault::PackBytes { bytes, end });
    }
    for bytes in [u64::from(end) + 1, 1 << 30] {
        assert!(SegmentReader::parse(SEGMENT, &of_one_pack(one_with(0, bytes))).is_ok());
    }
}

#[test]
fn a_pack_that_is_set_aside_has_a_row_that_reads_back_whatever_its_length() {
    for (bytes, told) in [(0, 189), (189, 189), (190, 190), (1 << 30, 1 << 30), (u64::MAX, 1 << 30)] {
        let row = PackRow::set_aside(facts(1, 1, 1, bytes));
        assert_eq!((row.facts().bytes, row.is_set_aside()), (told, true));
        let body = build(&[], std::slice::from_ref(&row));
        assert_eq!(SegmentReader::parse(SEGMENT, &body).unwrap().packs().collect::<Vec<_>>(), [row]);
    }
    assert!(rows().iter().all(|row| !row.is_set_aside()));
}

#[test]
fn segment_7_reader_refuses_fewer_ids_than_chunks() {
    let short = pack_bytes(1, 1, &[400, 0, 0, 1, 128, 1, 100, 2, 7, 7], 1);
    assert!(matches!(fault(&of_one_pack(short)), SegmentFault::Wire(WireError::UnexpectedEnd { .. })));
    let facts = facts(1, 1, 1, 400);
    for count in [0, 1, 3] {
        let refused = PackRow::new(facts, table(128, &[(100, &[7, 7])]), ids(1, count)).unwrap_err();
        assert_eq!(refused, SegmentFault::IdCount { chunks: 2, ids: usize::try_from(count).unwrap() });
    }
    assert_eq!(PackRow::new(facts, table(128, &[]), Vec::new()), Err(SegmentFault::Table(LayoutError::NoFrames)));
}

#[test]
fn segment_8_reader_refuses_a_body_above_32_mib_before_reading_it() {
    let bytes = BODY_BYTES_MAX + 1;
    assert_eq!(fault(&vec![0xff; bytes]), SegmentFault::Long { bytes });
    assert_ne!(fault(&vec![0xff; BODY_BYTES_MAX]), SegmentFault::Long { bytes: BODY_BYTES_MAX });
}

#[test]
fn segment_9_reader_refuses_bytes_behind_the_last_pack_and_a_body_cut_at_any_length() {
    let mut long = build(&[replaced(4)], &rows());
    for length in 0..long.len() {
        fault(&long[..length]);
    }
    long.push(0);
    let offset = long.len() - 1;
    assert_eq!(fault(&long), SegmentFault::Wire(WireError::Trailing { offset, count: 1 }));
}

#[test]
fn segment_10_reader_refuses_a_segment_that_says_nothing() {
    assert_eq!(fault(&body(&[], &[], &[], 0, &[])), SegmentFault::Empty);
    let retired = body(&[5], &[], &[], 0, &[]);
    let reader = SegmentReader::parse(SEGMENT, &retired).unwrap();
    assert_eq!((reader.pack_count(), reader.chunk_count(), reader.packs().count()), (0, 0, 0));
    assert_eq!(reader.replaced().len(), 1);
}

#[test]
fn segment_11_nothing_of_a_segment_is_given_out_before_its_last_byte_was_checked() {
    let mut packs: Vec<Vec<u8>> = (0..100).map(one).collect();
    assert!(SegmentReader::parse(SEGMENT, &body(&[], &[1], &[1], 100, &packs)).is_ok());
    packs[99] = one(98);
    assert_eq!(fault(&body(&[], &[1], &[1], 100, &packs)), SegmentFault::Order("packs"));
}

#[test]
fn segment_12_reader_refuses_counts_that_the_body_can_not_hold() {
    let claims = [
        (body(&[], &[1], &[1], 1 << 40, &[one(1)]), "pack count"),
        ([&[0xff, 0xff, 0xff, 0x7f][..], &[0; 64]].concat(), "count of replaced segments"),
        ([&[0, 0xff, 0xff, 0x7f][..], &[0; 64]].concat(), "signers"),
        ([&[0, 0, 0xff, 0xff, 0x7f][..], &[0; 64]].concat(), "clients"),
    ];
    for (claim, what) in claims {
        let fault = fault(&claim);
        assert!(matches!(fault, SegmentFault::Wire(WireError::Range { what: found, .. }) if found == what), "{fault}");
    }
}

#[test]
fn a_builder_takes_the_largest_pack_and_then_says_that_it_is_full() {
    let lengths = vec![1 << 9; 65_536];
    let frames: Vec<(u32, &[u32])> = vec![(SEALED, &lengths[..]); 8];
    let mut builder = SegmentBuilder::new();
    builder.push(row(1, 1, 1, &frames)).unwrap();
    let refused = builder.push(row(2, 1, 1, &frames)).unwrap_err();
    assert_eq!(refused.0.facts().pack, PackId::from_bytes([2; 32]));
    assert_eq!((builder.pack_count(), builder.chunk_count()), (1, 524_288));
    assert_eq!(SegmentReader::parse(SEGMENT, &builder.finish()).unwrap().chunk_count(), 524_288);
}

const SEALED: u32 = crate::layout::SEALED_BYTES_MAX;

#[test]
fn a_pack_and_a_replaced_segment_are_taken_once() {
    let mut builder = SegmentBuilder::new();
    assert!(builder.is_empty());
    for _ in 0..2 {
        builder.push(rows()[0].clone()).unwrap();
        builder.replace(replaced(0)).unwrap();
    }
    assert_eq!((builder.pack_count(), builder.chunk_count()), (1, 4));
    assert_eq!(builder.finish(), build(&[replaced(0)], &rows()[..1]));
}

#[test]
fn a_builder_replaces_no_more_segments_than_a_reader_takes() {
    let mut builder = SegmentBuilder::new();
    for index in 0..65_536u32 {
        let mut id = [1; 32];
        id[..4].copy_from_slice(&index.to_le_bytes());
        builder.replace(Replaced { segment: SegmentId::from_bytes(id), pack_count: 1, chunk_count: 1 }).unwrap();
    }
    assert_eq!(builder.replace(replaced(9)), Err(SegmentFault::ReplacedCount { count: 65_537 }));
    assert_eq!(SegmentReader::parse(SEGMENT, &builder.finish()).unwrap().replaced().len(), 65_536);
}

#[test]
fn a_refusal_names_segment_place_and_fault() {
    let refused = SegmentReader::parse(SEGMENT, &[]).unwrap_err();
    let text = format!("segment {}, body byte 0: input ends inside a field at byte 0", "99".repeat(32));
    assert_eq!(refused.to_string(), text);
}

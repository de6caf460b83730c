//! Tests of packs: what is sealed reads back, and whatever is wrong is refused by name.

mod scan;
mod vectors;

use super::*;
use crate::id::{ClientId, RepositoryId, SessionId};
use crate::layout::{Class, FramePlace, FrameTable, LayoutError};
use crate::seal::{RootSecret, SealError, Secret};
use crate::wire::{WireError, Write};
use proptest::prelude::*;
use std::io;

const REPOSITORY: RepositoryId = RepositoryId::from_bytes([0x11; 16]);
const EPOCH: u32 = 3;

/// The secrets of one role in one epoch.
struct Ring {
    class: Option<RootSecret>,
    index: RootSecret,
}

impl Ring {
    fn all() -> Self {
        Self { class: Some(root(1)), index: root(2) }
    }

    /// A client that may write and not read.
    fn put() -> Self {
        Self { class: None, index: root(2) }
    }
}

impl PackKeys for Ring {
    fn repository(&self) -> RepositoryId {
        REPOSITORY
    }

    fn class_root(&self, _: Class, epoch: u32) -> Option<&RootSecret> {
        self.class.as_ref().filter(|_| epoch == EPOCH)
    }

    fn index_root(&self, epoch: u32) -> Option<&RootSecret> {
        Some(&self.index).filter(|_| epoch == EPOCH)
    }
}

fn root(byte: u8) -> RootSecret {
    RootSecret::new(Secret::from_bytes([byte; 32]))
}

fn identity(class: Class) -> PackIdentity {
    let session = SessionId { client: ClientId::from_bytes([0x22; 16]), number: 5 };
    PackIdentity { class, key_epoch: EPOCH, repository: REPOSITORY, session }
}

fn sealer_of(class: Class, salt: u8) -> PackSealer {
    PackSealer::with_salt(&identity(class), WriteKey::Symmetric(&root(1)), &root(2), [salt; 32]).unwrap()
}

fn sealer() -> PackSealer {
    sealer_of(Class::Content, 7)
}

/// A stored frame with this plaintext.
fn frame(sealer: &PackSealer, number: u32, plaintext: &[u8]) -> Vec<u8> {
    let mut buffer = vec![0; FRAME_PREFIX_BYTES];
    buffer.extend_from_slice(plaintext);
    sealer.seal_frame(number, &mut buffer);
    buffer
}

/// A whole pack of these frames, each said to be one chunk of its plaintext's length.
fn pack(sealer: &PackSealer, plaintexts: &[&[u8]]) -> (Vec<u8>, FrameTable) {
    let mut table = sealer.table();
    let mut bytes = sealer.header_bytes();
    for (number, plaintext) in (0..).zip(plaintexts) {
        let length = u32::try_from(plaintext.len()).unwrap();
        let place = table.push(PackSealer::sealed_bytes(plaintext.len()), &[length]).unwrap();
        assert_eq!(usize::try_from(place.offset).unwrap(), bytes.len());
        bytes.extend_from_slice(&frame(sealer, number, plaintext));
    }
    bytes.extend_from_slice(&sealer.seal_end(&table, Padding::Always));
    (bytes, table)
}

fn id(bytes: &[u8]) -> PackId {
    let mut hasher = PackHasher::new();
    hasher.update(bytes);
    hasher.id()
}

/// Reads a pack as a reader without an index does: header, footer, and every frame at its place.
fn read_all(bytes: &[u8], keys: &Ring) -> Result<Vec<Vec<u8>>, ReadError<io::Error>> {
    let opener = read_opener(id(bytes), bytes, keys)?;
    let table = opener.read_footer(bytes)?;
    let mut buffer = Vec::new();
    table.frames().map(|row| Ok(read_frame(&opener, bytes, row.place, &mut buffer)?.to_vec())).collect()
}

/// Why a pack is refused: the place and the fault.
fn refusal(bytes: &[u8]) -> (u64, Fault) {
    match read_all(bytes, &Ring::all()) {
        Err(ReadError::Pack(refusal)) => {
            assert_eq!(refusal.pack, Some(id(bytes)));
            (refusal.offset, refusal.fault)
        }
        other => panic!("not refused: {other:?}"),
    }
}

fn put(bytes: &[u8], offset: usize, field: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[offset..offset + field.len()].copy_from_slice(field);
    bytes
}

/// Puts another footer, properly sealed, behind the frames: `announced` stands in trailer, head and binding.
fn with_footer(bytes: &[u8], table: &FrameTable, announced: u32, plaintext: &[u8]) -> Vec<u8> {
    let opener = read_opener(id(bytes), bytes, &Ring::all()).unwrap();
    let header = opener.header();
    let key = root(2).part_object_key(FOOTER_PART, &header.salt);
    let sealed = key.seal(&footer_binding(header, announced), plaintext);
    let mut out = bytes[..usize::try_from(table.end_offset()).unwrap()].to_vec();
    let footer_offset = table.end_offset();
    out.extend_from_slice(&encode_head(FOOTER_MAGIC, announced, sealed.len().try_into().unwrap()));
    out.extend_from_slice(&sealed);
    let footer_bytes = u32::try_from(out.len()).unwrap() - footer_offset;
    out.extend_from_slice(&Trailer { footer_offset, footer_bytes, frame_count: announced }.encode());
    out
}

/// A footer's plaintext with the right header hash and this table.
fn footer_plaintext(bytes: &[u8], values: &[u64]) -> Vec<u8> {
    let header = PackHeader::parse(None, bytes).unwrap().encode();
    let mut out = blake3::hash(&header).as_bytes().to_vec();
    values.iter().for_each(|value| out.put_varint(*value));
    out
}

fn trailer_of(bytes: &[u8]) -> (usize, Trailer) {
    let start = bytes.len() - TRAILER_BYTES;
    let trailer = Trailer::parse(None, bytes[start..].try_into().unwrap(), bytes.bytes()).unwrap();
    (start, trailer)
}

const PLAINTEXTS: [&[u8]; 3] = [b"first", b"the second frame", b"3"];

proptest! {
    #[test]
    fn pack_6_frames_open_with_header_and_place_alone(
        plaintexts in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..2000), 1..6),
    ) {
        let plaintexts: Vec<&[u8]> = plaintexts.iter().map(Vec::as_slice).collect();
        let (bytes, table) = pack(&sealer(), &plaintexts);
        prop_assert_eq!(read_all(&bytes, &Ring::all()).unwrap(), plaintexts.clone());
        let opener = PackOpener::open(id(&bytes), &bytes[..128], &Ring::all()).unwrap();
        for (row, plaintext) in table.frames().zip(plaintexts) {
            let start = usize::try_from(row.place.offset).unwrap();
            let mut stored = bytes[start..usize::try_from(row.place.end()).unwrap()].to_vec();
            prop_assert_eq!(opener.open_frame(row.place, &mut stored).unwrap(), plaintext);
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(tail: Vec<u8>, cut in 0usize..200) {
        let mut bytes = sealer().header_bytes();
        bytes.extend_from_slice(&tail);
        bytes.truncate(cut + tail.len() / 2);
        prop_assert!(read_all(&bytes, &Ring::all()).is_err());
    }
}

#[test]
fn pack_1_every_pack_gets_a_fresh_salt() {
    let create = || PackSealer::create(&identity(Class::Stat), WriteKey::Symmetric(&root(1)), &root(2)).unwrap();
    let (one, other) = (create(), create());
    assert_ne!(one.header().salt, other.header().salt);
    assert_ne!(one.header().commitment, other.header().commitment);
    assert_ne!(frame(&one, 0, b"same"), frame(&other, 0, b"same"));
}

#[test]
fn pack_2_reader_refuses_a_header_it_does_not_know() {
    let (bytes, _) = pack(&sealer(), &PLAINTEXTS);
    let cases: [(usize, &[u8], u64, Fault); 12] = [
        (0, b"HOLDPACL", 0, Fault::Magic("a pack")),
        (8, &[0, 0], 8, Fault::Version(0)),
        (8, &[2, 0], 8, Fault::Version(2)),
        (10, &[2, 0], 10, Fault::Suite(2)),
        (12, &[0], 12, Fault::Class(0)),
        (12, &[4], 12, Fault::Class(4)),
        (13, &[1, 0, 0], 13, Fault::KeyField { kind: 1, bytes: 0 }),
        (13, &[0, 32, 0], 13, Fault::KeyField { kind: 0, bytes: 32 }),
        (13, &[2, 0, 0], 13, Fault::KeyField { kind: 2, bytes: 0 }),
        (13, &[1, 32, 1], 13, Fault::KeyField { kind: 1, bytes: 288 }),
        (20, &[1], 20, Fault::Reserved),
        (23, &[128], 20, Fault::Reserved),
    ];
    for (offset, field, place, fault) in cases {
        assert_eq!(refusal(&put(&bytes, offset, field)), (place, fault), "{field:x?} at {offset}");
    }
    for length in 0..128 {
        let short = Fault::Short { part: "the header", bytes: length };
        assert_eq!(refusal(&bytes[..usize::try_from(length).unwrap()]), (0, short));
    }
}

#[test]
fn a_header_reads_back_for_every_class_and_key_field() {
    for class in Class::ALL {
        for key_field in [KeyField::Symmetric, KeyField::Encapsulated([9; 32])] {
            let header = PackHeader { key_field, ..sealer_of(class, 1).header().clone() };
            let bytes = header.encode();
            assert_eq!(bytes.len(), usize::try_from(header.bytes()).unwrap());
            assert_eq!(PackHeader::parse(None, &bytes), Ok(header));
            assert!(PackHeader::parse(None, &bytes[..bytes.len() - 1]).is_err());
        }
    }
}

#[test]
fn pack_3_reader_refuses_a_pack_of_another_repository() {
    let (bytes, _) = pack(&sealer(), &PLAINTEXTS);
    let other = RepositoryId::from_bytes([0x10; 16]);
    assert_eq!(refusal(&put(&bytes, 24, &[0x10; 16])), (24, Fault::Repository(other)));
}

#[test]
fn pack_4_reader_refuses_a_key_that_the_header_does_not_commit_to() {
    let (bytes, _) = pack(&sealer(), &PLAINTEXTS);
    assert_eq!(refusal(&put(&bytes, 96, &[0])), (96, Fault::Key(SealError::Commitment)));
    assert_eq!(refusal(&put(&bytes, 64, &[0])), (96, Fault::Key(SealError::Commitment)), "another salt");
    assert_eq!(refusal(&put(&bytes, 16, &[4])), (16, Fault::Epoch(4)));
    let stranger = Ring { class: Some(root(9)), ..Ring::all() };
    let refused = PackOpener::open(id(&bytes), &bytes, &stranger).unwrap_err();
    assert_eq!((refused.offset, refused.fault), (96, Fault::Key(SealError::Commitment)));
}

#[test]
fn pack_5_reader_refuses_a_frame_head_that_is_not_the_one_it_asked_for() {
    let (bytes, table) = pack(&sealer(), &PLAINTEXTS);
    let place = table.frame(1).unwrap().place;
    let start = usize::try_from(place.offset).unwrap();
    let offset = u64::from(place.offset);
    let sealed = u64::from(place.stored_bytes) - 12;
    let length = |found| Fault::SealedBytes { part: "the frame", expected: sealed, found };
    let cases: [(usize, &[u8], Fault); 6] = [
        (0, b"FRMF", Fault::Magic("the frame")),
        (0, b"FOOT", Fault::Magic("the frame")),
        (4, &[2], Fault::FrameNumber { expected: 1, found: 2 }),
        (4, &[1, 0, 0, 1], Fault::FrameNumber { expected: 1, found: 0x0100_0001 }),
        (8, &[0], length(0)),
        (8, &[255; 4], length(u64::from(u32::MAX))),
    ];
    for (field, value, fault) in cases {
        assert_eq!(refusal(&put(&bytes, start + field, value)), (offset, fault), "{value:x?} at {field}");
    }
}

#[test]
fn pack_5_reader_refuses_a_place_that_is_not_in_the_pack() {
    let (bytes, table) = pack(&sealer(), &PLAINTEXTS);
    let opener = read_opener(id(&bytes), &bytes[..], &Ring::all()).unwrap();
    let place = table.frame(2).unwrap().place;
    let read = |place| match read_frame(&opener, &bytes[..], place, &mut Vec::new()) {
        Err(ReadError::Pack(refused)) => refused.fault,
        other => panic!("not refused: {other:?}"),
    };
    let left = u64::try_from(bytes.len()).unwrap() - u64::from(place.offset);
    let beyond = FramePlace { stored_bytes: u32::try_from(left).unwrap() + 1, ..place };
    assert_eq!(read(beyond), Fault::Short { part: "the frame", bytes: left });
    let outside = FramePlace { offset: u32::MAX, stored_bytes: u32::MAX, ..place };
    assert_eq!(read(outside), Fault::Short { part: "the frame", bytes: 0 });
    assert!(matches!(read(FramePlace { stored_bytes: 11, ..place }), Fault::Short { .. }));
    assert!(matches!(read(FramePlace { stored_bytes: 12, ..place }), Fault::SealedBytes { .. }));
    assert!(matches!(read(FramePlace { offset: place.offset + 1, ..place }), Fault::Magic(_)));
    let buffer = &mut [0; 20];
    let wrong = opener.open_frame(place, buffer).unwrap_err();
    assert_eq!(wrong.fault, Fault::Short { part: "the frame", bytes: 20 });
}

#[test]
fn pack_7_a_frame_opens_only_at_its_number_in_its_pack_and_class() {
    let plaintext = b"content";
    let own = sealer();
    let place = own.table().push(PackSealer::sealed_bytes(plaintext.len()), &[7]).unwrap();
    let open = |mut stored: Vec<u8>, number: u32| {
        stored[4..8].copy_from_slice(&number.to_le_bytes());
        let place = FramePlace { number, ..place };
        own.opener().open_frame(place, &mut stored).map(|plaintext| plaintext.to_vec()).map_err(|refused| refused.fault)
    };
    let forged = |frame| Err(Fault::Frame { frame, source: SealError::Forged });
    assert_eq!(open(frame(&own, 0, plaintext), 0), Ok(plaintext.to_vec()));
    assert_eq!(open(frame(&own, 0, plaintext), 1), forged(1), "moved to another number");
    assert_eq!(open(frame(&sealer_of(Class::Content, 8), 0, plaintext), 0), forged(0), "from another pack");
    assert_eq!(open(frame(&sealer_of(Class::Manifest, 7), 0, plaintext), 0), forged(0), "from another class");
    let footer = root(1).object_key(&[7; 32]).seal(&footer_binding(own.header(), 0), plaintext);
    let disguised = [&encode_head(FRAME_MAGIC, 0, place.stored_bytes - 12)[..], &footer].concat();
    assert_eq!(open(disguised, 0), forged(0), "a footer in a frame's place");
}

#[test]
fn pack_8_frames_that_changed_places_are_refused() {
    let (bytes, table) = pack(&sealer(), &[b"1 of 2", b"2 of 2"]);
    let [first, second] = [0, 1].map(|number| {
        let place = table.frame(number).unwrap().place;
        usize::try_from(place.offset).unwrap()..usize::try_from(place.end()).unwrap()
    });
    let mut swapped = put(&bytes, first.start, &bytes[second.clone()]);
    swapped[second].copy_from_slice(&bytes[first]);
    assert_eq!(refusal(&swapped), (128, Fault::FrameNumber { expected: 0, found: 1 }));
}

#[test]
fn pack_9_a_footer_opens_only_behind_its_own_frames() {
    let (bytes, table) = pack(&sealer(), &PLAINTEXTS);
    let (end, other_table) = (u64::from(table.end_offset()), &table);
    let (other, _) = pack(&sealer_of(Class::Content, 8), &PLAINTEXTS);
    let cut = usize::try_from(end).unwrap();
    let swapped = [&bytes[..cut], &other[cut..]].concat();
    assert_eq!(refusal(&swapped), (end, Fault::Footer(SealError::Forged)));
    let (stat, _) = pack(&sealer_of(Class::Stat, 7), &PLAINTEXTS);
    assert_eq!(refusal(&[&bytes[..cut], &stat[cut..]].concat()), (end, Fault::Footer(SealError::Forged)));
    let plaintext = footer_plaintext(&bytes, &[3]);
    let moved = with_footer(&bytes, other_table, 3, &plaintext);
    let (start, _) = trailer_of(&moved);
    let renumbered = put(&put(&moved, start + 12, &[2]), cut + 4, &[2]);
    assert_eq!(refusal(&renumbered), (end, Fault::Footer(SealError::Forged)));
}

#[test]
fn pack_10_a_footer_belongs_to_every_byte_of_its_header() {
    let (bytes, table) = pack(&sealer(), &PLAINTEXTS);
    let end = u64::from(table.end_offset());
    assert_eq!(refusal(&put(&bytes, 56, &[6])), (end, Fault::FooterHeader), "another session");
    assert_eq!(refusal(&put(&bytes, 40, &[6])), (end, Fault::FooterHeader), "another client");
}

#[test]
fn pack_11_reader_refuses_counts_of_frames_that_differ() {
    let (bytes, table) = pack(&sealer(), &PLAINTEXTS);
    let end = u64::from(table.end_offset());
    let (start, _) = trailer_of(&bytes);
    let differ = |expected, found| (end, Fault::FrameCount { expected, found });
    assert_eq!(refusal(&put(&bytes, start + 12, &[2])), differ(2, 3));
    let two = footer_plaintext(&bytes, &[2, 53, 1, 5, 64, 1, 16]);
    assert_eq!(refusal(&with_footer(&bytes, &table, 3, &two)), differ(3, 2));
}

#[test]
fn pack_12_reader_refuses_frames_that_end_before_or_behind_the_footer() {
    let (bytes, table) = pack(&sealer(), &PLAINTEXTS);
    assert_eq!(table.end_offset(), 330);
    for (sealed, end) in [(48, 329), (50, 331), (34_603_008, 34_603_289)] {
        let lying = with_footer(&bytes, &table, 3, &footer_plaintext(&bytes, &[3, 53, 1, 5, 64, 1, 16, sealed, 1, 1]));
        assert_eq!(refusal(&lying), (330, Fault::FramesEnd { end }));
    }
}

#[test]
fn pack_13_reader_refuses_a_table_beyond_its_limits() {
    let (bytes, table) = pack(&sealer(), &PLAINTEXTS);
    let overlong: Vec<u64> = [1, 48, 3].into_iter().chain([1 << 24, 1 << 24, 1]).collect();
    let cases: [(&[u64], LayoutError); 7] = [
        (&[0], LayoutError::NoFrames),
        (&[65_537], LayoutError::FrameCount { count: 65_537 }),
        (&[1, 47, 1, 1], LayoutError::SealedBytes { frame: 0, sealed_bytes: 47 }),
        (&[1, u64::MAX, 1, 1], LayoutError::SealedBytes { frame: 0, sealed_bytes: u64::MAX }),
        (&[1, 48, 0], LayoutError::ChunkCount { frame: 0, count: 0 }),
        (&overlong, LayoutError::RawBytes { frame: 0 }),
        (&[1, 48, 1, 1, 0], LayoutError::Wire(WireError::Trailing { offset: 36, count: 1 })),
    ];
    for (values, layout) in cases {
        let lying = with_footer(&bytes, &table, 3, &footer_plaintext(&bytes, values));
        assert_eq!(refusal(&lying), (u64::from(table.end_offset()), Fault::Table(layout)), "{values:?}");
    }
    let empty = with_footer(&bytes, &table, 3, &[]);
    let layout = LayoutError::Wire(WireError::UnexpectedEnd { offset: 0 });
    assert_eq!(refusal(&empty).1, Fault::Table(layout));
}

#[test]
fn pack_14_reader_refuses_a_trailer_that_points_elsewhere() {
    let (bytes, _) = pack(&sealer(), &PLAINTEXTS);
    let (start, trailer) = trailer_of(&bytes);
    let at = u64::try_from(start).unwrap();
    let (offset, length) = (u64::from(trailer.footer_offset), trailer.footer_bytes);
    let room = u32::try_from(at - offset).unwrap();
    let place = |offset: u64, bytes| (at, Fault::FooterPlace { offset, bytes });
    let cases: [(usize, Vec<u8>, (u64, Fault)); 10] = [
        (16, b"HOLDTAIK".to_vec(), (at + 16, Fault::Magic("a trailer"))),
        (0, 127u64.to_le_bytes().to_vec(), place(127, length)),
        (0, u64::MAX.to_le_bytes().to_vec(), place(u64::MAX, length)),
        (0, (offset + (1 << 32)).to_le_bytes().to_vec(), place(offset + (1 << 32), length)),
        (8, 59u32.to_le_bytes().to_vec(), place(offset, 59)),
        (8, (room + 1).to_le_bytes().to_vec(), place(offset, room + 1)),
        (8, u32::MAX.to_le_bytes().to_vec(), place(offset, u32::MAX)),
        (12, 0u32.to_le_bytes().to_vec(), (at + 12, Fault::TrailerFrames(0))),
        (12, 65_537u32.to_le_bytes().to_vec(), (at + 12, Fault::TrailerFrames(65_537))),
        (0, (offset + 1).to_le_bytes().to_vec(), (offset + 1, Fault::Magic("the footer"))),
    ];
    for (field, value, refused) in cases {
        assert_eq!(refusal(&put(&bytes, start + field, &value)), refused, "{value:x?} at {field}");
    }
    let sealed = u64::from(length) - 12;
    let lengthened = put(&bytes, start + 8, &(length + 1).to_le_bytes());
    let fault = Fault::SealedBytes { part: "the footer", expected: sealed + 1, found: sealed };
    assert_eq!(refusal(&lengthened), (offset, fault));
}

#[test]
fn a_trailer_may_claim_the_most_frames_and_needs_room_behind_the_header() {
    let trailer = Trailer { footer_offset: 128, footer_bytes: 100, frame_count: crate::layout::FRAME_COUNT_MAX };
    let parse = |trailer: &Trailer| Trailer::parse(None, &trailer.encode().try_into().unwrap(), 1000);
    assert_eq!(parse(&trailer), Ok(trailer));
    let frame_count = trailer.frame_count + 1;
    assert_eq!(parse(&Trailer { frame_count, ..trailer }).unwrap_err().fault, Fault::TrailerFrames(frame_count));
    let header = sealer().header_bytes();
    assert_eq!(refusal(&[&header[..], &[0; 23]].concat()), (0, Fault::Short { part: "the pack", bytes: 151 }));
    assert_eq!(refusal(&[&header[..], &[0; 24]].concat()), (144, Fault::Magic("a trailer")));
}

#[test]
fn pack_14_reader_refuses_a_footer_above_its_cap() {
    let parse = |footer_bytes| {
        let trailer = Trailer { footer_offset: 128, footer_bytes, frame_count: 1 };
        (trailer, Trailer::parse(None, trailer.encode()[..].try_into().unwrap(), 1 << 30))
    };
    let (trailer, parsed) = parse(FOOTER_BYTES_MAX);
    assert_eq!(parsed, Ok(trailer));
    let (_, refused) = parse(FOOTER_BYTES_MAX + 1);
    assert_eq!(refused.unwrap_err().fault, Fault::FooterPlace { offset: 128, bytes: FOOTER_BYTES_MAX + 1 });
}

/// A pack that claims a length and must not be read.
struct Vast(u64);

impl PackSource for Vast {
    type Error = io::Error;

    fn bytes(&self) -> u64 {
        self.0
    }

    fn read_at(&self, _: u64, _: &mut [u8]) -> Result<(), io::Error> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[test]
fn pack_15_reader_refuses_a_pack_above_the_cap_before_reading_it() {
    let pack = PackId::from_bytes([3; 32]);
    for bytes in [(1 << 30) + 1, u64::MAX] {
        let refused = PackError { pack: Some(pack), offset: 1 << 30, fault: Fault::Long { bytes } };
        assert!(matches!(read_header(pack, &Vast(bytes)), Err(ReadError::Pack(found)) if found == refused));
        let opener = sealer().opener();
        assert!(matches!(scan::new(&opener, &Vast(bytes)), Err(found) if found.fault == refused.fault));
        let trailer = Trailer { footer_offset: 128, footer_bytes: 60, frame_count: 1 }.encode();
        let trailer = Trailer::parse(Some(pack), trailer[..].try_into().unwrap(), bytes);
        assert_eq!(trailer, Err(refused));
    }
    assert!(matches!(read_header(pack, &Vast(1 << 30)), Err(ReadError::Source(_))));
}

#[test]
fn a_frame_above_its_cap_is_refused_before_memory_is_taken_for_it() {
    let place = |stored_bytes| FramePlace { number: 0, offset: 128, stored_bytes };
    let read = |place| read_frame(&sealer().opener(), &Vast(1 << 30), place, &mut Vec::new()).map(|_| ()).unwrap_err();
    let largest = crate::layout::SEALED_BYTES_MAX + 12;
    assert!(matches!(read(place(largest)), ReadError::Source(_)));
    let ReadError::Pack(refused) = read(place(largest + 1)) else { panic!("it was read") };
    let (expected, found) = (34_603_008, 34_603_009);
    assert_eq!(refused.fault, Fault::SealedBytes { part: "the frame", expected, found });
}

#[test]
fn padding_is_tight_below_a_five_hundred_and_twelfth() {
    let closing = |padding: u64| Closing { unpadded_bytes: 512_000, padded_bytes: 512_000 + padding };
    assert!(closing(0).is_tight() && closing(999).is_tight());
    assert!(!closing(1000).is_tight());
}

#[test]
fn pack_16_an_id_is_the_plain_hash_of_all_bytes() {
    let (bytes, _) = pack(&sealer(), &PLAINTEXTS);
    let mut piecewise = PackHasher::new();
    bytes.chunks(7).for_each(|piece| piecewise.update(piece));
    assert_eq!(piecewise.id().as_bytes(), blake3::hash(&bytes).as_bytes());
}

#[test]
fn pack_17_a_pack_ends_at_a_padme_size_with_zeros_before_the_trailer() {
    for length in [1, 100, 1000, 5000, 100_000] {
        let (bytes, table) = pack(&sealer(), &[&vec![1; length]]);
        assert_eq!(bytes.bytes(), padded_bytes(bytes.bytes()));
        let closing = sealer().closing(&table);
        assert_eq!(bytes.bytes(), closing.padded_bytes);
        let (start, trailer) = trailer_of(&bytes);
        let padding = &bytes[usize::try_from(trailer.footer_offset + trailer.footer_bytes).unwrap()..start];
        assert!(padding.iter().all(|byte| *byte == 0));
        assert_eq!(u64::try_from(padding.len()).unwrap(), closing.padded_bytes - closing.unpadded_bytes);
        assert_eq!(closing.is_tight(), padding.len() * 512 < bytes.len() - padding.len());
    }
}

#[test]
fn pack_18_reader_looks_neither_at_the_padding_nor_at_its_length() {
    let (bytes, table) = pack(&sealer(), &PLAINTEXTS);
    let (start, trailer) = trailer_of(&bytes);
    let footer_end = usize::try_from(trailer.footer_offset + trailer.footer_bytes).unwrap();
    for padding in [&b""[..], b"not zero", &[0; 10_000]] {
        let other = [&bytes[..footer_end], padding, &bytes[start..]].concat();
        assert_eq!(read_all(&other, &Ring::all()).unwrap(), PLAINTEXTS);
        let opener = read_opener(id(&other), &other[..], &Ring::all()).unwrap();
        assert_eq!(opener.read_footer(&other[..]).unwrap(), table);
    }
}

#[test]
fn a_writer_can_open_what_it_sealed_before_the_pack_has_a_name() {
    let sealer = sealer();
    let mut stored = frame(&sealer, 0, b"content");
    let place = sealer.table().push(PackSealer::sealed_bytes(7), &[7]).unwrap();
    assert_eq!(sealer.opener().open_frame(place, &mut stored.clone()).unwrap(), b"content");
    *stored.last_mut().unwrap() ^= 1;
    let refused = sealer.opener().open_frame(place, &mut stored).unwrap_err();
    assert!(refused.to_string().starts_with("pack being written, byte 128: frame 0: the seal does not open"));
}

#[test]
fn pack_22_a_role_that_may_only_write_opens_footers_and_no_frames() {
    let (bytes, table) = pack(&sealer(), &PLAINTEXTS);
    let opener = read_opener(id(&bytes), &bytes[..], &Ring::put()).unwrap();
    assert!(!opener.opens_frames());
    assert_eq!(opener.read_footer(&bytes[..]).unwrap(), table);
    let refused = read_frame(&opener, &bytes[..], table.frame(0).unwrap().place, &mut Vec::new()).unwrap_err();
    let expected = PackError { pack: Some(id(&bytes)), offset: 128, fault: Fault::Withheld(Class::Content) };
    assert!(!expected.is_corrupt());
    assert!(matches!(refused, ReadError::Pack(refused) if refused == expected));
}

#[test]
fn pack_23_what_is_encapsulated_to_the_public_half_opens_with_the_secret_half() {
    let public = root(1).public();
    let sealer = PackSealer::create(&identity(Class::Manifest), WriteKey::Public(&public), &root(2)).unwrap();
    let (bytes, table) = pack(&sealer, &PLAINTEXTS);
    assert_eq!(table.header_bytes(), 160);
    assert_eq!(read_all(&bytes, &Ring::all()).unwrap(), PLAINTEXTS);
    assert_eq!(refusal(&put(&bytes, 128, &[0; 32])), (96, Fault::Key(SealError::Encapsulation)));
    let (offset, fault) = refusal(&put(&bytes, 128, &[bytes[128] ^ 1]));
    assert_eq!((offset, fault), (96, Fault::Key(SealError::Commitment)));
    let put_role = read_opener(id(&bytes), &bytes[..], &Ring::put()).unwrap();
    assert_eq!(put_role.read_footer(&bytes[..]).unwrap(), table);
}

#[test]
fn pack_24_every_flipped_bit_outside_the_padding_is_refused() {
    let (bytes, _) = pack(&sealer(), &[b"first", b"second"]);
    let (start, trailer) = trailer_of(&bytes);
    let padding = usize::try_from(trailer.footer_offset + trailer.footer_bytes).unwrap()..start;
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        match read_all(&flipped, &Ring::all()) {
            Ok(frames) => assert!(padding.contains(&(bit / 8)) && frames == [&b"first"[..], b"second"], "bit {bit}"),
            Err(ReadError::Pack(_)) => assert!(!padding.contains(&(bit / 8)), "bit {bit}"),
            Err(ReadError::Source(error)) => panic!("bit {bit}: {error}"),
        }
    }
}

#[test]
fn pack_24_a_pack_cut_at_any_length_is_refused() {
    let (bytes, _) = pack(&sealer(), &PLAINTEXTS);
    for length in 0..bytes.len() {
        assert!(matches!(read_all(&bytes[..length], &Ring::all()), Err(ReadError::Pack(_))), "{length}");
    }
}

#[test]
fn a_refusal_names_pack_place_and_fault() {
    let refused = PackError { pack: Some(PackId::from_bytes([0xab; 32])), offset: 128, fault: Fault::Class(9) };
    assert_eq!(refused.to_string(), format!("pack {}, byte 128: class 9 is not known", "ab".repeat(32)));
    assert!(refused.is_corrupt());
    let sealed = PackError { fault: Fault::Footer(SealError::Forged), ..refused };
    let cause = std::error::Error::source(&sealed).map(ToString::to_string);
    assert_eq!(cause, Some(SealError::Forged.to_string()));
}

#[test]
#[should_panic(expected = "the caller leaves room for the prefix")]
fn a_frame_without_room_for_its_prefix_is_a_defect() {
    sealer().seal_frame(0, &mut vec![0; FRAME_PREFIX_BYTES - 1]);
}

#[test]
fn sealing_in_place_moves_no_byte() {
    let mut buffer = Vec::with_capacity(FRAME_PREFIX_BYTES + 100 + 16);
    buffer.resize(FRAME_PREFIX_BYTES + 100, 0x5a);
    let place = buffer.as_ptr();
    sealer().seal_frame(0, &mut buffer);
    assert_eq!(buffer.as_ptr(), place);
    assert_eq!(buffer.len(), FRAME_PREFIX_BYTES + 100 + 16);
}

#[test]
fn sealer_and_opener_are_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<PackSealer>();
    shared::<PackOpener>();
}

#[test]
fn pack_17_a_pack_is_left_unpadded_only_where_padding_would_take_more_than_a_512th() {
    let mut seen = [false; 2];
    for length in (1000..60_000).step_by(1777) {
        let sealer = sealer();
        let mut table = sealer.table();
        table.push(PackSealer::sealed_bytes(length), &[1]).unwrap();
        let closing = sealer.closing(&table);
        let ending = sealer.seal_end(&table, Padding::WhereCheap).len();
        let bytes = u64::from(table.end_offset()) + u64::try_from(ending).unwrap();
        let expected = if closing.is_tight() { closing.padded_bytes } else { closing.unpadded_bytes };
        assert_eq!(bytes, expected, "{length}");
        seen[usize::from(closing.is_tight())] = true;
    }
    assert_eq!(seen, [true, true], "both cases were met");
}

//! Scans of packs whose footer can't be used.

use super::*;
use std::cell::Cell;

/// What a scan found, with the plaintexts.
#[derive(Debug, PartialEq, Eq)]
enum Item {
    Frame(u32, Vec<u8>),
    Damage(u64, u64),
    Footer(u32),
}

pub(super) fn new<'s, S: PackSource>(opener: &'s PackOpener, source: &'s S) -> Result<Scan<'s, S>, PackError> {
    Scan::new(opener, source)
}

fn items<S: PackSource<Error = io::Error> + ?Sized>(source: &S) -> Vec<Item> {
    let opener = sealer().opener();
    let mut scan = Scan::new(&opener, source).unwrap();
    let mut items = Vec::new();
    while let Some(found) = scan.step().unwrap() {
        items.push(match found {
            Found::Frame(place, plaintext) => Item::Frame(place.number, plaintext.to_vec()),
            Found::Damage(damage) => Item::Damage(damage.offset, damage.bytes),
            Found::Footer(table) => Item::Footer(table.frame_count()),
        });
        assert!(items.len() < 1000, "a scan ends");
    }
    items
}

fn frames() -> Vec<Item> {
    (0..).zip(PLAINTEXTS).map(|(number, plaintext)| Item::Frame(number, plaintext.to_vec())).collect()
}

/// All frames but one, with damage in its place.
fn frames_without(number: usize, damage: Item) -> Vec<Item> {
    let mut items = frames();
    items[number] = damage;
    items
}

fn start(table: &FrameTable, number: u32) -> usize {
    usize::try_from(table.frame(number).unwrap().place.offset).unwrap()
}

fn stored(table: &FrameTable, number: u32) -> u64 {
    table.frame(number).unwrap().place.stored_bytes.into()
}

#[test]
fn pack_19_a_scan_reads_every_frame_up_to_the_footer() {
    let (bytes, _) = pack(&sealer(), &PLAINTEXTS);
    let expected = frames().into_iter().chain([Item::Footer(3)]).collect::<Vec<_>>();
    assert_eq!(items(&bytes[..]), expected);
    let (start, _) = trailer_of(&bytes);
    assert_eq!(items(&bytes[..start]), expected, "without its trailer");
}

#[test]
fn pack_19_a_scan_needs_no_footer() {
    let (bytes, table) = pack(&sealer(), &PLAINTEXTS);
    let end = usize::try_from(table.end_offset()).unwrap();
    assert_eq!(items(&bytes[..end]), frames());
    let footer_bytes = usize::try_from(trailer_of(&bytes).1.footer_bytes).unwrap();
    for length in end + 1..end + footer_bytes {
        let tail = Item::Damage(table.end_offset().into(), u64::try_from(length - end).unwrap());
        assert_eq!(items(&bytes[..length]), frames().into_iter().chain([tail]).collect::<Vec<_>>(), "{length}");
    }
    let whole = frames().into_iter().chain([Item::Footer(3)]).collect::<Vec<_>>();
    assert_eq!(items(&bytes[..end + footer_bytes]), whole, "nothing behind the footer");
    let broken = put(&bytes, end + 20, &[bytes[end + 20] ^ 1]);
    let tail = Item::Damage(table.end_offset().into(), (bytes.len() - end).try_into().unwrap());
    assert_eq!(items(&broken[..]), frames().into_iter().chain([tail]).collect::<Vec<_>>());
}

#[test]
fn pack_19_a_scan_goes_on_behind_damage() {
    let (bytes, table) = pack(&sealer(), &PLAINTEXTS);
    let length = stored(&table, 1);
    for at in start(&table, 1)..start(&table, 2) {
        let broken = put(&bytes, at, &[bytes[at] ^ 0x10]);
        let damage = Item::Damage(u64::try_from(start(&table, 1)).unwrap(), length);
        let expected: Vec<_> = frames_without(1, damage).into_iter().chain([Item::Footer(3)]).collect();
        assert_eq!(items(&broken[..]), expected, "byte {at}");
    }
}

#[test]
fn pack_19_a_scan_finds_the_footer_behind_a_damaged_frame() {
    let (bytes, table) = pack(&sealer(), &PLAINTEXTS);
    let broken = put(&bytes, start(&table, 2), b"FRAM");
    let damage = Item::Damage(u64::try_from(start(&table, 2)).unwrap(), stored(&table, 2));
    let expected: Vec<_> = frames_without(2, damage).into_iter().chain([Item::Footer(3)]).collect();
    assert_eq!(items(&broken[..]), expected);
}

/// Why the first part of a pack of one header and these bytes is refused.
fn first_fault(behind_header: &[u8]) -> Fault {
    let bytes = [&sealer().header_bytes()[..], behind_header].concat();
    let opener = sealer().opener();
    match Scan::new(&opener, &bytes[..]).unwrap().step() {
        Ok(Some(Found::Damage(damage))) => damage.fault,
        other => panic!("no damage: {other:?}"),
    }
}

#[test]
fn a_scan_says_why_a_part_is_refused() {
    let footer_of = |sealed_bytes: u32, room: u32| {
        let mut part = encode_head(FOOTER_MAGIC, 1, sealed_bytes).to_vec();
        part.resize(usize::try_from(room).unwrap(), 0);
        first_fault(&part)
    };
    let short = |part, bytes| Fault::Short { part, bytes };
    assert_eq!(first_fault(&[0; 11]), short("the frame", 11));
    assert_eq!(first_fault(&[0; 12]), Fault::Magic("the frame"));
    let most = FOOTER_BYTES_MAX - 12;
    assert!(matches!(footer_of(most, FOOTER_BYTES_MAX), Fault::Footer(_)));
    let room = FOOTER_BYTES_MAX + 1;
    assert_eq!(footer_of(most + 1, room), short("the footer", room.into()));
}

#[test]
fn pack_19_a_scan_reports_frames_that_are_gone_without_a_gap() {
    let (bytes, table) = pack(&sealer(), &PLAINTEXTS);
    let cut = [&bytes[..start(&table, 1)], &bytes[start(&table, 2)..]].concat();
    let tail = u64::try_from(cut.len()).unwrap() - (u64::from(table.end_offset()) - stored(&table, 1));
    let mut expected = frames_without(1, Item::Damage(u64::try_from(start(&table, 1)).unwrap(), 0));
    // The footer no longer stands where its frames end, so it is no footer of what is left.
    expected.push(Item::Damage(u64::from(table.end_offset()) - stored(&table, 1), tail));
    assert_eq!(items(&cut[..]), expected);
}

#[test]
fn pack_19_a_scan_finds_frames_across_the_windows_of_its_search() {
    let sealer = sealer();
    let header = sealer.header_bytes();
    for gap in [0usize, 1, 65_400, 65_533, 65_534, 65_535, 65_536, 65_537, 131_069, 200_000] {
        let rubbish = vec![b'F'; gap];
        let bytes = [&header[..], &rubbish, &frame(&sealer, 0, b"behind")].concat();
        let mut expected = vec![Item::Frame(0, b"behind".to_vec())];
        if gap > 0 {
            expected.insert(0, Item::Damage(128, gap.try_into().unwrap()));
        }
        assert_eq!(items(&bytes[..]), expected, "{gap}");
    }
}

#[test]
fn pack_19_a_scan_takes_no_frame_twice_and_none_of_another_pack() {
    let (own, other) = (sealer(), sealer_of(Class::Content, 8));
    let [first, second, foreign] = [frame(&own, 0, b"one"), frame(&own, 1, b"two"), frame(&other, 1, b"two")];
    let bytes = [&own.header_bytes()[..], &first, &first, &foreign, &second].concat();
    let damage = Item::Damage(128 + 63, 126);
    assert_eq!(items(&bytes[..]), [Item::Frame(0, b"one".to_vec()), damage, Item::Frame(1, b"two".to_vec())]);
}

#[test]
fn a_false_footer_hides_nothing() {
    let (bytes, table) = pack(&sealer(), &PLAINTEXTS);
    let broken = put(&bytes, start(&table, 1), b"FOOT");
    let damage = Item::Damage(u64::try_from(start(&table, 1)).unwrap(), stored(&table, 1));
    let expected: Vec<_> = frames_without(1, damage).into_iter().chain([Item::Footer(3)]).collect();
    assert_eq!(items(&broken[..]), expected);
}

/// Counts what is read of a pack.
struct Counted<'a>(&'a [u8], Cell<u64>);

impl PackSource for Counted<'_> {
    type Error = io::Error;

    fn bytes(&self) -> u64 {
        self.0.bytes()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), io::Error> {
        self.1.set(self.1.get() + u64::try_from(buffer.len()).unwrap());
        self.0.read_at(offset, buffer)
    }
}

#[test]
fn pack_20_a_scan_of_a_pack_made_of_false_heads_gives_up() {
    let mut bytes = sealer().header_bytes();
    let length = 40_000 * 12u32;
    for index in 0..40_000u32 {
        bytes.extend_from_slice(&encode_head(FRAME_MAGIC, index, length - index * 12 - 12));
    }
    let total = bytes.bytes();
    let counted = Counted(&bytes, Cell::new(0));
    assert_eq!(items(&counted), [Item::Damage(128, total - 128)]);
    let read = counted.1.get();
    assert!(read > 3 * total && read < 7 * total, "{read} of {total}");
}

#[test]
fn pack_22_a_role_that_may_only_write_can_not_scan() {
    let (bytes, _) = pack(&sealer(), &PLAINTEXTS);
    let opener = read_opener(id(&bytes), &bytes[..], &Ring::put()).unwrap();
    let refused = Scan::new(&opener, &bytes[..]).unwrap_err();
    assert_eq!((refused.offset, refused.fault), (12, Fault::Withheld(Class::Content)));
}

proptest! {
    #[test]
    fn a_scan_of_any_bytes_ends_and_accounts_for_all_of_them(
        pieces in prop::collection::vec(prop_oneof![
            prop::collection::vec(any::<u8>(), 0..80),
            Just(b"FRME".to_vec()),
            Just(b"FOOT".to_vec()),
            Just(frame(&sealer(), 0, b"zero")),
            Just(frame(&sealer(), 1, b"one")),
        ], 0..8),
    ) {
        let bytes = [sealer().header_bytes(), pieces.concat()].concat();
        let opener = sealer().opener();
        let mut scan = Scan::new(&opener, &bytes[..]).unwrap();
        let mut end = 128;
        while let Some(found) = scan.step().unwrap() {
            let (offset, length) = match found {
                Found::Frame(place, _) => (u64::from(place.offset), u64::from(place.stored_bytes)),
                Found::Damage(damage) => (damage.offset, damage.bytes),
                Found::Footer(_) => panic!("there is none"),
            };
            prop_assert_eq!(offset, end);
            end += length;
        }
        prop_assert_eq!(end, bytes[..].bytes());
    }
}

//! The packs of format-spec/vectors/pack: they are what this code writes, and are refused as their index says.

use super::*;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("format-spec/vectors/pack")
}

/// Two frames as the frame room encodes them (raw): "hello" and " world", then "again".
const FRAMES: [(&[u8], &[u32]); 2] = [(b"\x00\x02\x05\x06hello world", &[5, 6]), (b"\x00\x01\x05again", &[5])];

fn whole(sealer: &PackSealer) -> (Vec<u8>, FrameTable) {
    let mut table = sealer.table();
    let mut bytes = sealer.header_bytes();
    for (plaintext, lengths) in FRAMES {
        let place = table.push(PackSealer::sealed_bytes(plaintext.len()), lengths).unwrap();
        bytes.extend_from_slice(&frame(sealer, place.number, plaintext));
    }
    bytes.extend_from_slice(&sealer.seal_end(&table, Padding::Always));
    (bytes, table)
}

/// Every vector but the encapsulated ones, which can't be made twice: name, bytes, comment.
fn written() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let sealer = sealer_of(Class::Content, 0x77);
    let (valid, table) = whole(&sealer);
    let (other, _) = whole(&sealer_of(Class::Content, 0x78));
    let (stat, _) = whole(&sealer_of(Class::Stat, 0x79));
    let [first, second] = [0, 1].map(|number| usize::try_from(table.frame(number).unwrap().place.offset).unwrap());
    let end = usize::try_from(table.end_offset()).unwrap();
    let trailer = valid.len() - TRAILER_BYTES;
    let flip = |offset: usize| put(&valid, offset, &[valid[offset] ^ 1]);
    let lying = |count, values: &[u64]| with_footer(&valid, &table, count, &footer_plaintext(&valid, values));
    let true_table = [2, 63, 2, 5, 6, 56, 1, 5];
    let footer_end = end + usize::try_from(trailer_of(&valid).1.footer_bytes).unwrap();
    let spliced = [&valid[..footer_end], b"ignored", &valid[trailer..]].concat();
    vec![
        ("content", valid.clone(), "two frames, symmetric key field"),
        ("stat", stat, "class stat"),
        ("padding-ignored", spliced, "padding of another length and not of zeros is ignored by readers"),
        ("footer-resealed", lying(2, &true_table), "a footer sealed apart from the sealer, without padding"),
        ("empty", Vec::new(), "no bytes"),
        ("short-header", valid[..127].to_vec(), "one byte short of a header"),
        ("short-pack", valid[..151].to_vec(), "a header and no room for a trailer"),
        ("magic", put(&valid, 0, b"h"), "another magic"),
        ("version-2", put(&valid, 8, &[2]), "a version from the future"),
        ("suite-2", put(&valid, 10, &[2]), "a suite from the future"),
        ("class-4", put(&valid, 12, &[4]), "a class that does not exist"),
        ("key-field", put(&valid, 13, &[1]), "an encapsulated key field of no bytes"),
        ("reserved", put(&valid, 21, &[1]), "reserved bytes are set"),
        ("repository", put(&valid, 24, &[0]), "another repository"),
        ("epoch", put(&valid, 16, &[9]), "an epoch whose roots are not at hand"),
        ("salt", flip(64), "another salt gives another key"),
        ("commitment", flip(96), "a commitment to another key"),
        ("session", put(&valid, 56, &[6]), "another session in the header than the footer was made for"),
        ("trailer-magic", flip(trailer + 16), "another magic in the trailer"),
        ("trailer-offset", put(&valid, trailer + 7, &[128]), "a footer beyond the pack"),
        ("trailer-into-header", put(&valid, trailer, &127u64.to_le_bytes()), "a footer inside the header"),
        ("trailer-length", put(&valid, trailer + 8, &[255; 4]), "a footer longer than the pack"),
        ("trailer-count", put(&valid, trailer + 12, &[3]), "one frame more in the trailer than in the footer's head"),
        ("trailer-no-frames", put(&valid, trailer + 12, &[0]), "no frames in the trailer"),
        ("footer-magic", flip(end), "another magic in the footer's head"),
        ("footer-length", flip(end + 8), "a sealed length in the footer's head that is not the trailer's"),
        ("footer-bit", flip(end + 50), "a flipped bit in the footer"),
        ("footer-swapped", [&valid[..end], &other[end..]].concat(), "the footer of another pack"),
        ("footer-fewer", lying(2, &[1, 131, 1, 5]), "a sealed footer of one frame announced as two"),
        ("footer-ends-early", lying(2, &[2, 62, 2, 5, 6, 56, 1, 5]), "a sealed footer whose frames end early"),
        ("footer-ends-late", lying(2, &[2, 63, 2, 5, 6, 34_603_008, 1, 5]), "a sealed footer whose frames end late"),
        ("footer-empty", lying(2, &[0]), "a sealed footer of no frames"),
        ("footer-chunk-0", lying(2, &[2, 63, 2, 0, 6, 56, 1, 5]), "a chunk of no bytes"),
        ("footer-chunk-long", lying(2, &[2, 63, 2, 5, 16_777_217, 56, 1, 5]), "a chunk above 16 MiB"),
        ("footer-frame-long", lying(2, &[2, 63, 3, 1 << 24, 1 << 24, 1, 56, 1, 5]), "a frame above 32 MiB raw"),
        ("footer-sealed-47", lying(2, &[2, 47, 2, 5, 6, 56, 1, 5]), "a frame shorter than a seal"),
        ("footer-sealed-2-pow-32", lying(2, &[2, (1 << 32) + 63, 2, 5, 6, 56, 1, 5]), "a length that wraps in 32 bits"),
        ("footer-trailing", lying(2, &[2, 63, 2, 5, 6, 56, 1, 5, 0]), "a byte behind the table"),
        ("frame-magic", flip(first), "another magic in frame 0"),
        ("frame-number", put(&valid, second + 4, &[0]), "frame 1 says that it is frame 0"),
        ("frame-length", put(&valid, second + 8, &[57]), "frame 1 is longer than the footer says"),
        ("frame-hash", flip(second + 12), "a flipped bit in the hash of frame 1"),
        ("frame-bit", flip(first + 50), "a flipped bit in frame 0"),
        ("frame-swapped", put(&valid, first, &other[first..second]), "frame 0 of another pack"),
        ("cut", valid[..valid.len() - 1].to_vec(), "the last byte is gone"),
    ]
}

/// The vectors whose key field was made with a random number: file name and comment.
const ENCAPSULATED: [(&str, &str); 2] = [
    ("encapsulated", "class manifest, key field encapsulated to the public half of the class's root"),
    ("encapsulated-bit", "a flipped bit in the key field"),
];

fn read(name: &str) -> Vec<u8> {
    let text = fs::read_to_string(folder().join(format!("{name}.hex"))).unwrap();
    let digits: String = text.lines().filter(|line| !line.starts_with('#')).collect();
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn hex_file(bytes: &[u8], comment: &str) -> String {
    let mut text = format!("# {comment}\n");
    for line in bytes.chunks(32) {
        line.iter().for_each(|byte| write!(text, "{byte:02x}").unwrap());
        text.push('\n');
    }
    text
}

fn index_line(name: &str, bytes: &[u8], comment: &str) -> String {
    let (verdict, refusal) = match read_all(bytes, &Ring::all()) {
        Ok(frames) => {
            assert_eq!(frames, FRAMES.map(|(plaintext, _)| plaintext));
            ("valid", String::new())
        }
        Err(refusal) => ("invalid", refusal.to_string()),
    };
    format!("{name}.hex | {verdict} | {refusal} | {comment}\n")
}

#[test]
fn vectors_are_current_and_refused_as_their_index_says() {
    let head = fs::read_to_string(folder().join("index.txt")).unwrap();
    let mut index: String = head.lines().filter(|line| line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    for (name, bytes, comment) in written() {
        assert_eq!(fs::read_to_string(folder().join(format!("{name}.hex"))).unwrap(), hex_file(&bytes, comment));
        index += &index_line(name, &bytes, comment);
    }
    for (name, comment) in ENCAPSULATED {
        index += &index_line(name, &read(name), comment);
    }
    assert_eq!(head, index);
}

#[test]
fn every_vector_stands_in_the_index() {
    let files = fs::read_dir(folder()).unwrap().count();
    assert_eq!(files, written().len() + ENCAPSULATED.len() + 1);
}

#[test]
fn the_example_of_the_page_is_the_vector() {
    let page = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("format-spec/06-pack.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, example) = page.split_once("```hex\n").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    let bytes = read("content");
    for line in example.lines() {
        let (offset, digits) = line.split_once(' ').unwrap();
        let offset: usize = offset.parse().unwrap();
        let digits = digits.replace(' ', "");
        let stored = bytes[offset..offset + digits.len() / 2].iter();
        let stored: String = stored.map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(stored, digits, "at {offset}");
    }
    assert!(example.lines().count() > 5);
}

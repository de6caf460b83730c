//! The bodies of format-spec/vectors/segment: they are what this code writes, and are refused as their index says.

use super::*;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("format-spec/vectors/segment")
}

/// Every vector: name, bytes, comment.
fn written() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let one_frame = pack_bytes(1, 2, &[1 << 20, 0, 0, 300, 160, 1, 100, 2, 200, 300], 2);
    let two = build(&[replaced(4)], &rows());
    let trailing = [&two[..], &[0]].concat();
    let single = |place, value| of_one_pack(one_with(place, value));
    vec![
        ("two-packs", two.clone(), "two packs of two signers and clients; replaces one segment"),
        ("one-pack", of_one_pack(one_frame), "one manifest pack with an encapsulated key field, two chunks"),
        ("retired", body(&[5], &[], &[], 0, &[]), "no packs: replaces a segment whose packs are all deleted"),
        ("empty", Vec::new(), "no bytes"),
        ("nothing", body(&[], &[], &[], 0, &[]), "neither packs nor replaced segments"),
        ("trailing", trailing, "a byte behind the last pack"),
        ("cut", two[..two.len() - 1].to_vec(), "the last byte is gone"),
        ("long-varint", [&[0x80, 0x00][..], &two[1..]].concat(), "a count not in its shortest form"),
        ("packs-order", body(&[], &[1], &[1], 2, &[one(2), one(1)]), "packs in descending order"),
        ("packs-twice", body(&[], &[1], &[1], 2, &[one(2), one(2)]), "one pack twice"),
        ("replaced-order", body(&[4, 3], &[1], &[1], 1, &[one(1)]), "replaced segments in descending order"),
        ("replaces-itself", body(&[0x99], &[1], &[1], 1, &[one(1)]), "the segment's own id among the replaced"),
        ("signers-order", body(&[], &[2, 1], &[1], 1, &[one(1)]), "signers in descending order"),
        ("clients-order", body(&[], &[1], &[2, 1], 1, &[one(1)]), "clients in descending order"),
        ("signer-unused", body(&[], &[1, 2], &[1], 1, &[one(1)]), "a signer without a pack"),
        ("client-unused", body(&[], &[1], &[1, 2], 1, &[one(1)]), "a client without a pack"),
        ("signer-missing", single(1, 1), "a signer that is not listed"),
        ("client-missing", single(2, 1), "a client that is not listed"),
        ("class-4", of_one_pack(pack_bytes(1, 4, &ONE, 1)), "a class that does not exist"),
        ("header-127", single(4, 127), "a length that no header has"),
        ("no-frames", single(5, 0), "a pack without frames"),
        ("frames-65537", single(5, 65_537), "more frames than a pack may hold"),
        ("sealed-47", single(6, 47), "a frame shorter than a seal"),
        ("sealed-2-pow-32", single(6, (1 << 32) + 100), "a length that wraps in 32 bits"),
        ("chunks-0", single(7, 0), "a frame without chunks"),
        ("chunk-0", single(8, 0), "a chunk of no bytes"),
        ("chunk-long", single(8, (16 << 20) + 1), "a chunk above 16 MiB"),
        ("pack-short", single(0, 240), "a pack that ends where its frames end"),
        ("pack-long", single(0, (1 << 30) + 1), "a pack above 1 GiB"),
        ("ids-missing", of_one_pack(pack_bytes(1, 1, &[400, 0, 0, 1, 128, 1, 100, 2, 7, 7], 1)), "an id too few"),
        ("pack-count", body(&[], &[1], &[1], 1 << 40, &[one(1)]), "more packs than the body can hold"),
    ]
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
    let (verdict, refusal) = match SegmentReader::parse(SEGMENT, bytes) {
        Ok(_) => ("valid", String::new()),
        Err(refused) => ("invalid", refused.to_string()),
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
    assert_eq!(head, index);
}

#[test]
fn every_vector_stands_in_the_index() {
    assert_eq!(fs::read_dir(folder()).unwrap().count(), written().len() + 1);
}

#[test]
fn the_example_of_the_page_is_the_vector() {
    let page = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("format-spec/09-segment.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, example) = page.split_once("```hex\n").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    let bytes = build(&[replaced(4)], &rows());
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

//! The encodings' vectors, and the requirements that the README of the format puts on them.

use super::*;
use crate::fuzzing::wire::{Choice, Sample};
use crate::vectors::{Vector, assert_current, bytes};

const HEAD: &str = "The two encodings. A file holds one whole structure; the first word of its name says which:
varint, zigzag: a packed number. blob: a packed byte string of at most 8 bytes. count: a packed count of things of at
least 4 bytes each, which follow and are not looked at. plain: a plain structure, written out in README.md.
file | verdict | what it holds, or the refusal | comment";

fn sample() -> Sample {
    Sample {
        numbers: (1, 0x0203, 0x0405_0607, 0x0809_0a0b_0c0d_0e0f, -2),
        flag: true,
        maybe: Some(6),
        choice: Choice::Number(7),
        id: *b"\xaa\xbb\xcc\xdd",
        name: Blob::from("hi"),
        rows: vec![vec![(9, Blob::from("z"))].into(), List::default()].into(),
    }
}

fn other() -> Sample {
    Sample {
        numbers: (255, 65535, u32::MAX, u64::MAX, i64::MIN),
        flag: false,
        maybe: None,
        choice: Choice::Named { name: Blob(vec![0, 0xff]) },
        id: [0; 4],
        name: Blob::default(),
        rows: List::default(),
    }
}

fn describe(sample: &Sample) -> String {
    let (a, b, c, d, e) = sample.numbers;
    let choice = match &sample.choice {
        Choice::Nothing => "nothing".to_owned(),
        Choice::Number(number) => format!("number {number}"),
        Choice::Named { name } => format!("named {name:?}"),
    };
    let row = |row: &List<(u16, Blob)>| row.0.iter().map(|(number, blob)| format!("({number} {blob:?})")).collect();
    let rows: Vec<String> = sample.rows.0.iter().map(row).map(|row: String| format!("[{row}]")).collect();
    let (flag, name, rows) = (sample.flag, &sample.name, rows.concat());
    let maybe = sample.maybe.map_or("absent".to_owned(), |maybe| maybe.to_string());
    let id = crate::vectors::hex(&sample.id);
    format!(
        "numbers {a} {b} {c} {d} {e}; flag {flag}; maybe {maybe}; choice {choice}; id {id}; name {name:?}; rows {rows}"
    )
}

fn put(bytes: &[u8], offset: usize, with: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    out[offset..offset + with.len()].copy_from_slice(with);
    out
}

fn vectors() -> Vec<Vector> {
    let plain = encode(&sample());
    let hex = Vector::hex;
    vec![
        hex("varint-0", &[0], "the smallest"),
        hex("varint-127", &[0x7f], "the largest of one byte"),
        hex("varint-128", &[0x80, 0x01], "the smallest of two bytes"),
        hex("varint-300", &[0xac, 0x02], "300 = 2 * 128 + 44"),
        hex("varint-max", &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], "the largest: 2^64 - 1"),
        hex("varint-long-0", &[0x80, 0x00], "0 in two bytes"),
        hex("varint-long-127", &[0xff, 0x00], "127 in two bytes"),
        hex("varint-above", &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02], "above 64 bits"),
        hex("varint-eleven", &[0x80; 11], "eleven bytes"),
        hex("varint-empty", &[], "nothing"),
        hex("varint-cut", &[0xac], "the second byte is missing"),
        hex("varint-trailing", &[0x01, 0x00], "a byte follows"),
        hex("zigzag-0", &[0], "0"),
        hex("zigzag-minus-1", &[1], "-1"),
        hex("zigzag-1", &[2], "1"),
        hex("zigzag-minus-150", &[0xab, 0x02], "-150 = 299 in zigzag form"),
        hex("zigzag-min", &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], "-2^63"),
        hex("blob-empty", &[0], "no bytes"),
        hex("blob-8", b"\x08holdalls", "as many bytes as may be"),
        hex("blob-9", b"\x09holdalls!", "one byte more than may be"),
        hex("blob-cut", b"\x08holdall", "one byte less than said"),
        hex("count-2", b"\x02aaaabbbb", "two things"),
        hex("count-3", b"\x03aaaabbbb", "three things where two have room"),
        hex(
            "count-huge",
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01aaaa",
            "2^64 - 1 things: refused before memory is spent",
        ),
        hex("plain-sample", &plain, "one field of every kind"),
        hex("plain-other", &encode(&other()), "the limits, and what is absent or empty"),
        hex("plain-bool-2", &put(&plain, 23, &[2]), "a truth value of 2"),
        hex("plain-option-2", &put(&plain, 24, &[2]), "a presence of 2"),
        hex("plain-tag-3", &put(&plain, 29, &[3]), "a tag that no choice has"),
        hex("plain-blob-beyond", &put(&plain, 45, &[200]), "a byte string of 200 bytes where fewer follow"),
        hex(
            "plain-list-huge",
            &put(&plain, 55, &[0xff; 8]),
            "a list of 2^64 - 1 things: refused before memory is spent",
        ),
        hex("plain-cut", &plain[..plain.len() - 1], "the last byte is missing"),
        hex("plain-trailing", &[&plain[..], &[0]].concat(), "a byte follows"),
    ]
}

fn answer(file: &str, text: &str) -> Result<String, String> {
    let bytes = bytes(text);
    let mut reader = Reader::new(&bytes);
    let kind = file.split('-').next().unwrap();
    let says = match kind {
        "varint" => reader.varint().map(|value| value.to_string()),
        "zigzag" => reader.zigzag().map(|value| value.to_string()),
        "blob" => reader.blob("blob", 8).map(|blob| blob.escape_ascii().to_string()),
        "count" => reader.count("count", 4).inspect(|_| _ = reader.rest()).map(|count| count.to_string()),
        _ => return decode(&bytes).map(|sample| describe(&sample)).map_err(|error| error.to_string()),
    };
    let says = says.map_err(|error| error.to_string())?;
    reader.finish().map_err(|error| error.to_string())?;
    Ok(says)
}

#[test]
fn vectors_are_current_and_answered_as_their_index_says() {
    assert_current("wire", HEAD, &vectors(), answer);
}

fn refused(file: &str) -> String {
    let vector = vectors().into_iter().find(|vector| vector.file == format!("{file}.hex"));
    answer(file, &vector.unwrap().text.unwrap()).unwrap_err()
}

#[test]
fn wire_1_only_the_shortest_form_of_a_varint_is_read() {
    for file in ["varint-long-0", "varint-long-127", "varint-above", "varint-eleven"] {
        assert_eq!(refused(file), "varint at byte 0 is not in its shortest form", "{file}");
    }
    // Every value has one form: all forms of two bytes, read and written again.
    for form in 0..=u16::MAX {
        let bytes = form.to_le_bytes();
        let mut reader = Reader::new(&bytes);
        if let Ok(value) = reader.varint() {
            let mut again = Vec::new();
            again.put_varint(value);
            assert_eq!(again, bytes[..reader.offset()]);
        }
    }
}

#[test]
fn wire_2_what_is_announced_must_be_there() {
    assert_eq!(refused("count-3"), "count at byte 1 is out of range");
    assert_eq!(refused("count-huge"), "count at byte 10 is out of range");
    assert_eq!(refused("blob-cut"), "blob at byte 1 is out of range");
    assert_eq!(refused("plain-blob-beyond"), "malformed structure: a length exceeds the bytes that are there");
    assert_eq!(refused("plain-list-huge"), "malformed structure: a length exceeds the bytes that are there");
}

#[test]
fn wire_3_bytes_that_follow_a_structure_are_refused() {
    assert_eq!(refused("varint-trailing"), "1 bytes too many after byte 1");
    let length = encode(&sample()).len();
    assert_eq!(refused("plain-trailing"), format!("1 bytes too many after byte {length}"));
}

#[test]
fn wire_4_unknown_tags_truth_values_and_presences_are_refused() {
    assert_eq!(refused("plain-bool-2"), "malformed structure: 2 is neither false nor true");
    assert_eq!(refused("plain-option-2"), "malformed structure: unknown tag 2");
    assert_eq!(refused("plain-tag-3"), "malformed structure: unknown tag 3");
}

#[test]
fn wire_5_writers_put_zigzag_and_lengths_as_the_page_says() {
    let mut out = Vec::new();
    [0, -1, 1, -150, i64::MIN].iter().for_each(|value| out.put_zigzag(*value));
    out.put_blob(b"ab");
    let expected = [&[0, 1, 2, 0xab, 2][..], &[0xff; 9], &[1], &[2], b"ab"].concat();
    assert_eq!(out, expected);
}

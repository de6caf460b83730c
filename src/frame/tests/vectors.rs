//! The vectors of format-spec/vectors/frame. The zstd frames are put together by hand, block by block, so that no
//! release of the library can change them; one that the library made is kept as it was.

use super::*;
use crate::vectors::{Vector, assert_current, bytes, hex};

const HEAD: &str = "Plaintexts of frames, as they are after their seal was opened.
file | verdict | encoding, lengths of the chunks, BLAKE3 of the chunks one behind the other; or the refusal | comment";

/// The magic of zstd, a descriptor (one segment, content size in one byte) and that size.
const fn zstd_head(content: u8) -> [u8; 6] {
    [0x28, 0xb5, 0x2f, 0xfd, 0x20, content]
}

/// A zstd block: 0 raw or 1 repeated byte, of so many bytes; the last one or not.
fn block(kind: u32, length: u32, last: bool, content: &[u8]) -> Vec<u8> {
    let [a, b, c, _] = (u32::from(last) | kind << 1 | length << 3).to_le_bytes();
    [&[a, b, c], content].concat()
}

/// 105 bytes: "hello", then 100 times "x".
fn zstd() -> Vec<u8> {
    [&zstd_head(105)[..], &block(0, 5, false, b"hello"), &block(1, 100, true, b"x")].concat()
}

fn put(bytes: &[u8], offset: usize, with: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    out[offset..offset + with.len()].copy_from_slice(with);
    out
}

fn vectors() -> Vec<Vector> {
    let hex = |name: &str, bytes: Vec<u8>, comment: &'static str| Vector::hex(name, &bytes, comment);
    let compressed = |payload: &[u8]| with_head(1, &[5, 60, 40], payload);
    let zstd = zstd();
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 0][..], &zstd].concat();
    let checksum = [&put(&zstd, 4, &[0x24])[..], &[1, 2, 3, 4]].concat();
    let dictionary = [&put(&zstd, 4, &[0x21])[..5], &[7], &zstd[5..]].concat();
    let no_size = [&zstd[..4], &[0x00, 0x58], &zstd[6..]].concat();
    let two = [&zstd_head(5)[..], &block(0, 5, true, b"hello"), &zstd_head(100), &block(1, 100, true, b"x")].concat();
    let long = [&zstd_head(105)[..], &block(0, 5, false, b"hello"), &block(1, 101, true, b"x")].concat();
    let short = [&zstd_head(105)[..], &block(0, 5, false, b"hello"), &block(1, 99, true, b"x")].concat();
    let broken = [&zstd_head(105)[..], &block(2, 5, true, &[0xff; 5])].concat();
    let claims = put(&zstd, 5, &[106]);
    vec![
        hex("raw-one", with_head(0, &[5], b"hello"), "one chunk"),
        hex(
            "raw-three",
            with_head(0, &[5, 1, 300], &[&b"hello "[..], &[0xab; 300]].concat()),
            "three chunks, a length of two bytes",
        ),
        hex("zstd", compressed(&zstd), "three chunks; a raw block and one of a repeated byte"),
        Vector::fixed("zstd-library.hex", "twelve lines of text, one chunk each, by zstd 1.5.7 at level 3"),
        hex("empty", vec![], "no bytes"),
        hex("encoding-2", with_head(2, &[5], b"hello"), "an encoding that does not exist"),
        hex("no-chunks", with_head(0, &[], b""), "no chunks"),
        hex("count-beyond", vec![0, 5, 1, 1, 1], "more chunks than bytes that follow"),
        hex(
            "count-long-form",
            vec![0, 0x81, 0x00, 5, b'h', b'e', b'l', b'l', b'o'],
            "a count that is not in its shortest form",
        ),
        hex("chunk-0", with_head(0, &[5, 0], b"hello"), "a chunk of no bytes"),
        hex("chunk-above-16-mib", with_head(0, &[(16 << 20) + 1], b"hello"), "a chunk above 16 MiB"),
        hex("chunk-2-pow-64", with_head(0, &[u64::MAX], b"hello"), "a chunk of 2^64 - 1 bytes"),
        hex(
            "sum-above-32-mib",
            with_head(1, &[12 << 20, 12 << 20, 12 << 20], &zstd),
            "chunks of more than 32 MiB together",
        ),
        hex("lengths-cut", vec![0, 2, 5, 0x80], "the head ends in a length"),
        hex("raw-short", with_head(0, &[5, 1], b"hello"), "a raw payload that is too short"),
        hex("raw-long", with_head(0, &[4], b"hello"), "a raw payload that is too long"),
        hex("zstd-empty", compressed(b""), "no payload"),
        hex("zstd-magic", compressed(&put(&zstd, 0, &[0x27])), "another magic"),
        hex("zstd-skippable", compressed(&skippable), "a skippable frame before the frame"),
        hex("zstd-two", compressed(&two), "two zstd frames that have the right length together"),
        hex("zstd-trailing", compressed(&[&zstd[..], &[0]].concat()), "a byte behind the zstd frame"),
        hex("zstd-cut", compressed(&zstd[..zstd.len() - 1]), "the last byte is missing"),
        hex("zstd-checksum", compressed(&checksum), "a zstd frame that says it has a checksum"),
        hex("zstd-dictionary", compressed(&dictionary), "a zstd frame that wants a dictionary"),
        hex(
            "zstd-reserved",
            compressed(&put(&zstd, 4, &[0x28])),
            "a reserved bit of the zstd frame's descriptor is set",
        ),
        hex("zstd-no-size", compressed(&no_size), "a zstd frame that does not say its content size"),
        hex("zstd-size", compressed(&claims), "a content size that is not the sum of the lengths"),
        hex("zstd-blocks-long", compressed(&long), "blocks that hold a byte more than the content size"),
        hex("zstd-blocks-short", compressed(&short), "blocks that hold a byte less than the content size"),
        hex("zstd-broken", compressed(&broken), "a compressed block of rubbish"),
    ]
}

fn answer(_: &str, text: &str) -> Result<String, String> {
    let plaintext = bytes(text);
    let mut decoder = FrameDecoder::new();
    let frame = decoder.decode(&plaintext).map_err(|error| error.to_string())?;
    let encoding = if plaintext[0] == 0 { "raw" } else { "zstd" };
    let lengths: Vec<String> = frame.lengths().iter().map(u32::to_string).collect();
    Ok(format!("{encoding}; {}; {}", lengths.join(" "), hex(blake3::hash(frame.raw_bytes()).as_bytes())))
}

#[test]
fn frame_6_vectors_are_current_and_refused_as_their_index_says() {
    assert_current("frame", HEAD, &vectors(), answer);
}

#[test]
fn frame_6_a_zstd_payload_is_one_plain_frame_of_the_right_length() {
    let shape = "frame payload is not one zstd frame with its content size and without checksum and dictionary";
    for file in
        ["empty", "magic", "skippable", "two", "trailing", "cut", "checksum", "dictionary", "reserved", "no-size"]
    {
        let vector = vectors().into_iter().find(|vector| vector.file == format!("zstd-{file}.hex")).unwrap();
        assert_eq!(answer("", &vector.text.unwrap()), Err(shape.to_owned()), "{file}");
    }
}

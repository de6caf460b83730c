mod vectors;

use super::*;
use crate::wire::Write as _;
use proptest::prelude::*;

fn buffer(chunks: &[&[u8]]) -> FrameBuffer {
    let mut buffer = FrameBuffer::new();
    chunks.iter().for_each(|chunk| buffer.push(chunk));
    buffer
}

fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut out = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut out);
    out
}

fn level(level: i32) -> Compression {
    Compression::Level(CompressionLevel::parse(level).unwrap())
}

/// A plaintext with this head, whatever follows.
fn with_head(encoding: u8, lengths: &[u64], payload: &[u8]) -> Vec<u8> {
    let mut out = vec![encoding];
    out.put_count(lengths.len());
    lengths.iter().for_each(|length| out.put_varint(*length));
    out.put(payload);
    out
}

fn refusal(plaintext: &[u8]) -> String {
    FrameDecoder::new().decode(plaintext).unwrap_err().to_string()
}

#[test]
fn frame_1_a_frame_decodes_to_its_chunks_whatever_its_encoding() {
    let (mut encoder, mut decoder) = (FrameEncoder::new(), FrameDecoder::new());
    let buffer = buffer(&[b"one", &[7; 5000], b"three"]);
    for (compression, encoding) in [(Compression::AUTO, Encoding::Zstd), (Compression::Off, Encoding::Raw)] {
        let mut out = b"before".to_vec();
        assert_eq!(encoder.encode(&buffer, compression, &mut out), encoding);
        let frame = decoder.decode(&out[6..]).unwrap();
        assert!(buffer.equals(&frame));
        assert_eq!(frame.chunks().collect::<Vec<_>>(), [&b"one"[..], &[7; 5000], b"three"]);
    }
    assert_eq!(refusal(&with_head(2, &[1], b"a")), "unknown frame encoding 2");
    assert_eq!(refusal(b""), "frame head: input ends inside a field at byte 0");
}

#[test]
fn frame_2_a_frame_has_1_to_65536_chunks() {
    let ones = vec![1; 65_536];
    assert!(FrameDecoder::new().decode(&with_head(0, &ones, &ones.iter().map(|_| 9).collect::<Vec<_>>())).is_ok());
    let more = vec![1; 65_537];
    let refused = refusal(&with_head(0, &more, &more.iter().map(|_| 9).collect::<Vec<_>>()));
    assert_eq!(refused, "frame head: chunk count at byte 4 is out of range");
    assert_eq!(refusal(&with_head(0, &[], b"")), "frame head: chunk count at byte 2 is out of range");

    let mut buffer = FrameBuffer::new();
    while buffer.fits(1) {
        buffer.push(b"9");
    }
    assert_eq!(buffer.chunk_count(), 65_536);
    assert!(buffer.is_full(usize::MAX));
}

#[test]
fn frame_3_a_chunk_has_1_byte_to_16_mib() {
    let max = vec![3; 16 << 20];
    assert!(FrameDecoder::new().decode(&with_head(0, &[16 << 20], &max)).is_ok());
    let refused = refusal(&with_head(0, &[(16 << 20) + 1], &max));
    assert_eq!(refused, "frame head: chunk length at byte 6 is out of range");
    assert_eq!(refusal(&with_head(0, &[0], b"")), "frame head: chunk length at byte 3 is out of range");
    assert!(
        FrameBuffer::new().fits(16 << 20) && !FrameBuffer::new().fits((16 << 20) + 1) && !FrameBuffer::new().fits(0)
    );
}

#[test]
fn frame_4_the_chunks_of_a_frame_have_at_most_32_mib() {
    let most = vec![3; 32 << 20];
    assert!(FrameDecoder::new().decode(&with_head(0, &[16 << 20, 16 << 20], &most)).is_ok());
    let refused = refusal(&with_head(0, &[16 << 20, 16 << 20, 1], &most));
    assert_eq!(refused, "frame head: sum of chunk lengths at byte 11 is out of range");
    let mut buffer = buffer(&[&most[..16 << 20], &most[..(16 << 20) - 1]]);
    assert!(buffer.fits(1) && !buffer.fits(2));
    buffer.push(b"x");
    assert!(!buffer.fits(1));
}

#[test]
fn frame_5_a_raw_payload_is_as_long_as_its_chunks_and_is_not_copied() {
    let plaintext = with_head(0, &[3, 2], b"abcde");
    let mut decoder = FrameDecoder::new();
    let frame = decoder.decode(&plaintext).unwrap();
    assert_eq!(frame.raw_bytes().as_ptr(), plaintext[4..].as_ptr());
    for payload in [&b"abcd"[..], b"abcdef"] {
        let refused = format!("frame payload holds {} bytes where its chunks have 5", payload.len());
        assert_eq!(refusal(&with_head(0, &[3, 2], payload)), refused);
    }
}

#[test]
fn frame_7_a_frame_that_zstd_does_not_shrink_is_raw() {
    let mut encoder = FrameEncoder::new();
    for content in [noise(1, 1), noise(2, 50_000), noise(3, 400_000)] {
        let buffer = buffer(&[&content]);
        for compression in [Compression::AUTO, level(1), level(19), Compression::Off] {
            let mut out = Vec::new();
            assert_eq!(encoder.encode(&buffer, compression, &mut out), Encoding::Raw);
            assert_eq!(out.len(), with_head(0, &[content.len().try_into().unwrap()], &content).len());
        }
    }
}

#[test]
fn frame_7_a_zstd_frame_is_shorter_than_the_raw_one() {
    let mut encoder = FrameEncoder::new();
    let mut encodings = Vec::new();
    for zeros in 0..64 {
        let content = [noise(6, 200), vec![0; zeros]].concat();
        let mut out = Vec::new();
        let encoding = encoder.encode(&buffer(&[&content]), Compression::AUTO, &mut out);
        assert!(encoding == Encoding::Raw || out.len() < with_head(0, &[200], &content).len(), "{zeros} zeros");
        encodings.push(encoding);
    }
    assert!(encodings.contains(&Encoding::Raw) && encodings.contains(&Encoding::Zstd));
}

/// A frame that did not fit left the zstd context in the middle of it, and the next change of level panicked.
#[test]
fn an_encoder_goes_on_after_a_frame_that_did_not_shrink() {
    let (mut encoder, mut decoder) = (FrameEncoder::new(), FrameDecoder::new());
    let (stubborn, soft) = (noise(4, 60_000), vec![1; 60_000]);
    for compression in [Compression::AUTO, level(1), level(9), level(1)] {
        for (content, encoding) in [(&stubborn, Encoding::Raw), (&soft, Encoding::Zstd)] {
            let buffer = buffer(&[content]);
            let mut out = Vec::new();
            assert_eq!(encoder.encode(&buffer, compression, &mut out), encoding);
            assert!(buffer.equals(&decoder.decode(&out).unwrap()));
        }
    }
}

#[test]
fn frame_8_a_reader_takes_chunks_that_no_chunker_makes() {
    let content = noise(5, 100_000);
    let buffer = buffer(&[&content[..1], &content[1..99_999], &content[99_999..]]);
    let mut out = Vec::new();
    FrameEncoder::new().encode(&buffer, Compression::AUTO, &mut out);
    assert!(buffer.equals(&FrameDecoder::new().decode(&out).unwrap()));
}

#[test]
fn a_frame_with_other_chunks_is_noticed() {
    let right = buffer(&[b"ab", b"c"]);
    let mut decoder = FrameDecoder::new();
    for (lengths, payload, same) in
        [(&[2, 1][..], b"abc", true), (&[1, 2], b"abc", false), (&[2, 1], b"abd", false), (&[3], b"abc", false)]
    {
        let plaintext = with_head(0, lengths, payload);
        assert_eq!(right.equals(&decoder.decode(&plaintext).unwrap()), same, "{lengths:?}");
    }
}

#[test]
fn the_head_is_read_without_the_payload() {
    let mut lengths = vec![99];
    let plaintext = with_head(1, &[5, 6], b"not zstd");
    let head = parse_head(&plaintext, &mut lengths).unwrap();
    assert_eq!(head, Head { encoding: Encoding::Zstd, raw_bytes: 11, payload: b"not zstd" });
    assert_eq!(lengths, [5, 6]);
}

#[test]
fn a_frame_of_many_chunks_takes_no_memory_before_its_length_is_known() {
    let mut lengths = Vec::new();
    let refused = parse_head(&[0, 0xff, 0xff, 3], &mut lengths);
    assert!(refused.is_err());
    assert_eq!(lengths.capacity(), 0);
}

#[test]
fn a_buffer_is_full_at_its_target_or_with_the_most_chunks() {
    let two = buffer(&[b"abc", b"de"]);
    assert_eq!((two.is_full(6), two.is_full(5), two.is_full(4)), (false, true, true));
    assert_eq!((two.chunk_count(), two.raw_bytes(), two.lengths()), (2, &b"abcde"[..], &[3, 2][..]));
    let mut many = FrameBuffer::new();
    assert!(many.is_empty());
    for _ in 1..CHUNK_COUNT_MAX {
        many.push(b"x");
    }
    assert!(!many.is_full(usize::MAX));
    many.push(b"x");
    assert!(many.is_full(usize::MAX) && !many.is_empty());
    many.clear();
    assert!(many.is_empty() && many.raw_bytes().is_empty() && !many.is_full(1));
}

#[test]
fn levels_are_1_to_19() {
    let accepted: Vec<i32> = (-10..30).filter(|level| CompressionLevel::parse(*level).is_some()).collect();
    assert_eq!(accepted, (1..=19).collect::<Vec<_>>());
}

#[test]
fn a_higher_level_makes_a_smaller_frame() {
    let words = noise(6, 4096);
    let text = noise(7, 60_000).into_iter().flat_map(|word| &words[usize::from(word) * 16..][..16]);
    let content: Vec<u8> = text.copied().collect();
    let bytes = [1, 19].map(|of| {
        let mut out = Vec::new();
        FrameEncoder::new().encode(&buffer(&[&content]), level(of), &mut out);
        out.len()
    });
    assert!(bytes[0] > bytes[1], "{bytes:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_was_encoded_decodes(
        chunks in prop::collection::vec((any::<u64>(), any::<bool>(), 1usize..20_000), 1..12),
        compression in prop_oneof![Just(Compression::Off), (1..=12i32).prop_map(level)],
    ) {
        let chunks: Vec<Vec<u8>> = chunks
            .into_iter()
            .map(|(seed, random, length)| if random { noise(seed, length) } else { vec![9; length] })
            .collect();
        let buffer = buffer(&chunks.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let mut out = Vec::new();
        FrameEncoder::new().encode(&buffer, compression, &mut out);
        let mut decoder = FrameDecoder::new();
        let frame = decoder.decode(&out).unwrap();
        prop_assert!(buffer.equals(&frame));
        prop_assert!(frame.chunks().eq(chunks.iter().map(Vec::as_slice)));
    }

    #[test]
    fn a_flipped_bit_is_refused_or_changes_only_content(bit in 0usize..8 * 60, zstd: bool) {
        let buffer = buffer(&[b"abcabcabcabcabcabcabcabcabcabcabcabcabcabc", b"defdefdefdefdefdef"]);
        let mut out = Vec::new();
        FrameEncoder::new().encode(&buffer, if zstd { Compression::AUTO } else { Compression::Off }, &mut out);
        let bit = bit % (out.len() * 8);
        out[bit / 8] ^= 1 << (bit % 8);
        if let Ok(frame) = FrameDecoder::new().decode(&out) {
            prop_assert_eq!(usize::try_from(frame.lengths().iter().sum::<u32>()), Ok(frame.raw_bytes().len()));
        }
    }
}

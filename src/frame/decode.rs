//! From a frame's plaintext back to its chunks.

use super::{CHUNK_BYTES_MAX, CHUNK_COUNT_MAX, Encoding, FRAME_RAW_BYTES_MAX, FrameError};
use crate::wire::Reader;
use zstd::bulk::Decompressor;
use zstd::zstd_safe;

/// The magic of a zstd frame (RFC 8878), which skippable frames don't have.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The bits of a zstd frame's descriptor that say: reserved, checksum, dictionary.
const ZSTD_REFUSED_BITS: u8 = 0b0000_1111;

/// What stands before a frame's payload, apart from the lengths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head<'a> {
    /// How the payload holds the chunks.
    pub encoding: Encoding,
    /// How many bytes the chunks have together.
    pub raw_bytes: u32,
    /// The payload, not looked at.
    pub payload: &'a [u8],
}

/// Reads the head of a frame and puts the lengths of its chunks into `lengths`, without decoding the payload.
///
/// # Errors
/// [`FrameError::Head`] or [`FrameError::Encoding`].
pub fn parse_head<'a>(plaintext: &'a [u8], lengths: &mut Vec<u32>) -> Result<Head<'a>, FrameError> {
    lengths.clear();
    let mut reader = Reader::new(plaintext);
    let encoding = Encoding::parse(reader.u8()?)?;
    let count = reader.count("chunk count", 1)?;
    if count == 0 || count > CHUNK_COUNT_MAX {
        return Err(reader.out_of_range("chunk count").into());
    }
    lengths.reserve(count);
    let mut raw_bytes = 0u32;
    for _ in 0..count {
        let value = reader.varint()?;
        let length = u32::try_from(value).ok().filter(|length| (1..=CHUNK_BYTES_MAX).contains(length));
        let length = length.ok_or_else(|| reader.out_of_range("chunk length"))?;
        let sum = raw_bytes.checked_add(length).filter(|sum| *sum <= FRAME_RAW_BYTES_MAX);
        raw_bytes = sum.ok_or_else(|| reader.out_of_range("sum of chunk lengths"))?;
        lengths.push(length);
    }
    Ok(Head { encoding, raw_bytes, payload: reader.rest() })
}

/// The chunks of a decoded frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    raw: &'a [u8],
    lengths: &'a [u32],
}

impl<'a> Frame<'a> {
    /// All chunks, one behind the other.
    pub const fn raw_bytes(&self) -> &'a [u8] {
        self.raw
    }

    /// The lengths of the chunks; they sum to the length of [`Self::raw_bytes`].
    pub const fn lengths(&self) -> &'a [u32] {
        self.lengths
    }

    /// The chunks in order.
    pub fn chunks(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut rest = self.raw;
        self.lengths.iter().map_while(move |length| {
            let (chunk, tail) = rest.split_at_checked(usize::try_from(*length).ok()?)?;
            rest = tail;
            Some(chunk)
        })
    }
}

/// Decodes frames one after the other, with one zstd context and one buffer.
#[derive(Default)]
pub struct FrameDecoder {
    zstd: Decompressor<'static>,
    raw: Vec<u8>,
    lengths: Vec<u32>,
}

impl FrameDecoder {
    /// Makes a decoder; its memory grows to the longest frame that it meets, 32 MiB at most.
    pub fn new() -> Self {
        Self::default()
    }

    /// Decodes a frame whose seal was opened. Raw frames are lent from `plaintext`, others from the decoder.
    ///
    /// # Errors
    /// A [`FrameError`] that says what is wrong with the frame.
    pub fn decode<'a>(&'a mut self, plaintext: &'a [u8]) -> Result<Frame<'a>, FrameError> {
        let Head { encoding, raw_bytes, payload } = parse_head(plaintext, &mut self.lengths)?;
        let raw = match encoding {
            Encoding::Raw => payload,
            Encoding::Zstd => {
                check_shape(payload, raw_bytes)?;
                decompress(&mut self.zstd, payload, raw_bytes, &mut self.raw)?
            }
        };
        check_length(u64::try_from(raw.len()).unwrap_or(u64::MAX), raw_bytes)?;
        Ok(Frame { raw, lengths: &self.lengths })
    }
}

impl std::fmt::Debug for FrameDecoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FrameDecoder(..)")
    }
}

fn check_length(found: u64, expected: u32) -> Result<(), FrameError> {
    if found == u64::from(expected) { Ok(()) } else { Err(FrameError::Length { found, expected }) }
}

/// Refuses what a zstd library would accept besides one plain frame, before memory is spent on it: a second way to
/// write the same frame would be a second thing for every other reader to get right.
fn check_shape(payload: &[u8], raw_bytes: u32) -> Result<(), FrameError> {
    let descriptor = payload.strip_prefix(&ZSTD_MAGIC).and_then(|rest| rest.first());
    let whole = zstd_safe::find_frame_compressed_size(payload) == Ok(payload.len());
    if descriptor.is_none_or(|bits| bits & ZSTD_REFUSED_BITS != 0) || !whole {
        return Err(FrameError::Shape);
    }
    let content = zstd_safe::get_frame_content_size(payload).ok().flatten().ok_or(FrameError::Shape)?;
    check_length(content, raw_bytes)
}

fn decompress<'a>(
    zstd: &mut Decompressor<'_>,
    payload: &[u8],
    raw_bytes: u32,
    buffer: &'a mut Vec<u8>,
) -> Result<&'a [u8], FrameError> {
    let length = usize::try_from(raw_bytes).expect("a frame of at most 32 MiB fits");
    if buffer.len() < length {
        buffer.resize(length, 0);
    }
    let out = buffer.get_mut(..length).expect("just made long enough");
    let refuse = |error: std::io::Error| FrameError::Zstd(error.to_string());
    let written = zstd.decompress_to_buffer(payload, out).map_err(refuse)?;
    out.get(..written).ok_or_else(|| FrameError::Zstd("more bytes than there is room for".to_owned()))
}

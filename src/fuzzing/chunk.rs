//! Cut points don't depend on how content arrives, nor ids on how many are asked for.

use crate::chunk::{ChunkIdKey, Chunker, CutParameters, Cutter, Gear, Piece, ZERO_RUN_BYTES_MIN, chunk_slice};

/// The longest content made of one input: several maximal chunks and zero runs.
const CONTENT_BYTES_MAX: usize = 1 << 20;

/// One step of the making of content: what, and how long.
enum Step<'a> {
    Bytes(&'a [u8]),
    Zeros(usize),
}

/// Takes the input as a recipe of bytes, repeated bytes and zeros, pushed step by step (zeros as holes or as bytes),
/// and compares with the cutting of the whole.
pub fn fuzz_chunk(data: &[u8]) {
    let gear = Gear::derive(&[7; 32]);
    let parameters = CutParameters::parse(4096, 8192, 16384, 1).expect("inside the rules");
    let cutter = Cutter::new(&parameters, &gear);
    let mut chunker = Chunker::new(cutter);
    let mut content = Vec::new();
    let mut streamed = Vec::new();
    let mut ends = Vec::new();
    let mut rest = data;
    while let Some((step, as_hole, tail)) = next_step(rest) {
        rest = tail;
        if content.len() > CONTENT_BYTES_MAX {
            break;
        }
        let before = content.len();
        match step {
            Step::Bytes(bytes) => content.extend_from_slice(bytes),
            Step::Zeros(length) => content.resize(before.saturating_add(length), 0),
        }
        let added = content.get(before..).unwrap_or_default();
        ends.push(content.len());
        let sink = |piece: Piece<'_>| streamed.push(summary(piece));
        if as_hole && added.iter().all(|byte| *byte == 0) {
            chunker.zeros(u64::try_from(added.len()).unwrap_or(0), sink);
        } else {
            chunker.push(added, sink);
        }
    }
    chunker.finish(|piece| streamed.push(summary(piece)));
    let mut cut = Vec::new();
    chunk_slice(&cutter, &content, |piece| cut.push(summary(piece)));
    assert_eq!(streamed, cut, "cut points depend on how the content arrived");
    let total = cut.iter().fold(0u64, |sum, (_, length, _)| sum.saturating_add(*length));
    assert_eq!(u64::try_from(content.len()).ok(), Some(total), "the parts are the whole");
    compare_ids(&content, &ends);
}

/// Parts of any lengths have the same ids alone and together.
fn compare_ids(content: &[u8], ends: &[usize]) {
    let key = ChunkIdKey::from_bytes([7; 32]);
    let starts = std::iter::once(&0).chain(ends);
    let parts = || starts.clone().zip(ends).filter_map(|(start, end)| content.get(*start..*end));
    assert_eq!(
        key.ids(parts()),
        parts().map(|part| key.id(part)).collect::<Vec<_>>(),
        "ids depend on their neighbours"
    );
}

/// Whether a piece is data, its length, and the hash of its bytes.
fn summary(piece: Piece<'_>) -> (bool, u64, [u8; 32]) {
    match piece {
        Piece::Data(chunk) => {
            assert!(!chunk.is_empty() && chunk.len() <= 16384, "a chunk of {} bytes", chunk.len());
            (true, u64::try_from(chunk.len()).unwrap_or(0), *blake3::hash(chunk).as_bytes())
        }
        Piece::Zeros(length) => {
            assert!(length >= u64::try_from(ZERO_RUN_BYTES_MIN).unwrap_or(0) && length.is_multiple_of(4096));
            (false, length, [0; 32])
        }
    }
}

/// Reads one step: a byte of kind, two of length, and for a kind the bytes themselves.
fn next_step(data: &[u8]) -> Option<(Step<'_>, bool, &[u8])> {
    let (&[kind, low, high], rest) = data.split_first_chunk::<3>()?;
    let length = usize::from(u16::from_le_bytes([low, high]));
    let as_hole = kind & 1 == 1;
    if kind & 2 == 0 {
        // Lengths around the grain are what matters.
        let unit = if kind & 4 == 0 { 1 } else { 4096 };
        return Some((Step::Zeros(length.saturating_mul(unit).min(200_000)), as_hole, rest));
    }
    let (bytes, rest) = rest.split_at_checked(length).unwrap_or((rest, &[]));
    Some((Step::Bytes(bytes), as_hole, rest))
}

//! Reading, cutting, hashing, framing and sealing.

use crate::pair::{Pair, Unit};
use crate::{Outcome, noise, sources};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use holdall::chunk::{ChunkIdKey, CutParameters, Cutter, Gear, Piece, chunk_slice};
use holdall::frame::{Compression, FrameBuffer, FrameDecoder, FrameEncoder};
use holdall::read_buffer::ReadBuffer;
use holdall::seal::{Binding, HASH_BYTES, ObjectKey, Secret};
use std::cell::RefCell;
use std::io::Write;
use std::os::unix::fs::FileExt;
use zstd::bulk::{Compressor, Decompressor};

const CONTENT_BYTES: usize = 64 << 20;
const FRAME_BYTES: usize = 2 << 20;
const READ_BYTES: usize = 1 << 20;
/// The mean length of a chunk of a large file, nearly.
const CHUNK_BYTES: usize = 64 << 10;
/// The length of a small file.
const SHORT_CHUNK_BYTES: usize = 6000;

pub(crate) fn run() -> Outcome<Vec<Pair>> {
    let mut pairs = reading()?;
    pairs.extend(cutting());
    pairs.extend(framing()?);
    pairs.extend(sealing()?);
    Ok(pairs)
}

/// Both from the page cache. What the second one does not is to begin a few bytes behind a page.
fn reading() -> Outcome<Vec<Pair>> {
    let content = noise(CONTENT_BYTES);
    let mut file = tempfile::tempfile()?;
    file.write_all(&content)?;
    let read = |buffer: &mut [u8]| {
        let offsets = (0u64..).step_by(READ_BYTES).take(CONTENT_BYTES / READ_BYTES);
        offsets.map(|offset| file.read_exact_at(buffer, offset)).all(|read| read.is_ok())
    };
    let (mut plain, mut aligned) = (vec![0; READ_BYTES], ReadBuffer::new(READ_BYTES));
    let (mut copy, mut other) = (vec![0; CONTENT_BYTES], vec![0; CONTENT_BYTES]);
    let bytes = (Unit::Bytes, CONTENT_BYTES);
    let into_vector = || read(&mut plain);
    let into_buffer = || read(&mut aligned);
    Ok(vec![
        Pair::measure(("reading into a vector", "memcpy"), bytes, into_vector, || copy.copy_from_slice(&content)),
        Pair::measure(("reading into a ReadBuffer", "memcpy"), bytes, into_buffer, || other.copy_from_slice(&content)),
    ])
}

fn cutting() -> Vec<Pair> {
    let content = noise(CONTENT_BYTES);
    let mut copy = vec![0; CONTENT_BYTES];
    let gear = Gear::derive(&[7; 32]);
    let cutter = Cutter::new(&CutParameters::DEFAULT, &gear);
    let ids = ChunkIdKey::from_bytes([7; 32]);
    let copied = || copy.copy_from_slice(&content);
    let cut = || {
        let mut pieces = 0usize;
        chunk_slice(&cutter, &content, |_| pieces += 1);
        pieces
    };
    let hash = || {
        content.chunks(CHUNK_BYTES).for_each(|chunk| {
            std::hint::black_box(ids.id(chunk));
        });
    };
    let one_by_one = || {
        content.chunks(SHORT_CHUNK_BYTES).for_each(|chunk| {
            std::hint::black_box(ids.id(chunk));
        });
    };
    let together = || {
        content.chunks(FRAME_BYTES).for_each(|frame| {
            std::hint::black_box(ids.ids(frame.chunks(SHORT_CHUNK_BYTES)));
        });
    };
    let both = || {
        chunk_slice(&cutter, &content, |piece| {
            if let Piece::Data(chunk) = piece {
                std::hint::black_box(ids.id(chunk));
            }
        });
    };
    let bytes = (Unit::Bytes, CONTENT_BYTES);
    vec![
        Pair::measure(("cutting", "memcpy"), bytes, cut, copied),
        Pair::measure(("chunk ids", "BLAKE3 alone"), bytes, hash, || blake3::hash(&content)),
        Pair::measure(("ids of short chunks, one by one", "BLAKE3 alone"), bytes, one_by_one, || {
            blake3::hash(&content)
        }),
        Pair::measure(("ids of short chunks, together", "BLAKE3 alone"), bytes, together, || blake3::hash(&content)),
        Pair::measure(("cutting and chunk ids", "BLAKE3 alone"), bytes, both, || blake3::hash(&content)),
    ]
}

/// A frame of text: holdall's own source.
fn framing() -> Outcome<Vec<Pair>> {
    let mut frame = FrameBuffer::new();
    for source in sources()? {
        for chunk in source.chunks(CHUNK_BYTES) {
            if frame.fits(chunk.len()) && !frame.is_full(FRAME_BYTES) {
                frame.push(chunk);
            }
        }
    }
    let raw = frame.raw_bytes().to_vec();
    let bytes = (Unit::Bytes, raw.len());
    let (mut encoder, mut decoder) = (FrameEncoder::new(), FrameDecoder::new());
    let mut plaintext = Vec::new();
    encoder.encode(&frame, Compression::AUTO, &mut plaintext);
    let stored = plaintext.clone();
    let zstd = RefCell::new((Compressor::new(3)?, Decompressor::new()?));
    let packed = zstd.borrow_mut().0.compress(&raw)?;
    let compress = || zstd.borrow_mut().0.compress(&raw).map(|packed| packed.len());
    let mut out = Vec::with_capacity(raw.len());
    let decompress = || {
        out.clear();
        zstd.borrow_mut().1.decompress_to_buffer(&packed, &mut out)
    };
    let encode = || {
        plaintext.clear();
        encoder.encode(&frame, Compression::AUTO, &mut plaintext)
    };
    let mut pairs = vec![Pair::measure(("framing", "zstd -3 alone"), bytes, encode, compress)];
    let decode = || decoder.decode(&stored).is_ok_and(|decoded| frame.equals(&decoded));
    pairs.push(Pair::measure(("opening a frame and comparing", "zstd decoding alone"), bytes, decode, decompress));
    Ok(pairs)
}

fn sealing() -> Outcome<Vec<Pair>> {
    let plaintext = noise(FRAME_BYTES);
    let key = ObjectKey::new(Secret::random());
    let binding = Binding { magic: *b"benchmrk", version: 1, class: 0, salt: [7; 32], number: 1 };
    let sealed = key.seal(&binding, &plaintext);
    let mut buffer = Vec::with_capacity(sealed.len());
    let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32])?);
    let mut copy = plaintext.clone();
    let mut alone = || {
        let hash = blake3::hash(&copy);
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        (hash, cipher.seal_in_place_separate_tag(nonce, Aad::empty(), &mut copy).is_ok())
    };
    let bytes = (Unit::Bytes, FRAME_BYTES);
    let seal = || {
        buffer.clear();
        buffer.resize(HASH_BYTES, 0);
        buffer.extend_from_slice(&plaintext);
        key.seal_in_place(&binding, &mut buffer, HASH_BYTES);
    };
    let floor = "BLAKE3 and AES-256-GCM alone";
    let mut pairs = vec![Pair::measure(("sealing a frame, copied first", floor), bytes, seal, &mut alone)];
    let mut opened = Vec::with_capacity(sealed.len());
    let open = || {
        opened.clear();
        opened.extend_from_slice(&sealed);
        key.open_in_place(&binding, &mut opened).is_ok()
    };
    pairs.push(Pair::measure(("opening a sealed frame, copied first", floor), bytes, open, &mut alone));
    Ok(pairs)
}

//! Packs: objects of many sealed frames, of one class each.
//!
//! ```text
//! header | frame 0 | frame 1 | .. | sealed footer (the frame table) | zero bytes up to a Padmé size | trailer
//! ```
//!
//! A frame opens with nothing but the header's key; the footer only saves a reader from walking all frames, and is
//! sealed with a key of the index root, so that a client that can't read content still finishes its own packs.
//! What is inside a frame is opaque here. Byte-exact in format-spec/06-pack.md.
//!
//! Writing: a [`PackSealer`] seals frames in place from many threads; whoever writes the pack keeps a
//! [`FrameTable`](crate::layout::FrameTable), puts the frames down in the order of their numbers, ends with
//! [`PackSealer::seal_end`] and names the pack by a [`PackHasher`] over everything written.
//! Reading: a [`PackOpener`] made from the header opens frames in place, reads the footer, or scans a pack whose
//! footer is broken.

mod error;
mod header;
mod opener;
mod padding;
mod scan;
mod sealer;
mod source;
mod trailer;

#[cfg(test)]
mod tests;

pub use error::{Fault, PackError};
pub use header::{KeyField, PackHeader};
pub use opener::{PackKeys, PackOpener};
pub use padding::padded_bytes;
pub use scan::{Damage, Found, Scan};
pub use sealer::{Closing, PackIdentity, PackSealer, Padding, WriteKey};
pub use source::{PackSource, ReadError, read_frame, read_header, read_opener};
pub use trailer::Trailer;

use crate::frame;
use crate::id::PackId;
use crate::layout::{FRAMES_END_MAX, PACK_BYTES_MAX};
use crate::seal::{Binding, HASH_BYTES};

/// The version of the format of packs.
pub const PACK_VERSION: u16 = 1;
/// Free bytes that a frame's buffer starts with: head and hash go there.
pub const FRAME_PREFIX_BYTES: usize = FRAME_HEAD + HASH_BYTES;
/// Longest footer, head included. The table of a full pack takes about 2.5 MiB.
pub const FOOTER_BYTES_MAX: u32 = 4 << 20;
/// Length of the trailer, which ends the pack.
pub const TRAILER_BYTES: usize = 24;

/// The first bytes of a pack.
pub const PACK_MAGIC: [u8; 8] = *b"HOLDPACK";
/// The first bytes of a frame's head.
pub const FRAME_MAGIC: [u8; 4] = *b"FRME";
/// The first bytes of the footer's head.
pub const FOOTER_MAGIC: [u8; 4] = *b"FOOT";
const TRAILER_MAGIC: [u8; 8] = *b"HOLDTAIL";
const FRAME_HEAD: usize = 12;
/// Set in the class of a binding to say that the footer of a pack of that class is meant.
pub const FOOTER_CLASS: u8 = 0x40;
/// The part of a pack that the index root's secret seals, for the derivation of its key.
pub const FOOTER_PART: &str = "footer";

#[expect(clippy::as_conversions, reason = "widening constants")]
const _: () = {
    assert!(FRAMES_END_MAX as u64 + FOOTER_BYTES_MAX as u64 + TRAILER_BYTES as u64 <= PACK_BYTES_MAX);
    assert!(crate::layout::FRAME_HEAD_BYTES as usize == FRAME_HEAD);
    assert!(crate::layout::CHUNK_BYTES_MAX == frame::CHUNK_BYTES_MAX);
    assert!(crate::layout::RAW_BYTES_MAX == frame::FRAME_RAW_BYTES_MAX);
    assert!(crate::layout::FRAME_CHUNK_COUNT_MAX as usize == frame::CHUNK_COUNT_MAX);
    // Encoding, count, 4-byte lengths and raw chunks of the largest frame, sealed.
    let largest_plaintext = 4 + 4 * frame::CHUNK_COUNT_MAX + frame::FRAME_RAW_BYTES_MAX as usize;
    assert!(largest_plaintext + crate::seal::OVERHEAD_BYTES <= crate::layout::SEALED_BYTES_MAX as usize);
    assert!(crate::layout::SEALED_BYTES_MIN as usize == crate::seal::OVERHEAD_BYTES);
};

/// Computes a pack's id while its bytes are written.
#[derive(Debug, Clone, Default)]
pub struct PackHasher(blake3::Hasher);

impl PackHasher {
    /// Starts before the first byte.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes of the pack.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The id of a pack of exactly the bytes taken so far.
    pub fn id(&self) -> PackId {
        PackId::from_bytes(*self.0.finalize().as_bytes())
    }
}

/// The clear head of a frame or footer: magic, number, length of the sealed bytes.
fn encode_head(magic: [u8; 4], number: u32, sealed_bytes: u32) -> [u8; FRAME_HEAD] {
    let mut head = [0; FRAME_HEAD];
    let fields = [magic, number.to_le_bytes(), sealed_bytes.to_le_bytes()];
    for (place, field) in head.chunks_exact_mut(4).zip(fields) {
        place.copy_from_slice(&field);
    }
    head
}

/// Splits a head into number and sealed length, if it starts with `magic`.
fn parse_head(head: &[u8; FRAME_HEAD], magic: [u8; 4]) -> Option<(u32, u32)> {
    let [m0, m1, m2, m3, n0, n1, n2, n3, l0, l1, l2, l3] = *head;
    ([m0, m1, m2, m3] == magic).then(|| (u32::from_le_bytes([n0, n1, n2, n3]), u32::from_le_bytes([l0, l1, l2, l3])))
}

/// What a frame's seal is bound to.
fn frame_binding(header: &PackHeader, number: u32) -> Binding {
    let number = number.into();
    Binding { magic: PACK_MAGIC, version: PACK_VERSION, class: header.class.code(), salt: header.salt, number }
}

/// What the footer's seal is bound to: its number is the count of frames.
fn footer_binding(header: &PackHeader, frame_count: u32) -> Binding {
    let class = FOOTER_CLASS | header.class.code();
    Binding { class, ..frame_binding(header, frame_count) }
}

//! From chunks to a frame's plaintext.

use super::probe::Probe;
use super::{CHUNK_BYTES_MAX, CHUNK_COUNT_MAX, Encoding, FRAME_RAW_BYTES_MAX, Frame};
use crate::wire::Write as _;
use zstd::bulk::Compressor;
use zstd::zstd_safe::{CParameter, ResetDirective};

/// The binary logarithm of how many short matches level 3 remembers; zstd has 16. Frames of 2 MiB of the Linux sources
/// become 0.5 % longer by it and are compressed 7 % faster on cores with 1 MiB of L2 (zstd -b3 -B2097152
/// --zstd=chainLog=14); crates 0.1 % and 6 %. Less of the other table, of long matches, costs more bytes for the same gain:
/// 0.6 % and 4 % with hashLog=16.
const SHORT_MATCHES_LOG: u32 = 14;

/// How much work to spend on making frames smaller. Any reader reads the results of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// None: every frame is raw.
    Off,
    /// With zstd, where that makes a frame smaller.
    Level(CompressionLevel),
}

impl Compression {
    /// What is used unless something else is asked for: zstd level 3, which keeps up with most disks, with a smaller
    /// table of short matches.
    pub const AUTO: Self = Self::Level(CompressionLevel(3));
}

impl Default for Compression {
    fn default() -> Self {
        Self::AUTO
    }
}

/// A zstd level, 1 to 19.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CompressionLevel(i32);

impl CompressionLevel {
    /// Takes a level from 1 to 19.
    pub fn parse(level: i32) -> Option<Self> {
        (1..=19).contains(&level).then_some(Self(level))
    }

    /// The level as zstd knows it.
    pub const fn get(self) -> i32 {
        self.0
    }
}

/// Chunks that wait to become a frame.
#[derive(Debug, Clone, Default)]
pub struct FrameBuffer {
    raw: Vec<u8>,
    lengths: Vec<u32>,
}

impl FrameBuffer {
    /// An empty one.
    pub const fn new() -> Self {
        Self { raw: Vec::new(), lengths: Vec::new() }
    }

    /// Whether another chunk of this many bytes keeps the frame inside the format's limits.
    pub fn fits(&self, chunk_bytes: usize) -> bool {
        let within = |bytes: usize, max: u32| u32::try_from(bytes).is_ok_and(|bytes| bytes <= max);
        let sum = self.raw.len().saturating_add(chunk_bytes);
        let chunk_fits = chunk_bytes > 0 && within(chunk_bytes, CHUNK_BYTES_MAX);
        chunk_fits && within(sum, FRAME_RAW_BYTES_MAX) && self.lengths.len() < CHUNK_COUNT_MAX
    }

    /// Adds a chunk.
    ///
    /// # Panics
    /// When it does not fit ([`Self::fits`]); with chunks of at most 4 MiB and frames closed at a target of at most
    /// 16 MiB that can't happen.
    pub fn push(&mut self, chunk: &[u8]) {
        assert!(self.fits(chunk.len()), "a chunk of {} bytes does not fit into its frame", chunk.len());
        self.lengths.push(u32::try_from(chunk.len()).expect("checked by fits"));
        self.raw.extend_from_slice(chunk);
    }

    /// Whether the frame should be closed: it has reached the target, or the most chunks that a frame may have.
    pub const fn is_full(&self, target_bytes: usize) -> bool {
        self.raw.len() >= target_bytes || self.lengths.len() >= CHUNK_COUNT_MAX
    }

    /// Whether there is no chunk.
    pub const fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// How many chunks there are.
    pub const fn chunk_count(&self) -> usize {
        self.lengths.len()
    }

    /// The chunks, one behind the other.
    pub fn raw_bytes(&self) -> &[u8] {
        &self.raw
    }

    /// The lengths of the chunks.
    pub fn lengths(&self) -> &[u32] {
        &self.lengths
    }

    /// Whether a decoded frame holds exactly these chunks.
    pub fn equals(&self, frame: &Frame<'_>) -> bool {
        self.lengths == frame.lengths() && self.raw == frame.raw_bytes()
    }

    /// Forgets the chunks and keeps the memory.
    pub fn clear(&mut self) {
        self.raw.clear();
        self.lengths.clear();
    }
}

/// Encodes frames one after the other, with one zstd context.
#[derive(Default)]
pub struct FrameEncoder {
    zstd: Compressor<'static>,
    /// The level that the context is set to.
    level: Option<CompressionLevel>,
    probe: Probe,
    /// What zstd made of the frame at hand.
    packed: Vec<u8>,
}

impl FrameEncoder {
    /// Makes an encoder.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends the plaintext of the frame of these chunks to `out`, and says how it was encoded. A frame that would
    /// not become smaller is stored raw.
    ///
    /// # Panics
    /// When `chunks` is empty: there is no empty frame.
    pub fn encode(&mut self, chunks: &FrameBuffer, compression: Compression, out: &mut Vec<u8>) -> Encoding {
        assert!(!chunks.is_empty(), "a frame holds at least one chunk");
        let start = out.len();
        out.put_u8(Encoding::Zstd.tag());
        out.put_count(chunks.chunk_count());
        chunks.lengths.iter().for_each(|length| out.put_varint(u64::from(*length)));
        let compressed = match compression {
            Compression::Off => false,
            Compression::Level(level) => {
                !self.probe.looks_random(chunks.raw_bytes()) && self.compress(chunks.raw_bytes(), level, out)
            }
        };
        if compressed {
            return Encoding::Zstd;
        }
        *out.get_mut(start).expect("the tag was put there") = Encoding::Raw.tag();
        out.put(chunks.raw_bytes());
        Encoding::Raw
    }

    /// Appends `raw` compressed, or nothing when that would not be shorter.
    fn compress(&mut self, raw: &[u8], level: CompressionLevel, out: &mut Vec<u8>) -> bool {
        if self.level != Some(level) {
            self.zstd.set_compression_level(level.get()).expect("levels 1 to 19 exist");
            // 0: as zstd has it for the level.
            let short_matches_log = if level.get() == 3 { SHORT_MATCHES_LOG } else { 0 };
            self.zstd.set_parameter(CParameter::ChainLog(short_matches_log)).expect("14 is a table's size");
            self.level = Some(level);
        }
        // Into memory of its own, which is never cleared: clearing room in `out` for each frame would cost as much as
        // copying what was compressed.
        self.packed.clear();
        self.packed.reserve(raw.len());
        let written = self.zstd.compress_to_buffer(raw, &mut self.packed).ok();
        let written = written.filter(|written| *written < raw.len());
        if written.is_some() {
            out.put(&self.packed);
        }
        if written.is_none() {
            // A context that ran out of room waits for more and takes no new level until it is told to give up.
            self.zstd.context_mut().reset(ResetDirective::SessionOnly).expect("a session can always be given up");
        }
        written.is_some()
    }
}

impl std::fmt::Debug for FrameEncoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FrameEncoder").field("level", &self.level).finish_non_exhaustive()
    }
}

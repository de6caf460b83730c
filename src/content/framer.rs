//! Chunks in, verified frames out: what one worker does with the chunks it must store.

use crate::access::Access;
use crate::content::{FrameBytes, PackStream, SurplusSender};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Compression, EncoderFault, FrameBuffer, FrameDecoder, FrameEncoder};
use crate::id::ChunkId;
use crate::pack::FRAME_PREFIX_BYTES;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Chunks that were gathered for one frame and wait to be compressed.
#[derive(Default)]
pub struct RawFrame {
    /// The chunks' bytes and lengths.
    pub chunks: FrameBuffer,
    /// Their ids.
    pub ids: Vec<ChunkId>,
}

impl RawFrame {
    /// Forgets the chunks and keeps the memory.
    fn clear(&mut self) {
        self.chunks.clear();
        self.ids.clear();
    }
}

/// What the framers of one class stored so far.
#[derive(Debug, Default)]
pub struct StoredTotals {
    raw_bytes: AtomicU64,
    stored_bytes: AtomicU64,
    chunks: AtomicU64,
}

/// Encodes, seals, proves and stores frames. One per thread: it keeps its contexts and buffers.
pub struct FrameWriter {
    stream: Arc<PackStream>,
    totals: Arc<StoredTotals>,
    compression: Compression,
    fault: Option<EncoderFault>,
    #[cfg(test)]
    sealed_fault: Option<EncoderFault>,
    encoder: FrameEncoder,
    decoder: FrameDecoder,
    /// The frame at hand as it will be stored.
    stored: Vec<u8>,
    proof: Vec<u8>,
}

impl FrameWriter {
    /// Makes contexts for one thread.
    pub fn new(stream: Arc<PackStream>, totals: Arc<StoredTotals>, compression: Compression) -> Self {
        let (encoder, decoder) = (FrameEncoder::new(), FrameDecoder::new());
        Self {
            stream,
            totals,
            compression,
            fault: None,
            #[cfg(test)]
            sealed_fault: None,
            encoder,
            decoder,
            stored: Vec::new(),
            proof: Vec::new(),
        }
    }

    /// Spoils some of the frames on their way.
    #[must_use]
    pub fn fault(mut self, fault: Option<EncoderFault>) -> Self {
        self.fault = fault;
        self
    }

    /// Spoils some of the frames once they are sealed.
    #[cfg(test)]
    pub fn sealed_fault(mut self, fault: Option<EncoderFault>) -> Self {
        self.sealed_fault = fault;
        self
    }

    /// Stores one frame and leaves `raw` empty for the next.
    ///
    /// # Errors
    /// When the store can't take it, or the sealed frame does not read back.
    pub fn store(&mut self, raw: &mut RawFrame) -> Result<()> {
        if raw.ids.is_empty() {
            return Ok(());
        }
        let mut stored = self.take_stored();
        self.encoder.encode(&raw.chunks, self.compression, &mut stored);
        if let (Some(fault), Some(plaintext)) = (&self.fault, stored.get_mut(FRAME_PREFIX_BYTES..)) {
            fault.pass(plaintext);
        }
        self.put(stored, &raw.ids, raw.chunks.lengths(), |decoder, plaintext| {
            let decoded = decoder.decode(plaintext).map_err(|error| misread().because(error))?;
            if raw.chunks.equals(&decoded) { Ok(()) } else { Err(misread()) }
        })?;
        raw.clear();
        Ok(())
    }

    /// Stores a frame that was read, as it was encoded: decoding has proved it, and `ids` what it holds.
    ///
    /// # Errors
    /// As [`Self::store`].
    pub fn carry_over(&mut self, ids: &[ChunkId], frame: &FrameBytes<'_>) -> Result<()> {
        let mut stored = self.take_stored();
        stored.extend_from_slice(frame.encoded());
        self.put(stored, ids, frame.decoded().lengths(), |_, plaintext| {
            if plaintext == frame.encoded() { Ok(()) } else { Err(misread()) }
        })
    }

    fn take_stored(&mut self) -> Vec<u8> {
        let mut stored = std::mem::take(&mut self.stored);
        stored.clear();
        stored.resize(FRAME_PREFIX_BYTES, 0);
        stored
    }

    /// Seals what follows the prefix, opens it again for `prove`, and hands it on: an encoder's defect or a flipped bit in
    /// memory is found while the source is still there, before anybody relies on it.
    fn put(
        &mut self,
        mut stored: Vec<u8>,
        ids: &[ChunkId],
        lengths: &[u32],
        prove: impl FnOnce(&mut FrameDecoder, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let place = self.stream.reserve(stored.len().saturating_sub(FRAME_PREFIX_BYTES), ids, lengths)?;
        place.seal(&mut stored);
        #[cfg(test)]
        self.sealed_fault.iter().for_each(|fault| fault.pass(&mut stored));
        self.proof.clear();
        self.proof.extend_from_slice(&stored);
        let plaintext = place.open(&mut self.proof).map_err(|error| misread().because(error))?;
        prove(&mut self.decoder, plaintext)?;
        self.totals.add(lengths, stored.len());
        let filled = self.stream.fill(&place, &stored);
        self.stored = stored;
        filled
    }
}

fn misread() -> Error {
    Error::new(ErrorKind::Unreliable, "a frame that was just encoded reads back differently")
}

/// What was stored of one class.
#[derive(Debug, Clone, Copy)]
pub struct StoredAmount {
    /// Bytes of chunks before compression.
    pub raw_bytes: u64,
    /// Bytes of the frames that hold them.
    pub stored_bytes: u64,
    /// How many chunks.
    pub chunk_count: u64,
}

impl StoredTotals {
    /// What was stored until now.
    pub fn amount(&self) -> StoredAmount {
        let read = |total: &AtomicU64| total.load(Ordering::Relaxed);
        StoredAmount {
            raw_bytes: read(&self.raw_bytes),
            stored_bytes: read(&self.stored_bytes),
            chunk_count: read(&self.chunks),
        }
    }

    fn add(&self, lengths: &[u32], stored_bytes: usize) {
        let add = |total: &AtomicU64, count: u64| total.fetch_add(count, Ordering::Relaxed);
        add(&self.raw_bytes, lengths.iter().map(|length| u64::from(*length)).sum());
        add(&self.stored_bytes, u64::try_from(stored_bytes).unwrap_or(0));
        add(&self.chunks, u64::try_from(lengths.len()).unwrap_or(0));
    }
}

/// Gathers chunks into frames for one worker. A full frame goes to an idle worker if there is one; otherwise this
/// worker compresses it itself, so a single large file is compressed by all cores and nobody ever waits for a queue.
pub struct Framer {
    writer: FrameWriter,
    gathering: RawFrame,
    frame_bytes_target: usize,
    surplus: SurplusSender,
}

impl Framer {
    /// Starts with an empty frame.
    pub fn new(access: &Access, writer: FrameWriter, surplus: SurplusSender) -> Self {
        let frame_bytes_target = usize::try_from(access.config().parameters.frame_bytes_target).unwrap_or(usize::MAX);
        Self { writer, gathering: RawFrame::default(), frame_bytes_target, surplus }
    }

    /// Takes a chunk that this worker claimed as new.
    ///
    /// # Errors
    /// When a full frame can't be stored.
    pub fn add(&mut self, id: ChunkId, bytes: &[u8]) -> Result<()> {
        if !self.gathering.chunks.fits(bytes.len()) {
            self.pass_on()?;
        }
        self.gathering.chunks.push(bytes);
        self.gathering.ids.push(id);
        if self.gathering.chunks.is_full(self.frame_bytes_target) { self.pass_on() } else { Ok(()) }
    }

    /// What stores its frames, for those of others.
    pub const fn writer(&mut self) -> &mut FrameWriter {
        &mut self.writer
    }

    /// Stores what is gathered, full or not.
    ///
    /// # Errors
    /// As [`FrameWriter::store`].
    pub fn flush(&mut self) -> Result<()> {
        self.writer.store(&mut self.gathering)
    }

    /// Does so for the last time: nothing is handed to others from here on, who can tell that by the queue.
    ///
    /// # Errors
    /// As [`FrameWriter::store`].
    pub fn finish(mut self) -> Result<FrameWriter> {
        self.flush()?;
        Ok(self.writer)
    }

    fn pass_on(&mut self) -> Result<()> {
        self.surplus.offer(&mut self.gathering);
        self.flush()
    }
}

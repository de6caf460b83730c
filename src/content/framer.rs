//! Chunks in, verified frames out: what one worker does with the chunks it must store.

use crate::access::Access;
use crate::content::{FrameBytes, PackStream};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Compression, EncoderFault, FrameBuffer, FrameDecoder, FrameEncoder};
use crate::id::ChunkId;
use crate::pack::FRAME_PREFIX_BYTES;
use crossbeam_channel::{Sender, TrySendError};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
    /// Bytes of chunks before compression.
    pub raw_bytes: AtomicU64,
    /// Bytes of stored frames.
    pub stored_bytes: AtomicU64,
    /// Chunks.
    pub chunks: AtomicU64,
}

/// Encodes, seals, proves and stores frames. One per thread: it keeps its contexts and buffers.
pub struct FrameWriter {
    stream: Arc<PackStream>,
    totals: Arc<StoredTotals>,
    compression: Compression,
    fault: Option<EncoderFault>,
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
        Self { stream, totals, compression, fault: None, encoder, decoder, stored: Vec::new(), proof: Vec::new() }
    }

    /// Spoils some of the frames on their way.
    #[must_use]
    pub fn fault(mut self, fault: Option<EncoderFault>) -> Self {
        self.fault = fault;
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

impl StoredTotals {
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
    surplus: Sender<RawFrame>,
    handover: Arc<Handover>,
}

/// What workers that hand frames to each other share.
#[derive(Default)]
pub struct Handover {
    /// How many workers wait for something to do on the other side of the queue.
    pub idle_count: AtomicUsize,
    /// Frames that were stored by somebody else, empty. Without them each frame that is handed over would cost its
    /// memory anew: the system clears it page by page, which took a fifth of the time of a backup's system calls.
    emptied: Mutex<Vec<RawFrame>>,
}

impl Handover {
    fn take(&self) -> RawFrame {
        self.emptied().pop().unwrap_or_default()
    }

    /// Keeps the memory of a frame that was stored.
    pub fn give_back(&self, raw: RawFrame) {
        self.emptied().push(raw);
    }

    fn emptied(&self) -> MutexGuard<'_, Vec<RawFrame>> {
        self.emptied.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Framer {
    /// `surplus` leads to the workers that `handover` counts.
    pub fn new(access: &Access, writer: FrameWriter, surplus: Sender<RawFrame>, handover: Arc<Handover>) -> Self {
        let frame_bytes_target = usize::try_from(access.config().parameters.frame_bytes_target).unwrap_or(usize::MAX);
        Self { writer, gathering: RawFrame::default(), frame_bytes_target, surplus, handover }
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

    /// Stores what another worker gathered.
    ///
    /// # Errors
    /// As [`FrameWriter::store`].
    pub fn help(&mut self, mut raw: RawFrame) -> Result<()> {
        self.writer.store(&mut raw)?;
        self.handover.give_back(raw);
        Ok(())
    }

    /// Stores what is gathered, full or not.
    ///
    /// # Errors
    /// As [`FrameWriter::store`].
    pub fn flush(&mut self) -> Result<()> {
        self.writer.store(&mut self.gathering)
    }

    fn pass_on(&mut self) -> Result<()> {
        if self.handover.idle_count.load(Ordering::Relaxed) == 0 {
            return self.flush();
        }
        let full = std::mem::replace(&mut self.gathering, self.handover.take());
        match self.surplus.try_send(full) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(raw) | TrySendError::Disconnected(raw)) => {
                self.handover.give_back(std::mem::replace(&mut self.gathering, raw));
                self.flush()
            }
        }
    }
}

//! Frames in, packs out: one stream per class. A worker reserves a place, seals outside the lock and hands the
//! stored frame back; frames are appended in the order of their numbers, whoever is first.

use crate::access::Access;
use crate::content::closed_pack::{ClosedPack, GrowingPack, PackPlan};
use crate::content::keys;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{ChunkId, SessionId};
use crate::layout::{Class, FramePlace, FrameTable};
use crate::pack::PackSealer;
use crossbeam_channel::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A pack of tiny files is closed when it has so many chunks: a checkpoint takes whole packs, and its chunks are in
/// memory until it is committed.
const PACK_CHUNKS_MAX: usize = 32 << 10;

/// Names the session under which the next packs are begun; called when the first of them is.
pub type SessionSource = Box<dyn Fn() -> Result<SessionId> + Send + Sync>;

/// The packs of one class that are being written.
pub struct PackStream {
    access: Access,
    class: Class,
    sessions: SessionSource,
    closed: Sender<ClosedPack>,
    state: Mutex<StreamState>,
}

#[derive(Default)]
struct StreamState {
    session: Option<SessionId>,
    open: Option<OpenPack>,
    /// How many packs were begun under `session`.
    begun: u64,
}

/// What a stream leaves behind when its session changes.
pub struct Turn {
    /// The session that gets no more packs; none when no pack was begun under it.
    pub session: Option<SessionId>,
    /// How many packs were begun under it: so many are finished in the end.
    pub begun: u64,
    /// The pack that was open, when it has all its frames already. Otherwise it comes out of the channel.
    pub closed: Option<ClosedPack>,
}

struct OpenPack {
    pack: Arc<GrowingPack>,
    table: FrameTable,
    ids: Vec<ChunkId>,
}

/// A place in a pack: the caller seals one frame for it and fills it.
pub struct Place {
    pack: Arc<GrowingPack>,
    place: FramePlace,
}

impl Place {
    /// Seals the plaintext that follows the free prefix in `buffer`, which becomes the whole stored frame.
    pub fn seal(&self, buffer: &mut Vec<u8>) {
        self.pack.sealer.seal_frame(self.place.number, buffer);
    }

    /// Opens the stored frame again as a reader would, to prove it before it is handed on.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`]: memory is not to be trusted.
    pub fn open<'b>(&self, stored: &'b mut [u8]) -> Result<&'b [u8]> {
        let opened = self.pack.opener.open_frame(self.place, stored);
        opened.map(|plaintext| &*plaintext).map_err(|cause| {
            let message = "a frame that was just sealed does not open; test this machine's memory";
            Error::new(ErrorKind::Damaged, message).because(cause)
        })
    }
}

impl PackStream {
    /// Starts without an open pack. Packs that have all their frames go to `closed`, which must be received from
    /// until it disconnects, or workers wait forever.
    pub fn new(access: Access, class: Class, sessions: SessionSource, closed: Sender<ClosedPack>) -> Self {
        Self { access, class, sessions, closed, state: Mutex::default() }
    }

    /// Reserves the next place for a frame of these chunks whose plaintext has `plaintext_bytes`. A pack is closed once it
    /// has the configured size, near a length to which little padding is missing.
    ///
    /// # Errors
    /// When a new pack can't be begun in the store.
    pub fn reserve(&self, plaintext_bytes: usize, ids: &[ChunkId], lengths: &[u32]) -> Result<Place> {
        let sealed_bytes = PackSealer::sealed_bytes(plaintext_bytes);
        let mut state = self.lock();
        let full = state.open.as_ref().is_some_and(|open| self.is_full(open, sealed_bytes, ids.len()));
        let finished = if full { state.close() } else { None };
        if state.open.is_none() {
            let session = state.session.map_or_else(|| (self.sessions)(), Ok)?;
            state.session = Some(session);
            state.open = Some(self.begin(session)?);
            state.begun = state.begun.saturating_add(1);
        }
        let open = state.open.as_mut().expect("just begun");
        let place = open.table.push(sealed_bytes, lengths)?;
        open.ids.extend_from_slice(ids);
        let place = Place { pack: Arc::clone(&open.pack), place };
        drop(state);
        self.hand_on(finished)?;
        Ok(place)
    }

    /// Hands over the sealed frame of a reserved place.
    ///
    /// # Errors
    /// When the store can't take it.
    pub fn fill(&self, place: &Place, stored: &[u8]) -> Result<()> {
        let complete = place.pack.fill(place.place.number, stored)?;
        self.hand_on(complete.then(|| ClosedPack::new(Arc::clone(&place.pack))))
    }

    /// Closes the open pack; the next ones are begun under the session that the source names then.
    pub fn turn(&self) -> Turn {
        let mut state = self.lock();
        let closed = state.close();
        Turn { session: state.session.take(), begun: std::mem::take(&mut state.begun), closed }
    }

    /// Closes the open pack and hands it on. Call when no frame is to come.
    ///
    /// # Errors
    /// When nobody receives closed packs any more.
    pub fn end(&self) -> Result<()> {
        let closed = self.lock().close();
        self.hand_on(closed)
    }

    /// Past its size a pack is closed as soon as that costs little padding, and a quarter later in any case.
    fn is_full(&self, open: &OpenPack, sealed_bytes: u32, chunk_count: usize) -> bool {
        let target_bytes = u64::from(self.access.config().parameters.pack_bytes_target);
        let after_bytes = u64::from(open.table.end_offset()).saturating_add(sealed_bytes.into());
        let past = after_bytes > target_bytes && open.pack.sealer.closing(&open.table).is_tight();
        past || after_bytes > target_bytes.saturating_add(target_bytes >> 2)
            || open.ids.len().saturating_add(chunk_count) > PACK_CHUNKS_MAX
            || !open.table.has_room(sealed_bytes, chunk_count)
    }

    fn begin(&self, session: SessionId) -> Result<OpenPack> {
        let sealer = keys::sealer(&self.access.ring, self.class, session)?;
        let spool = self.access.store.spool(session)?;
        let table = sealer.table();
        Ok(OpenPack { pack: Arc::new(GrowingPack::begin(sealer, spool)?), table, ids: Vec::new() })
    }

    fn hand_on(&self, finished: Option<ClosedPack>) -> Result<()> {
        let Some(pack) = finished else { return Ok(()) };
        // A receiver that is gone has failed and says why itself.
        self.closed
            .send(pack)
            .map_err(|_| Error::new(ErrorKind::Aborted, "the session was given up while packs were being written"))
    }

    fn lock(&self) -> MutexGuard<'_, StreamState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StreamState {
    /// Closes the open pack; returns it when all its frames are in already.
    fn close(&mut self) -> Option<ClosedPack> {
        let open = self.open.take()?;
        let complete = open.pack.close(PackPlan { table: open.table, ids: open.ids });
        complete.then(|| ClosedPack::new(open.pack))
    }
}

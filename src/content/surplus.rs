//! Full frames on their way from workers that gather to workers that have nothing to gather.

use crate::content::{FrameWriter, RawFrame};
use crate::error::Result;
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many gathered frames may wait for an idle worker.
const FRAMES_MAX: usize = 2;

/// A queue of frames: its two ends, of which each worker has clones.
pub fn surplus() -> (SurplusSender, Surplus) {
    let (sender, frames) = bounded(FRAMES_MAX);
    let shared = Arc::<Shared>::default();
    (SurplusSender { frames: sender, shared: Arc::clone(&shared) }, Surplus { frames, shared })
}

#[derive(Default)]
struct Shared {
    /// How many workers look at the queue whenever they have nothing else to do.
    idle_count: AtomicUsize,
    /// Frames that were stored by somebody else, empty. Without them each frame that is handed over would cost its
    /// memory anew: the system clears it page by page, which took a fifth of the time of a backup's system calls.
    emptied: Mutex<Vec<RawFrame>>,
}

impl Shared {
    fn emptied(&self) -> MutexGuard<'_, Vec<RawFrame>> {
        self.emptied.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where who gathers puts a full frame. When nobody has one any more, whoever helps ends.
#[derive(Clone)]
pub struct SurplusSender {
    frames: Sender<RawFrame>,
    shared: Arc<Shared>,
}

impl SurplusSender {
    /// Hands on what is gathered if a worker has time for it, and leaves an empty frame; otherwise does nothing.
    pub fn offer(&self, gathering: &mut RawFrame) {
        if self.shared.idle_count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let emptied = self.shared.emptied().pop().unwrap_or_default();
        let full = std::mem::replace(gathering, emptied);
        if let Err(TrySendError::Full(full) | TrySendError::Disconnected(full)) = self.frames.try_send(full) {
            self.shared.emptied().push(std::mem::replace(gathering, full));
        }
    }
}

/// Where who has nothing to gather takes frames.
#[derive(Clone)]
pub struct Surplus {
    frames: Receiver<RawFrame>,
    shared: Arc<Shared>,
}

impl Surplus {
    /// Has `wait` wait for the next frame, or for whatever else it knows, and counts this worker as idle meanwhile.
    pub fn idle<T>(&self, wait: impl FnOnce(&Receiver<RawFrame>) -> T) -> T {
        self.shared.idle_count.fetch_add(1, Ordering::Relaxed);
        let come = wait(&self.frames);
        self.shared.idle_count.fetch_sub(1, Ordering::Relaxed);
        come
    }

    /// Stores a frame that somebody else gathered.
    ///
    /// # Errors
    /// As [`FrameWriter::store`].
    pub fn store(&self, mut frame: RawFrame, writer: &mut FrameWriter) -> Result<()> {
        writer.store(&mut frame)?;
        self.shared.emptied().push(frame);
        Ok(())
    }

    /// Stores what waits now.
    ///
    /// # Errors
    /// As [`FrameWriter::store`].
    pub fn store_waiting(&self, writer: &mut FrameWriter) -> Result<()> {
        self.frames.try_iter().try_for_each(|frame| self.store(frame, writer))
    }

    /// Stores what others gather until nobody is left who could hand on a frame. Whoever does so counts as idle even while
    /// it stores one: the next may wait for it, since it does nothing else.
    ///
    /// # Errors
    /// As [`FrameWriter::store`].
    pub fn store_all(&self, writer: &mut FrameWriter) -> Result<()> {
        self.idle(|frames| frames.iter().try_for_each(|frame| self.store(frame, writer)))
    }
}

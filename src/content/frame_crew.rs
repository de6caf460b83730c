//! Frames that one thread gathers and several store.

use crate::content::{FrameBytes, FrameWriter, RawFrame};
use crate::error::Result;
use crate::id::ChunkId;
use crate::threads;
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use std::panic::resume_unwind;
use std::thread::JoinHandle;

/// A frame, and the place of its writer among those that each thread has.
type Task = (usize, RawFrame);

/// Threads that store frames beside the one that gathers them. It stores one itself when all others have enough to do, so
/// no core is idle and it never runs ahead. Memory: two frames for each thread.
pub struct FrameCrew {
    own: Vec<FrameWriter>,
    /// None once no frame is to come.
    tasks: Option<Sender<Task>>,
    /// Frames that were stored, empty: their memory is used again.
    emptied: Receiver<RawFrame>,
    helpers: Vec<JoinHandle<Result<()>>>,
}

impl FrameCrew {
    /// Starts so many threads, each with `writers` of its own; without any, whoever gathers stores all frames in turn.
    ///
    /// # Errors
    /// When a thread does not start; the others have ended then.
    pub fn new(helper_count: usize, writers: &dyn Fn() -> Vec<FrameWriter>) -> Result<Self> {
        let (tasks, waiting) = bounded::<Task>(helper_count);
        let (emptying, emptied) = bounded(helper_count.saturating_mul(2));
        let mut crew = Self { own: writers(), tasks: Some(tasks), emptied, helpers: Vec::new() };
        for _ in 0..helper_count {
            let (mut writers, waiting, emptying) = (writers(), waiting.clone(), emptying.clone());
            crew.helpers.push(threads::start_free(move || {
                for (writer, mut raw) in &waiting {
                    writers.get_mut(writer).expect("each thread has the same writers").store(&mut raw)?;
                    // One too many is let go.
                    let _ = emptying.try_send(raw);
                }
                Ok(())
            })?);
        }
        Ok(crew)
    }

    /// Has a frame stored, now or soon, and leaves `raw` empty for the next.
    ///
    /// # Errors
    /// When this frame or an earlier one can't be stored.
    pub fn store(&mut self, writer: usize, raw: &mut RawFrame) -> Result<()> {
        if raw.ids.is_empty() {
            return Ok(());
        }
        if self.helpers.iter().any(JoinHandle::is_finished) {
            // Only a failure ends one before its time.
            self.finish()?;
        }
        if let Some(tasks) = &self.tasks {
            match tasks.try_send((writer, std::mem::take(raw))) {
                Ok(()) => {
                    *raw = self.emptied.try_recv().unwrap_or_default();
                    return Ok(());
                }
                Err(TrySendError::Full((_, full)) | TrySendError::Disconnected((_, full))) => *raw = full,
            }
        }
        self.own.get_mut(writer).expect("one of those that it was made with").store(raw)
    }

    /// Stores a frame as [`FrameWriter::carry_over`] does: there is little to do that others could help with.
    ///
    /// # Errors
    /// As [`FrameWriter::carry_over`].
    pub fn carry_over(&mut self, writer: usize, ids: &[ChunkId], frame: &FrameBytes<'_>) -> Result<()> {
        self.own.get_mut(writer).expect("one of those that it was made with").carry_over(ids, frame)
    }

    /// Waits until every frame is stored, and ends the threads.
    ///
    /// # Errors
    /// The first failure of one of them.
    pub fn finish(&mut self) -> Result<()> {
        self.tasks = None;
        let ended = self.helpers.drain(..).map(|helper| helper.join().unwrap_or_else(|panic| resume_unwind(panic)));
        // All of them, before the first failure is told.
        ended.collect::<Vec<_>>().into_iter().collect()
    }
}

impl Drop for FrameCrew {
    /// Waits for the threads: whoever gave up may rely on that nothing is being written any more.
    fn drop(&mut self) {
        self.tasks = None;
        self.helpers.drain(..).for_each(|helper| _ = helper.join());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Access;
    use crate::access::testing::Keys;
    use crate::config::Parameters;
    use crate::content::{ClosedPack, PackStream};
    use crate::error::ErrorKind;
    use crate::frame::{Compression, EncoderFault};
    use crate::id::{ClientId, SessionId};
    use crate::layout::Class;
    use crate::store::MemoryStore;
    use crossbeam_channel::unbounded;
    use std::collections::BTreeSet;
    use std::num::NonZeroU64;
    use std::sync::Arc;

    const CLASSES: [Class; 2] = [Class::Content, Class::Stat];
    const FRAME_COUNT: u16 = 60;

    /// What a fault makes of a frame.
    #[derive(Clone, Copy)]
    enum Spoils {
        Encoded,
        Sealed,
    }

    fn streams(access: &Access) -> ([Arc<PackStream>; 2], Receiver<ClosedPack>) {
        let (sender, closed) = unbounded();
        let session = SessionId { client: ClientId::from_bytes([1; 16]), number: 1 };
        let stream =
            |class| Arc::new(PackStream::new(access.clone(), class, Box::new(move || Ok(session)), sender.clone()));
        (CLASSES.map(stream), closed)
    }

    fn crew(helper_count: usize, streams: &[Arc<PackStream>], fault: Option<(Spoils, &EncoderFault)>) -> FrameCrew {
        let writer = |stream: &Arc<PackStream>| {
            let writer = FrameWriter::new(Arc::clone(stream), Arc::default(), Compression::AUTO);
            match fault {
                None => writer,
                Some((Spoils::Encoded, fault)) => writer.fault(Some(fault.clone())),
                Some((Spoils::Sealed, fault)) => writer.sealed_fault(Some(fault.clone())),
            }
        };
        FrameCrew::new(helper_count, &|| streams.iter().map(writer).collect()).unwrap()
    }

    /// Frames of one chunk each, for both writers by turns. Gives the ids for each.
    fn store(crew: &mut FrameCrew) -> Result<[BTreeSet<ChunkId>; 2]> {
        let (mut raw, mut stored) = (RawFrame::default(), <[BTreeSet<ChunkId>; 2]>::default());
        for number in 0..FRAME_COUNT {
            let id = ChunkId::from_bytes(*blake3::hash(&number.to_le_bytes()).as_bytes());
            raw.chunks.push(&id.as_bytes().repeat(300));
            raw.ids.push(id);
            let writer = usize::from(number % 2);
            stored[writer].insert(id);
            crew.store(writer, &mut raw)?;
            assert!(raw.ids.is_empty() && raw.chunks.raw_bytes().is_empty(), "left empty for the next");
        }
        crew.finish()?;
        Ok(stored)
    }

    #[test]
    fn every_frame_is_stored_once_by_the_right_writer_however_many_threads_there_are() {
        for helper_count in [0, 1, 5] {
            let directory = tempfile::tempdir().unwrap();
            let access = Keys::new(Parameters::default()).open(Arc::new(MemoryStore::new()), directory.path());
            let (streams, closed) = streams(&access);
            let stored = store(&mut crew(helper_count, &streams, None)).unwrap();
            streams.iter().for_each(|stream| stream.end().unwrap());
            let rows: Vec<_> = closed.try_iter().map(|pack| pack.finish(&access).unwrap()).collect();
            for (class, ids) in CLASSES.into_iter().zip(stored) {
                let of_class = rows.iter().filter(|row| row.facts().class == class);
                let found: Vec<ChunkId> = of_class.flat_map(|row| row.ids().to_vec()).collect();
                assert_eq!(found.len(), ids.len(), "{helper_count} {class:?}");
                assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), ids, "{helper_count} {class:?}");
            }
        }
    }

    /// Whoever fails, and also when it is the last frame.
    fn assert_told(spoils: Spoils) {
        for (helper_count, every) in [(0, 1), (1, 1), (3, 1), (2, u64::from(FRAME_COUNT)), (3, 7)] {
            let directory = tempfile::tempdir().unwrap();
            let access = Keys::new(Parameters::default()).open(Arc::new(MemoryStore::new()), directory.path());
            let (streams, _closed) = streams(&access);
            let fault = EncoderFault::one_in(NonZeroU64::new(every).unwrap());
            let told = store(&mut crew(helper_count, &streams, Some((spoils, &fault)))).unwrap_err();
            assert_eq!(told.kind(), ErrorKind::Unreliable, "{helper_count} {every}");
        }
    }

    #[test]
    fn frame_9_a_frame_that_was_encoded_wrongly_is_not_stored_which_is_told_at_the_end_at_the_latest() {
        assert_told(Spoils::Encoded);
    }

    #[test]
    fn pack_21_a_frame_that_does_not_open_again_is_not_stored_which_is_told_at_the_end_at_the_latest() {
        assert_told(Spoils::Sealed);
    }
}

//! Chunks and nodes on their way into a snapshot that one thread makes: it gathers, the others compress, and content is
//! committed in checkpoints on the way.

use crate::access::Access;
use crate::content::{
    Claim, Claims, ClosedPack, FrameWriter, Framer, Handover, NodeWriter, PackStream, RawFrame, StoredTotals,
};
use crate::error::{ErrorKind, Result};
use crate::frame::Compression;
use crate::id::ChunkId;
use crate::layout::Class;
use crate::session::checkpoint::{CheckpointSessions, Checkpointer};
use crate::session::ledger::Ledger;
use crate::session::running::{RunningSession, Writer};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many gathered frames may wait for an idle thread.
const SURPLUS_FRAMES_MAX: usize = 2;
/// How many closed packs may wait for their fsync.
const CLOSED_PACKS_MAX: usize = 1;

/// What a run that makes one snapshot works with.
pub struct Storing<'a> {
    /// The repository.
    pub access: &'a Access,
    /// The session that will make the snapshot, open since before anything was read.
    pub main: RunningSession,
    /// Who writes.
    pub writer: &'a Writer,
    /// How to compress.
    pub compression: Compression,
}

/// What a run stored.
pub struct Stored {
    /// The main session's packs, durable and not yet published.
    pub main: Ledger,
    /// The highest number of a session that the run opened. Who opens another begins above it: a session under a number
    /// that an outcome has used up would hide that outcome, if its opener died before it noticed.
    pub highest_number: u64,
    /// Bytes of new chunks and tree nodes before compression.
    pub raw_bytes: u64,
    /// Bytes of the frames that hold them.
    pub stored_bytes: u64,
    /// How many chunks of content were new.
    pub chunk_count: u64,
}

/// Takes the chunks and nodes of one snapshot. What the repository has is not stored again.
pub struct Intake<'a> {
    access: &'a Access,
    claims: Arc<Claims>,
    framer: Framer,
    /// Takes the nodes of manifests, and of lists of many items.
    pub nodes: NodeWriter,
    /// Takes the nodes of stat trees.
    pub stat_nodes: NodeWriter,
}

impl Intake<'_> {
    /// The repository that takes them.
    pub const fn access(&self) -> &Access {
        self.access
    }

    /// Claims a chunk: when it is new it must be [added](Self::add).
    ///
    /// # Errors
    /// When the index can't be read.
    pub fn claim(&self, id: ChunkId) -> Result<Claim> {
        self.claims.claim_one(id)
    }

    /// Stores a chunk that was claimed as new.
    ///
    /// # Errors
    /// When the store can't take it.
    pub fn add(&mut self, id: ChunkId, bytes: &[u8]) -> Result<()> {
        self.framer.add(id, bytes)
    }
}

/// The packs that are being filled.
struct Streams {
    content: Arc<PackStream>,
    manifest: Arc<PackStream>,
    stat: Arc<PackStream>,
    content_totals: Arc<StoredTotals>,
    tree_totals: Arc<StoredTotals>,
}

impl Storing<'_> {
    /// Has `work` hand over everything that is to be stored; when it returns, all of that is durable. Content that was
    /// stored until a failure, or a wish to stop, is committed where that is possible, so that another run finds it.
    ///
    /// # Errors
    /// What `work` returns, or the first failure of the store. The main session is left undecided.
    pub fn run<T>(&self, work: impl FnOnce(&mut Intake<'_>) -> Result<T>) -> Result<(T, Stored)> {
        let (closed_sender, closed) = bounded::<ClosedPack>(CLOSED_PACKS_MAX);
        let sessions = Arc::new(CheckpointSessions::new(self.access.clone(), self.writer.clone(), self.main.id.client));
        let streams = self.streams(&sessions, closed_sender);
        let claims = Arc::new(Claims::new(Arc::clone(&self.access.index)));
        let checkpointer = Checkpointer {
            access: self.access.clone(),
            main: self.main,
            sessions: Arc::clone(&sessions),
            content: Arc::downgrade(&streams.content),
            claims: Arc::clone(&claims),
        };
        let totals = [Arc::clone(&streams.content_totals), Arc::clone(&streams.tree_totals)];
        std::thread::scope(|scope| {
            // Dropped when the checkpointer fails: whoever has a pack to hand over must not wait for it for ever.
            let checkpoints = scope.spawn(move || {
                let closed = closed;
                checkpointer.run(&closed)
            });
            let made = self.fill(streams, claims, work);
            let ledger = checkpoints.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            match (made, ledger) {
                (Ok(made), Ok(main)) => Ok((made, stored(main, sessions.highest_number(self.main.id.number), &totals))),
                // The checkpointer's failure is the cause of what the others then ran into.
                (Err(error), Ok(_)) => Err(error),
                (Err(error), Err(_)) if error.kind() != ErrorKind::Aborted => Err(error),
                (_, Err(cause)) => Err(cause),
            }
        })
    }

    fn streams(&self, sessions: &Arc<CheckpointSessions>, closed: Sender<ClosedPack>) -> Streams {
        let main = self.main.id;
        let stream = |class, sessions, closed| Arc::new(PackStream::new(self.access.clone(), class, sessions, closed));
        let checkpoint = {
            let sessions = Arc::clone(sessions);
            Box::new(move || sessions.open(main.number))
        };
        Streams {
            content: stream(Class::Content, checkpoint, closed.clone()),
            manifest: stream(Class::Manifest, Box::new(move || Ok(main)), closed.clone()),
            stat: stream(Class::Stat, Box::new(move || Ok(main)), closed),
            content_totals: Arc::default(),
            tree_totals: Arc::default(),
        }
    }

    /// Runs everything above the packs. Dropping the streams at the end is what ends the checkpointer.
    fn fill<T>(
        &self,
        streams: Streams,
        claims: Arc<Claims>,
        work: impl FnOnce(&mut Intake<'_>) -> Result<T>,
    ) -> Result<T> {
        let made = std::thread::scope(|scope| {
            let (surplus_sender, surplus) = bounded::<RawFrame>(SURPLUS_FRAMES_MAX);
            let handover = Arc::new(Handover::default());
            let content_writer = || {
                let totals = Arc::clone(&streams.content_totals);
                FrameWriter::new(Arc::clone(&streams.content), totals, self.compression)
            };
            let tree_writer = |stream: &Arc<PackStream>| {
                let totals = Arc::clone(&streams.tree_totals);
                let writer = FrameWriter::new(Arc::clone(stream), totals, self.compression);
                NodeWriter::new(self.access.clone(), Arc::clone(&claims), writer)
            };
            let helpers: Vec<_> = (1..self.access.threads)
                .map(|_| {
                    let (writer, surplus, handover) = (content_writer(), surplus.clone(), Arc::clone(&handover));
                    scope.spawn(move || help(writer, &surplus, &handover))
                })
                .collect();
            drop(surplus);
            let mut intake = Intake {
                access: self.access,
                claims: Arc::clone(&claims),
                framer: Framer::new(self.access, content_writer(), surplus_sender, handover),
                nodes: tree_writer(&streams.manifest),
                stat_nodes: tree_writer(&streams.stat),
            };
            let made = work(&mut intake);
            let flushed = intake.framer.flush();
            let flushed = flushed.and_then(|()| intake.nodes.flush()).and_then(|()| intake.stat_nodes.flush());
            // The helpers end when nobody is left who could hand them a frame.
            drop(intake);
            let helped: Result<Vec<()>> = helpers
                .into_iter()
                .map(|helper| helper.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect();
            let made = made?;
            flushed.and(helped).map(|_| made)
        });
        let ended =
            [&streams.content, &streams.manifest, &streams.stat].into_iter().try_for_each(|stream| stream.end());
        made.and_then(|made| ended.map(|()| made))
    }
}

/// Compresses what the thread that gathers has too much, until there can be no more.
fn help(mut writer: FrameWriter, surplus: &Receiver<RawFrame>, handover: &Handover) -> Result<()> {
    loop {
        handover.idle_count.fetch_add(1, Ordering::Relaxed);
        let frame = surplus.recv();
        handover.idle_count.fetch_sub(1, Ordering::Relaxed);
        let Ok(mut frame) = frame else { return Ok(()) };
        writer.store(&mut frame)?;
        handover.give_back(frame);
    }
}

fn stored(main: Ledger, highest_number: u64, [content, trees]: &[Arc<StoredTotals>; 2]) -> Stored {
    let both = |total: fn(&StoredTotals) -> &AtomicU64| {
        total(content).load(Ordering::Relaxed).saturating_add(total(trees).load(Ordering::Relaxed))
    };
    Stored {
        main,
        highest_number,
        raw_bytes: both(|totals| &totals.raw_bytes),
        stored_bytes: both(|totals| &totals.stored_bytes),
        chunk_count: content.chunks.load(Ordering::Relaxed),
    }
}

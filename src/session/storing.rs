//! Chunks and nodes on their way into a snapshot that one thread makes: it gathers, the others compress, and content is
//! committed in checkpoints on the way.

use crate::access::Access;
use crate::content::{Claim, Claims, FrameWriter, Framer, Handover, NodeWriter, PackStream, RawFrame, StoredTotals};
use crate::error::Result;
use crate::frame::Compression;
use crate::id::ChunkId;
use crate::session::ledger::Ledger;
use crate::session::packing::{OpenPacks, Packed, Packing};
use crate::session::running::{RunningSession, Writer};
use crate::session::written::Written;
use crate::threads;
use crossbeam_channel::{Receiver, bounded};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many gathered frames may wait for an idle thread.
const SURPLUS_FRAMES_MAX: usize = 2;

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
    /// Bytes of new chunks and tree nodes before compression.
    pub raw_bytes: u64,
    /// Bytes of the frames that hold them.
    pub stored_bytes: u64,
    /// How many chunks of content were new.
    pub chunk_count: u64,
}

impl Stored {
    /// The same as the outcome says it.
    pub const fn written(&self) -> Written {
        Written { raw_bytes: self.raw_bytes, stored_bytes: self.stored_bytes }
    }
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

impl Storing<'_> {
    /// Has `work` hand over everything that is to be stored; when it returns, all of that is durable. Content that was
    /// stored until a failure, or a wish to stop, is committed where that is possible, so that another run finds it.
    ///
    /// # Errors
    /// What `work` returns, or the first failure of the store. The main session is left undecided.
    pub fn run<T>(&self, work: impl FnOnce(&mut Intake<'_>) -> Result<T>) -> Result<(T, Stored)> {
        let packing = Packing { access: self.access, main: self.main, writer: self.writer };
        let (made, packed) = packing.run(|packs| self.fill(&packs, work))?;
        Ok((made, stored(packed)))
    }

    /// Runs everything above the packs.
    fn fill<T>(&self, packs: &OpenPacks, work: impl FnOnce(&mut Intake<'_>) -> Result<T>) -> Result<T> {
        let made = std::thread::scope(|scope| {
            let (surplus_sender, surplus) = bounded::<RawFrame>(SURPLUS_FRAMES_MAX);
            let handover = Arc::new(Handover::default());
            let content_writer = || {
                let totals = Arc::clone(&packs.content_totals);
                FrameWriter::new(Arc::clone(&packs.content), totals, self.compression)
            };
            let tree_writer = |stream: &Arc<PackStream>| {
                let totals = Arc::clone(&packs.tree_totals);
                let writer = FrameWriter::new(Arc::clone(stream), totals, self.compression);
                NodeWriter::new(self.access.clone(), Arc::clone(&packs.claims), writer)
            };
            let helpers: Vec<_> = (1..self.access.threads)
                .map(|_| {
                    let (writer, surplus, handover) = (content_writer(), surplus.clone(), Arc::clone(&handover));
                    threads::start(scope, move || help(writer, &surplus, &handover))
                })
                .collect::<Result<_, _>>()?;
            drop(surplus);
            let mut intake = Intake {
                access: self.access,
                claims: Arc::clone(&packs.claims),
                framer: Framer::new(self.access, content_writer(), surplus_sender, handover),
                nodes: tree_writer(&packs.manifest),
                stat_nodes: tree_writer(&packs.stat),
            };
            let made = work(&mut intake);
            let flushed = intake.framer.flush();
            let flushed = flushed.and_then(|()| intake.nodes.flush()).and_then(|()| intake.stat_nodes.flush());
            // The helpers end when nobody is left who could hand them a frame.
            drop(intake);
            let helped: Result<Vec<()>> = helpers.into_iter().map(threads::join).collect();
            let made = made?;
            flushed.and(helped).map(|_| made)
        });
        let ended = packs.end();
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

fn stored(packed: Packed) -> Stored {
    let both = |total: fn(&StoredTotals) -> &AtomicU64| {
        let (content, trees) = (total(&packed.content), total(&packed.trees));
        content.load(Ordering::Relaxed).saturating_add(trees.load(Ordering::Relaxed))
    };
    Stored {
        raw_bytes: both(|totals| &totals.raw_bytes),
        stored_bytes: both(|totals| &totals.stored_bytes),
        chunk_count: packed.content.chunks.load(Ordering::Relaxed),
        main: packed.main,
    }
}

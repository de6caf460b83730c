//! Reads every node below some roots once, in the order in which nodes lie in packs.

use crate::content::ContentReader;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{ChunkId, NodeId};
use crate::index::Extent;
use crate::needed::ids::IdSorter;
use crate::needed::references::References;
use crate::needed::seen::Seen;
use crate::progress::Progress;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// How many nodes are put in order at a time: enough that those of a frame come together.
const PIECE_NODES: usize = 8192;
/// How many nodes are read before what they name is handed on.
const BATCH_NODES: usize = 512;
/// When so many children wait, they are read before more of their siblings: this bounds what waits on each level.
const CHILDREN_MAX: usize = 64 << 10;
/// How many ids a thread gathers before it hands them on.
const ENDS_MAX: usize = 16 << 10;
/// How many ids are looked up at once.
const LOOKUP_IDS: usize = 1024;

/// A node and where it lies.
type Placed = (Extent, NodeId);

/// A walk over everything below some roots.
pub(super) struct Walk<'a> {
    progress: &'a dyn Progress,
    nodes: Nodes<'a>,
    seen: Seen,
    /// Nodes that wait to be read, the deepest last.
    waiting: Vec<Vec<NodeId>>,
}

/// What threads share that read nodes.
struct Nodes<'a> {
    reader: &'a ContentReader,
    /// Everything that was found to be needed.
    ids: Mutex<IdSorter>,
}

impl<'a> Walk<'a> {
    pub(super) const fn new(reader: &'a ContentReader, progress: &'a dyn Progress, seen: Seen, ids: IdSorter) -> Self {
        Self { progress, nodes: Nodes { reader, ids: Mutex::new(ids) }, seen, waiting: Vec::new() }
    }

    /// Reads everything below `roots`; gives the ids of all that it met.
    pub(super) fn run(mut self, roots: Vec<NodeId>) -> Result<IdSorter> {
        self.waiting.push(roots);
        while let Some(mut level) = self.waiting.pop() {
            let piece = level.split_off(level.len().saturating_sub(PIECE_NODES));
            if !level.is_empty() {
                self.waiting.push(level);
            }
            self.piece(piece)?;
        }
        Ok(self.nodes.ids.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn piece(&mut self, mut piece: Vec<NodeId>) -> Result<()> {
        piece.sort_unstable();
        piece.dedup();
        let mut fresh = Vec::with_capacity(piece.len());
        for id in piece {
            if !self.seen.contains(&id)? {
                fresh.push(id);
            }
        }
        let placed = place(self.nodes.reader, &fresh)?;
        let mut children = Vec::new();
        let mut batches = placed.chunks(BATCH_NODES);
        while children.len() < CHILDREN_MAX
            && let Some(batch) = batches.next()
        {
            if self.progress.stopped() {
                return Err(Error::new(ErrorKind::Interrupted, "stopped as asked; nothing was changed"));
            }
            for (_, id) in batch {
                self.seen.insert(*id)?;
            }
            self.nodes.take(&batch.iter().map(|(_, id)| id.as_chunk()).collect::<Vec<_>>())?;
            children.extend(self.nodes.read(batch)?);
        }
        let rest: Vec<NodeId> = batches.flatten().map(|(_, id)| *id).collect();
        self.waiting.extend([rest, children].into_iter().filter(|nodes| !nodes.is_empty()));
        Ok(())
    }
}

impl Nodes<'_> {
    /// Reads nodes on all threads; gives the nodes that they name.
    fn read(&self, batch: &[Placed]) -> Result<Vec<NodeId>> {
        let frames: Vec<&[Placed]> = batch.chunk_by(|(a, _), (b, _)| a.pack == b.pack && a.frame == b.frame).collect();
        let next = AtomicUsize::new(0);
        let work = || -> Result<Vec<NodeId>> {
            let mut found = References::default();
            while let Some(frame) = frames.get(next.fetch_add(1, Ordering::Relaxed)) {
                self.frame(frame, &mut found)?;
            }
            self.take(&found.ends)?;
            Ok(found.nodes)
        };
        let threads = self.reader.access().threads.min(frames.len());
        if threads <= 1 {
            return work();
        }
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            let results = workers
                .into_iter()
                .map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            results.collect::<Vec<_>>().into_iter().collect::<Result<Vec<_>>>().map(|nodes| nodes.concat())
        })
    }

    fn frame(&self, nodes: &[Placed], found: &mut References) -> Result<()> {
        for (extent, id) in nodes {
            let node = self.reader.node_at(extent, *id)?;
            found.add(&node).map_err(|rule| malformed(*id, rule))?;
            if found.ends.len() >= ENDS_MAX {
                self.take(&found.ends)?;
                found.ends.clear();
            }
        }
        Ok(())
    }

    fn take(&self, ids: &[ChunkId]) -> Result<()> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).add(ids)
    }
}

/// Where nodes lie, in the order of their places.
fn place(reader: &ContentReader, nodes: &[NodeId]) -> Result<Vec<Placed>> {
    let (mut found, mut placed) = (Vec::new(), Vec::with_capacity(nodes.len()));
    for piece in nodes.chunks(LOOKUP_IDS) {
        let ids: Vec<ChunkId> = piece.iter().map(|id| id.as_chunk()).collect();
        reader.find(&ids, &mut found)?;
        for (id, extent) in piece.iter().zip(&found) {
            let extent =
                extent.ok_or_else(|| Error::new(ErrorKind::Damaged, format!("node {id} is in no committed pack")))?;
            placed.push((extent, *id));
        }
    }
    placed.sort_unstable();
    Ok(placed)
}

fn malformed(id: NodeId, rule: crate::manifest::NodeError) -> Error {
    Error::new(ErrorKind::Damaged, format!("node {id} is malformed")).because(rule)
}

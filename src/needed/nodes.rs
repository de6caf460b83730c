//! Finding nodes and reading them, on all threads, in the order in which they lie in packs.

use crate::content::{ContentReader, FrameScratch};
use crate::error::{Error, ErrorKind, Result, check_stopped};
use crate::id::{ChunkId, NodeId};
use crate::index::{Extent, in_parts};
use crate::needed::references::References;
use crate::progress::Progress;
use crate::threads;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// How many ids a thread gathers before it hands them on.
const GATHERED_MAX: usize = 16 << 10;
/// How many ids are looked up at once.
const LOOKUP_IDS: usize = 1024;
/// How many nodes are read at a time on the way down. What they name is held in memory.
const STEP_NODES: usize = 256;

/// A node and where it lies.
pub(super) type Placed = (Extent, NodeId);

/// Takes what nodes name, and leaves nothing.
pub(super) type Take<'a> = dyn Fn(&mut References) -> Result<()> + Sync + 'a;

/// Where nodes lie, in the order of their places. Many should be given in the order of their ids.
///
/// # Errors
/// [`ErrorKind::Damaged`] for a node that no committed pack holds.
pub(super) fn place(reader: &ContentReader, nodes: &[NodeId]) -> Result<Vec<Placed>> {
    let mut placed = Vec::with_capacity(nodes.len());
    for part in in_parts(nodes, reader.access().threads, |part| find(reader, part))? {
        placed.append(&mut part?);
    }
    placed.sort_unstable();
    Ok(placed)
}

fn find(reader: &ContentReader, nodes: &[NodeId]) -> Result<Vec<Placed>> {
    let (mut found, mut placed) = (Vec::new(), Vec::with_capacity(nodes.len()));
    for piece in nodes.chunks(LOOKUP_IDS) {
        let ids: Vec<ChunkId> = piece.iter().map(|id| id.as_chunk()).collect();
        reader.find(&ids, &mut found)?;
        for (id, extent) in piece.iter().zip(&found) {
            let missing = || Error::new(ErrorKind::Damaged, format!("node {id} is in no committed pack"));
            placed.push((extent.ok_or_else(missing)?, *id));
        }
    }
    Ok(placed)
}

/// Reads nodes, frame by frame, as long as `goes_on` says so. Several threads call `take`, each with what it gathered.
/// Returns how many were read: the first ones.
///
/// # Errors
/// [`ErrorKind::Damaged`] for a node that is missing or wrong; those of `take`.
pub(super) fn read(
    reader: &ContentReader,
    nodes: &[Placed],
    goes_on: &(dyn Fn() -> bool + Sync),
    take: &Take<'_>,
) -> Result<usize> {
    let frames: Vec<&[Placed]> = nodes.chunk_by(|(a, _), (b, _)| a.pack == b.pack && a.frame == b.frame).collect();
    let (next, read_count) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        let (mut scratch, mut found) = (FrameScratch::default(), References::default());
        while goes_on()
            && let Some(frame) = frames.get(next.fetch_add(1, Ordering::Relaxed))
        {
            read_frame(reader, frame, &mut scratch, &mut found, take)?;
            read_count.fetch_add(frame.len(), Ordering::Relaxed);
        }
        take(&mut found)
    };
    let thread_count = reader.access().threads.min(frames.len());
    if thread_count <= 1 {
        work()?;
    } else {
        threads::in_each(thread_count, work)?.into_iter().collect::<Result<()>>()?;
    }
    Ok(read_count.into_inner())
}

/// Goes down from roots. `turn` takes what is named, and gives those of the nodes among it from which it goes on.
///
/// # Errors
/// As [`read`], those of `turn`, and when the caller stops.
pub(super) fn descend(
    reader: &ContentReader,
    roots: &[NodeId],
    progress: &dyn Progress,
    turn: &mut dyn FnMut(References) -> Result<Vec<NodeId>>,
) -> Result<()> {
    let mut waiting = turn(References { nodes: roots.to_vec(), ends: Vec::new() })?;
    while !waiting.is_empty() {
        check_stopped(progress)?;
        let piece = waiting.split_off(waiting.len().saturating_sub(STEP_NODES));
        waiting.extend(turn(named_by(reader, &piece)?)?);
    }
    Ok(())
}

/// Everything that some nodes name, in memory.
///
/// # Errors
/// As [`read`].
fn named_by(reader: &ContentReader, nodes: &[NodeId]) -> Result<References> {
    let named = Mutex::new(References::default());
    let take = |found: &mut References| {
        named.lock().unwrap_or_else(PoisonError::into_inner).append(found);
        Ok(())
    };
    read(reader, &place(reader, nodes)?, &|| true, &take)?;
    Ok(named.into_inner().unwrap_or_else(PoisonError::into_inner))
}

fn read_frame(
    reader: &ContentReader,
    nodes: &[Placed],
    scratch: &mut FrameScratch,
    found: &mut References,
    take: &Take<'_>,
) -> Result<()> {
    let Some((first, _)) = nodes.first() else { return Ok(()) };
    let frame = reader.read_frame(first, scratch)?;
    for (extent, id) in nodes {
        let node = reader.proved_node(frame.slice(extent), *id)?;
        let malformed = |rule| Error::new(ErrorKind::Damaged, format!("node {id} is malformed")).because(rule);
        found.add(node).map_err(malformed)?;
        if found.len() >= GATHERED_MAX {
            take(found)?;
        }
    }
    Ok(())
}

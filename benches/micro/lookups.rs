//! The index: applying segments, and looking chunks up that it has and that it lacks.

use crate::Outcome;
use crate::pair::{Pair, Unit};
use holdall::RepositoryId;
use holdall::id::{ChunkId, ClientId, PackId, SegmentId, SessionId, SignerKey};
use holdall::index::{Index, MemoryIndex, Mode, catch_up, open_view};
use holdall::layout::{Class, FrameTable};
use holdall::segment::{PackFacts, PackRow, SegmentBuilder};
use std::collections::{BTreeSet, HashMap};
use std::path::Path;

const CHUNK_COUNT: usize = 400_000;
const PACK_CHUNKS: usize = 512;
/// As many as a batch of files asks for at once.
const BATCH: usize = 512;
const VIEW_BYTES: usize = 32 << 20;

pub(crate) fn run() -> Outcome<Vec<Pair>> {
    let (known, fresh) = (ids(b"known"), ids(b"fresh"));
    let body = segment(&known)?;
    let id = SegmentId::from_bytes([5; 32]);
    let fill = |index: &dyn Index| -> Outcome<()> {
        catch_up(index, &BTreeSet::from([id]), &mut |_| Ok::<_, holdall::index::IndexError>(Some(body.clone())))?;
        Ok(index.flush()?)
    };
    let table = || known.iter().copied().zip(0u64..).collect::<HashMap<ChunkId, u64>>();
    let full = table();
    let place = tempfile::tempdir()?;
    let view = |name: &str| -> Outcome<_> { open(&place.path().join(name)) };
    let (memory, disk) = (MemoryIndex::new(), view("kept")?);
    fill(&memory)?;
    fill(disk.as_ref())?;
    let mut number = 0usize;
    let rebuilt = || -> Outcome<()> {
        number += 1;
        fill(view(&format!("view {number}"))?.as_ref())
    };
    let count = (Unit::Items, CHUNK_COUNT);
    let floor = "a hash map";
    let in_map = |ids: &[ChunkId]| ids.iter().filter(|id| full.contains_key(id)).count();
    Ok(vec![
        Pair::measure(
            ("chunks put into the index in memory", floor),
            count,
            || fill(&MemoryIndex::new()).is_ok(),
            table,
        ),
        Pair::measure(("chunks put into a view", floor), count, rebuilt, table),
        Pair::measure(("new chunks looked up in memory", floor), count, || look(&memory, &fresh), || in_map(&fresh)),
        Pair::measure(
            ("new chunks looked up in a view", floor),
            count,
            || look(disk.as_ref(), &fresh),
            || in_map(&fresh),
        ),
        Pair::measure(("known chunks looked up in memory", floor), count, || look(&memory, &known), || in_map(&known)),
        Pair::measure(
            ("known chunks looked up in a view", floor),
            count,
            || look(disk.as_ref(), &known),
            || in_map(&known),
        ),
    ])
}

fn open(directory: &Path) -> Outcome<Box<dyn Index>> {
    Ok(open_view(directory, RepositoryId::from_bytes([9; 16]), Mode::Writer, VIEW_BYTES)?.index)
}

fn look(index: &dyn Index, ids: &[ChunkId]) -> usize {
    let mut found = Vec::new();
    let hits = ids.chunks(BATCH).map(|batch| match index.lookup(batch, &mut found) {
        Ok(()) => found.iter().flatten().count(),
        Err(_) => 0,
    });
    hits.sum()
}

fn ids(seed: &[u8]) -> Vec<ChunkId> {
    let mut reader = blake3::Hasher::new().update(seed).finalize_xof();
    let draw = |_| {
        let mut id = [0; 32];
        reader.fill(&mut id);
        ChunkId::from_bytes(id)
    };
    (0..CHUNK_COUNT).map(draw).collect()
}

fn segment(ids: &[ChunkId]) -> Outcome<Vec<u8>> {
    let mut segment = SegmentBuilder::new();
    for ids in ids.chunks(PACK_CHUNKS) {
        let mut frames = FrameTable::new(128)?;
        ids.chunks(32).try_for_each(|frame| frames.push(1 << 20, &vec![64 << 10; frame.len()]).map(drop))?;
        let pack = PackId::from_bytes(*ids.first().ok_or("no pack is empty")?.as_bytes());
        let bytes = u64::from(frames.end_offset()) + 600;
        let session = SessionId { client: ClientId::from_bytes([3; 16]), number: 1 };
        let facts = PackFacts { pack, class: Class::Content, bytes, signer: SignerKey::from_bytes([4; 32]), session };
        segment.push(PackRow::new(facts, frames, ids.to_vec())?).map_err(|_| "the segment is full")?;
    }
    Ok(segment.finish())
}

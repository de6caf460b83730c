//! Data: packs are read once from the first byte to the last; their names, every frame and every chunk are proved.
//!
//! Readers go through one pack after the other, from front to end, and hash it; frames are decoded and their chunks
//! hashed on all cores. What seems bad is read again from the medium before it is called damage.

use crate::access::Access;
use crate::check::feed::Feed;
use crate::check::healing;
use crate::check::packs::{damage, unread};
use crate::check::proof::{Attempt, PackProof, Prover};
use crate::check::ration::{Ration, Share};
use crate::check::remember::Recorder;
use crate::check::report::{Findings, the_more_telling};
use crate::check::vouch::Proven;
use crate::content::{OpenPack, open_pack};
use crate::error::{Error, ErrorKind, Result};
use crate::layout::FramePlace;
use crate::pack::PackHasher;
use crate::segment::PackRow;
use crate::store::ObjectName;
use crate::threads;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::sync::{Arc, Mutex, PoisonError};

/// How many decoding threads one reader feeds: it hashes stored bytes about ten times as fast as they are decoded.
const DECODERS_PER_READER: usize = 8;
/// Which part of the memory at hand frames may take that wait to be decoded.
const RATION_PART: u64 = 8;

/// A frame as it was read.
struct Task<'a> {
    pack: Arc<PackProof<'a>>,
    place: FramePlace,
    /// The place of its first chunk among the pack's.
    first_chunk: usize,
    stored: Result<Vec<u8>, String>,
    _share: Share<'a>,
}

/// What the threads share.
struct Lines<'a> {
    access: &'a Access,
    findings: &'a Findings<'a>,
    recorder: &'a Recorder<'a>,
    proven: &'a Proven,
    ration: &'a Ration,
    /// Buffers that can be used again.
    spare: &'a Mutex<Vec<Vec<u8>>>,
}

/// Proves the packs that are fed, on all cores. Memory: an eighth of what is at hand, a frame a core, one segment, and
/// what the feed takes.
pub(super) fn check(
    feed: &mut Feed<'_>,
    (recorder, proven): (&Recorder<'_>, &Proven),
    findings: &Findings<'_>,
) -> Result<()> {
    let access = feed.access;
    let thread_count = access.threads.max(1);
    let ration = Ration::new(usize::try_from(access.memory_bytes / RATION_PART).unwrap_or(usize::MAX));
    let spare = Mutex::default();
    let lines = &Lines { access, findings, recorder, proven, ration: &ration, spare: &spare };
    let (rows, row_queue) = bounded::<PackRow>(1);
    let (tasks, task_queue) = bounded::<Task<'_>>(thread_count.saturating_mul(2));
    std::thread::scope(|scope| {
        for _ in 0..thread_count {
            let task_queue = task_queue.clone();
            threads::start(scope, move || decode_all(lines, &task_queue))?;
        }
        drop(task_queue);
        let readers: Vec<_> = (0..thread_count.div_ceil(DECODERS_PER_READER))
            .map(|_| {
                let (row_queue, tasks) = (row_queue.clone(), tasks.clone());
                let read = move || row_queue.iter().try_for_each(|row| read_pack(lines, row, &tasks));
                // The others and the feed may have hours to go.
                threads::start(scope, move || read().inspect_err(|_| lines.findings.give_up()))
            })
            .collect::<Result<_, _>>()?;
        drop((row_queue, tasks));
        let fed = feed.run(&rows);
        drop(rows);
        let ended = readers.into_iter().map(threads::join).chain([fed]).collect::<Vec<_>>();
        ended.into_iter().filter_map(Result::err).reduce(the_more_telling).map_or(Ok(()), Err)
    })
}

/// Reads a pack from its first byte to its last.
fn read_pack<'a>(lines: &Lines<'a>, row: PackRow, tasks: &Sender<Task<'a>>) -> Result<()> {
    healing::check_parity(lines.access, row.facts().pack, lines.findings)?;
    let Some((open, attempt)) = open_twice(lines, &row)? else { return Ok(()) };
    let proof = Arc::new(PackProof::new(lines.findings, (lines.recorder, lines.proven), row, open, attempt));
    let header_bytes = usize::try_from(proof.row.frames().header_bytes()).unwrap_or(0);
    let mut hasher = PackHasher::new();
    let mut stored = Vec::new();
    let mut whole = proof.read(0, header_bytes, &mut stored);
    hasher.update(&stored);
    let mut first_chunk = 0usize;
    for frame in proof.row.frames().frames() {
        if lines.findings.is_over() {
            return Err(Error::stopped());
        }
        let bytes = usize::try_from(frame.place.stored_bytes).unwrap_or(0);
        let share = lines.ration.take(bytes);
        let mut stored = lines.spare.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        let read = proof.read(frame.place.offset.into(), bytes, &mut stored);
        hasher.update(&stored);
        whole = whole.and(read.clone());
        let (pack, place) = (Arc::clone(&proof), frame.place);
        let task = Task { pack, place, first_chunk, stored: read.map(|()| stored), _share: share };
        first_chunk = first_chunk.saturating_add(frame.lengths.len());
        if tasks.send(task).is_err() {
            return Ok(());
        }
    }
    let end = proof.row.frames().end_offset();
    let rest = proof.row.facts().bytes.saturating_sub(end.into());
    whole = whole.and(proof.read(end.into(), usize::try_from(rest).unwrap_or(0), &mut stored));
    hasher.update(&stored);
    proof.prove_end(&mut stored);
    lines.findings.read(rest.saturating_add(proof.row.frames().header_bytes().into()));
    proof.hashed(whole.is_ok() && hasher.id() == proof.row.facts().pack);
    PackProof::conclude(proof);
    Ok(())
}

/// Opens a pack; none when it is damaged or may not be read, which is then told.
fn open_twice(lines: &Lines<'_>, row: &PackRow) -> Result<Option<(OpenPack, Attempt)>> {
    let id = row.facts().pack;
    let first = match open_pack(lines.access, id) {
        Ok(open) => return Ok(Some((open, Attempt::First))),
        Err(error) => error,
    };
    match open_pack(lines.access, id) {
        Ok(open) => {
            let header = format!("{}, header,", ObjectName::Pack(id));
            lines.findings.only_twice(&header, &first.to_string());
            Ok(Some((open, Attempt::Second)))
        }
        // A header that names another repository or epoch was changed: a committed segment vouches for this pack.
        Err(error) if matches!(error.kind(), ErrorKind::Damaged | ErrorKind::Io | ErrorKind::Denied) => {
            lines.findings.damage(damage(id, "header".to_owned(), error.to_string()), row.ids().iter().copied());
            Ok(None)
        }
        Err(error) if error.is_refused() => {
            lines.findings.damage(unread(id, &error), row.ids().iter().copied());
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn decode_all(lines: &Lines<'_>, tasks: &Receiver<Task<'_>>) {
    let mut prover = Prover::new(lines.access);
    for task in tasks {
        let mut stored = task.stored;
        task.pack.prove(&mut prover, task.place, task.first_chunk, &mut stored);
        if let Ok(buffer) = stored {
            lines.spare.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
        }
        PackProof::conclude(task.pack);
    }
}

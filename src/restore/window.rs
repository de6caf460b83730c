//! A window of files that are restored together, so that every frame they need is read and decoded once.

use crate::destination::{Destination, DestinationError, Existing, Filling, Made, Metadata, TargetFile};
use crate::id::ChunkId;
use crate::manifest::{Hole, Key};
use crate::restore::twins::{Source, Twin};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many chunks a window asks for at most: about 2 GiB of content at the usual size of chunks, and 3 MiB of memory.
const WANTS_MAX: usize = 32 << 10;
/// How many files, or directories waiting for their metadata, a window holds at most: about 8 MiB of memory. Up to three
/// windows exist at a time: one that is planned, one that is located, one that is written.
const ENTRIES_MAX: usize = 16 << 10;

/// How far the place of a file in the target is prepared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// The first part that is written makes the file; what may lie there is dealt with like this.
    Make(Existing),
    /// A file lies there: its parts are compared before they are written.
    Compare,
    /// It was made.
    Made,
    /// It was there and is written to, where it differs.
    TakenOver,
    /// It is there with the right content.
    Right,
    /// What is there stays.
    Left,
}

/// One file on its way to the target.
pub(super) struct FileWork {
    pub(super) key: Key,
    pub(super) target: Key,
    pub(super) metadata: Metadata,
    pub(super) bytes: u64,
    pub(super) holes: Vec<Hole>,
    /// Its content, if the manifest holds that itself and it is yet to be compared.
    pub(super) inline: Vec<u8>,
    /// Parts that are not dealt with yet, and one for the planner while it still adds parts.
    pub(super) remaining: AtomicUsize,
    /// Whether a part of it could not be written.
    pub(super) failed: AtomicBool,
    /// Whether a part of it is lost.
    pub(super) is_damaged: AtomicBool,
    /// Whether its parts are spread over several windows.
    pub(super) is_split: AtomicBool,
    /// Bytes that were written to it, or would be.
    pub(super) written: AtomicU64,
    /// Bytes of it that progress was told of before it was complete.
    pub(super) told: AtomicU64,
    /// Where others with the same content look for it once it is complete.
    pub(super) source: Option<Arc<Source>>,
    start: Mutex<Start>,
}

/// A chunk that is wanted at one place of one file.
pub(super) struct Want {
    pub(super) id: ChunkId,
    pub(super) offset: u64,
    /// How long the item is that names the chunk.
    pub(super) bytes: u64,
    pub(super) file: Arc<FileWork>,
}

/// The part of a file in one window that is compared with what is there.
pub(super) struct Standing {
    pub(super) file: Arc<FileWork>,
    pub(super) wants: Vec<Want>,
    /// Runs of zeros: offset and length.
    pub(super) zeros: Vec<(u64, u64)>,
}

impl FileWork {
    pub(super) const fn new(key: Key, target: Key, metadata: Metadata, bytes: u64, holes: Vec<Hole>) -> Self {
        Self {
            key,
            target,
            metadata,
            bytes,
            holes,
            inline: Vec::new(),
            remaining: AtomicUsize::new(1),
            failed: AtomicBool::new(false),
            is_damaged: AtomicBool::new(false),
            is_split: AtomicBool::new(false),
            written: AtomicU64::new(0),
            told: AtomicU64::new(0),
            source: None,
            start: Mutex::new(Start::Compare),
        }
    }

    /// How far its place is prepared.
    pub(super) fn start(&self) -> MutexGuard<'_, Start> {
        self.start.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file, made by whoever needs it first.
    pub(super) fn open(
        &self,
        destination: &Destination,
        filling: Filling,
    ) -> Result<Arc<TargetFile>, DestinationError> {
        let mut start = self.start();
        let Start::Make(existing) = *start else { return destination.file(&self.target) };
        let file = if self.holes.is_empty() {
            destination.create_whole_file(&self.target, self.bytes, existing, (&self.metadata, filling))
        } else {
            destination.create_file(&self.target, self.bytes, existing)
        }?;
        *start = if file.made() == Made::New { Start::Made } else { Start::TakenOver };
        Ok(file)
    }

    /// Writes bytes but where holes shall be.
    pub(super) fn write(&self, file: &TargetFile, offset: u64, bytes: &[u8]) -> Result<(), DestinationError> {
        let mut done = 0usize;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            let at = offset.saturating_add(length(done));
            let (hole, run) = self.run_at(at, length(rest.len()));
            let run = usize::try_from(run).unwrap_or(rest.len()).min(rest.len());
            let part = rest.get(..run).unwrap_or_default();
            // A hole only says what was not allocated: bytes that are there all the same must not be lost.
            if hole && part.iter().all(|byte| *byte == 0) {
                file.make_hole(at, length(run), self.bytes)?;
            } else {
                file.write_at(at, part)?;
            }
            done = done.saturating_add(run);
        }
        Ok(())
    }

    /// Writes zeros but where holes shall be.
    pub(super) fn write_zeros(&self, file: &TargetFile, offset: u64, bytes: u64) -> Result<(), DestinationError> {
        let end = offset.saturating_add(bytes);
        let mut at = offset;
        while at < end {
            let (hole, run) = self.run_at(at, end.saturating_sub(at));
            if hole {
                file.make_hole(at, run, self.bytes)?
            } else {
                file.write_zeros(at, run)?
            }
            at = at.saturating_add(run);
        }
        Ok(())
    }

    /// Whether a hole shall be at `offset`, and how far, up to `max`, it is the same from there on.
    pub(super) fn run_at(&self, offset: u64, max: u64) -> (bool, u64) {
        let next = self.holes.partition_point(|hole| hole.offset.saturating_add(hole.bytes) <= offset);
        match self.holes.get(next) {
            Some(hole) if hole.offset <= offset => {
                (true, hole.offset.saturating_add(hole.bytes).saturating_sub(offset).min(max))
            }
            Some(hole) => (false, hole.offset.saturating_sub(offset).min(max)),
            None => (false, max),
        }
    }
}

/// Chunks that are wanted, files that are to be compared, and directories that are complete once all are written.
/// Windows are written in the order in which they were planned, one at a time, while the next one is planned.
#[derive(Default)]
pub(super) struct Window {
    pub(super) wants: Vec<Want>,
    pub(super) standing: Vec<Standing>,
    /// Files that are cloned from others, which are complete once all wants are written.
    pub(super) twins: Vec<Twin>,
    pub(super) left: Vec<Left>,
    file_count: usize,
    /// Parts of files that are to be compared.
    part_count: usize,
}

/// A directory whose last entry was planned.
pub(super) struct Left {
    pub(super) key: Key,
    pub(super) target: Key,
    /// What it is to get in the end.
    pub(super) metadata: Metadata,
    pub(super) made: Made,
}

impl Window {
    /// Whether it holds 1/`share` of what a window may hold.
    pub(super) fn is_full(&self, share: usize) -> bool {
        let full = |count: usize, max: usize| count >= max / share.max(1);
        full(self.wants.len().saturating_add(self.part_count), WANTS_MAX)
            || full(self.file_count, ENTRIES_MAX)
            || full(self.left.len(), ENTRIES_MAX)
    }

    pub(super) fn add_file(&mut self) {
        self.file_count = self.file_count.saturating_add(1);
    }

    /// Adds a file, or further parts of one that began in an earlier window, that is to be compared.
    pub(super) fn add_standing(&mut self, file: &Arc<FileWork>) {
        file.remaining.fetch_add(1, Ordering::Relaxed);
        self.standing.push(Standing { file: Arc::clone(file), wants: Vec::new(), zeros: Vec::new() });
    }

    /// Adds a chunk of a file: to be compared, if that is how the file was added, or to be written.
    pub(super) fn add(&mut self, want: Want) {
        want.file.remaining.fetch_add(1, Ordering::Relaxed);
        match self.standing_of(&want.file) {
            Some(standing) => standing.wants.push(want),
            None => self.wants.push(want),
        }
    }

    /// Adds zeros of a file that is to be compared; says whether it is.
    pub(super) fn add_zeros(&mut self, file: &Arc<FileWork>, offset: u64, bytes: u64) -> bool {
        match self.standing_of(file) {
            Some(standing) => standing.zeros.push((offset, bytes)),
            None => return false,
        }
        true
    }

    /// Whether this file was added last, to be compared.
    pub(super) fn compares(&self, file: &Arc<FileWork>) -> bool {
        self.standing.last().is_some_and(|standing| Arc::ptr_eq(&standing.file, file))
    }

    /// The file that was added last, if it is this one.
    fn standing_of(&mut self, file: &Arc<FileWork>) -> Option<&mut Standing> {
        let standing = self.standing.last_mut().filter(|standing| Arc::ptr_eq(&standing.file, file))?;
        self.part_count = self.part_count.saturating_add(1);
        Some(standing)
    }
}

fn length(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

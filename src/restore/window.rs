//! A window of files that are restored together, so that every frame they need is read and decoded once, and the
//! writing of them.

use crate::content::ContentReader;
use crate::destination::{Destination, Existing, Metadata, TargetFile};
use crate::error::Result;
use crate::id::ChunkId;
use crate::manifest::{Content, Hole, Key};
use crate::restore::outcome::Outcome;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// How many chunks a window asks for at most: about 2 GiB of content at the usual size of chunks, and 3 MiB of memory.
const WANTS_MAX: usize = 32 << 10;
/// How many files, or directories waiting for their metadata, a window holds at most: about 8 MiB of memory. Up to three
/// windows exist at a time: one that is planned, one that is located, one that is written.
const ENTRIES_MAX: usize = 16 << 10;

/// One file on its way to the target.
pub(super) struct FileWork {
    key: Key,
    target: Key,
    metadata: Metadata,
    bytes: u64,
    holes: Vec<Hole>,
    /// Parts that are not written yet, and one for the planner while it still adds parts.
    remaining: AtomicUsize,
    /// Whether a part of it could not be written.
    failed: AtomicBool,
    /// What to do with a file that is there already; taken by whoever makes the file.
    existing: Mutex<Option<Existing>>,
}

/// A chunk that is wanted at one place of one file.
pub(super) struct Want {
    pub(super) id: ChunkId,
    pub(super) offset: u64,
    /// How long the item is that names the chunk.
    pub(super) bytes: u64,
    pub(super) file: Arc<FileWork>,
}

impl FileWork {
    pub(super) const fn new(key: Key, target: Key, metadata: Metadata, bytes: u64, holes: Vec<Hole>) -> Self {
        let (remaining, failed) = (AtomicUsize::new(1), AtomicBool::new(false));
        Self { key, target, metadata, bytes, holes, remaining, failed, existing: Mutex::new(None) }
    }

    /// The file, made by whoever needs it first.
    fn open(&self, destination: &Destination) -> Result<Arc<TargetFile>, crate::destination::DestinationError> {
        let mut existing = self.existing.lock().unwrap_or_else(PoisonError::into_inner);
        match existing.take() {
            Some(existing) if self.holes.is_empty() => {
                destination.create_whole_file(&self.target, self.bytes, existing, &self.metadata)
            }
            Some(existing) => destination.create_file(&self.target, self.bytes, existing),
            None => destination.file(&self.target),
        }
    }

    /// Writes bytes but where holes shall be.
    fn write(&self, file: &TargetFile, offset: u64, bytes: &[u8]) -> Result<(), crate::destination::DestinationError> {
        let mut done = 0usize;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            let at = offset.saturating_add(length(done));
            let (hole, run) = self.run_at(at, length(rest.len()));
            let run = usize::try_from(run).unwrap_or(rest.len()).min(rest.len());
            let part = rest.get(..run).unwrap_or_default();
            // A hole only says what was not allocated: bytes that are there all the same must not be lost.
            if hole && part.iter().all(|byte| *byte == 0) {
                file.make_hole(at, length(run))?;
            } else {
                file.write_at(at, part)?;
            }
            done = done.saturating_add(run);
        }
        Ok(())
    }

    /// Writes zeros but where holes shall be.
    fn write_zeros(
        &self,
        file: &TargetFile,
        offset: u64,
        bytes: u64,
    ) -> Result<(), crate::destination::DestinationError> {
        let end = offset.saturating_add(bytes);
        let mut at = offset;
        while at < end {
            let (hole, run) = self.run_at(at, end.saturating_sub(at));
            if hole {
                file.make_hole(at, run)?
            } else {
                file.write_zeros(at, run)?
            }
            at = at.saturating_add(run);
        }
        Ok(())
    }

    /// Whether a hole shall be at `offset`, and how far, up to `max`, it is the same from there on.
    fn run_at(&self, offset: u64, max: u64) -> (bool, u64) {
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

/// Chunks that are wanted, and directories that are complete once they are written. Windows are written in the order in
/// which they were planned, one at a time, while the next one is planned.
#[derive(Default)]
pub(super) struct Window {
    wants: Vec<Want>,
    left: Vec<Left>,
    file_count: usize,
}

/// A directory whose last entry was planned: its key, its key in the target, and what it is to get in the end.
pub(super) type Left = (Key, Key, Metadata);

impl Window {
    /// Whether it holds 1/`share` of what a window may hold.
    pub(super) fn is_full(&self, share: usize) -> bool {
        let full = |count: usize, max: usize| count >= max / share.max(1);
        full(self.wants.len(), WANTS_MAX) || full(self.file_count, ENTRIES_MAX) || full(self.left.len(), ENTRIES_MAX)
    }

    /// Notes a directory whose last entry was planned.
    pub(super) fn leave(&mut self, key: Key, target: Key, metadata: Metadata) {
        self.left.push((key, target, metadata));
    }

    pub(super) fn add_file(&mut self) {
        self.file_count = self.file_count.saturating_add(1);
    }

    pub(super) fn add(&mut self, want: Want) {
        want.file.remaining.fetch_add(1, Ordering::Relaxed);
        self.wants.push(want);
    }

    pub(super) fn into_parts(self) -> (Vec<Want>, Vec<Left>) {
        (self.wants, self.left)
    }
}

/// Writes into the target what planner and windows want; shared by all threads.
pub(super) struct Writer<'a> {
    reader: &'a ContentReader,
    destination: &'a Destination,
    outcome: &'a Outcome<'a>,
}

impl<'a> Writer<'a> {
    pub(super) const fn new(reader: &'a ContentReader, destination: &'a Destination, outcome: &'a Outcome<'a>) -> Self {
        Self { reader, destination, outcome }
    }

    pub(super) const fn reader(&self) -> &'a ContentReader {
        self.reader
    }

    pub(super) fn stopped(&self) -> bool {
        self.outcome.stopped()
    }

    /// Begins a file: it is made at once if no chunk will be written to it, or if another name may be linked to it
    /// before its content comes.
    pub(super) fn begin(&self, work: FileWork, content: &Content, existing: Existing) -> Result<Arc<FileWork>> {
        *work.existing.lock().unwrap_or_else(PoisonError::into_inner) = Some(existing);
        if existing == Existing::Replace || !matches!(content, Content::Items(_)) {
            let inline = match content {
                Content::Inline(bytes) => bytes.as_slice(),
                Content::Items(_) => &[],
            };
            self.put(&work, |work, file| work.write(file, 0, inline))?;
        }
        Ok(Arc::new(work))
    }

    /// Writes zeros, or leaves a hole, where the file's list says so.
    pub(super) fn put_zeros(&self, work: &FileWork, offset: u64, bytes: u64) -> Result<()> {
        self.put(work, |work, file| work.write_zeros(file, offset, bytes))
    }

    /// Sets the metadata of directories that are complete, in order: each after those below it.
    pub(super) fn finish_directories(&self, left: &[Left]) -> Result<()> {
        left.iter().try_for_each(|(key, target, metadata)| self.finish_entry(key, target, metadata))
    }

    /// Writes a chunk that was proved against its id to one place that wants it.
    pub(super) fn put_chunk(&self, want: &Want, bytes: &[u8]) -> Result<()> {
        self.put(&want.file, |work, file| work.write(file, want.offset, bytes))?;
        self.part_done(&want.file)
    }

    /// A part of a file can't be had; the rest of it is restored all the same.
    pub(super) fn lose(&self, want: &Want, error: crate::error::Error) -> Result<()> {
        self.fail(&want.file, error)?;
        self.part_done(&want.file)
    }

    /// Sets the metadata of an entry that is complete.
    pub(super) fn finish_entry(&self, key: &Key, target: &Key, metadata: &Metadata) -> Result<()> {
        match self.destination.set_metadata(target, metadata) {
            Ok(shortfalls) => {
                self.outcome.shortfalls(key, shortfalls);
                Ok(())
            }
            Err(error) => self.outcome.refused(key.to_path(), error),
        }
    }

    fn put(
        &self,
        work: &FileWork,
        write: impl FnOnce(&FileWork, &TargetFile) -> Result<(), crate::destination::DestinationError>,
    ) -> Result<()> {
        if work.failed.load(Ordering::Relaxed) {
            return Ok(());
        }
        match work.open(self.destination).and_then(|file| write(work, &file)) {
            Ok(()) => Ok(()),
            Err(error) => {
                // Told once: what else is to come of this file would be refused as well.
                if work.failed.swap(true, Ordering::Relaxed) {
                    return Ok(());
                }
                self.outcome.refused(work.key.to_path(), error)
            }
        }
    }

    /// Tells that a part of a file can't be had. What is lost at its end does not make it shorter.
    pub(super) fn fail(&self, work: &FileWork, error: crate::error::Error) -> Result<()> {
        self.outcome.damaged(work.key.to_path(), error)?;
        self.put(work, |work, file| file.set_length(work.bytes))
    }

    /// One part of a file is dealt with; after the last of them it gets its metadata.
    pub(super) fn part_done(&self, work: &FileWork) -> Result<()> {
        if work.remaining.fetch_sub(1, Ordering::AcqRel) > 1 {
            return Ok(());
        }
        if work.failed.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.finish_entry(&work.key, &work.target, &work.metadata)?;
        self.outcome.file_done(work.bytes);
        Ok(())
    }
}

fn length(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

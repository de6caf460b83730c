//! Writing what planner and windows want, and telling what became of it.

use crate::content::ContentReader;
use crate::destination::{Cloned, DestinationError, Existing, ExistingFile, Filling, Made, Metadata, TargetFile};
use crate::error::Result;
use crate::manifest::{Content, Key, Kind, Timestamp};
use crate::progress::Change;
use crate::restore::hand::Hand;
use crate::restore::outcome::Outcome;
use crate::restore::twins::Source;
use crate::restore::window::{FileWork, Left, Start, Want};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Of longer files progress is told part by part.
const LONG_FILE_BYTES: u64 = 16 << 20;

/// Writes into the target; shared by all threads.
pub(super) struct Writer<'a> {
    reader: &'a ContentReader,
    hand: &'a Hand,
    outcome: &'a Outcome<'a>,
}

impl<'a> Writer<'a> {
    pub(super) const fn new(reader: &'a ContentReader, hand: &'a Hand, outcome: &'a Outcome<'a>) -> Self {
        Self { reader, hand, outcome }
    }

    pub(super) const fn reader(&self) -> &'a ContentReader {
        self.reader
    }

    pub(super) const fn hand(&self) -> &'a Hand {
        self.hand
    }

    pub(super) const fn outcome(&self) -> &'a Outcome<'a> {
        self.outcome
    }

    pub(super) fn check_stopped(&self) -> Result<()> {
        self.outcome.check_stopped()
    }

    /// Begins a file on fresh ground: it is made at once if no chunk will be written to it.
    pub(super) fn begin(&self, work: FileWork, content: &Content, existing: Existing) -> Result<Arc<FileWork>> {
        if matches!(content, Content::Items(_)) {
            *work.start() = Start::Make(existing);
            return Ok(Arc::new(work));
        }
        self.begin_at_once(work, content, existing)
    }

    /// Begins a file at whose place nothing lies that is worth comparing, and makes it: another name may be linked to it
    /// before its content comes.
    pub(super) fn begin_at_once(&self, work: FileWork, content: &Content, existing: Existing) -> Result<Arc<FileWork>> {
        *work.start() = Start::Make(existing);
        let inline = match content {
            Content::Inline(bytes) => bytes.as_slice(),
            Content::Items(_) => &[],
        };
        self.put(&work, whole_or_part(&work, inline), |work, file| work.write(file, 0, inline))?;
        Ok(Arc::new(work))
    }

    /// Writes zeros, or leaves a hole, where the file's list says so.
    pub(super) fn put_zeros(&self, work: &FileWork, offset: u64, bytes: u64) -> Result<()> {
        self.put(work, (bytes, Filling::InParts), |work, file| work.write_zeros(file, offset, bytes))
    }

    /// Writes the content that the manifest holds itself.
    pub(super) fn put_inline(&self, work: &FileWork) -> Result<()> {
        self.put(work, whole_or_part(work, &work.inline), |work, file| work.write(file, 0, &work.inline))
    }

    /// Sets the metadata of directories that are complete, in order: each after those below it.
    pub(super) fn finish_directories(&self, left: &[Left]) -> Result<()> {
        left.iter().try_for_each(|directory| {
            let change = if directory.made == Made::New { Change::Restored } else { Change::Unchanged };
            self.finish_entry(&directory.key, &directory.target, &directory.metadata, (change, 0))
        })
    }

    /// Writes a chunk that was proved against its id to one place that wants it.
    pub(super) fn put_chunk(&self, want: &Want, bytes: &[u8]) -> Result<()> {
        self.put(&want.file, whole_or_part(&want.file, bytes), |work, file| work.write(file, want.offset, bytes))?;
        if want.file.bytes > LONG_FILE_BYTES {
            want.file.told.fetch_add(want.bytes, Ordering::Relaxed);
            self.outcome.part_of_file_done(want.bytes);
        }
        self.part_done(&want.file)
    }

    /// A part of a file can't be had; the rest of it is restored all the same.
    pub(super) fn lose(&self, want: &Want, error: crate::error::Error) -> Result<()> {
        self.fail(&want.file, error)?;
        self.part_done(&want.file)
    }

    /// Sets the metadata of an entry that is complete, and tells what became of it: so much, and if that was nothing,
    /// whether its metadata had to be set. What was only imagined to be made has none.
    pub(super) fn finish_entry(
        &self,
        key: &Key,
        target: &Key,
        metadata: &Metadata,
        (change, bytes): (Change, u64),
    ) -> Result<()> {
        if change == Change::Restored && self.hand.writes().is_none() {
            self.outcome.entry(key, metadata.kind, (change, bytes));
            return Ok(());
        }
        match self.hand.set_metadata(target, metadata) {
            Ok(set) => {
                let is_only_metadata = change == Change::Unchanged && set.changed;
                let change = if is_only_metadata { Change::Metadata } else { change };
                self.outcome.entry(key, metadata.kind, (change, bytes));
                self.outcome.shortfalls(key, set.shortfalls);
                Ok(())
            }
            Err(error) => self.outcome.refused(key.to_path(), error),
        }
    }

    /// Has a file share the blocks of one that is complete and lies there as it was written; says whether it does.
    pub(super) fn clone_file(&self, work: &FileWork, source: &Source) -> Result<bool> {
        let Some(destination) = self.hand.writes().filter(|destination| source.is_whole() && destination.clones())
        else {
            return Ok(false);
        };
        let found = destination.open_existing(&source.target).ok().flatten();
        let as_written = |found: &ExistingFile| {
            let found = found.present();
            (found.size, found.mtime) == (source.bytes, source.mtime)
        };
        let Some(found) = found.filter(as_written) else { return Ok(false) };
        let mut cloned = Cloned::No;
        self.put(work, (0, Filling::InParts), |_, file| {
            cloned = file.clone_of(&found);
            Ok(())
        })?;
        match cloned {
            Cloned::Yes => {
                self.outcome.cloned(work.bytes);
                work.written.fetch_add(work.bytes, Ordering::Relaxed);
            }
            Cloned::Never => destination.stop_cloning(),
            Cloned::No => {}
        }
        Ok(cloned == Cloned::Yes)
    }

    fn put(
        &self,
        work: &FileWork,
        (bytes, filling): (u64, Filling),
        write: impl FnOnce(&FileWork, &TargetFile) -> Result<(), DestinationError>,
    ) -> Result<()> {
        if work.failed.load(Ordering::Relaxed) {
            return Ok(());
        }
        work.written.fetch_add(bytes, Ordering::Relaxed);
        let Some(destination) = self.hand.writes() else {
            let mut start = work.start();
            *start = if matches!(*start, Start::Make(_)) { Start::Made } else { *start };
            return Ok(());
        };
        let written =
            work.open(destination, filling).and_then(|file| write(work, &file).inspect_err(|_| file.mark_unfinished()));
        written.or_else(|error| self.refuse(work, error))
    }

    /// Tells that the target does not take a file. Told once: what else is to come of it would be refused as well.
    pub(super) fn refuse(&self, work: &FileWork, error: DestinationError) -> Result<()> {
        if work.failed.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        self.outcome.refused(work.key.to_path(), error)
    }

    /// Tells that a part of a file can't be had. What is lost at its end does not make it shorter.
    pub(super) fn fail(&self, work: &FileWork, error: crate::error::Error) -> Result<()> {
        self.outcome.damaged(work.key.to_path(), error)?;
        work.is_damaged.store(true, Ordering::Relaxed);
        // What is there is not touched before it was compared.
        let is_compared = *work.start() == Start::Compare;
        if is_compared { Ok(()) } else { self.keep_length(work) }
    }

    /// Gives a file its length although what is at its end is lost.
    pub(super) fn keep_length(&self, work: &FileWork) -> Result<()> {
        self.put(work, (0, Filling::InParts), |work, file| file.set_length(work.bytes))
    }

    /// One part of a file is dealt with; after the last of them it gets its metadata.
    pub(super) fn part_done(&self, work: &FileWork) -> Result<()> {
        if work.remaining.fetch_sub(1, Ordering::AcqRel) > 1 {
            return Ok(());
        }
        if work.failed.load(Ordering::Relaxed) {
            return Ok(());
        }
        let change = match *work.start() {
            Start::Left => {
                self.outcome.entry(&work.key, Kind::File, (Change::Skipped, work.bytes));
                return Ok(());
            }
            Start::Make(_) | Start::Made => Change::Restored,
            Start::TakenOver => Change::Updated,
            Start::Compare | Start::Right => Change::Unchanged,
        };
        let written = work.written.load(Ordering::Relaxed);
        self.outcome.written(written);
        let told = work.told.load(Ordering::Relaxed);
        if work.is_damaged.load(Ordering::Relaxed) {
            self.outcome.file_passed(work.bytes, told);
            return self.finish_damaged(work, (change, written));
        }
        self.outcome.file_done(work.bytes, told);
        self.finish_entry(&work.key, &work.target, &work.metadata, (change, written))?;
        // Only now does it lie there as those look for it who have the same content.
        if let Some(source) = &work.source {
            source.complete();
        }
        Ok(())
    }

    /// A file that lacks something is as old as can be: with the time of the right one, a later restore that goes by times
    /// would take it for that. What was there before and could not be compared stays as it was.
    fn finish_damaged(&self, work: &FileWork, (change, written): (Change, u64)) -> Result<()> {
        if change == Change::Unchanged {
            self.outcome.entry(&work.key, Kind::File, (Change::Skipped, work.bytes));
            return Ok(());
        }
        self.outcome.file_lacks(work.bytes);
        let metadata = Metadata { mtime: Timestamp::default(), ..work.metadata.clone() };
        self.finish_entry(&work.key, &work.target, &metadata, (change, written))
    }
}

/// How many bytes are about to be written of a file, and whether that is all of it.
fn whole_or_part(work: &FileWork, bytes: &[u8]) -> (u64, Filling) {
    let count = length(bytes.len());
    (count, if count == work.bytes { Filling::AtOnce } else { Filling::InParts })
}

fn length(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

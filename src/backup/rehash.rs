//! Reading again what did not change by its stat: a share of it in each run, and all of it after so many runs.
//!
//! A disc that returns other bytes than it was given changes no time and no size, so nothing else would look. The files of
//! the parent, in the order of keys, make a circle, and lie on it by their bytes of content. A run plans its *window* before
//! it walks: it begins behind the last file of the run before it and ends with the file in which its share is reached.
//! Only two keys are known of it, so what has changed, come or gone since needs no care.

use crate::backup::assemble::{Assembled, disagreement};
use crate::backup::entry::Stopped;
use crate::backup::losses::Losses;
use crate::backup::metadata;
use crate::backup::parent::{Parent, ParentPart};
use crate::backup::problem::ProblemKind;
use crate::backup::work::{Change, Draft, FinishedRow, Row, Shared, Standing, Worker};
use crate::content::ContentReader;
use crate::error::{Error, Result};
use crate::id::SnapshotId;
use crate::manifest::{
    Body, Content, Cursor, Entry, Goal, Key, Kind, ReadError, StatEntry, State, byte_total, bytes_through, row_at,
};
use crate::source::Walked;
use std::sync::atomic::{AtomicU64, Ordering};

/// Which part of the unchanged files a backup reads again, by their bytes of content: a file is read whole, so one that is
/// longer than the share makes a run that reads more. Files that change are read anyway and are not saved up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RehashShare(u16);

impl RehashShare {
    /// Everything in each run.
    pub const ALL: Self = Self(Self::WHOLE);
    const WHOLE: u16 = 10_000;

    /// So many ten-thousandths, from 1 to all of them.
    pub const fn parse(ten_thousandths: u16) -> Option<Self> {
        if ten_thousandths >= 1 && ten_thousandths <= Self::WHOLE { Some(Self(ten_thousandths)) } else { None }
    }

    /// After how many complete runs everything that stayed as it was has been read again.
    pub const fn run_count(self) -> u16 {
        Self::WHOLE.div_ceil(self.0)
    }

    /// So many bytes that [`Self::run_count`] times as many are all.
    pub(super) fn of(self, bytes: u64) -> u64 {
        let share = (u128::from(bytes) * u128::from(self.0)).div_ceil(Self::WHOLE.into());
        u64::try_from(share).unwrap_or(bytes)
    }
}

/// What became of the unchanged files that were read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Rehashed {
    /// How many were read to their end and compared.
    pub file_count: u64,
    /// How many bytes they hold.
    pub content_bytes: u64,
    /// How many of them hold other bytes than before; each is a [problem](ProblemKind::ChangedUnderItsStat).
    pub differing_count: u64,
    /// How many were not read to their end since the backup had to end. The next run reads the same share.
    pub cut_short_count: u64,
}

/// The same while it grows.
#[derive(Default)]
pub(super) struct Tally {
    file_count: AtomicU64,
    content_bytes: AtomicU64,
    differing_count: AtomicU64,
    cut_short_count: AtomicU64,
}

impl Tally {
    /// What became of them until now.
    pub(super) fn so_far(&self) -> Rehashed {
        let read = |total: &AtomicU64| total.load(Ordering::Relaxed);
        Rehashed {
            file_count: read(&self.file_count),
            content_bytes: read(&self.content_bytes),
            differing_count: read(&self.differing_count),
            cut_short_count: read(&self.cut_short_count),
        }
    }

    fn count(&self, bytes: u64) {
        self.file_count.fetch_add(1, Ordering::Relaxed);
        self.content_bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// Which files are due in a run: those behind one key up to another, on a circle. Both may be the same: then all are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Window {
    after: Key,
    to: Key,
}

impl Window {
    /// Plans the window of a run; none when the parent holds no content. Reads one node of each level of a tree, twice.
    ///
    /// Where one of these nodes is lost there is none.
    ///
    /// # Errors
    /// When one of these nodes can't be read for another reason.
    pub(super) fn plan(
        reader: &ContentReader,
        parent: &Parent,
        share: RehashShare,
        losses: &Losses<'_>,
    ) -> Result<Option<Self>> {
        Self::find(reader, parent, share).or_else(|error| losses.pass(error).map(|()| None))
    }

    fn find(reader: &ContentReader, parent: &Parent, share: RehashShare) -> Result<Option<Self>, ReadError<Error>> {
        // The last part alone speaks for all keys. Where others tell of newer files before, it is a little off.
        let Some(part) = parent.parts.last() else { return Ok(None) };
        let total = byte_total::<Entry, _>(reader, part.manifest)?;
        if total == 0 {
            return Ok(None);
        }
        let after = parent.rehashed_to.clone().unwrap_or_default();
        let begin = bytes_through::<Entry, _>(reader, part.manifest, &after)?;
        let end = begin.saturating_add(share.of(total));
        let end = if end > total { end.saturating_sub(total) } else { end };
        let last = row_at::<Entry, _>(reader, part.manifest, Goal::Byte(end))?;
        Ok(last.map(|(_, entry)| Self { after, to: entry.key }))
    }

    fn holds(&self, key: &Key) -> bool {
        let (is_behind, is_before) = (*key > self.after, *key <= self.to);
        if self.after < self.to { is_behind && is_before } else { is_behind || is_before }
    }
}

/// From where the next run goes on: behind the window of this one, if it came to its end.
pub(super) fn position<'k>(
    window: Option<&'k Window>,
    trees: Option<&Assembled>,
    parent: Option<&'k Parent>,
) -> Option<&'k Key> {
    let is_done = trees.is_some_and(|trees| trees.unfinished.is_none() && trees.rehashed.cut_short_count == 0);
    match window {
        Some(window) if is_done => Some(&window.to),
        _ => parent?.rehashed_to.as_ref(),
    }
}

/// An unchanged file that is read again.
pub(super) struct Due {
    walked: Walked,
    row: StatEntry,
    /// What the parent holds of it.
    content: Content,
    /// Which snapshot of the parent does.
    before: SnapshotId,
}

/// Finds the files that are due, and what the parent holds of them.
pub(super) struct DueFiles<'a> {
    reader: &'a ContentReader,
    window: &'a Window,
    losses: &'a Losses<'a>,
    /// The manifest of the part at hand.
    manifest: Option<(SnapshotId, Cursor<Entry, &'a ContentReader>)>,
}

impl<'a> DueFiles<'a> {
    /// Starts before the first.
    pub(super) const fn new(reader: &'a ContentReader, window: &'a Window, losses: &'a Losses<'a>) -> Self {
        Self { reader, window, losses, manifest: None }
    }

    /// What is to be done about something unchanged, and how many bytes must be read for it. It is asked in key order.
    ///
    /// # Errors
    /// When the parent's manifest can't be read.
    pub(super) fn row(&mut self, walked: Walked, row: StatEntry, part: &'a ParentPart) -> Result<(Row, u64)> {
        if row.kind != Kind::File || row.size == 0 || !self.window.holds(&row.key) {
            return Ok((Row::Unchanged(Standing::new(row, walked)), 0));
        }
        let (before, bytes) = (part.id, row.size);
        Ok(match self.content(&row, part)? {
            Some(content) => (Row::Due(Box::new(Due { walked, row, content, before })), bytes),
            None => (Row::Fresh(walked, Change::Unsettled), bytes),
        })
    }

    /// None where it is lost.
    fn content(&mut self, row: &StatEntry, part: &'a ParentPart) -> Result<Option<Content>> {
        let known = self.manifest.take().filter(|(id, _)| *id == part.id);
        let (_, cursor) =
            self.manifest.insert(known.unwrap_or_else(|| (part.id, Cursor::new(self.reader, part.manifest))));
        match cursor.find(&row.key).map(|entry| entry.map(|entry| entry.body)) {
            Ok(Some(Body::File(content))) => Ok(Some(content)),
            Ok(_) => {
                self.losses.note(&disagreement(row));
                Ok(None)
            }
            Err(error) => self.losses.pass(error).map(|()| None),
        }
    }
}

impl Worker<'_> {
    /// Reads a file that is due. One that moves meanwhile has changed as any other; of one that can't be read nothing better
    /// is known than of any other; one that is not read to its end in time stays as it was.
    pub(super) fn rehash(&mut self, due: Box<Due>) -> Result<Option<Draft>> {
        match self.read_file(&due.walked) {
            Ok(read) => {
                let held_still = read.state == State::Stored && metadata::is_same(&due.row, &read.stat);
                let draft = self.drafted(&due.walked, read, Change::Modified)?;
                Ok(Some(Draft { due: held_still.then_some(due), ..draft }))
            }
            Err(Stopped::Run(error)) => Err(error),
            Err(Stopped::Source(error)) => {
                let advice = format!("; {}", due.advice());
                Ok(self.unreadable(&due.walked, Change::Modified, &error, &advice))
            }
            Err(Stopped::Enough) => {
                self.shared.rehash.cut_short_count.fetch_add(1, Ordering::Relaxed);
                Ok(Some(Draft::done(FinishedRow::Unchanged(Standing::new(due.row, due.walked)))))
            }
        }
    }

    /// What becomes of a file that was read again, once its content is final: what it was, or what it is now.
    pub(super) fn compared(&self, due: Due, read: FinishedRow) -> FinishedRow {
        let FinishedRow::Fresh(fresh) = &read else { return read };
        self.shared.rehash.count(due.row.size);
        if fresh.entry.content() == Some(&due.content) {
            return FinishedRow::Rehashed(Standing::new(due.row, due.walked));
        }
        due.report(self.shared);
        read
    }
}

impl Due {
    fn report(&self, shared: &Shared<'_>) {
        shared.rehash.differing_count.fetch_add(1, Ordering::Relaxed);
        let path = metadata::path_of(&self.row.key);
        let message = format!(
            "{} holds other bytes than before, and its size, times and inode are the same: either the disc has changed \
             them, or something that leaves no trace; the snapshot has those that it holds now; {}",
            String::from_utf8_lossy(&path),
            self.advice()
        );
        shared.problems.add(path, ProblemKind::ChangedUnderItsStat { before: self.before }, message);
    }

    /// What can be done about a file whose bytes are gone.
    fn advice(&self) -> String {
        let (id, path) = (self.before.short(), metadata::path_of(&self.row.key));
        let word = quoted(&format!("{id}:{}", String::from_utf8_lossy(&path)));
        format!(
            "{id} has what it held before: `holdall restore {word} --target DIR` brings that back, and `holdall pin {id}` \
             keeps it from being forgotten"
        )
    }
}

/// A word as a POSIX shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=+,./:@%".contains(&byte);
    if word.bytes().all(is_plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

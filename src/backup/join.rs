//! The first stage: the sorted walk against the parent's stat tree, in one merge.

use crate::access::Access;
use crate::backup::doubt::Questions;
use crate::backup::links::Identity;
use crate::backup::losses::Losses;
use crate::backup::metadata;
use crate::backup::parent::{Parent, ParentPart};
use crate::backup::problem::{ProblemKind, Problems};
use crate::backup::rehash::DueFiles;
use crate::backup::work::{BATCH_BYTES_TARGET, BATCH_ROWS_MAX, Change, Row, SMALL_FILE_BYTES_MAX, Shared, Standing};
use crate::content::ContentReader;
use crate::error::Result;
use crate::index::Scratch;
use crate::manifest::Kind;
use crate::manifest::{Cursor, Key, StatEntry};
use crate::progress::LeftOutPart;
use crate::source::{Evidence, Role, SourceError, Step, Walked};
use std::cmp::Ordering;
use std::sync::atomic;

/// The parent's stat trees, read along.
pub(super) struct ParentStats<'a> {
    reader: &'a ContentReader,
    losses: &'a Losses<'a>,
    parts: std::slice::Iter<'a, ParentPart>,
    current: Option<CurrentStats<'a>>,
}

/// The stat tree of the part that speaks for the keys at hand.
struct CurrentStats<'a> {
    part: &'a ParentPart,
    cursor: Cursor<StatEntry, &'a ContentReader>,
    next: Option<StatEntry>,
}

impl<'a> ParentStats<'a> {
    /// Stands before the first row. Without a parent there is none.
    pub(super) fn new(reader: &'a ContentReader, parent: Option<&'a Parent>, losses: &'a Losses<'a>) -> Self {
        let parts = parent.map_or(&[][..], |parent| &parent.parts).iter();
        Self { reader, losses, parts, current: None }
    }

    /// The row for `key`, and the part that has it; rows before it are of things that are gone. Of what is lost there is
    /// none.
    fn find(&mut self, key: &Key) -> Result<Option<(StatEntry, &'a ParentPart)>> {
        let is_over = |current: &CurrentStats<'_>| current.part.end.as_ref().is_some_and(|end| end < key);
        while self.current.as_ref().is_none_or(is_over) {
            let Some(part) = self.parts.next() else { return Ok(None) };
            let mut cursor = Cursor::new(self.reader, part.stat);
            cursor.seek(key);
            let next = next_row(&mut cursor, self.losses)?;
            self.current = Some(CurrentStats { part, cursor, next });
        }
        let Some(CurrentStats { part, cursor, next }) = &mut self.current else { return Ok(None) };
        while let Some(row) = next {
            match row.key.cmp(key) {
                Ordering::Less => *next = next_row(cursor, self.losses)?,
                Ordering::Equal => {
                    let found = std::mem::replace(next, next_row(cursor, self.losses)?);
                    return Ok(found.map(|row| (row, *part)));
                }
                Ordering::Greater => break,
            }
        }
        Ok(None)
    }
}

/// The next row that can be read.
fn next_row(cursor: &mut Cursor<StatEntry, &ContentReader>, losses: &Losses<'_>) -> Result<Option<StatEntry>> {
    loop {
        match cursor.next_row() {
            Ok(row) => return Ok(row),
            Err(error) => losses.pass(error)?,
        }
    }
}

/// Compares what is walked with the parent and gathers batches.
pub(super) struct Join<'a> {
    parent: ParentStats<'a>,
    /// The files with several names that were met already.
    links: Box<dyn Scratch>,
    problems: &'a Problems<'a>,
    /// Whether all of what did not change is still stored, where that is in doubt.
    questions: Option<Questions<'a>>,
    /// The unchanged files that are read again.
    due: Option<DueFiles<'a>>,
    batch: Vec<Row>,
    batch_bytes: u64,
}

impl<'a> Join<'a> {
    /// Starts with an empty batch.
    pub(super) fn new(
        access: &Access,
        parent: ParentStats<'a>,
        problems: &'a Problems<'a>,
        (questions, due): (Option<Questions<'a>>, Option<DueFiles<'a>>),
    ) -> Self {
        Self { parent, links: access.scratch(), problems, questions, due, batch: Vec::new(), batch_bytes: 0 }
    }

    /// Takes what the walk found next; gives a batch when one is full.
    ///
    /// # Errors
    /// When the parent's tree or the table of links can't be read.
    pub(super) fn take(&mut self, walked: Result<Walked, SourceError>) -> Result<Option<Vec<Row>>> {
        let walked = match walked.or_else(Walked::unknown) {
            Ok(walked) => walked,
            Err(error) => {
                self.report(&error);
                return Ok(None);
            }
        };
        let (row, bytes) = self.compare(walked)?;
        // A large file is a batch of its own, so that its neighbours don't wait for it.
        let full = bytes > SMALL_FILE_BYTES_MAX && !self.batch.is_empty();
        let earlier = full.then(|| self.end());
        self.batch.push(row);
        self.batch_bytes = self.batch_bytes.saturating_add(bytes);
        if earlier.is_none() && (self.batch_bytes >= BATCH_BYTES_TARGET || self.batch.len() >= BATCH_ROWS_MAX) {
            return Ok(Some(self.end()));
        }
        Ok(earlier)
    }

    /// What is gathered, full or not.
    pub(super) fn end(&mut self) -> Vec<Row> {
        self.batch_bytes = 0;
        std::mem::take(&mut self.batch)
    }

    /// The row, and how many bytes of content must be read for it.
    fn compare(&mut self, walked: Walked) -> Result<(Row, u64)> {
        let row = self.parent.find(&walked.key)?;
        let identity = Identity::of(&walked.stat);
        let known_link = self.is_known_link(&walked, identity.as_ref())?;
        let change = match row {
            None => Change::New,
            Some((row, part)) if is_as_in(&row, &walked) => {
                if metadata::is_settled(&row, part.walk_started_ns) && self.is_stored(&row, part)? {
                    return match &mut self.due {
                        // What has several names is read under the first of them.
                        Some(due) if !known_link => due.row(walked, row, part),
                        _ => Ok((Row::Unchanged(Standing::new(row, walked)), 0)),
                    };
                }
                Change::Unsettled
            }
            Some((row, _)) if row.kind == walked.stat.kind => Change::Modified,
            Some(_) => Change::New,
        };
        if known_link {
            return Ok((Row::Link(walked, change), 0));
        }
        let bytes = if walked.stat.kind == Kind::File { walked.stat.size } else { 0 };
        Ok((Row::Fresh(walked, change), bytes))
    }

    /// Whether what the parent holds of an unchanged item is still stored.
    fn is_stored(&mut self, row: &StatEntry, part: &'a ParentPart) -> Result<bool> {
        let Some(questions) = &mut self.questions else { return Ok(true) };
        let is_whole = questions.is_whole(row, part)?;
        if !is_whole {
            self.parent.losses.count();
        }
        Ok(is_whole)
    }

    /// Whether another name of the same file came earlier; remembers this one if not.
    fn is_known_link(&mut self, walked: &Walked, identity: Option<&Identity>) -> Result<bool> {
        let Some(identity) = identity.filter(|_| walked.stat.kind == Kind::File) else { return Ok(false) };
        if self.links.get(identity.as_bytes())?.is_some() {
            return Ok(true);
        }
        self.links.put(identity.as_bytes(), &[])?;
        Ok(false)
    }

    fn report(&self, error: &SourceError) {
        let kind = if error.is_vanished() { ProblemKind::Vanished } else { ProblemKind::Unreadable };
        let path = error.key().map(metadata::path_of).unwrap_or_default();
        self.problems.add(path, kind, crate::error::chain(error));
    }
}

/// Whether nothing speaks against an entry being what its row in the parent says.
fn is_as_in(row: &StatEntry, walked: &Walked) -> bool {
    walked.problem.is_none()
        && walked.evidence == Evidence::Stat
        && row.is_ancestor == metadata::is_ancestor(&walked.stat, walked.role)
        && metadata::is_same(row, &walked.stat)
}

/// What is compared and stored of a step of the walk. What is left out is counted and told.
pub(super) fn taken(step: Result<Step, SourceError>, shared: &Shared<'_>) -> Option<Result<Walked, SourceError>> {
    let walked = match step {
        Err(error) => return Some(Err(error)),
        Ok(Step::LeftOut { key, rule }) => {
            shared.left_out(&key, LeftOutPart::Whole, &rule);
            return None;
        }
        Ok(Step::Entry(walked)) => walked,
    };
    if walked.role == Role::Member {
        shared.member_count.fetch_add(1, atomic::Ordering::Relaxed);
    }
    if let Some(rule) = &walked.left_out {
        shared.left_out(&walked.key, LeftOutPart::Contents, rule);
    }
    Some(Ok(walked))
}

/// Where a step of the walk stands; none where nothing says so.
pub(super) fn key_of(step: &Result<Step, SourceError>) -> Option<&Key> {
    match step {
        Ok(Step::Entry(walked)) => Some(&walked.key),
        Ok(Step::LeftOut { key, .. }) => Some(key),
        Err(error) => error.key(),
    }
}

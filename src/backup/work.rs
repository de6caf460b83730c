//! What the workers do: read changed files, cut, hash, claim, gather into frames.
//!
//! The unit of work is a batch of neighbours in the tree: its small files are read into one buffer and claimed in one
//! look-up, so that a small file costs no lock, no allocation and no index read of its own.

use crate::access::Access;
use crate::backup::contents::Contents;
use crate::backup::links::{Identity, Wholeness};
use crate::backup::metadata;
use crate::backup::problem::Problems;
use crate::backup::rehash::{Due, Tally};
use crate::content::{Claim, Claims, Framer, NodeWriter};
use crate::error::{Result, check_stopped};
use crate::id::ChunkId;
use crate::index::Extent;
use crate::manifest::{Body, Content, Entry, Item, Key, Kind, StatEntry, Xattr};
use crate::owner::{self, Named};
use crate::pattern::Rule;
use crate::progress::{Event, LeftOutPart, Progress};
use crate::read_buffer::ReadBuffer;
use crate::source::{Role, Stat, Trees, Walked};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Files up to this length are read whole into the batch's buffer.
pub(super) const SMALL_FILE_BYTES_MAX: u64 = 1 << 20;
/// A batch is full at so many bytes of content,
pub(super) const BATCH_BYTES_TARGET: u64 = 1 << 20;
/// or at so many rows.
pub(super) const BATCH_ROWS_MAX: usize = 512;

/// What the walk found, compared with the parent.
pub(super) enum Row {
    /// Nothing changed: the parent's row stands for it.
    Unchanged(Standing),
    /// Nothing changed by its stat, and its turn has come to be read again.
    Due(Box<Due>),
    /// New, changed, or not settled: everything is read.
    Fresh(Walked, Change),
    /// Another name of a file that came earlier in this run: its content is the first one's.
    Link(Walked, Change),
}

/// What stands as the parent has it, by its stat.
pub(super) struct Standing {
    /// The parent's row.
    pub(super) row: StatEntry,
    /// What the walk saw. What its names have in common now is in it alone.
    stat: Stat,
    role: Role,
}

impl Standing {
    /// Of an entry that is what its row says.
    pub(super) fn new(row: StatEntry, walked: Walked) -> Self {
        Self { row, stat: walked.stat, role: walked.role }
    }

    /// What its names have in common; none where it has one.
    pub(super) fn identity(&self) -> Option<Identity> {
        Identity::of(&self.stat)
    }

    /// As it was walked: nothing was missing below it, or it would not stand.
    pub(super) fn walked(&self) -> Walked {
        Walked::new(self.row.key.clone(), self.stat.clone(), self.role)
    }
}

/// Why a row is fresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// The parent has no such key, or something of another kind.
    New,
    /// The parent has it with another stat.
    Modified,
    /// The stat is the same, but too recent to rely on, or what the parent held is lost.
    Unsettled,
}

/// A row that is ready for the trees.
pub(super) enum FinishedRow {
    /// As in [`Row`].
    Unchanged(Standing),
    /// The same of a file that was read again.
    Rehashed(Standing),
    /// What was read now.
    Fresh(FreshRow),
    /// Another name of a file, whose content must be taken from the first one.
    Link(Box<Walked>, Change),
}

/// What was read now of an entry.
pub(super) struct FreshRow {
    pub(super) entry: Box<Entry>,
    /// As if the next run could rely upon it.
    pub(super) stat: StatEntry,
    /// Whether it can.
    pub(super) wholeness: Wholeness,
    /// What its other names have in common with it; none when they must be read by themselves.
    pub(super) identity: Option<Identity>,
    pub(super) change: Change,
}

/// Rows that are ready for the trees, in key order.
pub(super) type Finished = Vec<FinishedRow>;

/// What all workers of a run share.
pub(super) struct Shared<'a> {
    /// The repository.
    pub access: &'a Access,
    /// What is being backed up.
    pub source: &'a dyn Trees,
    /// Who stores what.
    pub claims: &'a Claims,
    /// Where lists of many items go.
    pub nodes: &'a Mutex<NodeWriter>,
    /// What could not be read.
    pub problems: &'a Problems<'a>,
    /// Who wants to know.
    pub progress: &'a dyn Progress,
    /// How many entries are more than the way to what was named.
    pub member_count: AtomicU64,
    /// How many entries were left out, and how many directories had their contents left out.
    pub left_out_count: AtomicU64,
    /// The first entry that was met and not taken, since it was enough.
    pub not_taken: OnceLock<Key>,
    /// How many files were not read to their end, since it was enough.
    pub cut_short_count: AtomicU64,
    /// What was read again.
    pub rehash: Tally,
    /// Whom access control lists name.
    pub listed: Mutex<BTreeSet<Named>>,
}

impl Shared<'_> {
    /// Where lists of many items go.
    pub(super) fn nodes(&self) -> std::sync::MutexGuard<'_, NodeWriter> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps in mind whom the access control lists among these name.
    pub(super) fn note_listed(&self, xattrs: &[Xattr]) {
        let mut found = xattrs.iter().flat_map(|xattr| owner::named(&xattr.name, &xattr.value)).peekable();
        if found.peek().is_some() {
            self.listed.lock().unwrap_or_else(PoisonError::into_inner).extend(found);
        }
    }

    /// Counts what is left out, and tells by which rule.
    pub(super) fn left_out(&self, key: &Key, part: LeftOutPart, rule: &Rule) {
        self.left_out_count.fetch_add(1, Ordering::Relaxed);
        let path = metadata::path_of(key);
        self.progress.event(&Event::LeftOut {
            path: Path::new(OsStr::from_bytes(&path)),
            part,
            rule: &rule.text,
            origin: &rule.origin,
            line: rule.line,
        });
    }
}

/// One worker's own things: its buffers are kept from batch to batch.
pub(super) struct Worker<'a> {
    pub(super) shared: &'a Shared<'a>,
    pub(super) framer: Framer,
    /// The contents of the batch's small files, one after the other.
    pub(super) contents: Contents,
    /// What those contents were cut into.
    pub(super) pieces: Vec<SmallPiece>,
    /// The same with names: they are given when the batch is complete, to all its chunks at once.
    items: Vec<Item>,
    /// Where a large file passes through.
    pub(super) window: ReadBuffer,
    claims: ClaimBuffers,
}

/// A piece of a small file: where its bytes lie in the batch's contents, or how many zeros it stands for.
pub(super) enum SmallPiece {
    Data(Range<usize>),
    Zeros(u64),
}

#[derive(Default)]
struct ClaimBuffers {
    found: Vec<Option<Extent>>,
    claimed: Vec<Claim>,
}

/// A row whose content is not final before the batch's chunks are claimed.
pub(super) struct Draft {
    pub(super) row: FinishedRow,
    /// Which of the batch's pieces are its content.
    pub(super) pieces: Range<usize>,
    /// What it must be compared with once its content is final.
    pub(super) due: Option<Box<Due>>,
}

impl Draft {
    pub(super) const fn done(row: FinishedRow) -> Self {
        Self { row, pieces: 0..0, due: None }
    }
}

impl<'a> Worker<'a> {
    /// Starts with empty buffers.
    pub(super) fn new(shared: &'a Shared<'a>, framer: Framer) -> Self {
        let (contents, window, claims) = (Contents::default(), ReadBuffer::default(), ClaimBuffers::default());
        Self { shared, framer, contents, pieces: Vec::new(), items: Vec::new(), window, claims }
    }

    /// Turns a batch into finished rows. Everything that is new in it is gathered for storing by then, not yet stored.
    ///
    /// # Errors
    /// When the store or the index fails, or the caller asked to stop. What the source can't deliver is a problem, not
    /// an error.
    pub(super) fn process(&mut self, batch: Vec<Row>) -> Result<Finished> {
        self.contents.clear();
        self.pieces.clear();
        let mut drafts = Vec::with_capacity(batch.len());
        for row in batch {
            check_stopped(self.shared.progress)?;
            let draft = match row {
                Row::Unchanged(standing) => Some(Draft::done(FinishedRow::Unchanged(standing))),
                Row::Due(due) => self.rehash(due)?,
                Row::Link(walked, change) => Some(Draft::done(FinishedRow::Link(Box::new(walked), change))),
                Row::Fresh(walked, change) if walked.stat.kind == Kind::File => self.file(&walked, change)?,
                Row::Fresh(walked, change) => self.other(&walked, change)?,
            };
            drafts.extend(draft);
        }
        self.store_pieces()?;
        drafts.into_iter().map(|draft| self.finish(draft)).collect()
    }

    /// Names and claims the chunks of all small files at once and gathers the new ones.
    fn store_pieces(&mut self) -> Result<()> {
        let data = || self.pieces.iter().filter_map(SmallPiece::data).map(|range| self.contents.get(range.clone()));
        let ids = self.shared.access.naming.chunk_ids.ids(data());
        let mut named = ids.iter().copied();
        self.items.clear();
        self.items.extend(self.pieces.iter().filter_map(|piece| piece.item(&mut named)));
        if ids.is_empty() {
            return Ok(());
        }
        let claims = &mut self.claims;
        self.shared.claims.claim(&ids, &mut claims.found, &mut claims.claimed)?;
        for ((chunk, id), claim) in data().zip(ids).zip(&claims.claimed) {
            if *claim == Claim::New {
                self.framer.add(id, chunk)?;
            }
        }
        Ok(())
    }

    fn finish(&self, draft: Draft) -> Result<FinishedRow> {
        let Draft { mut row, pieces, due } = draft;
        if let (FinishedRow::Fresh(fresh), false) = (&mut row, pieces.is_empty()) {
            let mut list = self.shared.access.naming.item_list();
            let mut nodes = self.shared.nodes();
            for item in self.items.get(pieces).unwrap_or_default() {
                list.push(*item, &mut *nodes)?;
            }
            let items = list.finish(&mut *nodes)?;
            fresh.entry.body = Body::File(items.map_or_else(Content::empty, Content::Items));
        }
        Ok(match due {
            Some(due) => self.compared(*due, row),
            None => row,
        })
    }
}

impl SmallPiece {
    const fn data(&self) -> Option<&Range<usize>> {
        match self {
            Self::Data(range) => Some(range),
            Self::Zeros(_) => None,
        }
    }

    /// The item that stands for it; data takes the next of the names.
    fn item(&self, ids: &mut impl Iterator<Item = ChunkId>) -> Option<Item> {
        match self {
            Self::Data(range) => {
                ids.next().map(|id| Item::Chunk { id, bytes: u64::try_from(range.len()).unwrap_or(u64::MAX) })
            }
            Self::Zeros(bytes) => Some(Item::Zeros { bytes: *bytes }),
        }
    }
}

//! One row's way from the walk to an entry: reading it, twice if it moves, and saying so if it moves again.

use crate::backup::file::{self, Part};
use crate::backup::links::{Identity, Wholeness};
use crate::backup::metadata;
use crate::backup::problem::ProblemKind;
use crate::backup::work::{Change, Draft, FinishedRow, FreshRow, SMALL_FILE_BYTES_MAX, SmallPiece, Worker};
use crate::chunk::{Chunker, Piece, chunk_slice};
use crate::content::Claim;
use crate::error::{Error, Result, check_stopped};
use crate::manifest::{
    ATTRIBUTE_INLINE_BYTES_MAX, Attribute, AttributeValue, Body, Content, Entry, Hole, Item, ItemList, ItemTreeBuilder,
    Necessity, State, encode_holes, encode_xattrs,
};
use crate::manifest::{Key, Kind, Xattr};
use crate::progress::Event;
use crate::source::Stat;
use crate::source::{Role, SourceError, TreeFile, Walked};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::atomic::Ordering;

/// What reading one file gave.
pub(super) struct FileRead {
    pub(super) stat: Stat,
    pub(super) state: State,
    holes: Vec<Hole>,
    xattrs: (Vec<Xattr>, Wholeness),
    content: FileContent,
}

enum FileContent {
    /// The batch's pieces from here to the end of the list.
    Pieces(std::ops::Range<usize>),
    /// Few enough bytes to stand in the entry.
    Inline(Vec<u8>),
    /// Stored already.
    Items(ItemList),
}

/// What ends the reading of one file: its own trouble, which the run survives, or the run's.
pub(super) enum Stopped {
    Source(SourceError),
    /// The caller has enough.
    Enough,
    Run(Error),
}

impl From<SourceError> for Stopped {
    fn from(error: SourceError) -> Self {
        Self::Source(error)
    }
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::Run(error)
    }
}

impl Worker<'_> {
    /// A regular file with its content; none when it is gone.
    pub(super) fn file(&mut self, walked: &Walked, change: Change) -> Result<Option<Draft>> {
        match self.read_file(walked) {
            Ok(read) => self.drafted(walked, read, change).map(Some),
            Err(Stopped::Run(error)) => Err(error),
            Err(Stopped::Source(error)) => Ok(self.unreadable(walked, change, &error, "")),
            Err(Stopped::Enough) => {
                self.cut_short(walked);
                Ok(None)
            }
        }
    }

    /// What was read of a file, on its way to an entry.
    pub(super) fn drafted(&mut self, walked: &Walked, read: FileRead, change: Change) -> Result<Draft> {
        let mut entry = metadata::entry(&walked.key, &read.stat, Role::Member);
        entry.state = read.state;
        let has_all = self.add_attributes(&mut entry, read.xattrs, &read.holes)?;
        let pieces = match read.content {
            FileContent::Pieces(pieces) => pieces,
            FileContent::Inline(bytes) => {
                entry.body = Body::File(Content::Inline(bytes));
                0..0
            }
            FileContent::Items(items) => {
                entry.body = Body::File(Content::Items(items));
                0..0
            }
        };
        // A mixture must not be taken for the file by the next run, nor must what lacks attributes.
        let wholeness = Wholeness::of(has_all && read.state == State::Stored);
        let fresh = FreshRow {
            entry: Box::new(entry),
            stat: metadata::stat_entry(&walked.key, &read.stat, walked.role),
            wholeness,
            identity: shared_identity(walked, &read.stat, read.state),
            change,
        };
        Ok(Draft { row: FinishedRow::Fresh(fresh), pieces, due: None })
    }

    /// Tells of the file and reads it.
    ///
    /// What the walk saw serves as the look before the first reading: a file that held still since then is what the walk
    /// says, at one system call less. Whatever is in the way, the file is opened and looked at anew once.
    pub(super) fn read_file(&mut self, walked: &Walked) -> Result<FileRead, Stopped> {
        let path = metadata::path_of(&walked.key);
        self.shared.progress.event(&Event::Entered { path: Path::new(OsStr::from_bytes(&path)) });
        let (pieces_before, contents_before) = (self.pieces.len(), self.contents.end());
        let source = self.shared.source;
        let first = source.open_walked(&walked.key, &walked.stat).map_err(Stopped::from);
        match first.and_then(|file| self.read_opened(&walked.key, file.as_ref())) {
            Ok(read) if read.state == State::Stored => return Ok(read),
            Err(stopped @ (Stopped::Run(_) | Stopped::Enough)) => return Err(stopped),
            Ok(_) | Err(Stopped::Source(_)) => {}
        }
        self.pieces.truncate(pieces_before);
        self.contents.truncate(contents_before);
        let read = self.read_opened(&walked.key, source.open_file(&walked.key)?.as_ref())?;
        if read.state == State::Inconsistent {
            let message = "it changed while it was read, twice; the snapshot holds a mixture".to_owned();
            self.shared.problems.add(metadata::path_of(&walked.key), ProblemKind::Inconsistent, message);
        }
        Ok(read)
    }

    /// Inconsistent if the file is not what it was when it was opened.
    fn read_opened(&mut self, key: &Key, file: &dyn TreeFile) -> Result<FileRead, Stopped> {
        let stat = file.stat().clone();
        let xattrs = file::xattrs_or_problem(file.xattrs(), key, self.shared.problems);
        let mut holes = Vec::new();
        let content = if stat.size <= SMALL_FILE_BYTES_MAX {
            self.read_small(file, &mut holes)?
        } else {
            self.read_large(file, &mut holes)?
        };
        let state = if stat.held_still(&file.stat_again()?) { State::Stored } else { State::Inconsistent };
        Ok(FileRead { stat, state, holes, xattrs, content })
    }

    /// Reads the file behind the contents that the batch has already, and cuts it there.
    fn read_small(&mut self, file: &dyn TreeFile, holes: &mut Vec<Hole>) -> Result<FileContent, Stopped> {
        let start = self.contents.end();
        file::read_whole(file, &mut self.contents, holes)?;
        let content = self.contents.since(start);
        let inline_bytes_max = usize::try_from(self.shared.access.config().parameters.inline_bytes_max).unwrap_or(0);
        if content.len() <= inline_bytes_max {
            let inline = content.to_vec();
            self.contents.truncate(start);
            return Ok(FileContent::Inline(inline));
        }
        let first_piece = self.pieces.len();
        let naming = &self.shared.access.naming;
        let cutter = naming.cutter();
        let mut offset = start;
        chunk_slice(&cutter, content, |piece| match piece {
            Piece::Data(chunk) => {
                let range = offset..offset.saturating_add(chunk.len());
                offset = range.end;
                self.pieces.push(SmallPiece::Data(range));
            }
            Piece::Zeros(bytes) => {
                offset = offset.saturating_add(usize::try_from(bytes).unwrap_or(usize::MAX));
                self.pieces.push(SmallPiece::Zeros(bytes));
            }
        });
        Ok(FileContent::Pieces(first_piece..self.pieces.len()))
    }

    /// Streams the file through the cutter; its chunks are claimed and gathered as they come.
    fn read_large(&mut self, file: &dyn TreeFile, holes: &mut Vec<Hole>) -> Result<FileContent, Stopped> {
        // Earlier small files of the batch come first, so that frames keep the order of the tree.
        let naming = &self.shared.access.naming;
        let mut chunker = Chunker::new(naming.cutter());
        let mut list = self.shared.access.naming.item_list();
        let mut window = std::mem::take(&mut self.window);
        let outcome = file::read_through::<Stopped>(file, &mut window, holes, |part| {
            check_stopped(self.shared.progress)?;
            if self.shared.progress.enough() {
                return Err(Stopped::Enough);
            }
            let mut failure = Ok(());
            let mut take = |piece: Piece<'_>| {
                if failure.is_ok() {
                    failure = self.take_piece(&piece, &mut list);
                }
            };
            let bytes = match part {
                Part::Data(bytes) => {
                    chunker.push(bytes, &mut take);
                    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
                }
                Part::Hole(bytes) => {
                    chunker.zeros(bytes, &mut take);
                    bytes
                }
            };
            // Told as they come: to the end of the file it may take hours.
            self.shared.progress.event(&Event::Processed { files: 0, bytes });
            failure.map_err(Stopped::Run)
        });
        self.window = window;
        outcome?;
        let mut failure = Ok(());
        chunker.finish(|piece| {
            if failure.is_ok() {
                failure = self.take_piece(&piece, &mut list);
            }
        });
        failure?;
        Ok(match list.finish(&mut *self.shared.nodes()).map_err(Error::from)? {
            Some(items) => FileContent::Items(items),
            None => FileContent::Inline(Vec::new()),
        })
    }

    pub(super) fn take_piece(&mut self, piece: &Piece<'_>, list: &mut ItemTreeBuilder) -> Result<()> {
        let item = match piece {
            Piece::Zeros(bytes) => Item::Zeros { bytes: *bytes },
            Piece::Data(chunk) => {
                let id = self.shared.access.naming.chunk_ids.id(chunk);
                if self.shared.claims.claim_one(id)? == Claim::New {
                    self.framer.add(id, chunk)?;
                }
                Item::Chunk { id, bytes: u64::try_from(chunk.len()).unwrap_or(u64::MAX) }
            }
        };
        Ok(list.push(item, &mut *self.shared.nodes())?)
    }

    /// A directory, link, pipe, socket or device; none when it is gone.
    pub(super) fn other(&mut self, walked: &Walked, change: Change) -> Result<Option<Draft>> {
        let mut entry = metadata::entry(&walked.key, &walked.stat, walked.role);
        if let Some(problem) = &walked.problem {
            return Ok(self.unreadable(walked, change, problem, ""));
        }
        if walked.stat.kind == Kind::Symlink {
            match self.shared.source.read_link(&walked.key) {
                Ok(target) => entry.body = Body::Symlink(target),
                Err(error) => return Ok(self.unreadable(walked, change, &error, "")),
            }
        }
        let xattrs = file::xattrs_or_problem(self.shared.source.xattrs(&walked.key), &walked.key, self.shared.problems);
        let has_all = self.add_attributes(&mut entry, xattrs, &[])?;
        let stat = metadata::stat_entry(&walked.key, &walked.stat, walked.role);
        let identity = Identity::of(&walked.stat);
        let fresh = FreshRow { entry: Box::new(entry), stat, wholeness: Wholeness::of(has_all), identity, change };
        Ok(Some(Draft::done(FinishedRow::Fresh(fresh))))
    }

    /// What is left of an entry that can't be read: its stat and the reason; the next run tries again. Nothing at all is
    /// left of one that is gone. `advice` follows the reason.
    pub(super) fn unreadable(
        &self,
        walked: &Walked,
        change: Change,
        error: &SourceError,
        advice: &str,
    ) -> Option<Draft> {
        let path = metadata::path_of(&walked.key);
        let message = crate::error::chain(error);
        if walked.problem.is_none() && (error.is_vanished() || matches!(error, SourceError::NotAFile { .. })) {
            self.shared.problems.add(path, ProblemKind::Vanished, message);
            return None;
        }
        self.shared.problems.add(path, ProblemKind::Unreadable, message + advice);
        let mut entry = metadata::entry(&walked.key, &walked.stat, walked.role);
        entry.state = State::Unreadable { errno: error.errno().unsigned_abs() };
        let stat = metadata::stat_entry(&walked.key, &walked.stat, walked.role);
        let fresh = FreshRow { entry: Box::new(entry), stat, wholeness: Wholeness::Lacking, identity: None, change };
        Some(Draft::done(FinishedRow::Fresh(fresh)))
    }

    /// Nothing is left of a file that was not read to its end; the chunks that were stored serve the next run.
    fn cut_short(&self, walked: &Walked) {
        self.shared.cut_short_count.fetch_add(1, Ordering::Relaxed);
        let message =
            "it was not read to its end in time; the snapshot lacks it, and the next backup reads it".to_owned();
        self.shared.problems.add(metadata::path_of(&walked.key), ProblemKind::CutShort, message);
    }

    /// Adds what an entry has beside its content, and says whether that is all of it. What can't be stored is a problem
    /// of this entry alone.
    fn add_attributes(
        &mut self,
        entry: &mut Entry,
        (xattrs, wholeness): (Vec<Xattr>, Wholeness),
        holes: &[Hole],
    ) -> Result<bool> {
        let mut has_all = wholeness == Wholeness::Whole;
        self.shared.note_listed(&xattrs);
        let xattrs = (!xattrs.is_empty()).then(|| encode_xattrs(&xattrs));
        let holes = (!holes.is_empty()).then(|| encode_holes(holes));
        let values =
            [(Attribute::XATTRS, Necessity::Mandatory, xattrs), (Attribute::HOLES, Necessity::Ignorable, holes)];
        for (id, necessity, value) in values {
            match value.transpose() {
                Ok(Some(value)) => self.add_attribute(entry, id, necessity, value)?,
                Ok(None) => {}
                Err(cause) => {
                    has_all = false;
                    let message = format!("a part of its attributes is left out, for it can't be stored: {cause}");
                    self.shared.problems.add(metadata::path_of(&entry.key), ProblemKind::Incomplete, message);
                }
            }
        }
        Ok(has_all)
    }

    /// A long value goes into chunks, so that an entry stays small whatever its file carries.
    fn add_attribute(&mut self, entry: &mut Entry, id: u32, necessity: Necessity, value: Vec<u8>) -> Result<()> {
        let value = if value.len() <= ATTRIBUTE_INLINE_BYTES_MAX {
            AttributeValue::Inline(value)
        } else {
            let naming = &self.shared.access.naming;
            let cutter = naming.cutter();
            let mut list = self.shared.access.naming.item_list();
            let mut failure = Ok(());
            chunk_slice(&cutter, &value, |piece| {
                if failure.is_ok() {
                    failure = self.take_piece(&piece, &mut list);
                }
            });
            failure?;
            let items = list.finish(&mut *self.shared.nodes())?;
            AttributeValue::OutOfLine(items.ok_or_else(|| super::unstorable(&entry.key, &"an empty attribute"))?)
        };
        entry.attributes.insert(Attribute { id, necessity, value });
        Ok(())
    }
}

/// What the other names of a file have in common with one that was read.
///
/// A mixture is what the walk saw and what came after it, so it stands for what the walk saw: else its other names would be
/// read in vain as well. All else stands for exactly what was read.
fn shared_identity(walked: &Walked, read: &Stat, state: State) -> Option<Identity> {
    match state {
        State::Stored => Identity::of(read),
        State::Inconsistent => {
            let is_one = (walked.stat.device, walked.stat.inode) == (read.device, read.inode);
            Identity::of(&walked.stat).filter(|_| is_one && read.links > 1)
        }
        State::Unreadable { .. } => None,
    }
}

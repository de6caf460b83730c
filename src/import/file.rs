//! One file of a snapshot of restic, open for reading.

use super::trees::{labels_of, stored};
use crate::manifest::Key;
use crate::restic::{BlobId, BlobKind, Node, Repository, ResticError, Tree};
use crate::source::{Labels, Operation, Run, SourceError, Stat, TreeFile};
use std::cell::RefCell;
use std::sync::Arc;

/// A file. Memory: one piece of it, 8 MiB at most as restic cuts them.
pub(super) struct StoredFile {
    repository: Arc<Repository>,
    key: Key,
    /// The directory that holds it, and where.
    place: (Arc<Tree>, usize),
    stat: Stat,
    piece: RefCell<Piece>,
}

/// The piece that was read last.
#[derive(Default)]
struct Piece {
    /// The number of the piece behind it.
    next: usize,
    /// Where it starts in the file.
    start: u64,
    bytes: Vec<u8>,
}

impl StoredFile {
    pub(super) fn new((repository, key): (Arc<Repository>, Key), place: (Arc<Tree>, usize), stat: Stat) -> Self {
        Self { repository, key, place, stat, piece: RefCell::default() }
    }

    fn node(&self) -> Option<&Node> {
        let (tree, place) = &self.place;
        tree.nodes().get(*place)
    }

    fn content(&self) -> &[BlobId] {
        self.node().map_or(&[], |node| &node.content)
    }

    /// Has `piece` be the one that holds the byte at `offset`; false when the file ends before.
    fn seek(&self, piece: &mut Piece, offset: u64) -> Result<bool, ResticError> {
        if offset < piece.start {
            *piece = Piece::default();
        }
        while offset >= piece.end() {
            let Some(id) = self.content().get(piece.next) else { return Ok(false) };
            let start = piece.end();
            // Given back first: two of them are never held.
            piece.bytes = Vec::new();
            let bytes = self.repository.blob(BlobKind::Data, *id)?;
            *piece = Piece { next: piece.next.saturating_add(1), start, bytes };
        }
        Ok(true)
    }
}

impl Piece {
    fn end(&self) -> u64 {
        self.start.saturating_add(u64::try_from(self.bytes.len()).unwrap_or(u64::MAX))
    }

    fn from(&self, offset: u64) -> &[u8] {
        let skipped = usize::try_from(offset.saturating_sub(self.start)).unwrap_or(usize::MAX);
        self.bytes.get(skipped..).unwrap_or_default()
    }
}

impl TreeFile for StoredFile {
    fn stat(&self) -> &Stat {
        &self.stat
    }

    fn stat_again(&self) -> Result<Stat, SourceError> {
        Ok(self.stat.clone())
    }

    fn run_at(&self, offset: u64) -> Result<Option<Run>, SourceError> {
        let end = self.stat.size;
        Ok((offset < end).then_some(Run::Data { start: offset, end }))
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
        let mut piece = self.piece.borrow_mut();
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let at = offset.saturating_add(u64::try_from(filled).unwrap_or(u64::MAX));
            if !self.seek(&mut piece, at).map_err(|error| stored(&self.key, Operation::Read, error))? {
                break;
            }
            let some = piece.from(at);
            let length = some.len().min(rest.len());
            if let (Some(to), Some(from)) = (rest.get_mut(..length), some.get(..length)) {
                to.copy_from_slice(from);
            }
            filled = filled.saturating_add(length);
        }
        Ok(filled)
    }

    fn xattrs(&self) -> Result<Labels, SourceError> {
        // Asked for beside the content: one that has no place here takes none of that with it.
        let labels = self.node().map_or(Ok(Labels::default()), labels_of);
        labels.map_err(|unfit| stored(&self.key, Operation::Attributes, unfit))
    }
}

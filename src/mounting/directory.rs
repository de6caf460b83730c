//! The rows of a directory from any place in it.

use super::nodes::NodeCache;
use super::number::{FileNumber, position, row_of};
use super::snapshot_tree::{Found, SnapshotTree};
use crate::error::{Error, ErrorKind, Result};
use crate::manifest::{Cursor, Entry, Goal, Key, Kind, ReadError, Span, row_at};
use std::sync::{Arc, Mutex};

/// How many positions the directory itself and the one above it take.
pub(super) const DOTS: u64 = 2;

/// A directory that is listed. Memory: the names of a folder above the snapshots, or the nodes on the way to the entry that
/// was listed last.
pub struct OpenDirectory {
    pub(super) number: FileNumber,
    pub(super) above: FileNumber,
    pub(super) rows: Rows,
}

/// What a directory lists.
pub(super) enum Rows {
    /// A folder above the snapshots, as it was when it was opened.
    Folder(Vec<(Vec<u8>, FileNumber, Kind)>),
    /// A directory of a snapshot.
    Snapshot(Box<SnapshotRows>),
}

/// The rows of a directory of a snapshot.
pub(super) struct SnapshotRows {
    pub(super) tree: Arc<SnapshotTree>,
    pub(super) directory: Entry,
    /// Where the last listing stands.
    pub(super) walk: Mutex<Option<Walk>>,
}

/// One row of a directory.
pub struct DirectoryRow<'a> {
    /// The name.
    pub name: &'a [u8],
    /// By which the tree finds it.
    pub number: FileNumber,
    /// What members of a hard-link group have in common.
    pub inode: u64,
    /// What it is.
    pub kind: Kind,
    /// Where the listing goes on after it.
    pub position: u64,
    /// The entry, where it is known.
    pub(super) found: Option<(&'a SnapshotTree, &'a Found)>,
}

/// Whether a row found a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// More may come.
    Yes,
    /// It did not, and is to come again.
    Full,
}

/// A listing on its way.
pub(super) struct Walk {
    component: usize,
    cursor: Cursor<Entry, Arc<NodeCache>>,
    /// The row that was given out last.
    passed: Option<Key>,
    /// The number of the cursor's next row, where it is known.
    next_ordinal: Option<u64>,
    /// The position behind the row that was given out last.
    pub(super) at: u64,
    /// A row that was read and found no place.
    ahead: Option<Found>,
    /// What was said of the first part of the directory that can't be read.
    lost: Option<(ErrorKind, String)>,
    /// Whether all is given out that can be read.
    is_at_end: bool,
}

impl Walk {
    /// Starts before the first row.
    pub(super) fn new(nodes: &Arc<NodeCache>, tree: &SnapshotTree, directory: &Key) -> Option<Self> {
        Self::of_component(nodes, tree, directory, 0)
    }

    /// Starts behind a row.
    pub(super) fn after(nodes: &Arc<NodeCache>, tree: &SnapshotTree, directory: &Key, at: u64) -> Result<Option<Self>> {
        let (component, ordinal) = row_of(at.saturating_sub(DOTS).saturating_sub(1));
        let before = tree.row(nodes, component, ordinal)?.entry.key;
        let Some(mut walk) = Self::of_component(nodes, tree, directory, component) else { return Ok(None) };
        walk.cursor.seek(&before);
        (walk.passed, walk.at, walk.next_ordinal) = (Some(before), at, Some(ordinal));
        Ok(Some(walk))
    }

    fn of_component(nodes: &Arc<NodeCache>, tree: &SnapshotTree, directory: &Key, component: usize) -> Option<Self> {
        let mut cursor = Cursor::new(Arc::clone(nodes), tree.manifest(component)?);
        cursor.seek(directory);
        let (passed, next_ordinal, ahead, lost) = (None, None, None, None);
        Some(Self { component, cursor, passed, next_ordinal, at: DOTS, ahead, lost, is_at_end: false })
    }

    /// The next entry of the directory; none at the end. Behind what can't be read it goes on, and says so at the end.
    pub(super) fn next(
        &mut self,
        nodes: &Arc<NodeCache>,
        tree: &SnapshotTree,
        directory: &Key,
    ) -> Result<Option<Found>> {
        if let Some(found) = self.ahead.take() {
            return Ok(Some(found));
        }
        loop {
            let Some(entry) = self.next_row(directory)?.filter(|entry| entry.key.is_within(directory)) else {
                let next = self.component.saturating_add(1);
                let walk = if self.is_at_end { None } else { Self::of_component(nodes, tree, directory, next) };
                let Some(walk) = walk else { return self.end().map(|()| None) };
                *self = Self { at: self.at, lost: self.lost.take(), ..walk };
                continue;
            };
            let is_same = self.passed.as_ref() == Some(&entry.key);
            if let Some(passed) = self.passed.as_ref().filter(|passed| !is_same && entry.key.is_within(passed)) {
                self.cursor.skip_subtree(passed);
                self.next_ordinal = None;
                continue;
            }
            let ordinal = self.ordinal(nodes, tree, &entry.key)?;
            if is_same || entry.key.parent().as_ref() != Some(directory) {
                continue;
            }
            if tree.find_before(nodes, &entry.key, self.component)?.is_some() {
                // An earlier component has it, and was listed before.
                self.passed = Some(entry.key);
                continue;
            }
            return Ok(Some(Found { row: Some((self.component, ordinal)), entry }));
        }
    }

    /// The next row that can be read.
    fn next_row(&mut self, directory: &Key) -> Result<Option<Entry>> {
        loop {
            let error = match self.cursor.next_row() {
                Ok(entry) => return Ok(entry),
                Err(error) => error,
            };
            if lies_behind(&error, directory) {
                return Ok(None);
            }
            let error = Error::from(error);
            if !error.is_of_one_thing() {
                return Err(error);
            }
            self.next_ordinal = None;
            self.lost.get_or_insert_with(|| (error.kind(), error.to_string()));
        }
    }

    /// What is said at the end, as often as it is asked.
    fn end(&mut self) -> Result<()> {
        self.is_at_end = true;
        match &self.lost {
            Some((kind, message)) => Err(Error::new(*kind, message.clone())),
            None => Ok(()),
        }
    }

    /// Whether the listing came to its end, and may be asked for the same again.
    pub(super) const fn is_at_end(&self) -> bool {
        self.is_at_end
    }

    /// Takes note that a row was given out.
    pub(super) fn give(&mut self, found: Found, at: u64) {
        (self.passed, self.at) = (Some(found.entry.key), at);
    }

    /// Takes a row back.
    pub(super) fn keep(&mut self, found: Found) {
        self.ahead = Some(found);
    }

    /// The number of the row that the cursor gave out.
    fn ordinal(&mut self, nodes: &Arc<NodeCache>, tree: &SnapshotTree, key: &Key) -> Result<u64> {
        let ordinal = match (self.next_ordinal, tree.manifest(self.component)) {
            (Some(ordinal), _) => ordinal,
            (None, Some(root)) => row_at::<Entry, _>(nodes, root, Goal::Key(key))?.map_or(0, |(ordinal, _)| ordinal),
            (None, None) => 0,
        };
        self.next_ordinal = Some(ordinal.saturating_add(1));
        Ok(ordinal)
    }
}

/// Whether nothing of a directory lies in a part that can't be read.
fn lies_behind(error: &ReadError<Error>, directory: &Key) -> bool {
    match error.span() {
        Span::Keys { after: Some(after), .. } => after > directory && !after.is_within(directory),
        Span::Keys { after: None, .. } | Span::Bytes { .. } => false,
    }
}

/// The position behind a row; none beyond what numbers can tell.
pub(super) fn behind(found: &Found) -> Option<u64> {
    let (component, ordinal) = found.row?;
    position(component, ordinal)?.checked_add(DOTS)?.checked_add(1)
}

//! The entries at and below a path of a snapshot.

use crate::access::Access;
use crate::content::ContentReader;
use crate::error::{Error, ErrorKind, Result};
use crate::id::NodeId;
use crate::manifest::{Cursor, Entry, Key, Lineage};
use crate::restore::outcome::Outcome;
use crate::session::Snapshot;
use std::collections::{HashSet, VecDeque};

/// What is still to be read of a tree.
enum Stop {
    /// The directory above what was asked for.
    Above(Key),
    /// What is at and below a path.
    Tree(Key),
}

/// The entries of some subtrees in key order, after the directories above them if there are several.
pub struct Entries<'a> {
    cursor: Cursor<Entry, &'a ContentReader>,
    /// The subtree that is being read.
    subtree: Option<Key>,
    /// What comes after it.
    stops: VecDeque<Stop>,
    /// The entry at the path itself, which was read to see whether there is one.
    first: Option<Entry>,
    /// None after a part of the tree that could not be read: what follows may belong into it.
    lineage: Option<Lineage>,
    /// Whether a part of the tree could not be read.
    is_damaged: bool,
    /// Hashes of what was told of it: a part may lie on the way to several paths, or behind several.
    told: HashSet<[u8; blake3::OUT_LEN]>,
}

/// Finds the subtree at `path`; none when nothing is there. The root is always there. Where the way to it can't be read,
/// that is the first error of the entries, and what is left below it follows.
pub fn entries_at<'a>(reader: &'a ContentReader, root: NodeId, path: &Key) -> Option<Entries<'a>> {
    let mut cursor = Cursor::new(reader, root);
    let (first, lineage) = if path.is_root() {
        (None, Lineage::new())
    } else {
        let first = match cursor.find(path) {
            Ok(None) => return None,
            Ok(first) => first,
            Err(_) => {
                cursor.seek(path);
                None
            }
        };
        (first, Lineage::within(path.parent()))
    };
    let (subtree, stops, lineage) = (Some(path.clone()), VecDeque::new(), Some(lineage));
    Some(Entries { cursor, subtree, stops, first, lineage, is_damaged: false, told: HashSet::new() })
}

/// The subtrees at some paths, sorted, none within another; those at which nothing is are left out.
pub(super) fn entries_of<'a>(reader: &'a ContentReader, root: NodeId, parts: &[Key]) -> Entries<'a> {
    let mut stops = VecDeque::new();
    let mut above: Vec<Key> = Vec::new();
    for part in parts {
        let mut ways: Vec<Key> = std::iter::successors(part.parent(), Key::parent).collect();
        ways.reverse();
        for way in ways {
            if !above.contains(&way) {
                above.retain(|other| way.is_within(other));
                above.push(way.clone());
                stops.push_back(Stop::Above(way));
            }
        }
        stops.push_back(Stop::Tree(part.clone()));
    }
    let (cursor, lineage) = (Cursor::new(reader, root), Some(Lineage::new()));
    Entries { cursor, subtree: None, stops, first: None, lineage, is_damaged: false, told: HashSet::new() }
}

impl Entries<'_> {
    /// The next entry; none at the end of the last subtree. One that lies in no directory is an error, and is passed
    /// over.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] for a part of the tree that can't be read; the next call goes on after it.
    pub fn try_next(&mut self) -> Result<Option<Entry>> {
        let entry = self.read_next().inspect_err(|_| (self.lineage, self.is_damaged) = (None, true))?;
        if let (Some(entry), Some(lineage)) = (&entry, &mut self.lineage) {
            lineage.check(entry).map_err(|stray| {
                self.is_damaged = true;
                Error::new(ErrorKind::Damaged, "no honest program wrote this manifest").because(stray)
            })?;
        }
        Ok(entry)
    }

    fn read_next(&mut self) -> Result<Option<Entry>> {
        loop {
            if let Some(first) = self.first.take() {
                return Ok(Some(first));
            }
            if let Some(subtree) = &self.subtree {
                if let Some(entry) = self.cursor.next_row()?.filter(|entry| entry.key.is_within(subtree)) {
                    return Ok(Some(entry));
                }
                self.subtree = None;
            }
            match self.stops.pop_front() {
                None => return Ok(None),
                Some(Stop::Above(key)) => self.first = self.cursor.find(&key)?,
                Some(Stop::Tree(key)) => {
                    let found = self.cursor.find(&key);
                    // Where its own entry is lost, what lies below it may be left.
                    self.subtree = found.as_ref().map_or(true, Option::is_some).then_some(key);
                    self.first = found?;
                }
            }
        }
    }

    /// Whether a part of the tree before the last entry could not be read.
    pub(super) const fn is_damaged(&self) -> bool {
        self.is_damaged
    }

    /// Goes on after everything below `directory`, which is not read.
    pub fn skip_below(&mut self, directory: &Key) {
        self.cursor.skip_subtree(directory);
        if self.subtree.as_ref() == Some(directory) {
            self.subtree = None;
        }
    }

    /// The next entry; a damaged part of the tree is told and passed over.
    pub(super) fn next_entry(&mut self, outcome: &Outcome<'_>) -> Result<Option<Entry>> {
        loop {
            match self.try_next() {
                Ok(entry) => return Ok(entry),
                Err(error) => {
                    let is_new = self.told.insert(*blake3::hash(error.to_string().as_bytes()).as_bytes());
                    if is_new || !error.is_of_one_thing() {
                        outcome.damaged_part(self.subtree.clone().unwrap_or_default().to_path(), error)?;
                    }
                }
            }
        }
    }
}

/// Whether a listing goes into a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Below {
    /// What is in it is visited next.
    Visit,
    /// Nothing below it is visited, or read.
    Skip,
}

/// Visits the entries of a snapshot at and below `path`, in key order; what `each` says of a directory counts for what
/// is below it.
///
/// # Errors
/// [`crate::error::ErrorKind::NotFound`] when nothing is there; [`crate::error::ErrorKind::Damaged`], after everything
/// that can be read was visited; or what `each` returns.
pub fn list(
    access: &Access,
    snapshot: &Snapshot,
    path: &Key,
    each: &mut dyn FnMut(&Entry) -> Result<Below>,
) -> Result<()> {
    let reader = ContentReader::new(access.clone());
    let (mut found, mut lost, mut lost_count) = (false, None, 0u64);
    for component in &snapshot.components {
        let Some(root) = component.manifest else { continue };
        let Some(mut entries) = entries_at(&reader, root, path) else { continue };
        found = true;
        loop {
            match entries.try_next() {
                Ok(Some(entry)) if each(&entry)? == Below::Skip => entries.skip_below(&entry.key),
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) if error.is_of_one_thing() => {
                    lost_count = lost_count.saturating_add(1);
                    lost = lost.or(Some(error));
                }
                Err(error) => return Err(error),
            }
        }
    }
    match lost {
        Some(error) if lost_count > 1 => {
            let kind = error.kind();
            Err(Error::new(kind, format!("{lost_count} parts can't be read, of which this is the first"))
                .because(error))
        }
        Some(error) => Err(error),
        None if found || path.is_root() => Ok(()),
        None => Err(super::nothing_there(snapshot, path)),
    }
}

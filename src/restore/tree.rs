//! The entries at and below a path of a snapshot.

use crate::access::Access;
use crate::content::ContentReader;
use crate::error::{Error, ErrorKind, Result};
use crate::id::NodeId;
use crate::manifest::{Cursor, Entry, Key, Lineage};
use crate::restore::outcome::Outcome;
use crate::session::Snapshot;

/// The entries of a subtree in key order.
pub(super) struct Entries<'a> {
    cursor: Cursor<Entry, &'a ContentReader>,
    subtree: Key,
    /// The entry at the path itself, which was read to see whether there is one.
    first: Option<Entry>,
    /// None after a part of the tree that could not be read: what follows may belong into it.
    lineage: Option<Lineage>,
}

/// Finds the subtree at `path`; none when nothing is there. The root is always there.
pub(super) fn entries_at<'a>(reader: &'a ContentReader, root: NodeId, path: &Key) -> Result<Option<Entries<'a>>> {
    let mut cursor = Cursor::new(reader, root);
    if path.is_root() {
        return Ok(Some(Entries { cursor, subtree: path.clone(), first: None, lineage: Some(Lineage::new()) }));
    }
    let first = cursor.find(path)?;
    let lineage = Some(Lineage::within(path.parent()));
    Ok(first.map(|first| Entries { cursor, subtree: path.clone(), first: Some(first), lineage }))
}

impl Entries<'_> {
    /// The next entry; none at the end of the subtree. One that lies in no directory is an error, and is passed over.
    fn try_next(&mut self) -> Result<Option<Entry>> {
        let read = match self.first.take() {
            Some(first) => Ok(Some(first)),
            None => self.cursor.next_row(),
        };
        let entry = read.inspect_err(|_| self.lineage = None)?.filter(|entry| entry.key.is_within(&self.subtree));
        if let (Some(entry), Some(lineage)) = (&entry, &mut self.lineage) {
            lineage.check(entry).map_err(|stray| {
                Error::new(ErrorKind::Damaged, "no honest program wrote this manifest").because(stray)
            })?;
        }
        Ok(entry)
    }

    /// Goes on after everything below `directory`, which is not read.
    pub(super) fn skip_below(&mut self, directory: &Key) {
        self.cursor.skip_subtree(directory);
    }

    /// The next entry; a damaged part of the tree is told and passed over.
    pub(super) fn next_entry(&mut self, outcome: &Outcome<'_>) -> Result<Option<Entry>> {
        loop {
            match self.try_next() {
                Ok(entry) => return Ok(entry),
                Err(error) => outcome.damaged(self.subtree.to_path(), error)?,
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
/// [`crate::error::ErrorKind::NotFound`] when nothing is there; [`crate::error::ErrorKind::Damaged`]; or what `each` returns.
pub fn list(
    access: &Access,
    snapshot: &Snapshot,
    path: &Key,
    each: &mut dyn FnMut(&Entry) -> Result<Below>,
) -> Result<()> {
    let reader = ContentReader::new(access.clone());
    let mut found = false;
    for component in &snapshot.components {
        let Some(root) = component.manifest else { continue };
        let Some(mut entries) = entries_at(&reader, root, path)? else { continue };
        found = true;
        while let Some(entry) = entries.try_next()? {
            if each(&entry)? == Below::Skip {
                entries.skip_below(&entry.key);
            }
        }
    }
    if found || path.is_root() { Ok(()) } else { Err(super::nothing_there(snapshot, path)) }
}

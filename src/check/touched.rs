//! Which snapshots and files need what is lost. Every tree is walked in full for this, and only when something is lost.

use crate::check::packs::Seen;
use crate::check::report::Findings;
use crate::content::ContentReader;
use crate::error::{Error, Result, check_stopped};
use crate::id::{ChunkId, NodeId, PackId, SnapshotId};
use crate::manifest::{Cursor, Entry, Item, ItemList, ItemReader, Key, ReadError, Row, Span, StatEntry};
use crate::session::Snapshot;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Walks all snapshots and tells what they have lost.
pub(super) fn find(
    reader: &ContentReader,
    present: &Seen,
    snapshots: &[Snapshot],
    findings: &Findings<'_>,
) -> Result<()> {
    let damaged = findings.damaged_packs();
    let finder = Finder { reader, present, damaged, findings };
    for snapshot in snapshots {
        for component in &snapshot.components {
            check_stopped(findings.progress)?;
            if let Some(root) = component.manifest {
                finder.manifest(snapshot.id, (root, component.stat))?;
            }
            if let Some(root) = component.stat {
                stat(reader, snapshot.id, root, findings);
            }
        }
    }
    Ok(())
}

struct Finder<'a> {
    reader: &'a ContentReader,
    present: &'a Seen,
    /// Packs of which something is lost.
    damaged: BTreeSet<PackId>,
    findings: &'a Findings<'a>,
}

impl Finder<'_> {
    fn manifest(&self, snapshot: SnapshotId, (root, stat): (NodeId, Option<NodeId>)) -> Result<()> {
        let mut cursor: Cursor<Entry, _> = Cursor::new(self.reader, root);
        loop {
            match cursor.next_row() {
                Ok(None) => return Ok(()),
                Ok(Some(entry)) => {
                    entry.item_lists().try_for_each(|list| self.items(snapshot, &entry.key, list))?;
                }
                Err(error) => self.part(snapshot, &error, stat),
            }
        }
    }

    /// Tells of a part of a manifest that is lost: the stat tree has the same keys, and names what was in it. Where that
    /// can't tell, the last key of the part stands for all of it.
    fn part(&self, snapshot: SnapshotId, error: &ReadError<Error>, stat: Option<NodeId>) {
        let node = error.node().as_chunk();
        let mut is_named = false;
        let mut is_whole = false;
        if let (Some(stat), Span::Keys { after, last }) = (stat, error.span()) {
            let mut rows: Cursor<StatEntry, _> = Cursor::new(self.reader, stat);
            rows.seek(&after.as_ref().map_or(&[][..], Key::as_bytes));
            is_whole = loop {
                match rows.next_row() {
                    Ok(Some(row)) if last.as_ref().is_some_and(|last| row.key > *last) => break true,
                    Ok(Some(row)) if row.is_directory() || after.as_ref().is_some_and(|after| row.key <= *after) => {}
                    Ok(Some(row)) => {
                        is_named = true;
                        self.findings.touches(node, snapshot, row.key.to_path());
                    }
                    Ok(None) => break true,
                    Err(_) => break false,
                }
            };
        }
        if !is_named || !is_whole {
            self.findings.touches(node, snapshot, span_path(error));
        }
    }

    fn items(&self, snapshot: SnapshotId, key: &Key, list: &ItemList) -> Result<()> {
        let mut items = ItemReader::new(self.reader, list.clone());
        loop {
            match items.next_item() {
                Ok(None) => return Ok(()),
                Ok(Some(placed)) => {
                    if let Item::Chunk { id, .. } = placed.item
                        && self.findings.is_lost(id)
                        && !self.has_other_copy(id)?
                    {
                        self.findings.touches(id, snapshot, key.to_path());
                    }
                }
                Err(error) => self.findings.touches(error.node().as_chunk(), snapshot, key.to_path()),
            }
        }
    }

    /// Whether a chunk that one pack has lost lies in another one as well, in which nothing is damaged: it is read from
    /// there.
    fn has_other_copy(&self, id: ChunkId) -> Result<bool> {
        let index = &self.reader.access().index;
        for extent in index.copies(id)? {
            let pack = index.pack(extent.pack)?.id;
            let is_there = index.find_pack(&pack)?.is_some_and(|lowest| self.present.contains(lowest));
            if is_there && !self.damaged.contains(&pack) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// A stat tree that lost a node costs the next backup some reading, and no file anything.
fn stat(reader: &ContentReader, snapshot: SnapshotId, root: NodeId, findings: &Findings<'_>) {
    let mut cursor: Cursor<StatEntry, _> = Cursor::new(reader, root);
    loop {
        match cursor.next_row() {
            Ok(None) => return,
            Ok(Some(_)) => {}
            Err(error) => {
                findings.touches(error.node().as_chunk(), snapshot, PathBuf::from("(only the next backup's speed)"))
            }
        }
    }
}

/// The files that a lost node stood for, as far as its parents tell.
fn span_path(error: &ReadError<Error>) -> PathBuf {
    match error.span() {
        Span::Keys { last: Some(last), .. } => last.to_path(),
        Span::Keys { .. } | Span::Bytes { .. } => PathBuf::from("/"),
    }
}

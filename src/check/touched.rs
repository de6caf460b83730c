//! Which snapshots and files need what is lost. Every tree is walked in full for this, and only when something is lost.

use crate::check::report::Findings;
use crate::content::ContentReader;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{NodeId, SnapshotId};
use crate::manifest::{Cursor, Entry, Item, ItemList, ItemReader, Key, ReadError, Span, StatEntry};
use crate::session::Snapshot;
use std::path::PathBuf;

/// Walks all snapshots and tells what they have lost.
pub(super) fn find(reader: &ContentReader, snapshots: &[Snapshot], findings: &Findings<'_>) -> Result<()> {
    for snapshot in snapshots {
        for component in &snapshot.components {
            if findings.progress.stopped() {
                return Err(Error::new(ErrorKind::Interrupted, "stopped as asked; nothing was changed"));
            }
            if let Some(root) = component.manifest {
                manifest(reader, snapshot.id, root, findings)?;
            }
            if let Some(root) = component.stat {
                stat(reader, snapshot.id, root, findings);
            }
        }
    }
    Ok(())
}

fn manifest(reader: &ContentReader, snapshot: SnapshotId, root: NodeId, findings: &Findings<'_>) -> Result<()> {
    let mut cursor: Cursor<Entry, _> = Cursor::new(reader, root);
    loop {
        match cursor.next_row() {
            Ok(None) => return Ok(()),
            Ok(Some(entry)) => {
                entry.item_lists().for_each(|list| items(reader, snapshot, &entry.key, list, findings));
            }
            Err(error) => findings.touches(error.node().as_chunk(), snapshot, span_path(&error)),
        }
    }
}

fn items(reader: &ContentReader, snapshot: SnapshotId, key: &Key, list: &ItemList, findings: &Findings<'_>) {
    let mut items = ItemReader::new(reader, list.clone());
    loop {
        match items.next_item() {
            Ok(None) => return,
            Ok(Some(placed)) => {
                if let Item::Chunk { id, .. } = placed.item
                    && findings.is_lost(id)
                {
                    findings.touches(id, snapshot, key.to_path());
                }
            }
            Err(error) => findings.touches(error.node().as_chunk(), snapshot, key.to_path()),
        }
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

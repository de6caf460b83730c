//! Trees: every node is read once, whatever number of snapshots share it; every chunk that it names is looked for.

use crate::check::report::{Damage, Findings};
use crate::content::ContentReader;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{ChunkId, NodeId};
use crate::index::Extent;
use crate::index::Scratch;
use crate::manifest::{
    AttributeValue, Content, Cursor, Entry, Item, ItemList, ItemReader, NodeVisit, ReadError, Row, StatEntry, Visit,
};
use crate::session::Snapshot;

/// How many chunks are looked for at once.
const LOOKUP_IDS: usize = 1024;

/// What was walked.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Walked {
    pub(super) node_count: u64,
    pub(super) chunk_reference_count: u64,
}

struct Walker<'a> {
    reader: &'a ContentReader,
    findings: &'a Findings<'a>,
    /// Nodes that were entered already, on disk.
    seen: Box<dyn Scratch>,
    walked: Walked,
    /// Chunks to look for, and how long the items are that name them.
    ids: Vec<ChunkId>,
    lengths: Vec<u64>,
    found: Vec<Option<Extent>>,
}

/// Walks the trees of all snapshots.
pub(super) fn check(reader: &ContentReader, snapshots: &[Snapshot], findings: &Findings<'_>) -> Result<Walked> {
    let seen = reader.access().scratch();
    let (walked, ids, lengths, found) = <(Walked, Vec<_>, Vec<_>, Vec<_>)>::default();
    let mut walker = Walker { reader, findings, seen, walked, ids, lengths, found };
    for component in snapshots.iter().flat_map(|snapshot| &snapshot.components) {
        if findings.progress.stopped() {
            return Err(Error::new(ErrorKind::Interrupted, "stopped as asked; nothing was changed"));
        }
        if let Some(root) = component.manifest {
            walker.tree::<Entry>(root, Walker::entry)?;
        }
        if let Some(root) = component.stat {
            walker.tree::<StatEntry>(root, |_, _| Ok(()))?;
        }
    }
    walker.look_up()?;
    Ok(walker.walked)
}

impl Walker<'_> {
    fn tree<R: Row>(&mut self, root: NodeId, mut each: impl FnMut(&mut Self, R) -> Result<()>) -> Result<()> {
        let mut cursor: Cursor<R, _> = Cursor::new(self.reader, root);
        loop {
            let mut failure = Ok(());
            let next = cursor.next_row_with(&mut |visit| self.visit(visit, &mut failure));
            failure?;
            match next {
                Ok(None) => return Ok(()),
                Ok(Some(row)) => each(self, row)?,
                Err(error) => self.broken(error)?,
            }
        }
    }

    fn visit(&mut self, visit: &NodeVisit<'_>, failure: &mut Result<()>) -> Visit {
        let key = visit.id.as_bytes();
        match self.seen.get(key) {
            Ok(Some(_)) => return Visit::Skip,
            Ok(None) => {}
            Err(error) => *failure = Err(error.into()),
        }
        if let Err(error) = self.seen.put(key, &[]) {
            *failure = Err(error.into());
        }
        self.walked.node_count = self.walked.node_count.saturating_add(1);
        Visit::Enter
    }

    fn entry(&mut self, entry: Entry) -> Result<()> {
        if let Some(Content::Items(list)) = entry.content() {
            self.items(list)?;
        }
        for attribute in entry.attributes.iter() {
            if let AttributeValue::OutOfLine(list) = &attribute.value {
                self.items(list)?;
            }
        }
        Ok(())
    }

    fn items(&mut self, list: &ItemList) -> Result<()> {
        let mut items = ItemReader::new(self.reader, list.clone());
        loop {
            let mut failure = Ok(());
            let next = items.next_item_with(&mut |visit| self.visit(visit, &mut failure));
            failure?;
            match next {
                Ok(None) => return Ok(()),
                Ok(Some(placed)) => {
                    if let Item::Chunk { id, bytes } = placed.item {
                        self.chunk(id, bytes)?;
                    }
                }
                Err(error) => self.broken(error)?,
            }
        }
    }

    fn chunk(&mut self, id: ChunkId, bytes: u64) -> Result<()> {
        self.walked.chunk_reference_count = self.walked.chunk_reference_count.saturating_add(1);
        self.ids.push(id);
        self.lengths.push(bytes);
        if self.ids.len() >= LOOKUP_IDS { self.look_up() } else { Ok(()) }
    }

    fn look_up(&mut self) -> Result<()> {
        self.reader.find(&self.ids, &mut self.found)?;
        for ((id, bytes), found) in self.ids.iter().zip(&self.lengths).zip(&self.found) {
            let wrong = match found {
                None => Some("a snapshot names it, and no committed pack holds it"),
                Some(extent) if u64::from(extent.chunk_bytes) != *bytes => Some("a snapshot gives it another length"),
                Some(_) => None,
            };
            if let Some(wrong) = wrong {
                let damage = Damage {
                    object: format!("chunk {id}"),
                    wrong: wrong.to_owned(),
                    remedy: "back up the files again that are named here",
                    ..Damage::default()
                };
                self.findings.damage(damage, [*id]);
            }
        }
        self.ids.clear();
        self.lengths.clear();
        Ok(())
    }

    fn broken(&self, error: ReadError<Error>) -> Result<()> {
        let node = error.node();
        let span = error.span().to_string();
        let error = Error::from(error);
        if error.kind() != ErrorKind::Damaged {
            return Err(error);
        }
        let damage = Damage {
            object: format!("node {node}"),
            place: span,
            wrong: error.to_string(),
            remedy: "put the damaged pack back from a second copy of the store; or back up again with --force",
            ..Damage::default()
        };
        self.findings.damage(damage, [node.as_chunk()]);
        Ok(())
    }
}

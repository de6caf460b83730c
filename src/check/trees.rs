//! Trees: every node is read once, whatever number of snapshots share it; every chunk that it names is looked for.

use crate::check::lines::Lines;
use crate::check::options::CheckDepth;
use crate::check::packs::Seen;
use crate::check::remedy;
use crate::check::report::{Damage, Findings};
use crate::check::values;
use crate::config::Role;
use crate::content::ContentReader;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{ChunkId, NodeId, SnapshotId};
use crate::index::{Extent, Scratch};
use crate::manifest::{
    Cursor, Entry, Item, ItemList, ItemReader, Key, LineageError, NodeSource, NodeVisit, ReadError, StatEntry, Visit,
    is_stream,
};
use crate::outcome::ComponentKind;
use crate::session::{Snapshot, SnapshotComponent};
use crate::store::ObjectName;
use crate::threads;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::collections::BTreeSet;
use std::sync::Arc;

/// How many chunks are looked for at once: the index answers many neighbours faster than a few.
const LOOKUP_IDS: usize = 4096;

/// What was walked.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Walked {
    pub(super) node_count: u64,
    pub(super) chunk_reference_count: u64,
}

/// Chunks to look for, and how long the items are that name them.
#[derive(Default)]
struct Batch {
    ids: Vec<ChunkId>,
    lengths: Vec<u64>,
}

struct Walker<'a> {
    nodes: &'a SecondLook<'a>,
    findings: &'a Findings<'a>,
    depth: CheckDepth,
    /// Nodes that were entered already, on disk.
    seen: Box<dyn Scratch>,
    walked: Walked,
    batch: Batch,
    batches: Sender<Batch>,
}

/// Walks the trees of all snapshots in one thread, and looks for what they name in the others.
pub(super) fn check(
    reader: &ContentReader,
    (snapshots, depth): (&[Snapshot], CheckDepth),
    present: &Seen,
    findings: &Findings<'_>,
) -> Result<Walked> {
    let seeker = Seeker { reader, present, findings };
    let nodes = SecondLook { reader, findings };
    std::thread::scope(|scope| {
        let (batches, queue) = bounded(reader.access().threads);
        let seekers: Vec<_> = (0..reader.access().threads)
            .map(|_| {
                let (seeker, queue) = (&seeker, queue.clone());
                threads::start(scope, move || seeker.look_for_all(&queue))
            })
            .collect::<Result<_, _>>()?;
        drop(queue);
        let seen = reader.access().scratch();
        let (walked, batch) = <(Walked, Batch)>::default();
        let mut walker = Walker { nodes: &nodes, findings, depth, seen, walked, batch, batches };
        let done = walker.walk(snapshots);
        let walked = walker.walked;
        drop(walker);
        let sought = seekers.into_iter().map(threads::join);
        sought.collect::<Vec<Result<()>>>().into_iter().collect::<Result<()>>().and(done).map(|()| walked)
    })
}

/// Looks for chunks.
struct Seeker<'a> {
    reader: &'a ContentReader,
    present: &'a Seen,
    findings: &'a Findings<'a>,
}

impl Seeker<'_> {
    fn look_for_all(&self, queue: &Receiver<Batch>) -> Result<()> {
        let mut found = Vec::new();
        queue.iter().try_for_each(|batch| self.look_for(&batch, &mut found))
    }

    fn look_for(&self, batch: &Batch, found: &mut Vec<Option<Extent>>) -> Result<()> {
        self.reader.find(&batch.ids, found)?;
        for ((id, bytes), found) in batch.ids.iter().zip(&batch.lengths).zip(found) {
            let wrong = match found {
                None => {
                    self.findings.unlisted(*id);
                    continue;
                }
                Some(extent) if u64::from(extent.chunk_bytes) != *bytes => Some("a snapshot gives it another length"),
                Some(extent) if self.is_there(extent)? || self.has_copy(*id)? => None,
                Some(_) => Some("a snapshot names it, and every pack that holds it is gone"),
            };
            if let Some(wrong) = wrong.filter(|_| !self.findings.is_lost(*id)) {
                let damage = Damage {
                    object: format!("chunk {id}"),
                    wrong: wrong.to_owned(),
                    remedy: remedy::CHUNK,
                    ..Damage::default()
                };
                self.findings.damage(damage, [*id]);
            }
        }
        Ok(())
    }

    fn is_there(&self, extent: &Extent) -> Result<bool> {
        if self.present.contains(extent.pack) {
            return Ok(true);
        }
        // A pack that two keys vouch for has two numbers and is noted under the lower one.
        let index = &self.reader.access().index;
        let lowest = index.find_pack(&index.pack(extent.pack)?.id)?;
        Ok(lowest.is_some_and(|lowest| self.present.contains(lowest)))
    }

    fn has_copy(&self, id: ChunkId) -> Result<bool> {
        for extent in self.reader.access().index.copies(id)? {
            if self.is_there(&extent)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Reads a node that seems bad twice.
pub(super) struct SecondLook<'a> {
    pub(super) reader: &'a ContentReader,
    pub(super) findings: &'a Findings<'a>,
}

impl NodeSource for SecondLook<'_> {
    type Error = Error;

    fn node(&self, id: NodeId) -> Result<Arc<[u8]>> {
        let first = match self.reader.first_copy(id) {
            Err(error) if self.is_bad(&error) => error,
            read => return read,
        };
        self.forget(id);
        self.reader.first_copy(id).inspect(|_| self.findings.only_twice(&format!("node {id}"), &first.to_string()))
    }
}

impl SecondLook<'_> {
    /// Whether an error is about the bytes of the store, or about who may read them. Who holds the keys of all trees is
    /// denied nothing but a pack whose header was changed to another repository's or epoch's.
    pub(super) fn is_bad(&self, error: &Error) -> bool {
        let has_keys = self.reader.access().ring.role() != Role::Put;
        let is_denied = has_keys && error.kind() == ErrorKind::Denied;
        matches!(error.kind(), ErrorKind::Damaged | ErrorKind::Io) || error.is_refused() || is_denied
    }

    fn forget(&self, id: NodeId) {
        let access = self.reader.access();
        let pack = self.reader.locate(id.as_chunk()).and_then(|extent| Ok(access.index.pack(extent.pack)?.id));
        if let Some(object) = pack.ok().and_then(|pack| access.store.open(&ObjectName::Pack(pack)).ok()) {
            object.forget_cached();
        }
    }
}

impl Walker<'_> {
    fn walk(&mut self, snapshots: &[Snapshot]) -> Result<()> {
        for snapshot in snapshots {
            for component in &snapshot.components {
                if let Some(root) = component.manifest {
                    self.form(snapshot.id, component, root);
                    self.manifest(snapshot.id, root)?;
                }
                if let Some(root) = component.stat {
                    self.stat_tree(root)?;
                }
            }
        }
        self.hand_on();
        Ok(())
    }

    fn manifest(&mut self, snapshot: SnapshotId, root: NodeId) -> Result<()> {
        let mut cursor: Cursor<Entry, _> = Cursor::new(self.nodes, root);
        let mut lines = Lines::new();
        loop {
            let mut failure = Ok(());
            let next = cursor.next_row_with(&mut |visit| self.visit_keyed(snapshot, visit, &mut lines, &mut failure));
            failure?;
            match next {
                Ok(None) => return self.keep(lines.ended(None)),
                Ok(Some(entry)) => {
                    self.stray(snapshot, lines.row(&entry));
                    if let Some(wrong) = values::malformed(self.nodes, self.depth, &entry)? {
                        lines.again();
                        self.forged(snapshot, &entry.key, wrong);
                    }
                    self.entry(entry)?;
                }
                Err(error) => {
                    lines.broken();
                    self.broken(error)?;
                }
            }
        }
    }

    /// Its rows may lie in directories that have none (MANIFEST-39): nobody restores by it, and the next backup looks for
    /// single keys.
    fn stat_tree(&mut self, root: NodeId) -> Result<()> {
        let mut cursor: Cursor<StatEntry, _> = Cursor::new(self.nodes, root);
        loop {
            let mut failure = Ok(());
            let next = cursor.next_row_with(&mut |visit| self.visit(visit, &mut failure));
            failure?;
            match next {
                Ok(None) => return Ok(()),
                Ok(Some(_)) => {}
                Err(error) => self.broken(error)?,
            }
        }
    }

    /// Tells of a stream that has another form.
    fn form(&self, snapshot: SnapshotId, component: &SnapshotComponent, root: NodeId) {
        // What can't be read is told when it is walked.
        if component.kind == ComponentKind::Tree || is_stream(self.nodes, root).unwrap_or(true) {
            return;
        }
        let damage = Damage {
            object: format!("snapshot {snapshot}"),
            place: format!("component \"{}\"", component.name.escape_ascii()),
            wrong: "its manifest has no stream's form".to_owned(),
            snapshots: BTreeSet::from([snapshot]),
            remedy: remedy::FORGED,
            ..Damage::default()
        };
        self.findings.damage(damage, []);
    }

    /// Asks for a node of a manifest.
    fn visit_keyed(
        &mut self,
        snapshot: SnapshotId,
        visit: &NodeVisit<'_>,
        lines: &mut Lines,
        failure: &mut Result<()>,
    ) -> Visit {
        let known = self.keep(lines.ended(visit.level)).and_then(|()| Ok(self.seen.get(visit.id.as_bytes())?));
        match known {
            Err(error) => {
                *failure = Err(error);
                return Visit::Skip;
            }
            Ok(Some(kept)) if !Lines::is_to_be_entered(&kept) => {
                self.stray(snapshot, lines.pass(visit, &kept));
                return Visit::Skip;
            }
            Ok(Some(_)) => {}
            Ok(None) => {
                if self.visit(visit, failure) == Visit::Skip {
                    return Visit::Skip;
                }
            }
        }
        lines.enter(visit);
        Visit::Enter
    }

    fn keep(&mut self, ended: Vec<(NodeId, Vec<u8>)>) -> Result<()> {
        ended.into_iter().try_for_each(|(id, kept)| Ok(self.seen.put(id.as_bytes(), &kept)?))
    }

    /// Tells of a row that lies in no directory.
    fn stray(&self, snapshot: SnapshotId, told: Result<(), LineageError>) {
        if let Err(stray) = told {
            self.forged(snapshot, &stray.key, stray.to_string());
        }
    }

    /// Tells of an entry that no honest program wrote.
    fn forged(&self, snapshot: SnapshotId, key: &Key, wrong: String) {
        let damage = Damage {
            object: format!("snapshot {snapshot}"),
            place: key.to_string(),
            wrong,
            snapshots: BTreeSet::from([snapshot]),
            files: BTreeSet::from([key.to_path()]),
            file_count: 1,
            remedy: remedy::FORGED,
        };
        self.findings.damage(damage, []);
    }

    fn visit(&mut self, visit: &NodeVisit<'_>, failure: &mut Result<()>) -> Visit {
        if self.findings.is_over() {
            *failure = Err(Error::stopped());
            return Visit::Skip;
        }
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
        entry.item_lists().try_for_each(|list| self.items(list))
    }

    fn items(&mut self, list: &ItemList) -> Result<()> {
        let mut items = ItemReader::new(self.nodes, list.clone());
        loop {
            let mut failure = Ok(());
            let next = items.next_item_with(&mut |visit| self.visit(visit, &mut failure));
            failure?;
            match next {
                Ok(None) => return Ok(()),
                Ok(Some(placed)) => {
                    if let Item::Chunk { id, bytes } = placed.item {
                        self.chunk(id, bytes);
                    }
                }
                Err(error) => self.broken(error)?,
            }
        }
    }

    fn chunk(&mut self, id: ChunkId, bytes: u64) {
        self.walked.chunk_reference_count = self.walked.chunk_reference_count.saturating_add(1);
        self.batch.ids.push(id);
        self.batch.lengths.push(bytes);
        if self.batch.ids.len() >= LOOKUP_IDS {
            self.hand_on();
        }
    }

    fn hand_on(&mut self) {
        // Where nobody is left to take it, they tell why.
        let _ = self.batches.send(std::mem::take(&mut self.batch));
    }

    fn broken(&self, error: ReadError<Error>) -> Result<()> {
        let node = error.node();
        let span = error.span().to_string();
        let error = Error::from(error);
        if !self.nodes.is_bad(&error) {
            return Err(error);
        }
        let damage = Damage {
            object: format!("node {node}"),
            place: span,
            wrong: error.to_string(),
            remedy: if error.is_refused() { remedy::UNREAD } else { remedy::NODE },
            ..Damage::default()
        };
        self.findings.node_damage(damage, node);
        Ok(())
    }
}

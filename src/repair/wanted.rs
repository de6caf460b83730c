//! What is lost: chunks and nodes that live snapshots need and of which no whole copy is left.

use crate::access::Access;
use crate::content::ContentReader;
use crate::error::{Error, ErrorKind, Result, check_stopped};
use crate::id::{ChunkId, NodeId, PackId};
use crate::index::Scratch;
use crate::manifest::{Cursor, Entry, Item, ItemList, ItemReader, NodeSource, NodeVisit, Row, StatEntry, Visit};
use crate::needed::{References, Roots};
use crate::progress::Progress;
use crate::repair::aside::AilingPacks;
use crate::segment::SegmentReader;
use crate::session::{self, History, Snapshot, read_segment};
use std::collections::BTreeSet;

/// A live snapshot needs it.
const MISSED: &[u8] = &[0];
/// It was found again.
const HAD: &[u8] = &[1];
/// A lost pack held it, and a lost node may name it.
const PERHAPS: &[u8] = &[2];

/// Chunks and nodes to be found again; in files once they are many.
pub(super) struct Wanted {
    table: Box<dyn Scratch>,
    /// Chunks and nodes that are still missed.
    pub(super) left_count: u64,
    /// Those that may be, besides.
    perhaps_count: u64,
    /// Tree nodes among all that were missed.
    pub(super) node_count: u64,
}

impl Wanted {
    fn new(access: &Access) -> Self {
        Self { table: access.scratch(), left_count: 0, perhaps_count: 0, node_count: 0 }
    }

    fn add(&mut self, id: ChunkId, state: &[u8]) -> Result<bool> {
        if self.knows(id)? {
            return Ok(false);
        }
        self.table.put(id.as_bytes(), state)?;
        let count = if state == PERHAPS { &mut self.perhaps_count } else { &mut self.left_count };
        *count = count.saturating_add(1);
        Ok(true)
    }

    /// Whether nothing is looked for any more.
    pub(super) const fn is_done(&self) -> bool {
        self.left_count == 0 && self.perhaps_count == 0
    }

    /// Whether a chunk or node is still looked for.
    pub(super) fn contains(&self, id: ChunkId) -> Result<bool> {
        Ok(self.table.get(id.as_bytes())?.is_some_and(|state| state != HAD))
    }

    /// Whether a chunk or node was missed, found again or not.
    pub(super) fn knows(&self, id: ChunkId) -> Result<bool> {
        Ok(self.table.get(id.as_bytes())?.is_some())
    }

    /// Notes that one is there again.
    pub(super) fn found(&mut self, id: ChunkId) -> Result<()> {
        let was = self.table.get(id.as_bytes())?;
        let count = if was.as_deref() == Some(PERHAPS) { &mut self.perhaps_count } else { &mut self.left_count };
        *count = count.saturating_sub(1);
        self.table.put(id.as_bytes(), HAD)?;
        Ok(())
    }
}

/// Finds what is lost. The packs of `ailing` are excluded from the index already. Every distinct node is read once.
///
/// # Errors
/// When the store can't be read, or the caller stops.
pub(super) fn find(
    access: &Access,
    history: &History,
    ailing: &AilingPacks,
    progress: &dyn Progress,
) -> Result<Wanted> {
    let reader = reader(access);
    let mut search = Search { access, reader: &reader, wanted: Wanted::new(access), has_unread: false };
    search.trees(history, progress)?;
    if search.wanted.node_count > 0 || search.has_unread {
        // What lost nodes name is not known. What lost packs held is, and may be it.
        search.packs(ailing)?;
    }
    Ok(search.wanted)
}

/// A reader that does not look again for each chunk that it does not find: many are lost, and nobody moves them.
pub(super) fn reader(access: &Access) -> ContentReader {
    ContentReader::new(Access { catch_up: None, ..access.clone() })
}

struct Search<'a> {
    access: &'a Access,
    reader: &'a ContentReader,
    wanted: Wanted,
    /// Whether there are nodes that this user may not read: they are not lost, but what they name is not known.
    has_unread: bool,
}

impl Search<'_> {
    fn trees(&mut self, history: &History, progress: &dyn Progress) -> Result<()> {
        let mut seen = self.access.scratch();
        let mut waiting: Vec<NodeId> = Roots::of(history).nodes.into_keys().collect();
        let mut found = References::default();
        while let Some(node) = waiting.pop() {
            check_stopped(progress)?;
            if seen.get(node.as_bytes())?.is_some() {
                continue;
            }
            seen.put(node.as_bytes(), &[])?;
            match self.reader.node(node) {
                Ok(bytes) => {
                    found.add(&bytes).map_err(|rule| {
                        Error::new(ErrorKind::Damaged, format!("node {node} is malformed")).because(rule)
                    })?;
                    self.look_for(&found.ends, MISSED)?;
                    waiting.append(&mut found.nodes);
                    found.ends.clear();
                }
                Err(error) if error.is_loss() => self.miss_node(node.as_chunk())?,
                Err(error) if error.is_refused() => self.has_unread = true,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Looks for chunks, and for leaves of stat trees.
    fn look_for(&mut self, ids: &[ChunkId], state: &[u8]) -> Result<()> {
        let mut found = Vec::new();
        self.access.index.lookup(ids, &mut found)?;
        for (id, _) in ids.iter().zip(&found).filter(|(_, extent)| extent.is_none()) {
            // In an ailing pack say: of that it will be copied.
            if !self.wanted.knows(*id)? && !is_readable(self.access, self.reader, *id, &|_| true)? {
                self.wanted.add(*id, state)?;
            }
        }
        Ok(())
    }

    fn packs(&mut self, ailing: &AilingPacks) -> Result<()> {
        for segment in self.access.index.applied()? {
            let body = read_segment(self.access, segment)?;
            for row in SegmentReader::parse(segment, &body)?.packs() {
                if ailing.contains_key(&row.facts().pack) && !row.is_set_aside() {
                    self.look_for(row.ids(), PERHAPS)?;
                }
            }
        }
        Ok(())
    }

    fn miss_node(&mut self, node: ChunkId) -> Result<()> {
        if self.wanted.add(node, MISSED)? {
            self.wanted.node_count = self.wanted.node_count.saturating_add(1);
        }
        Ok(())
    }
}

/// Whether a copy of a chunk can be read and is right, among those in packs that count.
///
/// # Errors
/// When the index can't be read.
pub(super) fn is_readable(
    access: &Access,
    reader: &ContentReader,
    id: ChunkId,
    counts: &dyn Fn(PackId) -> bool,
) -> Result<bool> {
    for extent in access.index.copies(id)? {
        let pack = access.index.pack(extent.pack)?;
        if !counts(pack.id) {
            continue;
        }
        match reader.frame(&extent) {
            Ok(frame) if frame.slice(&extent).is_some_and(|bytes| access.naming.id_of(pack.class, bytes) == id) => {
                return Ok(true);
            }
            Ok(_) => {}
            Err(error) if error.is_loss() || error.is_refused() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

/// The paths at which files miss something.
pub(super) enum Paths {
    /// These, by the hash of their keys.
    These(Box<dyn Scratch>),
    /// Any: tree nodes are lost, and nobody knows what they named.
    Any,
}

impl Paths {
    /// Finds the files of live snapshots that name something lost.
    ///
    /// # Errors
    /// When the index can't be read, or the caller stops.
    pub(super) fn find(access: &Access, history: &History, wanted: &Wanted, progress: &dyn Progress) -> Result<Self> {
        if wanted.node_count > 0 {
            return Ok(Self::Any);
        }
        let reader = reader(access);
        let (mut these, mut seen) = (access.scratch(), access.scratch());
        for snapshot in session::all(history).iter().filter(|snapshot| !snapshot.forgotten) {
            for root in snapshot.components.iter().filter_map(|component| component.manifest) {
                let mut entries = Cursor::<Entry, _>::new(&reader, root);
                let mut failed = None;
                let mut enter = |visit: &NodeVisit<'_>| match is_new(seen.as_mut(), visit.id) {
                    Ok(true) => Visit::Enter,
                    Ok(false) => Visit::Skip,
                    Err(error) => {
                        failed = Some(error);
                        Visit::Enter
                    }
                };
                while let Ok(Some(entry)) = entries.next_row_with(&mut enter) {
                    check_stopped(progress)?;
                    let misses = match misses(&reader, wanted, &entry) {
                        // What this user may not read may miss something.
                        Err(error) if error.is_refused() => true,
                        known => known?,
                    };
                    if misses {
                        these.put(&Self::place(entry.key.as_bytes()), &[])?;
                    }
                }
                failed.map_or(Ok(()), Err)?;
            }
        }
        Ok(Self::These(these))
    }

    /// Whether a file at this key misses something.
    pub(super) fn contains(&self, key: &[u8]) -> Result<bool> {
        match self {
            Self::These(these) => Ok(these.get(&Self::place(key))?.is_some()),
            Self::Any => Ok(true),
        }
    }

    fn place(key: &[u8]) -> [u8; 32] {
        *blake3::hash(key).as_bytes()
    }
}

fn is_new(seen: &mut dyn Scratch, node: NodeId) -> Result<bool> {
    let is_new = seen.get(node.as_bytes())?.is_none();
    seen.put(node.as_bytes(), &[])?;
    Ok(is_new)
}

fn misses(reader: &ContentReader, wanted: &Wanted, entry: &Entry) -> Result<bool> {
    for list in entry.item_lists() {
        if lacks(reader, wanted, list)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a list of items names something that was missed, or can't be read itself.
///
/// # Errors
/// When the index can't be read.
pub(super) fn lacks(reader: &ContentReader, wanted: &Wanted, list: &ItemList) -> Result<bool> {
    let mut items = ItemReader::new(reader, list.clone());
    loop {
        match items.next_item() {
            Ok(None) => return Ok(false),
            Ok(Some(placed)) => {
                if let Item::Chunk { id, .. } = placed.item
                    && wanted.knows(id)?
                {
                    return Ok(true);
                }
            }
            Err(error) => {
                let error = Error::from(error);
                return if error.is_loss() { Ok(true) } else { Err(error) };
            }
        }
    }
}

/// Tells snapshots that miss something from whole ones. A node of a whole one is walked once, however many hold it.
pub(super) struct Damaged {
    /// The last snapshot, by number, that holds a node.
    holders: Box<dyn Scratch>,
    count: u64,
    whole: BTreeSet<u64>,
}

impl Damaged {
    pub(super) fn new(access: &Access) -> Self {
        Self { holders: access.scratch(), count: 0, whole: BTreeSet::new() }
    }

    /// Whether a snapshot misses something: of its content, or of a stat tree, which keeps nobody from restoring it, but a
    /// collector from going on.
    ///
    /// # Errors
    /// When the index can't be read, or the caller stops.
    pub(super) fn is_damaged(
        &mut self,
        reader: &ContentReader,
        wanted: &Wanted,
        snapshot: &Snapshot,
        progress: &dyn Progress,
    ) -> Result<bool> {
        self.count = self.count.saturating_add(1);
        for component in &snapshot.components {
            let lacks = |entry: &Entry| misses(reader, wanted, entry);
            if let Some(root) = component.manifest
                && self.misses_below(reader, root, &lacks, progress)?
            {
                return Ok(true);
            }
            if let Some(root) = component.stat
                && self.misses_below(reader, root, &|_: &StatEntry| Ok(false), progress)?
            {
                return Ok(true);
            }
        }
        self.whole.insert(self.count);
        Ok(false)
    }

    fn misses_below<R: Row>(
        &mut self,
        reader: &ContentReader,
        root: NodeId,
        misses: &dyn Fn(&R) -> Result<bool>,
        progress: &dyn Progress,
    ) -> Result<bool> {
        let mut entries = Cursor::<R, _>::new(reader, root);
        let mut failed = None;
        loop {
            check_stopped(progress)?;
            let mut enter = |visit: &NodeVisit<'_>| match self.is_known_whole(visit.id) {
                Ok(true) => Visit::Skip,
                Ok(false) => Visit::Enter,
                Err(error) => {
                    failed = Some(error);
                    Visit::Enter
                }
            };
            match entries.next_row_with(&mut enter) {
                Ok(None) => return failed.map_or(Ok(false), Err),
                Ok(Some(entry)) if misses(&entry)? => return Ok(true),
                Ok(Some(_)) => {}
                Err(error) => {
                    let error = Error::from(error);
                    return if error.is_loss() { Ok(true) } else { Err(error) };
                }
            }
        }
    }

    /// Whether a whole snapshot holds the node; if not, notes that the one at hand does.
    fn is_known_whole(&mut self, node: NodeId) -> Result<bool> {
        let holder = self.holders.get(node.as_bytes())?;
        let number = holder.as_deref().and_then(|bytes| bytes.first_chunk()).map(|bytes| u64::from_le_bytes(*bytes));
        if number.is_some_and(|number| self.whole.contains(&number)) {
            return Ok(true);
        }
        self.holders.put(node.as_bytes(), &self.count.to_le_bytes())?;
        Ok(false)
    }
}

//! Whether everything that a snapshot needs has a copy that stays: every node of its trees, every chunk that they name.
//!
//! Memory does not depend on the snapshot's size: nodes that were entered are kept in a table on disk, chunks are
//! looked up in batches.

use crate::access::Access;
use crate::config::{Role, Signer};
use crate::content::ContentReader;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{ChunkId, NodeId, PackId, SignerKey};
use crate::index::{Extent, PackEntry, PackOrdinal, Scratch};
use crate::manifest::{Cursor, Entry, Item, ItemList, ItemReader, NodeVisit, ReadError, Row, StatEntry, Visit};
use crate::session::{History, Snapshot, absent_packs};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;

/// How many chunks are looked up at once.
const LOOKUP_IDS: usize = 1024;

/// Which copies stay: those in committed packs that are there and no prune has condemned or deleted, and that some key vouches
/// for which may decide it: one that reads, or the snapshot's own.
pub(super) struct Standing {
    condemned: HashSet<PackId>,
    /// Packs that are lost.
    absent: BTreeSet<PackId>,
    put_keys: HashSet<SignerKey>,
}

/// What a snapshot lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Missing {
    /// Copies of this lie only in packs that a prune has condemned or deleted.
    Condemned(ChunkId),
    /// Copies of this lie only in packs that are lost.
    Lost(ChunkId),
    /// No committed pack holds this.
    Absent(ChunkId),
    /// Something could not be read.
    Unreadable(String),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Condemned(id) => write!(f, "chunk {id} lies only in packs that a prune has condemned or deleted"),
            Self::Lost(id) => write!(f, "chunk {id} lies only in packs that are gone, which `holdall check` lists"),
            Self::Absent(id) => write!(f, "chunk {id} is in no pack any more"),
            Self::Unreadable(why) => f.write_str(why),
        }
    }
}

impl Standing {
    /// Takes what the history says, with which the view is up to date. It must have been read after the session was opened.
    /// Costs a listing of the packs.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] when a set of a prune can't be read: what it condemns is not known. When the store can't be
    /// listed.
    pub(super) fn read(access: &Access, history: &History) -> Result<Self> {
        if let Some(trouble) = history.unreadable_set() {
            let message =
                format!("{} can't be read, so what it condemns is not known: {}", trouble.object, trouble.error);
            return Err(Error::new(ErrorKind::Damaged, message));
        }
        let signers = &access.chain.latest().signers.0;
        let put_keys = signers.iter().filter(|signer: &&Signer| signer.role == Role::Put).map(|signer| signer.key);
        let condemned = history.excluded().into_iter().collect();
        Ok(Self { condemned, absent: absent_packs(access, history)?, put_keys: put_keys.collect() })
    }

    /// Whether no pack is lost.
    pub(super) fn is_all_there(&self) -> bool {
        self.absent.is_empty()
    }

    fn stays(&self, snapshot: &Snapshot, pack: &PackEntry) -> bool {
        let vouched = pack.signer == snapshot.signer || !self.put_keys.contains(&pack.signer);
        vouched && !self.condemned.contains(&pack.id) && !self.absent.contains(&pack.id)
    }
}

/// Walks everything that a snapshot needs, up to the first thing that has no copy that stays. `step` is called between
/// batches and may end the walk.
///
/// # Errors
/// When the index or the store can't be read, or what `step` returns.
pub(super) fn check(
    reader: &ContentReader,
    standing: &Standing,
    snapshot: &Snapshot,
    step: &mut dyn FnMut() -> Result<()>,
) -> Result<std::result::Result<(), Missing>> {
    let entered = reader.access().scratch();
    let (packs, pending, found) = <(HashMap<_, _>, Vec<_>, Vec<_>)>::default();
    let mut walker = Walker { reader, standing, snapshot, step, entered, packs, pending, found };
    match walker.walk() {
        Ok(()) => Ok(Ok(())),
        Err(Stop::Missing(missing)) => Ok(Err(missing)),
        Err(Stop::Failed(error)) => Err(error),
    }
}

/// Why a walk ends early.
enum Stop {
    Missing(Missing),
    Failed(Error),
}

impl<E: Into<Error>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

struct Walker<'a> {
    reader: &'a ContentReader,
    standing: &'a Standing,
    snapshot: &'a Snapshot,
    step: &'a mut dyn FnMut() -> Result<()>,
    /// Nodes that were entered already, on disk.
    entered: Box<dyn Scratch>,
    /// Whether copies in a pack stay.
    packs: HashMap<PackOrdinal, bool>,
    /// Chunks and nodes to look up.
    pending: Vec<ChunkId>,
    found: Vec<Option<Extent>>,
}

impl Walker<'_> {
    fn walk(&mut self) -> Result<(), Stop> {
        for component in &self.snapshot.components {
            // One without a manifest was missing from the start: nothing of it was collected.
            if let Some(root) = component.manifest {
                self.tree::<Entry>(root, Self::entry)?;
            }
            if let Some(root) = component.stat {
                self.tree::<StatEntry>(root, |_, _| Ok(()))?;
            }
        }
        self.look_up()
    }

    fn tree<R: Row>(
        &mut self,
        root: NodeId,
        mut each: impl FnMut(&mut Self, R) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let mut cursor: Cursor<R, _> = Cursor::new(self.reader, root);
        loop {
            let mut outcome = Ok(());
            let next = cursor.next_row_with(&mut |visit| self.visit(visit, &mut outcome));
            outcome?;
            match next {
                Ok(None) => return Ok(()),
                Ok(Some(row)) => each(self, row)?,
                Err(error) => return Err(unread(error)),
            }
        }
    }

    /// Asks for a node's copies before the node is read, so that the first one that is gone is told as such.
    fn visit(&mut self, visit: &NodeVisit<'_>, outcome: &mut Result<(), Stop>) -> Visit {
        let mut enter = || -> Result<Visit, Stop> {
            let key = visit.id.as_bytes();
            if self.entered.get(key)?.is_some() {
                return Ok(Visit::Skip);
            }
            self.entered.put(key, &[])?;
            self.need(visit.id.as_chunk())?;
            Ok(Visit::Enter)
        };
        enter().unwrap_or_else(|stop| {
            *outcome = Err(stop);
            Visit::Skip
        })
    }

    fn entry(&mut self, entry: Entry) -> Result<(), Stop> {
        entry.item_lists().try_for_each(|list| self.items(list))
    }

    fn items(&mut self, list: &ItemList) -> Result<(), Stop> {
        let mut items = ItemReader::new(self.reader, list.clone());
        loop {
            let mut outcome = Ok(());
            let next = items.next_item_with(&mut |visit| self.visit(visit, &mut outcome));
            outcome?;
            match next {
                Ok(None) => return Ok(()),
                Ok(Some(placed)) => {
                    if let Item::Chunk { id, .. } = placed.item {
                        self.need(id)?;
                    }
                }
                Err(error) => return Err(unread(error)),
            }
        }
    }

    fn need(&mut self, id: ChunkId) -> Result<(), Stop> {
        self.pending.push(id);
        if self.pending.len() >= LOOKUP_IDS { self.look_up() } else { Ok(()) }
    }

    fn look_up(&mut self) -> Result<(), Stop> {
        (self.step)()?;
        let (pending, mut found) = (std::mem::take(&mut self.pending), std::mem::take(&mut self.found));
        self.reader.access().index.lookup(&pending, &mut found)?;
        for (id, found) in pending.iter().zip(&found) {
            if self.any_stays(found.as_slice())? {
                continue;
            }
            // What is no hit for a backup may have a copy that stays: one for which the snapshot's own key vouches.
            let copies = self.reader.access().index.copies(*id)?;
            if !self.any_stays(&copies)? {
                return Err(Stop::Missing(self.why_missing(*id, &copies)?));
            }
        }
        (self.pending, self.found) = (pending, found);
        self.pending.clear();
        Ok(())
    }

    fn why_missing(&self, id: ChunkId, copies: &[Extent]) -> Result<Missing> {
        if copies.is_empty() {
            return Ok(Missing::Absent(id));
        }
        for copy in copies {
            if self.standing.absent.contains(&self.reader.access().index.pack(copy.pack)?.id) {
                return Ok(Missing::Lost(id));
            }
        }
        Ok(Missing::Condemned(id))
    }

    fn any_stays(&mut self, extents: &[Extent]) -> Result<bool> {
        for extent in extents {
            let stays = match self.packs.get(&extent.pack) {
                Some(stays) => *stays,
                None => {
                    let pack = self.reader.access().index.pack(extent.pack)?;
                    let stays = self.standing.stays(self.snapshot, &pack);
                    self.packs.insert(extent.pack, stays);
                    stays
                }
            };
            if stays {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// A node that is not what it should be is not there; anything else may be better another time.
fn unread(error: ReadError<Error>) -> Stop {
    let error = Error::from(error);
    if error.kind() == ErrorKind::Damaged {
        Stop::Missing(Missing::Unreadable(error.to_string()))
    } else {
        error.into()
    }
}

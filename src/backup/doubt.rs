//! Whether what unchanged files were made of is still there. It is asked only where packs are gone, or a repair has given
//! some up: a snapshot that takes over what is lost would be born damaged, and nobody would read the file again that still
//! has it.

use crate::access::Access;
use crate::backup::losses::{Losses, last_of};
use crate::backup::parent::{Parent, ParentPart};
use crate::content::ContentReader;
use crate::error::{Error, Result};
use crate::id::{ChunkId, PackId, SnapshotId};
use crate::manifest::{Cursor, Entry, Item, ItemList, ItemReader, Key, StatEntry};
use crate::outcome::OutcomeKind;
use crate::session::History;
use std::collections::BTreeSet;

/// How many chunks of a file are looked up at once.
const LOOKUP_IDS: usize = if cfg!(test) { 2 } else { 4096 };

/// What may have been lost since snapshots were made.
pub(super) struct Doubt {
    /// Packs that are listed and gone.
    absent: BTreeSet<PackId>,
    /// By which the view keeps what of these trees is known to miss nothing.
    place: String,
    /// The packs that are gone and the repairs that were made, as one hash.
    state: [u8; 32],
}

impl Doubt {
    /// None where nothing is gone and no repair was ever made.
    pub(super) fn of(history: &History, absent: BTreeSet<PackId>, (host, paths): (&[u8], &[Vec<u8>])) -> Option<Self> {
        let repairs = history.committed().filter(|(_, held)| held.body.kind == OutcomeKind::Repair);
        let repairs: Vec<String> = repairs.map(|(session, _)| session.to_string()).collect();
        if repairs.is_empty() && absent.is_empty() {
            return None;
        }
        let mut state = blake3::Hasher::new();
        for name in repairs.into_iter().chain(absent.iter().map(ToString::to_string)) {
            state.update(name.as_bytes()).update(b"\n");
        }
        let mut place = blake3::Hasher::new();
        for name in std::iter::once(host).chain(paths.iter().map(Vec::as_slice)) {
            place.update(name).update(&[0]);
        }
        let place = format!("whole/{}", place.finalize());
        Some(Self { absent, place, state: *state.finalize().as_bytes() })
    }

    /// Whether the parent was made when the same was lost already, and therefore of what is left.
    ///
    /// # Errors
    /// When the view can't be read.
    pub(super) fn is_settled(&self, access: &Access, parent: &Parent) -> Result<bool> {
        let [part] = parent.parts.as_slice() else { return Ok(false) };
        Ok(access.index.recall(self.place.as_bytes())?.is_some_and(|kept| kept == self.kept(part.id)))
    }

    /// Keeps that a snapshot was made of what is left.
    pub(super) fn settle(&self, access: &Access, snapshot: SnapshotId) {
        // Not kept, it costs the next backup as much as this one.
        let _ = access.index.remember(self.place.as_bytes(), &self.kept(snapshot));
    }

    fn kept(&self, snapshot: SnapshotId) -> Vec<u8> {
        [self.state.as_slice(), snapshot.as_bytes()].concat()
    }
}

/// Asks for one unchanged item after the other, in key order.
pub(super) struct Questions<'a> {
    reader: &'a ContentReader,
    doubt: &'a Doubt,
    losses: &'a Losses<'a>,
    /// The manifest of the part at hand.
    manifest: Option<(SnapshotId, Cursor<Entry, &'a ContentReader>)>,
    /// Up to where the manifest can't be read.
    lost: Lost,
}

/// A part of a manifest that can't be read.
enum Lost {
    Nothing,
    UpTo(Key),
    TheRest,
}

impl<'a> Questions<'a> {
    /// Starts before the first.
    pub(super) const fn new(reader: &'a ContentReader, doubt: &'a Doubt, losses: &'a Losses<'a>) -> Self {
        Self { reader, doubt, losses, manifest: None, lost: Lost::Nothing }
    }

    /// Whether all of an item is there: its entry in the parent and every chunk that this names.
    ///
    /// # Errors
    /// When the index can't be read.
    pub(super) fn is_whole(&mut self, row: &StatEntry, part: &ParentPart) -> Result<bool> {
        let Some(entry) = self.entry(row, part)? else { return Ok(false) };
        for list in entry.item_lists() {
            if !self.has_all(list)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn entry(&mut self, row: &StatEntry, part: &ParentPart) -> Result<Option<Entry>> {
        if self.manifest.as_ref().is_none_or(|(id, _)| *id != part.id) {
            self.manifest = Some((part.id, Cursor::new(self.reader, part.manifest)));
            self.lost = Lost::Nothing;
        }
        match &self.lost {
            Lost::TheRest => return Ok(None),
            Lost::UpTo(last) if row.key <= *last => return Ok(None),
            Lost::UpTo(_) | Lost::Nothing => {}
        }
        let Some((_, cursor)) = &mut self.manifest else { return Ok(None) };
        match cursor.find(&row.key) {
            Ok(entry) => Ok(entry),
            Err(error) => {
                self.lost = last_of(&error).map_or(Lost::TheRest, Lost::UpTo);
                self.losses.pass(error)?;
                Ok(None)
            }
        }
    }

    fn has_all(&self, list: &ItemList) -> Result<bool> {
        let mut items = ItemReader::new(self.reader, list.clone());
        let mut ids: Vec<ChunkId> = Vec::new();
        loop {
            let item = match items.next_item() {
                Ok(placed) => placed.map(|placed| placed.item),
                Err(error) => {
                    self.losses.pass(error)?;
                    return Ok(false);
                }
            };
            if let Some(Item::Chunk { id, .. }) = item {
                ids.push(id);
            }
            if (item.is_none() || ids.len() >= LOOKUP_IDS) && !self.are_there(&ids)? {
                return Ok(false);
            }
            if item.is_none() {
                return Ok(true);
            }
            if ids.len() >= LOOKUP_IDS {
                ids.clear();
            }
        }
    }

    fn are_there(&self, ids: &[ChunkId]) -> Result<bool> {
        let mut found = Vec::with_capacity(ids.len());
        self.reader.access().index.lookup(ids, &mut found)?;
        for (id, _) in ids.iter().zip(&found).filter(|(_, extent)| extent.is_none()) {
            if !self.has_copy(*id)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether a chunk that is no hit lies in a pack that is there: in a condemned one, of which the parent is known to keep
    /// what it needs.
    fn has_copy(&self, id: ChunkId) -> Result<bool> {
        let index = &self.reader.access().index;
        for extent in index.copies(id)? {
            if !self.doubt.absent.contains(&index.pack(extent.pack)?.id) {
                return Ok(true);
            }
        }
        Ok::<_, Error>(false)
    }
}

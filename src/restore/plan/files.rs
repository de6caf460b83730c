//! Files and their further names.

use super::Planner;
use crate::destination::{DestinationError, Existing, Made, Metadata, Present};
use crate::error::Result;
use crate::manifest::{Content, Entry, Item, ItemReader, Key, Kind, Placed};
use crate::progress::Change;
use crate::restore::compare::{has_inline, is_right};
use crate::restore::groups::{Known, Origin};
use crate::restore::twins::{Met, Source, Twin};
use crate::restore::window::{FileWork, Want};
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Planner<'_> {
    /// Links a further name to the first of the others that takes it. False if none does: then it is told, and a thing of
    /// its own has to do.
    pub(super) fn link(&self, entry: &Entry, names: &[(Key, Origin)], target: &Key) -> Result<bool> {
        let hand = self.writer.hand();
        let mut unlinkable = None;
        for (name, origin) in names {
            // What would be linked to what would be made is not there yet.
            let is_imagined = hand.writes().is_none() && *origin == Origin::Made;
            let made = if is_imagined { Ok(Made::New) } else { hand.make_link(name, target) };
            match made {
                Ok(made) => {
                    self.linked(entry, made);
                    return Ok(true);
                }
                Err(error) if error.is_unlinkable() => unlinkable = Some(error),
                Err(error) => return self.outcome.refused(entry.key.to_path(), error).map(|()| true),
            }
        }
        if let Some(error) = unlinkable {
            self.outcome.unlinkable(entry.key.to_path(), error);
        }
        Ok(false)
    }

    fn linked(&self, entry: &Entry, made: Made) {
        if entry.kind() == Kind::File {
            self.outcome.file_done(0, 0)
        } else {
            self.outcome.other_done()
        }
        let change = if made == Made::New { Change::Restored } else { Change::Unchanged };
        self.outcome.entry(&entry.key, entry.kind(), (change, 0));
    }

    pub(super) fn file(&mut self, entry: &Entry, target: Key, metadata: Metadata) -> Result<()> {
        let holes = self.holes(entry)?;
        let Some(content) = entry.content() else { return Ok(()) };
        self.writer.outcome().entered(&entry.key);
        let mut work = FileWork::new(entry.key.clone(), target, metadata, content.bytes(), holes);
        let is_fresh = self.is_on_fresh_ground();
        if entry.group.is_some() {
            if !is_fresh && self.keep_shared(entry, content, &mut work)? {
                return Ok(());
            }
            if !is_fresh && let Err(error) = self.writer.hand().check_way(&work.target) {
                return self.outcome.refused(entry.key.to_path(), error);
            }
            // Other names of an old file must not see what is written.
            let existing = if is_fresh && self.earlier.are_none() { Existing::Refuse } else { Existing::Replace };
            let work = self.writer.begin_at_once(work, content, existing)?;
            // What was refused is no name to link others to: what lies there is something else. The next one is the first.
            if work.failed.load(Ordering::Relaxed) {
                return Ok(());
            }
            self.groups.remember(entry, &work.target, Origin::Made)?;
            return self.items(&work, content);
        }
        if is_fresh && let Some(destination) = self.writer.hand().writes() {
            match self.twins.meet(&work, content, || destination.clones()) {
                Met::Nothing => {}
                Met::First(source) => work.source = Some(source),
                Met::Again(source) => return self.twin(work, content, source),
            }
        }
        let work = if is_fresh {
            self.writer.begin(work, content, self.on_fresh_ground())?
        } else {
            if let Content::Inline(bytes) = content {
                work.inline.clone_from(bytes);
            }
            let work = Arc::new(work);
            self.window.add_standing(&work);
            work
        };
        self.items(&work, content)
    }

    /// Plans a file that gets its content from an earlier one.
    fn twin(&mut self, work: FileWork, content: &Content, source: Arc<Source>) -> Result<()> {
        let work = self.writer.begin(work, content, self.on_fresh_ground())?;
        let Content::Items(list) = content else { return self.items(&work, content) };
        self.window.add_file();
        self.window.twins.push(Twin { file: work, source, list: list.clone() });
        Ok(())
    }

    /// Keeps a file that is there for a hard-link group: one that is right. It may have names elsewhere, which must not
    /// see it change, so one that is not is replaced as a whole. Links may be made to it at once, so this is decided at
    /// once.
    fn keep_shared(&mut self, entry: &Entry, content: &Content, work: &mut FileWork) -> Result<bool> {
        let is_kept = match self.is_shared_right(content, work) {
            Ok(Some(found)) => {
                self.writer.hand().hold_to(&work.target, &found);
                self.judge.claims.claim(&found, &work.target)?
            }
            Ok(None) => false,
            Err(error) => {
                self.outcome.refused(entry.key.to_path(), error)?;
                false
            }
        };
        if is_kept {
            self.groups.remember(entry, &work.target, Origin::Kept)?;
            self.outcome.file_done(work.bytes, 0);
            self.writer.finish_entry(&work.key, &work.target, &work.metadata, (Change::Unchanged, 0))?;
        }
        Ok(is_kept)
    }

    /// Notes a file that stays as the name to which the others of its hard-link group are linked, if it is as the snapshot
    /// says: an interrupted restore made it, as likely as not.
    pub(super) fn remember_standing(&mut self, entry: &Entry, target: Key, metadata: Metadata) -> Result<()> {
        let Some(content) = entry.content().filter(|_| entry.group.is_some()) else { return Ok(()) };
        if !matches!(self.groups.known(entry)?, Known::Nothing) {
            return Ok(());
        }
        let mut work = FileWork::new(entry.key.clone(), target, metadata, content.bytes(), Vec::new());
        // One that can't be read is no name to link to. It stays, and nothing was asked of it.
        let Ok(Some(found)) = self.is_shared_right(content, &mut work) else { return Ok(()) };
        let differs = self.writer.hand().metadata_differs(&work.target, &work.metadata).unwrap_or(true);
        if !differs && self.judge.claims.claim(&found, &work.target)? {
            self.groups.remember(entry, &work.target, Origin::Kept)?;
        }
        Ok(())
    }

    /// The file that is there, if it is as the snapshot says.
    fn is_shared_right(&self, content: &Content, work: &mut FileWork) -> Result<Option<Present>, DestinationError> {
        let hand = self.writer.hand();
        let Some(found) = hand.look(&work.target)?.filter(|found| found.kind == Kind::File) else { return Ok(None) };
        if found.size != work.bytes || (found.links > 1 && hand.metadata_differs(&work.target, &work.metadata)?) {
            return Ok(None);
        }
        if self.judge.believes(&found, work) {
            return Ok(Some(found));
        }
        let Some(file) = hand.open_existing(&work.target)? else { return Ok(None) };
        let mut buffer = Vec::new();
        let is_right = match content {
            Content::Inline(bytes) => {
                work.inline.clone_from(bytes);
                let is_right = has_inline(&file, work, &mut buffer);
                work.inline.clear();
                is_right?
            }
            Content::Items(list) => {
                let mut items = ItemReader::new(self.reader, list.clone());
                loop {
                    match items.next_item() {
                        Ok(Some(placed)) => {
                            let part = (placed.offset, &placed.item);
                            if !is_right(self.writer, &file, work, part, &mut buffer)? {
                                break false;
                            }
                        }
                        Ok(None) => break true,
                        // Told when it is read again to be written.
                        Err(_) => break false,
                    }
                }
            }
        };
        Ok(is_right.then_some(found))
    }

    /// Plans the parts of a file.
    fn items(&mut self, work: &Arc<FileWork>, content: &Content) -> Result<()> {
        self.window.add_file();
        if let Content::Items(list) = content {
            // Nothing of it would be read to be written.
            let is_counted = self.writer.hand().writes().is_none() && !self.window.compares(work);
            if is_counted {
                work.written.store(work.bytes, Ordering::Relaxed);
                return self.writer.part_done(work);
            }
            let mut items = ItemReader::new(self.reader, list.clone());
            loop {
                match items.next_item() {
                    Ok(Some(placed)) => self.item(work, &placed)?,
                    Ok(None) => break,
                    Err(error) => self.writer.fail(work, error.into())?,
                }
            }
        }
        self.writer.part_done(work)
    }

    /// A file that wants more chunks than a window holds is written in several windows.
    fn item(&mut self, work: &Arc<FileWork>, placed: &Placed) -> Result<()> {
        match placed.item {
            Item::Zeros { bytes } if self.window.add_zeros(work, placed.offset, bytes) => {}
            Item::Zeros { bytes } => return self.writer.put_zeros(work, placed.offset, bytes),
            Item::Chunk { id, bytes } => {
                self.window.add(Want { id, offset: placed.offset, bytes, file: Arc::clone(work) });
            }
        }
        if !self.window.is_full(self.share) {
            return Ok(());
        }
        let is_compared = self.window.compares(work);
        work.is_split.store(true, Ordering::Relaxed);
        self.hand_over()?;
        if is_compared {
            self.window.add_standing(work);
        }
        Ok(())
    }
}

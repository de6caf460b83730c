//! Another repository: a second copy of this one, or one with other keys that holds the same files.

use super::files::Cutting;
use super::{Intake, Origin, Uncounted, for_each_segment, is_of_origin};
use crate::access::Access;
use crate::content::ContentReader;
use crate::error::Result;
use crate::index::Scratch;
use crate::manifest::{Cursor, Entry, Item, ItemList, ItemReader};
use crate::repair::reading::PackReader;
use crate::repair::wanted::Paths;
use crate::segment::PackRow;
use crate::session::{self, History};

/// A repository that is read. Where it is a copy of the one at hand it is asked for chunks and nodes by their ids, and then
/// every pack of it is read that its own index does not count on: a mirror gives up what the repository gave up. Else it is
/// asked for the content of files at the paths where something is lost, newest snapshots first, which is cut anew: what has
/// changed since simply does not fit.
pub(in crate::repair) struct Another<'a> {
    access: &'a Access,
    paths: Paths,
}

impl<'a> Another<'a> {
    pub(in crate::repair) const fn new(access: &'a Access, paths: Paths) -> Self {
        Self { access, paths }
    }

    fn by_id(&self, intake: &mut Intake<'_>) -> Result<()> {
        let mut reading = PackReader::new(self.access);
        for_each_segment(self.access, intake, &mut |segment, intake| {
            for row in segment.packs() {
                if !intake.is_done() && wants_any(intake, &row)? {
                    let frames = Some(row.frames());
                    reading.salvage(row.facts().pack, frames, &mut |class, _, bytes| intake.take(class, bytes))?;
                }
            }
            Ok(())
        })
    }

    fn by_path(&self, history: &History, intake: &mut Intake<'_>) -> Result<()> {
        let reader = ContentReader::new(self.access.clone());
        let mut given = self.access.scratch();
        for snapshot in session::all(history).iter().rev().filter(|snapshot| !snapshot.forgotten) {
            for root in snapshot.components.iter().filter_map(|component| component.manifest) {
                let mut entries = Cursor::<Entry, _>::new(&reader, root);
                loop {
                    if intake.is_done() {
                        return Ok(());
                    }
                    match entries.next_row() {
                        Ok(None) => break,
                        Ok(Some(entry)) => self.file(&reader, &entry, given.as_mut(), intake)?,
                        Err(error) => intake.notice(format_args!("a part of snapshot {}", snapshot.id), &error),
                    }
                }
            }
        }
        Ok(())
    }

    fn file(
        &self,
        reader: &ContentReader,
        entry: &Entry,
        given: &mut dyn Scratch,
        intake: &mut Intake<'_>,
    ) -> Result<()> {
        if self.paths.contains(entry.key.as_bytes())? {
            entry.item_lists().try_for_each(|list| self.list(reader, (entry, list), given, intake))?;
        }
        Ok(())
    }

    /// The content of a file, or the value of an attribute.
    fn list(
        &self,
        reader: &ContentReader,
        (entry, list): (&Entry, &ItemList),
        given: &mut dyn Scratch,
        intake: &mut Intake<'_>,
    ) -> Result<()> {
        // Snapshots that share a content are asked for it once.
        let name = list.fingerprint();
        if given.get(&name)?.is_some() {
            return Ok(());
        }
        given.put(&name, &[])?;
        let mut items = ItemReader::new(reader, list.clone());
        let mut cutting = Cutting::new(intake);
        let mut bytes = Vec::new();
        loop {
            let read = match items.next_item() {
                Ok(None) => return cutting.end(),
                Ok(Some(placed)) => match placed.item {
                    Item::Zeros { bytes } => {
                        cutting.zeros(bytes)?;
                        continue;
                    }
                    item @ Item::Chunk { .. } => {
                        bytes.clear();
                        reader.append_item(&item, &mut bytes).map_err(|error| error.to_string())
                    }
                },
                Err(error) => Err(error.to_string()),
            };
            match read {
                Ok(()) => cutting.push(&bytes)?,
                Err(error) => {
                    // What was cut until here is whole; behind a gap nothing is cut as it was.
                    intake.notice(entry.key.to_path().display(), &error);
                    return Ok(());
                }
            }
        }
    }
}

fn wants_any(intake: &Intake<'_>, row: &PackRow) -> Result<bool> {
    for id in row.ids() {
        if intake.wants(*id)? {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Origin for Another<'_> {
    fn offer(&mut self, intake: &mut Intake<'_>) -> Result<()> {
        if intake.is_done() {
            return Ok(());
        }
        let looked = History::load(self.access).and_then(|history| {
            session::bring_up_to_date(self.access, &history)?;
            Ok(history)
        });
        let history = match looked {
            Ok(history) => history,
            Err(error) if is_of_origin(&error) => {
                intake.notice(self.access.store.describe(), &error);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if self.access.ring.repository() == intake.access().ring.repository() {
            self.by_id(intake)?;
            Uncounted::new(self.access).offer(intake)
        } else {
            self.by_path(&history, intake)
        }
    }
}

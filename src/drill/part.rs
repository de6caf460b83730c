//! One component on its way through the comparison.

use crate::content::ContentReader;
use crate::drill::expected::Owners;
use crate::drill::live::LiveFiles;
use crate::index::Scratch as Table;
use crate::manifest::{Cursor, Entry, Key, Kind};
use crate::session::{Snapshot, SnapshotComponent};
use crate::source::Source;

/// One component on its way through the comparison.
pub(super) struct Part<'a> {
    pub(super) owners: Owners,
    pub(super) live: Option<LiveFiles<'a>>,
    /// For each hard-link group where its first name was found.
    pub(super) groups: Box<dyn Table>,
    /// What is restored before, which stays where both hold something.
    earlier: Vec<Cursor<Entry, &'a ContentReader>>,
    /// What is restored afterwards.
    later: Vec<Cursor<Entry, &'a ContentReader>>,
    /// The directories from the root to the entry at hand, and whether each is compared.
    pub(super) way: Vec<(Entry, Compared)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compared {
    Yes,
    No,
}

impl<'a> Part<'a> {
    /// Stands before the first entry of a component.
    pub(super) fn new(
        reader: &'a ContentReader,
        (snapshot, number): (&Snapshot, usize),
        component: &SnapshotComponent,
        live: Option<&'a Source>,
    ) -> Self {
        let cursors = |components: &[SnapshotComponent]| {
            components.iter().filter_map(|other| other.manifest).map(|root| Cursor::new(reader, root)).collect()
        };
        Self {
            owners: Owners::of(component),
            live: live.and_then(|source| LiveFiles::of(component, source, reader)),
            groups: reader.access().scratch(),
            earlier: cursors(snapshot.components.get(..number).unwrap_or_default()),
            later: cursors(snapshot.components.get(number.saturating_add(1)..).unwrap_or_default()),
            way: Vec::new(),
        }
    }

    pub(super) fn leave_until(&mut self, key: &Key) {
        while self.way.last().is_some_and(|(directory, _)| !key.is_within(&directory.key)) {
            self.way.pop();
        }
    }

    /// Whether an earlier component holds something else at this path: then nothing of it was restored.
    pub(super) fn is_taken_before(&mut self, entry: &Entry) -> bool {
        let mut others = self.earlier.iter_mut().filter_map(|other| other.find(&entry.key).ok().flatten());
        let is_common = |other: &Entry| entry.kind() == Kind::Directory && other.kind() == Kind::Directory;
        others.any(|other| !other.is_unreadable() && !is_common(&other))
    }

    pub(super) fn is_shared(&mut self, directory: &Key) -> bool {
        let mut others = self.earlier.iter_mut().chain(&mut self.later);
        others.any(|other| other.find(directory).ok().flatten().is_some())
    }
}

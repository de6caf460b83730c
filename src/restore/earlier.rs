//! What earlier components of a snapshot hold at the same paths.

use crate::content::ContentReader;
use crate::manifest::{Cursor, Entry, Kind};
use crate::session::SnapshotComponent;

/// The manifests of the components that are restored before the one at hand. Each is read once beside it.
pub(super) struct Earlier<'a> {
    manifests: Vec<Cursor<Entry, &'a ContentReader>>,
}

impl<'a> Earlier<'a> {
    /// Starts before the first entry. Nothing is read yet.
    pub(super) fn new(reader: &'a ContentReader, components: &[SnapshotComponent]) -> Self {
        let manifests = components.iter().filter_map(|component| component.manifest);
        Self { manifests: manifests.map(|root| Cursor::new(reader, root)).collect() }
    }

    /// Whether the component at hand is the first.
    pub(super) const fn are_none(&self) -> bool {
        self.manifests.is_empty()
    }

    /// Whether one of them holds something else at the path of this entry: only directories are there in common. What
    /// can't be read was not restored either, and takes no place.
    pub(super) fn have(&mut self, entry: &Entry) -> bool {
        let mut found = self.manifests.iter_mut().filter_map(|manifest| manifest.find(&entry.key).ok().flatten());
        let is_common = |other: &Entry| entry.kind() == Kind::Directory && other.kind() == Kind::Directory;
        found.any(|other| !other.is_unreadable() && !is_common(&other))
    }
}

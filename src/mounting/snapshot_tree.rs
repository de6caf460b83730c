//! One snapshot as it is shown in one place: the manifests of its components, laid over each other.

use super::attributes::Attributes;
use super::nodes::NodeCache;
use super::number::{FileNumber, Spot, group_number};
use crate::content::ContentReader;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{NodeId, SnapshotId};
use crate::manifest::{Attribute, Body, Entry, Goal, Hole, Key, Kind, StatEntry, Timestamp, decode_holes, row_at};
use crate::session::Snapshot;

/// What permissions a directory has that no component says anything of.
const NOBODYS_MODE: u16 = 0o755;

/// One snapshot as it is shown in one place.
pub(super) struct SnapshotTree {
    /// Which of all shown snapshots it is.
    pub(super) place: usize,
    /// The folder that holds it.
    pub(super) folder: usize,
    pub(super) id: SnapshotId,
    /// What lies here is the top.
    pub(super) base: Key,
    time_ns: i64,
    roots: Vec<Roots>,
}

/// The trees of one component.
struct Roots {
    manifest: NodeId,
    stat: Option<NodeId>,
}

/// An entry and where it lies.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// The component and the row; none for the top.
    pub(super) row: Option<(usize, u64)>,
    pub(super) entry: Entry,
}

impl SnapshotTree {
    pub(super) fn new(snapshot: &Snapshot, base: Key, place: usize, folder: usize) -> Self {
        let roots = snapshot.components.iter().filter_map(|component| {
            let stat = component.stat;
            component.manifest.map(|manifest| Roots { manifest, stat })
        });
        Self { place, folder, id: snapshot.id, base, time_ns: snapshot.time_ns, roots: roots.collect() }
    }

    /// The manifest of a component; none behind the last.
    pub(super) fn manifest(&self, component: usize) -> Option<NodeId> {
        self.roots.get(component).map(|roots| roots.manifest)
    }

    /// The entry of a key, from the first component that has one.
    pub(super) fn find(&self, nodes: &NodeCache, key: &Key) -> Result<Option<Found>> {
        self.find_before(nodes, key, self.roots.len())
    }

    /// The same among the first components.
    pub(super) fn find_before(&self, nodes: &NodeCache, key: &Key, component_count: usize) -> Result<Option<Found>> {
        for (component, roots) in self.roots.iter().enumerate().take(component_count) {
            let found: Option<(u64, Entry)> = row_at(nodes, roots.manifest, Goal::Key(key))?;
            if let Some((ordinal, entry)) = found.filter(|(_, entry)| entry.key == *key) {
                return Ok(Some(Found { row: Some((component, ordinal)), entry }));
            }
        }
        Ok(None)
    }

    /// The entry of a row.
    pub(super) fn row(&self, nodes: &NodeCache, component: usize, ordinal: u64) -> Result<Found> {
        let missing = || Error::new(ErrorKind::NotFound, "there is no file with this number");
        let root = self.manifest(component).ok_or_else(missing)?;
        let found: Option<(u64, Entry)> = row_at(nodes, root, Goal::Ordinal(ordinal))?;
        let (ordinal, entry) = found.ok_or_else(missing)?;
        Ok(Found { row: Some((component, ordinal)), entry })
    }

    /// The top directory.
    pub(super) fn top(&self, nodes: &NodeCache) -> Result<Found> {
        let found = self.find(nodes, &self.base)?;
        let entry = found.map(|found| found.entry).filter(|entry| entry.kind() == Kind::Directory);
        let entry = entry.unwrap_or_else(|| {
            let mut nobodys = Entry::new(self.base.clone(), Body::Ancestor);
            (nobodys.mode, nobodys.mtime) = (NOBODYS_MODE, Timestamp::from_ns(self.time_ns));
            nobodys
        });
        Ok(Found { row: None, entry })
    }

    /// Where an entry lies.
    pub(super) fn spot(&self, found: &Found) -> Spot {
        let place = self.place;
        match found.row {
            Some((component, ordinal)) if found.entry.key != self.base => Spot::Row { place, component, ordinal },
            _ => Spot::Top { place },
        }
    }

    /// What the members of an entry's hard-link group have in common; of everything else the number itself.
    pub(super) fn inode(&self, entry: &Entry, number: FileNumber) -> u64 {
        entry.group.as_ref().map_or(number.raw(), |group| group_number(group.as_bytes(), self.place))
    }

    /// What a file system says of an entry.
    pub(super) fn attributes(
        &self,
        (nodes, reader): (&NodeCache, &ContentReader),
        number: FileNumber,
        found: &Found,
    ) -> Attributes {
        let entry = &found.entry;
        let mut attributes = Attributes::of_entry(number, entry, &holes(reader, entry));
        if entry.group.is_some() {
            attributes.inode = self.inode(entry, number);
            attributes.link_count = self.link_count(nodes, found).unwrap_or(2);
        }
        attributes
    }

    /// How many names a file had when it was stored; none where that can't be told any more.
    fn link_count(&self, nodes: &NodeCache, found: &Found) -> Option<u32> {
        let stat = self.roots.get(found.row?.0)?.stat?;
        let row: Option<(u64, StatEntry)> = row_at(nodes, stat, Goal::Key(&found.entry.key)).ok()?;
        let links = row.filter(|(_, row)| row.key == found.entry.key)?.1.links;
        u32::try_from(links).ok()
    }
}

/// The holes of a file. A list that can't be read leaves it with none: its bytes are the same.
pub(super) fn holes(reader: &ContentReader, entry: &Entry) -> Vec<Hole> {
    let value = reader.attribute(entry, Attribute::HOLES).ok().flatten();
    value.and_then(|value| decode_holes(&value).ok()).unwrap_or_default()
}

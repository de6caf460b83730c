//! The folders above the snapshots.

use super::names::{NameTime, PathTemplate};
use super::snapshot_tree::SnapshotTree;
use crate::id::SnapshotId;
use crate::manifest::Key;
use crate::session::Snapshot;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The name of the link to the newest snapshot of a folder.
const LATEST: &[u8] = b"latest";

/// All folders, and every snapshot that was ever shown. Grows with the snapshots alone: what is shown no more keeps its
/// number, so that somebody who stands in it may stay.
pub(super) struct Folders {
    folders: Vec<Folder>,
    by_path: HashMap<Vec<Vec<u8>>, usize>,
    shown: Vec<Arc<SnapshotTree>>,
    by_snapshot: HashMap<(usize, SnapshotId), usize>,
}

/// One folder.
#[derive(Default)]
pub(super) struct Folder {
    /// The one above; the top is its own.
    pub(super) parent: usize,
    pub(super) members: BTreeMap<Vec<u8>, Member>,
    /// When the newest snapshot below was taken.
    pub(super) time_ns: i64,
    /// The name of the newest snapshot in it, where one is.
    pub(super) latest: Option<Vec<u8>>,
}

/// What lies in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Member {
    /// A folder.
    Folder(usize),
    /// A shown snapshot.
    Snapshot(usize),
    /// The link to the newest one.
    Latest,
}

impl Folders {
    /// The top alone.
    pub(super) fn new() -> Self {
        let folders = vec![Folder::default()];
        Self { folders, by_path: HashMap::new(), shown: Vec::new(), by_snapshot: HashMap::new() }
    }

    /// Shows one snapshot that no folder holds.
    pub(super) fn show_alone(&mut self, snapshot: &Snapshot, base: Key) -> Arc<SnapshotTree> {
        let tree = Arc::new(SnapshotTree::new(snapshot, base, self.shown.len(), 0));
        self.shown.push(Arc::clone(&tree));
        tree
    }

    /// Shows exactly these snapshots, which come oldest first.
    pub(super) fn show(&mut self, snapshots: &[Snapshot], templates: &[PathTemplate], name_time: &NameTime) {
        for folder in &mut self.folders {
            *folder = Folder { parent: folder.parent, ..Folder::default() };
        }
        for snapshot in snapshots {
            for path in templates.iter().flat_map(|template| template.paths(snapshot, name_time)) {
                self.add(snapshot, &path);
            }
        }
        for folder in &mut self.folders {
            if folder.latest.is_some() && !folder.members.contains_key(LATEST) {
                folder.members.insert(LATEST.to_vec(), Member::Latest);
            }
        }
    }

    pub(super) fn folder(&self, number: usize) -> Option<&Folder> {
        self.folders.get(number)
    }

    pub(super) fn shown(&self, place: usize) -> Option<Arc<SnapshotTree>> {
        self.shown.get(place).cloned()
    }

    fn add(&mut self, snapshot: &Snapshot, path: &[Vec<u8>]) {
        let Some((name, above)) = path.split_last() else { return };
        let mut folder = 0;
        self.touch(folder, snapshot.time_ns);
        for depth in 1..=above.len() {
            folder = self.below(folder, above.get(..depth).unwrap_or_default());
            self.touch(folder, snapshot.time_ns);
        }
        let place = self.place(folder, snapshot);
        let Some(folder) = self.folders.get_mut(folder) else { return };
        let name = free_name(&folder.members, name);
        folder.members.insert(name.clone(), Member::Snapshot(place));
        folder.latest = Some(name);
    }

    fn touch(&mut self, folder: usize, time_ns: i64) {
        if let Some(folder) = self.folders.get_mut(folder) {
            folder.time_ns = folder.time_ns.max(time_ns);
        }
    }

    /// The folder of a path, in the one above it.
    fn below(&mut self, parent: usize, path: &[Vec<u8>]) -> usize {
        let next = self.folders.len();
        let number = *self.by_path.entry(path.to_vec()).or_insert(next);
        if number == next {
            self.folders.push(Folder { parent, ..Folder::default() });
        }
        if let (Some(folder), Some(name)) = (self.folders.get_mut(parent), path.last()) {
            // A snapshot that has the name already keeps it, and the folder gets another.
            if folder.members.get(name) != Some(&Member::Folder(number))
                && !folder.members.values().any(|member| *member == Member::Folder(number))
            {
                let name = free_name(&folder.members, name);
                folder.members.insert(name, Member::Folder(number));
            }
        }
        number
    }

    fn place(&mut self, folder: usize, snapshot: &Snapshot) -> usize {
        let next = self.shown.len();
        let place = *self.by_snapshot.entry((folder, snapshot.id)).or_insert(next);
        if place == next {
            self.shown.push(Arc::new(SnapshotTree::new(snapshot, Key::root(), place, folder)));
        }
        place
    }
}

/// A name that nothing in a folder has: with a number behind it, where it is taken.
fn free_name(members: &BTreeMap<Vec<u8>, Member>, name: &[u8]) -> Vec<u8> {
    let numbered = (1u64..).map(|number| [name, b"-", number.to_string().as_bytes()].concat());
    let mut names = std::iter::once(name.to_vec()).chain(numbered);
    names.find(|name| !members.contains_key(name)).unwrap_or_default()
}

//! A file system of which only this is certain after a crash: bytes of a file that were written before it was synced, and
//! changes of a directory that were made before it was synced. Of everything else any part may have reached the medium, a
//! write in any of its sectors.

use super::record::Step;
use crate::tree::Random;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a medium writes as a whole.
const SECTOR_BYTES: u64 = 512;

/// A change of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Change {
    Put(PathBuf, Node),
    Take(PathBuf),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Node {
    File(usize),
    Directory,
}

impl Change {
    const fn put(&self) -> Option<(&PathBuf, &Node)> {
        match self {
            Self::Put(path, node) => Some((path, node)),
            Self::Take(_) => None,
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Put(path, _) | Self::Take(path) => path,
        }
    }
}

#[derive(Debug, Clone)]
struct Write {
    offset: u64,
    bytes: Arc<[u8]>,
}

/// A file's bytes: what is certain, and writes that are not.
#[derive(Debug, Clone, Default)]
struct File {
    synced: Arc<Vec<u8>>,
    hash: Option<blake3::Hash>,
    pending: Vec<Write>,
}

/// A medium at some moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disc {
    files: Vec<File>,
    certain: BTreeMap<PathBuf, Node>,
    /// Changes of directories that no sync covers yet, in their order.
    pending: Vec<Change>,
}

/// A directory as it may be found after a crash.
pub(crate) struct Found {
    entries: BTreeMap<PathBuf, Node>,
    /// The bytes of its files, by their number.
    contents: BTreeMap<usize, (Arc<Vec<u8>>, blake3::Hash)>,
}

impl Disc {
    /// A medium on which everything is certain; the files are numbered in the order of their paths.
    pub(crate) fn new(there: &[(PathBuf, Option<Vec<u8>>)]) -> Self {
        let mut disc = Self::default();
        for (path, bytes) in there {
            let node = match bytes {
                None => Node::Directory,
                Some(bytes) => {
                    disc.files.push(File::synced(Arc::new(bytes.clone())));
                    Node::File(disc.files.len() - 1)
                }
            };
            disc.certain.insert(path.clone(), node);
        }
        disc
    }

    /// Makes one step.
    pub(crate) fn make(&mut self, step: &Step) {
        match step {
            Step::Say(_) => {}
            Step::MakeDirectory(path) => self.pending.push(Change::Put(path.clone(), Node::Directory)),
            Step::RemoveDirectory(path) | Step::Unlink(path) => self.pending.push(Change::Take(path.clone())),
            Step::Create { file, path } => {
                if *file >= self.files.len() {
                    self.files.resize_with(file + 1, File::default);
                    self.pending.push(Change::Put(path.clone(), Node::File(*file)));
                }
            }
            Step::Write { file, offset, bytes } => {
                self.files[*file].pending.push(Write { offset: *offset, bytes: Arc::clone(bytes) });
            }
            Step::SyncFile(file) => {
                let file = &mut self.files[*file];
                *file = File::synced(file.with(&mut |_| Torn::Whole));
            }
            Step::SyncDirectory(directory) => {
                let (now, later) = std::mem::take(&mut self.pending)
                    .into_iter()
                    .partition::<Vec<_>, _>(|change| change.path().parent() == Some(directory));
                now.iter().for_each(|change| apply(&mut self.certain, change));
                self.pending = later;
            }
            Step::Link { from, to } => {
                let node = self.node(from);
                self.pending.push(Change::Put(to.clone(), node));
            }
            Step::Rename { from, to } => {
                let node = self.node(from);
                self.pending.push(Change::Put(to.clone(), node));
                self.pending.push(Change::Take(from.clone()));
            }
        }
    }

    /// What a running program sees under a path.
    fn node(&self, path: &Path) -> Node {
        let mut entries = self.certain.clone();
        self.pending.iter().for_each(|change| apply(&mut entries, change));
        *entries.get(path).unwrap_or_else(|| panic!("{} is not there", path.display()))
    }

    /// How many changes of directories may or may not have reached the medium.
    pub(crate) fn pending_count(&self) -> usize {
        self.pending.len()
    }

    /// Whether writes of a file that has an object's name may or may not have reached the medium.
    pub(crate) fn may_be_torn(&self) -> bool {
        let named = self.certain.iter().chain(self.pending.iter().filter_map(Change::put));
        named.filter(|(path, _)| !is_temporary(path)).any(|(_, node)| match node {
            Node::File(file) => !self.files[*file].pending.is_empty(),
            Node::Directory => false,
        })
    }

    /// The directory after a crash at this moment in which those changes are there for which `arrived` says so, and of
    /// pending writes what `torn` says.
    pub(crate) fn after_crash(&self, arrived: &dyn Fn(usize) -> bool, torn: &mut dyn FnMut(u64) -> Torn) -> Found {
        let mut entries = self.certain.clone();
        let changes = self.pending.iter().enumerate().filter(|(number, _)| arrived(*number));
        changes.for_each(|(_, change)| apply(&mut entries, change));
        let mut found = Found { entries: BTreeMap::new(), contents: BTreeMap::new() };
        for (path, node) in entries {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            // What lies in a directory that is lost is lost with it.
            if parent.is_some_and(|parent| !found.entries.contains_key(parent)) {
                continue;
            }
            if let Node::File(file) = node {
                // Two names of one file show the same bytes.
                found.contents.entry(file).or_insert_with(|| {
                    let state = &self.files[file];
                    let content = state.with(torn);
                    let hash = state.hash.filter(|_| state.pending.is_empty());
                    (Arc::clone(&content), hash.unwrap_or_else(|| blake3::hash(&content)))
                });
            }
            found.entries.insert(path, node);
        }
        found
    }

    /// What is certain of the objects.
    pub(crate) fn certain(&self) -> blake3::Hash {
        self.after_crash(&|_| false, &mut |_| Torn::Nothing).objects()
    }
}

impl Found {
    /// A hash of what a store sees: everything but temporary files.
    pub(crate) fn objects(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        for (path, node) in self.entries.iter().filter(|(path, _)| !is_temporary(path)) {
            hasher.update(path.as_os_str().as_encoded_bytes()).update(b"\n");
            if let Node::File(file) = node {
                hasher.update(self.contents[file].1.as_bytes());
            }
        }
        hasher.finalize()
    }

    /// Makes the directory.
    pub(crate) fn make(&self, place: &Path) {
        std::fs::create_dir(place).expect("nothing is there");
        for (path, node) in &self.entries {
            match node {
                Node::Directory => std::fs::create_dir(place.join(path)),
                Node::File(file) => std::fs::write(place.join(path), &*self.contents[file].0),
            }
            .expect("there is space");
        }
    }
}

fn is_temporary(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".tmp-"))
}

/// What becomes of a write that was not synced.
#[derive(Debug, Clone)]
pub(crate) enum Torn {
    Whole,
    Nothing,
    /// The file is as long as if it had arrived, and has zeros there.
    Length,
    /// Of its sectors those whose numbers are here; where the others lie, the file has zeros or ends.
    Sectors(BTreeSet<u64>),
}

impl Torn {
    /// Any of these, by chance.
    pub(crate) fn by_chance(random: &mut Random, bytes: u64) -> Self {
        match random.below(5) {
            0 => Self::Whole,
            1 => Self::Nothing,
            2 => Self::Length,
            _ => Self::Sectors((0..bytes.div_ceil(SECTOR_BYTES)).filter(|_| random.below(2) == 0).collect()),
        }
    }
}

impl File {
    fn synced(bytes: Arc<Vec<u8>>) -> Self {
        Self { hash: Some(blake3::hash(&bytes)), synced: bytes, pending: Vec::new() }
    }

    fn with(&self, torn: &mut dyn FnMut(u64) -> Torn) -> Arc<Vec<u8>> {
        if self.pending.is_empty() {
            return Arc::clone(&self.synced);
        }
        let mut bytes = Vec::clone(&self.synced);
        for write in &self.pending {
            let length = u64::try_from(write.bytes.len()).expect("it fits");
            let what = torn(length);
            if matches!(what, Torn::Length) {
                bytes.resize(bytes.len().max(usize::try_from(write.offset + length).expect("it fits")), 0);
            }
            for (number, sector) in (0..).zip(write.bytes.chunks(usize::try_from(SECTOR_BYTES).expect("small"))) {
                let arrived = match &what {
                    Torn::Whole => true,
                    Torn::Nothing | Torn::Length => false,
                    Torn::Sectors(sectors) => sectors.contains(&number),
                };
                if arrived {
                    let start = usize::try_from(write.offset + number * SECTOR_BYTES).expect("it fits");
                    let end = start + sector.len();
                    bytes.resize(bytes.len().max(end), 0);
                    bytes[start..end].copy_from_slice(sector);
                }
            }
        }
        Arc::new(bytes)
    }
}

fn apply(entries: &mut BTreeMap<PathBuf, Node>, change: &Change) {
    match change {
        Change::Put(path, node) => entries.insert(path.clone(), *node),
        Change::Take(path) => entries.remove(path),
    };
}

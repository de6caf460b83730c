//! A snapshot of restic as trees that can be backed up.

use super::file::StoredFile;
use super::walk::ResticWalk;
use crate::backup::OwnerNames;
use crate::manifest::{Device, Key, Kind, Timestamp, encode_xattrs};
use crate::outcome::TEXT_BYTES_MAX;
use crate::restic::{BlobId, BlobKind, Node, Repository, ResticError, Snapshot, Tree};
use crate::source::{Labels, Operation, Role, SourceError, Stat, Step, TreeFile, Trees};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What the directories that are kept between the walk and the workers may take.
const DIRECTORIES_BYTES_MAX: usize = 64 << 20;

/// A snapshot that was carried over before, and may tell what did not change.
pub(super) enum Before {
    Nothing,
    Snapshot(Snapshot),
}

/// A snapshot of restic.
pub(super) struct ResticTrees {
    pub(super) repository: Arc<Repository>,
    pub(super) snapshot: Snapshot,
    /// The root of the snapshot to compare with, if there is one.
    pub(super) before: Option<BlobId>,
    /// What was backed up, where the trees begin at the root of the file system; else the root.
    arguments: Vec<Key>,
    directories: Mutex<Directories>,
    owners: Owners,
    foreign_attribute_count: AtomicU64,
}

/// Directories that were read lately, by their keys.
#[derive(Default)]
struct Directories {
    kept: HashMap<Key, Arc<Tree>>,
    order: VecDeque<Key>,
    bytes: usize,
}

/// The names of owners, as the entries that were walked tell them.
#[derive(Default)]
pub(super) struct Owners {
    users: Mutex<BTreeMap<u32, Vec<u8>>>,
    groups: Mutex<BTreeMap<u32, Vec<u8>>>,
}

impl ResticTrees {
    pub(super) fn new(repository: Arc<Repository>, snapshot: Snapshot, before: Before) -> Self {
        let arguments = arguments(&repository, &snapshot);
        let before = match before {
            // Where the trees begin elsewhere, what lies on the way to them was something else.
            Before::Snapshot(before) if self::arguments(&repository, &before) == arguments => Some(before.tree),
            Before::Snapshot(_) | Before::Nothing => None,
        };
        Self {
            repository,
            snapshot,
            before,
            arguments,
            directories: Mutex::default(),
            owners: Owners::default(),
            foreign_attribute_count: AtomicU64::new(0),
        }
    }

    pub(super) const fn owners(&self) -> &Owners {
        &self.owners
    }

    /// How many entries that were walked have attributes of another system.
    pub(super) fn foreign_attribute_count(&self) -> u64 {
        self.foreign_attribute_count.load(Ordering::Relaxed)
    }

    /// Takes notice of an entry that is walked.
    pub(super) fn meet(&self, node: &Node) {
        remember(&self.owners.users, node.uid, &node.user);
        remember(&self.owners.groups, node.gid, &node.group);
        if node.has_foreign_attributes {
            self.foreign_attribute_count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How a directory belongs to what was backed up.
    pub(super) fn role(&self, key: &Key) -> Role {
        let is_above = |argument: &Key| argument != key && argument.is_within(key);
        if self.arguments.iter().any(is_above) { Role::Ancestor } else { Role::Member }
    }

    /// What restic says of the root itself: nothing but that it was there.
    pub(super) fn root(&self) -> Stat {
        Stat {
            kind: Kind::Directory,
            mode: 0o755,
            uid: 0,
            gid: 0,
            size: 0,
            mtime: Timestamp::from_ns(self.snapshot.time_ns),
            ctime: Timestamp::from_ns(self.snapshot.time_ns),
            inode: 0,
            device: 0,
            links: 1,
            special: Device { major: 0, minor: 0 },
            space_bytes: 0,
        }
    }

    /// What restic says of an entry. The length of a file is that of its content: what is read.
    pub(super) fn stat_of(&self, node: &Node) -> Stat {
        let content_bytes = if node.kind == Kind::File { self.content_bytes(node) } else { None };
        let size = content_bytes.unwrap_or(node.size);
        // Without a number of the inode nothing tells which names belong together.
        let links = if node.inode == 0 { 1 } else { node.links.max(1) };
        let is_device = matches!(node.kind, Kind::CharDevice | Kind::BlockDevice);
        Stat {
            kind: node.kind,
            mode: node.mode,
            uid: node.uid,
            gid: node.gid,
            size,
            mtime: node.mtime,
            ctime: node.ctime,
            inode: node.inode,
            device: device_number(device(node.device_id)),
            links,
            special: device(if is_device { node.device } else { 0 }),
            space_bytes: 0,
        }
    }

    /// How long a file's pieces are together; none when one of them is nowhere.
    fn content_bytes(&self, node: &Node) -> Option<u64> {
        node.content.iter().try_fold(0u64, |bytes, id| bytes.checked_add(self.repository.length(BlobKind::Data, *id)?))
    }

    /// Keeps a directory for those who read what is in it.
    pub(super) fn keep(&self, key: &Key, tree: &Arc<Tree>) {
        let mut directories = self.directories.lock().unwrap_or_else(PoisonError::into_inner);
        directories.keep(key, tree);
    }

    /// The directory of this key, from what is kept or from the repository.
    fn directory(&self, key: &Key) -> Result<Arc<Tree>, ResticError> {
        let kept = |key: &Key| {
            let directories = self.directories.lock().unwrap_or_else(PoisonError::into_inner);
            directories.kept.get(key).map(Arc::clone)
        };
        if let Some(tree) = kept(key) {
            return Ok(tree);
        }
        let mut tree = Arc::new(self.repository.tree(self.snapshot.tree)?);
        for name in key.components() {
            let subtree = tree.get(name).and_then(|node| node.subtree);
            // A name that is not there is met again, and missed, by whoever looks for what is in it.
            tree = Arc::new(subtree.map_or_else(|| Ok(Tree::default()), |subtree| self.repository.tree(subtree))?);
        }
        self.keep(key, &tree);
        Ok(tree)
    }

    /// The directory that holds an entry, in which it has this place.
    fn find(&self, key: &Key, operation: Operation) -> Result<(Arc<Tree>, usize), SourceError> {
        let directory = key.parent().unwrap_or_default();
        let tree = self.directory(&directory).map_err(|error| stored(key, operation, error))?;
        let place = tree.nodes().binary_search_by(|node| node.name.as_slice().cmp(key.name()));
        match place {
            Ok(place) if !key.is_root() => Ok((tree, place)),
            Ok(_) | Err(_) => Err(stored(key, operation, Unfit("the snapshot of restic has no such entry"))),
        }
    }

    fn with_node<T>(
        &self,
        key: &Key,
        operation: Operation,
        take: impl FnOnce(&Node) -> Result<T, Unfit>,
    ) -> Result<T, SourceError> {
        let (tree, place) = self.find(key, operation)?;
        let node = tree.nodes().get(place).ok_or(Unfit("the snapshot of restic has no such entry"));
        node.and_then(take).map_err(|unfit| stored(key, operation, unfit))
    }
}

/// Something that restic has stored and that has no place here.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unfit(pub(super) &'static str);

pub(super) fn stored(
    key: &Key,
    operation: Operation,
    source: impl std::error::Error + Send + Sync + 'static,
) -> SourceError {
    SourceError::Stored { key: key.clone(), operation, source: Box::new(source) }
}

/// What was backed up, if all of it stands in the trees at its own path; else restic was given a path that is not
/// absolute, and the trees begin there.
fn arguments(repository: &Repository, snapshot: &Snapshot) -> Vec<Key> {
    let keys: Option<Vec<Key>> = snapshot.paths.iter().map(|path| standing_key(repository, snapshot, path)).collect();
    let mut keys = keys.filter(|keys| !keys.is_empty()).unwrap_or_else(|| vec![Key::root()]);
    keys.sort_unstable();
    keys.dedup();
    let mut outer: Vec<Key> = Vec::new();
    for key in keys {
        if outer.last().is_none_or(|last| !key.is_within(last)) {
            outer.push(key);
        }
    }
    outer
}

/// The key of a path, if it leads somewhere in the trees.
fn standing_key(repository: &Repository, snapshot: &Snapshot, path: &[u8]) -> Option<Key> {
    use std::os::unix::ffi::OsStrExt as _;
    let key = Key::from_path(std::ffi::OsStr::from_bytes(path).as_ref()).ok()?;
    let mut subtree = Some(snapshot.tree);
    for name in key.components() {
        subtree = repository.tree(subtree?).ok()?.get(name)?.subtree;
    }
    Some(key)
}

fn device(number: u64) -> Device {
    Device { major: rustix::fs::major(number), minor: rustix::fs::minor(number) }
}

fn device_number(device: Device) -> u64 {
    u64::from(device.major) << 32 | u64::from(device.minor)
}

fn remember(names: &Mutex<BTreeMap<u32, Vec<u8>>>, id: u32, name: &[u8]) {
    if !name.is_empty() && name.len() <= TEXT_BYTES_MAX {
        let mut names = names.lock().unwrap_or_else(PoisonError::into_inner);
        names.entry(id).or_insert_with(|| name.to_vec());
    }
}

impl OwnerNames for Owners {
    fn user(&self, uid: u32) -> Option<Vec<u8>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner).get(&uid).cloned()
    }

    fn group(&self, gid: u32) -> Option<Vec<u8>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner).get(&gid).cloned()
    }
}

impl Directories {
    fn keep(&mut self, key: &Key, tree: &Arc<Tree>) {
        if self.kept.insert(key.clone(), Arc::clone(tree)).is_some() {
            return;
        }
        self.order.push_back(key.clone());
        self.bytes = self.bytes.saturating_add(tree.memory_bytes());
        while self.bytes > DIRECTORIES_BYTES_MAX && self.order.len() > 1 {
            let Some(tree) = self.order.pop_front().and_then(|oldest| self.kept.remove(&oldest)) else { break };
            self.bytes = self.bytes.saturating_sub(tree.memory_bytes());
        }
    }
}

impl Trees for ResticTrees {
    fn arguments(&self) -> Vec<Key> {
        self.arguments.clone()
    }

    fn steps(self: Arc<Self>) -> Box<dyn Iterator<Item = Result<Step, SourceError>>> {
        Box::new(ResticWalk::new(self))
    }

    fn stat(&self, key: &Key) -> Result<Stat, SourceError> {
        if key.is_root() {
            return Ok(self.root());
        }
        self.with_node(key, Operation::Stat, |node| Ok(self.stat_of(node)))
    }

    fn open_file(&self, key: &Key) -> Result<Box<dyn TreeFile>, SourceError> {
        let (tree, place) = self.find(key, Operation::Open)?;
        let stat = tree.nodes().get(place).map_or_else(|| self.root(), |node| self.stat_of(node));
        let file = StoredFile::new((Arc::clone(&self.repository), key.clone()), (tree, place), stat);
        Ok(Box::new(file))
    }

    fn open_walked(&self, key: &Key, _walked: &Stat) -> Result<Box<dyn TreeFile>, SourceError> {
        self.open_file(key)
    }

    fn read_link(&self, key: &Key) -> Result<Vec<u8>, SourceError> {
        self.with_node(key, Operation::ReadLink, |node| {
            if node.target.is_empty() || node.target.contains(&0) {
                return Err(Unfit("restic has stored no target for it"));
            }
            Ok(node.target.clone())
        })
    }

    fn xattrs(&self, key: &Key) -> Result<Labels, SourceError> {
        if key.is_root() {
            return Ok(Labels::default());
        }
        self.with_node(key, Operation::Attributes, labels_of)
    }
}

/// The attributes that restic has stored of an entry.
pub(super) fn labels_of(node: &Node) -> Result<Labels, Unfit> {
    if !node.xattrs.is_empty() && encode_xattrs(&node.xattrs).is_err() {
        return Err(Unfit("no file system could hold them"));
    }
    Ok(node.xattrs.clone().into())
}

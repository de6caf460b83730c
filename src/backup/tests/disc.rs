//! A disc in memory that counts what is read of it, and rots, fails and moves when a test says so.

use super::noise;
use crate::access::Access;
use crate::access::testing::Keys;
use crate::backup::{BackupOptions, BackupReport, Material, OwnerNames, WalkStart, carry_out};
use crate::config::Parameters;
use crate::content::ContentReader;
use crate::error::Result;
use crate::id::SnapshotId;
use crate::manifest::{Content, Cursor, Device, Entry, ItemReader, Key, Kind, Timestamp, Xattr};
use crate::progress::{Progress, Silent};
use crate::session::{self, History, Snapshot};
use crate::session_record::SessionKind;
use crate::source::{Labels, Operation, Role, Run, SourceError, Stat, Step, TreeFile, Trees, Walked};
use crate::store::MemoryStore;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

/// What a file is.
#[derive(Clone)]
struct Held {
    bytes: Arc<Vec<u8>>,
    device: u64,
    inode: u64,
    time: i64,
}

#[derive(Default)]
struct Contents {
    files: BTreeMap<Key, Held>,
    inode_count: u64,
    /// What was opened, in order.
    opened: Vec<Key>,
    failing: BTreeSet<Key>,
    moving: BTreeSet<Key>,
    /// What each file is labelled with; none where that can't be read.
    labels: BTreeMap<Key, Option<Vec<Xattr>>>,
    /// The names of attributes besides these that can't be read.
    unread: BTreeMap<Key, Vec<u8>>,
    /// What has changed since the walk saw it.
    touched: BTreeSet<Key>,
    /// With what number the listing of a folder ends, after all that is in it.
    unlisted: BTreeMap<Key, i32>,
    /// The same of reading what a folder is labelled with.
    unlabelled: BTreeMap<Key, i32>,
}

/// A folder `/t` of files and folders with files.
#[derive(Default)]
pub(super) struct Disc(Mutex<Contents>);

pub(super) fn key(name: &str) -> Key {
    Key::from_path(format!("/t/{name}").as_ref()).unwrap()
}

impl Disc {
    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap()
    }

    /// Writes a file as a program would: under a new inode and at a later time.
    pub(super) fn write(&self, name: &str, bytes: Vec<u8>) {
        let mut contents = self.contents();
        contents.inode_count += 1;
        let number = contents.inode_count;
        let held = Held { bytes: Arc::new(bytes), device: 1, inode: number, time: i64::try_from(number).unwrap() };
        contents.files.insert(key(name), held);
    }

    /// Writes a file under the device and the inode of one that is or was there, at a later time.
    pub(super) fn write_as(&self, old: &str, name: &str, bytes: Vec<u8>) {
        let (device, inode) = {
            let held = &self.contents().files[&key(old)];
            (held.device, held.inode)
        };
        self.write(name, bytes);
        let mut contents = self.contents();
        let held = contents.files.get_mut(&key(name)).unwrap();
        (held.device, held.inode) = (device, inode);
    }

    /// Gives a name's device another number.
    pub(super) fn renumber(&self, name: &str, device: u64) {
        self.contents().files.get_mut(&key(name)).unwrap().device = device;
    }

    /// Gives a file another name.
    pub(super) fn link(&self, old: &str, new: &str) {
        let mut contents = self.contents();
        let held = contents.files[&key(old)].clone();
        contents.files.insert(key(new), held);
    }

    pub(super) fn remove(&self, name: &str) {
        self.contents().files.remove(&key(name)).unwrap();
    }

    /// Flips a bit of a file under all its names, and leaves everything else as it was.
    pub(super) fn rot(&self, name: &str, at: usize) {
        let mut contents = self.contents();
        let inode = contents.files[&key(name)].inode;
        for held in contents.files.values_mut().filter(|held| held.inode == inode) {
            Arc::make_mut(&mut held.bytes)[at] ^= 1;
        }
    }

    /// From now on a file can be read, or can't.
    pub(super) fn fail(&self, name: &str, fails: bool) {
        let mut contents = self.contents();
        let _ = if fails { contents.failing.insert(key(name)) } else { contents.failing.remove(&key(name)) };
    }

    /// Labels a file, or lets nobody read how it is labelled.
    pub(super) fn label(&self, name: &str, labels: Option<Vec<Xattr>>) {
        let mut contents = self.contents();
        contents.labels.insert(key(name), labels);
        contents.unread.remove(&key(name));
    }

    /// One more attribute of a file, which can't be read until the file is labelled anew.
    pub(super) fn label_unread(&self, name: &str, attribute: &[u8]) {
        self.contents().unread.insert(key(name), attribute.to_vec());
    }

    /// From now on no folder is listed to its end or shows its labels, if there are numbers for why.
    pub(super) fn break_folders(&self, folders: &[Key], (unlisted, unlabelled): (Option<i32>, Option<i32>)) {
        let with = |errno: Option<i32>| folders.iter().filter_map(|key| Some((key.clone(), errno?))).collect();
        let mut contents = self.contents();
        (contents.unlisted, contents.unlabelled) = (with(unlisted), with(unlabelled));
    }

    /// From now on a name has changed between the walk and each reading.
    pub(super) fn touch_always(&self, name: &str) {
        self.contents().touched.insert(key(name));
    }

    /// From now on a file has changed whenever it was read.
    pub(super) fn move_always(&self, name: &str) {
        self.contents().moving.insert(key(name));
    }

    pub(super) fn bytes(&self, name: &str) -> Vec<u8> {
        self.contents().files[&key(name)].bytes.to_vec()
    }

    /// The names and lengths of all files.
    pub(super) fn files(&self) -> BTreeMap<String, usize> {
        let name = |key: &Key| String::from_utf8(key.name().to_vec()).unwrap();
        self.contents().files.iter().map(|(key, held)| (name(key), held.bytes.len())).collect()
    }

    /// What was opened since this was asked, in order.
    pub(super) fn opened(&self) -> Vec<String> {
        let opened = std::mem::take(&mut self.contents().opened);
        opened.iter().map(|key| String::from_utf8(key.name().to_vec()).unwrap()).collect()
    }
}

impl Contents {
    /// All folders.
    fn folders(&self) -> BTreeSet<Key> {
        let above = |key: &Key| std::iter::successors(key.parent(), Key::parent);
        self.files.keys().flat_map(above).chain([Key::root(), key("x").parent().unwrap()]).collect()
    }

    /// How something is labelled.
    fn labelled(&self, key: &Key) -> Result<Labels, SourceError> {
        let labels = self.labels.get(key).map_or(Some(Vec::new()), Clone::clone);
        let labels = labels.map(Labels::from).ok_or_else(|| refused(key, Operation::Attributes, EIO))?;
        Ok(Labels { unread: self.unread(key), ..labels })
    }

    fn unread(&self, key: &Key) -> Vec<SourceError> {
        let error = |name: &Vec<u8>| SourceError::Attribute {
            key: key.clone(),
            name: name.clone(),
            source: std::io::Error::from_raw_os_error(EIO),
        };
        self.unread.get(key).map(error).into_iter().collect()
    }

    fn stat(&self, key: &Key) -> Stat {
        let held = self.files.get(key);
        let links = held.map_or(2, |held| self.files.values().filter(|other| other.inode == held.inode).count());
        let time = Timestamp::from_ns(held.map_or(0, |held| held.time));
        Stat {
            kind: if held.is_some() { Kind::File } else { Kind::Directory },
            mode: 0o644,
            uid: 0,
            gid: 0,
            size: held.map_or(0, |held| u64::try_from(held.bytes.len()).unwrap()),
            mtime: time,
            ctime: time,
            inode: held.map_or(u64::MAX, |held| held.inode),
            device: held.map_or(1, |held| held.device),
            links: u64::try_from(links).unwrap(),
            special: Device { major: 0, minor: 0 },
            space_bytes: 0,
        }
    }
}

impl Trees for Disc {
    fn arguments(&self) -> Vec<Key> {
        vec![Key::from_path("/t".as_ref()).unwrap()]
    }

    fn steps(self: Arc<Self>) -> Box<dyn Iterator<Item = Result<Step, SourceError>>> {
        let contents = self.contents();
        let mut keys = contents.folders();
        keys.extend(contents.files.keys().cloned());
        let step = |key: Key| {
            let role = if key.is_root() { Role::Ancestor } else { Role::Member };
            let problem = contents.unlisted.get(&key).map(|errno| refused(&key, Operation::List, *errno));
            Ok(Step::Entry(Walked { problem, ..Walked::new(key.clone(), contents.stat(&key), role) }))
        };
        Box::new(keys.into_iter().map(step).collect::<Vec<_>>().into_iter())
    }

    fn stat(&self, key: &Key) -> Result<Stat, SourceError> {
        Ok(self.contents().stat(key))
    }

    fn open_file(&self, key: &Key) -> Result<Box<dyn TreeFile>, SourceError> {
        let mut contents = self.contents();
        contents.opened.push(key.clone());
        if contents.failing.contains(key) {
            return Err(refused(key, Operation::Read, EIO));
        }
        let mut stat = contents.stat(key);
        if contents.touched.contains(key) {
            stat.ctime = Timestamp::from_ns(stat.ctime.to_ns() + 1);
        }
        let mut again = stat.clone();
        if contents.moving.contains(key) {
            again.ctime = Timestamp::from_ns(again.ctime.to_ns() + 1);
        }
        let labels = contents.labelled(key);
        Ok(Box::new(DiscFile {
            bytes: Arc::clone(&contents.files[key].bytes),
            stat,
            again,
            labels: Mutex::new(labels),
        }))
    }

    fn open_walked(&self, key: &Key, _: &Stat) -> Result<Box<dyn TreeFile>, SourceError> {
        self.open_file(key)
    }

    fn read_link(&self, _: &Key) -> Result<Vec<u8>, SourceError> {
        unreachable!("it holds no links")
    }

    fn xattrs(&self, key: &Key) -> Result<Labels, SourceError> {
        let contents = self.contents();
        match contents.unlabelled.get(key) {
            Some(errno) => Err(refused(key, Operation::Attributes, *errno)),
            None => contents.labelled(key),
        }
    }
}

const EIO: i32 = 5;

fn refused(key: &Key, operation: Operation, errno: i32) -> SourceError {
    SourceError::Refused { key: key.clone(), operation, source: std::io::Error::from_raw_os_error(errno) }
}

struct DiscFile {
    bytes: Arc<Vec<u8>>,
    stat: Stat,
    again: Stat,
    /// Asked for once.
    labels: Mutex<Result<Labels, SourceError>>,
}

impl TreeFile for DiscFile {
    fn stat(&self) -> &Stat {
        &self.stat
    }

    fn stat_again(&self) -> Result<Stat, SourceError> {
        Ok(self.again.clone())
    }

    fn run_at(&self, offset: u64) -> Result<Option<Run>, SourceError> {
        let end = self.stat.size;
        Ok((offset < end).then_some(Run::Data { start: offset, end }))
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
        let rest = &self.bytes[usize::try_from(offset).unwrap()..];
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }

    fn xattrs(&self) -> Result<Labels, SourceError> {
        std::mem::replace(&mut *self.labels.lock().unwrap(), Ok(Labels::default()))
    }
}

/// Long after everything on the disc was written.
const NOW_NS: i64 = 1 << 60;

/// Knows whoever has a number from 1000 on.
struct Residents;

impl OwnerNames for Residents {
    fn user(&self, uid: u32) -> Option<Vec<u8>> {
        (uid >= 1000).then(|| format!("user {uid}").into_bytes())
    }

    fn group(&self, gid: u32) -> Option<Vec<u8>> {
        (gid >= 1000).then(|| format!("group {gid}").into_bytes())
    }
}

/// A disc and a repository in memory.
pub(super) struct Place {
    pub(super) disc: Arc<Disc>,
    pub(super) access: Access,
    pub(super) store: MemoryStore,
    keys: Keys,
    folder: tempfile::TempDir,
}

impl Place {
    pub(super) fn new() -> Self {
        let (folder, store) = (tempfile::tempdir().unwrap(), MemoryStore::new());
        let keys = Keys::new(Parameters { pack_bytes_target: 1 << 20, ..Parameters::default() });
        let access = keys.open(Arc::new(store.clone()), folder.path());
        std::fs::create_dir_all(&access.cache_dir).unwrap();
        Self { disc: Arc::default(), access, store, keys, folder }
    }

    /// Opens the repository anew, with another view of the index.
    pub(super) fn reopen(&mut self) {
        self.access = self.keys.open(Arc::new(self.store.clone()), self.folder.path());
    }

    /// A place with a snapshot of files of these lengths.
    pub(super) fn with_files(lengths: impl IntoIterator<Item = usize>) -> Self {
        let place = Self::new();
        for (number, length) in (0u64..).zip(lengths) {
            place.disc.write(&format!("{number:03}"), noise(number, length));
        }
        place.first();
        place
    }

    /// Makes a snapshot of everything.
    pub(super) fn first(&self) -> SnapshotId {
        self.first_report().snapshot
    }

    /// The same with all that is said of it.
    pub(super) fn first_report(&self) -> BackupReport {
        let report = self.back_up(&BackupOptions::default(), &Silent).unwrap();
        assert_eq!((report.problems.count(), report.rehashed), (0, None));
        self.disc.opened();
        report
    }

    pub(super) fn back_up(&self, options: &BackupOptions, progress: &dyn Progress) -> Result<BackupReport> {
        let history = History::load(&self.access)?;
        let state = session::load(&self.access)?;
        let trees: Arc<dyn Trees> = self.disc.clone();
        let material = Material {
            trees,
            owners: &Residents,
            paths: vec![b"/t".to_vec()],
            kind: SessionKind::Backup,
            walk_start: WalkStart::At(NOW_NS),
            imported: None,
        };
        let run = |access: &Access| carry_out(access, &history, &state, (options, &material), progress);
        self.access.noting(|report: &mut BackupReport| &mut report.notices, run)
    }

    pub(super) fn snapshot(&self, id: SnapshotId) -> Snapshot {
        let history = History::load(&self.access).unwrap();
        session::all(&history).into_iter().find(|snapshot| snapshot.id == id).unwrap()
    }

    /// What a snapshot holds of a file.
    pub(super) fn entry(&self, id: SnapshotId, name: &str) -> Entry {
        let reader = ContentReader::new(self.access.clone());
        let manifest = self.snapshot(id).components[0].manifest.unwrap();
        Cursor::<Entry, _>::new(&reader, manifest).find(&key(name)).unwrap().unwrap()
    }

    pub(super) fn content(&self, id: SnapshotId, name: &str) -> Vec<u8> {
        let reader = ContentReader::new(self.access.clone());
        match self.entry(id, name).content().unwrap() {
            Content::Inline(bytes) => bytes.clone(),
            Content::Items(list) => {
                let (mut bytes, mut items) = (Vec::new(), ItemReader::new(&reader, list.clone()));
                while let Some(placed) = items.next_item().unwrap() {
                    reader.append_item(&placed.item, &mut bytes).unwrap();
                }
                bytes
            }
        }
    }
}

//! A disc in memory that counts what is read of it, and rots, fails and moves when a test says so.

use crate::manifest::{Device, Key, Kind, Timestamp, Xattr};
use crate::source::{Operation, Role, Run, SourceError, Space, Stat, Step, TreeFile, Trees, Walked};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

/// What a file is.
#[derive(Clone)]
struct Held {
    bytes: Arc<Vec<u8>>,
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
}

/// A folder `/t` of files, as long as nobody looks elsewhere.
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
        let held = Held { bytes: Arc::new(bytes), inode: number, time: i64::try_from(number).unwrap() };
        contents.files.insert(key(name), held);
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
            device: 1,
            links: u64::try_from(links).unwrap(),
            special: Device { major: 0, minor: 0 },
            space: Space::default(),
        }
    }
}

impl Trees for Disc {
    fn arguments(&self) -> Vec<Key> {
        vec![Key::from_path("/t".as_ref()).unwrap()]
    }

    fn steps(self: Arc<Self>) -> Box<dyn Iterator<Item = Result<Step, SourceError>>> {
        let contents = self.contents();
        let step = |key: &Key, role| Ok(Step::Entry(Walked::new(key.clone(), contents.stat(key), role)));
        let top = self.arguments().remove(0);
        let mut steps = vec![step(&Key::root(), Role::Ancestor), step(&top, Role::Member)];
        steps.extend(contents.files.keys().map(|key| step(key, Role::Member)));
        Box::new(steps.into_iter())
    }

    fn stat(&self, key: &Key) -> Result<Stat, SourceError> {
        Ok(self.contents().stat(key))
    }

    fn open_file(&self, key: &Key) -> Result<Box<dyn TreeFile>, SourceError> {
        let mut contents = self.contents();
        contents.opened.push(key.clone());
        if contents.failing.contains(key) {
            let source = std::io::Error::from_raw_os_error(5);
            return Err(SourceError::Refused { key: key.clone(), operation: Operation::Read, source });
        }
        let stat = contents.stat(key);
        let mut again = stat.clone();
        if contents.moving.contains(key) {
            again.ctime = Timestamp::from_ns(again.ctime.to_ns() + 1);
        }
        Ok(Box::new(DiscFile { bytes: Arc::clone(&contents.files[key].bytes), stat, again }))
    }

    fn open_walked(&self, key: &Key, _: &Stat) -> Result<Box<dyn TreeFile>, SourceError> {
        self.open_file(key)
    }

    fn read_link(&self, _: &Key) -> Result<Vec<u8>, SourceError> {
        unreachable!("it holds no links")
    }

    fn xattrs(&self, _: &Key) -> Result<Vec<Xattr>, SourceError> {
        Ok(Vec::new())
    }
}

struct DiscFile {
    bytes: Arc<Vec<u8>>,
    stat: Stat,
    again: Stat,
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

    fn xattrs(&self) -> Result<Vec<Xattr>, SourceError> {
        Ok(Vec::new())
    }
}

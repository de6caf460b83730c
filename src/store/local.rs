//! A store in a local directory, also one on a network or FUSE file system.
//!
//! An object is written to a temporary file, synced, and given its name by `link`, or by `renameat2` with
//! `RENAME_NOREPLACE` where there are no hard links; then the directory is synced. A plain `rename` replaces what
//! is there without a word, so it publishes nothing here.

mod folder;
mod mark;
mod mending;
mod probe;
mod reserve;
mod root;
mod steps;
mod temporary;

use super::{Created, Folder, Listed, Object, ObjectName, Proof, Spool, Store, StoreError, StoreFacts};
use crate::id::SessionId;
use root::Root;
use rustix::io::Errno;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use temporary::Temporary;

/// How often what a collector swept is written again: an object whose file had no name yet, what a promise is tried out
/// with.
const SWEEPS_MAX: u32 = 8;

/// Objects in a local directory.
pub struct LocalStore {
    root: Arc<Root>,
    facts: OnceLock<StoreFacts>,
}

impl LocalStore {
    /// Makes the folders of a repository in a directory that is absent or empty, or where an earlier attempt ended
    /// before there was a configuration. The directory's parent must exist.
    ///
    /// # Errors
    /// [`StoreError::ARepository`], [`StoreError::NotEmpty`], or what the system says.
    pub fn create(path: &Path) -> Result<Self, StoreError> {
        Self::furnish(Root::create(path, &[])?)
    }

    /// Makes the folders of a mirror as [`Self::create`] does those of a repository, and marks it before. A mark may be there
    /// already, from an attempt that ended early.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn create_mirror(path: &Path) -> Result<Self, StoreError> {
        let root = Root::create(path, &[mark::NAME])?;
        mark::make(&root)?;
        Self::furnish(root)
    }

    fn furnish(root: Root) -> Result<Self, StoreError> {
        for folder in Folder::ALL {
            root.settle(folder.as_str())?;
        }
        Ok(Self::new(root))
    }

    /// Opens the repository in a directory. Nothing is written, so read-only media will do.
    ///
    /// # Errors
    /// [`StoreError::NotARepository`] where there is no folder of configurations that may be a repository's, nor those of
    /// packs and outcomes and an object in any folder; or what the system says.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Root::open(path).map(Self::new)
    }

    fn new(root: Root) -> Self {
        Self { root: Arc::new(root), facts: OnceLock::new() }
    }

    fn open_file(&self, name: &ObjectName) -> Result<(File, u64), StoreError> {
        open_at(&self.root, name, &name.to_string())
    }
}

#[cfg(test)]
impl LocalStore {
    /// Lets the process die at the call to the system of this number, counted from here and from 1: neither that call nor
    /// any after it changes anything.
    pub(crate) fn die_at_call(&self, at: usize) {
        self.root.steps().plan(at, Errno::IO, steps::Afterwards::Dead);
    }

    /// How many calls were made since this was last asked. The process lives again.
    pub(crate) fn calls_made(&self) -> usize {
        self.root.steps().made().len()
    }
}

impl Store for LocalStore {
    fn create(&self, name: &ObjectName, bytes: &[u8]) -> Result<Created, StoreError> {
        // A session begins with its object. Until that is there two processes may reach for one number, and the first
        // to be done with it must not sweep the other's file.
        let session = name.session().filter(|_| name.folder() != Folder::Sessions);
        let mut sweeps = 0..SWEEPS_MAX;
        loop {
            let mut temporary = Temporary::create(&self.root, name.folder(), session)?;
            temporary.write(bytes)?;
            match temporary.publish(name) {
                // A collector that saw no open session took the file of one that was just beginning for left over.
                Err(error) if session.is_none() && error.is_vanished() && sweeps.next().is_some() => {}
                done => return done,
            }
        }
    }

    fn spool(&self, session: SessionId) -> Result<Box<dyn Spool>, StoreError> {
        let temporary = Temporary::create(&self.root, Folder::Packs, Some(session))?;
        Ok(Box::new(LocalSpool { temporary, failed: false }))
    }

    fn mend(&self, name: &ObjectName, proof: Proof) -> Result<Box<dyn Spool>, StoreError> {
        mending::begin(&self.root, name, proof)
    }

    fn read(&self, name: &ObjectName, limit_bytes: u64) -> Result<Vec<u8>, StoreError> {
        let (file, bytes) = self.open_file(name)?;
        if bytes > limit_bytes {
            return Err(StoreError::TooLarge { name: *name, bytes, limit_bytes });
        }
        let mut out = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
        // A file that grows meanwhile is no object of ours; the bound holds all the same.
        let read = file.take(limit_bytes.saturating_add(1)).read_to_end(&mut out);
        let read = read.map_err(|error| self.root.error("reading", &name.to_string(), error))?;
        match u64::try_from(read).unwrap_or(u64::MAX) {
            bytes if bytes > limit_bytes => Err(StoreError::TooLarge { name: *name, bytes, limit_bytes }),
            _ => Ok(out),
        }
    }

    fn open(&self, name: &ObjectName) -> Result<Box<dyn Object>, StoreError> {
        let (file, bytes) = self.open_file(name)?;
        Ok(Box::new(LocalObject { root: Arc::clone(&self.root), name: *name, file, bytes }))
    }

    fn list(&self, folder: Folder, each: &mut dyn FnMut(Listed)) -> Result<(), StoreError> {
        folder::list(&self.root, folder, each)
    }

    fn remove_all(&self, names: &[ObjectName]) -> Result<Vec<ObjectName>, StoreError> {
        folder::remove(&self.root, names)
    }

    fn sweep_temporaries(&self, may_go: &dyn Fn(Option<SessionId>) -> bool) -> Result<u64, StoreError> {
        folder::sweep(&self.root, may_go)
    }

    fn keep_reserve(&self) -> Result<(), StoreError> {
        reserve::keep(&self.root)
    }

    fn give_up_reserve(&self) -> Result<bool, StoreError> {
        reserve::give_up(&self.root)
    }

    fn free_bytes(&self) -> Result<Option<u64>, StoreError> {
        reserve::free_bytes(&self.root).map(Some)
    }

    fn is_writable(&self, folder: Folder) -> bool {
        self.root.is_writable(folder.as_str())
    }

    fn is_mirror(&self) -> Result<bool, StoreError> {
        mark::is_there(&self.root)
    }

    fn mark_mirror(&self) -> Result<(), StoreError> {
        mark::make(&self.root)
    }

    fn facts(&self) -> Result<StoreFacts, StoreError> {
        if let Some(facts) = self.facts.get() {
            return Ok(facts.clone());
        }
        let facts = probe::prove(&self.root)?;
        Ok(self.facts.get_or_init(|| facts).clone())
    }

    fn describe(&self) -> String {
        self.root.place("")
    }
}

/// Opens the file at a path as the object of a name.
fn open_at(root: &Root, name: &ObjectName, path: &str) -> Result<(File, u64), StoreError> {
    let failed = |error: std::io::Error| match Errno::from_io_error(&error) {
        Some(Errno::NOENT) => StoreError::NotFound { name: *name },
        Some(Errno::LOOP) => StoreError::NotAFile { name: *name },
        _ => root.error("opening", path, error),
    };
    let file = root.open_file(path).map_err(failed)?;
    let status = file.metadata().map_err(failed)?;
    if !status.is_file() {
        return Err(StoreError::NotAFile { name: *name });
    }
    Ok((file, status.len()))
}

struct LocalObject {
    root: Arc<Root>,
    name: ObjectName,
    file: File,
    bytes: u64,
}

impl Object for LocalObject {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), StoreError> {
        let end = offset.saturating_add(u64::try_from(buffer.len()).unwrap_or(u64::MAX));
        if end > self.bytes {
            return Err(StoreError::OutOfRange { name: self.name, end });
        }
        self.file.read_exact_at(buffer, offset).map_err(|error| {
            // It was truncated after it was opened.
            let ended = error.kind() == ErrorKind::UnexpectedEof;
            let name = self.name;
            if ended {
                StoreError::OutOfRange { name, end }
            } else {
                self.root.error("reading", &name.to_string(), error)
            }
        })
    }

    fn forget_cached(&self) {
        // What the system does not do is no error: the bytes it then gives are those that it has.
        let _ = rustix::fs::fadvise(&self.file, 0, None, rustix::fs::Advice::DontNeed);
    }
}

struct LocalSpool {
    temporary: Temporary,
    failed: bool,
}

impl Spool for LocalSpool {
    fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.temporary.write(bytes).inspect_err(|_| self.failed = true)
    }

    fn publish(self: Box<Self>, name: &ObjectName) -> Result<Created, StoreError> {
        if self.failed {
            let reason = "an earlier write to it failed".into();
            return Err(StoreError::Abandoned { place: name.to_string(), reason });
        }
        self.temporary.publish(name)
    }
}

#[cfg(test)]
mod tests;

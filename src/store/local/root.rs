//! The root directory: how a file gets its name, durably and only once.

use super::super::{Created, Folder, ObjectName, StoreError};
use super::steps::{Step, Steps};
use super::temporary::temporary_session;
use rustix::fs::{Access, AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Gets an open directory and a name in it.
type EachName<'a> = dyn FnMut(&OwnedFd, &[u8]) -> Result<(), StoreError> + 'a;

/// The directory that holds a repository. Paths are relative to it.
pub(super) struct Root {
    directory: OwnedFd,
    path: PathBuf,
    /// Directories known to exist durably: this process synced their parents.
    settled: Mutex<BTreeSet<String>>,
    /// Set for good once `link` was refused as such: there are no hard links here.
    without_links: AtomicBool,
    /// Set for good once a directory could not be synced: what was linked into it may vanish with the next crash,
    /// and asking again would be answered as if nothing had happened.
    unsynced: AtomicBool,
    steps: Steps,
}

impl Root {
    /// Opens a directory for a new repository, and makes it if it is absent. Files of the names in `beside` may lie in it.
    pub(super) fn create(path: &Path, beside: &[&str]) -> Result<Self, StoreError> {
        let place = path.display().to_string();
        let failed = |error: io::Error| StoreError::from_io("creating", place.clone(), error);
        match rustix::fs::mkdir(path, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(failed(error.into())),
        }
        let root = Self::at(path)?;
        root.require_unused(beside)?;
        let parent = rustix::fs::openat(&root.directory, "..", directory_flags(), Mode::empty());
        parent.and_then(rustix::fs::fsync).or_else(unless_unsupported).map_err(|error| failed(error.into()))?;
        Ok(root)
    }

    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let place = || path.display().to_string();
        let root = Self::at(path).map_err(|error| {
            let absent = matches!(&error, StoreError::Io { source, .. } if is_absent(source));
            if absent { StoreError::NotARepository { place: place() } } else { error }
        })?;
        if root.has_configurations()? || root.has_lost_configurations()? {
            return Ok(root);
        }
        Err(StoreError::NotARepository { place: place() })
    }

    /// Whether there is a folder of configurations; one that holds only what is no object is somebody else's.
    fn has_configurations(&self) -> Result<bool, StoreError> {
        let names = self.names(Folder::Config.as_str());
        let is_own = |name: &Vec<u8>| temporary_session(name).is_some() || is_object(Folder::Config.as_str(), name);
        Ok(self.has(Folder::Config)? && names.map(|names| names.is_empty() || names.iter().any(is_own))?)
    }

    /// Whether it is a repository all the same, since configurations may have second copies in it: many a folder holds
    /// folders of these names, and none but a repository an object.
    fn has_lost_configurations(&self) -> Result<bool, StoreError> {
        if !(self.has(Folder::Packs)? && self.has(Folder::Outcomes)?) {
            return Ok(false);
        }
        for folder in Folder::ALL {
            if self.has(folder)? && self.holds_object(folder)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn has(&self, folder: Folder) -> Result<bool, StoreError> {
        match self.open_directory(folder.as_str()) {
            Ok(_) => Ok(true),
            Err(error) if is_absent(&error) => Ok(false),
            Err(error) => Err(self.error("opening", folder.as_str(), error)),
        }
    }

    /// Whether anything in a folder has an object's name.
    fn holds_object(&self, folder: Folder) -> Result<bool, StoreError> {
        for name in self.names(folder.as_str())? {
            if is_object(folder.as_str(), &name) {
                return Ok(true);
            }
            let inner = std::str::from_utf8(&name).ok().filter(|name| folder.nested_digits() == Some(name.len()));
            let Some(inner) = inner.map(|name| format!("{folder}/{name}")) else { continue };
            let names = match self.names(&inner) {
                Err(StoreError::Io { source, .. }) if is_absent(&source) => continue,
                names => names?,
            };
            if names.iter().any(|name| is_object(&inner, name)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether files can be made in a directory, or in the one in which it could be made, as far as the system tells that
    /// without trying.
    pub(super) fn is_writable(&self, directory: &str) -> bool {
        let may = |path: &str| rustix::fs::accessat(&self.directory, path, Access::WRITE_OK, AtFlags::EACCESS);
        match may(directory) {
            Err(Errno::NOENT) => may(".").is_ok(),
            found => found.is_ok(),
        }
    }

    fn at(path: &Path) -> Result<Self, StoreError> {
        let opened = rustix::fs::open(path, directory_flags(), Mode::empty());
        let directory =
            opened.map_err(|error| StoreError::from_io("opening", path.display().to_string(), error.into()))?;
        Ok(Self {
            directory,
            path: path.to_owned(),
            settled: Mutex::default(),
            without_links: AtomicBool::new(false),
            unsynced: AtomicBool::new(false),
            steps: Steps::default(),
        })
    }

    /// Refuses a directory that holds anything but what an attempt leaves that was interrupted: folders with nothing in
    /// them but temporary files and key slots. The configuration comes last.
    fn require_unused(&self, beside: &[&str]) -> Result<(), StoreError> {
        let mut found = None;
        let is_beside = |name: &Vec<u8>| beside.iter().any(|beside| beside.as_bytes() == name.as_slice());
        for name in self.names("")?.into_iter().filter(|name| !is_beside(name)) {
            let folder = Folder::ALL.into_iter().find(|folder| folder.as_str().as_bytes() == name);
            let inside = folder.map_or(Ok(Vec::new()), |folder| self.names(folder.as_str()))?;
            if folder == Some(Folder::Config) && !inside.iter().all(|name| is_left_over(Folder::Config, name)) {
                return Err(StoreError::ARepository { place: self.place("") });
            }
            if folder.is_none_or(|folder| !inside.iter().all(|name| is_left_over(folder, name))) {
                found = Some(name.escape_ascii().to_string());
            }
        }
        match found {
            Some(found) => Err(StoreError::NotEmpty { place: self.place(""), found }),
            None => Ok(()),
        }
    }

    /// Where a path lies, for people.
    pub(super) fn place(&self, path: &str) -> String {
        if path.is_empty() { self.path.display().to_string() } else { self.path.join(path).display().to_string() }
    }

    pub(super) fn error(&self, operation: &'static str, path: &str, error: io::Error) -> StoreError {
        StoreError::from_io(operation, self.place(path), error)
    }

    /// Opens for reading. Never blocks on a FIFO that somebody put there, never follows a link.
    pub(super) fn open_file(&self, path: &str) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        Ok(rustix::fs::openat(&self.directory, path, flags, Mode::empty())?.into())
    }

    /// The kind of the file system that a directory lies on.
    pub(super) fn file_system(&self, path: &str) -> io::Result<u64> {
        let magic = rustix::fs::fstatfs(self.open_directory(path)?)?.f_type;
        // The upper half is only the sign of a 32-bit number.
        Ok(u64::try_from(i128::from(magic) & i128::from(u32::MAX)).unwrap_or(0))
    }

    pub(super) fn open_directory(&self, path: &str) -> io::Result<OwnedFd> {
        let path = if path.is_empty() { "." } else { path };
        Ok(rustix::fs::openat(&self.directory, path, directory_flags(), Mode::empty())?)
    }

    /// All names in a directory; an absent one is empty.
    pub(super) fn names(&self, path: &str) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut names = Vec::new();
        self.each_name(path, &mut |_, name| {
            names.push(name.to_vec());
            Ok(())
        })?;
        Ok(names)
    }

    /// Calls `each` with the directory and every name in it; an absent directory is empty.
    pub(super) fn each_name(&self, path: &str, each: &mut EachName<'_>) -> Result<(), StoreError> {
        let failed = |error: io::Error| self.error("listing", path, error);
        let directory = match self.open_directory(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => opened.map_err(failed)?,
        };
        for entry in rustix::fs::Dir::read_from(&directory).map_err(|error| failed(error.into()))? {
            let entry = entry.map_err(|error| failed(error.into()))?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                each(&directory, name)?;
            }
        }
        Ok(())
    }

    /// Unlinks a file; false when it was not there.
    pub(super) fn unlink(&self, path: &str) -> Result<bool, StoreError> {
        match self.steps.step(Step::Unlink).and_then(|()| rustix::fs::unlinkat(&self.directory, path, AtFlags::empty()))
        {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(self.error("removing", path, error.into())),
        }
    }

    /// Removes a directory if it is empty, and forgets that it was durable.
    pub(super) fn remove_empty(&self, path: &str) {
        self.unsettle(path);
        // Not empty, or gone already: both are as good.
        let _ = rustix::fs::unlinkat(&self.directory, path, AtFlags::REMOVEDIR);
    }

    /// Makes a directory, and its parent, unless they are there, and makes sure that a crash will not undo it.
    pub(super) fn settle(&self, path: &str) -> Result<(), StoreError> {
        if path.is_empty() || self.settled().contains(path) {
            return Ok(());
        }
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        self.settle(parent)?;
        let all = Mode::RWXU | Mode::RWXG | Mode::RWXO;
        match self.steps.step(Step::MakeDirectory).and_then(|()| rustix::fs::mkdirat(&self.directory, path, all)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(self.error("creating", path, error.into())),
        }
        // Whatever lies in the parent now is durable once that is synced, and need not have it synced again.
        let mut there = vec![path.to_owned()];
        self.each_name(parent, &mut |_, name| {
            let name = std::str::from_utf8(name).unwrap_or_default();
            there.push(if parent.is_empty() { name.to_owned() } else { format!("{parent}/{name}") });
            Ok(())
        })?;
        // Also when somebody else made it: they may not have synced it yet.
        self.sync_directory(parent)?;
        self.settled().extend(there);
        Ok(())
    }

    pub(super) fn unsettle(&self, path: &str) {
        self.settled().remove(path);
    }

    fn settled(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.settled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes durable what was named and removed in a directory. One of a generation may be emptied and removed by another
    /// prune before this one comes to it: then that is what must be durable.
    pub(super) fn sync_directory(&self, path: &str) -> Result<(), StoreError> {
        let sync = |directory| self.steps.step(Step::SyncDirectory).and_then(|()| rustix::fs::fsync(directory));
        let opened = self.open_directory(path);
        if let (Err(error), Some((above, _))) = (&opened, path.rsplit_once('/'))
            && (above, error.kind()) == (Folder::Gc.as_str(), io::ErrorKind::NotFound)
        {
            return self.sync_directory(above);
        }
        let synced = opened.and_then(|directory| sync(directory).or_else(unless_unsupported).map_err(io::Error::from));
        synced.map_err(|error| {
            self.unsynced.store(true, Ordering::Release);
            self.error("syncing", path, error)
        })
    }

    pub(super) fn require_synced(&self) -> Result<(), StoreError> {
        if self.unsynced.load(Ordering::Acquire) {
            let reason = "a directory could not be synced".into();
            return Err(StoreError::Abandoned { place: self.place(""), reason });
        }
        Ok(())
    }

    /// Gives a file its name unless the name is taken; none when the directory of the name is not there. `is_at` tells
    /// whether the file at a path is this one.
    pub(super) fn give_name(
        &self,
        temporary: &str,
        path: &str,
        is_at: impl Fn(&str) -> bool,
    ) -> Result<Option<Created>, StoreError> {
        let linked = if self.without_links.load(Ordering::Acquire) {
            Err(Errno::PERM)
        } else {
            let link = || rustix::fs::linkat(&self.directory, temporary, &self.directory, path, AtFlags::empty());
            self.steps.step(Step::Link).and_then(|()| link())
        };
        let named = match linked {
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::MLINK) => {
                self.without_links.store(true, Ordering::Release);
                self.steps.step(Step::Rename).and_then(|()| self.rename(temporary, path))
            }
            other => other,
        };
        match named {
            Ok(()) => Ok(Some(Created::New)),
            // The answer to an attempt that the system repeated may be about our own success.
            Err(Errno::EXIST | Errno::NOENT) if is_at(path) => Ok(Some(Created::New)),
            Err(Errno::EXIST) => Ok(Some(Created::Exists)),
            Err(Errno::NOENT) => Ok(None),
            Err(error @ (Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP)) => {
                let missing = format!("neither hard links nor renameat2 with RENAME_NOREPLACE work there ({error})");
                Err(StoreError::Unsupported { place: self.place(""), missing })
            }
            Err(error) => Err(self.error("publishing", path, error.into())),
        }
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), Errno> {
        rustix::fs::renameat_with(&self.directory, from, &self.directory, to, RenameFlags::NOREPLACE)
    }

    /// Puts a file in the place of an object. Where the system can't exchange the two, the object is replaced, and one that
    /// is removed at this very moment comes back.
    pub(super) fn exchange(&self, temporary: &str, name: &ObjectName) -> Result<(), StoreError> {
        let path = name.to_string();
        let with = |flags| {
            let rename = || rustix::fs::renameat_with(&self.directory, temporary, &self.directory, &path, flags);
            self.steps.step(Step::Rename).and_then(|()| rename())
        };
        let exchanged = match with(RenameFlags::EXCHANGE) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => with(RenameFlags::empty()),
            exchanged => exchanged,
        };
        exchanged.map_err(|error| match error {
            Errno::NOENT => StoreError::NotFound { name: *name },
            error => self.error("replacing", &path, error.into()),
        })
    }

    pub(super) const fn directory(&self) -> &OwnedFd {
        &self.directory
    }

    /// Every call to the system that changes something is announced here first, and one that asks.
    pub(super) const fn steps(&self) -> &Steps {
        &self.steps
    }

    #[cfg(test)]
    pub(super) fn pretend_no_links(&self) {
        self.without_links.store(true, Ordering::Release);
    }
}

/// Whether an init that was interrupted may have left this in a folder.
fn is_left_over(folder: Folder, name: &[u8]) -> bool {
    temporary_session(name) == Some(None) || (folder == Folder::Keys && is_object(folder.as_str(), name))
}

/// Whether a name is that of an object in this directory.
fn is_object(directory: &str, name: &[u8]) -> bool {
    std::str::from_utf8(name).is_ok_and(|name| format!("{directory}/{name}").parse::<ObjectName>().is_ok())
}

/// Nothing is there, or something that is no directory.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

const fn directory_flags() -> OFlags {
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC)
}

/// Some network file systems can't sync a directory and say so; there the server keeps order by itself.
fn unless_unsupported(error: Errno) -> Result<(), Errno> {
    match error {
        Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS => Ok(()),
        other => Err(other),
    }
}

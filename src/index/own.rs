//! Directories that belong to one process and go with it, even when it is killed.
//!
//! Beside each directory lies a file that its process holds locked. The system lets go of the lock when the process
//! ends, however it ends; a directory whose file is not locked is nobody's and is removed by whoever comes next.

use super::IndexError;
use crate::fs::is_full;
use crate::id::write_hex;
use crate::seal::random;
use rustix::fs::{FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

const PREFIX: &str = "own-";
const ALIVE_SUFFIX: &str = ".alive";

/// An exclusive lock on a file, which ends with this value or its process.
pub(super) struct FileLock {
    file: File,
}

/// What came of trying to lock.
pub(super) enum Locked {
    /// It is ours.
    Ours(FileLock),
    /// Somebody else has it.
    Theirs,
    /// There are no locks on this file system.
    Unsupported,
}

impl FileLock {
    /// Tries to lock a file, which is made if it is absent. Never waits.
    pub(super) fn try_lock(path: &Path) -> Result<Locked, IndexError> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let opened = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR);
        let file: File = opened.map_err(|error| failed("locking", path, &error.into()))?.into();
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Locked::Ours(Self { file })),
            Err(Errno::WOULDBLOCK) => Ok(Locked::Theirs),
            Err(_) => Ok(Locked::Unsupported),
        }
    }

    /// Whether the file was removed before it was locked.
    fn is_removed(&self) -> bool {
        self.file.metadata().is_ok_and(|status| status.nlink() == 0)
    }
}

/// A directory of this process.
pub(super) struct OwnDirectory {
    path: PathBuf,
    _alive: Option<FileLock>,
    adoption: Option<Adoption>,
}

/// What of a directory may stay when it is let go in order.
struct Adoption {
    from: PathBuf,
    to: PathBuf,
    lock: PathBuf,
}

impl OwnDirectory {
    /// Makes a directory within `parent`.
    pub(super) fn create(parent: &Path) -> Result<Self, IndexError> {
        loop {
            let mut name = PREFIX.to_owned();
            write_hex(&random::<8>(), &mut name).expect("writing to a string can't fail");
            let path = parent.join(name);
            let alive = match FileLock::try_lock(&alive_path(&path))? {
                // Whoever tidied up may have come between making the file and locking it.
                Locked::Ours(lock) if lock.is_removed() => continue,
                Locked::Ours(lock) => Some(lock),
                Locked::Theirs => continue,
                Locked::Unsupported => None,
            };
            let made = std::fs::DirBuilder::new().mode(0o700).create(&path);
            made.map_err(|error| failed("making a directory for", &path, &error))?;
            return Ok(Self { path, _alive: alive, adoption: None });
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// When this is let go, `from`, which lies in it, moves to `to` unless something is there, or somebody holds
    /// `lock` at that moment.
    pub(super) fn adopt(&mut self, from: PathBuf, to: PathBuf, lock: PathBuf) {
        self.adoption = Some(Adoption { from, to, lock });
    }
}

impl Drop for OwnDirectory {
    fn drop(&mut self) {
        if let Some(Adoption { from, to, lock }) = &self.adoption
            && let Ok(Locked::Ours(_held)) = FileLock::try_lock(lock)
        {
            let cwd = rustix::fs::CWD;
            // Where this can't be done the work is lost and nothing else.
            let _ = rustix::fs::renameat_with(cwd, from, cwd, to, RenameFlags::NOREPLACE);
        }
        remove(&self.path);
    }
}

/// Removes the directories of processes that are gone.
pub(super) fn tidy(parent: &Path) {
    let Ok(entries) = std::fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
        let path = parent.join(name.strip_suffix(ALIVE_SUFFIX).unwrap_or(name));
        if let Ok(Locked::Ours(_held)) = FileLock::try_lock(&alive_path(&path)) {
            remove(&path);
        }
    }
}

/// Removes a directory and then its file, in this order: a directory without a file is nobody's.
fn remove(path: &Path) {
    // What can't be removed now is tidied up by the next one.
    if std::fs::remove_dir_all(path).is_ok() || !path.exists() {
        let _ = std::fs::remove_file(alive_path(path));
    }
}

fn alive_path(path: &Path) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(ALIVE_SUFFIX);
    path.into()
}

/// An error of the system about the files around a view.
pub(super) fn failed(operation: &'static str, path: &Path, error: &io::Error) -> IndexError {
    let place = path.display().to_string();
    if is_full(error) {
        return IndexError::NoSpace { place };
    }
    IndexError::Io { operation, place, reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &Path) -> usize {
        std::fs::read_dir(path).unwrap().count()
    }

    #[test]
    fn an_own_directory_goes_with_its_owner_and_a_dead_ones_is_tidied_up() {
        let place = tempfile::tempdir().unwrap();
        let own = OwnDirectory::create(place.path()).unwrap();
        std::fs::write(own.path().join("file"), "x").unwrap();
        tidy(place.path());
        assert!(own.path().join("file").exists(), "the living are left alone");
        let dead = place.path().join("own-0000000000000000");
        std::fs::create_dir(&dead).unwrap();
        std::fs::write(dead.join("file"), "x").unwrap();
        std::fs::write(alive_path(&dead), "").unwrap();
        std::fs::create_dir(place.path().join("own-0000000000000001")).unwrap();
        std::fs::create_dir(place.path().join("other")).unwrap();
        tidy(place.path());
        assert_eq!(names(place.path()), 3, "the living one's two and what has another name");
        drop(own);
        assert_eq!(names(place.path()), 1);
    }

    #[test]
    fn what_may_stay_moves_only_where_nothing_is_and_nobody_locks() {
        for (occupied, locked, moved) in [(false, false, true), (true, false, false), (false, true, false)] {
            let place = tempfile::tempdir().unwrap();
            let (to, lock) = (place.path().join("view"), place.path().join("lock"));
            let mut own = OwnDirectory::create(place.path()).unwrap();
            let from = own.path().join("view");
            std::fs::create_dir(&from).unwrap();
            std::fs::write(from.join("file"), "x").unwrap();
            if occupied {
                std::fs::create_dir(&to).unwrap();
            }
            let _held = if locked { Some(FileLock::try_lock(&lock).unwrap()) } else { None };
            own.adopt(from, to.clone(), lock);
            drop(own);
            assert_eq!(to.join("file").exists(), moved);
        }
    }
}

//! Opening the view of a repository, whatever state it is in and whoever else has it open.

use super::{Index, IndexError};
use crate::id::RepositoryId;
use std::path::{Path, PathBuf};

/// What an index is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Segments will be applied, and should still be there next time.
    Writer,
    /// The lock is never taken.
    Reader,
}

/// How a view was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ViewKind {
    /// The shared view, with its lock: what is applied is there next time.
    Shared,
    /// The shared view as it was last flushed, for reading only; what is applied lies over it and is gone afterwards.
    Overlaid,
    /// A private view, since there is no shared one that can be read: everything has to be applied. If there is still
    /// no shared view when it is closed, it becomes that.
    Private,
    /// Memory: this build has no views on disk.
    Memory,
}

/// A view that was found damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedAside {
    /// Where its files are now, until the next one is moved aside.
    pub to: PathBuf,
    /// What was wrong with it.
    pub reason: String,
}

/// An opened view.
pub struct View {
    /// The index. It answers from whatever was applied, so bring it up to date first: [`super::catch_up`].
    pub index: Box<dyn Index>,
    /// How it was opened.
    pub kind: ViewKind,
    /// A damaged view that had to make way.
    pub moved_aside: Option<MovedAside>,
}

/// Opens the view of a repository in a directory that belongs to it, and makes both unless they are there. Neither
/// waits for another process nor fails because of one. Takes about `memory_bytes` as long as it is open.
///
/// # Errors
/// When the directory can't be written, or its medium fails.
#[cfg(not(feature = "rocksdb"))]
pub fn open_view(
    _directory: &Path,
    _repository: RepositoryId,
    _mode: Mode,
    _memory_bytes: usize,
) -> Result<View, IndexError> {
    Ok(View { index: Box::new(super::MemoryIndex::new()), kind: ViewKind::Memory, moved_aside: None })
}

/// Opens an empty view that goes away with the process, for one that is not to be relied upon. `directory` is that of
/// [`open_view`].
///
/// # Errors
/// As [`open_view`].
#[cfg(not(feature = "rocksdb"))]
pub fn open_apart(
    _directory: &Path,
    _repository: RepositoryId,
    _memory_bytes: usize,
) -> Result<Box<dyn Index>, IndexError> {
    Ok(Box::new(super::MemoryIndex::new()))
}

/// Has the next writer build the view in `directory` anew; where there is none nothing happens.
#[cfg(not(feature = "rocksdb"))]
pub fn distrust_view(_directory: &Path) {}

#[cfg(feature = "rocksdb")]
pub use on_disk::{distrust_view, open_apart, open_view};

#[cfg(feature = "rocksdb")]
mod on_disk {
    use super::super::disk::DiskIndex;
    use super::super::overlay::{OVERLAY_BYTES_MAX, Overlay};
    use super::super::own::{FileLock, Locked, OwnDirectory, failed, tidy};
    use super::super::rocks::{Role, distrust_mark, is_distrusted};
    use super::{Index, IndexError, Mode, MovedAside, Path, PathBuf, RepositoryId, View, ViewKind};
    use std::os::unix::fs::DirBuilderExt;
    use std::sync::Arc;

    /// How often a view is opened that changes under the reader's hands.
    const READ_ATTEMPTS: u32 = 3;

    /// Opens the view of a repository in a directory that belongs to it, and makes both unless they are there. Neither
    /// waits for another process nor fails because of one. Takes about `memory_bytes` as long as it is open.
    ///
    /// # Errors
    /// When the directory can't be written, or its medium fails.
    pub fn open_view(
        directory: &Path,
        repository: RepositoryId,
        mode: Mode,
        memory_bytes: usize,
    ) -> Result<View, IndexError> {
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(|error| failed("making a directory for", directory, &error))?;
        tag(directory);
        tidy(directory);
        let place = Place { directory: directory.to_owned(), repository, memory_bytes };
        let locked = match mode {
            Mode::Writer => FileLock::try_lock(&place.lock())?,
            Mode::Reader => Locked::Theirs,
        };
        match locked {
            Locked::Ours(lock) => place.open_shared(lock),
            Locked::Theirs | Locked::Unsupported => place.open_apart(),
        }
    }

    /// Says of the directory, as the Cache Directory Tagging Specification has it, that a backup may leave it out. A cache
    /// that can't be written serves without it.
    fn tag(directory: &Path) {
        let tag = directory.join("CACHEDIR.TAG");
        if !tag.exists() {
            let _ = std::fs::write(tag, "Signature: 8a477f597d28d172789f06886806bc55\n# A cache of holdall.\n");
        }
    }

    /// Opens an empty view that goes away with the process, for one that is not to be relied upon. `directory` is that
    /// of [`open_view`].
    ///
    /// # Errors
    /// As [`open_view`].
    pub fn open_apart(
        directory: &Path,
        repository: RepositoryId,
        memory_bytes: usize,
    ) -> Result<Box<dyn Index>, IndexError> {
        Ok(Box::new(open_private(directory, repository, memory_bytes, None)?))
    }

    /// Has the next writer build the view in `directory` anew; where there is none nothing happens.
    pub fn distrust_view(directory: &Path) {
        let view = directory.join("view");
        if view.exists() {
            // Without the mark the view is used as it is, and its rows are as right as the segments.
            let _ = std::fs::write(distrust_mark(&view), b"");
        }
    }

    struct Place {
        directory: PathBuf,
        repository: RepositoryId,
        memory_bytes: usize,
    }

    impl Place {
        fn view(&self) -> PathBuf {
            self.directory.join("view")
        }

        fn lock(&self) -> PathBuf {
            self.directory.join("lock")
        }

        /// Opening for writing takes 9 ms with its fsyncs, and closing 2 ms, of the 20 ms of a backup of one file that
        /// did not change, and of the 250 ms of one of 79 thousand: too little to put it off until there is something
        /// to write.
        fn open_shared(&self, lock: FileLock) -> Result<View, IndexError> {
            let lock = Arc::new(lock);
            let open = || {
                let kept = Box::new(Arc::clone(&lock));
                DiskIndex::open(&self.view(), self.repository, Role::Primary, self.memory_bytes, kept)
            };
            let distrusted = is_distrusted(&self.view());
            let opened = if distrusted { Err(self.reported_damage()) } else { open() };
            let (index, moved_aside) = match opened {
                Err(IndexError::Damaged { reason, .. }) => {
                    let to = self.move_aside()?;
                    (open()?, Some(MovedAside { to, reason }))
                }
                opened => (opened?, None),
            };
            Ok(View { index: Box::new(index), kind: ViewKind::Shared, moved_aside })
        }

        fn reported_damage(&self) -> IndexError {
            let reason = "damage was found in it when it was last used".into();
            IndexError::Damaged { place: self.view().display().to_string(), reason }
        }

        /// Makes way for a new view; the lock is held.
        fn move_aside(&self) -> Result<PathBuf, IndexError> {
            let (view, to) = (self.view(), self.directory.join("damaged"));
            let cleared = match std::fs::remove_dir_all(&to) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
                _ => std::fs::rename(&view, &to),
            };
            cleared.map_err(|error| failed("moving aside", &view, &error))?;
            // Removed last: were it gone first, a crash in between would have the damaged view trusted again.
            match std::fs::remove_file(distrust_mark(&view)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(failed("moving aside", &view, &error))
                }
                _ => Ok(to),
            }
        }

        fn open_apart(&self) -> Result<View, IndexError> {
            for _ in 0..READ_ATTEMPTS {
                if !self.view().join("CURRENT").exists() || is_distrusted(&self.view()) {
                    break;
                }
                // Files may come and go while they are opened; and a damaged view is the next writer's to replace.
                if let Ok(base) = self.open_base() {
                    return Ok(self.overlay(base));
                }
            }
            let index =
                open_private(&self.directory, self.repository, self.memory_bytes, Some((self.view(), self.lock())))?;
            Ok(View { index: Box::new(index), kind: ViewKind::Private, moved_aside: None })
        }

        fn open_base(&self) -> Result<DiskIndex, IndexError> {
            DiskIndex::open(&self.view(), self.repository, Role::Reader, self.memory_bytes / 2, Box::new(()))
        }

        fn overlay(&self, base: DiskIndex) -> View {
            let (directory, repository) = (self.directory.clone(), self.repository);
            let memory_bytes = self.memory_bytes / 4;
            let spill = move || -> Result<Box<dyn Index>, IndexError> {
                Ok(Box::new(open_private(&directory, repository, memory_bytes, None)?))
            };
            let index = Overlay::new(Box::new(base), memory_bytes.min(OVERLAY_BYTES_MAX), Some(Box::new(spill)));
            View { index: Box::new(index), kind: ViewKind::Overlaid, moved_aside: None }
        }
    }

    /// Opens a new view in a directory of its own. `adopted` says where it may go when it is closed, and under which
    /// lock.
    fn open_private(
        directory: &Path,
        repository: RepositoryId,
        memory_bytes: usize,
        adopted: Option<(PathBuf, PathBuf)>,
    ) -> Result<DiskIndex, IndexError> {
        let mut own = OwnDirectory::create(directory)?;
        let view = own.path().join("view");
        if let Some((to, lock)) = adopted {
            own.adopt(view.clone(), to, lock);
        }
        DiskIndex::open(&view, repository, Role::Primary, memory_bytes, Box::new(own))
    }
}

#[cfg(test)]
#[cfg(feature = "rocksdb")]
mod tests;

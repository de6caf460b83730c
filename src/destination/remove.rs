//! Taking things out of the target.

use std::mem::MaybeUninit;

use rustix::fs::{AtFlags, Mode, OFlags, openat, unlinkat};
use rustix::io::Errno;

use super::{Destination, DestinationError, Made, Operation, Place};
use crate::fs::{Names, Stopped, device_of, is_below, join, look_at, look_through};
use crate::manifest::{Key, Kind};

/// For the kernel's directory entries.
const BUFFER_BYTES: usize = 32 << 10;

/// A directory that is being emptied.
struct Level {
    path: Vec<u8>,
    names: Names,
    next: usize,
}

impl Destination {
    /// The names in the directory at `key`, sorted by their bytes.
    ///
    /// # Errors
    /// [`DestinationError::Refused`].
    pub fn names(&self, key: &Key) -> Result<Names, DestinationError> {
        self.names_at(key.as_bytes()).map_err(|errno| DestinationError::refused(key, Operation::List, errno))
    }

    /// Whether nothing is in the directory at `key`. Costs no more for a large one.
    ///
    /// # Errors
    /// [`DestinationError::Refused`].
    pub fn is_empty(&self, key: &Key) -> Result<bool, DestinationError> {
        let refused = |errno| DestinationError::refused(key, Operation::List, errno);
        match self.read_names(key.as_bytes(), 0).map_err(refused)? {
            (_, None) => Ok(true),
            (_, Some(Stopped::AtLimit)) => Ok(false),
            (_, Some(Stopped::By(errno))) => Err(refused(errno)),
        }
    }

    /// Removes what lies at `key`, with all that is below it; nothing there is no error.
    ///
    /// Links are removed, not followed. File systems mounted below are not entered, which is an error after the rest
    /// of the directory before them is gone.
    ///
    /// # Errors
    /// [`DestinationError::Refused`] for `key`, whatever below it was refused.
    pub fn remove_tree(&self, key: &Key) -> Result<(), DestinationError> {
        let refused = |errno| DestinationError::refused(key, Operation::Remove, errno);
        let top = key.as_bytes();
        self.let_go(top);
        let mut levels = Vec::new();
        if !self.remove_simple(top).map_err(refused)? {
            levels.push(self.level(top.to_vec()).map_err(refused)?);
        }
        while let Some(level) = levels.last_mut() {
            let Some(name) = level.names.get(level.next) else {
                let place = self.place(&level.path).map_err(refused)?;
                self.handles.forget(&level.path);
                self.changing(&level.path, || unlinkat(&place.directory, place.name, AtFlags::REMOVEDIR))
                    .map_err(refused)?;
                levels.pop();
                continue;
            };
            level.next += 1;
            let path = join(&level.path, name.to_bytes());
            if !self.remove_simple(&path).map_err(refused)? {
                levels.push(self.level(path).map_err(refused)?);
            }
        }
        Ok(())
    }

    /// Removes what lies at `key`, which is anything but a directory; nothing there is no error.
    ///
    /// # Errors
    /// [`DestinationError::Refused`].
    pub fn remove_entry(&self, key: &Key) -> Result<(), DestinationError> {
        let refused = |errno| DestinationError::refused(key, Operation::Remove, errno);
        self.let_go(key.as_bytes());
        if self.remove_simple(key.as_bytes()).map_err(refused)? { Ok(()) } else { Err(refused(Errno::ISDIR)) }
    }

    /// Removes the empty directory at `key`; nothing there is no error.
    ///
    /// # Errors
    /// [`DestinationError::InTheWay`] if something is in it; [`DestinationError::Refused`].
    pub fn remove_directory(&self, key: &Key) -> Result<(), DestinationError> {
        let refused = |errno| DestinationError::refused(key, Operation::Remove, errno);
        let place = self.place(key.as_bytes()).map_err(refused)?;
        self.let_go(key.as_bytes());
        match self.changing(key.as_bytes(), || unlinkat(&place.directory, place.name, AtFlags::REMOVEDIR)) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(Errno::NOTEMPTY | Errno::EXIST) => Err(DestinationError::InTheWay { place: key.into() }),
            Err(errno) => Err(refused(errno)),
        }
    }

    /// Whether what lies at `key` could be taken out of the way.
    ///
    /// # Errors
    /// [`DestinationError::InTheWay`] for a directory with something in it; [`DestinationError::Refused`].
    pub fn check_way(&self, key: &Key) -> Result<(), DestinationError> {
        let is_directory = self.look(key)?.is_some_and(|found| found.kind == Kind::Directory);
        if is_directory && !self.is_empty(key)? {
            return Err(DestinationError::InTheWay { place: key.into() });
        }
        Ok(())
    }

    /// Removes what lies at a place, if it is anything but a directory that is not empty.
    pub(super) fn clear(&self, key: &Key, place: &Place<'_>) -> Result<(), DestinationError> {
        let refused = |errno| DestinationError::refused(key, Operation::Remove, errno);
        let found = match look_at(&place.directory, place.name) {
            Ok(found) => Kind::of_mode(found.stx_mode),
            Err(Errno::NOENT) => return Ok(()),
            Err(errno) => return Err(refused(errno)),
        };
        let flags = if found == Kind::Directory { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        self.let_go(key.as_bytes());
        match self.changing(key.as_bytes(), || unlinkat(&place.directory, place.name, flags)) {
            // Changed its kind just now: the caller looks again.
            Ok(()) | Err(Errno::NOENT | Errno::ISDIR | Errno::NOTDIR) => Ok(()),
            Err(Errno::NOTEMPTY | Errno::EXIST) => Err(DestinationError::InTheWay { place: key.into() }),
            Err(errno) => Err(refused(errno)),
        }
    }

    /// Closes everything at this key and below: what comes to lie there is another thing.
    pub(super) fn let_go(&self, key: &[u8]) {
        self.handles.forget(key);
        self.lock_files().remove_tree(key);
        self.lock_opened_up().retain(|opened, _| opened != key && !is_below(opened, key));
    }

    /// Removes anything but a directory; says whether it is gone.
    fn remove_simple(&self, path: &[u8]) -> Result<bool, Errno> {
        let place = self.place(path)?;
        match self.changing(path, || unlinkat(&place.directory, place.name, AtFlags::empty())) {
            Ok(()) | Err(Errno::NOENT) => Ok(true),
            Err(Errno::ISDIR) => Ok(false),
            // Some file systems say so of a directory.
            Err(Errno::PERM) => {
                let is_directory = Kind::of_mode(look_at(&place.directory, place.name)?.stx_mode) == Kind::Directory;
                if is_directory { Ok(false) } else { Err(Errno::PERM) }
            }
            Err(errno) => Err(errno),
        }
    }

    fn level(&self, path: Vec<u8>) -> Result<Level, Errno> {
        let place = self.place(&path)?;
        self.open_up(&path, &place, Made::New)?;
        let (inner, outer) = (look_through(self.handles.directory(&path)?)?, look_through(&place.directory)?);
        if device_of(&inner) != device_of(&outer) {
            return Err(Errno::XDEV);
        }
        let names = self.names_at(&path)?;
        Ok(Level { path, names, next: 0 })
    }

    fn names_at(&self, path: &[u8]) -> Result<Names, Errno> {
        match self.read_names(path, usize::MAX)? {
            (names, None) => Ok(names),
            (_, Some(Stopped::By(errno))) => Err(errno),
            (_, Some(Stopped::AtLimit)) => Err(Errno::OVERFLOW),
        }
    }

    fn read_names(&self, path: &[u8], count_max: usize) -> Result<(Names, Option<Stopped>), Errno> {
        let handle = self.handles.directory(path)?;
        let open = openat(&handle, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let mut buffer = vec![MaybeUninit::uninit(); BUFFER_BYTES];
        Ok(Names::read(&open, &mut buffer, count_max))
    }
}

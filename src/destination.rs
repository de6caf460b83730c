//! Writes trees below one directory and touches nothing outside of it.
//!
//! Everything is reached from a handle of the target directory, without following any link: neither a hostile manifest
//! nor a link that lies in the target, or is put there meanwhile, leads out of it. Directories and files are made
//! accessible to nobody but their maker; what they are in the backup is set at the end: first content, then owner,
//! extended attributes (changing the owner drops capabilities), times, mode, and those of a directory after all that is
//! in it. What an ordinary user may not set is returned as data. What is as wanted already is left as it is, and a link or
//! a node that takes the place of something else is made beside it first.
//!
//! ```no_run
//! # use holdall::destination::{Destination, Existing, Metadata};
//! # fn restore(key: &holdall::manifest::Key, metadata: &Metadata) -> Result<(), holdall::destination::DestinationError> {
//! let destination = Destination::open("/srv/restored".as_ref())?;
//! let file = destination.create_file(key, 5, Existing::Reuse)?;
//! file.write_at(0, b"hello")?;
//! let shortfalls = destination.set_metadata(key, metadata)?;
//! # Ok(()) }
//! ```

mod cloning;
mod error;
mod existing;
mod file;
mod links;
mod marks;
mod metadata;
mod remove;

pub use cloning::Cloned;
#[cfg(test)]
pub(crate) use cloning::testing as cloning_testing;
pub use error::{DestinationError, Operation, Spot};
pub use existing::ExistingFile;
pub use file::{Filling, TargetFile};
use marks::{MARKED_DIRECTORY, MARKED_FILE, Marks};
pub use metadata::{Aspect, Metadata, MetadataSet, Owner, Shortfall};

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags, Statx, StatxAttributes, fsync, mkdirat, openat, syncfs};
use rustix::io::Errno;

use crate::fs::{Handles, OpenTable, affordable, device_of, is_name, look_at, look_through, split};
use crate::manifest::{Key, Kind, Timestamp};

/// Directories that stay open.
const DIRECTORY_COUNT_MAX: usize = 192;
/// Files that stay open between the parts that are written to them.
const FILE_COUNT_MAX: usize = 192;
/// The mode of directories and files while they are being restored.
const PRIVATE_DIRECTORY: Mode = Mode::RWXU;
const PRIVATE_FILE: Mode = Mode::RUSR.union(Mode::WUSR);
/// How often something is taken out of the way before it counts as being put there on purpose.
const ATTEMPT_COUNT: usize = 8;

/// Whether something was made or was there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// It was made.
    New,
    /// It was there, as wanted.
    Reused,
}

/// What happens to what is there where the same kind of thing shall be; anything else but a directory with something in it
/// is replaced, unless nothing may be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It is taken, a file written over, if it has no other name; else it is replaced, so that nothing outside changes
    /// with it.
    Reuse,
    /// It is taken even if it has several names: they belong to one group in the backup.
    ReuseShared,
    /// It is replaced.
    Replace,
    /// It stays, and is an error: nothing was there.
    Refuse,
}

/// What lies in the target at some key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// What kind of thing it is.
    pub kind: Kind,
    /// The lower twelve bits of the mode.
    pub mode: u16,
    /// The owner's id.
    pub uid: u32,
    /// The group's id.
    pub gid: u32,
    /// Length in bytes.
    pub size: u64,
    /// When the content was last changed.
    pub mtime: Timestamp,
    /// Number of the inode.
    pub inode: u64,
    /// How many names the inode has.
    pub links: u64,
    /// The device that holds it: major number in the upper 32 bits, minor number in the lower.
    pub device: u64,
    /// Whether another file system, or another part of this one, is mounted here.
    pub is_mounted_on: bool,
}

impl From<Statx> for Present {
    fn from(found: Statx) -> Self {
        Self {
            kind: Kind::of_mode(found.stx_mode),
            mode: found.stx_mode & 0o7777,
            uid: found.stx_uid,
            gid: found.stx_gid,
            size: found.stx_size,
            mtime: Timestamp::new(found.stx_mtime.tv_sec, found.stx_mtime.tv_nsec).unwrap_or_default(),
            inode: found.stx_ino,
            links: found.stx_nlink.into(),
            device: device_of(&found),
            is_mounted_on: found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT),
        }
    }
}

/// Inode and device.
type Identity = (u64, u64);

fn identity_of(found: &Statx) -> Identity {
    (found.stx_ino, device_of(found))
}

/// Whether what is made in a directory of this mode gets its group.
const fn lends_group(mode: u16) -> bool {
    mode & 0o2000 != 0
}

/// A directory below which trees are written, shared by the threads that write.
pub struct Destination {
    handles: Handles,
    /// Whether the target was made when it was opened.
    made: Made,
    files: Mutex<OpenTable<TargetFile>>,
    /// Which file it was that was let go before it was complete, or was found right, by its key: what is opened again must
    /// be that one.
    let_go: Mutex<HashMap<Key, Identity>>,
    /// Modes of directories that were there and were made accessible, until their final mode is set.
    opened_up: Mutex<BTreeMap<Vec<u8>, u16>>,
    /// Whose the files are that this process makes: user and group.
    maker: (u32, u32),
    /// Which files are marked until they are complete.
    marks: Marks,
    /// Whether a directory that was there hands a list of rights to what is made in it, so that new files must be looked
    /// at for one.
    bequeaths: AtomicBool,
    /// Whether a directory that was there gives its group to what is made in it, instead of the maker's.
    lends_group: AtomicBool,
    /// Whether files may share blocks, once that was asked.
    cloning: OnceLock<AtomicBool>,
}

impl std::fmt::Debug for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Destination").finish_non_exhaustive()
    }
}

impl Destination {
    /// Opens the directory `target`, links on the way to it followed; made if only it is missing, not those above.
    ///
    /// # Errors
    /// [`DestinationError::Target`].
    pub fn open(target: &Path) -> Result<Self, DestinationError> {
        let refused = |errno: Errno| DestinationError::Target { path: target.to_path_buf(), source: errno.into() };
        let made = mkdirat(CWD, target, MARKED_DIRECTORY);
        match made {
            Ok(()) | Err(Errno::EXIST) => {}
            // Whether it can be used, opening will tell.
            Err(Errno::ROFS | Errno::ACCESS | Errno::PERM) => {}
            Err(errno) => return Err(refused(errno)),
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat(CWD, target, flags, Mode::empty());
        // That it is missing is then no news; why it could not be made is.
        let root = root.map_err(|errno| {
            refused(made.err().filter(|made| errno == Errno::NOENT && *made != Errno::EXIST).unwrap_or(errno))
        })?;
        let bequeaths = metadata::bequeaths_rights(&root);
        let lends_group = lends_group(look_through(&root).map_err(refused)?.stx_mode);
        Ok(Self {
            handles: Handles::new(root, DIRECTORY_COUNT_MAX),
            made: if made.is_ok() { Made::New } else { Made::Reused },
            files: Mutex::new(OpenTable::new(affordable(FILE_COUNT_MAX))),
            let_go: Mutex::default(),
            opened_up: Mutex::default(),
            maker: (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()),
            marks: Marks::Parts,
            bequeaths: AtomicBool::new(bequeaths),
            lends_group: AtomicBool::new(lends_group),
            cloning: OnceLock::new(),
        })
    }

    /// Looks at what lies at `key`; `None` if nothing does.
    ///
    /// # Errors
    /// [`DestinationError::Refused`].
    pub fn look(&self, key: &Key) -> Result<Option<Present>, DestinationError> {
        let refused = |errno| DestinationError::refused(key, Operation::Look, errno);
        let place = match self.place(key.as_bytes()) {
            Ok(place) => place,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
            Err(errno) => return Err(refused(errno)),
        };
        match look_at(place.directory, place.name) {
            Ok(found) => Ok(Some(found.into())),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(refused(errno)),
        }
    }

    /// Makes the directory `key`, for its maker only, or opens up the one that is there. The one above it must exist;
    /// the root is the target itself, which was made if it was not there when it was opened.
    ///
    /// # Errors
    /// [`DestinationError::Refused`], [`DestinationError::Restless`].
    pub fn make_directory(&self, key: &Key) -> Result<Made, DestinationError> {
        let refused = |errno| DestinationError::refused(key, Operation::MakeDirectory, errno);
        let place = self.place(key.as_bytes()).map_err(refused)?;
        let mut made = if key.is_root() { self.made } else { Made::Reused };
        for _ in 0..ATTEMPT_COUNT {
            match self.open_up(key.as_bytes(), &place, made) {
                Ok(()) => return Ok(made),
                Err(Errno::NOENT) => {
                    let make = || mkdirat(&place.directory, place.name, MARKED_DIRECTORY);
                    match self.changing(key.as_bytes(), make) {
                        Ok(()) => made = Made::New,
                        Err(Errno::EXIST) => {}
                        Err(errno) => return Err(refused(errno)),
                    };
                }
                Err(Errno::NOTDIR | Errno::LOOP) => self.clear(key, &place)?,
                Err(errno) => return Err(refused(errno)),
            }
        }
        Err(DestinationError::Restless { place: key.into() })
    }

    /// Makes the directory `key`, for its maker only, where nothing lies.
    ///
    /// # Errors
    /// [`DestinationError::Taken`], [`DestinationError::Refused`].
    pub fn make_new_directory(&self, key: &Key) -> Result<(), DestinationError> {
        let refused = |errno| DestinationError::refused(key, Operation::MakeDirectory, errno);
        let place = self.place(key.as_bytes()).map_err(refused)?;
        match self.changing(key.as_bytes(), || mkdirat(&place.directory, place.name, MARKED_DIRECTORY)) {
            Ok(()) => self.open_up(key.as_bytes(), &place, Made::New).map_err(refused),
            Err(Errno::EXIST) => Err(DestinationError::Taken { place: key.into() }),
            Err(errno) => Err(refused(errno)),
        }
    }

    /// Puts back the modes of directories that were opened up and got no metadata since; called at the end.
    ///
    /// # Errors
    /// The first [`DestinationError::Refused`], after trying all.
    pub fn settle(&self) -> Result<(), DestinationError> {
        let opened_up = std::mem::take(&mut *self.lock_opened_up());
        let mut outcome = Ok(());
        for (key, mode) in opened_up.into_iter().rev() {
            let Ok(key) = Key::parse(key) else { continue };
            let done = self.handles.directory(key.as_bytes()).and_then(|handle| metadata::set_mode(&handle, mode));
            outcome = outcome.and(done.map_err(|errno| DestinationError::refused(&key, Operation::SetMode, errno)));
        }
        outcome
    }

    /// Waits until everything written to the target's file system is on its disk.
    ///
    /// # Errors
    /// [`DestinationError::Refused`].
    pub fn sync(&self) -> Result<(), DestinationError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat(self.handles.root(), ".", flags, Mode::empty());
        let synced = root.and_then(|root| syncfs(&root).and_then(|()| fsync(&root)));
        synced.map_err(|errno| DestinationError::refused(&Key::root(), Operation::Sync, errno))
    }

    /// Changes what the directory of `key` holds. One in which its owner may not do so is opened up first: only then,
    /// so that a directory in which nothing has to be changed stays as it is.
    fn changing<T>(&self, key: &[u8], change: impl Fn() -> Result<T, Errno>) -> Result<T, Errno> {
        match change() {
            Err(Errno::ACCESS) if self.open_up_for_changes(key) => change(),
            answer => answer,
        }
    }

    /// Lets the owner of the directory of `key` change what it holds; says whether that made a difference.
    fn open_up_for_changes(&self, key: &[u8]) -> bool {
        let Some((directory, _)) = split(key) else { return false };
        let Ok(handle) = self.handles.directory(directory) else { return false };
        let Ok(mode) = look_through(&handle).map(|found| found.stx_mode & 0o7777) else { return false };
        if mode & 0o700 == 0o700 || metadata::set_mode(&handle, mode | 0o700).is_err() {
            return false;
        }
        self.lock_opened_up().entry(directory.to_vec()).or_insert(mode);
        true
    }

    /// Opens a directory that is there, and lets its owner look around in it; in one that was just made, work in it.
    fn open_up(&self, key: &[u8], place: &Place<'_>, made: Made) -> Result<(), Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = || openat(&place.directory, place.name, flags, Mode::empty());
        let handle = self.handles.making_room(open)?;
        let mode = look_through(&handle)?.stx_mode & 0o7777;
        if made == Made::Reused && metadata::bequeaths_rights(&handle) {
            self.bequeaths.store(true, Ordering::Relaxed);
        }
        if lends_group(mode) {
            self.lends_group.store(true, Ordering::Relaxed);
        }
        let needed = if made == Made::New { 0o700 } else { 0o500 };
        if mode & needed != needed {
            match metadata::set_mode(&handle, mode | 0o700) {
                Ok(()) if made == Made::Reused => {
                    self.lock_opened_up().entry(key.to_vec()).or_insert(mode);
                }
                Ok(()) => {}
                // Not ours: it may still let us in as it is.
                Err(Errno::PERM | Errno::ROFS) => {}
                Err(errno) => return Err(errno),
            }
        }
        if !key.is_empty() {
            self.handles.keep(key, Arc::new(handle));
        }
        Ok(())
    }

    fn lock_files(&self) -> MutexGuard<'_, OpenTable<TargetFile>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_let_go(&self) -> MutexGuard<'_, HashMap<Key, Identity>> {
        self.let_go.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fails when what was opened at a key is not the file that was made or compared there and let go.
    fn require_same(&self, key: &Key, found: &Statx) -> Result<(), DestinationError> {
        let is_other = self.lock_let_go().get(key).is_some_and(|made| *made != identity_of(found));
        if is_other { Err(DestinationError::Restless { place: key.into() }) } else { Ok(()) }
    }

    fn lock_opened_up(&self) -> MutexGuard<'_, BTreeMap<Vec<u8>, u16>> {
        self.opened_up.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The directory that holds `key`, and its name there; the root is `.` in itself.
    fn place<'a>(&self, key: &'a [u8]) -> Result<Place<'a>, Errno> {
        match split(key) {
            Some((directory, name)) if is_name(name) => {
                Ok(Place { directory: self.handles.directory(directory)?, name })
            }
            Some(_) => Err(Errno::INVAL),
            None => Ok(Place { directory: self.handles.root(), name: b"." }),
        }
    }
}

/// A name in an open directory.
struct Place<'a> {
    directory: Arc<OwnedFd>,
    name: &'a [u8],
}

#[cfg(test)]
mod tests;

//! The kernel's side of a mounted tree: its questions in, the library's answers out.

mod reply;

use fuser::{
    Config, Errno, FileHandle, Filesystem, FopenFlags, INodeNo, InitFlags, KernelConfig, LockOwner, MountOption,
    OpenFlags, ReplyAttr, ReplyData, ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty, ReplyEntry, ReplyLseek, ReplyOpen,
    ReplyXattr, Request, SessionACL,
};
use holdall::{Error, ErrorKind, FileNumber, MountedTree, OpenDirectory, OpenFile, Seek, Taken};
use reply::{GENERATION, Looks, attribute_lifetime, entry_lifetime, file_type};
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::hash::Hash;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(super) use reply::Owners;

/// How many questions are answered at the same time.
const THREADS: usize = 4;
/// Of so many files problems are told; those of others are answered with an error alone.
const TOLD_MAX: usize = 10_000;
/// As `lseek` has them.
const SEEK_DATA: i32 = 3;
const SEEK_HOLE: i32 = 4;

/// Who may look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Audience {
    /// Whoever mounted it.
    Owner,
    /// Everybody, as far as the permissions of the files go.
    AllWithPermission,
    /// Everybody, everything.
    All,
}

/// Shows a tree at a folder. Problems go into `problems` as long as there is room.
pub(super) fn mount(
    tree: MountedTree,
    directory: &Path,
    (audience, owners): (Audience, Owners),
    problems: SyncSender<String>,
) -> io::Result<fuser::BackgroundSession> {
    let mut config = Config::default();
    config.mount_options = vec![
        MountOption::FSName("holdall".to_owned()),
        MountOption::RO,
        MountOption::NoDev,
        MountOption::NoSuid,
        MountOption::NoAtime,
    ];
    if audience == Audience::AllWithPermission {
        config.mount_options.push(MountOption::DefaultPermissions);
    }
    config.acl = if audience == Audience::Owner { SessionACL::Owner } else { SessionACL::All };
    config.n_threads = Some(THREADS);
    let adapter = Adapter {
        tree,
        looks: Looks::new(owners),
        files: Handles::default(),
        directories: Handles::default(),
        problems,
        told: Mutex::default(),
    };
    fuser::Session::new(adapter, directory, &config)?.spawn()
}

/// Answers the kernel.
struct Adapter {
    tree: MountedTree,
    looks: Looks,
    files: Handles<OpenFile>,
    directories: Handles<OpenDirectory>,
    problems: SyncSender<String>,
    /// Of which files a problem was told.
    told: Mutex<HashSet<INodeNo>>,
}

/// What is open.
struct Handles<T> {
    open: Mutex<HashMap<u64, Arc<T>>>,
    next: AtomicU64,
}

impl<T> Default for Handles<T> {
    fn default() -> Self {
        Self { open: Mutex::default(), next: AtomicU64::new(1) }
    }
}

impl<T> Handles<T> {
    fn add(&self, opened: T) -> FileHandle {
        let handle = self.next.fetch_add(1, Ordering::Relaxed);
        locked(&self.open).insert(handle, Arc::new(opened));
        FileHandle(handle)
    }

    fn get(&self, handle: FileHandle) -> Result<Arc<T>, Errno> {
        locked(&self.open).get(&handle.0).cloned().ok_or(Errno::EBADF)
    }

    fn remove(&self, handle: FileHandle) {
        locked(&self.open).remove(&handle.0);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Adds something to a set that grows no further than it may; says whether it was not there.
fn note<T: Eq + Hash>(set: &mut HashSet<T>, item: T) -> bool {
    set.len() < TOLD_MAX && set.insert(item)
}

impl Adapter {
    /// What the kernel is told of an error. What a user should know of is told once of each file.
    fn errno(&self, number: INodeNo, error: &Error) -> Errno {
        if error.kind() == ErrorKind::NotFound {
            return Errno::ENOENT;
        }
        if error.kind() == ErrorKind::Invalid {
            return Errno::EINVAL;
        }
        if note(&mut locked(&self.told), number) {
            // Where nobody reads fast enough, the kernel's answer has to do.
            let _ = self.problems.try_send(error.to_string());
        }
        Errno::EIO
    }

    fn xattr(&self, number: INodeNo, see: impl Fn(&[(Vec<u8>, Vec<u8>)]) -> Option<Vec<u8>>) -> Result<Vec<u8>, Errno> {
        let xattrs = self.tree.xattrs(of(number)).map_err(|error| self.errno(number, &error))?;
        see(&xattrs).ok_or(Errno::NO_XATTR)
    }

    /// Fills an answer with rows; an error counts only where it is all there is to say: it comes again.
    fn fill(
        &self,
        number: INodeNo,
        (handle, from): (FileHandle, u64),
        add: &mut dyn FnMut(&holdall::DirectoryRow<'_>) -> Result<Taken, Error>,
    ) -> Result<(), Errno> {
        let directory = self.directories.get(handle)?;
        let (mut row_count, mut failed) = (0u64, None);
        let listed = self.tree.list(&directory, from, &mut |row| {
            let taken = add(row).unwrap_or_else(|error| {
                failed = Some(error);
                Taken::Full
            });
            row_count = row_count.saturating_add(u64::from(taken == Taken::Yes));
            taken
        });
        match failed.map_or(listed, Err) {
            Err(error) if row_count == 0 => Err(self.errno(number, &error)),
            Err(_) | Ok(()) => Ok(()),
        }
    }
}

const fn of(number: INodeNo) -> FileNumber {
    FileNumber::from_raw(number.0)
}

impl Filesystem for Adapter {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        // No cache of symbolic links: where `latest` leads changes.
        let wishes =
            [InitFlags::FUSE_DO_READDIRPLUS, InitFlags::FUSE_READDIRPLUS_AUTO, InitFlags::FUSE_PARALLEL_DIROPS];
        for wish in wishes {
            // A kernel that can't has other ways.
            let _ = config.add_capabilities(wish);
        }
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match self.tree.lookup(of(parent), name.as_bytes()) {
            Ok(Some(found)) => {
                let lifetimes = (attribute_lifetime(&found), entry_lifetime(&found));
                reply.entry_with_ttls(&lifetimes.0, &lifetimes.1, &self.looks.numbered(&found), GENERATION);
            }
            Ok(None) => reply.error(Errno::ENOENT),
            Err(error) => reply.error(self.errno(parent, &error)),
        }
    }

    fn getattr(&self, _: &Request, number: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.tree.attributes(of(number)) {
            Ok(found) => reply.attr(&attribute_lifetime(&found), &self.looks.shown(&found)),
            Err(error) => reply.error(self.errno(number, &error)),
        }
    }

    fn readlink(&self, _: &Request, number: INodeNo, reply: ReplyData) {
        match self.tree.link_target(of(number)) {
            Ok(target) => reply.data(&target),
            Err(error) => reply.error(self.errno(number, &error)),
        }
    }

    fn open(&self, _: &Request, number: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        match self.tree.open_file(of(number)) {
            // What a snapshot holds never changes.
            Ok(file) => reply.opened(self.files.add(file), FopenFlags::FOPEN_KEEP_CACHE),
            Err(error) => reply.error(self.errno(number, &error)),
        }
    }

    fn read(
        &self,
        _: &Request,
        number: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let length = usize::try_from(size).unwrap_or(usize::MAX);
        let read =
            |file: Arc<OpenFile>| self.tree.read(&file, offset, length).map_err(|error| self.errno(number, &error));
        match self.files.get(handle).and_then(read) {
            Ok(bytes) => reply.data(&bytes),
            Err(errno) => reply.error(errno),
        }
    }

    fn release(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.files.remove(handle);
        reply.ok();
    }

    fn opendir(&self, _: &Request, number: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        match self.tree.open_directory(of(number)) {
            Ok(directory) => reply.opened(self.directories.add(directory), FopenFlags::empty()),
            Err(error) => reply.error(self.errno(number, &error)),
        }
    }

    fn readdir(&self, _: &Request, number: INodeNo, handle: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let filled = self.fill(number, (handle, offset), &mut |row| {
            let name = OsStr::from_bytes(row.name);
            Ok(taken(reply.add(INodeNo(row.inode), row.position, file_type(row.kind), name)))
        });
        match filled {
            Ok(()) => reply.ok(),
            Err(errno) => reply.error(errno),
        }
    }

    fn readdirplus(
        &self,
        _: &Request,
        number: INodeNo,
        handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        let filled = self.fill(number, (handle, offset), &mut |row| {
            let found = self.tree.row_attributes(row)?;
            let (node, name) = (INodeNo(row.number.raw()), OsStr::from_bytes(row.name));
            // The kernel takes the number it asks by from the attributes.
            let (lifetime, attributes) = (attribute_lifetime(&found), self.looks.numbered(&found));
            Ok(taken(reply.add(node, row.position, name, &lifetime, &attributes, GENERATION)))
        });
        match filled {
            Ok(()) => reply.ok(),
            Err(errno) => reply.error(errno),
        }
    }

    fn releasedir(&self, _: &Request, _: INodeNo, handle: FileHandle, _: OpenFlags, reply: ReplyEmpty) {
        self.directories.remove(handle);
        reply.ok();
    }

    fn getxattr(&self, _: &Request, number: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        let value = self.xattr(number, |xattrs| {
            let mut fitting = xattrs.iter().filter(|(held, _)| held == name.as_bytes());
            fitting.next().map(|(_, value)| value.clone())
        });
        reply::xattr(value, size, reply);
    }

    fn listxattr(&self, _: &Request, number: INodeNo, size: u32, reply: ReplyXattr) {
        let terminated = |(name, _): &(Vec<u8>, Vec<u8>)| [name.as_slice(), &[0]].concat();
        let names = self.xattr(number, |xattrs| Some(xattrs.iter().flat_map(terminated).collect()));
        reply::xattr(names, size, reply);
    }

    fn lseek(&self, _: &Request, _: INodeNo, handle: FileHandle, offset: i64, whence: i32, reply: ReplyLseek) {
        let sought = self.files.get(handle).and_then(|file| {
            let what = match whence {
                SEEK_DATA => Seek::Data,
                SEEK_HOLE => Seek::Hole,
                _ => return Err(Errno::EINVAL),
            };
            let offset = u64::try_from(offset).map_err(|_| Errno::ENXIO)?;
            file.seek(what, offset).and_then(|found| i64::try_from(found).ok()).ok_or(Errno::ENXIO)
        });
        match sought {
            Ok(offset) => reply.offset(offset),
            Err(errno) => reply.error(errno),
        }
    }
}

const fn taken(is_full: bool) -> Taken {
    if is_full { Taken::Full } else { Taken::Yes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_told_once_and_those_that_are_remembered_are_bounded() {
        let mut told = HashSet::new();
        assert!(note(&mut told, 1));
        assert!(!note(&mut told, 1));
        for number in 0..TOLD_MAX + 10 {
            let _ = note(&mut told, number);
        }
        assert_eq!(told.len(), TOLD_MAX);
    }

    #[test]
    fn what_is_closed_is_held_no_more() {
        let handles = Handles::default();
        let (one, other) = (handles.add("one"), handles.add("other"));
        handles.remove(one);
        assert!(handles.get(one).is_err());
        assert_eq!(handles.get(other).ok().as_deref(), Some(&"other"));
    }
}

//! Handles of the directories below one root.
//!
//! A directory is reached from the root, or from a directory nearer to it that is open already, with `openat2` told to
//! stay beneath and to follow no link; where the kernel lacks it, name by name with `O_NOFOLLOW`. Only a bounded
//! number stays open, so neither depth nor width of a tree meets the limit of open files, and a path may be longer
//! than the kernel takes in one call.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;

use super::table::OpenTable;
use super::{affordable, is_name, split};

/// How a directory is opened: as a place to start from, which needs no permission to read it.
const PLACE: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// Every so many names a directory on the way is kept as well: climbing out of a deep tree then starts from there, not
/// from the root.
const STRIDE: usize = 64;
/// The kernel takes paths up to 4096 bytes with their end.
const PATH_BYTES_MAX: usize = 4000;

/// Open directories below one root.
pub struct Handles {
    root: Arc<OwnedFd>,
    /// Directories that are reached as the user named them, links followed; sorted.
    followed: Vec<Vec<u8>>,
    open: Mutex<OpenTable<OwnedFd>>,
    by_single_names: AtomicBool,
}

impl Handles {
    /// Directories below `root`, of which up to `open_count_max` (at least 2) stay open, or as many as the process can
    /// [afford](affordable); what is in use elsewhere comes on top.
    pub fn new(root: OwnedFd, open_count_max: usize) -> Self {
        Self {
            root: Arc::new(root),
            followed: Vec::new(),
            open: Mutex::new(OpenTable::new(affordable(open_count_max))),
            by_single_names: AtomicBool::new(false),
        }
    }

    /// Reaches the directories with these key bytes by the user's own path, following links on it.
    #[must_use]
    pub fn following(mut self, mut followed: Vec<Vec<u8>>) -> Self {
        followed.sort_unstable();
        self.followed = followed;
        self
    }

    /// Whether links on the way to this directory, and itself being one, are followed.
    pub fn is_followed(&self, key: &[u8]) -> bool {
        self.followed.binary_search_by(|probe| probe.as_slice().cmp(key)).is_ok()
    }

    /// Does without `openat2`, as on a kernel that lacks it.
    pub fn use_single_names(&self) {
        self.by_single_names.store(true, Ordering::Relaxed);
    }

    /// The root itself.
    pub fn root(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.root)
    }

    /// A handle of the directory with these key bytes: good as a place to start from, not for reading it.
    ///
    /// # Errors
    /// Those of opening: `NOTDIR` or `LOOP` where something else or a link is met on the way; `INVAL` for key bytes
    /// that hold names like `..`.
    pub fn directory(&self, key: &[u8]) -> Result<Arc<OwnedFd>, Errno> {
        if key.is_empty() {
            return Ok(self.root());
        }
        if let Some(handle) = self.lock().get(key) {
            return Ok(handle);
        }
        let (mut done, mut handle) = self.nearest(key)?;
        while done < key.len() {
            let start = if done == 0 { 0 } else { done + 1 };
            let end = end_of_step(key, start);
            let names = key.get(start..end).unwrap_or_default();
            handle = Arc::new(self.making_room(|| self.descend(&handle, names))?);
            self.keep(key.get(..end).unwrap_or_default(), Arc::clone(&handle));
            done = end;
        }
        Ok(handle)
    }

    /// Opens something. Where too many files are open for it, some of what is kept here is let go: a process that runs short
    /// for a moment must not take what is there for unreadable.
    ///
    /// # Errors
    /// Those of opening.
    pub fn making_room<T>(&self, open: impl Fn() -> Result<T, Errno>) -> Result<T, Errno> {
        loop {
            match open() {
                Err(Errno::MFILE | Errno::NFILE) if !self.lock().let_some_go().is_empty() => {}
                answer => return answer,
            }
        }
    }

    /// Keeps a handle that was opened by other means, for the next who asks for this directory.
    pub fn keep(&self, key: &[u8], handle: Arc<OwnedFd>) {
        drop(self.lock().insert(key, handle));
    }

    /// Lets go of a directory and of all below it, because it was removed or replaced.
    pub fn forget(&self, key: &[u8]) {
        self.lock().remove_tree(key);
    }

    fn lock(&self) -> MutexGuard<'_, OpenTable<OwnedFd>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An open directory on the way from the root to `key`, with the length of its key bytes.
    ///
    /// Looks only a stride upwards: in a tree of 30 000 levels, trying every one of them would cost more than
    /// starting at the root.
    fn nearest(&self, key: &[u8]) -> Result<(usize, Arc<OwnedFd>), Errno> {
        let base = ways_up(key).find(|way| self.is_followed(way)).unwrap_or_default();
        let mut open = self.lock();
        let kept = ways_up(key).take(STRIDE + 1).take_while(|way| way.len() >= base.len());
        for way in kept {
            if let Some(handle) = open.get(way) {
                return Ok((way.len(), handle));
            }
        }
        drop(open);
        if base.is_empty() {
            return Ok((0, self.root()));
        }
        let place = PLACE.difference(OFlags::NOFOLLOW);
        let handle = Arc::new(self.making_room(|| openat(&self.root, path_of(base), place, Mode::empty()))?);
        self.keep(base, Arc::clone(&handle));
        Ok((base.len(), handle))
    }

    /// Opens the directory that `names` (key bytes) lead to from `handle`.
    fn descend(&self, handle: &OwnedFd, names: &[u8]) -> Result<OwnedFd, Errno> {
        if !names.split(|&byte| byte == 0).all(is_name) {
            return Err(Errno::INVAL);
        }
        if !self.by_single_names.load(Ordering::Relaxed) {
            let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
            match openat2(handle, path_of(names), PLACE, Mode::empty(), beneath) {
                // Missing, or hidden by a sandbox that answers so.
                Err(Errno::NOSYS | Errno::PERM) => self.use_single_names(),
                answer => return answer,
            }
        }
        descend_by_single_names(handle, names)
    }
}

/// The key bytes of `key` itself, of the directory that holds it, and so on, without the root.
fn ways_up(key: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::successors(Some(key), |way| split(way).map(|(directory, _)| directory)).take_while(|way| !way.is_empty())
}

/// Where a call that starts at `start` ends: after whole names, as many as a stride and the kernel allow.
fn end_of_step(key: &[u8], start: usize) -> usize {
    let rest = key.get(start..).unwrap_or_default();
    let ends = rest.iter().enumerate().filter(|(_, byte)| **byte == 0).map(|(end, _)| end).chain([rest.len()]);
    let mut taken = ends.take(STRIDE).enumerate().take_while(|(name, end)| *name == 0 || *end <= PATH_BYTES_MAX);
    start + taken.by_ref().last().map_or(rest.len(), |(_, end)| end)
}

fn descend_by_single_names(start: impl AsFd, names: &[u8]) -> Result<OwnedFd, Errno> {
    let mut names = names.split(|&byte| byte == 0);
    let first = names.next().unwrap_or_default();
    let opened = openat(start, first, PLACE, Mode::empty())?;
    names.try_fold(opened, |at, name| openat(&at, name, PLACE, Mode::empty()))
}

fn path_of(names: &[u8]) -> Vec<u8> {
    names.iter().map(|&byte| if byte == 0 { b'/' } else { byte }).collect()
}

//! Files that share their blocks with one that was written before, where the file system lets them.

use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{OFlags, ioctl_ficlone, openat};
use rustix::io::Errno;

use super::{Destination, ExistingFile, PRIVATE_FILE, TargetFile};

/// What became of a wish to share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cloned {
    /// The file has the content of the other one, and shares its blocks.
    Yes,
    /// It has to be written: the two lie on different file systems, for instance.
    No,
    /// As before, and so it will be with every other one.
    Never,
}

impl Destination {
    /// Whether files in the target may share blocks. Costs three system calls the first time.
    pub fn clones(&self) -> bool {
        self.cloning.get_or_init(|| AtomicBool::new(self.tries_cloning())).load(Ordering::Relaxed)
    }

    /// From now on no file is said to share blocks.
    pub fn stop_cloning(&self) {
        self.cloning.get_or_init(AtomicBool::default).store(false, Ordering::Relaxed);
    }

    /// Two files without a name and without a byte tell as much as any others.
    fn tries_cloning(&self) -> bool {
        #[cfg(test)]
        if testing::pretends() {
            return true;
        }
        let make = || openat(self.handles.root(), ".", OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, PRIVATE_FILE);
        let (Ok(one), Ok(other)) = (make(), make()) else { return false };
        ioctl_ficlone(&one, &other).is_ok()
    }
}

impl TargetFile {
    /// Gives the file the content of another one as it is now, holes included.
    pub fn clone_of(&self, source: &ExistingFile) -> Cloned {
        match ioctl_ficlone(&self.file, source.handle()) {
            Ok(()) => Cloned::Yes,
            Err(Errno::OPNOTSUPP | Errno::NOTTY | Errno::NOSYS | Errno::INVAL) => Cloned::Never,
            // Another file system, no space, a limit of how many may share a block: true of this one.
            Err(_) => Cloned::No,
        }
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use std::cell::Cell;

    thread_local! {
        static PRETENDS: Cell<bool> = const { Cell::new(false) };
    }

    pub(super) fn pretends() -> bool {
        PRETENDS.get()
    }

    /// Has restores of this thread believe that every file system lets files share blocks.
    pub(crate) fn pretend() {
        PRETENDS.set(true);
    }
}

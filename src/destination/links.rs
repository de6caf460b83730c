//! What has no content of its own: symbolic links, further names, pipes, sockets, devices.

use std::sync::Arc;

use rustix::fd::OwnedFd;
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, Statx, linkat, makedev, mknodat, openat, readlinkat, renameat, symlinkat, unlinkat,
};
use rustix::io::Errno;

use super::metadata::set_mode;
use super::{
    ATTEMPT_COUNT, Destination, DestinationError, Existing, MARKED_FILE, Made, Operation, Place, Present, identity_of,
};
use crate::fs::{look_at, look_through};
use crate::manifest::{Device, Key, Kind};

impl Destination {
    /// Makes a symbolic link; one with the same target is reused as `existing` says. The target is never looked at.
    ///
    /// # Errors
    /// [`DestinationError::InTheWay`], [`DestinationError::Taken`], [`DestinationError::Refused`],
    /// [`DestinationError::Restless`].
    pub fn make_symlink(&self, key: &Key, target: &[u8], existing: Existing) -> Result<Made, DestinationError> {
        let there = |place: &Place<'_>, _: &Statx| leads_to(place, target);
        let make = |place: &Place<'_>| symlinkat(target, &place.directory, place.name);
        self.make(key, Operation::MakeSymlink, (existing, there), make)
    }

    /// Makes a pipe, a socket or a device node; the same one is reused as `existing` says. `device` counts for device
    /// nodes only.
    ///
    /// # Errors
    /// [`DestinationError::InTheWay`], [`DestinationError::Taken`], [`DestinationError::Refused`] (with `EPERM` where an
    /// ordinary user asks for a device, with `EOVERFLOW` for one whose numbers Linux has no room for, with `EINVAL` for kinds
    /// that are no such nodes), [`DestinationError::Restless`].
    pub fn make_special(
        &self,
        key: &Key,
        (kind, device): (Kind, Device),
        existing: Existing,
    ) -> Result<Made, DestinationError> {
        let (file_type, number) = match kind {
            Kind::Fifo => (FileType::Fifo, 0),
            Kind::Socket => (FileType::Socket, 0),
            Kind::CharDevice => (FileType::CharacterDevice, number_of(key, device)?),
            Kind::BlockDevice => (FileType::BlockDevice, number_of(key, device)?),
            Kind::Directory | Kind::File | Kind::Symlink | Kind::Unknown => {
                return Err(DestinationError::refused(key, Operation::MakeSpecial, Errno::INVAL));
            }
        };
        let there = |_: &Place<'_>, found: &Statx| is_node(found, kind, device);
        self.make(key, Operation::MakeSpecial, (existing, there), |place| {
            mknodat(&place.directory, place.name, file_type, MARKED_FILE, number)
        })
    }

    /// Gives what lies at `existing`, of any kind but a directory, the further name `key`.
    ///
    /// Directories on the way to `existing` may have got their final modes already: one that lets nobody pass is opened
    /// up for the moment.
    ///
    /// # Errors
    /// [`DestinationError::InTheWay`], [`DestinationError::Refused`] (which [says](DestinationError::is_unlinkable) whether
    /// a copy has to do), [`DestinationError::Restless`].
    pub fn make_link(&self, existing: &Key, key: &Key) -> Result<Made, DestinationError> {
        let mut answer = self.link(existing, key);
        // While the way is opened up, a directory nearer to the root may get its final mode and close it again.
        for _ in 0..ATTEMPT_COUNT {
            match &answer {
                Err(error) if error.errno() == Errno::ACCESS.raw_os_error() => {}
                _ => break,
            }
            let closed = self.open_way(existing.as_bytes());
            answer = self.link(existing, key);
            for (directory, mode) in closed.into_iter().rev() {
                set_mode(&directory, mode)
                    .map_err(|errno| DestinationError::refused(key, Operation::SetMode, errno))?;
            }
        }
        answer
    }

    fn link(&self, existing: &Key, key: &Key) -> Result<Made, DestinationError> {
        let refused = |errno| DestinationError::refused(key, Operation::MakeLink, errno);
        let first = self.place(existing.as_bytes()).map_err(refused)?;
        let wanted = look_at(&first.directory, first.name).map_err(refused)?;
        let there = |_: &Place<'_>, found: &Statx| identity_of(found) == identity_of(&wanted);
        self.make(key, Operation::MakeLink, (Existing::ReuseShared, there), |place| {
            linkat(&first.directory, first.name, &place.directory, place.name, AtFlags::empty())
        })
    }

    /// Whether [`make_symlink`](Self::make_symlink) would find what it makes, and take it.
    ///
    /// # Errors
    /// [`DestinationError::Refused`].
    pub fn is_symlink(&self, key: &Key, target: &[u8], existing: Existing) -> Result<bool, DestinationError> {
        self.is_there(key, |place, found| takes(existing, found) && leads_to(place, target))
    }

    /// Whether [`make_special`](Self::make_special) would find what it makes, and take it.
    ///
    /// # Errors
    /// [`DestinationError::Refused`].
    pub fn is_special(
        &self,
        key: &Key,
        (kind, device): (Kind, Device),
        existing: Existing,
    ) -> Result<bool, DestinationError> {
        self.is_there(key, |_, found| takes(existing, found) && is_node(found, kind, device))
    }

    /// Whether `existing` and `key` are names of one thing.
    ///
    /// # Errors
    /// [`DestinationError::Refused`].
    pub fn is_link(&self, existing: &Key, key: &Key) -> Result<bool, DestinationError> {
        let (first, further) = (self.look(existing)?, self.look(key)?);
        let is_one = |(one, other): (Present, Present)| (one.device, one.inode) == (other.device, other.inode);
        Ok(first.zip(further).is_some_and(is_one))
    }

    fn is_there(&self, key: &Key, there: impl Fn(&Place<'_>, &Statx) -> bool) -> Result<bool, DestinationError> {
        let refused = |errno| DestinationError::refused(key, Operation::Look, errno);
        let place = match self.place(key.as_bytes()) {
            Ok(place) => place,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(false),
            Err(errno) => return Err(refused(errno)),
        };
        match look_at(&place.directory, place.name) {
            Ok(found) => Ok(there(&place, &found)),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(refused(errno)),
        }
    }

    /// Lets their owner pass through the directories on the way to `key`; returns those that did not, outermost first,
    /// with their modes. Goes as far as it can: what fails then fails again for whoever needs it.
    fn open_way(&self, key: &[u8]) -> Vec<(OwnedFd, u16)> {
        let mut closed = Vec::new();
        let ends = key.iter().enumerate().filter(|(_, byte)| **byte == 0).map(|(end, _)| end);
        for directory in ends.filter_map(|end| key.get(..end)) {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let opened =
                self.place(directory).and_then(|place| openat(&place.directory, place.name, flags, Mode::empty()));
            let Ok(handle) = opened else { break };
            let Ok(mode) = look_through(&handle).map(|found| found.stx_mode & 0o7777) else { break };
            if mode & 0o100 == 0 && set_mode(&handle, mode | 0o700).is_ok() {
                closed.push((handle, mode));
            }
        }
        closed
    }

    /// Makes something, in the place of what is not as wanted.
    fn make(
        &self,
        key: &Key,
        operation: Operation,
        (existing, there): (Existing, impl Fn(&Place<'_>, &Statx) -> bool),
        make: impl Fn(&Place<'_>) -> Result<(), Errno>,
    ) -> Result<Made, DestinationError> {
        let refused = |errno| DestinationError::refused(key, operation, errno);
        let place = self.place(key.as_bytes()).map_err(refused)?;
        for _ in 0..ATTEMPT_COUNT {
            match self.changing(key.as_bytes(), || make(&place)) {
                Ok(()) => return Ok(Made::New),
                Err(Errno::EXIST) if existing == Existing::Refuse => {
                    return Err(DestinationError::Taken { place: key.into() });
                }
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(refused(errno)),
            }
            match look_at(&place.directory, place.name) {
                Ok(found) if takes(existing, &found) && there(&place, &found) => return Ok(Made::Reused),
                Ok(_) => return self.make_over(key, operation, &place, make).map(|()| Made::New),
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(refused(errno)),
            }
        }
        Err(DestinationError::Restless { place: key.into() })
    }

    /// Makes something beside what lies in its place, and only then has it take that: what can't be made costs nothing.
    fn make_over(
        &self,
        key: &Key,
        operation: Operation,
        place: &Place<'_>,
        make: impl Fn(&Place<'_>) -> Result<(), Errno>,
    ) -> Result<(), DestinationError> {
        let name = name_beside(place.name);
        let beside = Place { directory: Arc::clone(&place.directory), name: name.as_bytes() };
        let remove = || unlinkat(&beside.directory, beside.name, AtFlags::empty());
        let make = || match make(&beside) {
            Err(Errno::EXIST) => remove().and_then(|()| make(&beside)),
            answer => answer,
        };
        self.changing(key.as_bytes(), make).map_err(|errno| DestinationError::refused(key, operation, errno))?;
        let moved = self.move_over(key, &beside, place);
        // Also after it was moved: two names of one thing are left as they are.
        let _ = remove();
        moved
    }

    fn move_over(&self, key: &Key, beside: &Place<'_>, place: &Place<'_>) -> Result<(), DestinationError> {
        let rename =
            || self.changing(key.as_bytes(), || renameat(&beside.directory, beside.name, &place.directory, place.name));
        let moved = match rename() {
            // Only an empty one yields.
            Err(Errno::ISDIR) => {
                self.clear(key, place)?;
                rename()
            }
            answer => answer,
        };
        moved.map_err(|errno| DestinationError::refused(key, Operation::Remove, errno))?;
        self.let_go(key.as_bytes());
        Ok(())
    }
}

/// The name under which something is made that will take the place of what lies at `name`. It is the same in each run, so
/// that what an interrupted one left is replaced by the next.
pub(super) fn name_beside(name: &[u8]) -> String {
    format!(".holdall-{}", blake3::hash(name).to_hex())
}

/// Whether what is there may be taken for what shall be: what is set on it is seen under all its names.
fn takes(existing: Existing, found: &Statx) -> bool {
    match existing {
        Existing::Reuse => found.stx_nlink <= 1,
        Existing::ReuseShared => true,
        Existing::Replace | Existing::Refuse => false,
    }
}

fn leads_to(place: &Place<'_>, target: &[u8]) -> bool {
    readlinkat(&place.directory, place.name, Vec::new()).is_ok_and(|found| found.as_bytes() == target)
}

/// A device's number as Linux keeps it: 12 bits are the major number and 20 the minor one. `mknod` takes the lower bits of
/// others without a word.
fn number_of(key: &Key, device: Device) -> Result<u64, DestinationError> {
    if device.major < 1 << 12 && device.minor < 1 << 20 {
        return Ok(makedev(device.major, device.minor));
    }
    Err(DestinationError::refused(key, Operation::MakeSpecial, Errno::OVERFLOW))
}

fn is_node(found: &Statx, kind: Kind, device: Device) -> bool {
    let numbered = matches!(kind, Kind::CharDevice | Kind::BlockDevice);
    let same_number = (found.stx_rdev_major, found.stx_rdev_minor) == (device.major, device.minor);
    Kind::of_mode(found.stx_mode) == kind && (same_number || !numbered)
}

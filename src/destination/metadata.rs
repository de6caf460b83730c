//! What is set on an entry when its content is complete: owner, extended attributes, mode, times.

use std::io;

use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{
    AtFlags, Gid, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags, chmodat, chownat, listxattr, openat,
    removexattr, setxattr, utimensat,
};
use rustix::io::Errno;

use super::{Destination, DestinationError, Operation, kind_of};
use crate::fs::{Key, Kind, Timestamp, Xattr, look_through};

/// Who shall own an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// These ids.
    Ids {
        /// The owner's id.
        uid: u32,
        /// The group's id.
        gid: u32,
    },
    /// Whoever restores it. Bits that lend the owner's or group's rights are not set then.
    Restorer,
}

/// What is set on an entry when its content is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// What must be there; anything else is left alone.
    pub kind: Kind,
    /// Who owns it.
    pub owner: Owner,
    /// The lower twelve bits of the mode; without meaning for symbolic links.
    pub mode: u16,
    /// When its content was last changed.
    pub mtime: Timestamp,
    /// All its extended attributes; others that are there go, but those that the system labels by itself.
    pub xattrs: Vec<Xattr>,
}

/// A part of an entry's metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Aspect {
    /// The owner.
    Owner,
    /// The group.
    Group,
    /// One extended attribute.
    Xattr(Vec<u8>),
    /// The mode.
    Mode,
    /// Setuid or setgid, which were left out because owner or group could not be set.
    LendingBits,
    /// The time of the last change.
    Mtime,
}

/// A part of the metadata that could not be set.
#[derive(Debug)]
pub struct Shortfall {
    /// Which part.
    pub aspect: Aspect,
    /// The operating system's answer.
    pub cause: io::Error,
}

impl std::fmt::Display for Shortfall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.aspect {
            Aspect::Owner => write!(f, "owner not set: {}", self.cause),
            Aspect::Group => write!(f, "group not set: {}", self.cause),
            Aspect::Xattr(name) => write!(f, "extended attribute {} not set: {}", name.escape_ascii(), self.cause),
            Aspect::Mode => write!(f, "mode not set: {}", self.cause),
            Aspect::LendingBits => write!(f, "setuid or setgid bit not set, as the owner is another one"),
            Aspect::Mtime => write!(f, "time of change not set: {}", self.cause),
        }
    }
}

impl Destination {
    /// Sets the metadata of the entry at `key` when its content is complete; of a directory when all below it is.
    ///
    /// Owner, extended attributes, mode, times, in this order. What is refused is returned and the rest is set all the
    /// same.
    ///
    /// # Errors
    /// [`DestinationError::OtherKind`] if something else is there by now; [`DestinationError::Refused`].
    pub fn set_metadata(&self, key: &Key, metadata: &Metadata) -> Result<Vec<Shortfall>, DestinationError> {
        let refused = |errno| DestinationError::refused(key, Operation::Look, errno);
        let open = self.lock_files().remove(key.as_bytes());
        let place = self.place(key.as_bytes()).map_err(refused)?;
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        drop(open);
        let pin = openat(&place.directory, place.name, flags, Mode::empty()).map_err(refused)?;
        let found = kind_of(look_through(&pin).map_err(refused)?.stx_mode);
        if found != metadata.kind {
            return Err(DestinationError::OtherKind { key: key.clone(), found, wanted: metadata.kind });
        }
        let shortfalls = Pinned::new(pin).set(metadata);
        if metadata.kind == Kind::Directory {
            self.lock_opened_up().remove(key.as_bytes());
        }
        Ok(shortfalls)
    }
}

/// Sets the mode of what a handle stands for, which must not be a symbolic link.
pub(super) fn set_mode(pin: &OwnedFd, mode: u16) -> Result<(), Errno> {
    chmodat(rustix::fs::CWD, path_through(pin), Mode::from_bits_retain(mode.into()), AtFlags::empty())
}

/// A path that leads to exactly what the handle stands for, and is followed no further, even if that is a link.
fn path_through(pin: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", pin.as_raw_fd())
}

/// An entry that is held by a handle, so that nothing put under its name meanwhile is touched.
struct Pinned {
    path: String,
    pin: OwnedFd,
    shortfalls: Vec<Shortfall>,
}

impl Pinned {
    fn new(pin: OwnedFd) -> Self {
        Self { path: path_through(&pin), pin, shortfalls: Vec::new() }
    }

    fn set(mut self, metadata: &Metadata) -> Vec<Shortfall> {
        let mode = self.set_owner(metadata);
        self.set_xattrs(&metadata.xattrs);
        if metadata.kind != Kind::Symlink {
            let done = set_mode(&self.pin, mode);
            self.note(Aspect::Mode, done);
        }
        let times = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            last_modification: Timespec {
                tv_sec: metadata.mtime.seconds(),
                tv_nsec: metadata.mtime.nanoseconds().into(),
            },
        };
        let done = utimensat(rustix::fs::CWD, &self.path, &times, AtFlags::empty());
        self.note(Aspect::Mtime, done);
        self.shortfalls
    }

    /// Sets owner and group, and returns the mode that may be set with them.
    fn set_owner(&mut self, metadata: &Metadata) -> u16 {
        let Owner::Ids { uid, gid } = metadata.owner else { return metadata.mode & 0o1777 };
        let mut lost = 0;
        if let Err(errno) = self.chown(Some(uid), Some(gid)) {
            // The group alone is often allowed: a user may give files to any group of his.
            let group = self.chown(None, Some(gid));
            lost |= 0o4000;
            self.note(Aspect::Owner, Err(errno));
            if group.is_err() && metadata.kind != Kind::Directory {
                lost |= 0o2000;
            }
            self.note(Aspect::Group, group);
        }
        if metadata.mode & lost != 0 {
            self.note(Aspect::LendingBits, Err(Errno::PERM));
        }
        metadata.mode & !lost
    }

    fn chown(&self, uid: Option<u32>, gid: Option<u32>) -> Result<(), Errno> {
        chownat(&self.pin, "", uid.map(Uid::from_raw), gid.map(Gid::from_raw), AtFlags::EMPTY_PATH)
    }

    fn set_xattrs(&mut self, wanted: &[Xattr]) {
        for name in self.foreign_xattrs(wanted) {
            let done = removexattr(&self.path, name.as_slice());
            self.note(Aspect::Xattr(name), done);
        }
        for xattr in wanted {
            let done = setxattr(&self.path, xattr.name.as_slice(), &xattr.value, XattrFlags::empty());
            self.note(Aspect::Xattr(xattr.name.clone()), done);
        }
    }

    /// Attributes that are there and not wanted, such as an ACL inherited from the directory above.
    fn foreign_xattrs(&self, wanted: &[Xattr]) -> Vec<Vec<u8>> {
        let mut list = vec![0; 64 << 10];
        let length = listxattr(&self.path, &mut list).unwrap_or_default();
        let names = list.get(..length).unwrap_or_default().split(|&byte| byte == 0).filter(|name| !name.is_empty());
        let foreign = names.filter(|name| !is_label(name) && !wanted.iter().any(|xattr| xattr.name == *name));
        foreign.map(<[u8]>::to_vec).collect()
    }

    fn note(&mut self, aspect: Aspect, done: Result<(), Errno>) {
        if let Err(errno) = done {
            self.shortfalls.push(Shortfall { aspect, cause: errno.into() });
        }
    }
}

/// Whether the system gives such an attribute to everything by itself.
fn is_label(name: &[u8]) -> bool {
    name.starts_with(b"security.") && name != b"security.capability"
}

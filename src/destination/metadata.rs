//! What is set on an entry when its content is complete: owner, extended attributes, mode, times.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{
    AtFlags, CWD, Gid, Mode, OFlags, Statx, Timespec, Timestamps, UTIME_OMIT, Uid, chmodat, chownat, fchmod, futimens,
    openat, utimensat,
};
use rustix::io::Errno;

use super::{Destination, DestinationError, Made, Operation, Place, TargetFile};
use crate::fs::{Labelled, look_through, path_of};
use crate::manifest::{Key, Kind, Timestamp, Xattr};

/// Bits that lend the rights of owner and group to whoever runs a file.
const SETUID: u16 = 0o4000;
const SETGID: u16 = 0o2000;
/// The attribute that holds a POSIX access ACL.
const ACCESS_ACL: &[u8] = b"system.posix_acl_access";
/// The attribute of a directory that holds the POSIX ACL for what is made in it.
const DEFAULT_ACL: &[u8] = b"system.posix_acl_default";

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

/// What came of setting an entry's metadata.
#[derive(Debug, Default)]
pub struct MetadataSet {
    /// Whether anything was changed: what is as wanted already is not set again, so that the time at which the file
    /// system says the entry last changed stays.
    pub changed: bool,
    /// What could not be set.
    pub shortfalls: Vec<Shortfall>,
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
    /// Owner, extended attributes, times, mode, in this order, and of each only what differs from what is there. The
    /// mode comes last, so that whatever was left under the mode of unfinished files is unfinished. What is refused is
    /// returned and the rest is set all the same.
    ///
    /// # Errors
    /// [`DestinationError::OtherKind`] if something else is there by now; [`DestinationError::Refused`].
    pub fn set_metadata(&self, key: &Key, metadata: &Metadata) -> Result<MetadataSet, DestinationError> {
        let refused = |errno| DestinationError::refused(key, Operation::Look, errno);
        let pin = match self.lock_files().remove(key.as_bytes()) {
            Some(file) => Pin::File(file),
            None => Pin::open(&self.place(key.as_bytes()).map_err(refused)?, metadata.kind).map_err(refused)?,
        };
        let found = look_through(pin.handle()).map_err(refused)?;
        let kind = Kind::of_mode(found.stx_mode);
        if kind != metadata.kind {
            return Err(DestinationError::OtherKind { place: key.into(), found: kind, wanted: metadata.kind });
        }
        self.require_same(key, &found)?;
        self.lock_let_go().remove(key);
        if metadata.kind == Kind::Directory {
            self.lock_opened_up().remove(key.as_bytes());
        }
        let may_be_labelled = match &pin {
            Pin::File(file) => file.made() == Made::Reused || self.bequeaths.load(Ordering::Relaxed),
            Pin::Open(_) | Pin::Place(_) => true,
        };
        Ok(Setting { pin, may_be_labelled, done: MetadataSet::default() }.set(&found, metadata))
    }

    /// Whether [`set_metadata`](Self::set_metadata) would change anything, as far as this process may change owners;
    /// also when something else lies there.
    ///
    /// # Errors
    /// [`DestinationError::Refused`].
    pub fn metadata_differs(&self, key: &Key, metadata: &Metadata) -> Result<bool, DestinationError> {
        let refused = |errno| DestinationError::refused(key, Operation::Look, errno);
        let pin = Pin::open(&self.place(key.as_bytes()).map_err(refused)?, metadata.kind).map_err(refused)?;
        let found = look_through(pin.handle()).map_err(refused)?;
        if Kind::of_mode(found.stx_mode) != metadata.kind || mtime_of(&found) != Some(metadata.mtime) {
            return Ok(true);
        }
        let may_give_away = self.maker.0 == 0;
        let (owner_differs, lent) = match metadata.owner {
            Owner::Restorer => (false, SETUID | SETGID),
            Owner::Ids { uid, gid } => {
                let (other_user, other_group) = (found.stx_uid != uid, found.stx_gid != gid);
                let setuid = if other_user { SETUID } else { 0 };
                let setgid = if other_group && metadata.kind != Kind::Directory { SETGID } else { 0 };
                ((other_user || other_group) && may_give_away, setuid | setgid)
            }
        };
        let mode_differs = metadata.kind != Kind::Symlink && found.stx_mode & 0o7777 != metadata.mode & !lent;
        if owner_differs || mode_differs {
            return Ok(true);
        }
        let attributes = pin.labelled().read_all().map_err(refused)?;
        let is_met =
            |wanted: &Xattr| attributes.read.iter().any(|(name, value)| (name, value) == (&wanted.name, &wanted.value));
        let names = attributes.read.iter().map(|(name, _)| name);
        let mut names = names.chain(attributes.refused.iter().map(|(name, _)| name));
        let foreign = names.any(|name| is_foreign(name, &metadata.xattrs));
        Ok(foreign || !metadata.xattrs.iter().all(is_met))
    }
}

/// Whether a directory gives what is made in it a list of rights of its own; also when that can't be found out.
pub(super) fn bequeaths_rights(directory: &OwnedFd) -> bool {
    Labelled::held(directory)
        .names()
        .map_or(true, |names| names.split(|&byte| byte == 0).any(|name| name == DEFAULT_ACL))
}

/// Sets the mode of what a handle stands for, which must not be a symbolic link.
pub(super) fn set_mode(handle: &OwnedFd, mode: u16) -> Result<(), Errno> {
    chmodat(CWD, path_of(handle), Mode::from_bits_retain(mode.into()), AtFlags::empty())
}

/// A handle of an entry, so that nothing put under its name meanwhile is touched.
enum Pin {
    /// A regular file that is open since it was written.
    File(Arc<TargetFile>),
    /// A regular file or a directory that may be read.
    Open(OwnedFd),
    /// Anything, opened as a place only: a link is the link, a pipe does not block, no device notices. What is set goes
    /// through `/proc`.
    Place(OwnedFd),
}

impl Pin {
    fn open(place: &Place<'_>, kind: Kind) -> Result<Self, Errno> {
        let quiet = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let readable = match kind {
            Kind::Directory => Some(quiet | OFlags::DIRECTORY),
            Kind::File => Some(quiet),
            Kind::Symlink | Kind::Fifo | Kind::Socket | Kind::CharDevice | Kind::BlockDevice | Kind::Unknown => None,
        };
        if let Some(flags) = readable
            && let Ok(open) = openat(&place.directory, place.name, flags, Mode::empty())
        {
            return Ok(Self::Open(open));
        }
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(&place.directory, place.name, flags, Mode::empty()).map(Self::Place)
    }

    fn handle(&self) -> &OwnedFd {
        match self {
            Self::File(file) => &file.file,
            Self::Open(handle) | Self::Place(handle) => handle,
        }
    }

    fn labelled(&self) -> Labelled<'_> {
        match self {
            Self::File(_) | Self::Open(_) => Labelled::Open(self.handle().as_fd()),
            Self::Place(place) => Labelled::held(place),
        }
    }

    fn chown(&self, uid: Option<u32>, gid: Option<u32>) -> Result<(), Errno> {
        chownat(self.handle(), "", uid.map(Uid::from_raw), gid.map(Gid::from_raw), AtFlags::EMPTY_PATH)
    }

    fn chmod(&self, mode: u16) -> Result<(), Errno> {
        match self {
            Self::File(_) | Self::Open(_) => fchmod(self.handle(), Mode::from_bits_retain(mode.into())),
            Self::Place(place) => set_mode(place, mode),
        }
    }

    fn set_mtime(&self, mtime: Timestamp) -> Result<(), Errno> {
        let times = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            last_modification: Timespec { tv_sec: mtime.seconds(), tv_nsec: mtime.nanoseconds().into() },
        };
        match self {
            Self::File(_) | Self::Open(_) => futimens(self.handle(), &times),
            Self::Place(place) => utimensat(CWD, path_of(place), &times, AtFlags::empty()),
        }
    }
}

fn mtime_of(found: &Statx) -> Option<Timestamp> {
    Timestamp::new(found.stx_mtime.tv_sec, found.stx_mtime.tv_nsec)
}

/// The setting of one entry's metadata.
struct Setting {
    pin: Pin,
    /// Whether it may have extended attributes already.
    may_be_labelled: bool,
    done: MetadataSet,
}

impl Setting {
    fn set(mut self, found: &Statx, metadata: &Metadata) -> MetadataSet {
        let owner_mask = self.set_owner(found, metadata);
        let acl_mask = self.set_xattrs(found, &metadata.xattrs);
        // Whatever changed an owner or an attribute may have changed the mode with it.
        let is_unsettled = self.done.changed;
        if mtime_of(found) != Some(metadata.mtime) {
            let done = self.pin.set_mtime(metadata.mtime);
            self.note(Aspect::Mtime, done);
        }
        let mode = metadata.mode & owner_mask & acl_mask;
        if metadata.kind != Kind::Symlink && (is_unsettled || found.stx_mode & 0o7777 != mode) {
            let done = self.pin.chmod(mode);
            self.note(Aspect::Mode, done);
        }
        self.done
    }

    /// Sets owner and group, and returns the bits of the mode that may be set with those that are there now.
    fn set_owner(&mut self, found: &Statx, metadata: &Metadata) -> u16 {
        let Owner::Ids { uid, gid } = metadata.owner else { return !(SETUID | SETGID) };
        let (new_uid, new_gid) = ((found.stx_uid != uid).then_some(uid), (found.stx_gid != gid).then_some(gid));
        if new_uid.or(new_gid).is_none() {
            return !0;
        }
        let Err(errno) = self.pin.chown(new_uid, new_gid) else {
            self.done.changed = true;
            return !0;
        };
        let mut lent = 0;
        if new_uid.is_some() {
            self.note(Aspect::Owner, Err(errno));
            lent |= SETUID;
        }
        if new_gid.is_some() {
            // The group alone is often allowed: a user may give files to any group of theirs.
            let group = if new_uid.is_some() { self.pin.chown(None, new_gid) } else { Err(errno) };
            // On a directory the bit lends nothing: it says which group new entries belong to.
            lent |= if group.is_err() && metadata.kind != Kind::Directory { SETGID } else { 0 };
            self.note(Aspect::Group, group);
        }
        if metadata.mode & lent != 0 {
            self.note(Aspect::LendingBits, Err(errno));
        }
        !lent
    }

    /// Sets the extended attributes, and returns the bits of the mode that may be set with them.
    ///
    /// With an ACL the group's bits of a mode are the most that anybody named in it gets. Where the ACL can't be set
    /// they would go to the group, so they are narrowed to what it had.
    fn set_xattrs(&mut self, found: &Statx, wanted: &[Xattr]) -> u16 {
        let names = if self.may_be_labelled { self.pin.labelled().names().unwrap_or_default() } else { Vec::new() };
        for name in names.split(|&byte| byte == 0).filter(|name| is_foreign(name, wanted)) {
            let done = self.change_xattr(found, |labelled| labelled.remove(name));
            self.note(Aspect::Xattr(name.to_vec()), done);
        }
        let mut mask = !0;
        for xattr in wanted {
            let is_there = names.split(|&byte| byte == 0).any(|name| name == xattr.name);
            if is_there && self.pin.labelled().value(&xattr.name).as_ref() == Ok(&xattr.value) {
                continue;
            }
            let done = self.change_xattr(found, |labelled| labelled.set(&xattr.name, &xattr.value));
            if done.is_err() && xattr.name == ACCESS_ACL {
                mask = !0o070 | group_rights(&xattr.value) << 3;
            }
            self.note(Aspect::Xattr(xattr.name.clone()), done);
        }
        mask
    }

    /// Changes an attribute. Some are only for those who may write: an owner who may not gets the right to it, until the
    /// mode is set in the end.
    fn change_xattr(&mut self, found: &Statx, change: impl Fn(Labelled<'_>) -> Result<(), Errno>) -> Result<(), Errno> {
        let done = change(self.pin.labelled());
        let may_open = done == Err(Errno::ACCESS) && Kind::of_mode(found.stx_mode) != Kind::Symlink;
        if !may_open || self.pin.chmod(found.stx_mode & 0o777 | 0o600).is_err() {
            return done;
        }
        self.done.changed = true;
        change(self.pin.labelled())
    }

    /// Notes what came of one change.
    fn note(&mut self, aspect: Aspect, done: Result<(), Errno>) {
        match done {
            Ok(()) => self.done.changed = true,
            Err(errno) => self.done.shortfalls.push(Shortfall { aspect, cause: errno.into() }),
        }
    }
}

/// Whether an attribute that is there goes: it is not wanted, such as an ACL inherited from the directory above, and is
/// not one with which the system labels everything by itself.
fn is_foreign(name: &[u8], wanted: &[Xattr]) -> bool {
    let is_label = name.starts_with(b"security.") && name != b"security.capability";
    !name.is_empty() && !is_label && !wanted.iter().any(|xattr| xattr.name == name)
}

/// The rights of the owning group in a POSIX ACL as the kernel keeps it (a version, then tag, rights and id of each
/// entry); none if it names none.
fn group_rights(acl: &[u8]) -> u16 {
    const OWNING_GROUP: [u8; 2] = [4, 0];
    let (entries, _) = acl.get(4..).unwrap_or_default().as_chunks::<8>();
    let group = entries.iter().find(|[tag_low, tag_high, ..]| [*tag_low, *tag_high] == OWNING_GROUP);
    group.map_or(0, |[_, _, low, high, ..]| u16::from_le_bytes([*low, *high]) & 7)
}

//! Answers in the kernel's terms.

use fuser::{Errno, FileAttr, FileType, Generation, INodeNo, ReplyXattr};
use holdall::{Attributes, Kind, Lifetime};
use std::time::{Duration, SystemTime};

/// Numbers are never used again, so one generation does.
pub(super) const GENERATION: Generation = Generation(0);
/// How long the kernel need not ask again about what never changes.
const LONG: Duration = Duration::from_secs(24 * 60 * 60);
/// How long the folders above the snapshots are believed.
const SHORT: Duration = Duration::from_secs(1);
/// What a program should read at once.
const BLOCK_BYTES: u32 = 4096;

/// Whom everything seems to belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Owners {
    /// Those that the snapshot says.
    Stored,
    /// Root.
    Root,
}

/// How attributes look from outside.
pub(super) struct Looks {
    owners: Owners,
    /// Whom the folders above the snapshots belong to: whoever mounted them.
    user: u32,
    group: u32,
}

impl Looks {
    pub(super) fn new(owners: Owners) -> Self {
        Self { owners, user: nix::unistd::getuid().as_raw(), group: nix::unistd::getgid().as_raw() }
    }

    /// As programs see them: the members of a hard-link group have one number.
    pub(super) fn shown(&self, found: &Attributes) -> FileAttr {
        FileAttr { ino: INodeNo(found.inode), ..self.numbered(found) }
    }

    /// The same with the number by which the kernel asks.
    pub(super) fn numbered(&self, found: &Attributes) -> FileAttr {
        let (user, group) = match self.owners {
            Owners::Stored => (found.uid.unwrap_or(self.user), found.gid.unwrap_or(self.group)),
            Owners::Root => (0, 0),
        };
        let time = time(found.mtime.seconds(), found.mtime.nanoseconds());
        FileAttr {
            ino: INodeNo(found.number.raw()),
            size: found.bytes,
            blocks: found.allocated_bytes.div_ceil(512),
            atime: time,
            mtime: time,
            ctime: time,
            crtime: time,
            kind: file_type(found.kind),
            perm: found.mode,
            nlink: found.link_count,
            uid: user,
            gid: group,
            rdev: device(found.device.major, found.device.minor),
            blksize: BLOCK_BYTES,
            flags: 0,
        }
    }
}

/// How long the kernel may find something under its name without asking.
pub(super) fn entry_lifetime(found: &Attributes) -> Duration {
    if found.lifetime == Lifetime::Mounted { LONG } else { SHORT }
}

/// How long the kernel may believe attributes. Of members of a hard-link group it has to ask: the number by which it asks
/// is not the one that they have in common.
pub(super) fn attribute_lifetime(found: &Attributes) -> Duration {
    if found.inode == found.number.raw() { entry_lifetime(found) } else { Duration::ZERO }
}

pub(super) const fn file_type(kind: Kind) -> FileType {
    match kind {
        Kind::Directory => FileType::Directory,
        Kind::File | Kind::Unknown => FileType::RegularFile,
        Kind::Symlink => FileType::Symlink,
        Kind::Fifo => FileType::NamedPipe,
        Kind::Socket => FileType::Socket,
        Kind::CharDevice => FileType::CharDevice,
        Kind::BlockDevice => FileType::BlockDevice,
    }
}

/// Answers with a value, or how long it is where no room was offered.
pub(super) fn xattr(value: Result<Vec<u8>, Errno>, room: u32, reply: ReplyXattr) {
    let sized = value.map(|value| (u32::try_from(value.len()).unwrap_or(u32::MAX), value));
    match sized {
        Ok((length, _)) if room == 0 => reply.size(length),
        Ok((length, _)) if length > room => reply.error(Errno::ERANGE),
        Ok((_, value)) => reply.data(&value),
        Err(errno) => reply.error(errno),
    }
}

/// The kernel's number of a device: twelve bits of the major one between the two parts of the minor one.
const fn device(major: u32, minor: u32) -> u32 {
    (minor & 0xff) | (major << 8) | ((minor & !0xff) << 12)
}

fn time(seconds: i64, nanoseconds: u32) -> SystemTime {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let epoch = SystemTime::UNIX_EPOCH;
    let second = if seconds < 0 { epoch.checked_sub(whole) } else { epoch.checked_add(whole) };
    second.and_then(|second| second.checked_add(Duration::from_nanos(nanoseconds.into()))).unwrap_or(epoch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_numbered_as_the_kernel_does() {
        assert_eq!(device(8, 1), 0x801);
        assert_eq!(device(0xfff, 0xf_ffff), 0xffff_ffff);
        assert_eq!(device(259, 300), 259 << 8 | 44 | 1 << 20);
    }

    #[test]
    fn times_before_1970_keep_their_nanoseconds() {
        let half = Duration::from_millis(500);
        assert_eq!(time(-2, 500_000_000), SystemTime::UNIX_EPOCH - Duration::from_secs(2) + half);
        assert_eq!(time(3, 500_000_000), SystemTime::UNIX_EPOCH + Duration::from_secs(3) + half);
        assert_eq!(time(i64::MAX, 0), SystemTime::UNIX_EPOCH + Duration::from_secs(i64::MAX.unsigned_abs()));
    }
}

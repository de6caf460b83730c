//! What the file system says about an entry.

use rustix::fs::Statx;

use crate::fs::device_of;
use crate::manifest::{Device, Kind, Timestamp};

/// The unit in which file systems count space.
const SPACE_UNIT_BYTES: u64 = 512;

/// What the file system says about an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    /// What kind of thing it is.
    pub kind: Kind,
    /// The lower twelve bits of the mode: permissions, setuid, setgid, sticky.
    pub mode: u16,
    /// The owner's id.
    pub uid: u32,
    /// The group's id.
    pub gid: u32,
    /// Length in bytes.
    pub size: u64,
    /// When the content was last changed.
    pub mtime: Timestamp,
    /// When content or metadata were last changed.
    pub ctime: Timestamp,
    /// Number of the inode.
    pub inode: u64,
    /// The device that holds it: major number in the upper 32 bits, minor number in the lower.
    pub device: u64,
    /// How many names the inode has.
    pub links: u64,
    /// What a device node stands for; zeros for anything else.
    pub special: Device,
    /// How much space it takes: more than it is long where some is kept ready for what may come.
    pub space_bytes: u64,
}

impl Stat {
    /// Whether a later look shows that nothing happened meanwhile. Space says nothing about that: file systems count late
    /// what they have yet to write.
    pub fn held_still(&self, later: &Self) -> bool {
        *later == Self { space_bytes: later.space_bytes, ..self.clone() }
    }

    /// Of an entry that can't be looked at.
    pub(super) fn unknown() -> Self {
        Self {
            kind: Kind::Unknown,
            mode: 0,
            uid: 0,
            gid: 0,
            size: 0,
            mtime: Timestamp::default(),
            ctime: Timestamp::default(),
            inode: 0,
            device: 0,
            links: 0,
            special: Device { major: 0, minor: 0 },
            space_bytes: 0,
        }
    }
}

impl From<Statx> for Stat {
    fn from(found: Statx) -> Self {
        Self {
            kind: Kind::of_mode(found.stx_mode),
            mode: found.stx_mode & 0o7777,
            uid: found.stx_uid,
            gid: found.stx_gid,
            size: found.stx_size,
            mtime: Timestamp::new(found.stx_mtime.tv_sec, found.stx_mtime.tv_nsec).unwrap_or_default(),
            ctime: Timestamp::new(found.stx_ctime.tv_sec, found.stx_ctime.tv_nsec).unwrap_or_default(),
            inode: found.stx_ino,
            device: device_of(&found),
            links: found.stx_nlink.into(),
            special: Device { major: found.stx_rdev_major, minor: found.stx_rdev_minor },
            space_bytes: found.stx_blocks.saturating_mul(SPACE_UNIT_BYTES),
        }
    }
}

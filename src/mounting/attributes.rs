//! What a file system says of a file.

use super::number::FileNumber;
use crate::manifest::{Body, Device, Entry, Hole, Kind, Timestamp};

/// How long something stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// As long as the tree is mounted: it lies in a snapshot.
    Mounted,
    /// Until the next snapshot, or the end of one.
    Moment,
}

/// What a file system says of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes {
    /// By which the tree finds it.
    pub number: FileNumber,
    /// What members of a hard-link group have in common; of everything else the number itself.
    pub inode: u64,
    /// What it is. What was not stored at all is a file.
    pub kind: Kind,
    /// Permissions and the three bits above them.
    pub mode: u16,
    /// How many names it had when it was stored; 1 for directories.
    pub link_count: u32,
    /// The owner's number where it was stored; none for the folders above the snapshots.
    pub uid: Option<u32>,
    /// The group's number where it was stored.
    pub gid: Option<u32>,
    /// When it last changed.
    pub mtime: Timestamp,
    /// Length in bytes: of a content, or of a link's target.
    pub bytes: u64,
    /// What it takes in bytes without its holes.
    pub allocated_bytes: u64,
    /// Which device it is; 0 of 0 for all else.
    pub device: Device,
    /// How long all this holds.
    pub lifetime: Lifetime,
}

const NO_DEVICE: Device = Device { major: 0, minor: 0 };

impl Attributes {
    /// Of a folder above the snapshots.
    pub(super) const fn of_folder(number: FileNumber, time_ns: Timestamp) -> Self {
        Self { mode: 0o555, ..Self::made(number, Kind::Directory, time_ns) }
    }

    /// Of a link to the newest snapshot.
    pub(super) const fn of_link(number: FileNumber, time: Timestamp, target_bytes: u64) -> Self {
        Self { mode: 0o777, bytes: target_bytes, ..Self::made(number, Kind::Symlink, time) }
    }

    const fn made(number: FileNumber, kind: Kind, mtime: Timestamp) -> Self {
        Self {
            number,
            inode: number.raw(),
            kind,
            mode: 0,
            link_count: 1,
            uid: None,
            gid: None,
            mtime,
            bytes: 0,
            allocated_bytes: 0,
            device: NO_DEVICE,
            lifetime: Lifetime::Moment,
        }
    }

    /// Of an entry with these holes.
    pub(super) fn of_entry(number: FileNumber, entry: &Entry, holes: &[Hole]) -> Self {
        let (bytes, device) = match &entry.body {
            Body::File(content) => (content.bytes(), NO_DEVICE),
            Body::Symlink(target) => (u64::try_from(target.len()).unwrap_or(u64::MAX), NO_DEVICE),
            Body::CharDevice(device) | Body::BlockDevice(device) => (0, *device),
            Body::Directory | Body::Ancestor | Body::Fifo | Body::Socket | Body::Unknown => (0, NO_DEVICE),
        };
        let ends = |hole: &Hole| hole.offset.saturating_add(hole.bytes).min(bytes).saturating_sub(hole.offset);
        let hole_bytes = holes.iter().map(ends).fold(0u64, u64::saturating_add);
        let is_file = matches!(entry.body, Body::File(_));
        Self {
            number,
            inode: number.raw(),
            kind: if entry.kind() == Kind::Unknown { Kind::File } else { entry.kind() },
            mode: entry.mode,
            link_count: 1,
            uid: Some(entry.uid),
            gid: Some(entry.gid),
            mtime: entry.mtime,
            bytes,
            allocated_bytes: if is_file { bytes.saturating_sub(hole_bytes) } else { 0 },
            device,
            lifetime: Lifetime::Mounted,
        }
    }
}

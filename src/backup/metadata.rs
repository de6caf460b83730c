//! From what the file system says to entries and stat rows.

use crate::manifest::{Body, Entry, Key, Kind, StatEntry};
use crate::source::{Role, Stat};

/// How long the times of an entry must have lain in the past for equal times to mean equal content.
const SETTLE_NS: i64 = 2_000_000_000;

/// The absolute path of a key, as bytes.
pub(super) fn path_of(key: &Key) -> Vec<u8> {
    let mut path = Vec::with_capacity(key.as_bytes().len().saturating_add(1));
    path.push(b'/');
    path.extend(key.as_bytes().iter().map(|byte| if *byte == 0 { b'/' } else { *byte }));
    path
}

/// The row from which the next backup sees whether something changed.
pub(super) fn stat_entry(key: &Key, stat: &Stat) -> StatEntry {
    StatEntry {
        key: key.clone(),
        kind: stat.kind,
        size: stat.size,
        mtime: stat.mtime,
        ctime: stat.ctime,
        inode: stat.inode,
        device: stat.device,
        links: stat.links,
        settled: true,
    }
}

/// Whether an entry is what its row says. The device is left out: snapshots of file systems change it.
pub(super) fn is_same(row: &StatEntry, stat: &Stat) -> bool {
    row.kind == stat.kind
        && row.size == stat.size
        && row.mtime == stat.mtime
        && row.ctime == stat.ctime
        && row.inode == stat.inode
}

/// Whether equal times mean equal content: both lay far enough before the walk that recorded them began, so that a
/// change after it would have moved them.
pub(super) fn is_settled(row: &StatEntry, walk_started_ns: i64) -> bool {
    row.settled && row.mtime.max(row.ctime).to_ns() < walk_started_ns.saturating_sub(SETTLE_NS)
}

/// An entry with everything that stat tells, stored, without content and attributes.
pub(super) fn entry(key: &Key, stat: &Stat, role: Role) -> Entry {
    let body = match stat.kind {
        Kind::Directory if role == Role::Ancestor => Body::Ancestor,
        Kind::Directory => Body::Directory,
        Kind::File => Body::File(crate::manifest::Content::empty()),
        Kind::Symlink => Body::Symlink(Vec::new()),
        Kind::Fifo => Body::Fifo,
        Kind::Socket => Body::Socket,
        Kind::CharDevice => Body::CharDevice(stat.special),
        Kind::BlockDevice => Body::BlockDevice(stat.special),
        Kind::Unknown => Body::Unknown,
    };
    Entry { mode: stat.mode, uid: stat.uid, gid: stat.gid, mtime: stat.mtime, ..Entry::new(key.clone(), body) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Timestamp;

    fn row(mtime_ns: i64, ctime_ns: i64) -> StatEntry {
        let (mtime, ctime) = (Timestamp::from_ns(mtime_ns), Timestamp::from_ns(ctime_ns));
        let key = Key::from_path("/a".as_ref()).expect("a key");
        StatEntry { key, kind: Kind::File, size: 1, mtime, ctime, inode: 1, device: 1, links: 1, settled: true }
    }

    #[test]
    fn outcome_13_times_near_the_start_of_the_walk_are_not_relied_upon() {
        let started_ns = 1_000 * SETTLE_NS;
        let before_ns = started_ns - SETTLE_NS;
        assert!(is_settled(&row(before_ns - 1, before_ns - 1), started_ns));
        assert!(!is_settled(&row(before_ns, 0), started_ns), "mtime in the last two seconds");
        assert!(!is_settled(&row(0, before_ns), started_ns), "ctime in the last two seconds");
        assert!(!is_settled(&row(started_ns + 1, 0), started_ns), "mtime after the start");
        assert!(!is_settled(&row(i64::MIN, i64::MIN), i64::MIN), "the start is not known");
        assert!(!is_settled(&StatEntry { settled: false, ..row(0, 0) }, started_ns));
    }
}

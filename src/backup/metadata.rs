//! From what the file system says to entries and stat rows.

use crate::manifest::{Body, Entry, KEY_BYTES_MAX, Key, Kind, StatEntry};
use crate::source::{Role, Stat};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

/// How long the times of an entry must have lain in the past for equal times to mean equal content.
const SETTLE_NS: i64 = 2_000_000_000;

/// What the paths of a snapshot may take of its description, which holds the names of owners as well.
const STATED_BYTES_MAX: usize = 1 << 20;
/// What a path takes besides its bytes.
const LENGTH_BYTES: usize = 9;

/// The absolute path of a key, as bytes.
pub(super) fn path_of(key: &Key) -> Vec<u8> {
    let mut path = Vec::with_capacity(key.as_bytes().len().saturating_add(1));
    path.push(b'/');
    path.extend(key.as_bytes().iter().map(|byte| if *byte == 0 { b'/' } else { *byte }));
    path
}

/// The paths of what was named, as a snapshot states them. Where they are too many for a description, as lists of files
/// may be, the directories that hold the deepest ones stand for them, level by level.
pub(super) fn stated_paths(mut keys: Vec<Key>) -> Vec<Vec<u8>> {
    let bytes = |keys: &[Key]| keys.iter().map(|key| key.as_bytes().len().saturating_add(LENGTH_BYTES)).sum::<usize>();
    while bytes(&keys) > STATED_BYTES_MAX {
        let deepest = keys.iter().map(Key::depth).max().unwrap_or_default();
        for key in keys.iter_mut().filter(|key| key.depth() == deepest) {
            *key = key.parent().unwrap_or_default();
        }
        keys.sort_unstable();
        keys.dedup();
    }
    keys.iter().map(path_of).collect()
}

/// Paths that somebody else states, as a snapshot can state them: within the same bound, none that is empty or too long
/// for a key, and in the order in which a backup of the same paths states them, which then finds this one as its parent.
pub(super) fn stated(mut paths: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    paths.retain(|path| (1..=KEY_BYTES_MAX).contains(&path.len()));
    let key_of = |path: &Vec<u8>| Key::from_path(OsStr::from_bytes(path).as_ref()).ok();
    paths.sort_by_cached_key(key_of);
    paths.dedup();
    if paths.iter().map(|path| path.len().saturating_add(LENGTH_BYTES)).sum::<usize>() <= STATED_BYTES_MAX {
        return paths;
    }
    stated_paths(paths.iter().filter_map(key_of).collect())
}

/// The row from which the next backup sees whether something changed.
pub(super) fn stat_entry(key: &Key, stat: &Stat, role: Role) -> StatEntry {
    StatEntry {
        key: key.clone(),
        kind: stat.kind,
        is_ancestor: is_ancestor(stat, role),
        size: stat.size,
        mtime: stat.mtime,
        ctime: stat.ctime,
        inode: stat.inode,
        device: stat.device,
        links: stat.links,
        settled: true,
    }
}

/// Whether it is a directory of which only the way to the arguments is kept.
pub(super) fn is_ancestor(stat: &Stat, role: Role) -> bool {
    stat.kind == Kind::Directory && role == Role::Ancestor
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

/// Whether a file is still what was stored: it is what its row says, and that can be relied upon.
pub fn is_untouched(row: &StatEntry, stat: &Stat, walk_started_ns: i64) -> bool {
    is_same(row, stat) && is_settled(row, walk_started_ns)
}

/// An entry with everything that stat tells, stored, without content and attributes.
pub(super) fn entry(key: &Key, stat: &Stat, role: Role) -> Entry {
    let body = match stat.kind {
        Kind::Directory if is_ancestor(stat, role) => Body::Ancestor,
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
        StatEntry {
            key,
            kind: Kind::File,
            is_ancestor: false,
            size: 1,
            mtime,
            ctime,
            inode: 1,
            device: 1,
            links: 1,
            settled: true,
        }
    }

    #[test]
    fn paths_that_others_state_stand_in_the_order_of_a_backup() {
        let paths = ["/b", "/a-b", "/a/b", "", "/b", r"C:\x"].map(|path| path.as_bytes().to_vec());
        assert_eq!(stated(paths.to_vec()), [r"C:\x", "/a/b", "/a-b", "/b"].map(str::as_bytes));
    }

    #[test]
    fn too_many_paths_are_stated_by_the_directories_that_hold_them() {
        let keys = |paths: &[String]| {
            let mut keys: Vec<Key> = paths.iter().map(|path| Key::from_path(path.as_ref()).expect("a key")).collect();
            keys.sort_unstable();
            keys
        };
        let few = ["/a/b".to_owned(), "/c".to_owned()];
        assert_eq!(stated_paths(keys(&few)), [b"/a/b".to_vec(), b"/c".to_vec()]);
        let mut many: Vec<String> =
            (0..40_000).map(|file| format!("/home/{}/photographs/{file:020}", file % 3)).collect();
        many.push("/etc/fstab".to_owned());
        let stated = stated_paths(keys(&many));
        let expected = ["/etc/fstab", "/home/0/photographs", "/home/1/photographs", "/home/2/photographs"];
        assert_eq!(stated, expected.map(|path| path.as_bytes().to_vec()));
        let flat: Vec<String> = (0..2000).map(|file| format!("/{file}{}", "x".repeat(1000))).collect();
        assert_eq!(stated_paths(keys(&flat)), [b"/".to_vec()]);
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

//! What reading a tree and writing one both ask of the operating system: the names in a
//! directory, handles of directories that are reached without following a link, and whether a medium is full.
//!
//! Paths are *key bytes* here, as in the manifest: no leading slash, `00` between the names, the root empty.

mod handles;
mod names;
#[cfg(test)]
mod ordinary_user;
mod table;
mod xattrs;

pub use handles::Handles;
pub use names::{Names, Stopped};
pub use table::OpenTable;
pub use xattrs::{Attribute, Attributes, Labelled, path_of};

#[cfg(test)]
pub(crate) use ordinary_user::{alone, as_ordinary_user};

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, Statx, StatxFlags, openat, statx};
use rustix::io::{Errno, pread};
use rustix::path::Arg;
use rustix::process::{Resource, getrlimit};
use std::io;
use std::path::Path;

/// What is asked about every entry. The mount comes at no cost where the kernel knows it.
const ASKED: StatxFlags = StatxFlags::BASIC_STATS.union(StatxFlags::MNT_ID);

/// So many of the files that a process may have open are for other things than those of which many stay open;
const OTHER_FILES: u64 = 64;
/// of the rest each such sort of things gets this part: directories, files that are written, packs.
const SORTS: u64 = 4;

/// How many things of one sort may stay open: `count_max`, or fewer where this process may not open as many files.
pub fn affordable(count_max: usize) -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    affordable_within(limit, count_max)
}

fn affordable_within(limit: u64, count_max: usize) -> usize {
    usize::try_from(limit.saturating_sub(OTHER_FILES) / SORTS).unwrap_or(usize::MAX).min(count_max)
}

/// Whether an operation was refused because the medium is full, or the user's share of it.
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// What was found; none where nothing is there. Any other error says nothing about what is.
///
/// # Errors
/// All others.
pub fn if_there<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Looks at `name` in the directory `at`, not following a link, not mounting anything.
///
/// # Errors
/// Those of `statx`.
pub fn look_at(at: impl AsFd, name: impl Arg) -> Result<Statx, Errno> {
    statx(at, name, AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT, ASKED)
}

/// Looks at what a path leads to, links followed.
///
/// # Errors
/// Those of `statx`.
pub fn look_along(path: &Path) -> Result<Statx, Errno> {
    statx(CWD, path, AtFlags::empty(), ASKED)
}

/// Looks at what an open handle stands for.
///
/// # Errors
/// Those of `statx`.
pub fn look_through(handle: impl AsFd) -> Result<Statx, Errno> {
    statx(handle, "", AtFlags::EMPTY_PATH, ASKED)
}

/// The device that holds what was looked at: major number in the upper 32 bits, minor number in the lower.
pub fn device_of(found: &Statx) -> u64 {
    u64::from(found.stx_dev_major) << 32 | u64::from(found.stx_dev_minor)
}

/// Fills `buffer` with the bytes at `offset`, whatever interrupts it; fewer than its length only where the file ends.
///
/// # Errors
/// Those of `pread`.
pub fn read_at(file: impl AsFd, offset: u64, buffer: &mut [u8]) -> Result<usize, Errno> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match pread(&file, rest, offset.saturating_add(u64::try_from(filled).unwrap_or(u64::MAX))) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(filled)
}

/// Opens without touching the access time, where the file's owner allows that.
///
/// # Errors
/// Those of `openat`.
pub fn open_quietly(at: impl AsFd, name: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    match openat(&at, name, flags | OFlags::NOATIME, Mode::empty()) {
        Err(Errno::PERM) => openat(&at, name, flags, Mode::empty()),
        answer => answer,
    }
}

/// Joins the key bytes of a directory and a name below it.
pub fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(directory.len() + 1 + name.len());
    key.extend_from_slice(directory);
    if !directory.is_empty() {
        key.push(0);
    }
    key.extend_from_slice(name);
    key
}

/// Splits key bytes into those of the directory and the name in it; the root, which has no name, gives `None`.
pub fn split(key: &[u8]) -> Option<(&[u8], &[u8])> {
    if key.is_empty() {
        return None;
    }
    match key.iter().rposition(|&byte| byte == 0) {
        Some(end) => Some((key.get(..end)?, key.get(end + 1..)?)),
        None => Some((&[], key)),
    }
}

/// Whether `key` lies strictly below `directory`.
pub fn is_below(key: &[u8], directory: &[u8]) -> bool {
    match key.strip_prefix(directory) {
        Some(rest) if directory.is_empty() => !rest.is_empty(),
        Some(rest) => rest.first() == Some(&0),
        None => false,
    }
}

/// A name that can stand in a directory: not empty, not `.` or `..`, without `/` and `00`.
pub fn is_name(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..") && !name.iter().any(|&byte| byte == b'/' || byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_things_stay_open_where_few_files_may_be() {
        let affordable = [0, 64, 128, 256, 1024, 4096, u64::MAX].map(|limit| affordable_within(limit, 256));
        assert_eq!(affordable, [0, 0, 16, 48, 240, 256, 256]);
    }

    #[test]
    fn joining_is_undone_by_splitting() {
        for (directory, name, key) in [("", "a", "a"), ("a", "b", "a\0b"), ("a\0b", "c", "a\0b\0c")] {
            assert_eq!(join(directory.as_bytes(), name.as_bytes()), key.as_bytes());
            assert_eq!(split(key.as_bytes()), Some((directory.as_bytes(), name.as_bytes())));
        }
        assert_eq!(split(b""), None);
    }

    #[test]
    fn only_what_lies_below_lies_below() {
        assert!(is_below(b"a\0b", b"a") && is_below(b"a", b""));
        assert!(!is_below(b"a", b"a") && !is_below(b"ab", b"a") && !is_below(b"", b"") && !is_below(b"b", b"a"));
    }

    #[test]
    fn names_that_lead_elsewhere_are_no_names() {
        for name in ["", ".", "..", "a/b", "/", "a\0b"] {
            assert!(!is_name(name.as_bytes()), "{name:?}");
        }
        for name in ["...", ".a", "a", "-", "\n"] {
            assert!(is_name(name.as_bytes()), "{name:?}");
        }
    }
}

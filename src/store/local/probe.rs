//! Proving what a directory can be trusted with.

use super::super::{Created, Fact, Folder, StoreError, StoreFacts};
use super::SWEEPS_MAX;
use super::root::Root;
use super::steps::Step;
use super::temporary::{Temporary, temporary_name};
use std::io::{self, Read};
use std::sync::Arc;

/// File systems that answer a listing from the same memory that a creation wrote to. On any other, a listing counts
/// only after it was forced fresh by creating something in the same directory first.
const LOCAL_FILE_SYSTEMS: [u64; 16] = [
    0xef53,      // ext2, ext3, ext4
    0x5846_5342, // xfs
    0x9123_683e, // btrfs
    0x0102_1994, // tmpfs
    0x8584_58f6, // ramfs
    0xf2f5_2010, // f2fs
    0x2fc1_2fc1, // zfs
    0xca45_1a4e, // bcachefs
    0x794c_7630, // overlayfs
    0x4d44,      // vfat
    0x2011_bab0, // exfat
    0x7366_746e, // ntfs3
    0x3153_464a, // jfs
    0x5265_4973, // reiserfs
    0x3434,      // nilfs2
    0x482b,      // hfs+
];

/// Tries out both promises with files that are removed again.
pub(super) fn prove(root: &Arc<Root>) -> Result<StoreFacts, StoreError> {
    let creates_exclusively = match exclusive(root) {
        Err(error) if error.is_read_only() => {
            let fact = Fact::Untried(error.to_string());
            return Ok(StoreFacts { creates_exclusively: fact.clone(), lists_acknowledged: fact });
        }
        Err(error @ StoreError::Unsupported { .. }) => Fact::Unproven(error.to_string()),
        proven => proven?,
    };
    let lists_acknowledged = match check_listing(root, Folder::Sessions.as_str()) {
        Err(error @ StoreError::StaleListing { .. }) => Fact::Unproven(error.to_string()),
        proven => proven.map(|()| Fact::Proven)?,
    };
    Ok(StoreFacts { creates_exclusively, lists_acknowledged })
}

/// Whether one name is created but once. A process that only begins has no session that would keep its files from being
/// swept, and where a name is swept between two attempts, both win. That looks like a store that breaks the promise; but
/// such a one breaks it each time.
fn exclusive(root: &Arc<Root>) -> Result<Fact, StoreError> {
    let mut sweeps = 0..SWEEPS_MAX;
    loop {
        match create_twice(root) {
            Ok(Fact::Unproven(_)) if sweeps.next().is_some() => {}
            Err(error) if error.is_vanished() && sweeps.next().is_some() => {}
            tried => return tried,
        }
    }
}

/// Creates one name twice: the second attempt must lose and the first one's bytes must stay.
fn create_twice(root: &Arc<Root>) -> Result<Fact, StoreError> {
    let folder = Folder::Sessions;
    let path = format!("{folder}/{}", temporary_name(None));
    let attempt = |bytes: &[u8]| {
        let mut temporary = Temporary::create(root, folder, None)?;
        temporary.write(bytes)?;
        temporary.publish_at(folder.as_str(), &path)
    };
    let outcome = attempt(b"first").and_then(|first| Ok((first, attempt(b"second")?, content(root, &path)?)));
    let removed = root.unlink(&path);
    let (first, second, content) = outcome?;
    removed?;
    Ok(match (first, second, content.as_slice()) {
        (Created::New, Created::Exists, b"first") => Fact::Proven,
        _ => Fact::Unproven("of two attempts to create one name, the first did not win".into()),
    })
}

fn content(root: &Root, path: &str) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::new();
    let read = root.open_file(path).and_then(|file| file.take(64).read_to_end(&mut bytes));
    read.map(|_| bytes).map_err(|error| root.error("reading", path, error))
}

/// Makes the next listing of a directory a fresh one, where that is not the file system's own business.
pub(super) fn force_listing(root: &Arc<Root>, directory: &str) -> Result<(), StoreError> {
    if is_local(root.file_system(directory)) && !root.steps().is_remote() {
        return Ok(());
    }
    match check_listing(root, directory) {
        // Who can't write here can't force anything; `facts` says that nothing is proven.
        Err(error) if error.is_read_only() || error.is_no_space() => Ok(()),
        checked => checked,
    }
}

/// Whether a listing needs no help on a file system of this kind; one whose kind can't be told is not trusted. Where there
/// is no directory there is nothing to list.
fn is_local(kind: io::Result<u64>) -> bool {
    match kind {
        Ok(magic) => LOCAL_FILE_SYSTEMS.contains(&magic),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// Creates a file and looks for it in a listing, and once more after it is gone.
fn check_listing(root: &Arc<Root>, directory: &str) -> Result<(), StoreError> {
    let mut sweeps = 0..SWEEPS_MAX;
    loop {
        let temporary = Temporary::create_in(root, directory, None)?;
        let path = temporary.path().to_owned();
        let is_shown = is_listed(root, directory, &path)?;
        let is_swept = !is_shown && !temporary.is_in_place();
        drop(temporary);
        if is_shown && !is_listed(root, directory, &path)? {
            return Ok(());
        }
        if !is_swept || sweeps.next().is_none() {
            return Err(StoreError::StaleListing { place: root.place(directory) });
        }
    }
}

fn is_listed(root: &Root, directory: &str, path: &str) -> Result<bool, StoreError> {
    root.steps().step(Step::Ask).map_err(|error| root.error("listing", directory, error.into()))?;
    let mut found = false;
    root.each_name(directory, &mut |_, name| {
        found |= path.as_bytes().strip_prefix(directory.as_bytes()).is_some_and(|rest| rest.get(1..) == Some(name));
        Ok(())
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn store_4_a_file_system_whose_kind_can_not_be_told_is_not_taken_for_a_local_one() {
        let nfs = 0x6969;
        let failed = |errno: rustix::io::Errno| Err(io::Error::from(errno));
        let cases = [
            (Ok(0xef53), true),
            (Ok(nfs), false),
            (failed(rustix::io::Errno::IO), false),
            (failed(rustix::io::Errno::ACCESS), false),
            (failed(rustix::io::Errno::NOENT), true),
        ];
        for (kind, expected) in cases {
            let said = format!("{kind:?}");
            assert_eq!(is_local(kind), expected, "{said}");
        }
    }
}

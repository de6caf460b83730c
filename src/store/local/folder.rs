//! Listing, removing and sweeping in the folders of a local store.

use super::super::{Folder, Listed, ObjectName, StoreError};
use super::probe;
use super::root::Root;
use super::steps::Step;
use super::temporary::temporary_session;
use crate::id::SessionId;
use rustix::fs::{AtFlags, FileType, Stat};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// Reports a folder, directory by directory.
pub(super) fn list(root: &Arc<Root>, folder: Folder, each: &mut dyn FnMut(Listed)) -> Result<(), StoreError> {
    probe::force_listing(root, folder.as_str())?;
    let mut inner = Vec::new();
    root.each_name(folder.as_str(), &mut |directory, name| {
        match sub_directory(folder, name) {
            Some(path) if is_directory(root, directory, name, &path)? => inner.push(path),
            _ => report(root, directory, folder.as_str(), name, each)?,
        }
        Ok(())
    })?;
    for path in inner {
        probe::force_listing(root, &path)?;
        root.each_name(&path, &mut |directory, name| report(root, directory, &path, name, each))?;
    }
    Ok(())
}

/// The path of a sub-directory, when its name is one that objects of this folder may lie in.
fn sub_directory(folder: Folder, name: &[u8]) -> Option<String> {
    let digits = folder.nested_digits()?;
    let hexadecimal = name.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    let text = std::str::from_utf8(name).ok().filter(|_| hexadecimal && name.len() == digits)?;
    Some(format!("{folder}/{text}"))
}

fn is_directory(root: &Root, directory: &OwnedFd, name: &[u8], path: &str) -> Result<bool, StoreError> {
    // Followed: somebody may keep a sub-directory on another disk.
    let status = root.steps().step(Step::Ask).and_then(|()| rustix::fs::statat(directory, name, AtFlags::empty()));
    match status {
        Ok(status) => Ok(kind(&status) == FileType::Directory),
        // Removed between the listing and this, or a link that leads nowhere.
        Err(Errno::NOENT | Errno::LOOP) => Ok(false),
        // Whatever lies in it would be taken for lost.
        Err(error) => Err(root.error("listing", path, error.into())),
    }
}

fn kind(status: &Stat) -> FileType {
    FileType::from_raw_mode(status.st_mode)
}

fn report(
    root: &Root,
    directory: &OwnedFd,
    path: &str,
    name: &[u8],
    each: &mut dyn FnMut(Listed),
) -> Result<(), StoreError> {
    if temporary_session(name).is_some() {
        return Ok(());
    }
    let status = match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(status) => status,
        // Removed between the listing and this.
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(root.error("listing", path, error.into())),
    };
    let object = std::str::from_utf8(name).ok().and_then(|name| format!("{path}/{name}").parse().ok());
    each(match object.filter(|_| kind(&status) == FileType::RegularFile) {
        Some(name) => Listed::Object { name, bytes: u64::try_from(status.st_size).unwrap_or(0) },
        None => Listed::Stranger { path: format!("{path}/{}", name.escape_ascii()) },
    });
    Ok(())
}

/// Removes objects, then syncs every directory that lost one.
pub(super) fn remove(root: &Root, names: &[ObjectName]) -> Result<Vec<ObjectName>, StoreError> {
    let mut touched = BTreeSet::new();
    let mut removed = Vec::new();
    for name in names {
        if root.unlink(&name.to_string())? {
            removed.push(*name);
            touched.insert((name.directory(), name.folder()));
        }
    }
    for (directory, folder) in touched {
        root.sync_directory(&directory)?;
        // One directory for each prune would pile up. Whoever creates in it at this moment makes it anew.
        if folder == Folder::Gc {
            root.remove_empty(&directory);
        }
    }
    Ok(removed)
}

/// Removes temporary files that nobody will finish.
pub(super) fn sweep(root: &Root, may_go: &dyn Fn(Option<SessionId>) -> bool) -> Result<u64, StoreError> {
    let mut freed = 0u64;
    for folder in Folder::ALL {
        let mut unwanted = Vec::new();
        root.each_name(folder.as_str(), &mut |directory, name| {
            let text = std::str::from_utf8(name).ok().zip(temporary_session(name));
            if let Some((text, _)) = text.filter(|(_, session)| may_go(*session)) {
                let status = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW);
                // One that was linked to its name and not yet unlinked frees nothing.
                let bytes = status.map_or(0, |status| if status.st_nlink > 1 { 0 } else { status.st_size });
                unwanted.push((format!("{folder}/{text}"), u64::try_from(bytes).unwrap_or(0)));
            }
            Ok(())
        })?;
        for (path, bytes) in unwanted {
            if root.unlink(&path)? {
                freed = freed.saturating_add(bytes);
            }
        }
    }
    Ok(freed)
}

//! Space that is given up when the medium is full, so that a prune can write what it must before it may delete.

use super::super::StoreError;
use super::root::Root;
use super::steps::Step;
use rustix::fs::{FallocateFlags, Mode, OFlags};
use rustix::io::Errno;

const NAME: &str = "reserve";
/// The reserve is this part of the medium: as many packs of 16 MiB as it can hold stand, at 32 bytes each, in both sets of
/// a prune that deletes them all.
const MEDIUM_PART: u64 = 1 << 18;
/// Room for what else a prune writes.
const BYTES_MIN: u64 = 1 << 20;
/// Room for the sets of fifty thousand packs.
const BYTES_MAX: u64 = 4 << 20;

/// A small medium gives up no larger part of itself.
const SMALL_MEDIUM_PART: u64 = 16;
/// Of what is left it takes at most so large a part, so that a medium that is nearly full keeps a smaller one: without any
/// it could be full for good.
const LEFT_PART: u64 = 2;

/// Makes the file unless it is there. Its blocks are allocated: a hole would reserve nothing.
pub(super) fn keep(root: &Root) -> Result<(), StoreError> {
    let failed = |error: Errno| root.error("reserving", NAME, error.into());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let space = rustix::fs::fstatvfs(root.directory()).map_err(failed)?;
    let medium_bytes = space.f_blocks.saturating_mul(space.f_frsize);
    let wanted_bytes = (medium_bytes / MEDIUM_PART).clamp(BYTES_MIN, BYTES_MAX).min(medium_bytes / SMALL_MEDIUM_PART);
    let status = rustix::fs::statat(root.directory(), NAME, rustix::fs::AtFlags::SYMLINK_NOFOLLOW);
    let held_bytes = status.map_or(0, |status| u64::try_from(status.st_size).unwrap_or(0));
    let left_bytes = space.f_bavail.saturating_mul(space.f_frsize);
    let bytes = wanted_bytes.min(held_bytes.saturating_add(left_bytes / LEFT_PART));
    if bytes <= held_bytes {
        return Ok(());
    }
    let opened = root.steps().step(Step::Create);
    let opened = opened.and_then(|()| rustix::fs::openat(root.directory(), NAME, flags, Mode::RUSR | Mode::WUSR));
    let file = opened.map_err(failed)?;
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, bytes) {
        Ok(()) => Ok(()),
        // Somebody filled the medium meanwhile, or it can't reserve: then there is no reserve.
        Err(_) => root.unlink(NAME).map(drop),
    }
}

/// Removes the file. Says whether it held anything.
pub(super) fn give_up(root: &Root) -> Result<bool, StoreError> {
    let status = rustix::fs::statat(root.directory(), NAME, rustix::fs::AtFlags::SYMLINK_NOFOLLOW);
    Ok(root.unlink(NAME)? && status.is_ok_and(|status| status.st_size > 0))
}

/// What the medium has left for this user.
pub(super) fn free_bytes(root: &Root) -> Result<u64, StoreError> {
    let space = rustix::fs::fstatvfs(root.directory());
    let space = space.map_err(|error| root.error("looking for space in", "", error.into()))?;
    Ok(space.f_bavail.saturating_mul(space.f_frsize))
}

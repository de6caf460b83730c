//! The mark of a mirror: a file beside the folders whose being there is all that it says.

use super::super::StoreError;
use super::root::Root;
use super::steps::Step;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Write};

/// Its name, which a new mirror may have before it has anything else.
pub(super) const NAME: &str = "this-is-a-mirror";

/// What it tells people who come across it.
const TEXT: &str = "\
This folder is a mirror of a holdall repository, kept by `holdall mirror`. Restore, list and check it like any other.
What writes to it refuses, since the next run of `holdall mirror` would then leave it alone for good.
If the repository that it is a mirror of is gone for good, remove this file: then this is a repository like any other.
";

/// Whether anything lies under the name.
pub(super) fn is_there(root: &Root) -> Result<bool, StoreError> {
    match rustix::fs::statat(root.directory(), NAME, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(root.error("looking for", NAME, error.into())),
    }
}

/// Makes the file unless it is there; durable on return in both cases.
pub(super) fn make(root: &Root) -> Result<(), StoreError> {
    root.require_synced()?;
    match write(root) {
        // Whoever made it may have crashed before it synced the directory.
        Ok(()) | Err(Errno::EXIST) => root.sync_directory(""),
        Err(error) => Err(root.error("creating", NAME, error.into())),
    }
}

fn write(root: &Root) -> Result<(), Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let readable = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::ROTH;
    root.steps().step(Step::Create)?;
    let mut file = File::from(rustix::fs::openat(root.directory(), NAME, flags, readable)?);
    root.steps().step(Step::Write)?;
    file.write_all(TEXT.as_bytes()).map_err(|error| of_io(&error))?;
    root.steps().step(Step::SyncFile)?;
    rustix::fs::fdatasync(&file)
}

fn of_io(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

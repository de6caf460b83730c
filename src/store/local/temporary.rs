//! Files that have no name yet that counts.

use super::super::{Created, Folder, ObjectName, StoreError};
use super::root::Root;
use super::steps::Step;
use crate::id::{SessionId, write_hex};
use crate::seal::random;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;

/// What temporary files begin with.
const TEMPORARY_PREFIX: &str = ".tmp-";

/// How often a name is tried whose directory vanishes each time: an emptied `gc` folder may be removed meanwhile.
const PUBLISH_ATTEMPTS_MAX: u32 = 8;

/// A file that has no name yet that counts. Removed when dropped.
pub(super) struct Temporary {
    root: Arc<Root>,
    path: String,
    file: File,
}

impl Temporary {
    /// Begins a file in a folder. Objects of its sub-directories begin here as well, so that a sweep finds them.
    pub(super) fn create(root: &Arc<Root>, folder: Folder, session: Option<SessionId>) -> Result<Self, StoreError> {
        root.settle(folder.as_str())?;
        Self::create_in(root, folder.as_str(), session)
    }

    pub(super) fn create_in(root: &Arc<Root>, directory: &str, session: Option<SessionId>) -> Result<Self, StoreError> {
        root.require_synced()?;
        let path = format!("{directory}/{}", temporary_name(session));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let readable = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::ROTH;
        let opened =
            root.steps().step(Step::Create).and_then(|()| rustix::fs::openat(root.directory(), &path, flags, readable));
        let file = opened.map_err(|error| root.error("creating", &path, error.into()))?.into();
        Ok(Self { root: Arc::clone(root), path, file })
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let written =
            self.root.steps().step(Step::Write).map_err(io::Error::from).and_then(|()| self.file.write_all(bytes));
        written.map_err(|error| self.root.error("writing", &self.path, error))
    }

    /// Syncs the file, gives it its name, syncs the directory. Whatever happens, the file is not used again.
    pub(super) fn publish(self, name: &ObjectName) -> Result<Created, StoreError> {
        self.publish_at(&name.directory(), &name.to_string())
    }

    pub(super) fn publish_at(self, directory: &str, path: &str) -> Result<Created, StoreError> {
        let root = Arc::clone(&self.root);
        let synced = root.steps().step(Step::SyncFile).and_then(|()| rustix::fs::fdatasync(&self.file));
        synced.map_err(|error| root.error("syncing", &self.path, error.into()))?;
        let mut attempts = 0..PUBLISH_ATTEMPTS_MAX;
        let created = loop {
            root.require_synced()?;
            root.settle(directory)?;
            match root.give_name(&self.path, path, |path| self.is_at(path))? {
                Some(created) => break created,
                None if attempts.next().is_some() => root.unsettle(directory),
                None => return Err(root.error("publishing", path, Errno::NOENT.into())),
            }
        };
        drop(self);
        // Also when the object was there before: who made it may have crashed before syncing the directory.
        root.sync_directory(directory)?;
        Ok(created)
    }

    /// Syncs the file, puts it in the place of the object of this name, which has to be there, and syncs the directory.
    pub(super) fn replace(self, name: &ObjectName) -> Result<(), StoreError> {
        let root = Arc::clone(&self.root);
        let synced = root.steps().step(Step::SyncFile).and_then(|()| rustix::fs::fdatasync(&self.file));
        synced.map_err(|error| root.error("syncing", &self.path, error.into()))?;
        root.require_synced()?;
        root.exchange(&self.path, name).or_else(|error| self.require_in_place().and(Err(error)))?;
        // The damaged bytes bear the temporary name now, and go with it.
        drop(self);
        root.sync_directory(&name.directory())
    }

    /// Whether nobody has swept the file.
    pub(super) fn is_in_place(&self) -> bool {
        self.is_at(&self.path)
    }

    /// An error of the file itself if somebody swept it, which must not be taken for a lack of the object.
    pub(super) fn require_in_place(&self) -> Result<(), StoreError> {
        let why = "somebody swept it while no session was open; run again";
        let swept = || self.root.error("mending", &self.path, io::Error::new(io::ErrorKind::NotFound, why));
        if self.is_in_place() { Ok(()) } else { Err(swept()) }
    }

    /// Whether the file at `path` is this one.
    fn is_at(&self, path: &str) -> bool {
        let there = rustix::fs::statat(self.root.directory(), path, AtFlags::SYMLINK_NOFOLLOW);
        let ours = rustix::fs::fstat(&self.file);
        there
            .ok()
            .zip(ours.ok())
            .is_some_and(|(there, ours)| there.st_dev == ours.st_dev && there.st_ino == ours.st_ino)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Renamed away, swept, or on a medium that just failed: what stays is swept when its session is decided.
        let _ = self.root.unlink(&self.path);
    }
}

pub(super) fn temporary_name(session: Option<SessionId>) -> String {
    let mut name = TEMPORARY_PREFIX.to_owned();
    if let Some(session) = session {
        name.push_str(&format!("{session}-"));
    }
    write_hex(&random::<8>(), &mut name).expect("writing to a string can't fail");
    name
}

/// The session of a temporary file's name; `None` when it is no such name.
pub(super) fn temporary_session(name: &[u8]) -> Option<Option<SessionId>> {
    let rest = std::str::from_utf8(name).ok()?.strip_prefix(TEMPORARY_PREFIX)?;
    Some(rest.rsplit_once('-').and_then(|(session, _)| session.parse().ok()))
}

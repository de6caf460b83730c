//! Regular files: made, written in parts by several threads, punched.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustix::fd::OwnedFd;
use rustix::fs::{FallocateFlags, Mode, OFlags, fallocate, fchmod, ftruncate, openat};
use rustix::io::{Errno, pread, pwrite};

use super::{
    ATTEMPT_COUNT, Destination, DestinationError, Existing, MARKED_FILE, Made, Marks, Metadata, Operation, Owner,
    Place, identity_of,
};
use crate::fs::look_through;
use crate::manifest::{HOLE_GRAIN_BYTES, Key, Kind};

/// Zeros are written from here.
static ZEROS: [u8; 256 << 10] = [0; 256 << 10];

pub(super) const OPEN: OFlags =
    OFlags::RDWR.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// A regular file in the target; several threads may write it, each place once, in any order.
#[derive(Debug)]
pub struct TargetFile {
    pub(super) key: Key,
    pub(super) file: OwnedFd,
    pub(super) made: Made,
}

impl TargetFile {
    /// Whether it was made, so that what was not written reads as zeros, or may hold what was there before.
    pub fn made(&self) -> Made {
        self.made
    }

    /// Brings the file to a length; what is added reads as zeros.
    ///
    /// # Errors
    /// [`DestinationError::Refused`].
    pub fn set_length(&self, length: u64) -> Result<(), DestinationError> {
        ftruncate(&self.file, length).map_err(|errno| self.refused(Operation::Write, errno))
    }

    /// Writes all `bytes` at `offset`.
    ///
    /// # Errors
    /// [`DestinationError::Refused`].
    pub fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), DestinationError> {
        let (mut place, mut rest) = (offset, bytes);
        while !rest.is_empty() {
            match pwrite(&self.file, rest, place) {
                Ok(0) => return Err(self.refused(Operation::Write, Errno::IO)),
                Ok(count) => {
                    rest = rest.get(count..).unwrap_or_default();
                    place = place.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(self.refused(Operation::Write, errno)),
            }
        }
        Ok(())
    }

    /// Writes zeros that take space: a hole there would be a difference.
    ///
    /// # Errors
    /// [`DestinationError::Refused`].
    pub fn write_zeros(&self, offset: u64, length: u64) -> Result<(), DestinationError> {
        let end = offset.saturating_add(length);
        let mut place = offset;
        while place < end {
            let count = usize::try_from(end - place).unwrap_or(usize::MAX).min(ZEROS.len());
            self.write_at(place, ZEROS.get(..count).unwrap_or_default())?;
            place = place.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        }
        Ok(())
    }

    /// Makes a hole in a file of so many bytes, where the file system can; else writes zeros. Costs nothing in a file that
    /// was made.
    ///
    /// # Errors
    /// [`DestinationError::Refused`].
    pub fn make_hole(&self, offset: u64, length: u64, file_bytes: u64) -> Result<(), DestinationError> {
        if self.made == Made::New || length == 0 {
            return Ok(());
        }
        let end = offset.saturating_add(length);
        // Of the block in which the file ends, the part that the file has is not let go alone.
        let is_last = end >= file_bytes;
        let whole = if is_last { end.next_multiple_of(HOLE_GRAIN_BYTES).saturating_sub(offset) } else { length };
        match fallocate(&self.file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, offset, whole) {
            Ok(()) => Ok(()),
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => self.write_zeros(offset, length),
            Err(errno) => Err(self.refused(Operation::Write, errno)),
        }
    }

    /// Fills `buffer` with what is there at `offset`; fewer bytes only where the file ends.
    ///
    /// # Errors
    /// [`DestinationError::Refused`].
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, DestinationError> {
        let mut filled = 0;
        let mut place = offset;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match pread(&self.file, rest, place) {
                Ok(0) => break,
                Ok(count) => {
                    filled += count;
                    place = place.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(self.refused(Operation::Read, errno)),
            }
        }
        Ok(filled)
    }

    /// Notes, as far as that can be done, that a write failed which should have completed the file.
    pub fn mark_unfinished(&self) {
        let _ = fchmod(&self.file, MARKED_FILE);
    }

    pub(super) fn refused(&self, operation: Operation, errno: Errno) -> DestinationError {
        DestinationError::refused(&self.key, operation, errno)
    }
}

/// How a file that is made gets its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filling {
    /// By one write: at no moment a part of it lies there.
    AtOnce,
    /// In parts.
    InParts,
}

impl Destination {
    /// Makes a file of `length` bytes, all of it a hole, or takes the one that is there as `existing` says and brings
    /// it to that length.
    ///
    /// Only its maker can open it until its metadata is set. It stays open for [`file`](Self::file) as long as there
    /// is room among the open files.
    ///
    /// # Errors
    /// [`DestinationError::InTheWay`], [`DestinationError::Taken`], [`DestinationError::Refused`],
    /// [`DestinationError::Restless`].
    pub fn create_file(&self, key: &Key, length: u64, existing: Existing) -> Result<Arc<TargetFile>, DestinationError> {
        let file = self.open_new(key, existing, MARKED_FILE)?;
        file.set_length(length)?;
        Ok(self.keep(file))
    }

    /// As [`create_file`](Self::create_file), for a file of which every byte will be written and whose metadata is
    /// known. Two system calls less, each of which costs an entry in the file system's journal: a new file gets its
    /// length from what is written, and, if one write completes it and that lets nobody in whom the metadata will not let
    /// in, its mode from the start.
    ///
    /// # Errors
    /// As [`create_file`](Self::create_file).
    pub fn create_whole_file(
        &self,
        key: &Key,
        length: u64,
        existing: Existing,
        (metadata, filling): (&Metadata, Filling),
    ) -> Result<Arc<TargetFile>, DestinationError> {
        let mode = match filling {
            Filling::AtOnce => self.mode_from_the_start(metadata),
            Filling::InParts => MARKED_FILE,
        };
        let file = self.open_new(key, existing, mode)?;
        if file.made == Made::Reused {
            file.set_length(length)?;
        }
        Ok(self.keep(file))
    }

    fn open_new(&self, key: &Key, existing: Existing, mode: Mode) -> Result<TargetFile, DestinationError> {
        let refused = |errno| DestinationError::refused(key, Operation::OpenFile, errno);
        let place = self.place(key.as_bytes()).map_err(refused)?;
        self.lock_files().remove(key.as_bytes());
        self.lock_let_go().remove(key);
        for _ in 0..ATTEMPT_COUNT {
            let create = || openat(&place.directory, place.name, OPEN | OFlags::CREATE | OFlags::EXCL, mode);
            let create = || self.handles.making_room(create);
            let (file, made) = match self.changing(key.as_bytes(), create) {
                Ok(file) => (file, Made::New),
                Err(Errno::EXIST) if existing == Existing::Refuse => {
                    return Err(DestinationError::Taken { place: key.into() });
                }
                Err(Errno::EXIST) => match reuse(&place, existing).map_err(refused)? {
                    Some(file) => (file, Made::Reused),
                    None => {
                        self.clear(key, &place)?;
                        continue;
                    }
                },
                Err(errno) => return Err(refused(errno)),
            };
            return Ok(TargetFile { key: key.clone(), file, made });
        }
        Err(DestinationError::Restless { place: key.into() })
    }

    /// The final mode, if maker and maker's group are the final owners, no list of rights comes on top, nothing is lent,
    /// and the owner may open the file again; else one that lets in nobody else.
    fn mode_from_the_start(&self, metadata: &Metadata) -> Mode {
        let (uid, gid) = self.maker;
        let is_owner = metadata.owner == Owner::Ids { uid, gid };
        let is_plain = metadata.mode & !0o777 == 0 && metadata.mode & 0o600 == 0o600 && metadata.xattrs.is_empty();
        let hands_down = self.bequeaths.load(Ordering::Relaxed) || self.lends_group.load(Ordering::Relaxed);
        let is_open = is_owner && is_plain && !hands_down && self.marks == Marks::Parts;
        if is_open { Mode::from_bits_retain(metadata.mode.into()) } else { MARKED_FILE }
    }

    /// The file at `key`, made before, for another part of its content: the open one, or opened again.
    ///
    /// # Errors
    /// [`DestinationError::OtherKind`], [`DestinationError::Refused`].
    pub fn file(&self, key: &Key) -> Result<Arc<TargetFile>, DestinationError> {
        if let Some(file) = self.lock_files().get(key.as_bytes()) {
            return Ok(file);
        }
        let refused = |errno| DestinationError::refused(key, Operation::OpenFile, errno);
        let place = self.place(key.as_bytes()).map_err(refused)?;
        let open = || openat(&place.directory, place.name, OPEN, Mode::empty());
        let file = self.handles.making_room(open).map_err(refused)?;
        let status = look_through(&file).map_err(refused)?;
        let found = Kind::of_mode(status.stx_mode);
        if found != Kind::File {
            return Err(DestinationError::OtherKind { place: key.into(), found, wanted: Kind::File });
        }
        // Not a hard link, say, to a file outside of the target that somebody put there meanwhile.
        self.require_same(key, &status)?;
        Ok(self.keep(TargetFile { key: key.clone(), file, made: Made::Reused }))
    }

    pub(super) fn keep(&self, file: TargetFile) -> Arc<TargetFile> {
        let file = Arc::new(file);
        // Held to the end: whoever does not find a file among the open ones finds which it was.
        let mut files = self.lock_files();
        for gone in files.insert(file.key.as_bytes(), Arc::clone(&file)) {
            if let Ok(found) = look_through(&gone.file) {
                self.lock_let_go().insert(gone.key.clone(), identity_of(&found));
            }
        }
        drop(files);
        file
    }
}

/// Opens the file that is there if it may be written over, for its maker only from now on.
fn reuse(place: &Place<'_>, existing: Existing) -> Result<Option<OwnedFd>, Errno> {
    if existing == Existing::Replace {
        return Ok(None);
    }
    let pin =
        match openat(&place.directory, place.name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()) {
            Ok(pin) => pin,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(errno),
        };
    let found = look_through(&pin)?;
    let shared = found.stx_nlink > 1 && existing != Existing::ReuseShared;
    if Kind::of_mode(found.stx_mode) != Kind::File || shared {
        return Ok(None);
    }
    // Somebody else's, or on a file system that knows better: replacing it is left to try.
    if super::metadata::set_mode(&pin, 0o600).is_err() {
        return Ok(None);
    }
    let Ok(file) = openat(&place.directory, place.name, OPEN, Mode::empty()) else { return Ok(None) };
    let opened = look_through(&file)?;
    if identity_of(&opened) != identity_of(&found) {
        return Ok(None);
    }
    // Where no mark can be set, the file lets in nobody else all the same.
    let _ = fchmod(&file, MARKED_FILE);
    Ok(Some(file))
}

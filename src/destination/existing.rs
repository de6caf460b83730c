//! Regular files that lie in the target already, compared with what shall be there before a byte of them is touched.

use std::cell::Cell;
use std::sync::Arc;

use rustix::fd::OwnedFd;
use rustix::fs::{FallocateFlags, Mode, OFlags, SeekFrom, Statx, fallocate, fchmod, openat, seek};
use rustix::io::Errno;

use super::file::OPEN;
use super::metadata::set_mode;
use super::{
    Destination, DestinationError, MARKED_FILE, Made, Operation, PRIVATE_FILE, Place, Present, TargetFile, identity_of,
};
use crate::fs::{look_through, open_quietly};
use crate::manifest::{HOLE_GRAIN_BYTES, Hole, Key, Kind};

/// How programs and libraries begin.
const ELF: [u8; 4] = *b"\x7fELF";

/// What the file may be used for as it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opened {
    /// Reading and writing.
    Writable,
    /// Reading: its mode lets nobody write.
    Unwritable,
    /// Reading: it runs, or its file system takes no writing.
    ReadOnly,
}

/// A regular file that lies in the target, open to be compared. Nothing of it changes, not even when it was last read,
/// until it is [taken over](Destination::take_over).
#[derive(Debug)]
pub struct ExistingFile {
    file: TargetFile,
    opened: Opened,
    found: Statx,
    /// From where a hole was last looked for, and where the next one is, or the end. A file is compared in pieces, and some
    /// file systems go through all that lies before a hole each time they are asked for it.
    next_hole: Cell<Option<(u64, u64)>>,
}

impl ExistingFile {
    /// What it was when it was opened.
    pub fn present(&self) -> Present {
        self.found.into()
    }

    pub(super) const fn handle(&self) -> &OwnedFd {
        &self.file.file
    }

    /// Whether it can be written to as it is; else only [taking it over](Destination::take_over) shows whether it can.
    pub fn is_writable(&self) -> bool {
        self.opened == Opened::Writable
    }

    /// Whether it may be mapped into what runs: a program, or a library of one. What is written to it would be seen there
    /// at once, and what is cut off be missed.
    ///
    /// # Errors
    /// [`DestinationError::Refused`].
    pub fn is_mappable(&self) -> Result<bool, DestinationError> {
        let mut magic = [0; ELF.len()];
        Ok(self.read_at(0, &mut magic)? == ELF.len() && magic == ELF)
    }

    /// Fills `buffer` with what is there at `offset`; fewer bytes only where the file ends.
    ///
    /// # Errors
    /// [`DestinationError::Refused`].
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, DestinationError> {
        self.file.read_at(offset, buffer)
    }

    /// Whether a part of the file has exactly these holes, as far as they lie in it. Where nothing says that it has any,
    /// and none are wanted, nothing is asked.
    ///
    /// # Errors
    /// [`DestinationError::Refused`].
    pub fn has_holes(&self, offset: u64, length: u64, wanted: &[Hole]) -> Result<bool, DestinationError> {
        let end = offset.saturating_add(length).min(self.found.stx_size);
        let mut wanted = wanted
            .iter()
            .map(|hole| (hole.offset.max(offset), hole.offset.saturating_add(hole.bytes).min(end)))
            .filter(|(start, end)| start < end)
            .peekable();
        if wanted.peek().is_none() && self.is_fully_allocated() {
            return Ok(true);
        }
        let mut from = offset;
        while let Some((start, stop)) = self.hole_from(from, end)? {
            if wanted.next() != Some((start, stop)) {
                return Ok(false);
            }
            from = stop;
        }
        Ok(wanted.next().is_none())
    }

    fn is_fully_allocated(&self) -> bool {
        self.found.stx_blocks.saturating_mul(512) >= self.found.stx_size
    }

    /// The first hole at or behind `from` and before `end`, cut off there; its borders rounded inwards to the grain in
    /// which holes are stored.
    fn hole_from(&self, from: u64, end: u64) -> Result<Option<(u64, u64)>, DestinationError> {
        let size = self.found.stx_size;
        let mut from = from;
        while from < end {
            let hole = self.next_hole(from)?;
            if hole >= end.min(size) {
                return Ok(None);
            }
            let data = self.find(SeekFrom::Data(hole))?.unwrap_or(size);
            // A part may begin within a hole, at any byte.
            let start = if hole == from { hole } else { hole.next_multiple_of(HOLE_GRAIN_BYTES) };
            let stop = if data < size { data / HOLE_GRAIN_BYTES * HOLE_GRAIN_BYTES } else { size };
            let stop = stop.min(end);
            if stop > start {
                return Ok(Some((start, stop)));
            }
            from = data.max(hole.saturating_add(1));
        }
        Ok(None)
    }

    /// Where the next hole is, at or behind `from`; the file's end if there is none.
    fn next_hole(&self, from: u64) -> Result<u64, DestinationError> {
        if let Some((searched, hole)) = self.next_hole.get()
            && (searched..=hole).contains(&from)
        {
            return Ok(hole);
        }
        let hole = self.find(SeekFrom::Hole(from))?.unwrap_or(self.found.stx_size);
        self.next_hole.set(Some((from, hole)));
        Ok(hole)
    }

    /// `None` past the last hole or data, and where the file system knows no holes.
    fn find(&self, what: SeekFrom) -> Result<Option<u64>, DestinationError> {
        match seek(&self.file.file, what) {
            Ok(found) => Ok(Some(found)),
            Err(Errno::NXIO | Errno::INVAL | Errno::OPNOTSUPP) => Ok(None),
            Err(errno) => Err(self.file.refused(Operation::Read, errno)),
        }
    }
}

impl TargetFile {
    /// Lets go of the space behind zeros that are there, where the file system can.
    ///
    /// # Errors
    /// [`DestinationError::Refused`].
    pub fn punch(&self, offset: u64, length: u64) -> Result<(), DestinationError> {
        match fallocate(&self.file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, offset, length) {
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
            Err(errno) => Err(self.refused(Operation::Write, errno)),
        }
    }
}

impl Destination {
    /// Opens the regular file at `key` to compare it; none where there is none, or it may not even be read. The caller
    /// has seen by [`look`](Self::look) that it is a file: opening a device may have consequences.
    ///
    /// # Errors
    /// [`DestinationError::Refused`].
    pub fn open_existing(&self, key: &Key) -> Result<Option<ExistingFile>, DestinationError> {
        let refused = |errno| DestinationError::refused(key, Operation::OpenFile, errno);
        let place = self.place(key.as_bytes()).map_err(refused)?;
        let (file, opened) = match open_quietly(&place.directory, place.name, OPEN) {
            Ok(file) => (file, Opened::Writable),
            Err(errno @ (Errno::ACCESS | Errno::PERM | Errno::TXTBSY | Errno::ROFS)) => {
                let flags = OPEN.difference(OFlags::RDWR);
                let Ok(file) = open_quietly(&place.directory, place.name, flags) else { return Ok(None) };
                let may_yield = matches!(errno, Errno::ACCESS | Errno::PERM);
                (file, if may_yield { Opened::Unwritable } else { Opened::ReadOnly })
            }
            // Whatever it is, it is no file that could be compared.
            Err(Errno::NOENT | Errno::LOOP | Errno::ISDIR | Errno::NXIO | Errno::NODEV) => return Ok(None),
            Err(errno) => return Err(refused(errno)),
        };
        let found = look_through(&file).map_err(refused)?;
        if Kind::of_mode(found.stx_mode) != Kind::File {
            return Ok(None);
        }
        let file = TargetFile { key: key.clone(), file, made: Made::Reused };
        Ok(Some(ExistingFile { file, opened, found, next_hole: Cell::default() }))
    }

    /// Takes a file over to write the parts that differ: from now on only its maker may open it, and it has `length`
    /// bytes. None if it can't be written to, got another name meanwhile, or is another file by now: then it has to be
    /// replaced.
    ///
    /// # Errors
    /// [`DestinationError::Refused`].
    pub fn take_over(&self, existing: ExistingFile, length: u64) -> Result<Option<Arc<TargetFile>>, DestinationError> {
        let ExistingFile { file: TargetFile { key, file, made }, opened, found, .. } = existing;
        let refused = |errno| DestinationError::refused(&key, Operation::OpenFile, errno);
        // Looked at again: what is written must not be seen under a name outside of the target.
        if look_through(&file).map_err(refused)?.stx_nlink > 1 {
            return Ok(None);
        }
        let file = match opened {
            Opened::Writable => file,
            Opened::ReadOnly => return Ok(None),
            Opened::Unwritable => {
                let place = self.place(key.as_bytes()).map_err(refused)?;
                match open_to_write(&place, &file, &found) {
                    Some(file) => file,
                    None => return Ok(None),
                }
            }
        };
        // Where no mark can be set, one that lets in nobody else has to do.
        if fchmod(&file, MARKED_FILE).or_else(|_| fchmod(&file, PRIVATE_FILE)).is_err() {
            return Ok(None);
        }
        let file = TargetFile { key, file, made };
        if found.stx_size != length {
            file.set_length(length)?;
        }
        Ok(Some(self.keep(file)))
    }
}

/// Opens a file for writing that was opened for reading, if it is ours and still there.
fn open_to_write(place: &Place<'_>, file: &OwnedFd, found: &Statx) -> Option<OwnedFd> {
    set_mode(file, PRIVATE_FILE.bits().try_into().ok()?).ok()?;
    let file = openat(&place.directory, place.name, OPEN, Mode::empty()).ok()?;
    let opened = look_through(&file).ok()?;
    (identity_of(&opened) == identity_of(found)).then_some(file)
}

//! One open file: its content by position, its holes, its attributes.

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Advice, OFlags, SeekFrom, fadvise, seek};
use rustix::io::Errno;

use super::labels::{Labels, labels};
use super::{Operation, Source, SourceError, Stat};
use crate::fs::{Labelled, look_through, open_quietly, read_at};
use crate::manifest::{Key, Kind};

/// Holes are told in units of this many bytes.
const HOLE_BYTES: u64 = 4096;

/// Shorter files that take as much space as they are long are not searched for holes: the search took 3 % of a first
/// backup of small files. A hole that is there all the same, because space beyond the end or for attributes counts, is read
/// as zeros.
const SEARCHED_BYTES_MIN: u64 = 64 << 10;

/// Shorter files are read in one go; the kernel's usual reading ahead does for them.
const READ_AHEAD_BYTES_MIN: u64 = 128 << 10;

/// How files and directories are opened: a pipe does not block, a link is not followed.
pub(super) const QUIET: OFlags =
    OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

fn open_by_key(source: &Source, key: &Key) -> Result<OwnedFd, SourceError> {
    let refused = |errno| SourceError::refused(key, Operation::Open, errno);
    let (directory, name) = source.place(key.as_bytes()).map_err(refused)?;
    match source.handles.making_room(|| open_quietly(&directory, name, QUIET)) {
        // A link, or a socket or device without anything behind it: say so if it can be seen.
        Err(errno @ (Errno::LOOP | Errno::NXIO | Errno::NODEV)) => Err(match source.stat(key) {
            Ok(stat) if stat.kind != Kind::File => SourceError::NotAFile { key: key.clone(), found: stat.kind },
            _ => refused(errno),
        }),
        answer => answer.map_err(refused),
    }
}

/// A stretch of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// Bytes from `start` up to, not including, `end` that have to be read.
    Data {
        /// Where it starts.
        start: u64,
        /// Where it ends.
        end: u64,
    },
    /// A hole: reads as zeros and takes no space. It starts at a multiple of 4 KiB and ends at one, or with the file.
    Hole {
        /// Where it starts.
        start: u64,
        /// Where it ends.
        end: u64,
    },
}

/// A regular file that is open for reading; several threads may read it.
#[derive(Debug)]
pub struct SourceFile {
    key: Key,
    file: OwnedFd,
    opened: Stat,
}

impl SourceFile {
    pub(super) fn open(source: &Source, key: &Key) -> Result<Self, SourceError> {
        let file = open_by_key(source, key)?;
        let opened = look_through(&file).map_err(|errno| SourceError::refused(key, Operation::Open, errno))?;
        let opened = Stat::from(opened);
        if opened.kind != Kind::File {
            return Err(SourceError::NotAFile { key: key.clone(), found: opened.kind });
        }
        Ok(Self::ready(key, file, opened))
    }

    pub(super) fn open_walked(source: &Source, key: &Key, walked: &Stat) -> Result<Self, SourceError> {
        Ok(Self::ready(key, open_by_key(source, key)?, walked.clone()))
    }

    /// A file that somebody opened for reading. The key is what errors name.
    ///
    /// # Errors
    /// [`SourceError::Refused`].
    pub fn opened(key: &Key, file: OwnedFd) -> Result<Self, SourceError> {
        let opened = look_through(&file).map_err(|errno| SourceError::refused(key, Operation::Open, errno))?;
        Ok(Self::ready(key, file, opened.into()))
    }

    fn ready(key: &Key, file: OwnedFd, opened: Stat) -> Self {
        if opened.size > READ_AHEAD_BYTES_MIN {
            // Only a hint: where it is not understood, reading works all the same.
            let _ = fadvise(&file, 0, None, Advice::Sequential);
        }
        Self { key: key.clone(), file, opened }
    }

    /// What the file was when it was opened, or when the walk saw it.
    pub fn stat(&self) -> &Stat {
        &self.opened
    }

    /// What the file is now: another size, mtime or ctime than in [`stat`](Self::stat) means that it moved meanwhile.
    ///
    /// # Errors
    /// [`SourceError::Refused`].
    pub fn stat_again(&self) -> Result<Stat, SourceError> {
        Ok(look_through(&self.file).map_err(|errno| self.refused(Operation::Stat, errno))?.into())
    }

    /// Fills `buffer` with the bytes at `offset`; fewer than its length only where the file ends.
    ///
    /// # Errors
    /// [`SourceError::Refused`], such as a bad disk block.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
        read_at(&self.file, offset, buffer).map_err(|errno| self.refused(Operation::Read, errno))
    }

    /// The stretch that starts at `offset`, which must be 0 or the end of the stretch before; `None` at the end.
    ///
    /// The end is that of the file when it was opened. A file system that knows no holes has data only.
    ///
    /// # Errors
    /// [`SourceError::Refused`].
    pub fn run_at(&self, offset: u64) -> Result<Option<Run>, SourceError> {
        let size = self.opened.size;
        if offset >= size {
            return Ok(None);
        }
        let hole = match self.next_hole(offset)? {
            Some((start, end)) if start == offset => return Ok(Some(Run::Hole { start, end })),
            Some((start, _)) => start,
            None => size,
        };
        Ok(Some(Run::Data { start: offset, end: hole }))
    }

    /// Reads all extended attributes, ACLs and capabilities among them, sorted by name.
    ///
    /// # Errors
    /// [`SourceError::Refused`].
    pub fn xattrs(&self) -> Result<Labels, SourceError> {
        labels(&Labelled::Open(self.file.as_fd()), &self.key)
    }

    /// Tells the kernel that what was read below `end` will not be read again, so that a backup does not push what
    /// others work with out of memory.
    pub fn forget_below(&self, end: u64) {
        // Only a hint.
        let _ = fadvise(&self.file, 0, std::num::NonZeroU64::new(end), Advice::DontNeed);
    }

    /// The next hole at or behind `offset` that is left after rounding inwards to 4 KiB.
    fn next_hole(&self, offset: u64) -> Result<Option<(u64, u64)>, SourceError> {
        let size = self.opened.size;
        if size < SEARCHED_BYTES_MIN && self.opened.space_bytes >= size {
            return Ok(None);
        }
        let mut from = offset;
        while from < size {
            let start = self.find(SeekFrom::Hole(from))?.unwrap_or(size);
            let start = start.checked_next_multiple_of(HOLE_BYTES).unwrap_or(size);
            if start >= size {
                break;
            }
            let end = match self.find(SeekFrom::Data(start))? {
                Some(end) if end < size => end / HOLE_BYTES * HOLE_BYTES,
                _ => size,
            };
            if end > start {
                return Ok(Some((start, end)));
            }
            from = start + 1;
        }
        Ok(None)
    }

    /// `None` past the last hole or data, and where the file system knows no holes.
    fn find(&self, what: SeekFrom) -> Result<Option<u64>, SourceError> {
        match seek(&self.file, what) {
            Ok(found) => Ok(Some(found)),
            Err(Errno::NXIO) => Ok(None),
            Err(Errno::INVAL | Errno::OPNOTSUPP) if matches!(what, SeekFrom::Hole(_)) => Ok(None),
            Err(errno) => Err(self.refused(Operation::Read, errno)),
        }
    }

    fn refused(&self, operation: Operation, errno: Errno) -> SourceError {
        SourceError::refused(&self.key, operation, errno)
    }
}

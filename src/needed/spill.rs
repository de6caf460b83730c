//! A file for what memory has no room for. It has no name, so nothing is left of it, however the process ends.

use crate::error::{Error, Result};
use crate::fs::is_full;
use crate::id::ChunkId;
use crate::index::IndexError;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// How much is written at once.
const WRITE_BYTES: usize = 256 << 10;
/// Length of an id with its count.
const COUNTED_BYTES: u64 = 40;

/// An id, and how often it came.
pub(super) type Counted = (ChunkId, u64);

/// Ids with their counts, one after the other.
pub(super) struct SpillFile {
    writer: BufWriter<File>,
    count: u64,
    directory: PathBuf,
}

impl SpillFile {
    /// Makes a file in a directory, which is made if it is not there.
    pub(super) fn create(directory: &Path) -> Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(|error| failed("making a directory for", directory, &error))?;
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = directory.join(format!(".ids-{}-{number}", std::process::id()));
            match OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path) {
                Ok(file) => {
                    std::fs::remove_file(&path).map_err(|error| failed("writing", directory, &error))?;
                    let writer = BufWriter::with_capacity(WRITE_BYTES, file);
                    return Ok(Self { writer, count: 0, directory: directory.to_owned() });
                }
                // Left behind by a process of the same number that ended between two calls.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed("writing", directory, &error)),
            }
        }
    }

    /// How many ids it holds.
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// Appends an id.
    pub(super) fn push(&mut self, (id, count): &Counted) -> Result<()> {
        let written = self.writer.write_all(id.as_bytes()).and_then(|()| self.writer.write_all(&count.to_le_bytes()));
        written.map_err(|error| failed("writing", &self.directory, &error))?;
        self.count = self.count.saturating_add(1);
        Ok(())
    }

    /// Makes what was appended readable.
    pub(super) fn flush(&mut self) -> Result<()> {
        self.writer.flush().map_err(|error| failed("writing", &self.directory, &error))
    }

    /// Reads `count` ids from the place `start`, counted in ids; `ids` is cleared first.
    pub(super) fn read(&self, start: u64, count: usize, ids: &mut Vec<Counted>) -> Result<()> {
        let mut bytes = vec![[0u8; 40]; count];
        let flat = bytes.as_flattened_mut();
        let read = self.writer.get_ref().read_exact_at(flat, start.saturating_mul(COUNTED_BYTES));
        read.map_err(|error| failed("reading", &self.directory, &error))?;
        ids.clear();
        ids.extend(bytes.iter().filter_map(|bytes| {
            let (id, count) = bytes.split_first_chunk()?;
            Some((ChunkId::from_bytes(*id), u64::from_le_bytes(*count.first_chunk()?)))
        }));
        Ok(())
    }
}

fn failed(operation: &'static str, directory: &Path, error: &std::io::Error) -> Error {
    let place = directory.display().to_string();
    if is_full(error) {
        return IndexError::NoSpace { place }.into();
    }
    IndexError::Io { operation, place, reason: error.to_string() }.into()
}

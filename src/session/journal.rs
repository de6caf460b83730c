//! The local journal of one checkpoint session: the segment rows of every pack that is durable but not yet named by an
//! outcome, so that an interrupted run loses only what was in flight.
//!
//! A journal is a file in the user's state directory: for each pack a length, the bytes of a one-pack segment body and
//! their BLAKE3. It proves nothing; packs are tested against the store before they are believed.

use crate::error::{Error, ErrorKind, Result};
use crate::id::{SegmentId, SessionId};
use crate::segment::{PackRow, SegmentBuilder, SegmentReader};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// The longest entry that is read back: as long as the longest segment body.
const ENTRY_BYTES_MAX: u32 = 32 << 20;

/// An entry is no object of the store and has no name there.
const NAMELESS: SegmentId = SegmentId::from_bytes([0; 32]);

/// A journal that is being written.
pub(super) struct Journal {
    path: PathBuf,
    file: std::fs::File,
}

impl Journal {
    /// Begins the journal of a session.
    ///
    /// # Errors
    /// When the state directory can't be written to.
    pub(super) fn begin(directory: &Path, session: SessionId) -> Result<Self> {
        let path = path(directory, session);
        let make = || -> std::io::Result<std::fs::File> {
            std::fs::create_dir_all(directory.join("journal"))?;
            std::fs::File::create(&path)
        };
        let file = make().map_err(|cause| failed(&path, cause))?;
        Ok(Self { path, file })
    }

    /// Adds a pack that is durable in the store.
    ///
    /// # Errors
    /// When the state directory can't be written to.
    pub(super) fn add(&mut self, row: &PackRow) -> Result<()> {
        let mut builder = SegmentBuilder::new();
        builder.push(row.clone())?;
        let body = builder.finish();
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
        let mut entry = Vec::with_capacity(body.len().saturating_add(36));
        entry.extend_from_slice(&length.to_le_bytes());
        entry.extend_from_slice(&body);
        entry.extend_from_slice(blake3::hash(&body).as_bytes());
        // One write and no fsync: a lost tail costs packs that are stored again, nothing else.
        self.file.write_all(&entry).map_err(|cause| failed(&self.path, cause))
    }

    /// Removes the journal of a session that is decided.
    pub(super) fn remove(directory: &Path, session: SessionId) {
        // A journal left behind is harmless: its session's outcome decides.
        let _ = std::fs::remove_file(path(directory, session));
    }
}

/// Reads the rows of a journal up to its first torn entry; none when there is no journal.
///
/// # Errors
/// When the journal is there and can't be read.
pub(super) fn read(directory: &Path, session: SessionId) -> Result<Option<Vec<PackRow>>> {
    let path = path(directory, session);
    let mut file = match std::fs::File::open(&path) {
        Ok(file) => std::io::BufReader::new(file),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(failed(&path, cause)),
    };
    let mut rows = Vec::new();
    while let Some(body) = read_entry(&mut file) {
        let Ok(reader) = SegmentReader::parse(NAMELESS, &body) else { break };
        rows.extend(reader.packs());
    }
    Ok(Some(rows))
}

fn read_entry(file: &mut impl Read) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    file.read_exact(&mut length).ok()?;
    let length = u32::from_le_bytes(length);
    if length > ENTRY_BYTES_MAX {
        return None;
    }
    let mut body = Vec::new();
    file.take(u64::from(length)).read_to_end(&mut body).ok()?;
    let mut checksum = [0; 32];
    file.read_exact(&mut checksum).ok()?;
    (blake3::hash(&body) == blake3::Hash::from_bytes(checksum)).then_some(body)
}

fn path(directory: &Path, session: SessionId) -> PathBuf {
    directory.join("journal").join(session.to_string())
}

fn failed(path: &Path, cause: std::io::Error) -> Error {
    Error::new(ErrorKind::of_refused(&cause), format!("the journal {} can't be used", path.display())).because(cause)
}

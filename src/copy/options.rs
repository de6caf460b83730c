//! What a copy is asked to do, and what it did.

use crate::copy::plan::PresentCopy;
use crate::error::Error;
use crate::excerpt::Excerpt;
use crate::frame::Compression;
use crate::id::SnapshotId;
use crate::session::{Packed, Snapshot, Writer};
use std::time::Duration;

/// How many parts of a snapshot that can't be read are named.
const PARTS_MAX: usize = 1000;

/// How to copy.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct CopyOptions {
    pub(super) writer: Writer,
    pub(super) compression: Compression,
}

impl CopyOptions {
    /// Who copies, for the descriptions of open sessions.
    #[must_use]
    pub fn writer(mut self, writer: Writer) -> Self {
        self.writer = writer;
        self
    }

    /// How to compress what is stored.
    #[must_use]
    pub const fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }
}

/// A snapshot that was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopiedSnapshot {
    /// Its id in the source.
    pub source: SnapshotId,
    /// When it was taken, in nanoseconds since the epoch.
    pub time_ns: i64,
    /// Its id here.
    pub copy: SnapshotId,
}

/// A snapshot that was not copied because something of it can't be read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LackingSnapshot {
    /// Its id in the source.
    pub source: SnapshotId,
    /// When it was taken, in nanoseconds since the epoch.
    pub time_ns: i64,
    /// What can't be read, and why: files by their paths, or ranges of paths.
    pub parts: Excerpt<(Vec<u8>, String), PARTS_MAX>,
}

/// What a copy did.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct CopyReport {
    /// What was copied, oldest first.
    pub copied: Vec<CopiedSnapshot>,
    /// What was here already.
    pub present: Vec<PresentCopy>,
    /// What was here and was forgotten, and therefore is not copied unless it is named.
    pub forgotten: Vec<PresentCopy>,
    /// What was forgotten in the source while it was copied.
    pub gone: Vec<SnapshotId>,
    /// What can't be read whole in the source, and was not copied.
    pub lacking: Vec<LackingSnapshot>,
    /// Bytes of new chunks and tree nodes before compression.
    pub raw_bytes: u64,
    /// Bytes of the frames that hold them.
    pub stored_bytes: u64,
    /// How many chunks of content were new.
    pub chunk_count: u64,
    /// What could not be noted on this machine of what was committed, or why everything was stored anew. No copy lacks
    /// anything for it.
    pub notices: Vec<String>,
    /// How long it took.
    pub duration: Duration,
}

impl CopyReport {
    pub(super) fn add(&mut self, stored: &Packed) {
        let written = stored.written();
        self.raw_bytes = self.raw_bytes.saturating_add(written.raw_bytes);
        self.stored_bytes = self.stored_bytes.saturating_add(written.stored_bytes);
        self.chunk_count = self.chunk_count.saturating_add(stored.content.chunk_count);
    }
}

/// What can't be read of one snapshot.
#[derive(Debug, Default)]
pub(super) struct Lacks {
    parts: Excerpt<(Vec<u8>, String), PARTS_MAX>,
}

impl Lacks {
    pub(super) const fn is_empty(&self) -> bool {
        self.parts.count() == 0
    }

    /// Takes note of a part and of why it can't be read.
    pub(super) fn add(&mut self, part: Vec<u8>, error: &Error) {
        self.parts.push((part, crate::error::chain(error)));
    }

    pub(super) fn of(self, source: &Snapshot) -> LackingSnapshot {
        LackingSnapshot { source: source.id, time_ns: source.time_ns, parts: self.parts }
    }
}

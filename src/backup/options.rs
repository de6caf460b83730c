//! What a backup is asked to do, and what it did.

use crate::backup::counted::Changes;
use crate::backup::problem::Problem;
use crate::backup::rehash::{RehashShare, Rehashed};
use crate::backup::stream::{StreamFate, StreamSource};
use crate::backup::unfinished::Unfinished;
use crate::excerpt::Excerpt;
use crate::frame::{Compression, EncoderFault};
use crate::id::SnapshotId;
use crate::outcome::Counts;
use crate::session::Writer;
use crate::source::Selection;
use crate::store::Protected;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

/// Which snapshot a backup is compared with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ParentChoice {
    /// The latest of the same client, host and paths; failing that, of the same host and paths. While a prune waits for
    /// somebody, one that was live when that prune began.
    #[default]
    Latest,
    /// This one.
    Snapshot(SnapshotId),
    /// None: every file is read.
    Nothing,
}

/// What to back up, and how.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct BackupOptions {
    pub(crate) paths: Vec<PathBuf>,
    pub(crate) writer: Writer,
    pub(crate) tags: Vec<Vec<u8>>,
    pub(crate) time_ns: Option<i64>,
    pub(crate) parent: ParentChoice,
    pub(crate) compression: Compression,
    pub(crate) fault: Option<EncoderFault>,
    pub(crate) readers: Option<NonZeroUsize>,
    pub(crate) selection: Selection,
    pub(crate) streams: Vec<StreamSource>,
    pub(crate) rehash: Option<RehashShare>,
}

impl BackupOptions {
    /// Backs up the trees at `paths`, compressed at level 3, against the latest snapshot of the same paths.
    pub fn new(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        Self { paths: paths.into_iter().collect(), ..Self::default() }
    }

    /// Who backs up. The snapshot is found again by the host's name.
    #[must_use]
    pub fn writer(mut self, writer: Writer) -> Self {
        self.writer = writer;
        self
    }

    /// The host's name alone.
    #[must_use]
    pub fn host(mut self, host: impl Into<Vec<u8>>) -> Self {
        self.writer.host = host.into();
        self
    }

    /// Tags for the snapshot, in any order; one that is empty is none.
    #[must_use]
    pub fn tags(mut self, mut tags: Vec<Vec<u8>>) -> Self {
        tags.retain(|tag| !tag.is_empty());
        tags.sort_unstable();
        tags.dedup();
        self.tags = tags;
        self
    }

    /// The snapshot's time in nanoseconds since the epoch, instead of the clock's.
    #[must_use]
    pub const fn time_ns(mut self, time_ns: i64) -> Self {
        self.time_ns = Some(time_ns);
        self
    }

    /// Which snapshot to compare with.
    #[must_use]
    pub const fn parent(mut self, parent: ParentChoice) -> Self {
        self.parent = parent;
        self
    }

    /// How to compress.
    #[must_use]
    pub const fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// How many files, and as many directories, are read at the same time, instead of one for each thread that
    /// compresses: fewer where a disc has to seek between them, more where each answer is long in coming. Those above
    /// that number take some mebibytes of memory each. What is stored does not depend on it.
    #[must_use]
    pub const fn read_concurrency(mut self, readers: NonZeroUsize) -> Self {
        self.readers = Some(readers);
        self
    }

    /// What is left out of the trees. It is not asked what the parent left out: what comes back is read, what is left
    /// out now is gone from the snapshot.
    #[must_use]
    pub fn selection(mut self, selection: Selection) -> Self {
        self.selection = selection;
        self
    }

    /// Stores what a command writes, or what can be read from an open file, as a component of its own, beside the trees
    /// or without any. May be given several times; each has a name of its own.
    #[must_use]
    pub fn stream(mut self, stream: StreamSource) -> Self {
        self.streams.push(stream);
        self
    }

    /// Reads a share of the files that did not change by their stat again, and reports those that hold other bytes than the
    /// parent does. Each run goes on behind those that the one before it read, so that
    /// [`RehashShare::run_count`] runs read all of them.
    #[must_use]
    pub const fn rehash(mut self, share: RehashShare) -> Self {
        self.rehash = Some(share);
        self
    }

    /// Encodes some frames wrongly, to see that this is noticed and nothing of it stored.
    #[must_use]
    pub fn encoder_fault(mut self, fault: EncoderFault) -> Self {
        self.fault = Some(fault);
        self
    }
}

/// What a backup did.
#[derive(Debug, Clone)]
pub struct BackupReport {
    /// The snapshot that was made.
    pub snapshot: SnapshotId,
    /// The snapshot that it was compared with.
    pub parent: Option<SnapshotId>,
    /// What the snapshot holds.
    pub counts: Counts,
    /// How its trees differ from the parent's.
    pub changes: Changes,
    /// What became of the streams, in the order in which they were given: their names and fates.
    pub streams: Vec<(Vec<u8>, StreamFate)>,
    /// Bytes of new chunks before compression.
    pub content_raw_bytes: u64,
    /// Bytes of the frames that hold them.
    pub content_stored_bytes: u64,
    /// How many chunks were new.
    pub content_chunk_count: u64,
    /// Bytes of new tree nodes before compression.
    pub tree_raw_bytes: u64,
    /// Bytes of the frames that hold them.
    pub tree_stored_bytes: u64,
    /// What was made to heal it with, which counts in none of the figures above.
    pub protected: Protected,
    /// Packs of an interrupted earlier run that were committed first.
    pub recovered_pack_count: usize,
    /// How many items were left out by the selection; what lies below one is not counted.
    pub left_out_count: u64,
    /// What became of the unchanged files that were read again, where that was [asked for](BackupOptions::rehash).
    pub rehashed: Option<Rehashed>,
    /// What is missing of the trees, where the backup was [ended early](crate::Progress::enough).
    pub unfinished: Option<Unfinished>,
    /// Source items that were not stored as they should be.
    pub problems: Excerpt<Problem>,
    /// What could not be noted on this machine of what was committed, why everything was stored anew, or what was found to be
    /// lost and was read again. The snapshot lacks nothing for it.
    pub notices: Vec<String>,
    /// How long it took.
    pub duration: Duration,
}

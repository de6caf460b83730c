//! What a repair is asked for, and what it says.

use crate::frame::Compression;
use crate::repair::aside::AilingPacks;
use crate::repair::wanted::Wanted;
use crate::session::Writer;
use std::path::PathBuf;
use std::time::Duration;

/// How to repair.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RepairOptions {
    pub(super) writer: Writer,
    pub(super) compression: Compression,
    pub(super) from_paths: Vec<PathBuf>,
}

impl Default for RepairOptions {
    fn default() -> Self {
        Self { writer: Writer::default(), compression: Compression::AUTO, from_paths: Vec::new() }
    }
}

impl RepairOptions {
    /// Who repairs, for those who list sessions.
    #[must_use]
    pub fn writer(mut self, writer: Writer) -> Self {
        self.writer = writer;
        self
    }

    /// A file, or a folder with files, that may hold what is lost. May be given several times.
    #[must_use]
    pub fn from_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.from_paths.push(path.into());
        self
    }

    /// How content is compressed that is stored anew.
    #[must_use]
    pub const fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }
}

/// A pack that is whole again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealedPack {
    /// Its name in the store.
    pub object: String,
    /// What healed it.
    pub cure: String,
}

/// What a repair of packs would do.
#[non_exhaustive]
pub struct PackRepairPlan {
    /// Packs that can't be read in full, to be healed from parity or set aside.
    pub packs: Vec<LostObject>,
    /// Chunks of content that live snapshots need and of which no whole copy is left.
    pub lost_chunk_count: u64,
    /// Tree nodes likewise. What they name is not known, and is not counted.
    pub lost_node_count: u64,
    /// Packs that this user may not read: they are passed over, and nothing of them is given up.
    pub unread: Vec<LostObject>,
    /// What stands in the way of a full repair.
    pub notices: Vec<String>,
    pub(super) ailing: AilingPacks,
    pub(super) wanted: Wanted,
}

impl PackRepairPlan {
    /// Whether every pack that may be read is whole and nothing is lost.
    pub const fn is_empty(&self) -> bool {
        self.packs.is_empty() && self.lost_chunk_count == 0 && self.lost_node_count == 0
    }
}

/// What a repair of packs did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PackRepairReport {
    /// Packs whose parity brought their bytes back.
    pub healed: Vec<HealedPack>,
    /// Packs that were set aside, and what was saved of them.
    pub set_aside: Vec<AsideReport>,
    /// Chunks and nodes that were lost and were stored anew from elsewhere.
    pub found_chunk_count: u64,
    /// Chunks and nodes that are still lost.
    pub lost_chunk_count: u64,
    /// Bytes of packs that were written.
    pub written_bytes: u64,
    /// What was passed over, and what stands in the way of a full repair.
    pub notices: Vec<String>,
    /// What could not be noted on this machine of what was committed. The repair lacks nothing for it.
    pub behind: Vec<String>,
    /// How long it took.
    pub duration: Duration,
}

/// An object that is gone, or can't be read in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostObject {
    /// Its name in the store.
    pub object: String,
    /// What is wrong with it.
    pub wrong: String,
}

/// What a repair of the index would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct IndexRepairPlan {
    /// Outcomes, records and sets of prunes that are gone or damaged, and whose bytes are kept in a second copy or in the
    /// view.
    pub lost_control: Vec<LostObject>,
    /// Segments that are gone or damaged, and whose place none takes.
    pub lost_segments: Vec<LostObject>,
    /// Committed packs that no segment lists.
    pub unlisted_pack_count: u64,
    /// Their bytes, all of which are read.
    pub unlisted_bytes: u64,
    /// Packs that were set aside and whose bytes are right again.
    pub healed_pack_count: u64,
    /// What stands in the way of a full repair.
    pub notices: Vec<String>,
}

impl IndexRepairPlan {
    /// Whether there is nothing to do.
    pub const fn is_empty(&self) -> bool {
        self.lost_control.is_empty()
            && self.lost_segments.is_empty()
            && self.unlisted_pack_count == 0
            && self.healed_pack_count == 0
    }
}

/// A pack that can't be read in full, and that was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AsideReport {
    /// Its name in the store.
    pub object: String,
    /// What is wrong with it.
    pub wrong: String,
    /// How many of its chunks could be read and were copied, having no other copy.
    pub copied_chunk_count: u64,
}

/// What a repair of the index did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct IndexRepairReport {
    /// Outcomes, records and sets of prunes that were written anew from their second copies, or from what the view kept.
    pub healed_control_count: u64,
    /// Segments that were written anew from their second copies.
    pub healed_segment_count: u64,
    /// Segments that were replaced because they were gone or damaged.
    pub replaced_segment_count: u64,
    /// Packs that are listed again.
    pub listed_pack_count: u64,
    /// Packs that are not, and what was saved of them.
    pub set_aside: Vec<AsideReport>,
    /// Bytes of packs that were written with what was saved.
    pub written_bytes: u64,
    /// What stands in the way of a full repair.
    pub notices: Vec<String>,
    /// What could not be noted on this machine of what was committed. The repair lacks nothing for it.
    pub behind: Vec<String>,
    /// How long it took.
    pub duration: Duration,
}

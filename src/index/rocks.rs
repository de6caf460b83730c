//! The only place that names RocksDB: tables of bytes, opened in bounded memory.
//!
//! There is no write-ahead log. All tables are flushed together, so that after a crash the view is what it was after
//! one of the writes before: some of the newest are missing, and are applied again.

mod lookup;
mod sorted;

pub(super) use sorted::Under;

use super::IndexError;
use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompactionStyle,
    DBCompressionType, DataBlockIndexType, Direction, ErrorKind, FlushOptions, IteratorMode, LogLevel, MergeOperands,
    Options, ReadOptions, UniversalCompactOptions, WriteBatch, WriteBufferManager, WriteOptions,
    compaction_filter::Decision,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Below it not even the filters of a small view would stay in the cache.
const CACHE_BYTES_MIN: usize = 1 << 20;
/// RocksDB maps room for the places of all blocks that a cache may hold, and ends the process where it gets none.
const CACHE_BYTES_MAX: usize = 1 << 38;

/// A table of the view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    /// Chunk id to extents; the only one whose values are merged.
    Chunks,
    /// What is known of packs.
    Packs,
    /// Applied segments, and everything else.
    Meta,
    /// What a room above keeps.
    Side,
}

impl Table {
    const ALL: [Self; 4] = [Self::Chunks, Self::Packs, Self::Meta, Self::Side];

    /// Bits of a filter for each key. Each pack that is applied is looked for among those that are there, in every run:
    /// at ten bits, one look in a hundred would read a block for nothing, and a view that is built anew fill the whole
    /// cache with them.
    const fn filter_bits(self) -> f64 {
        match self {
            Self::Packs => 20.0,
            Self::Chunks | Self::Meta | Self::Side => 10.0,
        }
    }

    /// Where the hash begins that tells a key from others, in tables whose keys spread evenly by it.
    const fn hash_offset(self) -> Option<usize> {
        match self {
            Self::Chunks => Some(0),
            // Nearly all rows are counts, behind a letter.
            Self::Side => Some(1),
            Self::Packs | Self::Meta => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Chunks => "chunks",
            Self::Packs => "packs",
            Self::Meta => "meta",
            Self::Side => "side",
        }
    }
}

/// How values of the chunks table become one. `None` means that they are malformed.
pub(super) trait Merge: Send + Sync + 'static {
    /// Joins values, oldest first.
    fn merge(&self, values: &mut dyn Iterator<Item = &[u8]>) -> Option<Vec<u8>>;

    /// Whether a value has nothing left that counts.
    fn is_stale(&self, value: &[u8]) -> bool;
}

/// Who opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The one process that writes. It holds a lock of its own, so that RocksDB's is never waited for.
    Primary,
    /// Reads what the primary had flushed when it was opened, and writes nothing. Opening fails where a file is
    /// missing or has another length than it should: RocksDB's secondary would go back, table by table, to an older
    /// state without a word, and a segment would count as applied whose chunks are not found.
    Reader,
}

/// Writes that take effect together.
pub(super) struct Batch<'a> {
    database: &'a Database,
    batch: WriteBatch,
}

impl Batch<'_> {
    pub(super) fn put(&mut self, table: Table, key: &[u8], value: &[u8]) {
        self.batch.put_cf(self.database.family(table), key, value);
    }

    pub(super) fn merge(&mut self, table: Table, key: &[u8], value: &[u8]) {
        self.batch.merge_cf(self.database.family(table), key, value);
    }

    pub(super) fn delete(&mut self, table: Table, key: &[u8]) {
        self.batch.delete_cf(self.database.family(table), key);
    }

    /// Removes every row of a table.
    pub(super) fn clear(&mut self, table: Table) {
        // No key is above it: keys are shorter.
        self.batch.delete_range_cf(self.database.family(table), &[][..], &[0xff; 64][..]);
    }

    pub(super) fn bytes(&self) -> usize {
        self.batch.size_in_bytes()
    }

    /// Writes what was gathered, and starts anew.
    pub(super) fn write(&mut self) -> Result<(), IndexError> {
        let mut options = WriteOptions::default();
        options.disable_wal(true);
        let batch = std::mem::take(&mut self.batch);
        let written = self.database.db.write_opt(batch, &options);
        written.map_err(|error| self.database.error("writing", &error))
    }
}

/// Gets the position of a key among those asked for, and its value.
pub(super) type EachFound<'a> = dyn FnMut(usize, &[u8]) -> Result<(), IndexError> + 'a;
/// Gets a key and its value.
pub(super) type EachRow<'a> = dyn FnMut(&[u8], &[u8]) -> Result<(), IndexError> + 'a;

/// An opened view.
pub(super) struct Database {
    db: DB,
    path: PathBuf,
    memory: Memory,
    merge: Arc<dyn Merge>,
}

impl Database {
    /// Opens a view, and makes one where there is none if `role` is the primary's. Takes about `memory_bytes` as
    /// long as it is open, however large it grows.
    pub(super) fn open(
        path: &Path,
        role: Role,
        memory_bytes: usize,
        merge: &Arc<dyn Merge>,
    ) -> Result<Self, IndexError> {
        let memory = Memory::new(memory_bytes);
        let mut options = options(&memory);
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        let families =
            Table::ALL.map(|table| ColumnFamilyDescriptor::new(table.name(), table_options(table, &memory, merge)));
        let opened = match role {
            Role::Primary => DB::open_cf_descriptors(&options, path, families),
            Role::Reader => {
                options.create_if_missing(false);
                options.create_missing_column_families(false);
                // The primary's log is never written; that it is there says nothing.
                DB::open_cf_descriptors_read_only(&options, path, families, false)
            }
        };
        let db = opened.map_err(|error| classify("opening", path, &error))?;
        Ok(Self { db, path: path.to_owned(), memory, merge: Arc::clone(merge) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn batch(&self) -> Batch<'_> {
        Batch { database: self, batch: WriteBatch::default() }
    }

    pub(super) fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        self.db.get_cf(self.family(table), key).map_err(|error| self.error("reading", &error))
    }

    /// Calls `each` with every row whose key begins with `prefix`, in the order of the keys.
    pub(super) fn scan(&self, table: Table, prefix: &[u8], each: &mut EachRow<'_>) -> Result<(), IndexError> {
        let mut options = ReadOptions::default();
        // What is read once need not push out what is asked for all the time.
        options.fill_cache(false);
        let mode = IteratorMode::From(prefix, Direction::Forward);
        for row in self.db.iterator_cf_opt(self.family(table), options, mode) {
            let (key, value) = row.map_err(|error| self.error("reading", &error))?;
            if !key.starts_with(prefix) {
                break;
            }
            each(&key, &value)?;
        }
        Ok(())
    }

    /// Takes memory from the cache until the answer is dropped.
    pub(super) fn lend(&self, bytes: usize) -> Lent {
        let mut cache = self.memory.cache.clone();
        cache.set_capacity(self.memory.cache_bytes.saturating_sub(bytes).max(CACHE_BYTES_MIN));
        Lent { cache, capacity_bytes: self.memory.cache_bytes }
    }

    /// Makes everything written so far durable, all tables at one point.
    pub(super) fn flush(&self) -> Result<(), IndexError> {
        let families = Table::ALL.map(|table| self.family(table));
        let flushed = self.db.flush_cfs_opt(&families, &FlushOptions::default());
        flushed.map_err(|error| self.error("writing", &error))
    }

    /// Rewrites the chunks table, dropping what no longer counts.
    #[cfg(test)]
    pub(super) fn compact(&self) {
        self.db.compact_range_cf(self.family(Table::Chunks), None::<&[u8]>, None::<&[u8]>);
    }

    fn family(&self, table: Table) -> &ColumnFamily {
        self.db.cf_handle(table.name()).expect("every table was opened")
    }

    /// Says that the view is damaged.
    pub(super) fn distrust(&self) {
        distrust(&self.path);
    }

    /// Whether somebody said so.
    pub(super) fn is_distrusted(&self) -> bool {
        distrust_mark(&self.path).exists()
    }

    fn error(&self, operation: &'static str, error: &rocksdb::Error) -> IndexError {
        if error.kind() == ErrorKind::Corruption {
            self.distrust();
        }
        classify(operation, &self.path, error)
    }
}

/// Leaves a mark beside a view that turned out to be damaged: whoever opens it next builds it again.
pub(super) fn distrust(path: &Path) {
    // If this fails as well, the next one finds the damage by itself.
    let _ = std::fs::write(distrust_mark(path), "");
}

/// Where the mark lies that says that a view is damaged.
pub(super) fn distrust_mark(path: &Path) -> PathBuf {
    path.with_extension("distrusted")
}

/// Whether a view is known to be damaged, or nobody can tell.
pub(super) fn is_distrusted(path: &Path) -> bool {
    distrust_mark(path).try_exists().unwrap_or(true)
}

/// Gives RocksDB's errors, which are texts, their type.
fn classify(operation: &'static str, path: &Path, error: &rocksdb::Error) -> IndexError {
    let place = path.display().to_string();
    let reason = error.to_string();
    let lost = error.kind() == ErrorKind::IOError && reason.contains("No such file");
    if reason.contains("No space left") || reason.contains("quota exceeded") {
        IndexError::NoSpace { place }
    } else if lost
        || matches!(error.kind(), ErrorKind::Corruption | ErrorKind::InvalidArgument | ErrorKind::NotSupported)
    {
        IndexError::Damaged { place, reason }
    } else {
        IndexError::Io { operation, place, reason }
    }
}

/// Memory that the cache does without for a while.
pub(super) struct Lent {
    cache: Cache,
    capacity_bytes: usize,
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.cache.set_capacity(self.capacity_bytes);
    }
}

/// One budget for everything that grows.
struct Memory {
    cache: Cache,
    cache_bytes: usize,
    buffers: WriteBufferManager,
    buffer_bytes: usize,
}

impl Memory {
    fn new(bytes: usize) -> Self {
        // The rest is for open files and for what a flush or compaction holds.
        let cache_bytes = bytes.saturating_sub(bytes / 4).clamp(CACHE_BYTES_MIN, CACHE_BYTES_MAX);
        let cache = Cache::new_hyper_clock_cache(cache_bytes, 0);
        let buffers = WriteBufferManager::new_write_buffer_manager_with_cache(cache_bytes / 2, false, cache.clone());
        Self { cache, cache_bytes, buffers, buffer_bytes: (cache_bytes / 4).clamp(64 << 10, 32 << 20) }
    }
}

/// Options of the database as a whole.
fn options(memory: &Memory) -> Options {
    let mut options = Options::default();
    options.set_atomic_flush(true);
    options.set_write_buffer_manager(&memory.buffers);
    // All files stay open, some 20 for each hundred million chunks: what the primary deletes stays readable for readers
    // only while it is open, and a file that is opened later has all of its filter and index read into the cache.
    options.set_max_open_files(-1);
    // Opening a file takes less than starting a thread for it.
    options.set_max_file_opening_threads(1);
    options.set_max_background_jobs(2);
    options.set_skip_stats_update_on_db_open(true);
    options.set_stats_dump_period_sec(0);
    options.set_log_level(LogLevel::Warn);
    options.set_keep_log_file_num(2);
    options.set_max_log_file_size(1 << 20);
    options.set_max_manifest_file_size(4 << 20);
    options.set_bytes_per_sync(1 << 20);
    // For each of a dozen files that a compaction reads.
    options.set_compaction_readahead_size(256 << 10);
    options
}

fn table_options(table: Table, memory: &Memory, merge: &Arc<dyn Merge>) -> Options {
    let mut options = Options::default();
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(&memory.cache);
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_pin_top_level_index_and_filter(true);
    blocks.set_format_version(6);
    // What a backup wrote is flushed while its caller waits: 35 ms instead of 60 after a first backup of the Linux sources,
    // with Bloom filters and keys in order. Merging makes ribbons of them, which are smaller.
    blocks.set_hybrid_ribbon_filter(table.filter_bits(), 0);
    // Keys are hashes and places are dense: nothing to gain.
    options.set_compression_type(DBCompressionType::None);
    // Runs end and begin anew with every backup. Merging runs of like size leaves the large ones alone, where levels
    // would have each short run begin to rewrite them.
    options.set_compaction_style(DBCompactionStyle::Universal);
    let mut runs = UniversalCompactOptions::default();
    runs.set_size_ratio(20);
    runs.set_min_merge_width(4);
    options.set_universal_compaction_options(&runs);
    options.set_level_zero_file_num_compaction_trigger(8);
    // Building a view anew outruns the merging for a while: better many runs for a while than a stalled writer.
    options.set_level_zero_slowdown_writes_trigger(48);
    options.set_level_zero_stop_writes_trigger(64);
    options.set_target_file_size_base(256 << 20);
    options.set_write_buffer_size(match table {
        Table::Chunks | Table::Side => memory.buffer_bytes,
        Table::Packs | Table::Meta => memory.buffer_bytes.min(1 << 20),
    });
    if table != Table::Meta {
        // A filter in one part is also made in one part, in memory that grows with the file.
        blocks.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
        blocks.set_partition_filters(true);
        blocks.set_metadata_block_size(4096);
    }
    if table == Table::Chunks {
        blocks.set_data_block_index_type(DataBlockIndexType::BinaryAndHash);
        blocks.set_data_block_hash_ratio(0.75);
        options.set_memtable_prefix_bloom_ratio(0.05);
        options.set_memtable_whole_key_filtering(true);
        set_merge(&mut options, merge);
    }
    options.set_block_based_table_factory(&blocks);
    options
}

fn set_merge(options: &mut Options, merge: &Arc<dyn Merge>) {
    let merge_fn = {
        let merge = Arc::clone(merge);
        move |_: &[u8], existing: Option<&[u8]>, operands: &MergeOperands| {
            merge.merge(&mut existing.into_iter().chain(operands.iter()))
        }
    };
    options.set_merge_operator_associative("holdall extents 1", merge_fn);
    let merge = Arc::clone(merge);
    options.set_compaction_filter("holdall extents 1", move |_, _, value| {
        if merge.is_stale(value) { Decision::Remove } else { Decision::Keep }
    });
}

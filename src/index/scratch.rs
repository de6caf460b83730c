//! A table for one run: what a run has to remember of things that may be too many for memory, such as the first names of
//! hard links, or which nodes were seen.

use super::IndexError;
use std::collections::HashMap;
use std::path::Path;

/// What a row takes in memory beside its bytes.
const ROW_BYTES: usize = 80;

/// A table that is gone when it is dropped.
pub trait Scratch: Send {
    /// Puts a row, in the place of one with the same key.
    ///
    /// # Errors
    /// When the medium can't be written.
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), IndexError>;

    /// The row of this key.
    ///
    /// # Errors
    /// When the medium can't be read.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError>;
}

/// Makes a table that takes up to about `memory_bytes` of memory, and what is more in files below `directory`, which
/// is made when it is needed. A build without RocksDB holds everything in memory.
pub fn open_scratch(directory: &Path, memory_bytes: usize) -> Box<dyn Scratch> {
    Box::new(Table { rows: HashMap::new(), bytes: 0, spilled: Spilled::new(directory, memory_bytes) })
}

struct Table {
    rows: HashMap<Box<[u8]>, Box<[u8]>>,
    /// No less than the rows take.
    bytes: usize,
    spilled: Spilled,
}

impl Scratch for Table {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), IndexError> {
        self.bytes = [key.len(), value.len(), ROW_BYTES].into_iter().fold(self.bytes, usize::saturating_add);
        self.rows.insert(key.into(), value.into());
        if self.spilled.take(self.bytes, &self.rows)? {
            self.rows.clear();
            self.bytes = 0;
        }
        Ok(())
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        match self.rows.get(key) {
            Some(value) => Ok(Some(value.to_vec())),
            None => self.spilled.get(key),
        }
    }
}

#[cfg(not(feature = "rocksdb"))]
struct Spilled;

#[cfg(not(feature = "rocksdb"))]
impl Spilled {
    fn new(_directory: &Path, _memory_bytes: usize) -> Self {
        Self
    }

    fn take(&mut self, _bytes: usize, _rows: &HashMap<Box<[u8]>, Box<[u8]>>) -> Result<bool, IndexError> {
        Ok(false)
    }

    fn get(&self, _key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        Ok(None)
    }
}

#[cfg(feature = "rocksdb")]
use on_disk::Spilled;

#[cfg(feature = "rocksdb")]
mod on_disk {
    use super::super::own::{OwnDirectory, failed, tidy};
    use super::super::rocks::{Database, Merge, Role, Table};
    use super::{HashMap, IndexError, Path};
    use std::os::unix::fs::DirBuilderExt;
    use std::path::PathBuf;
    use std::sync::Arc;

    /// Where rows go that memory has no room for.
    pub(super) struct Spilled {
        directory: PathBuf,
        memory_bytes: usize,
        files: Option<Files>,
    }

    struct Files {
        database: Database,
        /// Removed after the database is closed.
        _own: OwnDirectory,
    }

    /// Rows here are never merged.
    struct Never;

    impl Merge for Never {
        fn merge(&self, _values: &mut dyn Iterator<Item = &[u8]>) -> Option<Vec<u8>> {
            None
        }

        fn is_stale(&self, _value: &[u8]) -> bool {
            false
        }
    }

    impl Spilled {
        pub(super) fn new(directory: &Path, memory_bytes: usize) -> Self {
            Self { directory: directory.to_owned(), memory_bytes, files: None }
        }

        /// Takes the rows if they are too many for memory, which they share with the files.
        pub(super) fn take(&mut self, bytes: usize, rows: &HashMap<Box<[u8]>, Box<[u8]>>) -> Result<bool, IndexError> {
            if bytes <= self.memory_bytes / 2 {
                return Ok(false);
            }
            if self.files.is_none() {
                self.files = Some(Files::create(&self.directory, self.memory_bytes / 2)?);
            }
            let Some(files) = &self.files else { return Ok(false) };
            let mut batch = files.database.batch();
            for (key, value) in rows {
                batch.put(Table::Packs, key, value);
                if batch.bytes() > 1 << 20 {
                    batch.write()?;
                }
            }
            batch.write().map(|()| true)
        }

        pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
            self.files.as_ref().map_or(Ok(None), |files| files.database.get(Table::Packs, key))
        }
    }

    impl Files {
        fn create(directory: &Path, memory_bytes: usize) -> Result<Self, IndexError> {
            let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
            made.map_err(|error| failed("making a directory for", directory, &error))?;
            tidy(directory);
            let own = OwnDirectory::create(directory)?;
            let merge: Arc<dyn Merge> = Arc::new(Never);
            let database = Database::open(&own.path().join("scratch"), Role::Primary, memory_bytes, &merge)?;
            Ok(Self { database, _own: own })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_read_back_from_memory_and_from_files_and_leave_nothing() {
        for memory_bytes in [0, 4000, 1 << 20] {
            let place = tempfile::tempdir().unwrap();
            let directory = place.path().join("cache");
            let mut scratch = open_scratch(&directory, memory_bytes);
            for round in 0..3u32 {
                for key in 0..200u32 {
                    scratch.put(&key.to_le_bytes(), &(key * 7 + round).to_le_bytes()).unwrap();
                }
            }
            for key in 0..200u32 {
                let value = scratch.get(&key.to_le_bytes()).unwrap();
                assert_eq!(value.as_deref(), Some(&(key * 7 + 2).to_le_bytes()[..]));
            }
            assert_eq!(scratch.get(b"").unwrap(), None);
            assert_eq!(directory.exists(), cfg!(feature = "rocksdb") && memory_bytes < 1 << 20);
            drop(scratch);
            assert!(std::fs::read_dir(&directory).map_or(0, Iterator::count) == 0);
        }
    }
}

//! Many keys at once, by the cheaper of two ways: a search for each, or a walk from row to row. Keys are hashes, so how much
//! of a table lies between two of them follows from its size.

use super::{Database, EachFound, IndexError, Table};

/// With at most so much of a table to a key a walk is cheaper than a search for each. Of 97 nights of 200,000 files a prune
/// after a policy took 11.4 s of processor time by it instead of 15.2 with 256 bytes.
const BYTES_PER_KEY_MAX: u64 = 1024;
/// How many keys are looked up at once: RocksDB holds the blocks of all of them.
const STEP_KEYS: usize = 4096;
/// For fewer keys it is not worth asking.
const WALKED_KEYS_MIN: usize = 64;
/// How many rows a walk passes before it looks for the next key instead: hashes that lie close in one place may be far apart
/// in another.
const STEPS_MAX: u32 = 64;

impl Database {
    /// Calls `each` with the position and the value of every key that is there. The keys must be sorted.
    pub(in super::super) fn get_sorted(
        &self,
        table: Table,
        keys: &[&[u8]],
        each: &mut EachFound<'_>,
    ) -> Result<(), IndexError> {
        for (step, keys) in keys.chunks(STEP_KEYS).enumerate() {
            let first = step.saturating_mul(STEP_KEYS);
            let mut each_of_step = |position: usize, value: &[u8]| each(first.saturating_add(position), value);
            if self.lie_close(table, keys)? {
                self.walk(table, keys, &mut each_of_step)?;
            } else {
                self.search(table, keys, &mut each_of_step)?;
            }
        }
        Ok(())
    }

    fn lie_close(&self, table: Table, keys: &[&[u8]]) -> Result<bool, IndexError> {
        let (Some(offset), [first, .., last]) = (table.hash_offset(), keys) else { return Ok(false) };
        if keys.len() < WALKED_KEYS_MIN {
            return Ok(false);
        }
        // Not by the number of rows, which is not known before each file was opened.
        let table_bytes = self
            .size_of(table, "rocksdb.live-sst-files-size")?
            .saturating_add(self.size_of(table, "rocksdb.cur-size-all-mem-tables")?);
        let part = hash(last, offset).saturating_sub(hash(first, offset));
        let bytes_between = u128::from(table_bytes).saturating_mul(part.into()) >> 64;
        let key_count = u64::try_from(keys.len()).unwrap_or(u64::MAX);
        Ok(bytes_between <= key_count.saturating_mul(BYTES_PER_KEY_MAX).into())
    }

    fn size_of(&self, table: Table, property: &str) -> Result<u64, IndexError> {
        let size = self.db.property_int_value_cf(self.family(table), property);
        size.map(|size| size.unwrap_or(u64::MAX)).map_err(|error| self.error("reading", &error))
    }

    fn search(&self, table: Table, keys: &[&[u8]], each: &mut EachFound<'_>) -> Result<(), IndexError> {
        let found = self.db.batched_multi_get_cf(self.family(table), keys.iter().copied(), true);
        for (position, value) in found.into_iter().enumerate() {
            if let Some(value) = value.map_err(|error| self.error("reading", &error))? {
                each(position, &value)?;
            }
        }
        Ok(())
    }

    fn walk(&self, table: Table, keys: &[&[u8]], each: &mut EachFound<'_>) -> Result<(), IndexError> {
        let mut rows = self.db.raw_iterator_cf(self.family(table));
        keys.first().into_iter().for_each(|first| rows.seek(first));
        for (position, key) in keys.iter().enumerate() {
            let mut steps = 0;
            while rows.key().is_some_and(|row| row < *key) {
                steps += 1u32;
                if steps > STEPS_MAX { rows.seek(key) } else { rows.next() }
            }
            if let Some((_, value)) = rows.item().filter(|(row, _)| row == key) {
                each(position, value)?;
            }
        }
        rows.status().map_err(|error| self.error("reading", &error))
    }
}

/// The first eight bytes of a key's hash, as a number of the same order.
fn hash(key: &[u8], offset: usize) -> u64 {
    let head = key.get(offset..).and_then(|hash| hash.first_chunk());
    head.map_or(0, |head| u64::from_be_bytes(*head))
}

#[cfg(test)]
mod tests {
    use super::super::{Merge, Role};
    use super::*;
    use std::collections::BTreeMap;
    use std::sync::Arc;

    /// One value behind the other.
    struct Joined;

    impl Merge for Joined {
        fn merge(&self, values: &mut dyn Iterator<Item = &[u8]>) -> Option<Vec<u8>> {
            Some(values.flatten().copied().collect())
        }

        fn is_stale(&self, _: &[u8]) -> bool {
            false
        }
    }

    fn key(number: u32) -> Vec<u8> {
        blake3::hash(&number.to_le_bytes()).as_bytes().to_vec()
    }

    /// Rows in several runs and in memory, of which some were deleted and some are joined of two values.
    fn filled(directory: &std::path::Path) -> (Database, BTreeMap<Vec<u8>, Vec<u8>>) {
        let merge: Arc<dyn Merge> = Arc::new(Joined);
        let database = Database::open(&directory.join("view"), Role::Primary, 8 << 20, &merge).unwrap();
        let mut rows = BTreeMap::<Vec<u8>, Vec<u8>>::new();
        for run in 0u32..4 {
            let mut batch = database.batch();
            for number in (0..12_000).filter(|number| number % 4 == run || number % 30 == 0) {
                batch.merge(Table::Chunks, &key(number), &run.to_le_bytes());
                rows.entry(key(number)).or_default().extend(run.to_le_bytes());
            }
            for number in (0..12_000).filter(|number| number % 7 == run) {
                batch.delete(Table::Chunks, &key(number));
                rows.remove(&key(number));
            }
            batch.write().unwrap();
            if run < 3 {
                database.flush().unwrap();
            }
        }
        (database, rows)
    }

    #[test]
    fn both_ways_find_the_same_whatever_is_asked_for() {
        let directory = tempfile::tempdir().unwrap();
        let (database, rows) = filled(directory.path());
        for step in [1, 3, 50, 4000] {
            // Also what was never there, and some twice.
            let mut keys: Vec<Vec<u8>> = (0..13_000).step_by(step).chain([5, 8, 12_500]).map(key).collect();
            keys.sort_unstable();
            let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
            let expected: Vec<_> =
                keys.iter().enumerate().filter_map(|(at, key)| Some((at, rows.get(*key)?.clone()))).collect();
            let (mut walked, mut searched) = (Vec::new(), Vec::new());
            let mut note = |at: usize, value: &[u8]| {
                walked.push((at, value.to_vec()));
                Ok(())
            };
            database.walk(Table::Chunks, &keys, &mut note).unwrap();
            let mut note = |at: usize, value: &[u8]| {
                searched.push((at, value.to_vec()));
                Ok(())
            };
            database.search(Table::Chunks, &keys, &mut note).unwrap();
            assert_eq!(walked, expected, "one in {step}");
            assert_eq!(searched, expected, "one in {step}");
        }
    }

    #[test]
    fn keys_are_walked_to_where_few_rows_lie_between_them() {
        let directory = tempfile::tempdir().unwrap();
        let (database, rows) = filled(directory.path());
        // Without rows of which only the newest counts.
        database.flush().unwrap();
        database.compact();
        let lie_close = |keys: &[&[u8]]| database.lie_close(Table::Chunks, keys).unwrap();
        let keys: Vec<&[u8]> = rows.keys().map(Vec::as_slice).collect();
        let one_in = |step: usize| keys.iter().step_by(step).copied().collect::<Vec<_>>();
        assert!(lie_close(&keys) && lie_close(&one_in(3)) && lie_close(&keys[100..200]));
        assert!(!lie_close(&one_in(40)) && !lie_close(&keys[..10]) && !lie_close(&[]));
    }
}

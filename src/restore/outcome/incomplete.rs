//! Counting files that lack something, under each of their names.

use super::{Outcome, TOLD_DAMAGED_MAX};
use crate::manifest::Key;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

impl Outcome<'_> {
    /// Counts a file that lacks something, under each of its names: `name_count` says how many it has by now.
    pub(in crate::restore) fn file_lacks(&self, target: &Key, bytes: u64, name_count: impl FnOnce() -> u64) {
        let mut incomplete = self.incomplete.lock().unwrap_or_else(PoisonError::into_inner);
        if incomplete.len() < TOLD_DAMAGED_MAX {
            incomplete.insert(*blake3::hash(target.as_bytes()).as_bytes());
        }
        let name_count = name_count().max(1);
        self.incomplete_count.fetch_add(name_count, Ordering::Relaxed);
        self.incomplete_bytes.fetch_add(bytes, Ordering::Relaxed);
        // It was not known to lack anything when its further names were made.
        self.file_count.fetch_sub(name_count.saturating_sub(1), Ordering::Relaxed);
    }

    /// Makes a further name of a file and counts it as the file is counted. No name is made while a file is found to lack
    /// something: it would be counted twice, or not at all.
    pub(in crate::restore) fn name_of_file<T, E>(
        &self,
        first: &Key,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let incomplete = self.incomplete.lock().unwrap_or_else(PoisonError::into_inner);
        let made = make()?;
        if incomplete.contains(blake3::hash(first.as_bytes()).as_bytes()) {
            self.incomplete_count.fetch_add(1, Ordering::Relaxed);
            self.file_passed(0, 0);
        } else {
            self.file_done(0, 0);
        }
        Ok(made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, ErrorKind};
    use crate::progress::Silent;
    use std::path::Path;

    #[test]
    fn a_file_that_lacks_something_is_counted_under_each_of_its_names_whenever_that_was_made() {
        let outcome = Outcome::new(&Silent, Path::new("/t"));
        let key = |name: &[u8]| Key::parse(name.to_vec()).unwrap();
        let made = |first: &[u8]| outcome.name_of_file(&key(first), || Ok::<_, Error>(())).unwrap();
        outcome.file_done(7, 0);
        made(b"whole");
        made(b"lacking");
        outcome.file_lacks(&key(b"lacking"), 9, || 2);
        made(b"lacking");
        let refused = outcome.name_of_file(&key(b"lacking"), || Err::<(), _>(Error::new(ErrorKind::Io, "no")));
        assert!(refused.is_err());
        outcome.file_lacks(&key(b"another"), 1, || 0);
        let report = outcome.into_report();
        assert_eq!((report.file_count, report.incomplete_count), (2, 4));
        assert_eq!((report.bytes, report.incomplete_bytes), (7, 10));
    }
}

//! The check that every entry lies in a directory, and that the root is one.

use super::key::Key;
use super::row::Row;

/// Why a row can't stand where it does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} {}", if key.is_root() { "is the root and no directory" } else { "lies in no directory of the tree" })]
pub struct LineageError {
    /// The row's key.
    pub key: Key,
}

/// Checks, row by row in key order, that the root is a directory, and that the parent of every other row is a row before it
/// and a directory.
///
/// Memory: one key. A walk that starts inside a tree first shows it the directories above.
#[derive(Debug, Clone, Default)]
pub struct Lineage {
    /// The deepest directory that the last row is or lies in; all above it are directories too.
    directory: Option<Key>,
}

impl Lineage {
    /// Starts before the root directory.
    pub const fn new() -> Self {
        Self { directory: None }
    }

    /// Takes note of a row.
    ///
    /// # Errors
    /// [`LineageError`] when its parent is missing or not a directory, or it is the root and no directory; the row counts as
    /// absent then.
    pub fn check<R: Row>(&mut self, row: &R) -> Result<(), LineageError> {
        let key = row.key();
        self.descend_to(key)?;
        if row.is_directory() {
            self.directory = Some(key.clone());
        } else if key.is_root() {
            return Err(LineageError { key: key.clone() });
        }
        Ok(())
    }

    /// Starts inside a tree, after a row that is or lies in this directory.
    pub const fn within(directory: Option<Key>) -> Self {
        Self { directory }
    }

    /// Goes to where a row of this key would stand.
    ///
    /// # Errors
    /// [`LineageError`] when its parent is missing or not a directory.
    pub fn descend_to(&mut self, key: &Key) -> Result<(), LineageError> {
        let parent = key.parent();
        while let Some(directory) = &self.directory
            && !key.is_within(directory)
        {
            self.directory = directory.parent();
        }
        if self.directory != parent {
            return Err(LineageError { key: key.clone() });
        }
        Ok(())
    }
}

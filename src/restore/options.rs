//! What a restore is asked to do.

use crate::manifest::{Entry, Key};
use std::path::PathBuf;
use std::sync::Arc;

/// Whether an entry is restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// It is.
    Take,
    /// It is not; what is below it is asked about all the same, and a directory is made when something below is taken.
    Pass,
    /// It is not, nor is anything below it.
    Skip,
}

/// Chooses among the entries of a snapshot.
pub type Select = dyn Fn(&Entry) -> Choice + Send + Sync;

/// What to restore, and where to.
#[derive(Clone)]
#[non_exhaustive]
pub struct RestoreOptions {
    pub(crate) path: Key,
    pub(crate) target: PathBuf,
    pub(crate) select: Option<Arc<Select>>,
}

impl std::fmt::Debug for RestoreOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RestoreOptions").field("path", &self.path).field("target", &self.target).finish_non_exhaustive()
    }
}

impl RestoreOptions {
    /// Restores everything below the directory `target`, each entry at its absolute path.
    pub fn new(target: impl Into<PathBuf>) -> Self {
        Self { path: Key::root(), target: target.into(), select: None }
    }

    /// Restores only what is at and below `path`: the contents of a directory directly into the target, anything else
    /// as an entry of its own name.
    #[must_use]
    pub fn path(mut self, path: Key) -> Self {
        self.path = path;
        self
    }

    /// Restores only what `select` takes.
    #[must_use]
    pub fn select(mut self, select: Arc<Select>) -> Self {
        self.select = Some(select);
        self
    }
}

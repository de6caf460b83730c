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

/// What becomes of something that lies where an entry shall be restored. Directories are merged in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overwrite {
    /// It is brought to what the snapshot says: of a file that is there, what differs is written.
    #[default]
    Always,
    /// The same, but a file with the right size and time of change is believed to have the right content.
    IfChanged,
    /// It stays unless the snapshot's is newer.
    IfNewer,
    /// It stays.
    Never,
}

/// What becomes of things in restored directories that the snapshot does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Extras {
    /// They stay.
    #[default]
    Keep,
    /// They are removed, as far as the selection takes them.
    Delete,
}

/// Who owns what is restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ownership {
    /// The users and groups of the names that are in the snapshot, where this machine knows them; else their numbers.
    #[default]
    ByName,
    /// Those of the numbers that are in the snapshot.
    ByNumber,
    /// Whoever restores it; what is there keeps its owner.
    Restorer,
}

/// Whether anything is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Manner {
    /// It is.
    #[default]
    Perform,
    /// It is only found out what would be.
    Rehearse,
}

/// What to restore, and where to.
#[derive(Clone)]
#[non_exhaustive]
pub struct RestoreOptions {
    pub(crate) path: Key,
    /// Restored at their own paths, if there are any: sorted, none within another.
    pub(crate) parts: Vec<Key>,
    pub(crate) target: PathBuf,
    pub(crate) select: Option<Arc<Select>>,
    pub(crate) overwrite: Overwrite,
    pub(crate) extras: Extras,
    pub(crate) ownership: Ownership,
    pub(crate) manner: Manner,
    pub(crate) spared: Vec<PathBuf>,
}

impl std::fmt::Debug for RestoreOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RestoreOptions").field("path", &self.path).field("target", &self.target).finish_non_exhaustive()
    }
}

impl RestoreOptions {
    /// Restores everything below the directory `target`, each entry at its absolute path.
    pub fn new(target: impl Into<PathBuf>) -> Self {
        Self {
            path: Key::root(),
            parts: Vec::new(),
            target: target.into(),
            select: None,
            overwrite: Overwrite::default(),
            extras: Extras::default(),
            ownership: Ownership::default(),
            manner: Manner::default(),
            spared: Vec::new(),
        }
    }

    /// Restores only what is at and below `path`: the contents of a directory directly into the target, anything else
    /// as an entry of its own name.
    #[must_use]
    pub fn path(mut self, path: Key) -> Self {
        self.path = path;
        self
    }

    /// Restores only what is at and below these paths, each at its absolute path below the target.
    #[must_use]
    pub fn parts(mut self, parts: impl IntoIterator<Item = Key>) -> Self {
        self.parts = parts.into_iter().collect();
        self.parts.sort_unstable();
        self.parts.dedup_by(|later, earlier| later.is_within(earlier));
        self
    }

    /// Restores only what `select` takes.
    #[must_use]
    pub fn select(mut self, select: Arc<Select>) -> Self {
        self.select = Some(select);
        self
    }

    /// What becomes of what is there already.
    #[must_use]
    pub const fn overwrite(mut self, overwrite: Overwrite) -> Self {
        self.overwrite = overwrite;
        self
    }

    /// What becomes of what is there and not in the snapshot.
    #[must_use]
    pub const fn extras(mut self, extras: Extras) -> Self {
        self.extras = extras;
        self
    }

    /// Who owns what is restored.
    #[must_use]
    pub const fn ownership(mut self, ownership: Ownership) -> Self {
        self.ownership = ownership;
        self
    }

    /// Whether anything is written.
    #[must_use]
    pub const fn manner(mut self, manner: Manner) -> Self {
        self.manner = manner;
        self
    }

    /// Neither removes what lies at this path, or anything in it, nor restores over it, whatever the snapshot holds.
    #[must_use]
    pub fn spare(mut self, path: impl Into<PathBuf>) -> Self {
        self.spared.push(path.into());
        self
    }

    /// Whether an entry is restored. Directories above the parts are passed.
    pub(super) fn choose(&self, entry: &Entry) -> Choice {
        if !self.is_asked_for(&entry.key) {
            return Choice::Pass;
        }
        self.select.as_ref().map_or(Choice::Take, |select| select(entry))
    }

    /// Whether a path is one of those that were named, or within one.
    pub(super) fn is_asked_for(&self, key: &Key) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|part| key.is_within(part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_within_others_are_said_once() {
        let key = |path: &str| Key::from_path(path.as_ref()).unwrap();
        let options = RestoreOptions::new("t").parts(["/b/c", "/a!", "/b", "/a", "/a/x", "/a"].map(key));
        assert_eq!(options.parts, ["/a", "/a!", "/b"].map(key));
        assert!(options.is_asked_for(&key("/b/c/d")) && !options.is_asked_for(&key("/")));
    }
}

//! What the trees of a run hold, and how they differ from the parent's.

use crate::backup::work::Change;
use crate::manifest::{Content, Entry, Kind, StatEntry, State};
use crate::outcome::Counts;

/// How many items came, changed or stayed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changes {
    /// Files that the parent lacks.
    pub files_new: u64,
    /// Files whose stat differs from the parent's.
    pub files_changed: u64,
    /// Files that stand as in the parent.
    pub files_unmodified: u64,
    /// Directories that the parent lacks.
    pub directories_new: u64,
    /// Directories whose stat differs from the parent's.
    pub directories_changed: u64,
    /// Directories that stand as in the parent.
    pub directories_unmodified: u64,
}

/// Both while they grow.
#[derive(Default)]
pub(super) struct Counted {
    pub(super) counts: Counts,
    pub(super) changes: Changes,
}

impl Counted {
    /// Something that stands as in the parent.
    pub(super) fn standing(&mut self, row: &StatEntry) {
        self.change(row.kind, None);
        self.count(row.kind, row.size);
    }

    /// Something that was counted as standing, and whose entry is another one than the parent's.
    pub(super) fn take_back(&mut self, row: &StatEntry) {
        let count = self.of_kind(row.kind);
        *count = count.saturating_sub(1);
        if row.kind == Kind::File {
            self.counts.bytes = self.counts.bytes.saturating_sub(row.size);
        }
    }

    /// Something new or changed.
    pub(super) fn fresh(&mut self, entry: &Entry, change: Change) {
        self.change(entry.kind(), Some(change));
        self.entry(entry);
    }

    /// An entry.
    pub(super) fn entry(&mut self, entry: &Entry) {
        match entry.state {
            State::Unreadable { .. } => self.counts.unreadable = self.counts.unreadable.saturating_add(1),
            State::Inconsistent => self.counts.inconsistent = self.counts.inconsistent.saturating_add(1),
            State::Stored => {}
        }
        self.count(entry.kind(), entry.content().map_or(0, Content::bytes));
    }

    /// Another name of a file that was counted.
    pub(super) const fn hard_link(&mut self) {
        self.counts.hard_links = self.counts.hard_links.saturating_add(1);
    }

    fn count(&mut self, kind: Kind, bytes: u64) {
        let count = self.of_kind(kind);
        *count = count.saturating_add(1);
        if kind == Kind::File {
            self.counts.bytes = self.counts.bytes.saturating_add(bytes);
        }
    }

    const fn of_kind(&mut self, kind: Kind) -> &mut u64 {
        match kind {
            Kind::File => &mut self.counts.files,
            Kind::Directory => &mut self.counts.directories,
            Kind::Symlink => &mut self.counts.symlinks,
            Kind::Fifo | Kind::Socket | Kind::CharDevice | Kind::BlockDevice | Kind::Unknown => &mut self.counts.others,
        }
    }

    const fn change(&mut self, kind: Kind, change: Option<Change>) {
        let changes = &mut self.changes;
        let count = match (kind, change) {
            (Kind::File, Some(Change::New)) => &mut changes.files_new,
            (Kind::File, Some(Change::Modified)) => &mut changes.files_changed,
            (Kind::File, Some(Change::Unsettled) | None) => &mut changes.files_unmodified,
            (Kind::Directory, Some(Change::New)) => &mut changes.directories_new,
            (Kind::Directory, Some(Change::Modified)) => &mut changes.directories_changed,
            (Kind::Directory, Some(Change::Unsettled) | None) => &mut changes.directories_unmodified,
            _ => return,
        };
        *count = count.saturating_add(1);
    }
}

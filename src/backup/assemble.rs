//! The last stage: finished rows in key order become the manifest and the stat tree.
//!
//! A leaf of one of the parent's trees whose rows were all found unchanged is carried over as it is, that of the
//! manifest without being read.

use crate::backup::links::{First, Identity, Links, Wholeness};
use crate::backup::metadata;
use crate::backup::old_leaves::OldLeaves;
use crate::backup::problem::ProblemKind;
use crate::backup::rehash::Rehashed;
use crate::backup::unfinished::Unfinished;
use crate::backup::work::{Change, Finished, FinishedRow, FreshRow, Row, Shared, Worker};
use crate::content::NodeWriter;
use crate::error::{Error, ErrorKind, Result};
use crate::id::NodeId;
use crate::manifest::Kind;
use crate::manifest::{BuildError, Carry, Entry, StatEntry, State, TreeBuilder};
use crate::outcome::Counts;
use crate::owner::Named;
use crate::source::{Role, Walked};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

/// The two roots of a component, and what it holds.
pub(super) struct Assembled {
    /// Root of the manifest.
    pub manifest: NodeId,
    /// Root of the stat tree.
    pub stat: NodeId,
    /// What the component holds.
    pub counts: Counts,
    /// How it differs from the parent.
    pub changes: Changes,
    /// The owners of entries that were not carried over, and whom their access control lists name.
    pub owners: Owners,
    /// How many entries are more than the way to what was named.
    pub member_count: u64,
    /// How many entries were left out.
    pub left_out_count: u64,
    /// Why it does not hold all of the trees.
    pub unfinished: Option<Unfinished>,
    /// What was read again.
    pub rehashed: Rehashed,
}

impl Assembled {
    /// Whether it holds nothing but the way to what was named.
    pub(super) const fn is_bare(&self) -> bool {
        self.member_count == 0
    }
}

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

/// The ids of owners and groups.
#[derive(Debug, Default)]
pub(super) struct Owners {
    /// User ids.
    pub users: BTreeSet<u32>,
    /// Group ids.
    pub groups: BTreeSet<u32>,
}

impl Owners {
    fn with(mut self, listed: &Mutex<BTreeSet<Named>>) -> Self {
        for one in listed.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            match one {
                Named::User(uid) => self.users.insert(*uid),
                Named::Group(gid) => self.groups.insert(*gid),
            };
        }
        self
    }
}

/// The parent's trees.
pub(super) struct OldTrees<'a> {
    /// What is backed up.
    pub manifest: OldLeaves<'a, Entry>,
    /// What the walk was compared with.
    pub stat: OldLeaves<'a, StatEntry>,
}

/// Builds both trees.
pub(super) struct Assembler<'a> {
    shared: &'a Shared<'a>,
    stat_nodes: NodeWriter,
    manifest: TreeBuilder<Entry>,
    stat: TreeBuilder<StatEntry>,
    old: Option<OldTrees<'a>>,
    /// Unchanged rows of the old manifest leaf at hand that are not in the manifest yet.
    waiting: Vec<Rc<StatEntry>>,
    /// Unchanged rows of the old stat leaf at hand that are not in the stat tree yet.
    stat_waiting: Vec<Rc<StatEntry>>,
    links: Links,
    /// Reads the further names of files that could not be read under the first one.
    worker: Worker<'a>,
    counts: Counts,
    changes: Changes,
    owners: Owners,
}

impl<'a> Assembler<'a> {
    /// Starts both trees empty.
    pub(super) fn new(worker: Worker<'a>, stat_nodes: NodeWriter, old: Option<OldTrees<'a>>) -> Self {
        let shared = worker.shared;
        let (access, naming) = (shared.access, &shared.access.naming);
        Self {
            shared,
            stat_nodes,
            manifest: TreeBuilder::new(&naming.boundary, naming.manifest_means),
            stat: TreeBuilder::new(&naming.boundary, naming.stat_means),
            old,
            waiting: Vec::new(),
            stat_waiting: Vec::new(),
            links: Links::new(access.scratch()),
            worker,
            counts: Counts::default(),
            changes: Changes::default(),
            owners: Owners::default(),
        }
    }

    /// Takes the next rows.
    ///
    /// # Errors
    /// When the parent's manifest can't be read, or nodes or content can't be stored; or the caller asked to stop.
    pub(super) fn take(&mut self, rows: Finished) -> Result<()> {
        for row in rows {
            match row {
                FinishedRow::Unchanged(stat, identity) | FinishedRow::Rehashed(stat, identity) => {
                    self.unchanged(stat, identity)?;
                }
                FinishedRow::Fresh(fresh) => self.fresh(fresh)?,
                FinishedRow::Link(walked, change) => self.link(*walked, change)?,
            }
        }
        Ok(())
    }

    /// Ends both trees.
    ///
    /// # Errors
    /// When nodes or content can't be stored.
    pub(super) fn finish(mut self) -> Result<Assembled> {
        self.settle_waiting()?;
        self.worker.flush()?;
        let manifest = {
            let mut nodes = self.shared.nodes();
            let root = self.manifest.finish(&mut *nodes)?;
            nodes.flush()?;
            root
        };
        let stat = self.stat.finish(&mut self.stat_nodes)?;
        self.stat_nodes.flush()?;
        Ok(Assembled {
            manifest,
            stat,
            counts: self.counts,
            changes: self.changes,
            owners: self.owners.with(&self.shared.listed),
            member_count: self.shared.member_count.load(Ordering::Relaxed),
            left_out_count: self.shared.left_out_count.load(Ordering::Relaxed),
            unfinished: Unfinished::of(self.shared),
            rehashed: self.shared.rehash.so_far(),
        })
    }

    fn unchanged(&mut self, stat: StatEntry, identity: Option<Identity>) -> Result<()> {
        self.count_change(stat.kind, None);
        self.count(stat.kind, stat.size);
        let row = Rc::new(stat);
        self.unchanged_stat(Rc::clone(&row))?;
        self.unchanged_entry(row, identity)
    }

    fn unchanged_stat(&mut self, row: Rc<StatEntry>) -> Result<()> {
        if self.old.as_ref().is_some_and(|old| old.stat.is_past(&row.key)) {
            self.push_waiting_stats()?;
        }
        let Some(old) = &mut self.old else { return Err(disagreement(&row)) };
        old.stat.advance(&row.key)?;
        self.stat_waiting.push(row);
        if let Some(leaf) = old.stat.whole(&self.stat_waiting)
            && self.stat.carry(leaf, &mut self.stat_nodes)? == Carry::Carried
        {
            self.stat_waiting.clear();
        }
        Ok(())
    }

    fn unchanged_entry(&mut self, row: Rc<StatEntry>, identity: Option<Identity>) -> Result<()> {
        if self.old.as_ref().is_some_and(|old| old.manifest.is_past(&row.key)) {
            self.read_waiting()?;
        }
        let Some(old) = &mut self.old else { return Err(disagreement(&row)) };
        old.manifest.advance(&row.key)?;
        if let Some(identity) = identity {
            // Its group and content may be wanted for another name, so its entry must be read.
            self.read_waiting()?;
            return self.unchanged_link(&row, &identity);
        }
        self.waiting.push(row);
        if let Some(leaf) = old.manifest.whole(&self.waiting)
            && self.manifest.carry(leaf, &mut *self.shared.nodes())? == Carry::Carried
        {
            self.waiting.clear();
        }
        Ok(())
    }

    /// Puts everything unchanged that waits for the end of its old leaf into the trees.
    fn settle_waiting(&mut self) -> Result<()> {
        self.push_waiting_stats()?;
        self.read_waiting()
    }

    fn push_waiting_stats(&mut self) -> Result<()> {
        for row in self.stat_waiting.drain(..) {
            self.stat.push(&row, &mut self.stat_nodes)?;
        }
        Ok(())
    }

    /// Takes the waiting rows' entries from the old leaf at hand.
    fn read_waiting(&mut self) -> Result<()> {
        for row in std::mem::take(&mut self.waiting) {
            let entry = self.old_entry(&row)?;
            self.push(&entry)?;
        }
        Ok(())
    }

    fn unchanged_link(&mut self, row: &StatEntry, identity: &Identity) -> Result<()> {
        let mut entry = self.old_entry(row)?;
        if entry.group.is_some() {
            self.join_group(&mut entry, identity, Wholeness::Whole)?;
        }
        self.push(&entry)
    }

    fn old_entry(&mut self, row: &StatEntry) -> Result<Entry> {
        let entry = self.old.as_mut().map(|old| old.manifest.row(&row.key)).transpose()?;
        entry.flatten().ok_or_else(|| disagreement(row))
    }

    fn fresh(&mut self, fresh: FreshRow) -> Result<()> {
        self.settle_waiting()?;
        let FreshRow { mut entry, stat, identity, change } = fresh;
        if let Some(identity) = identity {
            let wholeness = if stat.is_some() { Wholeness::Whole } else { Wholeness::Lacking };
            self.join_group(&mut entry, &identity, wholeness)?;
        }
        self.fresh_row(&entry, stat.as_ref(), change)
    }

    /// Another name of a file: content, state and attributes are the first name's. Where that was not stored as the walk saw
    /// it under this name, it is read now.
    fn link(&mut self, walked: Walked, change: Change) -> Result<()> {
        let identity = Identity::of(&walked.stat);
        let first = identity.map(|identity| self.links.first(&identity)).transpose()?;
        let Some(first) = first.flatten() else {
            let read = self.worker.process(vec![Row::Fresh(walked, change)])?;
            return self.take(read);
        };
        self.settle_waiting()?;
        let stat = match first.wholeness {
            Wholeness::Whole => Some(metadata::stat_entry(&walked.key, &walked.stat)),
            Wholeness::Lacking => {
                let kind = if first.is_mixture() { ProblemKind::Inconsistent } else { ProblemKind::Incomplete };
                let message = format!("it is another name of {}, and is in the snapshot as that is", first.key());
                self.shared.problems.add(metadata::path_of(&walked.key), kind, message);
                None
            }
        };
        let mut entry = metadata::entry(&walked.key, &walked.stat, Role::Member);
        first.share_with(&mut entry);
        self.counts.hard_links = self.counts.hard_links.saturating_add(1);
        self.fresh_row(&entry, stat.as_ref(), change)
    }

    fn fresh_row(&mut self, entry: &Entry, stat: Option<&StatEntry>, change: Change) -> Result<()> {
        self.count_change(entry.kind(), Some(change));
        self.count_entry(entry);
        self.push(entry)?;
        if let Some(stat) = stat {
            self.stat.push(stat, &mut self.stat_nodes)?;
        }
        Ok(())
    }

    /// Gives all names of a file the group and the content of the first. What is whole takes nothing from what is not.
    fn join_group(&mut self, entry: &mut Entry, identity: &Identity, wholeness: Wholeness) -> Result<()> {
        let is_as_good = |first: &First| first.wholeness == Wholeness::Whole || wholeness == Wholeness::Lacking;
        let first = self.links.first(identity)?;
        match first {
            Some(first) if is_as_good(&first) => {
                first.share_with(entry);
                self.counts.hard_links = self.counts.hard_links.saturating_add(1);
            }
            lacking => {
                let known = entry.group.filter(|_| lacking.is_none());
                entry.group = Some(known.unwrap_or_else(|| self.shared.access.naming.hard_links.group(&entry.key)));
                self.links.keep(identity, entry, wholeness)?;
            }
        }
        Ok(())
    }

    fn push(&mut self, entry: &Entry) -> Result<()> {
        self.owners.users.insert(entry.uid);
        self.owners.groups.insert(entry.gid);
        let pushed = self.manifest.push(entry, &mut *self.shared.nodes());
        pushed.or_else(|error| self.left_out(entry, error))
    }

    /// An entry that no manifest can hold is a problem of that entry.
    fn left_out(&self, entry: &Entry, error: BuildError<Error>) -> Result<()> {
        if !matches!(error, BuildError::Row { .. }) {
            return Err(error.into());
        }
        let message = crate::error::chain(&error);
        self.shared.problems.add(metadata::path_of(&entry.key), ProblemKind::Incomplete, message);
        Ok(())
    }

    fn count_entry(&mut self, entry: &Entry) {
        match entry.state {
            State::Unreadable { .. } => self.counts.unreadable = self.counts.unreadable.saturating_add(1),
            State::Inconsistent => self.counts.inconsistent = self.counts.inconsistent.saturating_add(1),
            State::Stored => {}
        }
        self.count(entry.kind(), entry.content().map_or(0, crate::manifest::Content::bytes));
    }

    fn count(&mut self, kind: Kind, bytes: u64) {
        let counts = &mut self.counts;
        let count = match kind {
            Kind::File => {
                counts.bytes = counts.bytes.saturating_add(bytes);
                &mut counts.files
            }
            Kind::Directory => &mut counts.directories,
            Kind::Symlink => &mut counts.symlinks,
            Kind::Fifo | Kind::Socket | Kind::CharDevice | Kind::BlockDevice | Kind::Unknown => &mut counts.others,
        };
        *count = count.saturating_add(1);
    }

    fn count_change(&mut self, kind: Kind, change: Option<Change>) {
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

pub(super) fn disagreement(stat: &StatEntry) -> Error {
    let message = format!(
        "the parent's stat tree names {:?}, which its manifest lacks; run check, and back up with --force meanwhile",
        stat.key
    );
    Error::new(ErrorKind::Damaged, message)
}

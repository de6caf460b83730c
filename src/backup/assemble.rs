//! The last stage: finished rows in key order become the manifest and the stat tree.
//!
//! A leaf of one of the parent's trees whose rows were all found unchanged is carried over as it is, that of the
//! manifest without being read.

use crate::backup::counted::{Changes, Counted};
use crate::backup::links::{First, Identity, Links, Wholeness};
use crate::backup::losses::Losses;
use crate::backup::metadata;
use crate::backup::old_leaves::OldLeaves;
use crate::backup::problem::ProblemKind;
use crate::backup::rehash::Rehashed;
use crate::backup::unfinished::Unfinished;
use crate::backup::waiting::Waiting;
use crate::backup::work::{Change, Finished, FinishedRow, FreshRow, Row, Shared, Standing, Worker};
use crate::content::NodeWriter;
use crate::error::{Error, ErrorKind, Result};
use crate::id::NodeId;
use crate::manifest::{BuildError, Carry, Entry, Row as _, StatEntry, TreeBuilder};
use crate::outcome::Counts;
use crate::owner::Named;
use crate::source::{Role, Walked};
use std::collections::BTreeSet;
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
    losses: &'a Losses<'a>,
    /// Unchanged rows of the old leaves at hand.
    waiting: Waiting,
    /// Whether the stat tree has a row of something that could not be stored as the row says.
    is_stat_wrong: bool,
    links: Links,
    /// Reads the further names of files that could not be read under the first one.
    worker: Worker<'a>,
    counted: Counted,
    owners: Owners,
}

impl<'a> Assembler<'a> {
    /// Starts both trees empty.
    pub(super) fn new(
        worker: Worker<'a>,
        stat_nodes: NodeWriter,
        (old, losses): (Option<OldTrees<'a>>, &'a Losses<'a>),
    ) -> Self {
        let shared = worker.shared;
        let (access, naming) = (shared.access, &shared.access.naming);
        Self {
            shared,
            stat_nodes,
            manifest: TreeBuilder::new(&naming.boundary, naming.manifest_means),
            stat: TreeBuilder::new(&naming.boundary, naming.stat_means),
            old,
            losses,
            waiting: Waiting::default(),
            is_stat_wrong: false,
            links: Links::new(access.scratch()),
            worker,
            counted: Counted::default(),
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
                FinishedRow::Unchanged(standing) | FinishedRow::Rehashed(standing) => self.unchanged(standing)?,
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
        self.worker.framer.flush()?;
        let manifest = {
            let mut nodes = self.shared.nodes();
            let root = self.manifest.finish(&mut *nodes)?;
            nodes.flush()?;
            root
        };
        if self.is_stat_wrong {
            // An empty one: the next backup reads everything.
            self.stat = TreeBuilder::new(&self.shared.access.naming.boundary, self.shared.access.naming.stat_means);
        }
        let stat = self.stat.finish(&mut self.stat_nodes)?;
        self.stat_nodes.flush()?;
        Ok(Assembled {
            manifest,
            stat,
            counts: self.counted.counts,
            changes: self.counted.changes,
            owners: self.owners.with(&self.shared.listed),
            member_count: self.shared.member_count.load(Ordering::Relaxed),
            left_out_count: self.shared.left_out_count.load(Ordering::Relaxed),
            unfinished: Unfinished::of(self.shared),
            rehashed: self.shared.rehash.so_far(),
        })
    }

    fn unchanged(&mut self, standing: Standing) -> Result<()> {
        self.counted.standing(&standing.row);
        let key = &standing.row.key;
        let is_past = |old: &OldTrees<'_>| (old.stat.is_past(key), old.manifest.is_past(key));
        let Some((is_past_stats, is_past_entries)) = self.old.as_ref().map(is_past) else {
            return Err(disagreement(&standing.row));
        };
        if is_past_stats {
            self.push_waiting_stats()?;
        }
        if is_past_entries {
            self.read_waiting()?;
        }
        if let Some(old) = &mut self.old {
            old.stat.advance(key)?;
            old.manifest.advance(key)?;
        }
        // The entry of one of several names must be read: its group and content may be wanted for another.
        let identity = standing.identity();
        if identity.is_some() {
            self.read_waiting()?;
        }
        self.waiting.push(standing);
        self.carry_stats()?;
        match identity {
            Some(identity) => self.read_link(&identity),
            None => self.carry_entries(),
        }
    }

    /// Carries the old stat leaf at hand over if what waits is all that it holds.
    fn carry_stats(&mut self) -> Result<()> {
        let Some(old) = self.old.as_ref().map(|old| &old.stat).filter(|stat| stat.is_at_leaf()) else {
            return self.push_waiting_stats();
        };
        if let Some(leaf) = old.whole(self.waiting.stats())?
            && self.stat.carry(leaf, &mut self.stat_nodes)? == Carry::Carried
        {
            self.waiting.have_stats();
        }
        Ok(())
    }

    /// The same with the manifest.
    fn carry_entries(&mut self) -> Result<()> {
        let Some(old) = self.old.as_ref().map(|old| &old.manifest).filter(|manifest| manifest.is_at_leaf()) else {
            return self.read_waiting();
        };
        if let Some(leaf) = old.whole(self.waiting.entries())?
            && self.manifest.carry(leaf, &mut *self.shared.nodes())? == Carry::Carried
        {
            self.waiting.have_entries();
        }
        Ok(())
    }

    /// Puts everything unchanged that waits for the end of its old leaf into the trees.
    fn settle_waiting(&mut self) -> Result<()> {
        self.push_waiting_stats()?;
        self.read_waiting()
    }

    fn push_waiting_stats(&mut self) -> Result<()> {
        for standing in self.waiting.stats() {
            self.stat.push(&standing.row, &mut self.stat_nodes)?;
        }
        self.waiting.have_stats();
        Ok(())
    }

    /// Takes the waiting rows' entries from the old leaf at hand.
    fn read_waiting(&mut self) -> Result<()> {
        self.with_waiting(|assembler, standing| match assembler.old_entry(&standing.row)? {
            Some(entry) => assembler.push(&entry),
            None => assembler.read_again(standing),
        })
    }

    /// The same with a name of a file that has several, which is the only one that waits.
    fn read_link(&mut self, identity: &Identity) -> Result<()> {
        self.with_waiting(|assembler, standing| {
            let Some(mut entry) = assembler.old_entry(&standing.row)? else { return assembler.read_again(standing) };
            if entry.group.is_some() {
                assembler.join_group(&mut entry, identity, Wholeness::Whole)?;
            }
            assembler.push(&entry)
        })
    }

    /// Puts the entries that wait into the manifest.
    fn with_waiting(&mut self, mut put: impl FnMut(&mut Self, &Standing) -> Result<()>) -> Result<()> {
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.entries().try_for_each(|standing| put(self, standing))?;
        waiting.have_entries();
        self.waiting = waiting;
        Ok(())
    }

    /// The parent's entry of what stands as in the parent; none where it is lost.
    fn old_entry(&mut self, row: &StatEntry) -> Result<Option<Entry>> {
        let Some(old) = &mut self.old else { return Err(disagreement(row)) };
        let entry = old.manifest.row(&row.key)?;
        if entry.is_none() && old.manifest.is_at_leaf() {
            self.losses.note(&disagreement(row));
        }
        Ok(entry)
    }

    /// Reads what did not change and is lost in the parent. Its stat row is in the stat tree already.
    fn read_again(&mut self, standing: &Standing) -> Result<()> {
        self.losses.count();
        self.counted.take_back(&standing.row);
        let mut is_whole = false;
        for read in self.worker.process(vec![Row::Fresh(standing.walked(), Change::Unsettled)])? {
            let FinishedRow::Fresh(FreshRow { mut entry, wholeness, identity, .. }) = read else { continue };
            is_whole = wholeness == Wholeness::Whole;
            if let Some(identity) = identity {
                self.join_group(&mut entry, &identity, wholeness)?;
            }
            self.counted.entry(&entry);
            self.push(&entry)?;
        }
        self.is_stat_wrong |= !is_whole;
        Ok(())
    }

    fn fresh(&mut self, fresh: FreshRow) -> Result<()> {
        self.settle_waiting()?;
        let FreshRow { mut entry, stat, wholeness, identity, change } = fresh;
        if let Some(identity) = identity {
            self.join_group(&mut entry, &identity, wholeness)?;
        }
        self.fresh_row(&entry, (stat, wholeness), change)
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
        let wholeness = first.wholeness;
        if wholeness == Wholeness::Lacking {
            let kind = if first.is_mixture() { ProblemKind::Inconsistent } else { ProblemKind::Incomplete };
            let message = format!("it is another name of {}, and is in the snapshot as that is", first.key());
            self.shared.problems.add(metadata::path_of(&walked.key), kind, message);
        }
        let stat = metadata::stat_entry(&walked.key, &walked.stat, walked.role);
        let mut entry = metadata::entry(&walked.key, &walked.stat, Role::Member);
        first.share_with(&mut entry);
        self.counted.hard_link();
        self.fresh_row(&entry, (stat, wholeness), change)
    }

    /// What is not whole has no stat row, so that the next run reads it again. A directory has one all the same, which
    /// nobody relies upon: whatever becomes of it, what lies in it has rows, and no row may lie in no directory.
    fn fresh_row(&mut self, entry: &Entry, (stat, wholeness): (StatEntry, Wholeness), change: Change) -> Result<()> {
        self.counted.fresh(entry, change);
        self.push(entry)?;
        let settled = wholeness == Wholeness::Whole;
        if settled || stat.is_directory() {
            self.stat.push(&StatEntry { settled, ..stat }, &mut self.stat_nodes)?;
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
                self.counted.hard_link();
            }
            _ => {
                // Also where the parent has a group: the name that gave it may be another file's by now.
                entry.group = Some(self.shared.access.naming.hard_links.group(&entry.key));
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
}

pub(super) fn disagreement(stat: &StatEntry) -> Error {
    let message = format!("its stat tree names {:?}, which its manifest lacks", stat.key);
    Error::new(ErrorKind::Damaged, message)
}

//! Reference counts in the view: what is needed, kept from one prune to the next.
//!
//! Nodes form a shared graph. For each node and chunk the view keeps how many distinct nodes and roots name it. A new
//! snapshot adds to the counts of its roots; a node that is reached for the first time is read, and adds to the counts
//! of what it names; and so on down. A forgotten snapshot goes the same way with the opposite sign. So the cost follows
//! what one snapshot has and the others have not. How much of each pack is needed is kept as well, and changes with the
//! counts.
//!
//! Counts that were being changed when somebody was interrupted are never used again: a full mark takes their place.
//! When they are trusted stands in format-spec/11-index.md.

mod build;
mod change;
mod compare;
mod packs;
mod rows;

use crate::access::Access;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{ChunkId, NodeId, SnapshotId};
use crate::index::{IndexError, PackOrdinal, SideClaim, SideRows, SideTable};
use crate::needed::ids::PIECE_IDS;
use crate::needed::mark::{Mark, mark};
use crate::needed::{Needed, PackUse, Roots};
use crate::progress::{Progress, Silent};
use change::{Change, Sign};
use packs::Packs;
use rows::{COUNT_PREFIX, ROOT_PREFIX, STATE_KEY, State};
use std::collections::BTreeMap;
use std::sync::OnceLock;

pub(super) use build::build;
pub use compare::{CountsCheck, KeptCounts};

/// After so many generations a full mark is made, whatever the counts say.
const GENERATIONS_MAX: u64 = 30;

/// How many counts are read, or changed, at a time.
const STEP_COUNTS: usize = 4096;

/// Counts that can be trusted.
pub(super) struct Counts {
    access: Access,
    roots: BTreeMap<NodeId, SnapshotId>,
    marked: u64,
    packs: Packs,
    /// What a mark of the same roots found, where there is one: it answers without reading the view.
    mark: OnceLock<Mark>,
    /// Kept while somebody goes by these counts. Brought to other roots meanwhile, they would miss what those lack.
    _claim: Option<SideClaim>,
}

impl Counts {
    /// The counts of a view, if it has some that a full mark confirmed less than [`GENERATIONS_MAX`] generations ago and
    /// nothing interrupted since.
    pub(super) fn trusted(access: &Access, generation: u64) -> Result<Option<Self>> {
        let Some(table) = access.index.side_table()? else { return Ok(None) };
        let State::Settled { marked } = state(table)? else { return Ok(None) };
        if generation.saturating_sub(marked) >= GENERATIONS_MAX || generation < marked {
            return Ok(None);
        }
        let Some(roots) = counted_roots(table)? else { return Ok(None) };
        let packs = Packs::load(table)?;
        let (access, mark) = (access.clone(), OnceLock::new());
        Ok(packs.map(|packs| Self { access, roots, marked, packs, mark, _claim: None }))
    }

    /// These counts, which nobody else changes before they are dropped.
    pub(super) fn held(self, claim: SideClaim) -> Self {
        Self { _claim: Some(claim), ..self }
    }

    /// These counts, and the mark of the same roots from which they were made. Of 97 nights of 200,000 files a prune after a
    /// policy takes 10.3 s of processor time by it, and took 11.8 with a look into the view for each answer.
    pub(super) fn answering_from(self, mark: Mark) -> Self {
        Self { mark: OnceLock::from(mark), ..self }
    }

    /// Whether a mark of `roots` would take longer than changing the counts.
    pub(super) fn are_near(&self, roots: &Roots) -> bool {
        let gone = self.roots.keys().filter(|root| !roots.nodes.contains_key(root)).count();
        let new = roots.nodes.keys().filter(|root| !self.roots.contains_key(root)).count();
        gone.saturating_add(new) <= roots.nodes.len() / 2
    }

    /// Makes these the counts of `roots`.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] when a node can't be read that was counted, or is to be, and when the counts contradict
    /// what is read. After any error they are not trusted any more.
    pub(super) fn bring_to(&mut self, roots: &Roots, progress: &dyn Progress) -> Result<()> {
        let access = self.access.clone();
        let table = table(&access)?;
        let gone: Vec<NodeId> = self.roots.keys().filter(|root| !roots.nodes.contains_key(root)).copied().collect();
        let new: Vec<NodeId> = roots.nodes.keys().filter(|root| !self.roots.contains_key(root)).copied().collect();
        let are_all_known = self.packs.are_all_known(&access)?;
        if gone.is_empty() && new.is_empty() && are_all_known {
            return Ok(());
        }
        self.mark = OnceLock::new();
        table.write(&[(STATE_KEY.to_vec(), Some(State::Changing.encode()))])?;
        self.packs.meet_new(&access, table)?;
        // Additions first: what moves from one snapshot to another is not counted down to nothing in between.
        for (sign, changed) in [(Sign::Add, &new), (Sign::Subtract, &gone)] {
            Change::new(&access, table, &mut self.packs, sign, progress).run(changed)?;
        }
        let mut settled: Vec<_> = gone.iter().map(|root| (rows::root_key(root), None)).collect();
        for root in &new {
            let named_by = roots.nodes.get(root).map(|outcome| outcome.as_bytes().to_vec());
            settled.push((rows::root_key(root), named_by));
        }
        settled.push((STATE_KEY.to_vec(), Some(State::Settled { marked: self.marked }.encode())));
        table.write(&settled)?;
        self.roots = roots.nodes.clone();
        Ok(())
    }

    /// Makes these the counts of the packs that there are now.
    ///
    /// # Errors
    /// As [`Self::bring_to`].
    pub(super) fn settle(&mut self) -> Result<()> {
        let roots = Roots { nodes: self.roots.clone(), ..Roots::default() };
        self.bring_to(&roots, &Silent)
    }
}

impl Counts {
    fn look_up(&self, ids: &[ChunkId], counts: &mut Vec<u64>) -> Result<()> {
        let mut order: Vec<(&ChunkId, usize)> = ids.iter().zip(0..).collect();
        order.sort_unstable();
        counts.clear();
        counts.resize(ids.len(), 0);
        let table = table(&self.access)?;
        for step in order.chunks(STEP_COUNTS) {
            let keys: Vec<Vec<u8>> = step.iter().map(|(id, _)| rows::count_key(id)).collect();
            let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
            table.get_sorted(&keys, &mut |position, row| {
                let asked = step.get(position).and_then(|(_, asked)| counts.get_mut(*asked));
                // Whatever is wrong with a row that is there, what it counts is needed.
                let count = rows::decode_count(row).unwrap_or(u64::MAX).max(1);
                asked.into_iter().for_each(|answer| *answer = count);
            })?;
        }
        Ok(())
    }

    /// Adds the ids that begin with a byte, in order. Memory: 32 bytes for each.
    fn add_ids_from(&self, first: u8, ids: &mut Vec<ChunkId>) -> Result<()> {
        table(&self.access)?.scan(&[COUNT_PREFIX, &[first]].concat(), &mut |key, _| {
            ids.extend(rows::decode_count_key(key));
        })?;
        Ok(())
    }

    /// What a full mark finds, for when the view that holds the counts is found damaged.
    fn marked(&self) -> Result<&Mark> {
        if let Some(mark) = self.mark.get() {
            return Ok(mark);
        }
        let roots = Roots { nodes: self.roots.clone(), ..Roots::default() };
        let mark = mark(&self.access, &roots, &Silent)?;
        Ok(self.mark.get_or_init(|| mark))
    }
}

impl Needed for Counts {
    fn count(&self, ids: &[ChunkId], counts: &mut Vec<u64>) -> Result<()> {
        if let Some(mark) = self.mark.get() {
            return mark.count(ids, counts);
        }
        match self.look_up(ids, counts) {
            Err(_) if self.access.index.side_table()?.is_none() => self.marked()?.count(ids, counts),
            answer => answer,
        }
    }

    fn for_each_id(&self, each: &mut dyn FnMut(&[ChunkId]) -> Result<()>) -> Result<()> {
        if let Some(mark) = self.mark.get() {
            return mark.for_each_id(each);
        }
        let mut ids = Vec::new();
        for first in 0..=u8::MAX {
            match self.add_ids_from(first, &mut ids) {
                Err(_) if self.access.index.side_table()?.is_none() => return self.marked()?.for_each_id(each),
                added => added?,
            }
            if ids.len() >= PIECE_IDS {
                each(&ids)?;
                ids.clear();
            }
        }
        each(&ids)
    }

    fn id_count(&self) -> u64 {
        self.packs.chunk_count()
    }

    fn pack_use(&self, pack: PackOrdinal) -> Result<Option<PackUse>> {
        Ok(self.packs.get(pack))
    }

    fn measured_bytes(&self, pack: PackOrdinal) -> Option<u64> {
        self.packs.measured_bytes(pack)
    }

    fn keep_measured(&self, measured: &[(PackOrdinal, u64)]) {
        if let Ok(Some(table)) = self.access.index.side_table() {
            // What is lost is measured again.
            let _ = table.write(&self.packs.measured_rows(measured));
        }
    }
}

fn table(access: &Access) -> Result<&dyn SideTable> {
    let lost = || Error::new(ErrorKind::Io, "the view of the index that holds the counts was closed");
    access.index.side_table()?.ok_or_else(lost)
}

fn state(rows: &dyn SideRows) -> Result<State, IndexError> {
    let mut state = State::Changing;
    rows.get_sorted(&[STATE_KEY], &mut |_, row| state = State::decode(row))?;
    Ok(state)
}

/// What is counted; none when a row is malformed.
fn counted_roots(side: &dyn SideRows) -> Result<Option<BTreeMap<NodeId, SnapshotId>>, IndexError> {
    let mut roots = Some(BTreeMap::new());
    side.scan(ROOT_PREFIX, &mut |key, value| match (rows::decode_root(key, value), &mut roots) {
        (Some((root, named_by)), Some(roots)) => _ = roots.insert(root, named_by),
        _ => roots = None,
    })?;
    Ok(roots)
}

/// The error for counts that contradict themselves or what is read.
fn unsound(what: &str) -> Error {
    let message = format!("the reference counts in the view of the index are wrong: {what}; they are made anew");
    Error::new(ErrorKind::Damaged, message)
}

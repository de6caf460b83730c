//! Counts compared with a full mark: for whoever checks a repository.

use super::{COUNT_PREFIX, STATE_KEY, State, counted_roots, rows, state};
use crate::access::Access;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{NodeId, SnapshotId};
use crate::index::{IndexError, SideClaim, SideRows};
use crate::needed::Roots;
use crate::needed::mark::{Mark, mark};
use crate::progress::Progress;
use std::collections::BTreeMap;

/// What comparing counts with a mark found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountsCheck {
    /// They agree.
    Agree,
    /// They don't.
    Differ {
        /// Ids of which too little is counted: a prune might delete what is needed.
        under_count: u64,
        /// Ids of which too much is counted: a prune might keep what is not needed.
        over_count: u64,
    },
    /// It can't be told: part of what they count was collected from another machine, or is damaged, or the process that
    /// writes the view has moved its files away.
    Unknown,
}

/// The settled counts of a view at one moment.
pub struct KeptCounts<'a> {
    access: &'a Access,
    rows: &'a dyn SideRows,
    roots: BTreeMap<NodeId, SnapshotId>,
    /// Where this process may write the view, that nobody in it does. One that was opened for reading does not change.
    claim: Option<SideClaim>,
}

impl<'a> KeptCounts<'a> {
    /// The counts of the view. None if there are none, if they would not be used anyway, and while somebody in this
    /// process goes by them. Beside a process that writes the view, they are what they were when this one opened it.
    ///
    /// # Errors
    /// When the view can't be read.
    pub fn open(access: &'a Access) -> Result<Option<Self>> {
        let claim = match access.index.side_table()?.map(|table| table.claim()) {
            Some(None) => return Ok(None),
            Some(claim) => claim,
            None => None,
        };
        let Some(rows) = access.index.side_rows()? else { return Ok(None) };
        let State::Settled { .. } = state(rows)? else { return Ok(None) };
        Ok(counted_roots(rows)?.map(|roots| Self { access, rows, roots, claim }))
    }

    /// Compares them with a full mark of what they count. The view must be up to date.
    ///
    /// # Errors
    /// When the caller stops, or there is no room for the mark.
    pub fn compare(&self, progress: &dyn Progress) -> Result<CountsCheck> {
        let roots = Roots { nodes: self.roots.clone(), ..Roots::default() };
        let compared = mark(self.access, &roots, progress).and_then(|mark| self.differences(&mark));
        match compared {
            Err(error) if error.kind() == ErrorKind::Damaged => Ok(CountsCheck::Unknown),
            compared => compared,
        }
    }

    fn differences(&self, mark: &Mark) -> Result<CountsCheck> {
        let (mut under_count, mut over_count, mut met_count) = (0u64, 0u64, 0u64);
        mark.for_each_count(&mut |counts| {
            let keys: Vec<Vec<u8>> = counts.iter().map(|(id, _)| rows::count_key(id)).collect();
            let asked: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
            let mut kept = BTreeMap::new();
            let mut keep = |position, row: &[u8]| _ = kept.insert(position, rows::decode_count(row).unwrap_or(0));
            self.rows.get_sorted(&asked, &mut keep)?;
            for (position, (_, right)) in counts.iter().enumerate() {
                let count = kept.get(&position).copied();
                met_count = met_count.saturating_add(u64::from(count.is_some()));
                under_count = under_count.saturating_add(u64::from(count.unwrap_or(0) < *right));
                over_count = over_count.saturating_add(u64::from(count.unwrap_or(0) > *right));
            }
            Ok(())
        })?;
        let mut row_count = 0u64;
        self.rows.scan(COUNT_PREFIX, &mut |_, _| row_count = row_count.saturating_add(1))?;
        over_count = over_count.saturating_add(row_count.saturating_sub(met_count));
        Ok(match (under_count, over_count) {
            (0, 0) => CountsCheck::Agree,
            _ => CountsCheck::Differ { under_count, over_count },
        })
    }

    /// Has nobody go by these counts any more: the next prune makes a full mark. A view that another process may be
    /// writing is made anew as a whole.
    ///
    /// # Errors
    /// When the view can't be written.
    pub fn distrust(self) -> Result<()> {
        let table = self.access.index.side_table()?.filter(|_| self.claim.is_some());
        let Some(table) = table else {
            self.access.index.distrust();
            return Ok(());
        };
        let changed = table.write(&[(STATE_KEY.to_vec(), Some(State::Changing.encode()))]);
        changed.map_err(|error: IndexError| Error::from(error))
    }
}

//! Counts made from a full mark, and counts compared with one.

use super::{COUNT_PREFIX, STATE_KEY, State, counted_roots, rows, state};
use crate::access::Access;
use crate::error::Result;
use crate::index::{PackOrdinal, SideTable};
use crate::needed::mark::{Mark, mark};
use crate::needed::{Needed as _, Roots};
use crate::progress::Progress;
use std::collections::BTreeMap;

/// Puts what a mark of `roots` found in the place of all counts. `generation` is the one that the mark was made for.
pub(in crate::needed) fn build(
    access: &Access,
    table: &dyn SideTable,
    mark: &Mark,
    roots: &Roots,
    generation: u64,
) -> Result<()> {
    table.replace(&[(STATE_KEY.to_vec(), Some(State::Changing.encode()))])?;
    mark.for_each_count(&mut |counts| {
        let rows: Vec<_> =
            counts.iter().map(|(id, count)| (rows::count_key(id), Some(rows::encode_count(*count)))).collect();
        Ok(table.write(&rows)?)
    })?;
    let mut numbers = Vec::new();
    access.index.for_each_pack(&mut |pack, _| numbers.push(pack))?;
    let pack_row = |pack: PackOrdinal| {
        let used = mark.pack_use(pack)?.unwrap_or_default();
        Ok((rows::pack_key(pack), Some(rows::encode_pack(&used, None))))
    };
    table.write(&numbers.into_iter().map(pack_row).collect::<Result<Vec<_>>>()?)?;
    let root_row =
        |(root, named_by): (&_, &crate::id::SnapshotId)| (rows::root_key(root), Some(named_by.as_bytes().to_vec()));
    let mut last: Vec<_> = roots.nodes.iter().map(root_row).collect();
    last.push((STATE_KEY.to_vec(), Some(State::Settled { marked: generation }.encode())));
    Ok(table.write(&last)?)
}

/// What comparing counts with a mark found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountsCheck {
    /// The view has no counts, or none that would be used.
    Absent,
    /// They agree.
    Agree,
    /// They don't.
    Differ {
        /// Ids of which too little is counted: a prune might delete what is needed.
        under_count: u64,
        /// Ids of which too much is counted: a prune might keep what is not needed.
        over_count: u64,
    },
}

/// Compares the counts of the view with a full mark of what they count.
///
/// # Errors
/// As [`mark`].
pub fn check_counts(access: &Access, progress: &dyn Progress) -> Result<CountsCheck> {
    let Some(table) = access.index.side_table()? else { return Ok(CountsCheck::Absent) };
    let (State::Settled { .. }, Some(nodes)) = (state(table)?, counted_roots(table)?) else {
        return Ok(CountsCheck::Absent);
    };
    let mark = mark(access, &Roots { nodes, ..Roots::default() }, progress)?;
    let (mut under_count, mut over_count, mut met_count) = (0u64, 0u64, 0u64);
    mark.for_each_count(&mut |counts| {
        let keys: Vec<Vec<u8>> = counts.iter().map(|(id, _)| rows::count_key(id)).collect();
        let asked: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        let mut kept = BTreeMap::new();
        table
            .get_sorted(&asked, &mut |position, row| _ = kept.insert(position, rows::decode_count(row).unwrap_or(0)))?;
        for (position, (_, right)) in counts.iter().enumerate() {
            let count = kept.get(&position).copied();
            met_count = met_count.saturating_add(u64::from(count.is_some()));
            under_count = under_count.saturating_add(u64::from(count.unwrap_or(0) < *right));
            over_count = over_count.saturating_add(u64::from(count.unwrap_or(0) > *right));
        }
        Ok(())
    })?;
    let mut row_count = 0u64;
    table.scan(COUNT_PREFIX, &mut |_, _| row_count = row_count.saturating_add(1))?;
    over_count = over_count.saturating_add(row_count.saturating_sub(met_count));
    Ok(if under_count == 0 && over_count == 0 {
        CountsCheck::Agree
    } else {
        CountsCheck::Differ { under_count, over_count }
    })
}

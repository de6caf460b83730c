//! Counts made from a full mark.

use super::{STATE_KEY, State, rows};
use crate::access::Access;
use crate::error::Result;
use crate::index::{PackOrdinal, SideTable};
use crate::needed::mark::Mark;
use crate::needed::{Needed as _, Roots};

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

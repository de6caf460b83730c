//! Changing counts: from some roots down, as far as nodes come to be needed, or cease to be.

use super::packs::Packs;
use super::{STEP_COUNTS, SideTable, rows, unsound};
use crate::access::Access;
use crate::content::ContentReader;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{ChunkId, NodeId};
use crate::index::SideRow;
use crate::needed::nodes::descend;
use crate::needed::references::References;
use crate::progress::Progress;

/// Which way counts go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// Something is named once more.
    Add,
    /// Something is named once less.
    Subtract,
}

/// A change under way.
pub(super) struct Change<'a> {
    access: &'a Access,
    table: &'a dyn SideTable,
    packs: &'a mut Packs,
    sign: Sign,
    progress: &'a dyn Progress,
}

impl<'a> Change<'a> {
    pub(super) fn new(
        access: &'a Access,
        table: &'a dyn SideTable,
        packs: &'a mut Packs,
        sign: Sign,
        progress: &'a dyn Progress,
    ) -> Self {
        Self { access, table, packs, sign, progress }
    }

    /// Counts that roots are named once more, or once less, and all that follows from it.
    pub(super) fn run(&mut self, roots: &[NodeId]) -> Result<()> {
        let (reader, progress) = (ContentReader::new(self.access.clone()), self.progress);
        descend(&reader, roots, progress, &mut |named| self.count(named))
    }

    /// Changes the counts of what is named. Gives the nodes of which that was the first name, or the last.
    fn count(&mut self, named: References) -> Result<Vec<NodeId>> {
        let (named, nodes) = named.counted();
        let mut turned_nodes = Vec::new();
        for step in named.chunks(STEP_COUNTS) {
            let (rows, turned) = self.changed(step)?;
            let is_node = |id: &&ChunkId| nodes.contains(*id);
            turned_nodes.extend(turned.iter().filter(is_node).map(|id| NodeId::from_bytes(*id.as_bytes())));
            self.write(rows, &turned)?;
        }
        Ok(turned_nodes)
    }

    /// The rows of new counts, and the ids that came to be needed, or ceased to be.
    fn changed(&self, named: &[(ChunkId, u64)]) -> Result<(Vec<SideRow>, Vec<ChunkId>)> {
        let keys: Vec<Vec<u8>> = named.iter().map(|(id, _)| rows::count_key(id)).collect();
        let mut counts = vec![Ok(0); named.len()];
        let asked: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        self.table.get_sorted(&asked, &mut |position, row| {
            counts.get_mut(position).into_iter().for_each(|count| *count = rows::decode_count(row));
        })?;
        let (mut changed, mut turned) = (Vec::with_capacity(named.len()), Vec::new());
        for (((id, times), key), count) in named.iter().zip(keys).zip(counts) {
            let before = count.map_err(|_| unsound("a row is malformed"))?;
            let after = match self.sign {
                Sign::Add => before.checked_add(*times),
                Sign::Subtract => before.checked_sub(*times),
            };
            let after = after.ok_or_else(|| unsound("more was to be taken away than was counted"))?;
            if before == 0 || after == 0 {
                turned.push(*id);
            }
            changed.push((key, (after > 0).then(|| rows::encode_count(after))));
        }
        Ok((changed, turned))
    }

    fn write(&mut self, mut rows: Vec<SideRow>, turned: &[ChunkId]) -> Result<()> {
        let (access, packs, sign) = (self.access, &mut *self.packs, self.sign);
        let mut missing = None;
        access.index.copies_of_sorted(turned, &mut |id, copies| {
            if copies.is_empty() {
                missing.get_or_insert(id);
            }
            packs.turn(copies, sign);
        })?;
        // What is forgotten may have been lost before.
        if let Some(id) = missing.filter(|_| sign == Sign::Add) {
            return Err(Error::new(ErrorKind::Damaged, format!("chunk {id} is in no committed pack")));
        }
        rows.extend(packs.changed_rows());
        Ok(self.table.write(&rows)?)
    }
}

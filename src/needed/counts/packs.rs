//! How much of each pack is needed, kept in step with the counts.

use super::change::Sign;
use super::{SideTable, rows};
use crate::access::Access;
use crate::error::Result;
use crate::id::{ChunkId, PackId, SegmentId};
use crate::index::{Extent, IndexError, PackOrdinal, SideRow, in_parts};
use crate::needed::PackUse;
use crate::needed::ids::{IdSorter, SortedIds};
use crate::needed::spill::Counted;
use crate::needed::tally::Tally;
use crate::segment::SegmentReader;
use crate::session::read_segment;
use std::collections::{BTreeMap, BTreeSet};

/// The use of every pack that was met. Memory: a hundred bytes a pack.
pub(super) struct Packs {
    uses: BTreeMap<PackOrdinal, PackUse>,
    /// What a collector measured of packs whose use has not changed since.
    measured: BTreeMap<PackOrdinal, u64>,
    changed: BTreeSet<PackOrdinal>,
}

impl Packs {
    /// What the view keeps; none when a row is malformed.
    pub(super) fn load(table: &dyn SideTable) -> Result<Option<Self>, IndexError> {
        let (mut uses, mut measured) = (Some(BTreeMap::new()), BTreeMap::new());
        table.scan(rows::PACK_PREFIX, &mut |key, row| match (rows::decode_pack(key, row), &mut uses) {
            (Ok((pack, used, bytes)), Some(uses)) => {
                uses.insert(pack, used);
                measured.extend(bytes.map(|bytes| (pack, bytes)));
            }
            _ => uses = None,
        })?;
        Ok(uses.map(|uses| Self { uses, measured, changed: BTreeSet::new() }))
    }

    pub(super) fn get(&self, pack: PackOrdinal) -> Option<PackUse> {
        self.uses.get(&pack).copied()
    }

    /// How many needed chunks all packs hold, every copy counted.
    pub(super) fn chunk_count(&self) -> u64 {
        self.uses.values().map(|used| used.chunk_count).fold(0, u64::saturating_add)
    }

    pub(super) fn measured_bytes(&self, pack: PackOrdinal) -> Option<u64> {
        self.measured.get(&pack).copied()
    }

    /// The rows with what was measured now.
    pub(super) fn measured_rows(&self, measured: &[(PackOrdinal, u64)]) -> Vec<SideRow> {
        let row = |(pack, bytes): &(PackOrdinal, u64)| {
            Some((rows::pack_key(*pack), Some(rows::encode_pack(self.uses.get(pack)?, Some(*bytes)))))
        };
        measured.iter().filter_map(row).collect()
    }

    /// Whether the view lists exactly the packs that were met.
    pub(super) fn are_all_known(&self, access: &Access) -> Result<bool, IndexError> {
        let (mut known_count, mut unknown_count) = (0usize, 0usize);
        access.index.for_each_pack(&mut |pack, _| match self.uses.contains_key(&pack) {
            true => known_count = known_count.saturating_add(1),
            false => unknown_count = unknown_count.saturating_add(1),
        })?;
        Ok(unknown_count == 0 && known_count == self.uses.len())
    }

    /// Meets the packs that the view lists and that were not met before, and drops those that it lists no more. Costs a
    /// reading of the segments that list new ones, and of the rows of their chunks in order: after a repack these are
    /// most of the table, and each of its blocks is read once.
    pub(super) fn meet_new(&mut self, access: &Access, table: &dyn SideTable) -> Result<()> {
        let (mut new, mut unmet, mut listed) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        access.index.for_each_pack(&mut |pack, entry| {
            listed.insert(pack);
            if !self.uses.contains_key(&pack) {
                unmet.insert(pack);
                new.insert((entry.segment, entry.id));
            }
        })?;
        self.drop_all_but(&listed);
        for pack in &unmet {
            self.uses.insert(*pack, PackUse::default());
            self.changed.insert(*pack);
        }
        chunks_of(access, &new)?.for_each_piece(&mut |piece| {
            for met in in_parts(piece, access.threads, |part| meet(access, table, part, &unmet))? {
                for (pack, more) in met? {
                    self.uses.entry(pack).or_default().add(&more);
                    self.changed.insert(pack);
                }
            }
            Ok(())
        })?;
        Ok(table.write(&self.changed_rows())?)
    }

    fn drop_all_but(&mut self, listed: &BTreeSet<PackOrdinal>) {
        let gone: Vec<PackOrdinal> = self.uses.keys().filter(|pack| !listed.contains(pack)).copied().collect();
        for pack in gone {
            self.uses.remove(&pack);
            self.changed.insert(pack);
        }
    }

    /// Counts that a chunk, with all its copies, came to be needed, or ceased to be.
    pub(super) fn turn(&mut self, copies: &[Extent], sign: Sign) {
        for extent in copies {
            let (used, of_chunk) = (self.uses.entry(extent.pack).or_default(), PackUse::of(extent, copies.len()));
            match sign {
                Sign::Add => used.add(&of_chunk),
                Sign::Subtract => used.subtract(&of_chunk),
            }
            self.changed.insert(extent.pack);
        }
    }

    /// The rows that changed since they were last asked for.
    pub(super) fn changed_rows(&mut self) -> Vec<SideRow> {
        let changed = std::mem::take(&mut self.changed);
        changed.iter().for_each(|pack| _ = self.measured.remove(pack));
        let row = |pack: &PackOrdinal| self.uses.get(pack).map(|used| rows::encode_pack(used, None));
        changed.iter().map(|pack| (rows::pack_key(*pack), row(pack))).collect()
    }
}

/// What the packs that hold some chunks are used more than before, now that those in `unmet` are met.
fn meet(access: &Access, table: &dyn SideTable, chunks: &[Counted], unmet: &BTreeSet<PackOrdinal>) -> Result<Tally> {
    let mut more = Tally::new();
    access.index.copies_of_sorted(&counted(table, chunks)?, &mut |_, copies| {
        for extent in copies {
            let used = more.entry(extent.pack).or_default();
            if unmet.contains(&extent.pack) {
                used.add(&PackUse::of(extent, copies.len()));
            } else {
                // It has a copy now, if it had none before.
                used.copied_count = used.copied_count.saturating_add(1);
            }
        }
    })?;
    Ok(more)
}

/// The ids of everything in some packs, each with the segment that lists it.
fn chunks_of(access: &Access, packs: &BTreeSet<(SegmentId, PackId)>) -> Result<SortedIds> {
    let memory_bytes = usize::try_from(access.memory_bytes).unwrap_or(usize::MAX);
    let mut ids = IdSorter::new(&access.cache_dir, memory_bytes / 4);
    for segment in packs.iter().map(|(segment, _)| *segment).collect::<BTreeSet<_>>() {
        let body = read_segment(access, segment)?;
        for row in SegmentReader::parse(segment, &body)?.packs() {
            if packs.contains(&(segment, row.facts().pack)) {
                ids.add(row.ids())?;
            }
        }
    }
    ids.finish()
}

/// Those of some sorted ids that have a count.
fn counted(table: &dyn SideTable, ids: &[Counted]) -> Result<Vec<ChunkId>, IndexError> {
    let keys: Vec<Vec<u8>> = ids.iter().map(|(id, _)| rows::count_key(id)).collect();
    let asked: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
    let mut found = Vec::new();
    table.get_sorted(&asked, &mut |position, _| found.extend(ids.get(position).map(|(id, _)| *id)))?;
    Ok(found)
}

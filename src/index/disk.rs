//! The index on disk: any number of chunks in bounded memory.
//!
//! ```text
//! chunks   chunk id                -> extents, one after the other
//! packs    'e' number (big-endian) -> what is known of the pack
//!          'i' pack id             -> its numbers
//! meta     'f'                     -> form of the view, repository
//!          'n'                     -> the next pack number
//!          's' segment id          -> the pack numbers of an applied segment
//!          'r' key                 -> what was remembered
//! side     what a room above keeps
//! ```
//!
//! A segment's rows are written in pieces of bounded size, the row that says it is applied with the last of them.
//! Until that is there its packs don't count; after a crash their numbers are never used again, and what rows stay
//! behind disappear when the table is next rewritten.

mod apply;
mod bulk;
mod keys;
mod side;
mod stale;

use super::encoding::{decode_entry, decode_numbers, encode_numbers, for_each_extent};
use super::rocks::{Database, Merge, Role, Table};
use super::side::SideClaims;
use super::standing::{Ordinals, Standing};
use super::{Bulk, Excluded, Extent, Index, IndexError, PackEntry, PackOrdinal, SideRows, SideTable};
use crate::id::{ChunkId, PackId, RepositoryId, SegmentId};
use crate::segment::SegmentReader;
use crate::wire::WireError;
use bulk::DiskBulk;
use keys::{ENTRY_PREFIX, FORM_KEY, NEXT_KEY, SEGMENT_PREFIX, entry_key, pack_key, remembered_key, segment_key};
use stale::Stale;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Raised when rows change their meaning: a view of another form is built again.
const VIEW_FORM: u32 = 1;
/// How much is gathered before it is written: small beside the write buffers, large beside a write's cost.
const BATCH_BYTES: usize = 1 << 20;

/// An index on disk.
pub(super) struct DiskIndex {
    database: Database,
    standing: RwLock<Standing>,
    /// Held by the one `apply` or `retract` at a time; tells whether there may be any.
    writing: Mutex<Writable>,
    side_claims: SideClaims,
    /// How much memory sorting the rows of many segments may take while it lasts.
    bulk_bytes: usize,
    /// Let go after everything above: a lock, or a directory of its own.
    _kept: Kept,
}

/// What has to live as long as an opened view.
pub(super) type Kept = Box<dyn Send + Sync>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writable {
    Yes,
    No,
}

impl DiskIndex {
    /// Opens a view of a repository, or, as its primary, makes one where there is none. `kept` is dropped when the view
    /// is closed.
    pub(super) fn open(
        path: &Path,
        repository: RepositoryId,
        role: Role,
        memory_bytes: usize,
        kept: Kept,
    ) -> Result<Self, IndexError> {
        let stale = Arc::<Stale>::default();
        let merge: Arc<dyn Merge> = Arc::<Stale>::clone(&stale);
        let database = Database::open(path, role, memory_bytes, &merge)?;
        let writing = match role {
            Role::Primary => Writable::Yes,
            Role::Reader => Writable::No,
        };
        require_form(&database, repository, writing)?;
        let standing = restore(&database)?;
        // Whatever else of a view turns out to be damaged later: which pack a number means must be known then.
        database.scan(Table::Packs, &[], &mut |_, _| Ok(()))?;
        stale.open(&standing);
        let (standing, writing) = (RwLock::new(standing), Mutex::new(writing));
        let side_claims = SideClaims::default();
        Ok(Self { database, standing, writing, side_claims, bulk_bytes: memory_bytes / 2, _kept: kept })
    }

    /// Where there is room for files that go with what needs them.
    fn beside(&self) -> &Path {
        self.database.path().parent().unwrap_or(self.database.path())
    }

    fn standing(&self) -> RwLockReadGuard<'_, Standing> {
        self.standing.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn standing_mut(&self) -> RwLockWriteGuard<'_, Standing> {
        self.standing.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn malformed(&self, error: &WireError) -> IndexError {
        self.database.distrust();
        malformed(&self.database, error)
    }

    /// All numbers that a pack's row gives, those that don't count among them.
    fn all_numbers(&self, id: &PackId) -> Result<Vec<u32>, IndexError> {
        let row = self.database.get(Table::Packs, &pack_key(id))?;
        decode_numbers(&row.unwrap_or_default()).map_err(|error| self.malformed(&error))
    }

    /// Waits until nothing else writes; fails when the view was opened for reading.
    fn writing(&self) -> Result<MutexGuard<'_, Writable>, IndexError> {
        let writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if *writing == Writable::No {
            let place = self.database.path().display().to_string();
            return Err(IndexError::Io { operation: "writing", place, reason: "it was opened for reading".into() });
        }
        Ok(writing)
    }

    fn entry(&self, number: u32, segment: SegmentId) -> Result<PackEntry, IndexError> {
        let row = self.database.get(Table::Packs, &entry_key(number))?;
        let row = row.ok_or_else(|| self.malformed(&WireError::UnexpectedEnd { offset: 0 }))?;
        decode_entry(&row, segment).map_err(|error| self.malformed(&error))
    }
}

impl Index for DiskIndex {
    fn lookup(&self, ids: &[ChunkId], found: &mut Vec<Option<Extent>>) -> Result<(), IndexError> {
        found.clear();
        found.resize(ids.len(), None);
        let mut order: Vec<(&ChunkId, usize)> = ids.iter().zip(0..).collect();
        order.sort_unstable();
        let keys: Vec<&[u8]> = order.iter().map(|(id, _)| id.as_bytes().as_slice()).collect();
        let standing = self.standing();
        self.database.get_sorted(Table::Chunks, &keys, &mut |position, value| {
            let mut hit = None;
            let read = for_each_extent(value, &mut |extent| {
                hit = standing.is_hit(extent.pack).then_some(extent);
                hit.is_none()
            });
            read.map_err(|error| self.malformed(&error))?;
            if let Some(answer) = order.get(position).and_then(|(_, asked)| found.get_mut(*asked)) {
                *answer = hit;
            }
            Ok(())
        })
    }

    fn copies(&self, id: ChunkId) -> Result<Vec<Extent>, IndexError> {
        let value = self.database.get(Table::Chunks, id.as_bytes())?.unwrap_or_default();
        let standing = self.standing();
        let mut copies = Vec::new();
        let read = for_each_extent(&value, &mut |extent| {
            if standing.counts(extent.pack) {
                copies.push(extent);
            }
            true
        });
        read.map_err(|error| self.malformed(&error)).map(|()| copies)
    }

    fn copies_of_sorted(&self, ids: &[ChunkId], each: &mut dyn FnMut(ChunkId, &[Extent])) -> Result<(), IndexError> {
        let keys: Vec<&[u8]> = ids.iter().map(|id| id.as_bytes().as_slice()).collect();
        let standing = self.standing();
        let mut ids = ids.iter().zip(0..).peekable();
        let mut copies = Vec::new();
        self.database.get_sorted(Table::Chunks, &keys, &mut |position, value| {
            while let Some((id, _)) = ids.next_if(|(_, at)| *at < position) {
                each(*id, &[]);
            }
            copies.clear();
            let read = for_each_extent(value, &mut |extent| {
                copies.extend(Some(extent).filter(|extent| standing.counts(extent.pack)));
                true
            });
            read.map_err(|error| self.malformed(&error))?;
            if let Some((id, _)) = ids.next() {
                each(*id, &copies);
            }
            Ok(())
        })?;
        ids.for_each(|(id, _)| each(*id, &[]));
        Ok(())
    }

    fn pack(&self, ordinal: PackOrdinal) -> Result<PackEntry, IndexError> {
        let segment = self.standing().segment_of(ordinal.0).ok_or(IndexError::UnknownPack { ordinal })?;
        self.entry(ordinal.0, segment)
    }

    fn numbers(&self, id: &PackId) -> Result<Vec<PackOrdinal>, IndexError> {
        let mut numbers: Vec<PackOrdinal> = self.all_numbers(id)?.into_iter().map(PackOrdinal).collect();
        let standing = self.standing();
        numbers.retain(|number| standing.counts(*number));
        Ok(numbers)
    }

    fn for_each_pack(&self, each: &mut dyn FnMut(PackOrdinal, &PackEntry)) -> Result<(), IndexError> {
        let standing = self.standing();
        self.database.scan(Table::Packs, ENTRY_PREFIX, &mut |key, row| {
            let number = key.strip_prefix(ENTRY_PREFIX).and_then(|number| number.try_into().ok());
            let number = number.map(u32::from_be_bytes);
            if let Some((number, segment)) = number.and_then(|number| Some((number, standing.segment_of(number)?))) {
                let entry = decode_entry(row, segment).map_err(|error| self.malformed(&error))?;
                each(PackOrdinal(number), &entry);
            }
            Ok(())
        })
    }

    fn applied(&self) -> Result<Vec<SegmentId>, IndexError> {
        Ok(self.standing().applied())
    }

    fn is_applied(&self, id: SegmentId) -> Result<bool, IndexError> {
        Ok(self.standing().is_applied(id))
    }

    fn apply(&self, segment: &SegmentReader<'_>) -> Result<(), IndexError> {
        let _writing = self.writing()?;
        let id = segment.segment();
        if self.standing().is_applied(id) {
            return Ok(());
        }
        let mut batch = self.database.batch();
        let ordinals = self.apply_packs(id, segment.packs(), &mut batch)?;
        batch.put(Table::Meta, &segment_key(id), &ordinals.encode());
        self.write_piece(&mut batch)?;
        self.standing_mut().apply(id, ordinals);
        Ok(())
    }

    fn bulk(&self) -> Result<Box<dyn Bulk + '_>, IndexError> {
        Ok(Box::new(DiskBulk::begin(self)?))
    }

    fn retract(&self, id: SegmentId) -> Result<(), IndexError> {
        let writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = self.standing_mut().retract(id);
        if *writing == Writable::No {
            // It stays in the view; here it counts no more.
            return Ok(());
        }
        let mut batch = self.database.batch();
        batch.delete(Table::Meta, &segment_key(id));
        // First, in case the rows are too many for one write: what no segment lists does not count.
        self.write_piece(&mut batch)?;
        for number in gone {
            let key = entry_key(number);
            let Some(row) = self.database.get(Table::Packs, &key)? else { continue };
            let entry = decode_entry(&row, id).map_err(|error| self.malformed(&error))?;
            let mut numbers = self.all_numbers(&entry.id)?;
            numbers.retain(|known| *known != number && self.standing().counts(PackOrdinal(*known)));
            if numbers.is_empty() {
                batch.delete(Table::Packs, &pack_key(&entry.id));
            } else {
                batch.put(Table::Packs, &pack_key(&entry.id), &encode_numbers(&numbers));
            }
            batch.delete(Table::Packs, &key);
            if batch.bytes() >= BATCH_BYTES {
                batch.write()?;
            }
        }
        batch.write()
    }

    fn exclude(&self, what: &[Excluded]) -> Result<(), IndexError> {
        // Not while a segment is half applied: its packs have numbers that no row gives yet.
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let signers: HashSet<Excluded> =
            what.iter().filter(|one| matches!(one, Excluded::Signer(_))).copied().collect();
        let mut of_signers: HashMap<Excluded, Vec<u32>> = HashMap::new();
        if !signers.is_empty() {
            self.for_each_pack(&mut |ordinal, entry| {
                let signer = Excluded::Signer(entry.signer);
                if signers.contains(&signer) {
                    of_signers.entry(signer).or_default().push(ordinal.0);
                }
            })?;
        }
        for one in what {
            let numbers = match one {
                Excluded::Pack(pack) => self.all_numbers(pack)?,
                Excluded::Signer(_) => of_signers.remove(one).unwrap_or_default(),
            };
            self.standing_mut().exclude(*one, numbers);
        }
        Ok(())
    }

    fn remember(&self, key: &[u8], value: &[u8]) -> Result<(), IndexError> {
        let mut batch = self.database.batch();
        batch.put(Table::Meta, &remembered_key(key), value);
        batch.write()
    }

    fn recall(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        self.database.get(Table::Meta, &remembered_key(key))
    }

    fn side_table(&self) -> Result<Option<&dyn SideTable>, IndexError> {
        let writing = *self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(if writing == Writable::Yes && !self.database.is_distrusted() { Some(self) } else { None })
    }

    fn side_rows(&self) -> Result<Option<&dyn SideRows>, IndexError> {
        Ok(Some(self))
    }

    fn distrust(&self) {
        self.database.distrust();
    }

    fn flush(&self) -> Result<(), IndexError> {
        self.database.flush()
    }
}

impl Drop for DiskIndex {
    fn drop(&mut self) {
        let writing = self.writing.get_mut().unwrap_or_else(PoisonError::into_inner);
        if *writing == Writable::Yes {
            // What is lost is applied again when the view is next opened.
            let _ = self.database.flush();
        }
    }
}

fn malformed(database: &Database, error: &WireError) -> IndexError {
    damaged(database, format!("a row is malformed: {error}"))
}

fn damaged(database: &Database, reason: String) -> IndexError {
    IndexError::Damaged { place: database.path().display().to_string(), reason }
}

/// Checks that the view is of this form and this repository; a new one is marked so.
fn require_form(database: &Database, repository: RepositoryId, writable: Writable) -> Result<(), IndexError> {
    let expected = [&VIEW_FORM.to_le_bytes(), repository.as_bytes().as_slice()].concat();
    match database.get(Table::Meta, FORM_KEY)? {
        Some(form) if form == expected => Ok(()),
        Some(_) => Err(damaged(database, "it belongs to another repository or another version".into())),
        None if writable == Writable::No => Err(damaged(database, "it is not finished".into())),
        None => {
            let mut batch = database.batch();
            batch.put(Table::Meta, FORM_KEY, &expected);
            batch.write()?;
            database.flush()
        }
    }
}

fn restore(database: &Database) -> Result<Standing, IndexError> {
    let mut segments = Vec::new();
    database.scan(Table::Meta, SEGMENT_PREFIX, &mut |key, row| {
        let id = key.strip_prefix(SEGMENT_PREFIX).and_then(|id| id.try_into().ok()).map(SegmentId::from_bytes);
        let id = id.ok_or_else(|| damaged(database, "a segment's key is malformed".into()))?;
        segments.push((id, Ordinals::decode(row).map_err(|error| malformed(database, &error))?));
        Ok(())
    })?;
    let next = database.get(Table::Meta, NEXT_KEY)?;
    let next = next.map_or(Some(0), |next| next.try_into().ok().map(u32::from_le_bytes));
    let next = next.ok_or_else(|| damaged(database, "the next pack number is malformed".into()))?;
    if segments.iter().flat_map(|(_, ordinals)| ordinals.iter()).any(|ordinal| ordinal >= next) {
        return Err(damaged(database, "a pack number was never given out".into()));
    }
    Ok(Standing::restore(segments, next))
}

#[cfg(test)]
mod tests;

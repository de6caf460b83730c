//! Packs against their listing: all that count are there, with their length.

use crate::access::Access;
use crate::check::report::{Damage, Findings};
use crate::error::Result;
use crate::id::PackId;
use crate::index::PackOrdinal;
use crate::session::History;
use crate::store::{Folder, Listed, ObjectName};
use std::collections::HashSet;

/// What the listing showed.
pub(super) struct Listing {
    pub(super) counted: u64,
    pub(super) unlisted: u64,
}

/// One bit for each pack of the index.
#[derive(Default)]
struct Seen(Vec<u64>);

impl Seen {
    fn place(ordinal: PackOrdinal) -> (usize, u64) {
        let number = ordinal.0;
        (usize::try_from(number / 64).unwrap_or(usize::MAX), 1 << (number % 64))
    }

    fn insert(&mut self, ordinal: PackOrdinal) {
        let (word, bit) = Self::place(ordinal);
        if self.0.len() <= word {
            self.0.resize(word.saturating_add(1), 0);
        }
        if let Some(word) = self.0.get_mut(word) {
            *word |= bit;
        }
    }

    fn contains(&self, ordinal: PackOrdinal) -> bool {
        let (word, bit) = Self::place(ordinal);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }
}

/// Compares the index with the store's packs. Memory: one bit a pack.
pub(super) fn check(access: &Access, history: &History, findings: &Findings<'_>) -> Result<Listing> {
    let mut seen = Seen::default();
    let mut unlisted = 0u64;
    let mut failure = Ok(());
    access.store.list(Folder::Packs, &mut |listed| {
        let Listed::Object { name: ObjectName::Pack(id), bytes } = listed else { return };
        if failure.is_err() {
            return;
        }
        match compare(access, findings, id, bytes) {
            Ok(Some(ordinal)) => seen.insert(ordinal),
            Ok(None) => unlisted = unlisted.saturating_add(1),
            Err(error) => failure = Err(error),
        }
    })?;
    failure?;
    let deleted: HashSet<PackId> = history.excluded().into_iter().collect();
    let mut counted = 0u64;
    let mut gone = Vec::new();
    access.index.for_each_pack(&mut |ordinal, entry| {
        counted = counted.saturating_add(1);
        if !seen.contains(ordinal) && !deleted.contains(&entry.id) {
            gone.push(entry.id);
        }
    })?;
    for id in gone {
        // A pack that two keys vouch for has two numbers and is seen under one of them.
        if access.index.find_pack(&id)?.is_some_and(|ordinal| seen.contains(ordinal)) {
            continue;
        }
        findings.damage(damage(id, String::new(), "it is gone".to_owned()), lost(access, history, id)?);
    }
    Ok(Listing { counted, unlisted })
}

/// The pack's number; none when no committed segment lists it.
fn compare(access: &Access, findings: &Findings<'_>, id: PackId, bytes: u64) -> Result<Option<PackOrdinal>> {
    let Some(ordinal) = access.index.find_pack(&id)? else { return Ok(None) };
    let expected = access.index.pack(ordinal)?.bytes;
    if bytes != expected {
        findings.damage(damage(id, String::new(), format!("it has {bytes} bytes instead of {expected}")), []);
    }
    Ok(Some(ordinal))
}

/// The chunks of a pack, from the segment that lists it.
pub(super) fn lost(access: &Access, history: &History, id: PackId) -> Result<Vec<crate::id::ChunkId>> {
    for segment in history.segments().into_keys() {
        let Ok(body) = crate::session::read_segment(access, segment) else { continue };
        let Ok(reader) = crate::segment::SegmentReader::parse(segment, &body) else { continue };
        if let Some(row) = reader.packs().find(|row| row.facts().pack == id) {
            return Ok(row.ids().to_vec());
        }
    }
    Ok(Vec::new())
}

pub(super) fn damage(id: PackId, place: String, wrong: String) -> Damage {
    Damage {
        object: ObjectName::Pack(id).to_string(),
        place,
        wrong,
        remedy: "put the pack back from a second copy of the store; or back up the files again that are named here",
        ..Damage::default()
    }
}

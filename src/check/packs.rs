//! Packs against their listing: all that count are there, with their length.

use crate::access::Access;
use crate::check::remedy;
use crate::check::report::{Damage, Findings};
use crate::error::{Error, Result};
use crate::id::{ChunkId, PackId};
use crate::index::{PACK_COUNT_MAX, PackOrdinal};
use crate::layout::ChunkPlace;
use crate::segment::{PackRow, SegmentReader};
use crate::session::{self, History, read_segment};
use crate::store::{Folder, Listed, ObjectName};
use std::collections::{BTreeMap, HashMap, HashSet};

/// What the listing showed.
pub(super) struct Listing {
    pub(super) counted: u64,
    pub(super) unlisted: u64,
    /// The packs that are there, each under its lowest number.
    pub(super) present: Seen,
    /// Those of another length than they should have, with the one that they have.
    pub(super) misfits: BTreeMap<PackId, u64>,
}

/// One bit for each pack of the index, for each of its layers apart: their numbers begin at multiples of
/// [`PACK_COUNT_MAX`], and one map over all of them would take 128 MiB for the first pack of the second layer.
#[derive(Default)]
pub(super) struct Seen(Vec<Vec<u64>>);

impl Seen {
    /// Layer, word and bit.
    fn place(ordinal: PackOrdinal) -> (usize, usize, u64) {
        let (layer, number) = (ordinal.0 / PACK_COUNT_MAX, ordinal.0 % PACK_COUNT_MAX);
        let place = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        (place(layer), place(number / 64), 1 << (number % 64))
    }

    /// Notes a pack; false when it was noted before.
    pub(super) fn insert(&mut self, ordinal: PackOrdinal) -> bool {
        let is_new = !self.contains(ordinal);
        let (layer, word, bit) = Self::place(ordinal);
        if self.0.len() <= layer {
            self.0.resize_with(layer.saturating_add(1), Vec::new);
        }
        let Some(words) = self.0.get_mut(layer) else { return is_new };
        if words.len() <= word {
            words.resize(word.saturating_add(1), 0);
        }
        if let Some(word) = words.get_mut(word) {
            *word |= bit;
        }
        is_new
    }

    pub(super) fn contains(&self, ordinal: PackOrdinal) -> bool {
        let (layer, word, bit) = Self::place(ordinal);
        self.0.get(layer).and_then(|words| words.get(word)).is_some_and(|word| word & bit != 0)
    }
}

/// Compares the index with the store's packs. Memory: one bit a pack, and the names of those that are gone.
pub(super) fn check(access: &Access, history: &History, findings: &Findings<'_>) -> Result<Listing> {
    let mut listing = Listing { counted: 0, unlisted: 0, present: Seen::default(), misfits: BTreeMap::new() };
    let mut failure = Ok(());
    access.store.list(Folder::Packs, &mut |listed| {
        let Listed::Object { name: ObjectName::Pack(id), bytes } = listed else { return };
        if failure.is_err() {
            return;
        }
        match compare(access, findings, id) {
            Ok(Standing::Counting { ordinal, expected_bytes }) => {
                listing.present.insert(ordinal);
                if bytes != expected_bytes {
                    listing.misfits.insert(id, bytes);
                }
            }
            Ok(Standing::SetAside) => {}
            Ok(Standing::Unlisted) => listing.unlisted = listing.unlisted.saturating_add(1),
            Err(error) => failure = Err(error),
        }
    })?;
    failure?;
    let deleted: HashSet<PackId> = history.excluded().into_iter().collect();
    let uncounted = session::uncounted_packs(access, history)?;
    let mut gone = Vec::new();
    access.index.for_each_pack(&mut |ordinal, entry| {
        let counts = !uncounted.contains(&entry.id);
        listing.counted = listing.counted.saturating_add(u64::from(counts));
        if !listing.present.contains(ordinal) && !deleted.contains(&entry.id) {
            gone.push(entry.id);
        }
    })?;
    let mut lost = HashSet::new();
    for id in gone {
        // A pack that two keys vouch for has two numbers and is seen under one of them.
        if !access.index.find_pack(&id)?.is_some_and(|ordinal| listing.present.contains(ordinal)) {
            lost.insert(id);
        }
    }
    let mut missed: HashMap<PackId, Left> = HashMap::new();
    for id in lost {
        if !session::is_set_aside(access, id)? {
            missed.insert(id, Left::Nothing);
        }
    }
    missed.extend(listing.misfits.iter().map(|(id, bytes)| (*id, Left::Bytes(*bytes))));
    tell_lost(access, missed, findings);
    Ok(listing)
}

/// How a pack that is there stands.
enum Standing {
    /// A committed segment lists it, under this number and with this length.
    Counting { ordinal: PackOrdinal, expected_bytes: u64 },
    /// A repair found it damaged: nothing counts on it.
    SetAside,
    /// No committed segment lists it.
    Unlisted,
}

fn compare(access: &Access, findings: &Findings<'_>, id: PackId) -> Result<Standing> {
    let Some(ordinal) = access.index.find_pack(&id)? else { return Ok(Standing::Unlisted) };
    if session::is_set_aside(access, id)? {
        findings.set_aside(id);
        return Ok(Standing::SetAside);
    }
    Ok(Standing::Counting { ordinal, expected_bytes: access.index.pack(ordinal)?.bytes })
}

/// What is there of a pack that is not there as it should be.
#[derive(Clone, Copy)]
enum Left {
    Nothing,
    Bytes(u64),
}

impl Left {
    fn damage(self, id: PackId, expected_bytes: Option<u64>) -> Damage {
        let wrong = match (self, expected_bytes) {
            (Self::Nothing, _) => "it is gone".to_owned(),
            (Self::Bytes(bytes), Some(expected)) => format!("it has {bytes} bytes instead of {expected}"),
            (Self::Bytes(bytes), None) => format!("it has {bytes} bytes, and not as many as it should have"),
        };
        damage(id, String::new(), wrong)
    }

    /// The chunks of a pack that lie beyond what is there.
    fn lacks(self, row: &PackRow) -> Vec<ChunkId> {
        let lacks = |place: &ChunkPlace| match self {
            Self::Nothing => true,
            Self::Bytes(bytes) => u64::from(place.frame.end()) > bytes,
        };
        row.chunks().filter(|(_, place)| lacks(place)).map(|(id, _)| id).collect()
    }
}

/// Tells of packs that are gone or of another length, with the chunks that the segments list in what is not there of them.
fn tell_lost(access: &Access, mut lost: HashMap<PackId, Left>, findings: &Findings<'_>) {
    for segment in access.index.applied().unwrap_or_default() {
        if lost.is_empty() {
            return;
        }
        let Ok(body) = read_segment(access, segment) else { continue };
        let Ok(reader) = SegmentReader::parse(segment, &body) else { continue };
        for row in reader.packs() {
            let facts = row.facts();
            if let Some(left) = lost.remove(&facts.pack) {
                findings.damage(left.damage(facts.pack, Some(facts.bytes)), left.lacks(&row));
            }
        }
    }
    lost.into_iter().for_each(|(id, left)| findings.damage(left.damage(id, None), []));
}

pub(super) fn damage(id: PackId, place: String, wrong: String) -> Damage {
    Damage { object: ObjectName::Pack(id).to_string(), place, wrong, remedy: remedy::PACK, ..Damage::default() }
}

/// A pack that this user may not read: what lies in it may be whole.
pub(super) fn unread(id: PackId, error: &Error) -> Damage {
    let wrong = format!("it may not be read by this user: {error}");
    Damage { object: ObjectName::Pack(id).to_string(), wrong, remedy: remedy::UNREAD, ..Damage::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packs_of_every_layer_are_noted_in_little_memory() {
        let mut seen = Seen::default();
        for ordinal in (0..4).flat_map(|layer| [0, 63, 64, 1000].map(|pack| PackOrdinal(layer * PACK_COUNT_MAX + pack)))
        {
            assert!(!seen.contains(ordinal));
            assert!(seen.insert(ordinal) && !seen.insert(ordinal) && seen.contains(ordinal));
        }
        assert!(seen.0.iter().map(Vec::len).sum::<usize>() <= 4 * 16);
    }
}

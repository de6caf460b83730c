//! Making a body.

use super::{BODY_BYTES_MAX, PackRow, REPLACED_COUNT_MAX, Replaced, SegmentFault, SegmentFull, SegmentReader};
use crate::id::{ChunkId, ClientId, PackId, SegmentId, SignerKey};
use crate::wire::Write;
use std::collections::{BTreeMap, BTreeSet};

/// Most bytes of a pack besides table and ids: id, class, five varints of at most ten bytes, and, when it is the
/// first of its signer and client, those.
const FACTS_BYTES_MAX: usize = 132;
/// Most bytes of a replaced segment.
const REPLACED_BYTES_MAX: usize = 52;
/// Most bytes of the four counts.
const COUNTS_BYTES_MAX: usize = 40;

/// Gathers packs, in any order, into one segment. Memory: what the body takes.
#[derive(Debug, Clone, Default)]
pub struct SegmentBuilder {
    replaced: BTreeMap<SegmentId, Replaced>,
    packs: BTreeMap<PackId, PackRow>,
    /// No less than the body will take.
    body_bytes: usize,
    chunk_count: u64,
}

impl SegmentBuilder {
    /// Starts a segment.
    pub fn new() -> Self {
        Self { body_bytes: COUNTS_BYTES_MAX, ..Self::default() }
    }

    /// Says that the new segment replaces another one; at most 65 536 times.
    ///
    /// # Errors
    /// [`SegmentFault::ReplacedCount`] or [`SegmentFault::Long`] when it can't be taken.
    pub fn replace(&mut self, replaced: Replaced) -> Result<(), SegmentFault> {
        let count = self.replaced.len().saturating_add(1);
        if count > REPLACED_COUNT_MAX {
            return Err(SegmentFault::ReplacedCount { count });
        }
        let bytes = self.body_bytes.saturating_add(REPLACED_BYTES_MAX);
        if bytes > BODY_BYTES_MAX {
            return Err(SegmentFault::Long { bytes });
        }
        if self.replaced.insert(replaced.segment, replaced).is_none() {
            self.body_bytes = bytes;
        }
        Ok(())
    }

    /// Takes a pack; one that is already there is not taken twice.
    ///
    /// # Errors
    /// [`SegmentFull`] with the pack, when the segment can't take it. A segment without packs takes any pack.
    pub fn push(&mut self, pack: PackRow) -> Result<(), SegmentFull> {
        if self.packs.contains_key(&pack.facts().pack) {
            return Ok(());
        }
        let ids = pack.ids().len().saturating_mul(ChunkId::LEN);
        let bytes = [FACTS_BYTES_MAX, pack.frames().written_bytes(), ids]
            .into_iter()
            .fold(self.body_bytes, usize::saturating_add);
        if bytes > BODY_BYTES_MAX {
            return Err(SegmentFull(Box::new(pack)));
        }
        self.body_bytes = bytes;
        self.chunk_count = self.chunk_count.saturating_add(pack.frames().chunk_count().into());
        self.packs.insert(pack.facts().pack, pack);
        Ok(())
    }

    /// Whether a pack was taken.
    pub fn has(&self, pack: &PackId) -> bool {
        self.packs.contains_key(pack)
    }

    /// How many packs were taken.
    pub fn pack_count(&self) -> u64 {
        self.packs.len().try_into().unwrap_or(u64::MAX)
    }

    /// How many chunks they have.
    pub const fn chunk_count(&self) -> u64 {
        self.chunk_count
    }

    /// Whether there is anything to say.
    pub fn is_empty(&self) -> bool {
        self.packs.is_empty() && self.replaced.is_empty()
    }

    /// The body, which was read again before it is returned.
    ///
    /// # Panics
    /// When the segment is empty: a defect in the caller.
    pub fn finish(self) -> Vec<u8> {
        assert!(!self.is_empty(), "a segment says something");
        let rows = || self.packs.values();
        let signers: BTreeSet<SignerKey> = rows().map(|row| row.facts().signer).collect();
        let clients: BTreeSet<ClientId> = rows().map(|row| row.facts().session.client).collect();
        let mut out = Vec::with_capacity(self.body_bytes);
        out.put_count(self.replaced.len());
        for replaced in self.replaced.values() {
            out.put(replaced.segment.as_bytes());
            out.put_varint(replaced.pack_count);
            out.put_varint(replaced.chunk_count);
        }
        out.put_count(signers.len());
        signers.iter().for_each(|signer| out.put(signer.as_bytes()));
        out.put_count(clients.len());
        clients.iter().for_each(|client| out.put(client.as_bytes()));
        out.put_count(self.packs.len());
        let (signers, clients) = (positions(signers), positions(clients));
        rows().for_each(|row| write_pack(&mut out, row, &signers, &clients));
        // The id depends on the envelope and is not known yet; any id that is not replaced does.
        let id = SegmentId::of(&out);
        let reread = SegmentReader::parse(id, &out).expect("a segment reads back");
        assert_eq!((reread.pack_count(), reread.chunk_count()), (self.pack_count(), self.chunk_count));
        out
    }
}

fn positions<T: Ord>(items: BTreeSet<T>) -> BTreeMap<T, usize> {
    items.into_iter().enumerate().map(|(index, item)| (item, index)).collect()
}

fn write_pack(
    out: &mut Vec<u8>,
    row: &PackRow,
    signers: &BTreeMap<SignerKey, usize>,
    clients: &BTreeMap<ClientId, usize>,
) {
    let facts = row.facts();
    out.put(facts.pack.as_bytes());
    out.put_u8(facts.class.code());
    out.put_varint(facts.bytes);
    out.put_count(*signers.get(&facts.signer).expect("gathered from the packs"));
    out.put_count(*clients.get(&facts.session.client).expect("gathered from the packs"));
    out.put_varint(facts.session.number);
    out.put_varint(row.frames().header_bytes().into());
    row.frames().write(out);
    row.ids().iter().for_each(|id| out.put(id.as_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::SessionId;
    use crate::layout::{Class, FrameTable};
    use crate::segment::PackFacts;

    /// A pack of so many chunks, that many of them with lengths of two bytes. It takes 33 bytes a chunk, one more for each
    /// of these, and what `room` allows for the rest.
    fn pack(number: u8, chunk_count: usize, of_two_bytes: usize) -> PackRow {
        let mut lengths = vec![1; chunk_count];
        lengths.iter_mut().take(of_two_bytes).for_each(|length| *length = 200);
        let mut frames = FrameTable::new(128).unwrap();
        lengths.chunks(60_000).for_each(|lengths| assert!(frames.push(48, lengths).is_ok()));
        let session = SessionId { client: ClientId::from_bytes([1; 16]), number: 1 };
        let (pack, signer) = (PackId::from_bytes([number; 32]), SignerKey::from_bytes([1; 32]));
        let facts = PackFacts { pack, class: Class::Content, bytes: 1 << 20, signer, session };
        PackRow::new(facts, frames, vec![ChunkId::from_bytes([number; 32]); chunk_count]).unwrap()
    }

    /// A builder that can take so many more bytes.
    fn with_room(bytes: usize) -> SegmentBuilder {
        let mut builder = SegmentBuilder::new();
        builder.push(pack(1, 500_000, 0)).unwrap();
        let rest = BODY_BYTES_MAX - bytes - builder.body_bytes - FACTS_BYTES_MAX;
        // The count of the frames, and for each one its sealed length and its count of chunks.
        let frames_bytes = |chunk_count: usize| 1 + chunk_count.div_ceil(60_000) * 4;
        let chunk_count = (rest - 50) / 33;
        let of_two_bytes = rest - chunk_count * 33 - frames_bytes(chunk_count);
        builder.push(pack(2, chunk_count, of_two_bytes)).unwrap();
        assert_eq!(builder.body_bytes + bytes, BODY_BYTES_MAX);
        builder
    }

    fn replaced(byte: u8) -> Replaced {
        Replaced { segment: SegmentId::from_bytes([byte; 32]), pack_count: 1, chunk_count: 1 }
    }

    #[test]
    fn a_segment_is_filled_to_its_last_byte_and_no_further() {
        with_room(0);
        let mut full = with_room(REPLACED_BYTES_MAX);
        full.replace(replaced(1)).unwrap();
        let bytes = BODY_BYTES_MAX + REPLACED_BYTES_MAX;
        assert_eq!(full.replace(replaced(2)), Err(SegmentFault::Long { bytes }));
        assert!(full.push(pack(3, 1, 0)).is_err());
    }

    #[test]
    fn a_builder_has_what_it_took() {
        let mut builder = SegmentBuilder::new();
        builder.push(pack(1, 1, 0)).unwrap();
        assert_eq!([1, 2].map(|number| builder.has(&PackId::from_bytes([number; 32]))), [true, false]);
    }
}

//! From what is left of a pack, and its parity object, to the pack.

use super::encode::{PIECE_BYTES, check, length};
use super::{HEAD_BYTES, ParityError, ParityHead, ReadAt, ReadError, Shape};
use crate::id::PackId;
use crate::read_buffer::ReadBuffer;
use crate::wire::Reader;
use reed_solomon_simd::engine::DefaultEngine;
use reed_solomon_simd::rate::{HighRateDecoder, RateDecoder as _};
use std::collections::BTreeMap;

/// What brings a pack back: its length, and the shards to put in the place of those that were lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Healing {
    pack: PackId,
    shape: Shape,
    /// Lost shards by their number, brought back.
    shards: BTreeMap<u32, Vec<u8>>,
}

/// Finds the lost shards of a pack and brings them back. A shard is lost when it can't be read or does not have its
/// checksum, whatever else is there; what the pack has past its end is passed over. A parity object whose own checksum
/// fails serves as far as its head holds and its shards have theirs. Memory: the lost shards, at most as many as there
/// are parity shards, and the shards of one group, at most 16 MiB.
///
/// # Errors
/// [`ParityError::BeyondRepair`] when a group has lost more than its sound parity shards; any other [`ParityError`] when
/// the parity object is refused; what reading it says. That bytes of the pack can't be read is no error.
pub fn diagnose<E, P>(
    pack: PackId,
    parity: (u64, &mut ReadAt<'_, E>),
    damaged: &mut ReadAt<'_, P>,
) -> Result<Healing, ReadError<E>> {
    let (object_bytes, read) = parity;
    let mut head = [0; HEAD_BYTES];
    read(0, &mut head).map_err(ReadError::Source)?;
    let shape = ParityHead::parse(pack, object_bytes, &head)?.shape;
    let mut table = vec![0; usize::try_from(shape.checks_bytes()).unwrap_or(0)];
    read(shape.checks_offset(), &mut table).map_err(ReadError::Source)?;
    let mut reader = Reader::new(&table);
    let mut take = |count: u32| -> Vec<u32> { (0..count).map_while(|_| reader.u32().ok()).collect() };
    let (checks, parity_checks) = (take(shape.shard_count()), take(shape.parity_shards()));

    let mut healing = Healing { pack, shape, shards: BTreeMap::new() };
    let lost = lost_shards(shape, &checks, damaged);
    let mut parity = Vec::new();
    for (group, lost) in by_group(shape, &lost) {
        sound_parity(shape, group, &parity_checks, read, &mut parity);
        if lost.len() > parity.len() {
            return Err(beyond_repair(lost.len(), parity.len()).into());
        }
        healing.restore(group, &lost, &parity, damaged);
    }
    Ok(healing)
}

/// The numbers of all shards that can't be read or do not have their checksum.
fn lost_shards<P>(shape: Shape, checks: &[u32], damaged: &mut ReadAt<'_, P>) -> Vec<u32> {
    let mut lost = Vec::new();
    let mut piece = ReadBuffer::new(length(PIECE_BYTES));
    let at_once = PIECE_BYTES.checked_div(shape.shard_bytes()).unwrap_or(1);
    let mut first = 0u32;
    while first < shape.shard_count() {
        let count = at_once.min(shape.shard_count().saturating_sub(first));
        let numbers = first..first.saturating_add(count);
        let (offset, _) = shape.extent(first);
        let (last_offset, last_bytes) = shape.extent(numbers.end.saturating_sub(1));
        let bytes = usize::try_from(last_offset.saturating_sub(offset)).unwrap_or(0).saturating_add(last_bytes);
        let some = piece.get_mut(..bytes).unwrap_or_default();
        let whole = damaged(offset, some).is_ok();
        for (number, shard) in numbers.zip(some.chunks_mut(length(shape.shard_bytes()))) {
            // One unreadable sector must not cost the shards beside it.
            let readable = whole || damaged(shape.extent(number).0, shard).is_ok();
            if !readable || checks.get(length(number)) != Some(&check(shape, shard)) {
                lost.push(number);
            }
        }
        first = first.saturating_add(count);
    }
    lost
}

/// Lost shards by group, each as its place there.
fn by_group(shape: Shape, lost: &[u32]) -> BTreeMap<u32, Vec<u32>> {
    let mut groups = BTreeMap::<u32, Vec<u32>>::new();
    for shard in lost {
        let groups_in_all = shape.group_count().max(1);
        let group = shard.checked_rem(groups_in_all).unwrap_or(0);
        groups.entry(group).or_default().push(shard.checked_div(groups_in_all).unwrap_or(0));
    }
    groups
}

/// Reads the parity shards of a group that have their checksums, with their numbers in the group.
fn sound_parity<E>(
    shape: Shape,
    group: u32,
    checks: &[u32],
    read: &mut ReadAt<'_, E>,
    sound: &mut Vec<(u32, Vec<u8>)>,
) {
    sound.clear();
    let first = group.saturating_mul(shape.parity_count());
    for place in 0..shape.parity_count() {
        let number = first.saturating_add(place);
        let mut shard = vec![0; length(shape.shard_bytes())];
        let readable = read(shape.parity_offset(number), &mut shard).is_ok();
        if readable && checks.get(length(number)) == Some(&check(shape, &shard)) {
            sound.push((place, shard));
        }
    }
}

fn beyond_repair(lost: usize, parity: usize) -> ParityError {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    ParityError::BeyondRepair { lost: count(lost), parity: count(parity) }
}

impl Healing {
    /// How many shards were lost and are brought back.
    pub fn lost_count(&self) -> usize {
        self.shards.len()
    }

    /// The length of the healed pack.
    pub const fn pack_bytes(&self) -> u64 {
        self.shape.pack_bytes()
    }

    /// Writes the healed pack from its first byte to its last: what was lost from memory, the rest as it is read.
    ///
    /// # Errors
    /// [`ParityError::HealedWrong`] when the bytes that were written do not hash to the pack's name: then they must not
    /// be published. What reading or writing says.
    pub fn write<E>(
        &self,
        damaged: &mut ReadAt<'_, E>,
        write: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), ReadError<E>> {
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; length(self.shape.shard_bytes())];
        let mut put = |bytes: &[u8]| {
            hasher.update(bytes);
            write(bytes).map_err(ReadError::Source)
        };
        for number in 0..self.shape.shard_count() {
            let (offset, bytes) = self.shape.extent(number);
            if let Some(shard) = self.shards.get(&number) {
                put(shard.get(..bytes).unwrap_or_default())?;
                continue;
            }
            let shard = buffer.get_mut(..bytes).unwrap_or_default();
            damaged(offset, shard).map_err(ReadError::Source)?;
            put(shard)?;
        }
        let found = PackId::from_bytes(*hasher.finalize().as_bytes());
        if found == self.pack { Ok(()) } else { Err(ParityError::HealedWrong { found }.into()) }
    }

    /// Brings the lost shards of one group back. Shards that were sound a moment ago and can't be read now are taken as
    /// zeros: the hash of the whole shows it.
    fn restore<P>(&mut self, group: u32, lost: &[u32], parity: &[(u32, Vec<u8>)], damaged: &mut ReadAt<'_, P>) {
        let shape = self.shape;
        let mut decoder = decoder(shape);
        let mut shard = vec![0; length(shape.shard_bytes())];
        for place in (0..shape.group_shards()).filter(|place| lost.binary_search(place).is_err()) {
            shard.fill(0);
            if let Some(number) = shape.shard(group, place) {
                let (offset, bytes) = shape.extent(number);
                if damaged(offset, shard.get_mut(..bytes).unwrap_or_default()).is_err() {
                    shard.fill(0);
                }
            }
            decoder.add_original_shard(length(place), &shard).expect("each place of the group once");
        }
        for (place, shard) in parity {
            decoder.add_recovery_shard(length(*place), shard).expect("each parity shard of the group once");
        }
        let restored = decoder.decode().expect("as many parity shards as were lost");
        for place in lost {
            let number = shape.shard(group, *place);
            if let Some((number, shard)) = number.zip(restored.restored_original(length(*place))) {
                self.shards.insert(number, shard.to_vec());
            }
        }
    }
}

fn decoder(shape: Shape) -> HighRateDecoder<DefaultEngine> {
    let (shards, parity) = (length(shape.group_shards()), length(shape.parity_count()));
    HighRateDecoder::new(shards, parity, length(shape.shard_bytes()), DefaultEngine::new(), None)
        .expect("a shape has counts and lengths that the code takes")
}

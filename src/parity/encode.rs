//! From a pack to its parity object.

use super::{ParityError, ParityHead, ReadAt, ReadError, Shape};
use crate::id::PackId;
use crate::read_buffer::ReadBuffer;
use crate::wire::Write as _;
use reed_solomon_simd::engine::DefaultEngine;
use reed_solomon_simd::rate::{HighRateEncoder, RateEncoder as _};

/// How much of a pack is read at a time, in whole shards.
pub(super) const PIECE_BYTES: u32 = 1 << 18;

/// Makes the parity object of a pack, which is read twice: once from its first byte to its last, to prove it, once group
/// by group. Memory: the object, and the shards of one group, at most 16 MiB.
///
/// # Errors
/// [`ParityError::NotThePack`] when the bytes read do not hash to the pack's name, or what the reading says.
pub fn encode<E>(pack: PackId, shape: Shape, read: &mut ReadAt<'_, E>) -> Result<Vec<u8>, ReadError<E>> {
    let checks = prove(pack, shape, read)?;
    let mut object = Vec::with_capacity(usize::try_from(shape.object_bytes()).unwrap_or(0));
    object.put(&ParityHead { pack, shape }.bytes());
    let mut parity_checks = Vec::new();
    let mut encoder = encoder(shape);
    let mut shard = vec![0; length(shape.shard_bytes())];
    for group in 0..shape.group_count() {
        for place in 0..shape.group_shards() {
            shard.fill(0);
            if let Some(number) = shape.shard(group, place) {
                let (offset, bytes) = shape.extent(number);
                read(offset, shard.get_mut(..bytes).unwrap_or_default()).map_err(ReadError::Source)?;
                if checks.get(length(number)) != Some(&crc32fast::hash(&shard)) {
                    // It changed between the two readings.
                    return Err(ParityError::NotThePack { expected: pack, found: pack }.into());
                }
            }
            encoder.add_original_shard(&shard).expect("as many shards of this length as the encoder was made for");
        }
        let coded = encoder.encode().expect("every shard was added");
        for parity in coded.recovery_iter() {
            parity_checks.push(crc32fast::hash(parity));
            object.put(parity);
        }
    }
    checks.iter().chain(&parity_checks).for_each(|check| object.put_u32(*check));
    let checksum = blake3::hash(&object);
    object.put(checksum.as_bytes());
    Ok(object)
}

/// Reads the whole pack, holds it to its name, and returns the checksums of its shards.
fn prove<E>(pack: PackId, shape: Shape, read: &mut ReadAt<'_, E>) -> Result<Vec<u32>, ReadError<E>> {
    let mut hasher = blake3::Hasher::new();
    let mut checks = Vec::with_capacity(length(shape.shard_count()));
    let mut piece = ReadBuffer::new(length(PIECE_BYTES));
    let mut offset = 0u64;
    while offset < shape.pack_bytes() {
        let left = shape.pack_bytes().saturating_sub(offset).min(PIECE_BYTES.into());
        let some = piece.get_mut(..usize::try_from(left).unwrap_or(0)).unwrap_or_default();
        read(offset, some).map_err(ReadError::Source)?;
        hasher.update(some);
        checks.extend(some.chunks(length(shape.shard_bytes())).map(|bytes| check(shape, bytes)));
        offset = offset.saturating_add(left);
    }
    let found = PackId::from_bytes(*hasher.finalize().as_bytes());
    if found == pack { Ok(checks) } else { Err(ParityError::NotThePack { expected: pack, found }.into()) }
}

/// The checksum of a shard, of which `bytes` are there and the rest are zeros.
pub(super) fn check(shape: Shape, bytes: &[u8]) -> u32 {
    const ZEROS: [u8; 4096] = [0; 4096];
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(bytes);
    let mut missing = length(shape.shard_bytes()).saturating_sub(bytes.len());
    while missing > 0 {
        let some = ZEROS.get(..missing.min(ZEROS.len())).unwrap_or(&ZEROS);
        hasher.update(some);
        missing = missing.saturating_sub(some.len());
    }
    hasher.finalize()
}

fn encoder(shape: Shape) -> HighRateEncoder<DefaultEngine> {
    let (shards, parity) = (length(shape.group_shards()), length(shape.parity_count()));
    HighRateEncoder::new(shards, parity, length(shape.shard_bytes()), DefaultEngine::new(), None)
        .expect("a shape has counts and lengths that the code takes")
}

pub(super) fn length(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

// Whole shards fit into a piece.
const _: () = assert!(PIECE_BYTES.is_multiple_of(super::SHARD_BYTES_MAX));

//! Parity objects from strangers, and what is healed with them.

use crate::id::PackId;
use crate::parity::{HEAD_BYTES, ParityHead, Shape, diagnose, encode, verify};

/// Longest pack of [`fuzz_parity_heal`]: a longer one shows nothing new.
const PACK_BYTES_MAX: usize = 1 << 16;

/// Reads `data` as a parity object of the pack that it says it belongs to, and heals with it a pack that is the same
/// bytes.
///
/// # Panics
/// When bytes are called healed that do not hash to the pack's name, or a head does not come back as it was.
pub fn fuzz_parity(data: &[u8]) {
    let Some(head) = data.first_chunk::<HEAD_BYTES>() else { return };
    let Some(pack) = head.last_chunk::<32>().map(|id| PackId::from_bytes(*id)) else { return };
    let whole = verify(pack, data);
    if let Ok(parsed) = ParityHead::parse(pack, length(data), head) {
        assert!(parsed.bytes() == head, "a head has one encoding");
        assert!(whole.is_err() || whole == Ok(parsed), "both read the same");
    }
    if let Some(bytes) = heal(pack, data, data) {
        assert!(named(&bytes) == pack, "only the pack's own bytes are healed ones");
    }
}

/// Takes from `data` a layout, a pack and what happens to it, and holds the parity to its promise.
///
/// # Panics
/// When losses up to the parity don't come back, or anything else is called healed.
pub fn fuzz_parity_heal(data: &[u8]) {
    let Some((&[shard, groups, parity, damages], rest)) = data.split_first_chunk::<4>() else { return };
    let wounds = rest.get(..usize::from(damages).saturating_mul(3)).unwrap_or_default();
    let pack = rest.get(wounds.len()..).unwrap_or_default();
    let pack = pack.get(..PACK_BYTES_MAX).unwrap_or(pack);
    let shard_bytes = 64u32 << (shard % 4);
    let Ok(shape) = Shape::parse(length(pack), shard_bytes, groups.into(), parity.into()) else { return };
    let id = named(pack);
    let object = encode(id, shape, &mut reading(pack)).expect("bytes that hash to their name");
    assert!(verify(id, &object).is_ok(), "what is written is accepted");
    let mut damaged = pack.to_vec();
    let mut hit = std::collections::BTreeSet::new();
    for wound in wounds.chunks_exact(3) {
        let &[low, high, bits] = wound else { return };
        let at = usize::from(u16::from_le_bytes([low, high]));
        if let Some(byte) = damaged.get_mut(at).filter(|_| bits != 0) {
            *byte ^= bits;
            hit.extend(u32::try_from(at).ok().and_then(|at| at.checked_div(shard_bytes)));
        }
    }
    let most =
        (0..shape.group_count()).map(|group| hit.iter().filter(|shard| *shard % shape.group_count() == group).count());
    let within = most.max() <= usize::try_from(shape.parity_count()).ok();
    match heal(id, &object, &damaged) {
        Some(bytes) => assert!(bytes == pack, "healed bit for bit"),
        None => assert!(!within, "what the parity can bring back comes back"),
    }
}

fn heal(pack: PackId, object: &[u8], damaged: &[u8]) -> Option<Vec<u8>> {
    let healing = diagnose(pack, (length(object), &mut reading(object)), &mut reading(damaged)).ok()?;
    let mut bytes = Vec::new();
    let mut write = |some: &[u8]| {
        bytes.extend_from_slice(some);
        Ok(())
    };
    healing.write(&mut reading(damaged), &mut write).ok()?;
    Some(bytes)
}

fn reading(bytes: &[u8]) -> impl FnMut(u64, &mut [u8]) -> Result<(), ()> {
    |offset, buffer| {
        let start = usize::try_from(offset).map_err(drop)?;
        let some = bytes.get(start..).and_then(|rest| rest.get(..buffer.len())).ok_or(())?;
        buffer.copy_from_slice(some);
        Ok(())
    }
}

fn named(bytes: &[u8]) -> PackId {
    PackId::of(bytes)
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_laws_hold_for_any_bytes(data in proptest::collection::vec(any::<u8>(), 0..2000)) {
            fuzz_parity(&data);
            fuzz_parity_heal(&data);
        }

        #[test]
        fn the_laws_hold_for_small_layouts(
            head in (0u8..4, 1u8..4, 1u8..4, 0u8..6),
            data in proptest::collection::vec(any::<u8>(), 20..2000),
        ) {
            fuzz_parity_heal(&[vec![head.0, head.1, head.2, head.3], data].concat());
        }
    }
}

//! Tests of parity: what was lost comes back bit for bit, or is called lost.

mod code;
mod vectors;

use super::*;
use proptest::prelude::*;

/// Bytes that repeat nowhere, from a seed.
fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let mut out = vec![0; bytes];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut out);
    out
}

fn id(bytes: &[u8]) -> PackId {
    PackId::of(bytes)
}

/// Reads a slice; what lies past its end can't be read.
fn reading(bytes: &[u8]) -> impl FnMut(u64, &mut [u8]) -> Result<(), ()> {
    |offset, buffer| {
        let start = usize::try_from(offset).map_err(drop)?;
        let end = start.checked_add(buffer.len()).ok_or(())?;
        buffer.copy_from_slice(bytes.get(start..end).ok_or(())?);
        Ok(())
    }
}

fn encoded(pack: &[u8], shape: Shape) -> Vec<u8> {
    let object = encode(id(pack), shape, &mut reading(pack)).unwrap();
    assert_eq!(u64::try_from(object.len()).unwrap(), shape.object_bytes());
    object
}

fn length_of(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap()
}

/// What comes of a damaged pack and a parity object.
fn healed(pack: PackId, parity: &[u8], damaged: &[u8]) -> Result<Vec<u8>, ParityError> {
    let error = |error: ReadError<()>| match error {
        ReadError::Parity(error) => error,
        ReadError::Source(()) => panic!("what is there can be read"),
    };
    let healing = diagnose(pack, (length_of(parity), &mut reading(parity)), &mut reading(damaged)).map_err(error)?;
    let mut out = Vec::new();
    let mut write = |bytes: &[u8]| {
        out.extend_from_slice(bytes);
        Ok(())
    };
    healing.write(&mut reading(damaged), &mut write).map_err(error)?;
    assert_eq!(length_of(&out), healing.pack_bytes());
    Ok(out)
}

fn shape(pack: &[u8], percent: u8) -> Shape {
    Shape::choose(length_of(pack), Percent::parse(percent).unwrap()).unwrap()
}

/// Damages whole shards of the pack.
fn lose(pack: &mut [u8], shape: Shape, shards: impl IntoIterator<Item = u32>) {
    for shard in shards {
        let (offset, bytes) = shape.extent(shard);
        let start = usize::try_from(offset).unwrap();
        pack[start..start + bytes].iter_mut().for_each(|byte| *byte = !*byte);
    }
}

/// Numbers drawn from a seed.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u32::try_from((mixed ^ (mixed >> 31)) % u64::from(bound.max(1))).unwrap()
    }
}

/// One pattern: a pack of any length, in any layout, with losses in one group up to its parity and one above.
fn one_pattern(seed: u64) {
    let mut draw = Draw(seed);
    let shard_bytes = 64u32 << draw.below(4);
    let bytes = 1 + draw.below(shard_bytes * 40);
    let pack = noise(usize::try_from(bytes).unwrap(), seed);
    let shards = bytes.div_ceil(shard_bytes);
    let groups = 1 + draw.below(shards.min(5));
    let parity = 1 + draw.below(shards.div_ceil(groups).min(6));
    let shape = Shape::parse(bytes.into(), shard_bytes, groups, parity).unwrap();
    let mut object = encoded(&pack, shape);

    let mut damaged = pack.clone();
    let mut most = 0;
    let mut left = u32::MAX;
    for group in 0..groups {
        let there: Vec<u32> = (0..shape.group_shards()).filter_map(|place| shape.shard(group, place)).collect();
        // Shards of the parity are lost as well.
        let parity_lost = draw.below(parity + 1);
        for number in 0..parity_lost {
            let offset = shape.parity_offset(group * parity + number) + u64::from(draw.below(shard_bytes));
            object[usize::try_from(offset).unwrap()] ^= 1 << draw.below(8);
        }
        let above = u32::from(draw.below(6) == 0);
        let lost = draw.below(parity - parity_lost + 1 + above).min(u32::try_from(there.len()).unwrap());
        let mut unlucky = there.clone();
        (0..unlucky.len()).for_each(|at| {
            let other = usize::try_from(draw.below(u32::try_from(unlucky.len()).unwrap())).unwrap();
            unlucky.swap(at, other);
        });
        lose(&mut damaged, shape, unlucky.into_iter().take(usize::try_from(lost).unwrap()));
        if lost > parity - parity_lost && most == 0 {
            (most, left) = (lost, parity - parity_lost);
        }
    }
    match healed(id(&pack), &object, &damaged) {
        Ok(out) => assert!(out == pack && most == 0, "seed {seed}: healed"),
        Err(error) => assert_eq!(error, ParityError::BeyondRepair { lost: most, parity: left }, "seed {seed}"),
    }
}

#[test]
fn parity_5_losses_up_to_the_parity_come_back_and_more_are_called_lost() {
    (0..300).for_each(one_pattern);
}

#[test]
#[ignore = "the long run: cargo test --release --lib -- --ignored ten_thousand_patterns"]
fn ten_thousand_patterns_of_loss_are_healed_or_called_lost() {
    (1_000_000..1_010_000).for_each(one_pattern);
}

#[test]
fn parity_1_a_burst_as_long_as_the_parity_comes_back_wherever_it_lies() {
    let pack = noise(5_000_000, 1);
    let shape = shape(&pack, 2);
    assert!(shape.group_count() > 1, "{shape:?}");
    let object = encoded(&pack, shape);
    let burst = usize::try_from((shape.parity_shards() - shape.group_count()) * shape.shard_bytes()).unwrap();
    assert!(burst * 100 > pack.len(), "{burst}");
    for start in [0, 4095, 1_234_567, pack.len() - burst] {
        let mut damaged = pack.clone();
        damaged[start..start + burst].fill(0);
        assert!(healed(id(&pack), &object, &damaged).unwrap() == pack, "{start}");
    }
}

#[test]
fn parity_2_a_writer_gives_every_pack_its_share_and_room_for_one_sector() {
    for bytes in [1, 63, 64, 400, 3000, 4096, 10_000, 65_536, 100_000, 1 << 20, 32 << 20, 1 << 30] {
        for percent in [1, 2, 10, 25] {
            let shape = Shape::choose(bytes, Percent::parse(percent).unwrap()).unwrap();
            let parity = u64::from(shape.parity_shards()) * u64::from(shape.shard_bytes());
            assert!(parity * 100 >= bytes * u64::from(percent), "{bytes} {percent} {shape:?}");
            assert!(parity >= bytes.min(4096), "{bytes} {percent} {shape:?}");
            if bytes > 1 << 20 {
                let most = bytes * (u64::from(percent) * 10 + 3) / 1000;
                assert!(shape.object_bytes() < most, "{bytes} {percent} {shape:?}: {}", shape.object_bytes());
            }
        }
    }
    assert_eq!(Shape::choose(0, Percent::parse(2).unwrap()), None);
    assert_eq!(Shape::choose((1 << 30) + 1, Percent::parse(2).unwrap()), None);
    assert_eq!((Percent::parse(0), Percent::parse(26)), (None, None));
}

#[test]
fn parity_2_any_lost_sector_of_a_small_pack_comes_back() {
    for bytes in [1000usize, 4096, 5000, 70_000, 300_000] {
        let pack = noise(bytes, 7);
        let object = encoded(&pack, shape(&pack, 1));
        for start in (0..bytes).step_by(4096) {
            let mut damaged = pack.clone();
            let end = (start + 4096).min(bytes);
            damaged[start..end].fill(0);
            assert!(healed(id(&pack), &object, &damaged).unwrap() == pack, "{bytes} {start}");
        }
    }
}

#[test]
fn parity_3_parity_is_only_made_of_bytes_that_hash_to_the_name() {
    let pack = noise(1000, 3);
    let mut other = pack.clone();
    other[500] ^= 1;
    let refused = encode(id(&pack), shape(&pack, 2), &mut reading(&other));
    assert_eq!(refused, Err(ParityError::NotThePack { expected: id(&pack), found: id(&other) }.into()));
    let mut times = 0u32;
    let mut changing = |offset, buffer: &mut [u8]| {
        times += 1;
        reading(if times == 1 { &pack } else { &other })(offset, buffer)
    };
    assert!(encode(id(&pack), shape(&pack, 2), &mut changing).is_err(), "it changes between the readings");
}

#[test]
fn parity_6_cut_short_and_doubled_packs_come_back() {
    let pack = noise(700_000, 4);
    let object = encoded(&pack, shape(&pack, 10));
    for bytes in [pack.len() - 1, pack.len() - 40_000] {
        assert!(healed(id(&pack), &object, &pack[..bytes]).unwrap() == pack, "{bytes}");
    }
    let doubled = [pack.clone(), pack.clone()].concat();
    assert!(healed(id(&pack), &object, &doubled).unwrap() == pack);
    assert!(matches!(healed(id(&pack), &object, &[]), Err(ParityError::BeyondRepair { .. })));
}

#[test]
fn parity_7_an_unreadable_sector_costs_its_own_shards_only() {
    let pack = noise(600_000, 5);
    let object = encoded(&pack, shape(&pack, 1));
    let failing = 123_456u64;
    let mut read = |offset: u64, buffer: &mut [u8]| {
        let range = offset..offset + u64::try_from(buffer.len()).unwrap();
        if range.contains(&failing) { Err(()) } else { reading(&pack)(offset, buffer) }
    };
    let mut of_parity = reading(&object);
    let parity: (u64, &mut ReadAt<'_, ()>) = (length_of(&object), &mut of_parity);
    let healing = diagnose(id(&pack), parity, &mut read).unwrap();
    assert_eq!(healing.lost_count(), 1);
    let mut out = Vec::new();
    let mut write = |bytes: &[u8]| {
        out.extend_from_slice(bytes);
        Ok(())
    };
    healing.write(&mut read, &mut write).unwrap();
    assert!(out == pack);
}

#[test]
fn parity_8_what_does_not_hash_to_the_name_is_not_taken_for_healed() {
    // Somebody wrote parity of other bytes and put the pack's name on it.
    let (pack, other) = (noise(3000, 8), noise(3000, 9));
    let mut object = encoded(&other, shape(&other, 2));
    object[32..64].copy_from_slice(id(&pack).as_bytes());
    let refused = healed(id(&pack), &object, &other);
    assert_eq!(refused, Err(ParityError::HealedWrong { found: id(&other) }));
}

#[test]
fn a_parity_object_with_any_bit_flipped_still_heals_or_is_refused() {
    let pack = noise(500, 10);
    let shape = Shape::parse(500, 64, 2, 2).unwrap();
    let object = encoded(&pack, shape);
    let mut damaged = pack.clone();
    damaged[77] ^= 4;
    for at in 0..object.len() {
        let mut flipped = object.clone();
        flipped[at] ^= 0x10;
        assert!(verify(id(&pack), &flipped).is_err(), "{at}");
        match healed(id(&pack), &flipped, &damaged) {
            Ok(out) => assert!(out == pack, "{at}"),
            Err(_) => assert!(at < HEAD_BYTES, "{at}"),
        }
    }
}

#[test]
fn parity_9_a_head_that_claims_more_than_the_object_holds_is_refused_before_memory_is_set_aside() {
    let pack = noise(500, 11);
    let huge = Shape::parse(1 << 30, 4096, 300, 20).unwrap();
    let head = ParityHead { pack: id(&pack), shape: huge }.bytes();
    let object = [head, vec![0; 1000]].concat();
    let refused = healed(id(&pack), &object, &pack);
    assert_eq!(refused, Err(ParityError::Length { found: 1064, expected: huge.object_bytes() }));
}

proptest! {
    #[test]
    fn parity_4_a_shape_is_accepted_with_every_limit_held_or_refused(
        bytes in prop_oneof![0u64..5000, 0u64..(1 << 31)],
        shard in prop_oneof![Just(64u32), Just(4096), Just(65_536), any::<u32>()],
        groups in prop_oneof![0u32..2000, any::<u32>()],
        parity in prop_oneof![0u32..2000, any::<u32>()],
    ) {
        let Ok(shape) = Shape::parse(bytes, shard, groups, parity) else { return Ok(()) };
        prop_assert!(shape.shard_count() <= SHARD_COUNT_MAX && shape.pack_bytes() <= 1 << 30);
        prop_assert!(shape.parity_count() <= shape.group_shards());
        let places = shape.group_shards() + shape.parity_count().next_power_of_two();
        prop_assert!(u64::from(places.next_power_of_two()) * u64::from(shard) <= GROUP_BYTES_MAX);
        // Every shard is one place of one group.
        let last = shape.shard_count() - 1;
        prop_assert_eq!(shape.shard(last % groups, last / groups), Some(last));
        prop_assert_eq!(shape.extent(last).0 + u64::try_from(shape.extent(last).1).unwrap(), bytes);
    }

    #[test]
    fn any_bytes_are_refused_without_a_panic(head: [u8; HEAD_BYTES], rest in proptest::collection::vec(any::<u8>(), 0..300)) {
        let object = [&head[..], &rest].concat();
        let mut reading = reading(&object);
        let read: &mut ReadAt<'_, ()> = &mut reading;
        let none = &mut |_: u64, _: &mut [u8]| -> Result<(), ()> { panic!("the head is refused") };
        let _ = verify(id(&[]), &object);
        prop_assert!(diagnose(id(&[]), (length_of(&object), read), none).is_err());
    }
}

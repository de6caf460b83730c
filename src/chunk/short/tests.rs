use super::*;
use proptest::prelude::*;

/// More than is hashed side by side by any lanes.
const LONG_BYTES: usize = 128 << 10;

const KEY: [u8; 32] = *b"a key that is the same each time";

fn noise(length: usize) -> Vec<u8> {
    let mut noise = vec![0; length];
    blake3::Hasher::new().update(b"noise").finalize_xof().fill(&mut noise);
    noise
}

/// By all lanes that the processor has, and by the crate.
fn assert_same(messages: &[&[u8]]) {
    let alone: Vec<Hash> = messages.iter().map(|message| *blake3::keyed_hash(&KEY, message).as_bytes()).collect();
    for lanes in Lanes::all_with_key(&KEY) {
        let together = keyed_hashes_by(&lanes, &KEY, messages);
        let lengths = || messages.iter().map(|message| message.len()).collect::<Vec<_>>();
        assert!(together == alone, "{lanes:?}, messages of {:?} bytes", lengths());
    }
}

#[test]
fn messages_are_hashed_side_by_side_wherever_the_processor_can() {
    let can = is_x86_feature_detected!("avx2") || is_x86_feature_detected!("avx512f");
    assert_eq!(Lanes::all_with_key(&KEY).next().is_some(), can);
    assert_eq!(keyed_hashes(&KEY, &[b"a", b"b"]).is_some(), can);
}

#[test]
fn many_hashes_are_those_of_the_crate() {
    let noise = noise(LONG_BYTES * 2);
    let parts = |lengths: &mut dyn Iterator<Item = usize>| {
        let parts: Vec<&[u8]> = lengths.enumerate().map(|(start, length)| &noise[start..][..length]).collect();
        assert_same(&parts);
    };
    parts(&mut std::iter::empty());
    // Around the ends of a block, of a leaf and of what the lanes take, in numbers around those of the lanes.
    let ends = Lanes::all_with_key(&KEY).map(|lanes| lanes.long_bytes()).flat_map(|end| [end - 1, end, end + 1]);
    for length in [0, 1, 63, 64, 65, 1023, 1024, 1025].into_iter().chain(ends) {
        for count in [1, 2, 7, 8, 9, 15, 16, 17, 33] {
            parts(&mut std::iter::repeat_n(length, count));
        }
    }
    parts(&mut (0..3000));
    // Trees of all shapes.
    parts(&mut (1..=LONG_BYTES / LEAF_BYTES).map(|leaves| leaves * LEAF_BYTES));
    parts(&mut (1..=LONG_BYTES / LEAF_BYTES).map(|leaves| leaves * LEAF_BYTES - 960));
}

proptest! {
    #[test]
    fn many_hashes_of_any_messages_are_those_of_the_crate(
        places in prop::collection::vec((0..1000usize, prop_oneof![0..5000usize, 0..LONG_BYTES + 5000]), 0..20),
    ) {
        let noise = noise(LONG_BYTES + 6000);
        let messages: Vec<&[u8]> = places.iter().map(|(start, length)| &noise[*start..][..*length]).collect();
        assert_same(&messages);
    }
}

mod vectors;

use super::*;
use crate::id::ChunkId;
use proptest::prelude::*;

const KIB: usize = 1024;

fn gear() -> Gear {
    Gear::derive(&[0x11; 32])
}

fn small() -> CutParameters {
    CutParameters::parse(4096, 8192, 16384, 1).unwrap()
}

/// A part of a file without its bytes' owner.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Data(Vec<u8>),
    Zeros(u64),
}

fn keep(parts: &mut Vec<Part>) -> impl FnMut(Piece<'_>) {
    |piece| {
        parts.push(match piece {
            Piece::Data(bytes) => Part::Data(bytes.to_vec()),
            Piece::Zeros(length) => Part::Zeros(length),
        });
    }
}

fn whole(parameters: &CutParameters, gear: &Gear, content: &[u8]) -> Vec<Part> {
    let mut parts = Vec::new();
    chunk_slice(&Cutter::new(parameters, gear), content, keep(&mut parts));
    parts
}

/// Bytes that look random, the same for the same seed.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut out = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut out);
    out
}

/// The rules of the page, byte by byte and without any of the shipped code.
mod by_the_page {
    use super::Part;

    pub(super) struct Rules {
        pub(super) min: usize,
        pub(super) avg: usize,
        pub(super) max: usize,
        pub(super) mask_small: u64,
        pub(super) mask_large: u64,
        pub(super) gear_key: [u8; 32],
    }

    impl Rules {
        pub(super) fn parts(&self, content: &[u8]) -> Vec<Part> {
            let blocks: Vec<bool> =
                content.chunks_exact(4096).map(|block| block.iter().all(|byte| *byte == 0)).collect();
            let mut parts = Vec::new();
            let mut piece_start = 0;
            let mut block = 0;
            while block < blocks.len() {
                let end = blocks[block..].iter().position(|zero| !zero).map_or(blocks.len(), |at| block + at);
                if end - block >= 16 {
                    self.cut(&content[piece_start..block * 4096], &mut parts);
                    parts.push(Part::Zeros(u64::try_from((end - block) * 4096).unwrap()));
                    piece_start = end * 4096;
                }
                block = end + 1;
            }
            self.cut(&content[piece_start..], &mut parts);
            parts
        }

        fn cut(&self, mut piece: &[u8], parts: &mut Vec<Part>) {
            let mut xof = vec![0; 2048];
            blake3::Hasher::new_keyed(&self.gear_key).update(b"holdall 1 gear table").finalize_xof().fill(&mut xof);
            let gear: Vec<u64> = xof.chunks(8).map(|word| u64::from_le_bytes(word.try_into().unwrap())).collect();
            while !piece.is_empty() {
                let length = self.first(piece, &gear);
                parts.push(Part::Data(piece[..length].to_vec()));
                piece = &piece[length..];
            }
        }

        fn first(&self, piece: &[u8], gear: &[u64]) -> usize {
            let n = piece.len().min(self.max);
            let mut hash = 0u64;
            for i in self.min..n / 2 * 2 {
                hash = (hash << 1).wrapping_add(gear[usize::from(piece[i])]);
                let mask = if i < self.avg { self.mask_small } else { self.mask_large };
                if hash & mask == 0 {
                    return i;
                }
            }
            n
        }
    }
}

fn rules_of_small() -> by_the_page::Rules {
    by_the_page::Rules {
        min: 4096,
        avg: 8192,
        max: 16384,
        mask_small: 0x0000_d903_1353_0000,
        mask_large: 0x0000_d901_0353_0000,
        gear_key: [0x11; 32],
    }
}

/// Stretches of noise, text and zeros whose borders lie on, near and off the 4 KiB grain.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![0usize..200, 0usize..30_000, (0usize..24).prop_map(|blocks| blocks * 4096)];
    let stretch = (0u8..4, length, any::<u64>()).prop_map(|(kind, length, seed)| match kind {
        0 | 1 => vec![0; length],
        2 => noise(seed, length),
        _ => b"the same line of text again\n".iter().copied().cycle().take(length).collect(),
    });
    prop::collection::vec(stretch, 0..7).prop_map(|stretches| stretches.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn chunk_4_the_parts_are_those_of_the_page(content in content()) {
        prop_assert_eq!(whole(&small(), &gear(), &content), rules_of_small().parts(&content));
    }

    #[test]
    fn chunk_5_read_sizes_never_move_a_cut(content in content(), reads in prop::collection::vec(1usize..40_000, 1..8)) {
        let gear = gear();
        let mut chunker = Chunker::new(Cutter::new(&small(), &gear));
        let mut parts = Vec::new();
        let mut rest = content.as_slice();
        for read in reads.iter().cycle() {
            let (head, tail) = rest.split_at(rest.len().min(*read));
            chunker.push(head, keep(&mut parts));
            rest = tail;
            if rest.is_empty() {
                break;
            }
        }
        chunker.finish(keep(&mut parts));
        prop_assert_eq!(parts, whole(&small(), &gear, &content));
    }
}

#[test]
fn chunk_1_parameters_outside_the_rules_are_refused() {
    let order = |min_bytes, avg_bytes, max_bytes| Err(ChunkError::Order { min_bytes, avg_bytes, max_bytes });
    let cases = [
        ((4094, 8192, 16384, 1), order(4094, 8192, 16384)),
        ((8192, 8192, 16384, 1), order(8192, 8192, 16384)),
        ((4096, 8192, 8192, 1), order(4096, 8192, 8192)),
        ((4096, 8192, (4 << 20) + 2, 1), order(4096, 8192, (4 << 20) + 2)),
        ((4097, 8192, 16384, 1), Err(ChunkError::Odd { min_bytes: 4097, avg_bytes: 8192, max_bytes: 16384 })),
        ((4097, 8192, 16385, 1), Err(ChunkError::Odd { min_bytes: 4097, avg_bytes: 8192, max_bytes: 16385 })),
        ((4097, 8193, 16384, 1), Err(ChunkError::Odd { min_bytes: 4097, avg_bytes: 8193, max_bytes: 16384 })),
        ((4096, 8194, 16384, 1), Err(ChunkError::Average { avg_bytes: 8194 })),
        ((4096, 8192, 16384, 4), Err(ChunkError::Normalization { level: 4 })),
    ];
    for ((min, avg, max, level), refusal) in cases {
        assert_eq!(CutParameters::parse(min, avg, max, level), refusal);
    }
    let parameters = CutParameters::parse(16 << 10, 64 << 10, 256 << 10, 1).unwrap();
    assert_eq!(parameters, CutParameters::DEFAULT);
    let sizes = [parameters.min_bytes(), parameters.avg_bytes(), parameters.max_bytes()];
    assert_eq!((sizes, parameters.normalization()), ([16 << 10, 64 << 10, 256 << 10], 1));
}

#[test]
fn chunk_3_the_masks_are_those_of_fastcdc() {
    for bits in 13..=21 {
        for level in 0..=3u8 {
            let parameters = CutParameters::parse(4096, 1 << bits, 4 << 20, level).unwrap();
            let at = |index: u32| fastcdc::v2020::MASKS[usize::try_from(index).unwrap()];
            assert_eq!(parameters.masks(), (at(bits + u32::from(level)), at(bits - u32::from(level))));
        }
    }
}

#[test]
fn a_file_no_longer_than_the_minimum_is_one_chunk_in_place() {
    let gear = gear();
    let content = noise(1, 16 * KIB);
    let mut seen = 0;
    chunk_slice(&Cutter::new(&CutParameters::DEFAULT, &gear), &content, |piece| {
        assert_eq!(piece, Piece::Data(&content));
        let Piece::Data(chunk) = piece else { return };
        assert_eq!(chunk.as_ptr(), content.as_ptr(), "not copied");
        seen += 1;
    });
    assert_eq!(seen, 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn chunk_6_holes_are_zeros(content in content(), reads in prop::collection::vec(1usize..40_000, 1..8)) {
        let gear = gear();
        let mut chunker = Chunker::new(Cutter::new(&small(), &gear));
        let mut parts = Vec::new();
        let mut rest = content.as_slice();
        for read in reads.iter().cycle() {
            // The longest stretch of zeros that starts here is a hole, however short and wherever it lies.
            let zeros = rest.iter().take_while(|byte| **byte == 0).count();
            chunker.zeros(u64::try_from(zeros).unwrap(), keep(&mut parts));
            let data = &rest[zeros..];
            let (head, tail) = data.split_at(data.len().min(*read));
            chunker.push(head, keep(&mut parts));
            rest = tail;
            if rest.is_empty() {
                break;
            }
        }
        chunker.finish(keep(&mut parts));
        prop_assert_eq!(parts, whole(&small(), &gear, &content));
    }
}

#[test]
fn chunk_6_a_hole_of_terabytes_costs_nothing() {
    let gear = gear();
    let mut chunker = Chunker::new(Cutter::new(&CutParameters::DEFAULT, &gear));
    let mut parts = Vec::new();
    chunker.push(b"head", keep(&mut parts));
    chunker.zeros(16 << 40, keep(&mut parts));
    chunker.push(b"tail", keep(&mut parts));
    chunker.finish(keep(&mut parts));
    let head = [b"head", &[0; 4092][..]].concat();
    let tail = [&[0; 4][..], b"tail"].concat();
    assert_eq!(parts, [Part::Data(head), Part::Zeros((16 << 40) - 4096), Part::Data(tail)]);
}

#[test]
fn chunk_6_a_hole_in_the_block_after_a_zero_run_stays_where_it_is() {
    let gear = gear();
    let mut chunker = Chunker::new(Cutter::new(&small(), &gear));
    let mut parts = Vec::new();
    chunker.zeros(65_536, keep(&mut parts));
    chunker.push(b"x", keep(&mut parts));
    chunker.zeros(100_000, keep(&mut parts));
    chunker.finish(keep(&mut parts));
    let content = [&[0; 65_536][..], b"x", &[0; 100_000]].concat();
    assert_eq!(parts, whole(&small(), &gear, &content));
}

#[test]
fn a_chunker_starts_anew_after_the_end_of_a_file() {
    let gear = gear();
    let mut chunker = Chunker::new(Cutter::new(&small(), &gear));
    let contents = [vec![0; 70_000], noise(4, 100_001), vec![0; 70_000], noise(4, 8192), vec![0; 65_535], Vec::new()];
    for content in contents {
        let mut parts = Vec::new();
        chunker.push(&content, keep(&mut parts));
        chunker.finish(keep(&mut parts));
        assert_eq!(parts, whole(&small(), &gear, &content));
    }
}

#[test]
fn reads_of_single_bytes_hold_no_more_than_a_chunk_and_a_zero_run() {
    let gear = gear();
    let mut chunker = Chunker::new(Cutter::new(&small(), &gear));
    let mut total = 0;
    for byte in [noise(6, 60_000), vec![0; 61_440], noise(7, 60_000)].concat() {
        chunker.push(&[byte], |piece| {
            if let Piece::Data(chunk) = piece {
                total += chunk.len();
            }
        });
        assert!(chunker.waiting() < 16384 + ZERO_RUN_BYTES_MIN + BLOCK_BYTES, "{} bytes wait", chunker.waiting());
    }
    chunker.finish(|piece| {
        if let Piece::Data(chunk) = piece {
            total += chunk.len();
        }
    });
    assert_eq!(total, 181_440);
}

#[test]
fn chunk_7_an_id_is_the_keyed_hash() {
    let id = ChunkIdKey::from_bytes([0x22; 32]).id(b"holdall");
    assert_eq!(id.as_bytes(), blake3::keyed_hash(&[0x22; 32], b"holdall").as_bytes());
    assert_ne!(id, ChunkIdKey::from_bytes([0x23; 32]).id(b"holdall"));
}

#[test]
fn chunk_7_ids_that_are_asked_for_together_are_the_same() {
    let key = ChunkIdKey::from_bytes([0x22; 32]);
    let noise = noise(8, 400_000);
    let chunks: Vec<&[u8]> = (0..1000).map(|number| &noise[number..][..number * number % 300_000]).collect();
    let alone: Vec<ChunkId> = chunks.iter().map(|chunk| key.id(chunk)).collect();
    assert_eq!(key.ids(chunks), alone);
}

#[test]
fn chunk_6_holes_are_zeros_of_any_length_at_any_place() {
    let gear = gear();
    for (before, hole, after) in [(0, 65536, 0), (5000, 100_000, 77), (4096, 4096, 1), (1, 70_000, 70_000)] {
        let (head, tail) = (noise(2, before), noise(3, after));
        let mut chunker = Chunker::new(Cutter::new(&small(), &gear));
        let mut parts = Vec::new();
        chunker.push(&head, keep(&mut parts));
        chunker.zeros(u64::try_from(hole).unwrap(), keep(&mut parts));
        chunker.push(&tail, keep(&mut parts));
        chunker.finish(keep(&mut parts));
        let content = [head, vec![0; hole], tail].concat();
        assert_eq!(parts, whole(&small(), &gear, &content), "{before} {hole} {after}");
    }
}

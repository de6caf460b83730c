//! Eight lanes.

use std::arch::x86_64::{
    __m256i as Lane, _mm256_add_epi32 as add, _mm256_blendv_epi8 as masked, _mm256_cmpgt_epi32 as greater,
    _mm256_or_si256 as or, _mm256_permute2x128_si256 as halves, _mm256_set1_epi32 as all, _mm256_setzero_si256 as zero,
    _mm256_shuffle_epi8 as shuffle, _mm256_slli_epi32 as left, _mm256_srli_epi32 as right,
    _mm256_unpackhi_epi32 as high_32, _mm256_unpackhi_epi64 as high_64, _mm256_unpacklo_epi32 as low_32,
    _mm256_unpacklo_epi64 as low_64, _mm256_xor_si256 as xor,
};

const LANES: usize = 8;
/// A block fills two registers.
type Block = [Lane; 2];

kernel!("avx2");

/// By whole bytes a shuffle does at once what otherwise are two shifts and a join.
#[target_feature(enable = "avx2")]
#[inline]
fn rotate_16(word: Lane) -> Lane {
    const BYTES: [u8; 16] = [2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13];
    shuffle(word, bytemuck::cast([BYTES, BYTES]))
}

#[target_feature(enable = "avx2")]
#[inline]
fn rotate_12(word: Lane) -> Lane {
    or(right::<12>(word), left::<20>(word))
}

#[target_feature(enable = "avx2")]
#[inline]
fn rotate_8(word: Lane) -> Lane {
    const BYTES: [u8; 16] = [1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12];
    shuffle(word, bytemuck::cast([BYTES, BYTES]))
}

#[target_feature(enable = "avx2")]
#[inline]
fn rotate_7(word: Lane) -> Lane {
    or(right::<7>(word), left::<25>(word))
}

#[target_feature(enable = "avx2")]
#[inline]
fn words(blocks: [Block; LANES]) -> [Lane; 16] {
    let [a, b, c, d, e, f, g, h] = transposed(blocks.map(|[low, _]| low));
    let [i, j, k, l, m, n, o, p] = transposed(blocks.map(|[_, high]| high));
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
}

#[target_feature(enable = "avx2")]
#[inline]
fn first(count: usize, taken: Lane, others: Lane) -> Lane {
    const NUMBERS: [i32; LANES] = [0, 1, 2, 3, 4, 5, 6, 7];
    let mask = greater(all(i32::try_from(count).unwrap_or(i32::MAX)), bytemuck::cast(NUMBERS));
    masked(others, taken, mask)
}

#[target_feature(enable = "avx2")]
#[inline]
fn hashes(values: [Lane; 8]) -> [Hash; LANES] {
    transposed(values).map(bytemuck::cast)
}

/// Rows of eight words become columns.
#[target_feature(enable = "avx2")]
#[inline]
fn transposed([a, b, c, d, e, f, g, h]: [Lane; 8]) -> [Lane; 8] {
    const LOW: i32 = 0x20;
    const HIGH: i32 = 0x31;
    let ([a, b, c, d], [e, f, g, h]) = (squares([a, b, c, d]), squares([e, f, g, h]));
    [
        halves::<LOW>(a, e),
        halves::<LOW>(b, f),
        halves::<LOW>(c, g),
        halves::<LOW>(d, h),
        halves::<HIGH>(a, e),
        halves::<HIGH>(b, f),
        halves::<HIGH>(c, g),
        halves::<HIGH>(d, h),
    ]
}

/// Turns each square of four rows and four words round.
#[target_feature(enable = "avx2")]
#[inline]
fn squares([a, b, c, d]: [Lane; 4]) -> [Lane; 4] {
    let ([a, b], [c, d]) = ([low_32(a, b), high_32(a, b)], [low_32(c, d), high_32(c, d)]);
    [low_64(a, c), high_64(a, c), low_64(b, d), high_64(b, d)]
}

//! Sixteen lanes.

use std::arch::x86_64::{
    __m512i as Lane, _mm512_add_epi32 as add, _mm512_mask_mov_epi32 as masked, _mm512_ror_epi32 as rotate,
    _mm512_set1_epi32 as all, _mm512_setzero_si512 as zero, _mm512_shuffle_i32x4 as quarters,
    _mm512_unpackhi_epi32 as high_32, _mm512_unpackhi_epi64 as high_64, _mm512_unpacklo_epi32 as low_32,
    _mm512_unpacklo_epi64 as low_64, _mm512_xor_si512 as xor,
};

const LANES: usize = 16;
/// A block fills a register.
type Block = [Lane; 1];

kernel!("avx512f");

#[target_feature(enable = "avx512f")]
#[inline]
fn rotate_16(word: Lane) -> Lane {
    rotate::<16>(word)
}

#[target_feature(enable = "avx512f")]
#[inline]
fn rotate_12(word: Lane) -> Lane {
    rotate::<12>(word)
}

#[target_feature(enable = "avx512f")]
#[inline]
fn rotate_8(word: Lane) -> Lane {
    rotate::<8>(word)
}

#[target_feature(enable = "avx512f")]
#[inline]
fn rotate_7(word: Lane) -> Lane {
    rotate::<7>(word)
}

#[target_feature(enable = "avx512f")]
#[inline]
fn words(blocks: [Block; LANES]) -> [Lane; 16] {
    transposed(blocks.map(|[block]| block))
}

#[target_feature(enable = "avx512f")]
#[inline]
fn first(count: usize, taken: Lane, others: Lane) -> Lane {
    const ALL: u16 = u16::MAX;
    let behind = ALL.checked_shl(u32::try_from(count).unwrap_or(u32::MAX)).unwrap_or(0);
    masked(others, !behind, taken)
}

#[target_feature(enable = "avx512f")]
#[inline]
fn hashes([a, b, c, d, e, f, g, h]: [Lane; 8]) -> [Hash; LANES] {
    let o = zero();
    let rows = transposed([a, b, c, d, e, f, g, h, o, o, o, o, o, o, o, o]);
    rows.map(|row| {
        let [hash, _]: [Hash; 2] = bytemuck::cast(row);
        hash
    })
}

/// Rows of sixteen words become columns.
#[target_feature(enable = "avx512f")]
#[inline]
fn transposed([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]: [Lane; 16]) -> [Lane; 16] {
    let ([a, b, c, d], [e, f, g, h]) = (squares([a, b, c, d]), squares([e, f, g, h]));
    let ([i, j, k, l], [m, n, o, p]) = (squares([i, j, k, l]), squares([m, n, o, p]));
    let ([a, e, i, m], [b, f, j, n]) = (across([a, e, i, m]), across([b, f, j, n]));
    let ([c, g, k, o], [d, h, l, p]) = (across([c, g, k, o]), across([d, h, l, p]));
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
}

/// Turns each square of four rows and four words round.
#[target_feature(enable = "avx512f")]
#[inline]
fn squares([a, b, c, d]: [Lane; 4]) -> [Lane; 4] {
    let ([a, b], [c, d]) = ([low_32(a, b), high_32(a, b)], [low_32(c, d), high_32(c, d)]);
    [low_64(a, c), high_64(a, c), low_64(b, d), high_64(b, d)]
}

/// Turns four rows of four squares round.
#[target_feature(enable = "avx512f")]
#[inline]
fn across([a, b, c, d]: [Lane; 4]) -> [Lane; 4] {
    const EVEN: i32 = 0b10_00_10_00;
    const ODD: i32 = 0b11_01_11_01;
    let [a, b] = [quarters::<EVEN>(a, b), quarters::<ODD>(a, b)];
    let [c, d] = [quarters::<EVEN>(c, d), quarters::<ODD>(c, d)];
    [quarters::<EVEN>(a, c), quarters::<EVEN>(b, d), quarters::<ODD>(a, c), quarters::<ODD>(b, d)]
}

//! The compression function, written once for registers of any width.

/// The initial values of the specification, 2.2.
pub(super) const IV: [u32; 4] = [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a];

/// Makes `hash` for inputs of as many lanes as `Lane` has words, with a feature of the processor. Where it is used, there
/// are `LANES`, `Lane`, `add`, `xor`, `all` and `zero`, `rotate_16`, `rotate_12`, `rotate_8` and `rotate_7`, to the right,
/// `words`, which turns blocks, each a `Block`, into words with a lane for each block, `hashes`, which turns such words
/// back, and `first`, which takes the first lanes from one register and the others from another.
macro_rules! kernel {
    ($feature:literal) => {
        use crate::chunk::lanes::{BLOCK_BYTES, Input, kernel::IV};
        use crate::chunk::short::Hash;

        /// The value of each input under the key.
        #[target_feature(enable = $feature)]
        pub(super) fn hash(key: &[u32; 8], inputs: &[Input<'_>; LANES]) -> [Hash; LANES] {
            let mut values = key.map(|word| all(word.cast_signed()));
            let numbers = bytemuck::cast(inputs.map(|input| input.number));
            let longest = inputs.first().map_or(0, Input::block_count);
            for number in 0..longest {
                let live = inputs.iter().take_while(|input| input.block_count() > number).count();
                let (mut blocks, mut lengths, mut flags) =
                    ([bytemuck::cast::<_, Block>([0u8; BLOCK_BYTES]); LANES], [0u32; LANES], [0u32; LANES]);
                let lanes = blocks.iter_mut().zip(&mut lengths).zip(&mut flags).take(live);
                for (input, ((block, length), flag)) in inputs.iter().zip(lanes) {
                    let (bytes, block_bytes, block_flags) = input.block(number);
                    (*block, *length, *flag) = (bytemuck::cast(bytes), block_bytes, block_flags);
                }
                let next = compress(values, words(blocks), numbers, bytemuck::cast(lengths), bytemuck::cast(flags));
                for (value, next) in values.iter_mut().zip(next) {
                    *value = first(live, next, *value);
                }
            }
            hashes(values)
        }

        /// Seven rounds, with the words of the block in another order in each.
        #[target_feature(enable = $feature)]
        #[inline]
        fn compress(value: [Lane; 8], block: [Lane; 16], number: Lane, length: Lane, flags: Lane) -> [Lane; 8] {
            let [a, b, c, d, e, f, g, h] = value;
            let [i, j, k, l] = IV.map(|word| all(word.cast_signed()));
            let mut state = [a, b, c, d, e, f, g, h, i, j, k, l, number, zero(), length, flags];
            let mut words = block;
            // Written out: in a loop, the words would be moved instead of renamed.
            round(&mut state, &words);
            words = permuted(words);
            round(&mut state, &words);
            words = permuted(words);
            round(&mut state, &words);
            words = permuted(words);
            round(&mut state, &words);
            words = permuted(words);
            round(&mut state, &words);
            words = permuted(words);
            round(&mut state, &words);
            words = permuted(words);
            round(&mut state, &words);
            let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = state;
            [xor(a, i), xor(b, j), xor(c, k), xor(d, l), xor(e, m), xor(f, n), xor(g, o), xor(h, p)]
        }

        const fn permuted([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]: [Lane; 16]) -> [Lane; 16] {
            [c, g, d, k, h, a, e, n, b, l, m, f, j, o, p, i]
        }

        /// Columns, then diagonals.
        #[target_feature(enable = $feature)]
        #[inline]
        fn round(state: &mut [Lane; 16], words: &[Lane; 16]) {
            let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *state;
            let [w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11, w12, w13, w14, w15] = *words;
            let [a, e, i, m] = mix([a, e, i, m], w0, w1);
            let [b, f, j, n] = mix([b, f, j, n], w2, w3);
            let [c, g, k, o] = mix([c, g, k, o], w4, w5);
            let [d, h, l, p] = mix([d, h, l, p], w6, w7);
            let [a, f, k, p] = mix([a, f, k, p], w8, w9);
            let [b, g, l, m] = mix([b, g, l, m], w10, w11);
            let [c, h, i, n] = mix([c, h, i, n], w12, w13);
            let [d, e, j, o] = mix([d, e, j, o], w14, w15);
            *state = [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p];
        }

        #[target_feature(enable = $feature)]
        #[inline]
        fn mix([mut a, mut b, mut c, mut d]: [Lane; 4], x: Lane, y: Lane) -> [Lane; 4] {
            a = add(add(a, b), x);
            d = rotate_16(xor(d, a));
            c = add(c, d);
            b = rotate_12(xor(b, c));
            a = add(add(a, b), y);
            d = rotate_8(xor(d, a));
            c = add(c, d);
            b = rotate_7(xor(b, c));
            [a, b, c, d]
        }
    };
}

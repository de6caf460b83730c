//! The code as the page describes it, computed slowly and on its own: the parity that this program writes satisfies it.

use super::*;

/// The field's elements that stand for single bits of a symbol.
const BASIS: [u16; 16] = [
    0x0001, 0xacca, 0x3c0e, 0x163e, 0xc582, 0xed2e, 0x914c, 0x4012, 0x6c98, 0x10d8, 0x6a72, 0xb900, 0xfdb8, 0xfb34,
    0xff38, 0x991e,
];

fn element(symbol: u16) -> u16 {
    (0..16).filter(|bit| symbol >> bit & 1 == 1).fold(0, |sum, bit| sum ^ BASIS[bit])
}

/// Polynomials over two elements, modulo x^16 + x^5 + x^3 + x^2 + 1.
fn times(a: u16, b: u16) -> u16 {
    let mut product = 0u32;
    for bit in (0..16).rev() {
        product <<= 1;
        if product & 0x1_0000 != 0 {
            product ^= 0x1_002d;
        }
        if b >> bit & 1 == 1 {
            product ^= u32::from(a);
        }
    }
    u16::try_from(product).unwrap()
}

/// The symbols of a shard: in each 64 bytes the low halves of 32, then their high halves.
fn symbols(shard: &[u8]) -> Vec<u16> {
    let block =
        |block: &[u8]| -> Vec<u16> { (0..32).map(|at| u16::from_le_bytes([block[at], block[at + 32]])).collect() };
    shard.chunks(64).flat_map(block).collect()
}

#[test]
fn parity_1_the_parity_that_is_written_satisfies_the_equations_of_the_page() {
    for (bytes, groups, parity) in [(2000usize, 1, 4), (2000, 1, 1), (1500, 2, 2), (700, 1, 8)] {
        let pack = noise(bytes, 20);
        let shape = Shape::parse(length_of(&pack), 64, groups, parity).unwrap();
        let object = encoded(&pack, shape);
        for group in 0..groups {
            // Places 0 to M - 1 are parity; the shards of the pack follow.
            let mut places = Vec::new();
            for number in 0..parity {
                let start = usize::try_from(shape.parity_offset(group * parity + number)).unwrap();
                places.push(symbols(&object[start..start + 64]));
            }
            for place in 0..shape.group_shards() {
                let mut shard = vec![0; 64];
                if let Some(number) = shape.shard(group, place) {
                    let (offset, bytes) = shape.extent(number);
                    let start = usize::try_from(offset).unwrap();
                    shard[..bytes].copy_from_slice(&pack[start..start + bytes]);
                }
                places.push(symbols(&shard));
            }
            for column in 0..32 {
                let mut powers = vec![1u16; places.len()];
                for _ in 0..parity {
                    let sum = places
                        .iter()
                        .zip(&powers)
                        .fold(0, |sum, (shard, power)| sum ^ times(element(shard[column]), *power));
                    assert_eq!(sum, 0, "{bytes} bytes, group {group}, column {column}");
                    for (place, power) in powers.iter_mut().enumerate() {
                        *power = times(*power, element(u16::try_from(place).unwrap()));
                    }
                }
            }
        }
    }
}

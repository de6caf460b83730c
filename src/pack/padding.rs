//! Padmé padding, which hides all but the leading bits of a pack's length.
//!
//! Nikitin, Barman, Lueks, Underwood, Hubaux and Ford, "Reducing Metadata Leakage from Encrypted Files and
//! Communication with PURBs", PETS 2019: a length keeps as many significant bits as its exponent has, and is rounded
//! up; a length leaks O(log log n) bits and padding is below 12 %, below 3 % from a few MiB on.

/// The smallest Padmé size that is not below `unpadded` (lengths of packs; saturates at the top of 64 bits).
pub const fn padded_bytes(unpadded: u64) -> u64 {
    let Some(exponent) = unpadded.checked_ilog2() else { return 0 };
    let Some(mantissa_bits) = exponent.checked_ilog2() else { return unpadded };
    let low_bits = exponent.saturating_sub(mantissa_bits.saturating_add(1));
    let mask = match 1u64.checked_shl(low_bits) {
        Some(unit) => unit.wrapping_sub(1),
        None => return unpadded,
    };
    match unpadded.checked_add(mask) {
        Some(sum) => sum & !mask,
        None => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pack_17_lengths_are_rounded_up_to_the_sizes_of_the_spec() {
        let cases = [
            (0, 0),
            (1, 1),
            (8, 8),
            (9, 10),
            (100, 104),
            (1000, 1024),
            (1025, 1088),
            (32 << 20, 32 << 20),
            ((32 << 20) + 1, 33 << 20),
            ((64 << 20) + 1, 66 << 20),
            ((1 << 30) - 1, 1 << 30),
        ];
        for (unpadded, padded) in cases {
            assert_eq!(padded_bytes(unpadded), padded, "{unpadded}");
        }
    }

    #[test]
    fn padding_is_stable_and_below_an_eighth() {
        for base in (0..30).map(|shift| 1u64 << shift) {
            for unpadded in [base, base + 1, base + base / 3, base + base / 2 + 1, 2 * base - 1] {
                let padded = padded_bytes(unpadded);
                assert_eq!(padded_bytes(padded), padded);
                assert!(padded >= unpadded && padded - unpadded <= unpadded / 8, "{unpadded} {padded}");
            }
        }
    }
}

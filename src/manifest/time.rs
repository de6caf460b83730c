//! Points in time as file systems give them.

use crate::wire::{Reader, WireError, Write};

const NANOSECONDS: u32 = 1_000_000_000;

/// A point in time: seconds since 1970, and the nanoseconds after that second.
///
/// Wider than the `i64` nanoseconds used elsewhere: a file may claim to be from the year 3000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp {
    seconds: i64,
    /// Below one second.
    nanoseconds: u32,
}

impl Timestamp {
    /// Takes seconds and nanoseconds; none when the nanoseconds make up a second or more.
    pub const fn new(seconds: i64, nanoseconds: u32) -> Option<Self> {
        if nanoseconds < NANOSECONDS { Some(Self { seconds, nanoseconds }) } else { None }
    }

    /// The point in time that lies `ns` nanoseconds after 1970, or before it.
    pub fn from_ns(ns: i64) -> Self {
        let second = i64::from(NANOSECONDS);
        let nanoseconds = ns.rem_euclid(second).try_into().unwrap_or(0);
        Self { seconds: ns.div_euclid(second), nanoseconds }
    }

    /// Nanoseconds since 1970, held at the ends of what `i64` can tell (the years 1677 and 2262).
    pub fn to_ns(self) -> i64 {
        let ns =
            i128::from(self.seconds).saturating_mul(i128::from(NANOSECONDS)).saturating_add(self.nanoseconds.into());
        i64::try_from(ns).unwrap_or(if ns < 0 { i64::MIN } else { i64::MAX })
    }

    /// Whole seconds since 1970, rounded down.
    pub const fn seconds(self) -> i64 {
        self.seconds
    }

    /// Nanoseconds after that second.
    pub const fn nanoseconds(self) -> u32 {
        self.nanoseconds
    }

    pub(super) fn encode(self, out: &mut Vec<u8>) {
        out.put_zigzag(self.seconds);
        out.put_varint(self.nanoseconds.into());
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let seconds = reader.zigzag()?;
        let nanoseconds = reader.varint_max("nanoseconds", (NANOSECONDS - 1).into())?;
        Ok(Self { seconds, nanoseconds: u32::try_from(nanoseconds).unwrap_or(0) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nanoseconds_split_and_join() {
        for ns in [0, 1, -1, 999_999_999, -1_000_000_000, i64::MIN, i64::MAX] {
            assert_eq!(Timestamp::from_ns(ns).to_ns(), ns);
        }
        assert_eq!(Timestamp::from_ns(-1), Timestamp::new(-1, 999_999_999).unwrap());
        assert_eq!(Timestamp::new(0, NANOSECONDS), None);
        assert_eq!(Timestamp::new(i64::MAX, 0).unwrap().to_ns(), i64::MAX);
        assert_eq!(Timestamp::new(i64::MIN, 0).unwrap().to_ns(), i64::MIN);
    }

    #[test]
    fn every_point_in_time_reads_back() {
        for time in [Timestamp::default(), Timestamp::from_ns(i64::MIN), Timestamp::new(i64::MAX, 999_999_999).unwrap()]
        {
            let mut bytes = Vec::new();
            time.encode(&mut bytes);
            assert_eq!(Timestamp::decode(&mut Reader::new(&bytes)), Ok(time));
        }
        let refused = WireError::Range { what: "nanoseconds", offset: 6 };
        assert_eq!(Timestamp::decode(&mut Reader::new(&[0, 0x80, 0x94, 0xeb, 0xdc, 0x03])), Err(refused));
    }
}

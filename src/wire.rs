//! The two encodings of the format, and the only callers of them.
//!
//! *Plain* (bincode 2, one fixed configuration: little-endian fixed-width integers, `u64` lengths, `u32`
//! enumeration tags) holds the bodies of control objects. *Packed* (varints, written out in the format's
//! README) holds what is stored by the million: frames, footers, segments, tree nodes. Both refuse input that
//! ends early, goes on too long or claims more than is there, and neither allocates on a claim: memory grows
//! with the bytes that were really present.

use bincode::config::{Configuration, Fixint, LittleEndian, NoLimit};
use bincode::de::read::Reader as _;
use bincode::de::{BorrowDecode, BorrowDecoder, Decode, Decoder};
use bincode::enc::{Encode, Encoder};
use bincode::error::{DecodeError, EncodeError};

/// Why bytes are not what they should be. `offset` counts from the start of the structure being read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The input ended inside a field.
    #[error("input ends inside a field at byte {offset}")]
    UnexpectedEnd {
        /// Where the missing part starts: the field itself, or the next byte of a varint.
        offset: usize,
    },
    /// Bytes follow the end of the structure.
    #[error("{count} bytes too many after byte {offset}")]
    Trailing {
        /// Where the structure ends.
        offset: usize,
        /// How many bytes follow.
        count: usize,
    },
    /// A varint is longer than its value needs, or above 64 bits.
    #[error("varint at byte {offset} is not in its shortest form")]
    Varint {
        /// Where the varint starts.
        offset: usize,
    },
    /// A field holds a value outside its range.
    #[error("{what} at byte {offset} is out of range")]
    Range {
        /// The field.
        what: &'static str,
        /// Where it ends.
        offset: usize,
    },
    /// A plain structure does not decode (bad tag, bad bool, bad length).
    #[error("malformed structure: {0}")]
    Malformed(String),
}

/// A bounded cursor over packed bytes.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
    length: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, length: bytes.len() }
    }

    /// How many bytes have been read.
    pub const fn offset(&self) -> usize {
        self.length.saturating_sub(self.rest.len())
    }

    /// How many bytes are left.
    pub const fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Takes the next `count` bytes without copying them.
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], WireError> {
        let (taken, rest) =
            self.rest.split_at_checked(count).ok_or(WireError::UnexpectedEnd { offset: self.offset() })?;
        self.rest = rest;
        Ok(taken)
    }

    /// Takes everything that is left.
    pub const fn rest(&mut self) -> &'a [u8] {
        let rest = self.rest;
        self.rest = &[];
        rest
    }

    /// Takes the next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let offset = self.offset();
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(WireError::UnexpectedEnd { offset })?;
        self.rest = rest;
        Ok(*taken)
    }

    /// Takes one byte.
    pub fn u8(&mut self) -> Result<u8, WireError> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// Takes a little-endian `u16`.
    pub fn u16(&mut self) -> Result<u16, WireError> {
        self.array().map(u16::from_le_bytes)
    }

    /// Takes a little-endian `u32`.
    pub fn u32(&mut self) -> Result<u32, WireError> {
        self.array().map(u32::from_le_bytes)
    }

    /// Takes a little-endian `u64`.
    pub fn u64(&mut self) -> Result<u64, WireError> {
        self.array().map(u64::from_le_bytes)
    }

    /// Takes a varint: seven bits a byte, low bits first, shortest form only.
    pub fn varint(&mut self) -> Result<u64, WireError> {
        let offset = self.offset();
        let mut value = 0u64;
        for shift in (0u32..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            let fits = bits.checked_shl(shift).filter(|shifted| shifted >> shift == bits);
            value |= fits.ok_or(WireError::Varint { offset })?;
            if byte & 0x80 == 0 {
                let minimal = byte != 0 || shift == 0;
                return if minimal { Ok(value) } else { Err(WireError::Varint { offset }) };
            }
        }
        Err(WireError::Varint { offset })
    }

    /// Takes a varint that must not exceed `max`; `what` names the field in the error.
    pub fn varint_max(&mut self, what: &'static str, max: u64) -> Result<u64, WireError> {
        let value = self.varint()?;
        if value <= max { Ok(value) } else { Err(self.out_of_range(what)) }
    }

    /// Takes a varint that counts items of at least `item_bytes_min` bytes each, all still to come: a count that
    /// the remaining bytes can't hold is refused before anything is allocated for it.
    pub fn count(&mut self, what: &'static str, item_bytes_min: usize) -> Result<usize, WireError> {
        let value = self.varint()?;
        let most = self.remaining().checked_div(item_bytes_min.max(1)).unwrap_or(0);
        usize::try_from(value).ok().filter(|count| *count <= most).ok_or_else(|| self.out_of_range(what))
    }

    /// Takes a signed varint in zigzag form.
    pub fn zigzag(&mut self) -> Result<i64, WireError> {
        let value = self.varint()?;
        Ok((value >> 1).cast_signed() ^ -((value & 1).cast_signed()))
    }

    /// Takes a varint length of at most `max` and that many bytes.
    pub fn blob(&mut self, what: &'static str, max: usize) -> Result<&'a [u8], WireError> {
        let length = self.count(what, 1)?;
        if length > max {
            return Err(self.out_of_range(what));
        }
        self.bytes(length)
    }

    /// The error for a field just read that holds a value outside its range.
    pub const fn out_of_range(&self, what: &'static str) -> WireError {
        WireError::Range { what, offset: self.offset() }
    }

    /// Ends the reading: bytes left over are an error.
    pub const fn finish(self) -> Result<(), WireError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(WireError::Trailing { offset: self.offset(), count: self.rest.len() })
        }
    }
}

/// Appends packed fields to a byte vector; the counterpart of [`Reader`].
pub trait Write {
    /// Appends bytes as they are.
    fn put(&mut self, bytes: &[u8]);

    /// Appends one byte.
    fn put_u8(&mut self, value: u8) {
        self.put(&[value]);
    }

    /// Appends a little-endian `u16`.
    fn put_u16(&mut self, value: u16) {
        self.put(&value.to_le_bytes());
    }

    /// Appends a little-endian `u32`.
    fn put_u32(&mut self, value: u32) {
        self.put(&value.to_le_bytes());
    }

    /// Appends a little-endian `u64`.
    fn put_u64(&mut self, value: u64) {
        self.put(&value.to_le_bytes());
    }

    /// Appends a varint in its shortest form.
    fn put_varint(&mut self, mut value: u64) {
        loop {
            let [low, ..] = value.to_le_bytes();
            value >>= 7;
            if value == 0 {
                return self.put_u8(low & 0x7f);
            }
            self.put_u8(low | 0x80);
        }
    }

    /// Appends a length or count as a varint.
    fn put_count(&mut self, value: usize) {
        self.put_varint(value.try_into().expect("a length fits in 64 bits"));
    }

    /// Appends a signed varint in zigzag form.
    fn put_zigzag(&mut self, value: i64) {
        self.put_varint(((value << 1) ^ (value >> 63)).cast_unsigned());
    }

    /// Appends a varint length and the bytes.
    fn put_blob(&mut self, bytes: &[u8]) {
        self.put_count(bytes.len());
        self.put(bytes);
    }
}

impl Write for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

const PLAIN: Configuration<LittleEndian, Fixint, NoLimit> = bincode::config::legacy();

/// Encodes a control structure in the plain encoding.
pub fn encode<T: Encode>(value: &T) -> Vec<u8> {
    bincode::encode_to_vec(value, PLAIN).expect("encoding into memory cannot fail")
}

/// Decodes a control structure from exactly `bytes`. The type must hold its sequences in [`List`] and [`Blob`],
/// which never allocate beyond what is present.
pub fn decode<T: Decode<()>>(bytes: &[u8]) -> Result<T, WireError> {
    let (value, consumed) = bincode::decode_from_slice(bytes, PLAIN).map_err(|error| malformed(&error))?;
    match bytes.len().checked_sub(consumed) {
        Some(0) => Ok(value),
        count => Err(WireError::Trailing { offset: consumed, count: count.unwrap_or(0) }),
    }
}

/// Says in our own words what does not decode: the library's name types that may move.
fn malformed(error: &DecodeError) -> WireError {
    WireError::Malformed(if let DecodeError::UnexpectedEnd { .. } = error {
        "it ends inside a field".to_owned()
    } else if let DecodeError::UnexpectedVariant { found, .. } = error {
        format!("unknown tag {found}")
    } else if let DecodeError::InvalidBooleanValue(value) = error {
        format!("{value} is neither false nor true")
    } else if let DecodeError::Other(message) = error {
        (*message).to_owned()
    } else {
        error.to_string()
    })
}

/// A byte string in the plain encoding: `u64` length, then the bytes.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Blob(pub Vec<u8>);

impl std::fmt::Debug for Blob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

impl From<&str> for Blob {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl From<&[u8]> for Blob {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl Encode for Blob {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.0.encode(encoder)
    }
}

impl<C> Decode<C> for Blob {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let length = present_length(decoder)?;
        let bytes = decoder.reader().peek_read(length).ok_or(TOO_LONG)?.to_vec();
        decoder.reader().consume(length);
        Ok(Self(bytes))
    }
}

bincode::impl_borrow_decode!(Blob);

/// A sequence in the plain encoding: `u64` count, then the items. Items take at least one byte each.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct List<T>(pub Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> From<Vec<T>> for List<T> {
    fn from(items: Vec<T>) -> Self {
        Self(items)
    }
}

impl<T: Encode + 'static> Encode for List<T> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.0.encode(encoder)
    }
}

impl<C, T: Decode<C>> Decode<C> for List<T> {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let count = present_length(decoder)?;
        // A claim of many small items may be true; reserve little and let the items that are there pay.
        let mut items = Vec::with_capacity(count.min(16));
        for _ in 0..count {
            items.push(T::decode(decoder)?);
        }
        Ok(Self(items))
    }
}

impl<'de, C, T: Decode<C>> BorrowDecode<'de, C> for List<T> {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        Self::decode(decoder)
    }
}

const TOO_LONG: DecodeError = DecodeError::Other("a length exceeds the bytes that are there");

/// Reads a `u64` length and checks that at least so many bytes are still there.
fn present_length<C, D: Decoder<Context = C>>(decoder: &mut D) -> Result<usize, DecodeError> {
    let length = usize::try_from(u64::decode(decoder)?).map_err(|_| TOO_LONG)?;
    decoder.reader().peek_read(length).map(|_| length).ok_or(TOO_LONG)
}

#[cfg(test)]
mod vectors;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packed(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out);
        out
    }

    proptest! {
        #[test]
        fn varints_read_back(value: u64, signed: i64) {
            let bytes = packed(|out| { out.put_varint(value); out.put_zigzag(signed); });
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.varint(), Ok(value));
            prop_assert_eq!(reader.zigzag(), Ok(signed));
            prop_assert_eq!(reader.finish(), Ok(()));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            let mut reader = Reader::new(&bytes);
            while reader.varint().is_ok() {}
            let _ = decode::<List<Blob>>(&bytes);
        }

        #[test]
        fn plain_structures_read_back(items: Vec<Vec<u8>>) {
            let list = List(items.into_iter().map(Blob).collect());
            prop_assert_eq!(decode(&encode(&list)), Ok(list));
        }
    }

    #[test]
    fn longer_forms_of_a_varint_are_refused() {
        for bytes in [&[0x80, 0x00][..], &[0xff; 10], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]] {
            assert_eq!(Reader::new(bytes).varint(), Err(WireError::Varint { offset: 0 }), "{bytes:x?}");
        }
        assert_eq!(Reader::new(&[0x80]).varint(), Err(WireError::UnexpectedEnd { offset: 1 }));
        let max = packed(|out| out.put_varint(u64::MAX));
        assert_eq!(Reader::new(&max).varint(), Ok(u64::MAX));
    }

    #[test]
    fn numbers_of_a_fixed_width_are_written_and_read_low_byte_first() {
        let bytes = packed(|out| {
            out.put_u8(0xa1);
            out.put_u16(0xb1b2);
            out.put_u32(0xc1c2_c3c4);
            out.put_u64(0xd1d2_d3d4_d5d6_d7d8);
        });
        assert_eq!(bytes, *b"\xa1\xb2\xb1\xc4\xc3\xc2\xc1\xd8\xd7\xd6\xd5\xd4\xd3\xd2\xd1");
        let mut reader = Reader::new(&bytes);
        assert_eq!((reader.u8(), reader.u16()), (Ok(0xa1), Ok(0xb1b2)));
        assert_eq!((reader.u32(), reader.u64()), (Ok(0xc1c2_c3c4), Ok(0xd1d2_d3d4_d5d6_d7d8)));
        assert_eq!((reader.offset(), reader.remaining()), (15, 0));
        assert_eq!(reader.u16(), Err(WireError::UnexpectedEnd { offset: 15 }));
    }

    #[test]
    fn a_varint_keeps_to_its_limit() {
        let bytes = packed(|out| out.put_varint(1000));
        assert_eq!(Reader::new(&bytes).varint_max("size", 1000), Ok(1000));
        let refused = WireError::Range { what: "size", offset: 2 };
        assert_eq!(Reader::new(&bytes).varint_max("size", 999), Err(refused));
    }

    #[test]
    fn a_count_beyond_the_bytes_present_is_refused() {
        let bytes = packed(|out| out.put_varint(1000));
        let refused = WireError::Range { what: "items", offset: 2 };
        assert_eq!(Reader::new(&bytes).count("items", 1), Err(refused));
    }

    #[test]
    fn a_plain_list_that_claims_four_gigabytes_allocates_nothing() {
        let bytes = encode(&u64::from(u32::MAX));
        assert!(matches!(decode::<List<u64>>(&bytes), Err(WireError::Malformed(_))));
        assert!(matches!(decode::<Blob>(&bytes), Err(WireError::Malformed(_))));
    }

    #[test]
    fn a_blob_holds_the_bytes_that_it_is_made_of() {
        assert_eq!(Blob::from(&b"\xff\0"[..]), Blob(vec![0xff, 0]));
        assert_eq!(Blob::from("text"), Blob(b"text".to_vec()));
    }

    #[test]
    fn trailing_bytes_are_refused() {
        let mut bytes = encode(&7u32);
        bytes.push(0);
        assert_eq!(decode::<u32>(&bytes), Err(WireError::Trailing { offset: 4, count: 1 }));
    }
}

//! The values of the known attributes: extended attributes and holes.

use super::attribute::{ATTRIBUTE_BYTES_MAX, Attribute};
use crate::wire::{Reader, WireError, Write};

/// Longest name of an extended attribute in bytes, as in Linux.
pub const XATTR_NAME_BYTES_MAX: usize = 255;
/// Longest value of an extended attribute in bytes, as in Linux.
pub const XATTR_VALUE_BYTES_MAX: usize = 64 << 10;
/// Grain of the list of holes in bytes.
pub const HOLE_GRAIN_BYTES: u64 = 4 << 10;

/// Why a value of an attribute is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// The bytes end early, go on too long or hold a field out of range.
    #[error("attribute value: {0}")]
    Wire(#[from] WireError),
    /// Names of extended attributes do not increase.
    #[error("attribute value: extended attribute {row} is not above the one before")]
    XattrOrder {
        /// Which one, counted from 0.
        row: usize,
    },
    /// A name is empty, too long, or holds a zero byte.
    #[error(
        "attribute value: the name of extended attribute {row} is empty, longer than 255 bytes, or holds a zero byte"
    )]
    XattrName {
        /// Which one, counted from 0.
        row: usize,
    },
    /// A value is too long.
    #[error("attribute value: extended attribute {row} is longer than 65536 bytes")]
    XattrValue {
        /// Which one, counted from 0.
        row: usize,
    },
    /// A hole is empty, touches or precedes the one before, or lies beyond the largest file offset.
    #[error(
        "attribute value: hole {row} is empty, off the grain, too near the one before, or beyond the largest file offset"
    )]
    Hole {
        /// Which one, counted from 0.
        row: usize,
    },
    /// No attributes or holes at all, where the attribute had to be left out, or more than can be stored.
    #[error("attribute value: empty or longer than 16777216 bytes")]
    Length,
}

/// One extended attribute, POSIX access control lists and capabilities among them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Xattr {
    /// Its name with the prefix (`user.`, `system.posix_acl_access`).
    pub name: Vec<u8>,
    /// Its value as the kernel gives it.
    pub value: Vec<u8>,
}

/// Encodes extended attributes, sorted by name, each name once.
///
/// # Errors
/// [`ValueError`] for an empty list, unsorted names, or what is too long.
pub fn encode_xattrs(xattrs: &[Xattr]) -> Result<Vec<u8>, ValueError> {
    let mut out = Vec::new();
    let mut before: Option<&[u8]> = None;
    out.put_count(xattrs.len());
    for (row, xattr) in xattrs.iter().enumerate() {
        check_xattr(row, before, &xattr.name, &xattr.value)?;
        out.put_blob(&xattr.name);
        out.put_blob(&xattr.value);
        before = Some(&xattr.name);
    }
    check_length(xattrs.len(), out)
}

/// Decodes extended attributes.
///
/// # Errors
/// [`ValueError`] when the bytes are not exactly such a list.
pub fn decode_xattrs(bytes: &[u8]) -> Result<Vec<Xattr>, ValueError> {
    let mut reader = Reader::new(bytes);
    let count = reader.count("extended attribute count", 2)?;
    let mut xattrs: Vec<Xattr> = Vec::new();
    for row in 0..count {
        let name = reader.blob("extended attribute name", bytes.len())?;
        let value = reader.blob("extended attribute value", bytes.len())?;
        check_xattr(row, xattrs.last().map(|xattr| xattr.name.as_slice()), name, value)?;
        xattrs.push(Xattr { name: name.to_vec(), value: value.to_vec() });
    }
    reader.finish()?;
    if xattrs.is_empty() { Err(ValueError::Length) } else { Ok(xattrs) }
}

fn check_xattr(row: usize, before: Option<&[u8]>, name: &[u8], value: &[u8]) -> Result<(), ValueError> {
    if name.is_empty() || name.len() > XATTR_NAME_BYTES_MAX || name.contains(&0) {
        return Err(ValueError::XattrName { row });
    }
    if value.len() > XATTR_VALUE_BYTES_MAX {
        return Err(ValueError::XattrValue { row });
    }
    if before.is_some_and(|before| before >= name) { Err(ValueError::XattrOrder { row }) } else { Ok(()) }
}

fn check_length(count: usize, out: Vec<u8>) -> Result<Vec<u8>, ValueError> {
    let fits = u64::try_from(out.len()).is_ok_and(|length| length <= ATTRIBUTE_BYTES_MAX);
    if fits && count > 0 { Ok(out) } else { Err(ValueError::Length) }
}

/// A hole in a file: a range that the file system has not allocated. It reads as zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hole {
    /// Where it starts: a multiple of [`HOLE_GRAIN_BYTES`].
    pub offset: u64,
    /// How long it is: a multiple of [`HOLE_GRAIN_BYTES`]; a hole at the end of a file reaches to the next multiple.
    pub bytes: u64,
}

/// Encodes holes, in order, none touching another.
///
/// # Errors
/// [`ValueError`] for an empty list, or what breaks the rules above.
pub fn encode_holes(holes: &[Hole]) -> Result<Vec<u8>, ValueError> {
    let mut out = Vec::new();
    let mut end = 0;
    out.put_count(holes.len());
    for (row, hole) in holes.iter().enumerate() {
        let aligned = hole.offset.is_multiple_of(HOLE_GRAIN_BYTES) && hole.bytes.is_multiple_of(HOLE_GRAIN_BYTES);
        let gap = hole.offset.checked_sub(end).filter(|_| aligned).ok_or(ValueError::Hole { row })?;
        end = check_hole(row, gap, hole)?;
        out.put_varint(gap / HOLE_GRAIN_BYTES);
        out.put_varint(hole.bytes / HOLE_GRAIN_BYTES);
    }
    check_length(holes.len(), out)
}

/// Decodes holes.
///
/// # Errors
/// [`ValueError`] when the bytes are not exactly such a list.
pub fn decode_holes(bytes: &[u8]) -> Result<Vec<Hole>, ValueError> {
    let mut reader = Reader::new(bytes);
    let count = reader.count("hole count", 2)?;
    let mut holes = Vec::new();
    let mut end = 0u64;
    for row in 0..count {
        let gap = reader.varint()?.checked_mul(HOLE_GRAIN_BYTES).ok_or(ValueError::Hole { row })?;
        let bytes = reader.varint()?.checked_mul(HOLE_GRAIN_BYTES).ok_or(ValueError::Hole { row })?;
        let hole = Hole { offset: end.checked_add(gap).ok_or(ValueError::Hole { row })?, bytes };
        end = check_hole(row, gap, &hole)?;
        holes.push(hole);
    }
    reader.finish()?;
    if holes.is_empty() { Err(ValueError::Length) } else { Ok(holes) }
}

/// Checks a hole that starts `gap` after the one before, and gives its end.
fn check_hole(row: usize, gap: u64, hole: &Hole) -> Result<u64, ValueError> {
    // The last hole may reach past the end of the largest file, up to the next multiple of the grain.
    let end_max = super::item::CONTENT_BYTES_MAX.next_multiple_of(HOLE_GRAIN_BYTES);
    let end = hole.offset.checked_add(hole.bytes).filter(|end| *end <= end_max).ok_or(ValueError::Hole { row })?;
    if hole.bytes == 0 || (gap == 0 && row > 0) { Err(ValueError::Hole { row }) } else { Ok(end) }
}

/// What is wrong with the value of a known attribute; with what it tells.
pub fn malformed_value(id: u32, value: &[u8]) -> Option<(&'static str, ValueError)> {
    match id {
        Attribute::XATTRS => decode_xattrs(value).err().map(|fault| ("extended attributes", fault)),
        Attribute::HOLES => decode_holes(value).err().map(|fault| ("holes", fault)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn xattr(name: &[u8], value: &[u8]) -> Xattr {
        Xattr { name: name.to_vec(), value: value.to_vec() }
    }

    fn hole(offset_blocks: u64, blocks: u64) -> Hole {
        Hole { offset: offset_blocks << 12, bytes: blocks << 12 }
    }

    proptest! {
        #[test]
        fn manifest_20_extended_attributes_read_back(map: std::collections::BTreeMap<[u8; 3], Vec<u8>>) {
            let xattrs: Vec<_> = map.iter().filter(|(name, _)| !name.contains(&0)).map(|(n, v)| xattr(n, v)).collect();
            match encode_xattrs(&xattrs) {
                Ok(bytes) => prop_assert_eq!(decode_xattrs(&bytes), Ok(xattrs)),
                Err(error) => prop_assert!(xattrs.is_empty() && error == ValueError::Length),
            }
        }

        #[test]
        fn manifest_21_holes_read_back(gaps in prop::collection::vec((1u64..1000, 1u64..1 << 40), 1..20)) {
            let mut end = 0;
            let holes: Vec<_> = gaps.iter().map(|(gap, blocks)| {
                let hole = hole(end + gap, *blocks);
                end += gap + blocks;
                hole
            }).collect();
            prop_assert_eq!(decode_holes(&encode_holes(&holes).unwrap()), Ok(holes));
        }

        #[test]
        fn accepted_values_are_the_only_form_of_what_they_say(bytes: Vec<u8>) {
            if let Ok(xattrs) = decode_xattrs(&bytes) {
                prop_assert_eq!(encode_xattrs(&xattrs), Ok(bytes.clone()));
            }
            if let Ok(holes) = decode_holes(&bytes) {
                prop_assert_eq!(encode_holes(&holes), Ok(bytes.clone()));
            }
        }
    }

    #[test]
    fn manifest_20_lists_that_break_a_rule_are_refused() {
        let refused = |xattrs: &[Xattr]| encode_xattrs(xattrs).unwrap_err();
        assert_eq!(refused(&[]), ValueError::Length);
        assert_eq!(refused(&[xattr(b"", b"")]), ValueError::XattrName { row: 0 });
        assert_eq!(refused(&[xattr(b"a\0b", b"")]), ValueError::XattrName { row: 0 });
        assert_eq!(refused(&[xattr(&[b'a'; 256], b"")]), ValueError::XattrName { row: 0 });
        assert_eq!(refused(&[xattr(b"a", &vec![0; 65537])]), ValueError::XattrValue { row: 0 });
        assert_eq!(refused(&[xattr(b"a", b""), xattr(b"a", b"")]), ValueError::XattrOrder { row: 1 });
        let many: Vec<_> = (0..257u32).map(|n| xattr(n.to_string().as_bytes(), &vec![0; 65536])).collect();
        let mut many = many;
        many.sort();
        assert_eq!(refused(&many), ValueError::Length);

        assert_eq!(decode_xattrs(&[0]), Err(ValueError::Length));
        assert_eq!(decode_xattrs(&[2, 1, b'b', 0, 1, b'a', 0]), Err(ValueError::XattrOrder { row: 1 }));
        assert_eq!(decode_xattrs(&[1, 1, 0, 0]), Err(ValueError::XattrName { row: 0 }));
        let trailing = WireError::Trailing { offset: 4, count: 1 };
        assert_eq!(decode_xattrs(&[1, 1, b'a', 0, 0]), Err(ValueError::Wire(trailing)));
    }

    #[test]
    fn manifest_21_holes_that_break_a_rule_are_refused() {
        let refused = |holes: &[Hole]| encode_holes(holes).unwrap_err();
        assert_eq!(refused(&[]), ValueError::Length);
        assert_eq!(refused(&[Hole { offset: 1, bytes: 4096 }]), ValueError::Hole { row: 0 });
        assert_eq!(refused(&[Hole { offset: 4096, bytes: 1 }]), ValueError::Hole { row: 0 });
        assert_eq!(refused(&[hole(0, 0)]), ValueError::Hole { row: 0 });
        assert_eq!(refused(&[hole(0, 1), hole(1, 1)]), ValueError::Hole { row: 1 });
        assert_eq!(refused(&[hole(5, 1), hole(2, 1)]), ValueError::Hole { row: 1 });
        assert_eq!(refused(&[hole(1, 1 << 51)]), ValueError::Hole { row: 0 });
        assert!(encode_holes(&[hole(0, 1 << 51)]).is_ok());

        assert_eq!(decode_holes(&[0]), Err(ValueError::Length));
        assert_eq!(decode_holes(&[1, 0, 0]), Err(ValueError::Hole { row: 0 }));
        assert_eq!(decode_holes(&[2, 0, 1, 0, 1]), Err(ValueError::Hole { row: 1 }));
        let mut far = vec![1];
        far.put_varint(u64::MAX);
        far.put_varint(1);
        assert_eq!(decode_holes(&far), Err(ValueError::Hole { row: 0 }));
    }
}

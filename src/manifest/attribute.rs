//! Attributes: what an entry says beyond the fixed fields, so that more can be said later.

use super::item::ItemList;
use super::row::RowError;
use crate::wire::{Reader, WireError, Write};

/// How many attributes an entry may have.
pub const ATTRIBUTE_COUNT_MAX: usize = 16;
/// Longest attribute value in bytes that stands in the entry; a longer one lies in chunks.
pub const ATTRIBUTE_INLINE_BYTES_MAX: usize = 1 << 10;
/// Longest attribute value in bytes.
pub const ATTRIBUTE_BYTES_MAX: u64 = 16 << 20;

const FLAG_MANDATORY: u8 = 0x80;
const FLAG_OUT_OF_LINE: u8 = 0x40;

/// What a reader that does not know an attribute must do with the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Necessity {
    /// Take the entry as it is.
    Ignorable,
    /// Report the entry as not fully understood.
    Mandatory,
}

/// Where the value of an attribute lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttributeValue {
    /// In the entry: at most [`ATTRIBUTE_INLINE_BYTES_MAX`].
    Inline(Vec<u8>),
    /// In chunks: longer than that, at most [`ATTRIBUTE_BYTES_MAX`].
    OutOfLine(ItemList),
}

/// One attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// What it says: a number from the registry in format-spec/07-manifest.md.
    pub id: u32,
    /// Whether it may be ignored by who does not know it.
    pub necessity: Necessity,
    /// Its value.
    pub value: AttributeValue,
}

impl Attribute {
    /// The number of the extended attributes.
    pub const XATTRS: u32 = 1;
    /// The number of the list of holes.
    pub const HOLES: u32 = 2;

    /// Extended attributes, in the form that [`super::encode_xattrs`] gives.
    pub const fn xattrs(value: AttributeValue) -> Self {
        Self { id: Self::XATTRS, necessity: Necessity::Mandatory, value }
    }

    /// Holes, in the form that [`super::encode_holes`] gives.
    pub const fn holes(value: AttributeValue) -> Self {
        Self { id: Self::HOLES, necessity: Necessity::Ignorable, value }
    }

    fn check(&self) -> Result<(), RowError> {
        let defined = match self.id {
            Self::XATTRS => Some(Necessity::Mandatory),
            Self::HOLES => Some(Necessity::Ignorable),
            _ => None,
        };
        if defined.is_some_and(|necessity| necessity != self.necessity) {
            return Err(RowError::AttributeMark);
        }
        let in_place = match &self.value {
            AttributeValue::Inline(bytes) => bytes.len() <= ATTRIBUTE_INLINE_BYTES_MAX,
            AttributeValue::OutOfLine(items) => {
                items.check()?;
                let bytes = items.bytes();
                bytes <= ATTRIBUTE_BYTES_MAX && usize::try_from(bytes).is_ok_and(|n| n > ATTRIBUTE_INLINE_BYTES_MAX)
            }
        };
        if in_place { Ok(()) } else { Err(RowError::AttributeLength) }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let mandatory = if self.necessity == Necessity::Mandatory { FLAG_MANDATORY } else { 0 };
        out.put_varint(self.id.into());
        match &self.value {
            AttributeValue::Inline(bytes) => {
                out.put_u8(mandatory);
                out.put_blob(bytes);
            }
            AttributeValue::OutOfLine(items) => {
                out.put_u8(mandatory | FLAG_OUT_OF_LINE);
                items.encode(out);
            }
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let id = reader.varint_max("attribute number", u32::MAX.into())?;
        let id = u32::try_from(id).map_err(|_| reader.out_of_range("attribute number"))?;
        let flags = reader.u8()?;
        if flags & !(FLAG_MANDATORY | FLAG_OUT_OF_LINE) != 0 {
            return Err(reader.out_of_range("attribute flags"));
        }
        let necessity = if flags & FLAG_MANDATORY == 0 { Necessity::Ignorable } else { Necessity::Mandatory };
        let value = if flags & FLAG_OUT_OF_LINE == 0 {
            AttributeValue::Inline(reader.blob("attribute value", ATTRIBUTE_INLINE_BYTES_MAX)?.to_vec())
        } else {
            AttributeValue::OutOfLine(ItemList::decode(reader)?)
        };
        Ok(Self { id, necessity, value })
    }
}

/// The attributes of an entry, sorted by number, each number once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attributes(Vec<Attribute>);

impl Attributes {
    /// No attributes.
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// Adds an attribute; one with the same number is replaced.
    pub fn insert(&mut self, attribute: Attribute) {
        let at = self.0.partition_point(|other| other.id < attribute.id);
        match self.0.get_mut(at) {
            Some(other) if other.id == attribute.id => *other = attribute,
            _ => self.0.insert(at, attribute),
        }
    }

    /// The value of an attribute.
    pub fn get(&self, id: u32) -> Option<&AttributeValue> {
        self.0.iter().find(|attribute| attribute.id == id).map(|attribute| &attribute.value)
    }

    /// The attributes by number.
    pub fn iter(&self) -> impl Iterator<Item = &Attribute> {
        self.0.iter()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What keeps the entry from being understood, for whoever gives it out to report: the first mandatory attribute that
    /// this version does not know.
    pub fn not_understood(&self) -> Option<String> {
        let unknown = |a: &&Attribute| a.necessity == Necessity::Mandatory && a.id != Attribute::XATTRS;
        let number = self.0.iter().find(unknown)?.id;
        Some(format!("it is left without its attribute {number}, which only a newer program understands"))
    }

    pub(super) fn check(&self) -> Result<(), RowError> {
        let ordered = self.0.iter().zip(self.0.iter().skip(1)).all(|(a, b)| a.id < b.id);
        if !ordered || self.0.len() > ATTRIBUTE_COUNT_MAX {
            return Err(RowError::AttributeOrder);
        }
        self.0.iter().try_for_each(Attribute::check)
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.put_count(self.0.len());
        self.0.iter().for_each(|attribute| attribute.encode(out));
    }

    /// Reads a list of at least one attribute.
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let count = reader.varint_max("attribute count", ATTRIBUTE_COUNT_MAX.try_into().unwrap_or(u64::MAX))?;
        if count == 0 {
            return Err(reader.out_of_range("attribute count"));
        }
        (0..count).map(|_| Attribute::decode(reader)).collect::<Result<_, _>>().map(Self)
    }
}

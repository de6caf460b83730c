//! An object's bytes in order, piece by piece, in bounded memory.

use super::{Object, StoreError};
use crate::read_buffer::ReadBuffer;
use std::ops::Range;

/// Reads a part of an object from its first byte to its last, as much at a time as its buffer holds.
pub struct Pieces<'a> {
    object: &'a dyn Object,
    left: Range<u64>,
    buffer: &'a mut ReadBuffer,
}

impl<'a> Pieces<'a> {
    /// Begins with the first byte of `part`. The buffer must not be empty.
    pub const fn of(object: &'a dyn Object, part: Range<u64>, buffer: &'a mut ReadBuffer) -> Self {
        Self { object, left: part, buffer }
    }

    /// The next bytes; none behind the last.
    ///
    /// # Errors
    /// When the object can't be read, or is shorter than the part.
    pub fn read(&mut self) -> Result<Option<&[u8]>, StoreError> {
        let left = self.left.end.saturating_sub(self.left.start);
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
        if length == 0 {
            return Ok(None);
        }
        let piece = self.buffer.get_mut(..length).unwrap_or_default();
        self.object.read_at(self.left.start, piece)?;
        self.left.start = self.left.start.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        Ok(Some(piece))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Created, MemoryStore, ObjectName, Store};
    use super::*;

    #[test]
    fn each_byte_of_the_part_comes_once_and_in_order() {
        let store = MemoryStore::new();
        let bytes: Vec<u8> = (0..=255).cycle().take(1000).collect();
        let name = ObjectName::Config(0);
        assert_eq!(store.create(&name, &bytes).unwrap(), Created::New);
        let object = store.open(&name).unwrap();
        for (part, room) in [(0..1000, 64), (0..1000, 1000), (3..997, 7), (5..5, 10), (0..1000, 5000)] {
            let mut buffer = ReadBuffer::new(room);
            let mut pieces = Pieces::of(object.as_ref(), part.clone(), &mut buffer);
            let mut read = Vec::new();
            while let Some(piece) = pieces.read().unwrap() {
                assert!(!piece.is_empty() && piece.len() <= room);
                read.extend_from_slice(piece);
            }
            assert_eq!(read, bytes[usize::try_from(part.start).unwrap()..usize::try_from(part.end).unwrap()]);
        }
        let mut buffer = ReadBuffer::new(600);
        let mut pieces = Pieces::of(object.as_ref(), 0..1001, &mut buffer);
        assert_eq!(pieces.read().unwrap().map(<[u8]>::len), Some(600));
        assert!(pieces.read().is_err(), "it has no such byte");
    }
}

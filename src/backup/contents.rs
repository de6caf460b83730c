//! The contents of a batch's small files, one behind the other, in memory that is kept from batch to batch.

use crate::read_buffer::ReadBuffer;
use std::ops::Range;

/// A buffer that is written to at its end and never cleared byte by byte: files are read straight into it.
#[derive(Default)]
pub(super) struct Contents {
    /// Longer than what is used; what lies behind that is of earlier batches.
    bytes: ReadBuffer,
    used: usize,
}

impl Contents {
    /// Forgets everything and keeps the memory.
    pub(super) const fn clear(&mut self) {
        self.used = 0;
    }

    /// Where the next byte will stand.
    pub(super) const fn end(&self) -> usize {
        self.used
    }

    /// Forgets what stands at `end` and behind.
    pub(super) fn truncate(&mut self, end: usize) {
        self.used = self.used.min(end);
    }

    /// Room for `length` bytes at the end, with anything in it: what is kept of them must be written, then
    /// [taken](Self::advance).
    pub(super) fn room(&mut self, length: usize) -> &mut [u8] {
        let end = self.used.saturating_add(length);
        self.bytes.grow(end);
        self.bytes.get_mut(self.used..end).expect("just made long enough")
    }

    /// Takes the first `length` bytes of the room at the end.
    pub(super) fn advance(&mut self, length: usize) {
        self.used = self.used.saturating_add(length).min(self.bytes.len());
    }

    /// The bytes from `start` to the end.
    pub(super) fn since(&self, start: usize) -> &[u8] {
        self.get(start..self.used)
    }

    /// The bytes at a place that was used; none at any other.
    pub(super) fn get(&self, range: Range<usize>) -> &[u8] {
        self.bytes.get(..self.used).and_then(|used| used.get(range)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(contents: &mut Contents, bytes: &[u8]) {
        contents.room(bytes.len()).copy_from_slice(bytes);
        contents.advance(bytes.len());
    }

    #[test]
    fn what_is_behind_the_end_is_never_handed_out() {
        let mut contents = Contents::default();
        put(&mut contents, b"first file");
        put(&mut contents, b"second");
        assert_eq!(contents.get(0..10), b"first file");
        assert_eq!(contents.since(10), b"second");
        contents.truncate(10);
        assert_eq!(contents.get(8..12), b"");
        contents.clear();
        contents.room(4);
        assert_eq!(contents.since(0), b"", "room is not content");
        put(&mut contents, b"x");
        assert_eq!(contents.since(0), b"x");
    }
}

//! The bytes of a file, chunk by chunk.

use super::unwritable;
use crate::content::ContentReader;
use crate::error::{Error, ErrorKind, Result, check_stopped};
use crate::manifest::{Content, Hole, Item, ItemReader, Placed};
use crate::progress::Progress;
use std::io::{self, Read, Write};

/// Zeros are made in pieces of so many bytes.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// The bytes of a content in their order, but for zeros that lie in holes. Memory: one chunk.
///
/// What is damaged is given as zeros, so that what was promised of the length holds, and can be asked for at the end.
pub(in crate::look) struct ContentStream<'a> {
    reader: &'a ContentReader,
    progress: &'a dyn Progress,
    items: Option<ItemReader<&'a ContentReader>>,
    holes: &'a [Hole],
    /// What was read and not given out yet, and where it begins.
    ready: Vec<u8>,
    given: usize,
    /// Zeros to give out after that.
    zeros: u64,
    /// Bytes of the content that no item was read for yet.
    unread: u64,
    damage: Option<Error>,
    /// What ended the stream early.
    failure: Option<Error>,
}

impl<'a> ContentStream<'a> {
    /// All of a content but zeros in these holes; nothing is read yet.
    pub(in crate::look) fn new(
        reader: &'a ContentReader,
        content: &Content,
        holes: &'a [Hole],
        progress: &'a dyn Progress,
    ) -> Self {
        let (items, ready) = match content {
            Content::Inline(bytes) => (None, bytes.clone()),
            Content::Items(list) => (Some(ItemReader::new(reader, list.clone())), Vec::new()),
        };
        let unread = if items.is_some() { content.bytes() } else { 0 };
        let (given, zeros, damage, failure) = (0, 0, None, None);
        Self { reader, progress, items, holes, ready, given, zeros, unread, damage, failure }
    }

    /// The first damage that was met.
    pub(in crate::look) fn damage(&mut self) -> Option<Error> {
        self.damage.take()
    }

    /// What ended the stream early, if anything did.
    pub(super) fn failure(&mut self) -> Option<Error> {
        self.failure.take()
    }

    /// Writes everything.
    pub(super) fn write_into(&mut self, out: &mut dyn Write) -> Result<()> {
        loop {
            let piece = self.piece()?;
            let length = piece.len();
            if length == 0 {
                return Ok(());
            }
            out.write_all(piece).map_err(unwritable)?;
            self.consume(length);
        }
    }

    /// What comes next; empty at the end.
    fn piece(&mut self) -> Result<&[u8]> {
        while self.given >= self.ready.len() && self.zeros == 0 {
            check_stopped(self.progress)?;
            if !self.read_on()? {
                return Ok(&[]);
            }
        }
        if self.given < self.ready.len() {
            return Ok(self.ready.get(self.given..).unwrap_or_default());
        }
        let count = usize::try_from(self.zeros).unwrap_or(usize::MAX).min(ZEROS.len());
        Ok(ZEROS.get(..count).unwrap_or_default())
    }

    fn consume(&mut self, length: usize) {
        if self.given < self.ready.len() {
            self.given = self.given.saturating_add(length);
        } else {
            self.zeros = self.zeros.saturating_sub(u64::try_from(length).unwrap_or(u64::MAX));
        }
    }

    /// Reads the next item; false at the end.
    fn read_on(&mut self) -> Result<bool> {
        let Some(items) = &mut self.items else { return Ok(false) };
        let placed = match items.next_item() {
            Ok(Some(placed)) => placed,
            Ok(None) => {
                self.items = None;
                return Ok(false);
            }
            Err(error) => {
                // What the list would have said is not known: zeros up to the end.
                self.note(error.into())?;
                self.items = None;
                self.zeros = std::mem::take(&mut self.unread);
                return Ok(self.zeros > 0);
            }
        };
        let bytes = placed.item.bytes();
        self.unread = self.unread.saturating_sub(bytes);
        (self.given, self.zeros) = (0, 0);
        self.ready.clear();
        match placed.item {
            Item::Zeros { .. } => self.zeros = data_runs(&placed, self.holes).map(|(_, length)| length).sum(),
            Item::Chunk { .. } => {
                if let Err(error) = self.reader.append_item(&placed.item, &mut self.ready) {
                    self.ready.clear();
                    self.note(error)?;
                    self.zeros = bytes;
                }
            }
        }
        Ok(true)
    }

    fn note(&mut self, error: Error) -> Result<()> {
        if error.kind() != ErrorKind::Damaged {
            return Err(error);
        }
        self.damage.get_or_insert(error);
        Ok(())
    }
}

impl Read for ContentStream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match self.piece() {
            Ok(piece) => {
                let count = piece.len().min(buffer.len());
                if let (Some(to), Some(from)) = (buffer.get_mut(..count), piece.get(..count)) {
                    to.copy_from_slice(from);
                }
                count
            }
            Err(error) => {
                self.failure = Some(error);
                return Err(io::Error::other("the content can't be read"));
            }
        };
        self.consume(count);
        Ok(count)
    }
}

/// The parts of an item that have to be given as bytes, with their offsets in the content: all of a chunk, and of zeros what
/// lies in no hole.
pub(super) fn data_runs<'h>(placed: &Placed, holes: &'h [Hole]) -> impl Iterator<Item = (u64, u64)> + use<'h> {
    let (mut at, end) = (placed.offset, placed.offset.saturating_add(placed.item.bytes()));
    let holes = if placed.item.is_zeros() { holes } else { &[] };
    let mut next = holes.partition_point(|hole| hole.offset.saturating_add(hole.bytes) <= at);
    std::iter::from_fn(move || {
        while at < end {
            let Some(hole) = holes.get(next).filter(|hole| hole.offset < end) else {
                let run = (at, end.saturating_sub(at));
                at = end;
                return Some(run);
            };
            let run = (at, hole.offset.saturating_sub(at));
            at = hole.offset.saturating_add(hole.bytes).max(at);
            next = next.saturating_add(1);
            if run.1 > 0 {
                return Some(run);
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ChunkId;

    #[test]
    fn zeros_are_left_out_where_holes_are_and_chunks_never() {
        let hole = |offset: u64, bytes: u64| Hole { offset: offset << 12, bytes: bytes << 12 };
        let holes = [hole(0, 1), hole(2, 2), hole(10, 100)];
        let zeros = |offset: u64, bytes: u64| Placed { offset: offset << 12, item: Item::Zeros { bytes: bytes << 12 } };
        let runs =
            |placed: &Placed| data_runs(placed, &holes).map(|(at, run)| (at >> 12, run >> 12)).collect::<Vec<_>>();
        assert_eq!(runs(&zeros(0, 12)), [(1, 1), (4, 6)]);
        assert_eq!(runs(&zeros(3, 1)), []);
        assert_eq!(runs(&zeros(1, 1)), [(1, 1)]);
        assert_eq!(runs(&zeros(120, 4)), [(120, 4)]);
        let chunk = Item::Chunk { id: ChunkId::from_bytes([1; 32]), bytes: 4 << 12 };
        assert_eq!(runs(&Placed { offset: 0, item: chunk }), [(0, 4)]);
    }
}

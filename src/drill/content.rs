//! A file's bytes against the list of what it is made of.

use crate::content::ContentReader;
use crate::error::{Error, check_stopped};
use crate::manifest::{Content, Item, ItemReader, Placed};
use crate::progress::Progress;
use crate::source::{Run, SourceError, SourceFile};

/// Zeros are read in pieces of so many bytes.
const ZEROS_BYTES: u64 = 256 << 10;

/// What a comparison of bytes says.
pub(super) enum Sameness {
    /// They are the same.
    Same,
    /// They differ in the part that begins here.
    Differs {
        /// Where it begins.
        offset: u64,
    },
    /// What they should be can't be read.
    Lost(Error),
}

/// Why nothing can be said.
pub(super) enum Unread {
    /// The file can't be read.
    Refused(SourceError),
    /// The drill ends.
    Ended(Error),
}

impl From<SourceError> for Unread {
    fn from(error: SourceError) -> Self {
        Self::Refused(error)
    }
}

/// Compares bytes. Memory: one chunk.
pub(super) struct Bytes<'a> {
    reader: &'a ContentReader,
    progress: &'a dyn Progress,
    buffer: Vec<u8>,
}

impl<'a> Bytes<'a> {
    pub(super) const fn new(reader: &'a ContentReader, progress: &'a dyn Progress) -> Self {
        Self { reader, progress, buffer: Vec::new() }
    }

    /// Compares a file with what it should hold.
    pub(super) fn compare(&mut self, file: &SourceFile, content: &Content) -> Result<Sameness, Unread> {
        if file.stat().size != content.bytes() {
            return Ok(Sameness::Differs { offset: file.stat().size.min(content.bytes()) });
        }
        let list = match content {
            Content::Inline(bytes) => {
                let is_read = self.read(file, 0, content.bytes())?;
                let is_same = is_read && self.buffer == *bytes;
                return Ok(if is_same { Sameness::Same } else { Sameness::Differs { offset: 0 } });
            }
            Content::Items(list) => list,
        };
        let mut items = ItemReader::new(self.reader, list.clone());
        loop {
            check_stopped(self.progress).map_err(Unread::Ended)?;
            match items.next_item() {
                Ok(None) => return Ok(Sameness::Same),
                Ok(Some(placed)) => {
                    if !self.is_there(file, &placed)? {
                        return Ok(Sameness::Differs { offset: placed.offset });
                    }
                }
                Err(error) => {
                    let error = Error::from(error);
                    return if error.is_of_one_thing() { Ok(Sameness::Lost(error)) } else { Err(Unread::Ended(error)) };
                }
            }
        }
    }

    fn is_there(&mut self, file: &SourceFile, placed: &Placed) -> Result<bool, Unread> {
        let Placed { offset, item } = *placed;
        match item {
            Item::Chunk { id, bytes } => {
                let is_read = self.read(file, offset, bytes)?;
                Ok(is_read && self.reader.access().naming.chunk_ids.id(&self.buffer) == id)
            }
            Item::Zeros { bytes } => self.has_zeros(file, offset, offset.saturating_add(bytes)),
        }
    }

    /// Whether there are only zeros; holes are not read.
    fn has_zeros(&mut self, file: &SourceFile, start: u64, end: u64) -> Result<bool, Unread> {
        let mut at = start;
        while at < end {
            check_stopped(self.progress).map_err(Unread::Ended)?;
            match file.run_at(at)? {
                None => return Ok(false),
                Some(Run::Hole { end: hole_end, .. }) => at = hole_end.min(end),
                Some(Run::Data { end: data_end, .. }) => {
                    let until = data_end.min(end).min(at.saturating_add(ZEROS_BYTES));
                    let is_zero = self.read(file, at, until.saturating_sub(at))? && self.buffer.iter().all(|b| *b == 0);
                    if !is_zero {
                        return Ok(false);
                    }
                    at = until;
                }
            }
        }
        Ok(true)
    }

    /// Reads so many bytes into the buffer, if there are so many.
    fn read(&mut self, file: &SourceFile, offset: u64, bytes: u64) -> Result<bool, Unread> {
        let length = usize::try_from(bytes).unwrap_or(usize::MAX);
        self.buffer.resize(length, 0);
        Ok(file.read_at(offset, &mut self.buffer)? == length)
    }
}

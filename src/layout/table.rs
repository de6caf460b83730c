//! The frame table, which only exists with sums that fit.

use super::{
    CHUNK_BYTES_MAX, ChunkPlace, FRAME_CHUNK_COUNT_MAX, FRAME_COUNT_MAX, FRAME_HEAD_BYTES, FRAMES_END_MAX, FramePlace,
    HEADER_BYTES_MAX, HEADER_BYTES_MIN, PACK_CHUNK_COUNT_MAX, RAW_BYTES_MAX, SEALED_BYTES_MAX, SEALED_BYTES_MIN,
};
use crate::wire::{Reader, WireError, Write};

/// Why a frame does not fit into a pack, or a table does not describe one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// The encoding is malformed.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// Frames can't start here.
    #[error("{header_bytes} bytes are not the length of a pack's header")]
    Header {
        /// The length given.
        header_bytes: u32,
    },
    /// A table without frames.
    #[error("no frames in the table")]
    NoFrames,
    /// More frames than a pack may hold.
    #[error("{count} frames are more than a pack may hold")]
    FrameCount {
        /// How many.
        count: u64,
    },
    /// A sealed length outside its range.
    #[error("frame {frame}: a sealed length of {sealed_bytes} bytes is out of range")]
    SealedBytes {
        /// The frame's number.
        frame: u32,
        /// The length given.
        sealed_bytes: u64,
    },
    /// A frame with no chunks or too many.
    #[error("frame {frame}: a count of {count} chunks is out of range")]
    ChunkCount {
        /// The frame's number.
        frame: u32,
        /// The count given.
        count: u64,
    },
    /// A chunk of no length or too long.
    #[error("frame {frame}: a chunk of {chunk_bytes} bytes is out of range")]
    ChunkBytes {
        /// The frame's number.
        frame: u32,
        /// The length given.
        chunk_bytes: u64,
    },
    /// The chunks of a frame are too long together.
    #[error("frame {frame}: its chunks are longer than a frame may be")]
    RawBytes {
        /// The frame's number.
        frame: u32,
    },
    /// The chunks of a pack are too many.
    #[error("frame {frame}: more chunks than a pack may hold")]
    PackChunkCount {
        /// The first frame that does not fit.
        frame: u32,
    },
    /// The frames of a pack are too long together.
    #[error("frame {frame}: it ends beyond what a pack may hold")]
    FramesEnd {
        /// The first frame that does not fit.
        frame: u32,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Row {
    place: FramePlace,
    /// Index of the frame's first chunk in `lengths`; the frame's chunks end where the next frame's start.
    first_chunk: u32,
}

/// The frames of one pack in order, with the raw lengths of their chunks.
///
/// Memory: 16 bytes a frame and 4 bytes a chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameTable {
    rows: Vec<Row>,
    lengths: Vec<u32>,
    header_bytes: u32,
    /// Offset behind the last frame; at most `FRAMES_END_MAX`.
    end: u32,
    /// Length of the rows as [`Self::write`] puts them, without the frame count.
    rows_bytes: usize,
}

/// One frame of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameRow<'a> {
    /// Where the frame lies.
    pub place: FramePlace,
    /// The raw lengths of its chunks, in order.
    pub lengths: &'a [u32],
}

impl<'a> FrameRow<'a> {
    /// Length of hash, ciphertext and tag.
    pub const fn sealed_bytes(&self) -> u32 {
        self.place.stored_bytes.saturating_sub(FRAME_HEAD_BYTES)
    }

    /// Length of all chunks together.
    pub fn raw_bytes(&self) -> u32 {
        self.lengths.iter().fold(0, |sum, length| sum.saturating_add(*length))
    }

    /// The places of its chunks, in order.
    pub fn chunks(&self) -> impl Iterator<Item = ChunkPlace> + use<'a> {
        let frame = self.place;
        self.lengths.iter().scan(0u32, move |end, &chunk_bytes| {
            let chunk_offset = *end;
            *end = end.saturating_add(chunk_bytes);
            Some(ChunkPlace { frame, chunk_offset, chunk_bytes })
        })
    }
}

impl FrameTable {
    /// Starts the table of a pack whose header has this length (128 or 160 bytes).
    ///
    /// # Errors
    /// [`LayoutError::Header`] for any other length.
    pub const fn new(header_bytes: u32) -> Result<Self, LayoutError> {
        if header_bytes != HEADER_BYTES_MIN && header_bytes != HEADER_BYTES_MAX {
            return Err(LayoutError::Header { header_bytes });
        }
        Ok(Self { rows: Vec::new(), lengths: Vec::new(), header_bytes, end: header_bytes, rows_bytes: 0 })
    }

    /// Adds the next frame and says where it lies. A writer calls it when it gives a frame its number.
    ///
    /// # Errors
    /// [`LayoutError`] when the frame is malformed or the pack can't take it; the table is unchanged then.
    pub fn push(&mut self, sealed_bytes: u32, lengths: &[u32]) -> Result<FramePlace, LayoutError> {
        let place = self.next_place(sealed_bytes)?;
        self.check_chunk_count(lengths.len())?;
        let lengths_bytes = check_lengths(place.number, lengths)?;
        let chunk_count = lengths.len().try_into().expect("checked against FRAME_CHUNK_COUNT_MAX");
        self.rows_bytes = [varint_bytes(sealed_bytes), varint_bytes(chunk_count), lengths_bytes]
            .into_iter()
            .fold(self.rows_bytes, usize::saturating_add);
        self.rows.push(Row { place, first_chunk: self.chunk_count() });
        self.lengths.extend_from_slice(lengths);
        self.end = place.end();
        Ok(place)
    }

    /// Whether a frame of this sealed length and chunk count still fits.
    pub fn has_room(&self, sealed_bytes: u32, chunk_count: usize) -> bool {
        self.next_place(sealed_bytes).is_ok() && self.check_chunk_count(chunk_count).is_ok()
    }

    /// Length of the pack's header, which is the offset of frame 0.
    pub const fn header_bytes(&self) -> u32 {
        self.header_bytes
    }

    /// Offset behind the last frame.
    pub const fn end_offset(&self) -> u32 {
        self.end
    }

    /// How many frames there are.
    pub fn frame_count(&self) -> u32 {
        self.rows.len().try_into().expect("at most FRAME_COUNT_MAX rows")
    }

    /// How many chunks there are.
    pub fn chunk_count(&self) -> u32 {
        self.lengths.len().try_into().expect("at most PACK_CHUNK_COUNT_MAX chunks")
    }

    /// Length of all chunks together.
    pub fn raw_bytes(&self) -> u64 {
        self.lengths.iter().map(|length| u64::from(*length)).sum()
    }

    /// The frame with this number.
    pub fn frame(&self, number: u32) -> Option<FrameRow<'_>> {
        let index = usize::try_from(number).ok()?;
        let row = self.rows.get(index)?;
        let first = usize::try_from(row.first_chunk).ok()?;
        let end = match self.rows.get(index.saturating_add(1)) {
            Some(next) => usize::try_from(next.first_chunk).ok()?,
            None => self.lengths.len(),
        };
        Some(FrameRow { place: row.place, lengths: self.lengths.get(first..end)? })
    }

    /// All frames in order.
    pub fn frames(&self) -> impl Iterator<Item = FrameRow<'_>> {
        (0..self.frame_count()).filter_map(|number| self.frame(number))
    }

    /// The places of all chunks, frame by frame.
    pub fn chunks(&self) -> impl Iterator<Item = ChunkPlace> {
        self.frames().flat_map(|frame| frame.chunks())
    }

    /// Appends the table in the packed encoding: frame count, and for each frame its sealed length, its chunk count
    /// and the chunks' raw lengths, all varints.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.put_count(self.rows.len());
        for frame in self.frames() {
            out.put_varint(frame.sealed_bytes().into());
            out.put_count(frame.lengths.len());
            frame.lengths.iter().for_each(|length| out.put_varint((*length).into()));
        }
    }

    /// How many bytes [`Self::write`] appends.
    pub fn written_bytes(&self) -> usize {
        varint_bytes(self.frame_count()).saturating_add(self.rows_bytes)
    }

    /// Reads what [`Self::write`] wrote, for a pack whose header has `header_bytes`. Memory grows with the bytes that
    /// are there, never with what they claim.
    ///
    /// # Errors
    /// [`LayoutError`] when the bytes are malformed, the table is empty, or a pack can't hold what it says.
    pub fn read(input: &mut Reader<'_>, header_bytes: u32) -> Result<Self, LayoutError> {
        let mut table = Self::new(header_bytes)?;
        let frame_count = input.varint()?;
        if frame_count > FRAME_COUNT_MAX.into() {
            return Err(LayoutError::FrameCount { count: frame_count });
        }
        let mut lengths = Vec::new();
        for _ in 0..frame_count {
            let sealed_bytes = read_frame(input, table.frame_count(), &mut lengths)?;
            table.push(sealed_bytes, &lengths)?;
        }
        if table.rows.is_empty() { Err(LayoutError::NoFrames) } else { Ok(table) }
    }

    /// The place of the next frame, if the pack can take one of this length.
    fn next_place(&self, sealed_bytes: u32) -> Result<FramePlace, LayoutError> {
        let number = self.frame_count();
        if number >= FRAME_COUNT_MAX {
            return Err(LayoutError::FrameCount { count: u64::from(number).saturating_add(1) });
        }
        if !(SEALED_BYTES_MIN..=SEALED_BYTES_MAX).contains(&sealed_bytes) {
            return Err(LayoutError::SealedBytes { frame: number, sealed_bytes: sealed_bytes.into() });
        }
        let stored_bytes = sealed_bytes.saturating_add(FRAME_HEAD_BYTES);
        let place = FramePlace { number, offset: self.end, stored_bytes };
        if place.end() > FRAMES_END_MAX { Err(LayoutError::FramesEnd { frame: number }) } else { Ok(place) }
    }

    fn check_chunk_count(&self, added: usize) -> Result<(), LayoutError> {
        let frame = self.frame_count();
        let count = u64::try_from(added).unwrap_or(u64::MAX);
        if count == 0 || count > FRAME_CHUNK_COUNT_MAX.into() {
            return Err(LayoutError::ChunkCount { frame, count });
        }
        let fits = count.saturating_add(self.chunk_count().into()) <= PACK_CHUNK_COUNT_MAX.into();
        if fits { Ok(()) } else { Err(LayoutError::PackChunkCount { frame }) }
    }
}

/// Reads a frame's sealed length, which it returns, and the raw lengths of its chunks.
fn read_frame(input: &mut Reader<'_>, frame: u32, lengths: &mut Vec<u32>) -> Result<u32, LayoutError> {
    lengths.clear();
    let sealed_bytes = input.varint()?;
    let sealed = u32::try_from(sealed_bytes).map_err(|_| LayoutError::SealedBytes { frame, sealed_bytes })?;
    let count = input.varint()?;
    if count > FRAME_CHUNK_COUNT_MAX.into() {
        return Err(LayoutError::ChunkCount { frame, count });
    }
    for _ in 0..count {
        let chunk_bytes = input.varint()?;
        lengths.push(u32::try_from(chunk_bytes).map_err(|_| LayoutError::ChunkBytes { frame, chunk_bytes })?);
    }
    Ok(sealed)
}

/// Checks each length and their sum, and returns how many bytes their varints take.
fn check_lengths(frame: u32, lengths: &[u32]) -> Result<usize, LayoutError> {
    let mut raw_bytes = 0u32;
    let mut written = 0usize;
    for &chunk_bytes in lengths {
        if chunk_bytes == 0 || chunk_bytes > CHUNK_BYTES_MAX {
            return Err(LayoutError::ChunkBytes { frame, chunk_bytes: chunk_bytes.into() });
        }
        raw_bytes = raw_bytes.saturating_add(chunk_bytes);
        written = written.saturating_add(varint_bytes(chunk_bytes));
    }
    if raw_bytes > RAW_BYTES_MAX { Err(LayoutError::RawBytes { frame }) } else { Ok(written) }
}

/// How many bytes a value takes as a varint.
const fn varint_bytes(value: u32) -> usize {
    match value {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        0x20_0000..0x1000_0000 => 4,
        0x1000_0000.. => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn table(frames: &[(u32, Vec<u32>)]) -> FrameTable {
        let mut table = FrameTable::new(128).unwrap();
        for (sealed, lengths) in frames {
            table.push(*sealed, lengths).unwrap();
        }
        table
    }

    fn written(table: &FrameTable) -> Vec<u8> {
        let mut out = Vec::new();
        table.write(&mut out);
        out
    }

    fn read(bytes: &[u8]) -> Result<FrameTable, LayoutError> {
        FrameTable::read(&mut Reader::new(bytes), 128)
    }

    fn packed(values: &[u64]) -> Vec<u8> {
        let mut out = Vec::new();
        values.iter().for_each(|value| out.put_varint(*value));
        out
    }

    prop_compose! {
        fn frames()(frames in prop::collection::vec(
            (SEALED_BYTES_MIN..=1 << 22, prop::collection::vec(1u32..=1 << 20, 1..8)), 1..20,
        )) -> Vec<(u32, Vec<u32>)> { frames }
    }

    proptest! {
        #[test]
        fn a_table_reads_back_and_knows_its_length(frames in frames()) {
            let table = table(&frames);
            let bytes = written(&table);
            prop_assert_eq!(bytes.len(), table.written_bytes());
            prop_assert_eq!(read(&bytes), Ok(table));
        }

        #[test]
        fn places_follow_each_other_without_a_gap(frames in frames()) {
            let table = table(&frames);
            let mut offset = table.header_bytes();
            let mut chunks = table.chunks();
            for ((sealed, lengths), row) in frames.iter().zip(table.frames()) {
                prop_assert_eq!(row.place.offset, offset);
                prop_assert_eq!(row.sealed_bytes(), *sealed);
                prop_assert_eq!(row.place.stored_bytes, *sealed + 12);
                offset = row.place.end();
                let mut chunk_offset = 0;
                for &chunk_bytes in lengths {
                    prop_assert_eq!(chunks.next(), Some(ChunkPlace { frame: row.place, chunk_offset, chunk_bytes }));
                    chunk_offset += chunk_bytes;
                }
                prop_assert_eq!(row.raw_bytes(), chunk_offset);
            }
            prop_assert_eq!(chunks.next(), None);
            prop_assert_eq!(table.end_offset(), offset);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            if let Ok(table) = read(&bytes) {
                prop_assert_eq!(&written(&table)[..], &bytes[..table.written_bytes()]);
            }
        }
    }

    #[test]
    fn every_limit_is_refused_by_name() {
        let too_many_chunks = u64::from(FRAME_CHUNK_COUNT_MAX) + 1;
        let cases = [
            (packed(&[0]), LayoutError::NoFrames),
            (packed(&[65_537]), LayoutError::FrameCount { count: 65_537 }),
            (packed(&[1, 47, 1, 1]), LayoutError::SealedBytes { frame: 0, sealed_bytes: 47 }),
            (packed(&[1, 34_603_009, 1, 1]), LayoutError::SealedBytes { frame: 0, sealed_bytes: 34_603_009 }),
            (packed(&[1, 1 << 40, 1, 1]), LayoutError::SealedBytes { frame: 0, sealed_bytes: 1 << 40 }),
            (packed(&[1, 48, 0]), LayoutError::ChunkCount { frame: 0, count: 0 }),
            (packed(&[1, 48, too_many_chunks]), LayoutError::ChunkCount { frame: 0, count: too_many_chunks }),
            (packed(&[1, 48, 1, 0]), LayoutError::ChunkBytes { frame: 0, chunk_bytes: 0 }),
            (packed(&[1, 48, 1, 16_777_217]), LayoutError::ChunkBytes { frame: 0, chunk_bytes: 16_777_217 }),
            (packed(&[1, 48, 1, 1 << 32]), LayoutError::ChunkBytes { frame: 0, chunk_bytes: 1 << 32 }),
            (packed(&[1, 48, 3, 16 << 20, 16 << 20, 1]), LayoutError::RawBytes { frame: 0 }),
            (packed(&[2, 48, 1, 1]), LayoutError::Wire(WireError::UnexpectedEnd { offset: 4 })),
        ];
        for (bytes, refusal) in cases {
            assert_eq!(read(&bytes), Err(refusal), "{bytes:x?}");
        }
    }

    #[test]
    fn a_frame_of_the_most_chunks_and_one_of_the_longest_read_back() {
        let table = table(&[(48, vec![1; 65_536]), (48, vec![CHUNK_BYTES_MAX; 2])]);
        assert_eq!(table.raw_bytes(), 65_536 + u64::from(RAW_BYTES_MAX));
        assert_eq!(read(&written(&table)), Ok(table));
    }

    #[test]
    fn sums_over_many_frames_are_refused_and_leave_the_table_as_it_was() {
        let mut by_length = FrameTable::new(160).unwrap();
        let refusal = loop {
            if let Err(refusal) = by_length.push(SEALED_BYTES_MAX, &[1]) {
                break refusal;
            }
        };
        assert_eq!(refusal, LayoutError::FramesEnd { frame: 30 });
        assert!(!by_length.has_room(SEALED_BYTES_MAX, 1) && by_length.has_room(1 << 20, 1));
        assert_eq!(by_length.frame_count(), 30);
        let last = FRAMES_END_MAX - by_length.end_offset() - FRAME_HEAD_BYTES;
        assert!(by_length.has_room(last, 1) && !by_length.has_room(last + 1, 1));

        let mut by_count = FrameTable::new(128).unwrap();
        let full = vec![1; 65_536];
        (0..8).for_each(|_| assert!(by_count.push(48, &full).is_ok()));
        assert!(!by_count.has_room(48, 1));
        assert_eq!(by_count.push(48, &[1]), Err(LayoutError::PackChunkCount { frame: 8 }));
        assert_eq!(by_count.chunk_count(), PACK_CHUNK_COUNT_MAX);
    }

    #[test]
    fn a_table_takes_no_more_frames_than_a_pack() {
        let mut table = FrameTable::new(128).unwrap();
        (0..FRAME_COUNT_MAX).for_each(|_| assert!(table.push(48, &[1]).is_ok()));
        assert_eq!((table.frame_count(), table.raw_bytes()), (65_536, 65_536));
        assert_eq!(read(&written(&table)).as_ref(), Ok(&table));
        assert_eq!(table.push(48, &[1]), Err(LayoutError::FrameCount { count: 65_537 }));
    }

    #[test]
    fn frames_start_behind_a_header_of_one_of_two_lengths() {
        for header_bytes in [0, 127, 129, 159, 161, u32::MAX] {
            let refusal = LayoutError::Header { header_bytes };
            assert_eq!(FrameTable::new(header_bytes), Err(refusal));
        }
    }
}

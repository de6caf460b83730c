//! Reading a pack whose footer can't be used, frame by frame, past damaged parts.
//!
//! Frames carry their length and number in clear, so undamaged ones follow each other. Behind damage the next part is
//! searched for by its magic; what counts as found is only what opens, since magics occur in sealed bytes by chance
//! and by malice. Openings that fail may read four times the pack's length in all, then the scan gives up.

use super::{
    FOOTER_BYTES_MAX, FOOTER_MAGIC, FRAME_HEAD, FRAME_MAGIC, FRAME_PREFIX_BYTES, Fault, PackError, PackOpener,
    PackSource,
};
use super::{ReadError, Trailer, parse_head, read_frame};
use crate::layout::{
    FRAME_COUNT_MAX, FRAME_HEAD_BYTES, FramePlace, FrameTable, PACK_BYTES_MAX, SEALED_BYTES_MAX, SEALED_BYTES_MIN,
};
use crate::seal::TAG_BYTES;

/// How much failed openings may read, as a multiple of the pack's length.
const FAILED_BYTES_FACTOR: u64 = 4;
/// How much is read at a time while searching.
const WINDOW_BYTES: usize = 64 << 10;

/// What a scan came upon.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// A frame that opened, and its plaintext.
    Frame(FramePlace, &'a mut [u8]),
    /// Bytes that are no part of the pack any more.
    Damage(Damage),
    /// A footer that opened. Nothing follows it.
    Footer(FrameTable),
}

/// Bytes between two good parts of a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Where they start.
    pub offset: u64,
    /// How many; none where frames are missing without a gap.
    pub bytes: u64,
    /// Why the part that should start there is refused.
    pub fault: Fault,
}

/// Walks through a pack from its header on. Memory: one frame.
#[derive(Debug)]
pub struct Scan<'s, S: ?Sized> {
    opener: &'s PackOpener,
    source: &'s S,
    offset: u32,
    /// The number that the next frame should have.
    number: u32,
    failed_bytes_left: u64,
    done: bool,
    buffer: Vec<u8>,
}

/// A part that opened.
enum Opened {
    /// Its plaintext lies in the scan's buffer.
    Frame(FramePlace),
    Footer(FrameTable),
}

/// Which numbers a part may have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Numbering {
    Next,
    NextOrLater,
}

impl<'s, S: PackSource + ?Sized> Scan<'s, S> {
    /// Starts behind the header.
    ///
    /// # Errors
    /// [`PackError`] when the pack is too long, or the role at hand may not read its class.
    pub fn new(opener: &'s PackOpener, source: &'s S) -> Result<Self, PackError> {
        let bytes = source.bytes();
        if bytes > PACK_BYTES_MAX {
            return Err(PackError { pack: opener.pack(), offset: PACK_BYTES_MAX, fault: Fault::Long { bytes } });
        }
        if !opener.opens_frames() {
            let fault = Fault::Withheld(opener.header().class);
            return Err(PackError { pack: opener.pack(), offset: 12, fault });
        }
        Ok(Self {
            opener,
            source,
            offset: opener.header().bytes(),
            number: 0,
            failed_bytes_left: bytes.saturating_mul(FAILED_BYTES_FACTOR),
            done: false,
            buffer: Vec::new(),
        })
    }

    /// The next frame, damage or footer; nothing at the end of the pack.
    ///
    /// # Errors
    /// Those of the source.
    pub fn step(&mut self) -> Result<Option<Found<'_>>, S::Error> {
        let bytes = self.source.bytes();
        if self.done || u64::from(self.offset) >= bytes {
            return Ok(None);
        }
        let offset = u64::from(self.offset);
        match self.attempt(self.offset, Numbering::Next)? {
            Ok(Opened::Frame(place)) => {
                self.offset = place.end();
                self.number = place.number.saturating_add(1);
                Ok(Some(Found::Frame(place, self.plaintext())))
            }
            Ok(Opened::Footer(table)) => {
                self.done = true;
                Ok(Some(Found::Footer(table)))
            }
            Err(fault) => {
                let end = self.search()?;
                Ok(Some(Found::Damage(Damage { offset, bytes: end.saturating_sub(offset), fault })))
            }
        }
    }

    /// Moves on to the next part that opens, or to the end, and says where that is.
    fn search(&mut self) -> Result<u64, S::Error> {
        let bytes = self.source.bytes();
        let mut window = vec![0; WINDOW_BYTES];
        let mut start = u64::from(self.offset);
        while self.failed_bytes_left > 0 && start.saturating_add(FRAME_HEAD_BYTES.into()) <= bytes {
            let length = usize::try_from(bytes.saturating_sub(start)).unwrap_or(usize::MAX).min(WINDOW_BYTES);
            let Some(window) = window.get_mut(..length) else { break };
            self.source.read_at(start, window)?;
            for offset in magics(window).filter_map(|index| place(start, index)) {
                if let Ok(opened) = self.attempt(offset, Numbering::NextOrLater)? {
                    self.offset = offset;
                    if let Opened::Frame(place) = opened {
                        self.number = place.number;
                    }
                    return Ok(offset.into());
                }
                if self.failed_bytes_left == 0 {
                    break;
                }
            }
            // The last three bytes may start a magic that the next window completes.
            start = start.saturating_add(length.saturating_sub(3).try_into().unwrap_or(u64::MAX));
        }
        self.done = true;
        Ok(bytes)
    }

    /// Reads and opens the part at `offset`, if there is one.
    fn attempt(&mut self, offset: u32, numbering: Numbering) -> Result<Result<Opened, Fault>, S::Error> {
        let left = self.source.bytes().saturating_sub(offset.into());
        let mut head = [0; FRAME_HEAD];
        if left < FRAME_HEAD_BYTES.into() {
            return Ok(Err(Fault::Short { part: "the frame", bytes: left }));
        }
        self.source.read_at(offset.into(), &mut head)?;
        if let Some((number, sealed_bytes)) = parse_head(&head, FRAME_MAGIC) {
            if let Err(fault) = self.check_frame(number, sealed_bytes, left, numbering) {
                return Ok(Err(fault));
            }
            let place = FramePlace { number, offset, stored_bytes: sealed_bytes.saturating_add(FRAME_HEAD_BYTES) };
            return self.open_frame(place);
        }
        if let Some((frame_count, sealed_bytes)) = parse_head(&head, FOOTER_MAGIC) {
            let footer_bytes = sealed_bytes.saturating_add(FRAME_HEAD_BYTES);
            if footer_bytes > FOOTER_BYTES_MAX || u64::from(footer_bytes) > left {
                return Ok(Err(Fault::Short { part: "the footer", bytes: left }));
            }
            return self.open_footer(&Trailer { footer_offset: offset, footer_bytes, frame_count });
        }
        Ok(Err(Fault::Magic("the frame")))
    }

    fn check_frame(&self, number: u32, sealed_bytes: u32, left: u64, numbering: Numbering) -> Result<(), Fault> {
        let fits = match numbering {
            Numbering::Next => number == self.number,
            Numbering::NextOrLater => number >= self.number,
        };
        if !fits || number >= FRAME_COUNT_MAX {
            return Err(Fault::FrameNumber { expected: self.number, found: number });
        }
        let room = left.saturating_sub(FRAME_HEAD_BYTES.into());
        if !(SEALED_BYTES_MIN..=SEALED_BYTES_MAX).contains(&sealed_bytes) || u64::from(sealed_bytes) > room {
            return Err(Fault::SealedBytes { part: "the frame", expected: room, found: sealed_bytes.into() });
        }
        Ok(())
    }

    fn open_frame(&mut self, place: FramePlace) -> Result<Result<Opened, Fault>, S::Error> {
        match read_frame(self.opener, self.source, place, &mut self.buffer) {
            Ok(_) => Ok(Ok(Opened::Frame(place))),
            Err(ReadError::Source(error)) => Err(error),
            Err(ReadError::Pack(refusal)) => {
                self.failed_bytes_left = self.failed_bytes_left.saturating_sub(place.stored_bytes.into());
                Ok(Err(refusal.fault))
            }
        }
    }

    fn open_footer(&mut self, trailer: &Trailer) -> Result<Result<Opened, Fault>, S::Error> {
        self.buffer.resize(usize::try_from(trailer.footer_bytes).unwrap_or(0), 0);
        self.source.read_at(trailer.footer_offset.into(), &mut self.buffer)?;
        Ok(self.opener.open_footer(trailer, &mut self.buffer).map(Opened::Footer).map_err(|refusal| {
            self.failed_bytes_left = self.failed_bytes_left.saturating_sub(trailer.footer_bytes.into());
            refusal.fault
        }))
    }

    /// The plaintext of the frame that was opened last.
    fn plaintext(&mut self) -> &mut [u8] {
        let end = self.buffer.len().saturating_sub(TAG_BYTES);
        self.buffer.get_mut(FRAME_PREFIX_BYTES..end).expect("a frame that opened has hash and tag")
    }
}

/// Where in `window` a frame or footer may start.
fn magics(window: &[u8]) -> impl Iterator<Item = usize> + use<'_> {
    let parts = window.windows(4).enumerate();
    parts.filter(|(_, bytes)| **bytes == FRAME_MAGIC || **bytes == FOOTER_MAGIC).map(|(index, _)| index)
}

fn place(start: u64, index: usize) -> Option<u32> {
    start.checked_add(index.try_into().ok()?)?.try_into().ok()
}

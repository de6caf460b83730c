//! Decoded frames and open packs that are likely to be wanted again.

use crate::access::Access;
use crate::content::RingKeys;
use crate::content::medium::unread;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Frame, FrameDecoder};
use crate::fs::affordable;
use crate::id::PackId;
use crate::index::{Extent, PackOrdinal};
use crate::layout::HEADER_BYTES_MAX;
use crate::pack::PackOpener;
use crate::store::{Object, ObjectName};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// How many packs are kept open, if the process can afford as many. Each is a file descriptor and a few hundred bytes.
const OPEN_PACKS_MAX: usize = 32;

/// What one thread reads frames with, kept from frame to frame: a frame is some mebibytes, and memory that is new for
/// each of them costs as much as copying it.
#[derive(Default)]
pub struct FrameScratch {
    pub(super) stored: Vec<u8>,
    pub(super) decoder: FrameDecoder,
}

/// One frame: all chunks, one after the other, and what they were decoded from.
#[derive(Debug, Clone, Copy)]
pub struct FrameBytes<'s> {
    encoded: &'s [u8],
    frame: Frame<'s>,
}

impl<'s> FrameBytes<'s> {
    pub(super) const fn new(encoded: &'s [u8], frame: Frame<'s>) -> Self {
        Self { encoded, frame }
    }

    /// The frame as it was encoded, without its seal.
    pub(super) const fn encoded(&self) -> &'s [u8] {
        self.encoded
    }

    /// The chunks, with their lengths.
    pub const fn decoded(&self) -> &Frame<'s> {
        &self.frame
    }

    /// The bytes at an extent's place; none when the frame is shorter than the index believes.
    pub fn slice(&self, extent: &Extent) -> Option<&'s [u8]> {
        slice_of(self.frame.raw_bytes(), extent)
    }
}

fn slice_of<'r>(raw: &'r [u8], extent: &Extent) -> Option<&'r [u8]> {
    let start = usize::try_from(extent.chunk_offset).ok()?;
    let end = start.checked_add(usize::try_from(extent.chunk_bytes).ok()?)?;
    raw.get(start..end)
}

/// [`FrameBytes`] in memory of their own.
pub struct DecodedFrame {
    raw: Vec<u8>,
    /// Where each chunk ends.
    ends: Vec<u32>,
}

impl DecodedFrame {
    pub(super) fn copy_of(frame: &FrameBytes<'_>) -> Self {
        let ends = frame.frame.lengths().iter().scan(0u32, |end, length| {
            *end = end.saturating_add(*length);
            Some(*end)
        });
        Self { raw: frame.frame.raw_bytes().to_vec(), ends: ends.collect() }
    }

    /// The number of the chunk behind the one at an extent's place.
    pub(super) fn number_behind(&self, extent: &Extent) -> usize {
        self.ends.partition_point(|end| *end <= extent.chunk_offset).saturating_add(1)
    }

    /// A chunk by its number; none behind the last.
    pub(super) fn chunk(&self, number: usize) -> Option<&[u8]> {
        let end = usize::try_from(*self.ends.get(number)?).ok()?;
        let start = number.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.raw.get(usize::try_from(start).ok()?..end)
    }

    /// All chunks, one after the other.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The bytes at an extent's place; none when the frame is shorter than the index believes.
    pub fn slice(&self, extent: &Extent) -> Option<&[u8]> {
        slice_of(&self.raw, extent)
    }
}

/// The frames used last, up to a number of bytes.
pub(super) struct FrameCache {
    bytes_max: usize,
    bytes: usize,
    frames: VecDeque<((PackOrdinal, u32), Arc<DecodedFrame>)>,
}

impl FrameCache {
    pub(super) const fn new(bytes_max: usize) -> Self {
        Self { bytes_max, bytes: 0, frames: VecDeque::new() }
    }

    /// Finds a frame and marks it as used last. Linear in the few dozen frames that fit.
    pub(super) fn get(&mut self, extent: &Extent) -> Option<Arc<DecodedFrame>> {
        let key = (extent.pack, extent.frame);
        let place = self.frames.iter().position(|(held, _)| *held == key)?;
        let held = self.frames.remove(place)?;
        let frame = Arc::clone(&held.1);
        self.frames.push_back(held);
        Some(frame)
    }

    pub(super) fn put(&mut self, extent: &Extent, frame: &Arc<DecodedFrame>) {
        self.bytes = self.bytes.saturating_add(frame.raw.len());
        self.frames.push_back(((extent.pack, extent.frame), Arc::clone(frame)));
        while self.bytes > self.bytes_max {
            let Some((_, oldest)) = self.frames.pop_front() else { return };
            self.bytes = self.bytes.saturating_sub(oldest.raw.len());
        }
    }
}

/// A pack whose header was read and whose key was found.
pub struct OpenPack {
    /// Its name.
    pub id: PackId,
    /// Its bytes.
    pub object: Box<dyn Object>,
    /// Opens its frames.
    pub opener: PackOpener,
}

impl OpenPack {
    /// The error for a frame of this pack that is not what it should be.
    pub fn damaged(&self, extent: &Extent, cause: impl std::error::Error + Send + Sync + 'static) -> Error {
        let place = format!("pack {} frame {} at byte {}", self.id, extent.frame, extent.frame_offset);
        Error::new(ErrorKind::Damaged, format!("{place} is damaged; run check to see what it touches")).because(cause)
    }
}

/// The packs opened last.
pub(super) struct PackShelf {
    access: Access,
    packs: Mutex<VecDeque<(PackOrdinal, Arc<OpenPack>)>>,
    count_max: usize,
}

impl PackShelf {
    pub(super) fn new(access: Access) -> Self {
        Self { access, packs: Mutex::default(), count_max: affordable(OPEN_PACKS_MAX).max(1) }
    }

    pub(super) fn take(&self, ordinal: PackOrdinal) -> Result<Arc<OpenPack>> {
        if let Some(pack) = self.find(ordinal) {
            return Ok(pack);
        }
        let id = self.access.index.pack(ordinal)?.id;
        let pack = Arc::new(open_pack(&self.access, id)?);
        let mut packs = self.packs.lock().unwrap_or_else(PoisonError::into_inner);
        packs.push_back((ordinal, Arc::clone(&pack)));
        if packs.len() > self.count_max {
            packs.pop_front();
        }
        Ok(pack)
    }

    fn find(&self, ordinal: PackOrdinal) -> Option<Arc<OpenPack>> {
        let mut packs = self.packs.lock().unwrap_or_else(PoisonError::into_inner);
        let place = packs.iter().position(|(held, _)| *held == ordinal)?;
        let held = packs.remove(place)?;
        let pack = Arc::clone(&held.1);
        packs.push_back(held);
        Some(pack)
    }
}

/// Opens a pack by its name: reads its header and finds the key of its frames.
///
/// # Errors
/// [`ErrorKind::Damaged`] when it is missing, its header is wrong or the medium fails there, [`ErrorKind::Denied`] when the
/// role does not hold the class's secret, [`ErrorKind::Io`] when the medium gives nothing any more.
pub fn open_pack(access: &Access, id: PackId) -> Result<OpenPack> {
    let failed = |error| unread(access.store.as_ref(), error);
    let object = access.store.open(&ObjectName::Pack(id)).map_err(failed)?;
    let length = object.bytes().min(HEADER_BYTES_MAX.into());
    let mut header = vec![0; usize::try_from(length).unwrap_or(0)];
    object.read_at(0, &mut header).map_err(failed)?;
    let opener = PackOpener::open(id, &header, &RingKeys(&access.ring))?;
    Ok(OpenPack { id, object, opener })
}

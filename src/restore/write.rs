//! Reading what a window wants: every frame once, in the order of the packs, on all cores.

use crate::content::{FrameBytes, FrameScratch};
use crate::error::{Error, ErrorKind, Result};
use crate::id::ChunkId;
use crate::index::Extent;
use crate::manifest::{Item, ItemReader, Placed};
use crate::restore::twins::Twin;
use crate::restore::window::{Left, Want, Window};
use crate::restore::writer::Writer;
use crate::threads;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many ids are looked up at once.
const LOOKUP_IDS: usize = 1024;

/// A window whose chunks were found: the frames they lie in, in the order of the packs.
pub(super) struct Located {
    /// Where each want lies, sorted by place.
    wants: Vec<(Extent, Want)>,
    /// The runs of wants that lie in one frame.
    frames: Vec<Range<usize>>,
    /// Files that are cloned once all wants are written.
    twins: Vec<Twin>,
    /// Directories that are complete when all wants are written.
    pub(super) left: Vec<Left>,
}

impl Located {
    /// Finds every chunk of a window. Chunks that lie nowhere are told here.
    ///
    /// # Errors
    /// When the index can't be read, or the target is full.
    pub(super) fn new(writer: &Writer<'_>, window: Window) -> Result<Self> {
        let Window { wants, twins, left, .. } = window;
        let wants = locate(writer, wants)?;
        Ok(Self { frames: frames(&wants), wants, twins, left })
    }

    /// Writes every want, or tells why it can't be had.
    ///
    /// # Errors
    /// When the store can't be read, the target is full, or the caller stops.
    pub(super) fn write(&self, writer: &Writer<'_>) -> Result<()> {
        let frame = |range: &Range<usize>, scratch: &mut FrameScratch| {
            write_frame(writer, self.wants.get(range.clone()).unwrap_or_default(), scratch)
        };
        on_all_cores(writer, &self.frames, frame)?;
        on_all_cores(writer, &self.twins, |twin, _| twin.write(writer))
    }
}

/// Does something with each of many, on all cores, until the caller stops.
fn on_all_cores<T: Sync>(
    writer: &Writer<'_>,
    all: &[T],
    each: impl Fn(&T, &mut FrameScratch) -> Result<()> + Sync,
) -> Result<()> {
    if all.is_empty() {
        return Ok(());
    }
    let next = AtomicUsize::new(0);
    let work = || -> Result<()> {
        let mut scratch = FrameScratch::default();
        while let Some(one) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
            writer.check_stopped()?;
            each(one, &mut scratch)?;
        }
        Ok(())
    };
    threads::in_each(writer.reader().access().threads, work)?.into_iter().collect()
}

impl Twin {
    /// Clones the file, or writes it chunk by chunk where that can't be done.
    fn write(&self, writer: &Writer<'_>) -> Result<()> {
        let is_cloned = writer.clone_file(&self.file, &self.source)?;
        if !is_cloned && !self.file.failed.load(Ordering::Relaxed) {
            self.write_out(writer)?;
        }
        writer.part_done(&self.file)
    }

    fn write_out(&self, writer: &Writer<'_>) -> Result<()> {
        let mut items = ItemReader::new(writer.reader(), self.list.clone());
        loop {
            match items.next_item() {
                Ok(Some(Placed { offset, item: Item::Zeros { bytes } })) => {
                    writer.put_zeros(&self.file, offset, bytes)?;
                }
                Ok(Some(Placed { offset, item: Item::Chunk { id, bytes } })) => {
                    self.file.remaining.fetch_add(1, Ordering::Relaxed);
                    let want = Want { id, offset, bytes, file: Arc::clone(&self.file) };
                    recover(writer, &want, missing(id))?;
                }
                Ok(None) => return Ok(()),
                Err(error) => writer.fail(&self.file, error.into())?,
            }
        }
    }
}

/// Finds every chunk and sorts by where it lies.
fn locate(writer: &Writer<'_>, wants: Vec<Want>) -> Result<Vec<(Extent, Want)>> {
    let mut located = Vec::with_capacity(wants.len());
    let (mut ids, mut found) = (Vec::with_capacity(LOOKUP_IDS), Vec::with_capacity(LOOKUP_IDS));
    let mut wants = wants.into_iter().peekable();
    while wants.peek().is_some() {
        let batch: Vec<Want> = wants.by_ref().take(LOOKUP_IDS).collect();
        ids.clear();
        ids.extend(batch.iter().map(|want| want.id));
        writer.reader().find(&ids, &mut found)?;
        for (want, extent) in batch.into_iter().zip(&found) {
            match extent {
                Some(extent) => located.push((*extent, want)),
                None => writer.lose(&want, missing(want.id))?,
            }
        }
    }
    let place = |extent: &Extent| (extent.pack, extent.frame_offset, extent.chunk_offset);
    located.sort_by(|(one, a), (other, b)| place(one).cmp(&place(other)).then(a.offset.cmp(&b.offset)));
    Ok(located)
}

/// The runs of wants that lie in one frame.
fn frames(located: &[(Extent, Want)]) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    let mut before = None;
    for (place, (extent, _)) in located.iter().enumerate() {
        let frame = Some((extent.pack, extent.frame));
        match ranges.last_mut().filter(|_| frame == before) {
            Some(range) => range.end = place.saturating_add(1),
            None => ranges.push(place..place.saturating_add(1)),
        }
        before = frame;
    }
    ranges
}

fn write_frame(writer: &Writer<'_>, wants: &[(Extent, Want)], scratch: &mut FrameScratch) -> Result<()> {
    let Some((first, _)) = wants.first() else { return Ok(()) };
    let frame = match writer.reader().read_frame(first, scratch) {
        Ok(frame) => frame,
        Err(error) if error.is_of_one_thing() => {
            return wants.iter().try_for_each(|(_, want)| recover(writer, want, again(&error)));
        }
        Err(error) => return Err(error),
    };
    // Once for all wants of one chunk at one place, which stand side by side.
    let chunks = || wants.chunk_by(|(here, a), (there, b)| (here, a.id) == (there, b.id));
    let slices = chunks().map(|same| same.first().and_then(|(extent, _)| frame.slice(extent)).unwrap_or_default());
    let found = writer.reader().access().naming.chunk_ids.ids(slices);
    for (same, found) in chunks().zip(found) {
        for (extent, want) in same {
            match chunk(&frame, extent, want, found) {
                Ok(bytes) => writer.put_chunk(want, bytes)?,
                Err(error) => recover(writer, want, error)?,
            }
        }
    }
    Ok(())
}

/// What can't be had from one place may lie whole in another: a collector may have moved it since it was looked up, and
/// writers that ran at the same time store a chunk twice.
fn recover(writer: &Writer<'_>, want: &Want, error: Error) -> Result<()> {
    match writer.reader().chunk(want.id) {
        Ok(bytes) if u64::try_from(bytes.len()) == Ok(want.bytes) => writer.put_chunk(want, &bytes),
        Err(lost) if !lost.is_of_one_thing() => Err(lost),
        Ok(_) | Err(_) => writer.lose(want, error),
    }
}

/// The bytes of a chunk, which hash to `found`.
fn chunk<'f>(frame: &FrameBytes<'f>, extent: &Extent, want: &Want, found: ChunkId) -> Result<&'f [u8]> {
    let bytes = frame.slice(extent).ok_or_else(|| missing(want.id))?;
    if u64::try_from(bytes.len()) != Ok(want.bytes) {
        let message = format!("chunk {} has {} bytes, and the file's list {}", want.id, bytes.len(), want.bytes);
        return Err(Error::new(ErrorKind::Damaged, message));
    }
    if found == want.id { Ok(bytes) } else { Err(missing(want.id)) }
}

fn missing(id: ChunkId) -> Error {
    let message =
        format!("{id:?} is in no committed pack, or not what its name says; run check to see what it touches");
    Error::new(ErrorKind::Damaged, message)
}

fn again(error: &Error) -> Error {
    Error::new(error.kind(), error.to_string())
}

//! Reads one regular file: holes, content, attributes, and whether it held still meanwhile.

use crate::backup::contents::Contents;
use crate::backup::links::Wholeness;
use crate::backup::metadata;
use crate::backup::problem::{ProblemKind, Problems};
use crate::manifest::{HOLE_GRAIN_BYTES, Hole, Key, Xattr};
use crate::read_buffer::ReadBuffer;
use crate::source::{Labels, Run, SourceError, TreeFile};

/// How much of a large file is read at once.
pub(super) const READ_BYTES: usize = 1 << 20;

/// A part of a file's content, in order.
pub(super) enum Part<'b> {
    /// Bytes that were read.
    Data(&'b [u8]),
    /// A hole of so many bytes.
    Hole(u64),
}

/// Reads the whole content in order, through `buffer`, handing every part to `take`. Stops early where the file ends
/// earlier than it did when it was opened.
///
/// # Errors
/// What the source could not read, or what `take` returns.
pub(super) fn read_through<E: From<SourceError>>(
    file: &dyn TreeFile,
    buffer: &mut ReadBuffer,
    holes: &mut Vec<Hole>,
    mut take: impl FnMut(Part<'_>) -> Result<(), E>,
) -> Result<(), E> {
    buffer.grow(READ_BYTES);
    let mut offset = 0;
    while let Some(run) = file.run_at(offset)? {
        match run {
            Run::Hole { start, end } => {
                push_hole(holes, start, end);
                take(Part::Hole(end.saturating_sub(start)))?;
                offset = end;
            }
            Run::Data { start, end } => {
                if !read_run(file, start, end, buffer, &mut take)? {
                    return Ok(());
                }
                offset = end;
            }
        }
    }
    Ok(())
}

/// Reads the whole of a file that is short enough to be held behind what `contents` holds already, without a copy on the
/// way. Stops early where the file ends earlier than it did when it was opened.
///
/// # Errors
/// What the source could not read.
pub(super) fn read_whole(
    file: &dyn TreeFile,
    contents: &mut Contents,
    holes: &mut Vec<Hole>,
) -> Result<(), SourceError> {
    let mut offset = 0;
    while let Some(run) = file.run_at(offset)? {
        let (Run::Hole { start, end } | Run::Data { start, end }) = run;
        let length = usize::try_from(end.saturating_sub(start)).unwrap_or(usize::MAX);
        let room = contents.room(length);
        let taken = match run {
            Run::Hole { .. } => {
                push_hole(holes, start, end);
                room.fill(0);
                length
            }
            Run::Data { .. } => file.read_at(start, room)?,
        };
        contents.advance(taken);
        if taken < length {
            break;
        }
        offset = end;
    }
    Ok(())
}

/// Where a program punches holes meanwhile, one may begin where the last one ended: they are one.
fn push_hole(holes: &mut Vec<Hole>, start: u64, end: u64) {
    let bytes = |start: u64| end.saturating_sub(start).next_multiple_of(HOLE_GRAIN_BYTES);
    match holes.last_mut() {
        Some(last) if last.offset.saturating_add(last.bytes) == start => last.bytes = bytes(last.offset),
        _ => holes.push(Hole { offset: start, bytes: bytes(start) }),
    }
}

/// False when the file ended before the run did.
fn read_run<E: From<SourceError>>(
    file: &dyn TreeFile,
    start: u64,
    end: u64,
    buffer: &mut [u8],
    take: &mut impl FnMut(Part<'_>) -> Result<(), E>,
) -> Result<bool, E> {
    let mut offset = start;
    while offset < end {
        let wanted = usize::try_from(end.saturating_sub(offset)).unwrap_or(usize::MAX).min(buffer.len());
        let part = buffer.get_mut(..wanted).unwrap_or_default();
        let read = file.read_at(offset, part)?;
        take(Part::Data(part.get(..read).unwrap_or_default()))?;
        offset = offset.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        if read < wanted {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What was read of the attributes of an entry, and whether that is all of them. What could not be read is reported.
pub(super) fn xattrs_or_problem(
    read: Result<Labels, SourceError>,
    key: &Key,
    problems: &Problems<'_>,
) -> (Vec<Xattr>, Wholeness) {
    let Labels { xattrs, unread } = read.unwrap_or_else(|error| Labels { xattrs: Vec::new(), unread: vec![error] });
    for error in &unread {
        problems.add(metadata::path_of(key), ProblemKind::Incomplete, crate::error::chain(error));
    }
    (xattrs, if unread.is_empty() { Wholeness::Whole } else { Wholeness::Lacking })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_that_touch_are_one() {
        let mut holes = Vec::new();
        for (start, end) in [(0, 4096), (4096, 12_288), (16_384, 20_480), (20_480, 20_500)] {
            push_hole(&mut holes, start, end);
        }
        assert_eq!(holes, [Hole { offset: 0, bytes: 12_288 }, Hole { offset: 16_384, bytes: 8192 }]);
    }
}

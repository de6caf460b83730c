//! Comparing files that are there with what the snapshot holds, piece by piece on all cores, so that only what differs is
//! read from the repository and written.

use crate::destination::{DestinationError, Existing, ExistingFile, Present};
use crate::error::{Error, Result};
use crate::id::ChunkId;
use crate::manifest::{Item, Kind};
use crate::restore::groups::Claims;
use crate::restore::options::Overwrite;
use crate::restore::sweep::Sweeper;
use crate::restore::window::{FileWork, Standing, Start, Want, Window};
use crate::restore::writer::Writer;
use crate::threads;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Zeros are compared, and what is passed over is copied, in pieces of so many bytes.
const PIECE_BYTES: u64 = 256 << 10;

/// What a comparison goes by.
pub(super) struct Judge<'a> {
    pub(super) writer: &'a Writer<'a>,
    pub(super) overwrite: Overwrite,
    pub(super) sweeper: &'a Sweeper<'a>,
    pub(super) claims: &'a Claims,
}

/// What has to be written of one file, or of its part in a window.
enum Verdict {
    /// Nothing.
    Nothing,
    /// All of it.
    Everything,
    /// Some of its parts.
    Parts(Differences),
}

/// The parts of a file, or of its part in a window, that differ from what is there.
#[derive(Default)]
struct Differences {
    /// Chunks, by their order.
    wants: Vec<usize>,
    /// Runs of zeros, by their order.
    zeros: Vec<usize>,
    /// What the manifest holds itself.
    inline: bool,
}

impl Judge<'_> {
    /// Compares every file of a window that is there; what is right already is wanted no more.
    ///
    /// # Errors
    /// When the target is full, or the caller stops.
    pub(super) fn settle(&self, mut window: Window) -> Result<Window> {
        let standing: Vec<Mutex<Option<Standing>>> =
            std::mem::take(&mut window.standing).into_iter().map(|one| Mutex::new(Some(one))).collect();
        if standing.is_empty() {
            return Ok(window);
        }
        let next = AtomicUsize::new(0);
        let work = || -> Result<Vec<Want>> {
            let (mut wanted, mut buffer) = (Vec::new(), Vec::new());
            while let Some(one) = standing.get(next.fetch_add(1, Ordering::Relaxed)) {
                self.writer.check_stopped()?;
                let taken = one.lock().unwrap_or_else(PoisonError::into_inner).take();
                taken.map_or(Ok(()), |standing| self.judge(standing, &mut wanted, &mut buffer))?;
            }
            Ok(wanted)
        };
        for wanted in threads::in_each(self.writer.reader().access().threads, work)? {
            window.wants.extend(wanted?);
        }
        Ok(window)
    }

    /// Judges one file; its chunks that have to be written go to `wanted`.
    fn judge(&self, standing: Standing, wanted: &mut Vec<Want>, buffer: &mut Vec<u8>) -> Result<()> {
        let Standing { file, wants, zeros } = standing;
        let decided = self.decide(&file, &wants, &zeros, buffer);
        let verdict = match decided {
            Ok(verdict) => verdict,
            Err(Unsettled::Refused(error)) => {
                self.writer.refuse(&file, error)?;
                Verdict::Nothing
            }
            Err(Unsettled::Ended(error)) => return Err(error),
        };
        let is_everything = matches!(verdict, Verdict::Everything);
        let differences = match verdict {
            Verdict::Nothing => Differences::default(),
            Verdict::Everything => Differences {
                wants: (0..wants.len()).collect(),
                zeros: (0..zeros.len()).collect(),
                inline: wants.is_empty() && zeros.is_empty(),
            },
            Verdict::Parts(differences) => differences,
        };
        if differences.inline {
            self.writer.put_inline(&file)?;
        }
        for (offset, bytes) in differences.zeros.iter().filter_map(|at| zeros.get(*at)) {
            self.writer.put_zeros(&file, *offset, *bytes)?;
        }
        self.keep_wants(wants, &differences.wants, wanted)?;
        if is_everything && file.is_damaged.load(Ordering::Relaxed) {
            self.writer.keep_length(&file)?;
        }
        self.writer.part_done(&file)
    }

    /// Hands on the chunks that have to be written; those that have not are done.
    fn keep_wants(&self, wants: Vec<Want>, differing: &[usize], wanted: &mut Vec<Want>) -> Result<()> {
        let mut differing = differing.iter().copied().peekable();
        let is_written = self.writer.hand().writes().is_some();
        for (at, want) in wants.into_iter().enumerate() {
            if differing.next_if_eq(&at).is_none() {
                self.writer.part_done(&want.file)?;
            } else if is_written {
                wanted.push(want);
            } else {
                want.file.written.fetch_add(want.bytes, Ordering::Relaxed);
                self.writer.part_done(&want.file)?;
            }
        }
        Ok(())
    }

    /// Decides what has to be written, and prepares the file's place for it.
    fn decide(
        &self,
        file: &Arc<FileWork>,
        wants: &[Want],
        zeros: &[(u64, u64)],
        buffer: &mut Vec<u8>,
    ) -> Result<Verdict, Unsettled> {
        if file.failed.load(Ordering::Relaxed) {
            return Ok(Verdict::Nothing);
        }
        let mut start = file.start();
        match *start {
            Start::Left | Start::Right => return Ok(Verdict::Nothing),
            Start::Make(_) | Start::Made => return Ok(Verdict::Everything),
            Start::Compare | Start::TakenOver => {}
        }
        let found = if *start == Start::Compare {
            match self.first_look(file)? {
                First::Decided(decided) => {
                    *start = decided;
                    let is_made = matches!(decided, Start::Make(_));
                    return Ok(if is_made { Verdict::Everything } else { Verdict::Nothing });
                }
                First::Compare(found) => *found,
            }
        } else {
            match self.writer.hand().open_existing(&file.target)? {
                Some(found) => found,
                None => return Ok(Verdict::Everything),
            }
        };
        let differences = differences(self.writer, &found, file, (wants, zeros), buffer)?;
        if *start == Start::TakenOver {
            return Ok(differences.map_or(Verdict::Nothing, Verdict::Parts));
        }
        let present = found.present();
        let is_shared = present.links > 1;
        let is_right = differences.is_none() && present.size == file.bytes;
        // Whether a file can be written to has to be known before its first part is passed over.
        let is_unsure = file.is_split.load(Ordering::Relaxed) && !found.is_writable() && !is_shared;
        if is_right && !is_unsure && self.may_stay(&present, file)? {
            self.writer.hand().hold_to(&file.target, &present);
            return Ok(Verdict::Nothing);
        }
        if is_shared || found.is_mappable()? {
            let offsets = wants.iter().map(|want| want.offset).chain(zeros.iter().map(|(offset, _)| *offset));
            *start = self.replace(file, &found, offsets.min().unwrap_or(0))?;
            return Ok(Verdict::Everything);
        }
        let Some(destination) = self.writer.hand().writes() else {
            *start = Start::TakenOver;
            return Ok(Verdict::Parts(differences.unwrap_or_default()));
        };
        if destination.take_over(found, file.bytes)?.is_some() {
            *start = Start::TakenOver;
            return Ok(Verdict::Parts(differences.unwrap_or_default()));
        }
        *start = Start::Make(Existing::Replace);
        Ok(Verdict::Everything)
    }

    /// Prepares the place of a file that must not be written to: it is made anew, with what earlier windows passed over of
    /// the one that is there.
    fn replace(&self, file: &FileWork, found: &ExistingFile, passed: u64) -> Result<Start, DestinationError> {
        let Some(destination) = self.writer.hand().writes().filter(|_| passed > 0) else {
            return Ok(Start::Make(Existing::Replace));
        };
        let made = destination.create_file(&file.target, file.bytes, Existing::Replace)?;
        let (mut at, mut buffer) = (0, Vec::new());
        while at < passed {
            let piece = PIECE_BYTES.min(passed.saturating_sub(at));
            read(found, at, piece, &mut buffer)?;
            file.write(&made, at, &buffer)?;
            at = at.saturating_add(piece);
        }
        Ok(Start::Made)
    }

    /// Whether a file with the right content stays: it has no other name, or has nothing to be set that would be seen under
    /// that, and stands for no other entry.
    fn may_stay(&self, found: &Present, file: &FileWork) -> Result<bool, Unsettled> {
        if found.links <= 1 {
            return Ok(true);
        }
        let differs = self.writer.hand().metadata_differs(&file.target, &file.metadata)?;
        Ok(!differs && self.claims.claim(found, &file.target).map_err(Unsettled::Ended)?)
    }

    /// What becomes of a file by what lies at its place, before its content is looked at.
    fn first_look(&self, file: &FileWork) -> Result<First, Unsettled> {
        let hand = self.writer.hand();
        let Some(found) = hand.look(&file.target)? else { return Ok(First::Decided(Start::Make(Existing::Refuse))) };
        if self.leaves(&found, file.metadata.mtime) {
            return Ok(First::Decided(Start::Left));
        }
        if found.kind != Kind::File {
            self.sweeper.clear_way(&file.key, &file.target, &found).map_err(Unsettled::Ended)?;
            hand.check_way(&file.target)?;
            return Ok(First::Decided(Start::Make(Existing::Reuse)));
        }
        if self.believes(&found, file) {
            if !self.may_stay(&found, file)? {
                // It is one file in the snapshot: what has another name here must not change under that name.
                return Ok(First::Decided(Start::Make(Existing::Replace)));
            }
            hand.hold_to(&file.target, &found);
            return Ok(First::Decided(Start::Right));
        }
        Ok(match hand.open_existing(&file.target)? {
            Some(found) => First::Compare(Box::new(found)),
            None => First::Decided(Start::Make(Existing::Reuse)),
        })
    }

    /// Whether a file that is there is believed to have the right content without being read.
    pub(super) fn believes(&self, found: &Present, file: &FileWork) -> bool {
        let looks_right = (found.size, found.mtime) == (file.bytes, file.metadata.mtime);
        self.overwrite == Overwrite::IfChanged && looks_right
    }

    /// Whether what is there stays whatever the snapshot holds.
    pub(super) fn leaves(&self, found: &Present, mtime: crate::manifest::Timestamp) -> bool {
        let stays = match self.overwrite {
            Overwrite::Always | Overwrite::IfChanged => false,
            Overwrite::IfNewer => found.mtime.to_ns() >= mtime.to_ns(),
            Overwrite::Never => true,
        };
        stays && !self.writer.hand().is_unfinished(found)
    }
}

/// What the first look at a file's place says.
enum First {
    Decided(Start),
    Compare(Box<ExistingFile>),
}

/// Why nothing was decided.
pub(super) enum Unsettled {
    /// The target refuses something about this file.
    Refused(DestinationError),
    /// The restore ends.
    Ended(Error),
}

impl From<DestinationError> for Unsettled {
    fn from(error: DestinationError) -> Self {
        Self::Refused(error)
    }
}

/// What of a file differs from what is there; none if nothing does.
fn differences(
    writer: &Writer<'_>,
    found: &ExistingFile,
    file: &FileWork,
    (wants, zeros): (&[Want], &[(u64, u64)]),
    buffer: &mut Vec<u8>,
) -> Result<Option<Differences>, DestinationError> {
    let mut differences = Differences::default();
    for (at, want) in wants.iter().enumerate() {
        let item = Item::Chunk { id: want.id, bytes: want.bytes };
        if !is_right(writer, found, file, (want.offset, &item), buffer)? {
            differences.wants.push(at);
        }
    }
    for (at, (offset, bytes)) in zeros.iter().enumerate() {
        if !is_right(writer, found, file, (*offset, &Item::Zeros { bytes: *bytes }), buffer)? {
            differences.zeros.push(at);
        }
    }
    differences.inline = !has_inline(found, file, buffer)?;
    let is_none = differences.wants.is_empty() && differences.zeros.is_empty() && !differences.inline;
    Ok((!is_none).then_some(differences))
}

/// Whether the bytes of one item are there, with the holes that shall be in them and no others.
pub(super) fn is_right(
    writer: &Writer<'_>,
    found: &ExistingFile,
    file: &FileWork,
    (offset, item): (u64, &Item),
    buffer: &mut Vec<u8>,
) -> Result<bool, DestinationError> {
    let bytes = item.bytes();
    let end = offset.saturating_add(bytes);
    if end > found.present().size || !found.has_holes(offset, bytes, &file.holes)? {
        return Ok(false);
    }
    match item {
        Item::Chunk { id, .. } => Ok(read(found, offset, bytes, buffer)? && is_chunk(writer, *id, buffer)),
        Item::Zeros { .. } => {
            let mut at = offset;
            while at < end {
                // Where a hole is, and shall be, nothing has to be read.
                let (is_hole, run) = file.run_at(at, end.saturating_sub(at));
                let run = if is_hole { run } else { run.min(PIECE_BYTES) };
                let is_zero = is_hole || (read(found, at, run, buffer)? && buffer.iter().all(|byte| *byte == 0));
                if !is_zero {
                    return Ok(false);
                }
                at = at.saturating_add(run);
            }
            Ok(true)
        }
    }
}

fn is_chunk(writer: &Writer<'_>, id: ChunkId, bytes: &[u8]) -> bool {
    writer.reader().access().naming.chunk_ids.id(bytes) == id
}

/// Whether what the manifest holds itself is there.
pub(super) fn has_inline(
    found: &ExistingFile,
    file: &FileWork,
    buffer: &mut Vec<u8>,
) -> Result<bool, DestinationError> {
    let length = u64::try_from(file.inline.len()).unwrap_or(u64::MAX);
    Ok(read(found, 0, length, buffer)? && *buffer == file.inline && found.has_holes(0, length, &file.holes)?)
}

/// Reads so many bytes, if there are so many.
fn read(found: &ExistingFile, offset: u64, bytes: u64, buffer: &mut Vec<u8>) -> Result<bool, DestinationError> {
    let length = usize::try_from(bytes).unwrap_or(usize::MAX);
    buffer.resize(length, 0);
    Ok(found.read_at(offset, buffer)? == length)
}

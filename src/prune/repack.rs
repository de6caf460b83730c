//! Copies the needed chunks of some packs into new ones. Runs in sessions of bounded size, each committed before the
//! next begins; what they wrote counts from then on, whatever becomes of the rest.

use crate::access::Access;
use crate::content::{Claim, Claims, ContentReader, FrameScratch};
use crate::error::{Error, ErrorKind, Result, check_stopped};
use crate::frame::Compression;
use crate::id::{ChunkId, PackId};
use crate::index::Extent;
use crate::layout::{Class, FrameRow};
use crate::outcome::OutcomeKind;
use crate::progress::{Event, Progress};
use crate::prune::marks::Marks;
use crate::prune::options::{Amount, Chosen};
use crate::prune::rows::{Needs, by_copies, for_each_group};
use crate::prune::survey::Survey;
use crate::segment::PackRow;
use crate::session::{BATCH_CHUNKS_MAX, Batch, Beating, Enough, History, Writer};
use crate::session_record::SessionKind;
use crate::store::ObjectName;
use crate::threads;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What was copied.
#[derive(Debug, Default)]
pub(super) struct Repacked {
    pub(super) written: Amount,
    /// Frames that could not be read.
    pub(super) damaged: Vec<String>,
}

/// Of a frame of which so much is needed, in parts of four, the rest may go along with it.
const CARRIED_QUARTERS_MIN: u64 = 3;

/// What is copied from.
pub(super) struct Sources {
    /// Packs of which only what is needed is copied.
    repack: BTreeSet<PackId>,
    /// Packs of which frames are copied as they are, if most of them is needed.
    merge: BTreeSet<PackId>,
}

impl Sources {
    pub(super) fn new(chosen: &Chosen) -> Self {
        let merge = chosen.merge.iter().copied().collect();
        Self { repack: chosen.repack.iter().copied().collect(), merge }
    }

    pub(super) fn are_none(&self) -> bool {
        self.repack.is_empty() && self.merge.is_empty()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = PackId> {
        self.repack.iter().chain(&self.merge).copied()
    }
}

/// The session of the generation, which stays open, and who opens those in which the packs are written.
pub(super) struct Sessions<'a> {
    pub(super) generation: &'a mut Beating,
    pub(super) writer: &'a Writer,
}

/// Copies what is needed out of the packs `sources`, each chunk once. Those packs, and all others that are to go, must be
/// excluded from the index: a chunk that has another copy is not copied. Frames are read and proved on all threads.
///
/// # Errors
/// When the store fails, a session is ended by somebody else, or the caller stops; [`ErrorKind::Damaged`] when a source
/// is gone. One that can't be read is in the report.
pub(super) fn repack(
    access: &Access,
    survey: &Survey,
    marks: &Marks,
    sources: &Sources,
    compression: Compression,
    sessions: Sessions<'_>,
    progress: &dyn Progress,
) -> Result<Repacked> {
    let (history, repacked) = (&survey.history, Repacked::default());
    let sink = Sink { access, history, progress, compression, batch: None, sessions, repacked };
    let copier = Copier {
        access,
        sources,
        progress,
        reader: ContentReader::new(access.clone()),
        claims: Claims::new(Arc::clone(&access.index)),
        sink: Mutex::new(sink),
    };
    let outcome = by_copies(survey, marks, &sources.all().collect())?.iter().try_for_each(|(packs, copies)| {
        for_each_group(access, survey, marks, (packs, *copies), &mut |group| copier.group(group))
    });
    let outcome = outcome.and_then(|()| copier.sink().commit(&copier.claims));
    let mut sink = copier.sink.into_inner().unwrap_or_else(PoisonError::into_inner);
    match outcome {
        Ok(()) => Ok(sink.repacked),
        Err(error) => {
            if let Some(batch) = sink.batch.take() {
                batch.give_up(access, &error);
            }
            Err(error)
        }
    }
}

struct Copier<'a> {
    access: &'a Access,
    sources: &'a Sources,
    progress: &'a dyn Progress,
    reader: ContentReader,
    claims: Claims,
    sink: Mutex<Sink<'a>>,
}

/// One frame, and what was found of its chunks.
struct Piece<'g> {
    row: &'g PackRow,
    class: Class,
    /// Whether what isn't needed may go along.
    is_merged: bool,
    lengths: &'g [u32],
    chunks: Vec<Held>,
}

/// A chunk of the frame at hand.
struct Held {
    id: ChunkId,
    here: Extent,
    is_needed: bool,
    /// Where a look-up finds it, if it is needed.
    found: Option<Extent>,
}

impl<'a> Copier<'a> {
    /// Nothing is committed within a group: where its chunks lie was looked up before.
    fn group(&self, group: &[Needs<'_>]) -> Result<()> {
        let pieces = Mutex::new(Some(group.iter().flat_map(|needs| self.pieces(needs))));
        let next = || pieces.lock().unwrap_or_else(PoisonError::into_inner).as_mut().and_then(Iterator::next);
        let work = || {
            let mut scratch = FrameScratch::default();
            while let Some(piece) = next() {
                if let Err(error) = self.piece(&piece, &mut scratch) {
                    // The others have no more to do.
                    *pieces.lock().unwrap_or_else(PoisonError::into_inner) = None;
                    return Err(error);
                }
            }
            Ok(())
        };
        if self.access.threads <= 1 {
            work()?;
        } else {
            threads::in_each(self.access.threads, work)?.into_iter().collect::<Result<()>>()?;
        }
        let mut sink = self.sink();
        if sink.is_full() { sink.commit(&self.claims) } else { Ok(()) }
    }

    fn pieces<'g>(&self, needs: &Needs<'g>) -> impl Iterator<Item = Piece<'g>> {
        let (row, known) = (needs.row, needs.known);
        let is_merged = self.sources.merge.contains(&row.facts().pack);
        let mut rest = row.ids().iter().zip(needs.flags).zip(needs.found);
        row.frames().frames().map(move |frame: FrameRow<'g>| {
            let chunks = frame.chunks().zip(&mut rest).map(|(place, ((id, is_needed), found))| Held {
                id: *id,
                here: Extent::new(known.ordinal, place),
                is_needed: *is_needed,
                found: *found,
            });
            Piece { row, class: known.class, is_merged, lengths: frame.lengths, chunks: chunks.collect() }
        })
    }

    fn piece(&self, piece: &Piece<'_>, scratch: &mut FrameScratch) -> Result<()> {
        check_stopped(self.progress)?;
        let is_there = || self.access.store.exists(&ObjectName::Pack(piece.row.facts().pack));
        match self.copy(piece, scratch) {
            Err(error) if error.kind() == ErrorKind::Damaged && is_there()? => {
                self.sink().repacked.damaged.push(error.to_string());
                Ok(())
            }
            // Also that a pack is gone which was there when it was chosen: another collector was faster.
            outcome => outcome,
        }
    }

    /// Copies what is needed of one frame, each chunk proved against its id before any is claimed.
    fn copy(&self, piece: &Piece<'_>, scratch: &mut FrameScratch) -> Result<()> {
        let wanted = wanted(&piece.chunks, piece.is_merged);
        let Some(first) = wanted.first() else { return Ok(()) };
        let frame = self.reader.read_frame(&first.here, scratch)?;
        let slices = || wanted.iter().map(|one| frame.slice(&one.here));
        let found = self.access.naming.ids_of(piece.class, slices().map(Option::unwrap_or_default));
        let mut chunks = Vec::with_capacity(wanted.len());
        for ((Held { id, .. }, bytes), found) in wanted.iter().zip(slices()).zip(found) {
            chunks.push(bytes.filter(|_| found == *id).ok_or_else(|| {
                let message = format!("chunk {id} is not what its pack should hold; run check to see what it touches");
                Error::new(ErrorKind::Damaged, message)
            })?);
        }
        let claims: Vec<Claim> = wanted.iter().map(|one| self.claims.claim_found(&one.id, one.found)).collect();
        // Of a pack whose row lies about lengths the ids belong to other bytes than the frame's own chunks.
        let is_whole = wanted.len() == piece.lengths.len() && piece.lengths == frame.decoded().lengths();
        let mut sink = self.sink();
        let batch = sink.batch()?;
        if is_whole && claims.iter().all(|claim| *claim == Claim::New) {
            let ids: Vec<ChunkId> = wanted.iter().map(|one| one.id).collect();
            let enough = if piece.is_merged { Enough::Half } else { Enough::Full };
            return batch.add_frame(self.access, (piece.class, enough), &ids, &frame);
        }
        let mut claimed = wanted.iter().zip(chunks).zip(claims);
        claimed.try_for_each(|((one, bytes), claim)| match claim {
            Claim::New if one.is_needed => batch.add(self.access, piece.class, one.id, bytes),
            Claim::New | Claim::Known | Claim::InFlight => Ok(()),
        })
    }

    fn sink(&self) -> MutexGuard<'_, Sink<'a>> {
        self.sink.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The chunks of a frame to copy: those that are needed, or all of them where little goes along.
fn wanted(chunks: &[Held], is_merged: bool) -> Vec<&Held> {
    let raw_bytes = |is_counted: &dyn Fn(&Held) -> bool| {
        let counted = chunks.iter().filter(|chunk| is_counted(chunk));
        counted.map(|chunk| u64::from(chunk.here.chunk_bytes)).fold(0, u64::saturating_add)
    };
    let (all_bytes, needed_bytes) = (raw_bytes(&|_| true), raw_bytes(&|chunk| chunk.is_needed));
    let is_carried = is_merged && needed_bytes.saturating_mul(4) >= all_bytes.saturating_mul(CARRIED_QUARTERS_MIN);
    chunks.iter().filter(|chunk| is_carried || chunk.is_needed).collect()
}

/// Where all threads put what they copied.
struct Sink<'a> {
    access: &'a Access,
    history: &'a History,
    progress: &'a dyn Progress,
    compression: Compression,
    batch: Option<Batch>,
    sessions: Sessions<'a>,
    repacked: Repacked,
}

impl Sink<'_> {
    /// Where the next chunk is put. Batches show themselves that their sessions live.
    fn batch(&mut self) -> Result<&mut Batch> {
        self.sessions.generation.beat_if_due(self.access)?;
        if self.batch.is_none() {
            let session = Beating::open(self.access, self.history, SessionKind::Repack, self.sessions.writer)?;
            self.batch = Some(Batch::begin(self.access, session, self.compression)?);
        }
        Ok(self.batch.as_mut().expect("just begun"))
    }

    fn is_full(&self) -> bool {
        self.batch.as_ref().is_some_and(|batch| batch.chunks().len() >= BATCH_CHUNKS_MAX)
    }

    /// Publishes the packs, then the segments, then the outcome; only then the index may answer with them.
    fn commit(&mut self, claims: &Claims) -> Result<()> {
        let Some(batch) = &mut self.batch else { return Ok(()) };
        batch.commit(self.access, OutcomeKind::Repack, Vec::new())?;
        for row in batch.rows() {
            let stored_bytes = row.facts().bytes;
            self.repacked.written.add(stored_bytes);
            self.progress.event(&Event::Stored { raw_bytes: row.frames().raw_bytes(), stored_bytes });
        }
        claims.release(batch.chunks().iter().copied());
        self.batch = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::PackOrdinal;
    use crate::layout::{ChunkPlace, FramePlace};

    #[test]
    fn at_most_a_quarter_of_a_frame_goes_along_and_only_where_packs_are_merged() {
        let frame = FramePlace { number: 0, offset: 128, stored_bytes: 500 };
        let held = |(number, chunk_bytes, is_needed): (u8, u32, bool)| {
            let place = ChunkPlace { frame, chunk_offset: 0, chunk_bytes };
            let here = Extent::new(PackOrdinal(7), place);
            Held { id: ChunkId::from_bytes([number; 32]), here, is_needed, found: None }
        };
        let numbers = |chunks: [(u8, u32, bool); 3], is_merged: bool| -> Vec<u8> {
            let chunks = chunks.map(held);
            wanted(&chunks, is_merged).iter().map(|one| one.id.as_bytes()[0]).collect()
        };
        let mostly = [(1, 50, true), (2, 100, false), (3, 250, true)];
        assert_eq!((numbers(mostly, true), numbers(mostly, false)), (vec![1, 2, 3], vec![1, 3]));
        assert_eq!(numbers([(1, 50, true), (2, 101, false), (3, 250, true)], true), [1, 3]);
        assert!(numbers([(1, 50, false), (2, 0, false), (3, 250, false)], true).is_empty());
    }
}

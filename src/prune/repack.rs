//! Copies the needed chunks of some packs into new ones. Runs in sessions of bounded size, each committed before the
//! next begins; what they wrote counts from then on, whatever becomes of the rest.

use crate::access::Access;
use crate::content::{Claim, Claims, ContentReader, FrameScratch};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::Compression;
use crate::id::{ChunkId, PackId};
use crate::index::Extent;
use crate::layout::Class;
use crate::outcome::OutcomeKind;
use crate::progress::{Event, Progress};
use crate::prune::marks::Marks;
use crate::prune::measure::for_each_row;
use crate::prune::options::Amount;
use crate::prune::survey::{self, Known, Survey, interrupted};
use crate::segment::PackRow;
use crate::session::{BATCH_CHUNKS_MAX, Batch, Beating};
use crate::store::ObjectName;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What was copied.
#[derive(Debug, Default)]
pub(super) struct Repacked {
    pub(super) written: Amount,
    /// Packs of which a frame could not be read.
    pub(super) damaged: Vec<String>,
}

/// Opens the session under which the next packs are written.
pub(super) type Sessions<'a> = dyn FnMut() -> Result<Beating> + 'a;

/// Copies what is needed out of the packs `sources`, each chunk once. Those packs, and all others that are to go, must be
/// excluded from the index: a chunk that has another copy is not copied.
///
/// # Errors
/// When the store fails, a session is ended by somebody else, or the caller stops; [`ErrorKind::Damaged`] when a source
/// is gone. One that can't be read is in the report.
pub(super) fn repack(
    access: &Access,
    survey: &Survey,
    marks: &Marks,
    sources: &BTreeSet<PackId>,
    compression: Compression,
    sessions: &mut Sessions<'_>,
    progress: &dyn Progress,
) -> Result<Repacked> {
    let mut copier = Copier {
        access,
        marks,
        progress,
        reader: ContentReader::new(access.clone()),
        scratch: FrameScratch::default(),
        claims: Claims::new(Arc::clone(&access.index)),
        compression,
        batch: None,
        sessions,
        repacked: Repacked::default(),
    };
    let outcome = for_each_row(access, survey, sources, &mut |row, known| copier.pack(row, known));
    match outcome.and_then(|()| copier.commit()) {
        Ok(()) => Ok(copier.repacked),
        Err(error) => {
            if let Some(batch) = copier.batch.take() {
                batch.give_up(access, &error);
            }
            Err(error)
        }
    }
}

struct Copier<'a, 's> {
    access: &'a Access,
    marks: &'a Marks,
    progress: &'a dyn Progress,
    reader: ContentReader,
    scratch: FrameScratch,
    claims: Claims,
    compression: Compression,
    batch: Option<Batch>,
    sessions: &'a mut Sessions<'s>,
    repacked: Repacked,
}

impl Copier<'_, '_> {
    fn pack(&mut self, row: &PackRow, known: &Known) -> Result<()> {
        let mut flags = Vec::new();
        self.marks.answer(row.ids(), &mut flags)?;
        let mut chunk = 0usize;
        for frame in row.frames().frames() {
            if self.progress.stopped() {
                return Err(interrupted());
            }
            let chunks = chunk..chunk.saturating_add(frame.lengths.len());
            chunk = chunks.end;
            let ids = row.ids().get(chunks.clone()).unwrap_or_default();
            let flags = flags.get(chunks).unwrap_or_default();
            let places: Vec<(ChunkId, Extent)> = ids
                .iter()
                .zip(frame.chunks())
                .zip(flags)
                .filter(|(_, is_needed)| **is_needed)
                .map(|((id, place), _)| (*id, Extent::new(known.ordinal, place)))
                .collect();
            match self.frame(known.class, frame.lengths, &places) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Damaged && self.is_there(row)? => {
                    self.repacked.damaged.push(error.to_string());
                }
                // Also that a pack is gone which was there when it was chosen: another collector was faster.
                Err(error) => return Err(error),
            }
        }
        if self.batch.as_ref().is_some_and(|batch| batch.chunks().len() >= BATCH_CHUNKS_MAX) {
            self.commit()?;
        }
        Ok(())
    }

    fn is_there(&self, row: &PackRow) -> Result<bool> {
        survey::is_there(self.access, &ObjectName::Pack(row.facts().pack))
    }

    /// Copies the needed chunks of one frame, each proved against its id before any is claimed. `lengths` are those of all
    /// its chunks.
    fn frame(&mut self, class: Class, lengths: &[u32], places: &[(ChunkId, Extent)]) -> Result<()> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let copied = self.copy(class, lengths, places, &mut scratch);
        self.scratch = scratch;
        copied
    }

    fn copy(
        &mut self,
        class: Class,
        lengths: &[u32],
        places: &[(ChunkId, Extent)],
        scratch: &mut FrameScratch,
    ) -> Result<()> {
        let Some((_, first)) = places.first() else { return Ok(()) };
        let access = self.access;
        let frame = self.reader.read_frame(first, scratch)?;
        let mut chunks = Vec::with_capacity(places.len());
        for (id, extent) in places {
            let bytes = frame.slice(extent).filter(|bytes| access.naming.id_of(class, bytes) == *id);
            chunks.push(bytes.ok_or_else(|| {
                let message = format!("chunk {id} is not what its pack should hold; run check to see what it touches");
                Error::new(ErrorKind::Damaged, message)
            })?);
        }
        let (mut found, mut claims) = (Vec::new(), Vec::new());
        let ids: Vec<ChunkId> = places.iter().map(|(id, _)| *id).collect();
        self.claims.claim(&ids, &mut found, &mut claims)?;
        // Of a pack whose row lies about lengths the ids belong to other bytes than the frame's own chunks.
        let is_whole = ids.len() == lengths.len() && lengths == frame.decoded().lengths();
        if is_whole && claims.iter().all(|claim| *claim == Claim::New) {
            return self.batch()?.add_frame(access, class, &ids, &frame);
        }
        let claimed = ids.iter().zip(chunks).zip(claims).filter(|(_, claim)| *claim == Claim::New);
        claimed.into_iter().try_for_each(|((id, bytes), _)| self.batch()?.add(access, class, *id, bytes))
    }

    fn batch(&mut self) -> Result<&mut Batch> {
        if self.batch.is_none() {
            let session = (self.sessions)()?;
            self.batch = Some(Batch::begin(self.access, session, self.compression));
        }
        Ok(self.batch.as_mut().expect("just begun"))
    }

    /// Publishes the packs, then the segments, then the outcome; only then the index may answer with them.
    fn commit(&mut self) -> Result<()> {
        let Some(batch) = &mut self.batch else { return Ok(()) };
        batch.commit(self.access, OutcomeKind::Repack, Vec::new())?;
        for row in batch.rows() {
            let stored_bytes = row.facts().bytes;
            self.repacked.written.add(stored_bytes);
            self.progress.event(&Event::Stored { raw_bytes: row.frames().raw_bytes(), stored_bytes });
        }
        self.claims.release(batch.chunks().iter().copied());
        self.batch = None;
        Ok(())
    }
}

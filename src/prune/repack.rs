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
use crate::prune::options::Amount;
use crate::prune::rows::{Needs, by_copies, for_each_group};
use crate::prune::survey::{self, Survey, interrupted};
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
        progress,
        reader: ContentReader::new(access.clone()),
        scratch: FrameScratch::default(),
        claims: Claims::new(Arc::clone(&access.index)),
        compression,
        batch: None,
        sessions,
        repacked: Repacked::default(),
    };
    let outcome = by_copies(survey, marks, sources)?.iter().try_for_each(|(packs, copies)| {
        for_each_group(access, survey, marks, (packs, *copies), &mut |group| copier.group(group))
    });
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
    progress: &'a dyn Progress,
    reader: ContentReader,
    scratch: FrameScratch,
    claims: Claims,
    compression: Compression,
    batch: Option<Batch>,
    sessions: &'a mut Sessions<'s>,
    repacked: Repacked,
}

/// A needed chunk of the frame at hand.
struct Wanted {
    id: ChunkId,
    here: Extent,
    /// Where a look-up finds it.
    found: Option<Extent>,
}

impl Copier<'_, '_> {
    /// Nothing is committed within a group: where its chunks lie was looked up before.
    fn group(&mut self, group: &[Needs<'_>]) -> Result<()> {
        group.iter().try_for_each(|needs| self.pack(needs))?;
        match &self.batch {
            Some(batch) if batch.chunks().len() >= BATCH_CHUNKS_MAX => self.commit(),
            _ => Ok(()),
        }
    }

    fn pack(&mut self, needs: &Needs<'_>) -> Result<()> {
        let (row, known) = (needs.row, needs.known);
        let mut chunks = row.ids().iter().zip(needs.flags).zip(needs.found);
        for frame in row.frames().frames() {
            if self.progress.stopped() {
                return Err(interrupted());
            }
            let of_frame = frame.chunks().zip(&mut chunks).filter(|(_, ((_, is_needed), _))| **is_needed);
            let needed = of_frame.map(|(place, ((id, _), found))| Wanted {
                id: *id,
                here: Extent::new(known.ordinal, place),
                found: *found,
            });
            match self.frame(known.class, frame.lengths, &needed.collect::<Vec<_>>()) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Damaged && self.is_there(row)? => {
                    self.repacked.damaged.push(error.to_string());
                }
                // Also that a pack is gone which was there when it was chosen: another collector was faster.
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn is_there(&self, row: &PackRow) -> Result<bool> {
        survey::is_there(self.access, &ObjectName::Pack(row.facts().pack))
    }

    /// Copies the needed chunks of one frame, each proved against its id before any is claimed. `lengths` are those of all
    /// its chunks.
    fn frame(&mut self, class: Class, lengths: &[u32], needed: &[Wanted]) -> Result<()> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let copied = self.copy(class, lengths, needed, &mut scratch);
        self.scratch = scratch;
        copied
    }

    fn copy(&mut self, class: Class, lengths: &[u32], needed: &[Wanted], scratch: &mut FrameScratch) -> Result<()> {
        let Some(first) = needed.first() else { return Ok(()) };
        let access = self.access;
        let frame = self.reader.read_frame(&first.here, scratch)?;
        let slices = || needed.iter().map(|one| frame.slice(&one.here));
        let found = access.naming.ids_of(class, slices().map(Option::unwrap_or_default));
        let mut chunks = Vec::with_capacity(needed.len());
        for ((Wanted { id, .. }, bytes), found) in needed.iter().zip(slices()).zip(found) {
            chunks.push(bytes.filter(|_| found == *id).ok_or_else(|| {
                let message = format!("chunk {id} is not what its pack should hold; run check to see what it touches");
                Error::new(ErrorKind::Damaged, message)
            })?);
        }
        let claims: Vec<Claim> = needed.iter().map(|one| self.claims.claim_found(&one.id, one.found)).collect();
        // Of a pack whose row lies about lengths the ids belong to other bytes than the frame's own chunks.
        let is_whole = needed.len() == lengths.len() && lengths == frame.decoded().lengths();
        if is_whole && claims.iter().all(|claim| *claim == Claim::New) {
            let ids: Vec<ChunkId> = needed.iter().map(|one| one.id).collect();
            return self.batch()?.add_frame(access, class, &ids, &frame);
        }
        let mut claimed = needed.iter().zip(chunks).zip(claims).filter(|(_, claim)| *claim == Claim::New);
        claimed.try_for_each(|((one, bytes), _)| self.batch()?.add(access, class, one.id, bytes))
    }

    fn batch(&mut self) -> Result<&mut Batch> {
        if self.batch.is_none() {
            let session = (self.sessions)()?;
            self.batch = Some(Batch::begin(self.access, session, self.compression)?);
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

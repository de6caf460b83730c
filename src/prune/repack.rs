//! Copies the needed chunks of some packs into new ones. Runs in sessions of bounded size, each committed before the
//! next begins; what they wrote counts from then on, whatever becomes of the rest.

use crate::access::Access;
use crate::content::{
    Claim, Claims, ClosedPack, ContentReader, FrameWriter, NODE_FRAME_BYTES_TARGET, PackStream, RawFrame, StoredTotals,
};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::Compression;
use crate::id::{ChunkId, PackId, SessionId};
use crate::index::Extent;
use crate::layout::Class;
use crate::outcome::OutcomeKind;
use crate::progress::{Event, Progress};
use crate::prune::marks::Marks;
use crate::prune::measure::for_each_row;
use crate::prune::options::Amount;
use crate::prune::survey::{self, Known, Survey, interrupted};
use crate::segment::PackRow;
use crate::session::{Beating, Ledger};
use crate::store::ObjectName;
use crossbeam_channel::{Receiver, Sender, unbounded};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A session is committed when it names so many chunks: its claims and rows are in memory until then.
const SESSION_CHUNKS_MAX: usize = 400_000;

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
            if let Some(Batch { session, lanes, closed, .. }) = copier.batch.take() {
                // What a full medium holds of unfinished packs makes room for the abort.
                drop((lanes, closed));
                give_up(access, &session, &error);
            }
            Err(error)
        }
    }
}

/// Ends a session that failed. On a full medium its abort takes from the reserve: while it is open, nothing that was
/// condemned can be deleted.
pub(super) fn give_up(access: &Access, session: &Beating, error: &Error) {
    if error.kind() == ErrorKind::NoSpace {
        let _ = access.store.give_up_reserve();
    }
    session.abort(access);
}

struct Copier<'a, 's> {
    access: &'a Access,
    marks: &'a Marks,
    progress: &'a dyn Progress,
    reader: ContentReader,
    claims: Claims,
    compression: Compression,
    batch: Option<Batch>,
    sessions: &'a mut Sessions<'s>,
    repacked: Repacked,
}

/// One session's packs.
struct Batch {
    session: Beating,
    lanes: [Lane; 3],
    closed: Receiver<ClosedPack>,
    ledger: Ledger,
    chunks: Vec<ChunkId>,
}

/// The frames of one class.
struct Lane {
    class: Class,
    stream: Arc<PackStream>,
    writer: FrameWriter,
    gathering: RawFrame,
    frame_bytes_target: usize,
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
            match self.frame(known.class, &places) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Damaged && self.is_there(row)? => {
                    self.repacked.damaged.push(error.to_string());
                }
                // Also that a pack is gone which was there when it was chosen: another collector was faster.
                Err(error) => return Err(error),
            }
        }
        if self.batch.as_ref().is_some_and(|batch| batch.chunks.len() >= SESSION_CHUNKS_MAX) {
            self.commit()?;
        }
        Ok(())
    }

    fn is_there(&self, row: &PackRow) -> Result<bool> {
        survey::is_there(self.access, &ObjectName::Pack(row.facts().pack))
    }

    /// Copies the needed chunks of one frame, each proved against its id before it is claimed.
    fn frame(&mut self, class: Class, places: &[(ChunkId, Extent)]) -> Result<()> {
        let Some((_, first)) = places.first() else { return Ok(()) };
        let frame = self.reader.decode_frame(first)?;
        for (id, extent) in places {
            let bytes = frame.slice(extent).filter(|bytes| self.id_of(class, bytes) == *id).ok_or_else(|| {
                let message = format!("chunk {id} is not what its pack should hold; run check to see what it touches");
                Error::new(ErrorKind::Damaged, message)
            })?;
            if self.claims.claim_one(*id)? == Claim::New {
                self.batch()?.add(class, *id, bytes)?;
            }
        }
        Ok(())
    }

    fn id_of(&self, class: Class, bytes: &[u8]) -> ChunkId {
        let naming = &self.access.naming;
        match class {
            Class::Content => naming.chunk_ids.id(bytes),
            Class::Manifest | Class::Stat => naming.node_ids.id(bytes).as_chunk(),
        }
    }

    fn batch(&mut self) -> Result<&mut Batch> {
        if self.batch.is_none() {
            let session = (self.sessions)()?;
            self.batch = Some(Batch::begin(self.access, session, self.compression));
        }
        let batch = self.batch.as_mut().expect("just begun");
        batch.take_closed(self.access)?;
        batch.session.beat_if_due(self.access)?;
        Ok(batch)
    }

    /// Publishes the packs, then the segments, then the outcome; only then the index may answer with them.
    fn commit(&mut self) -> Result<()> {
        let Some(batch) = &mut self.batch else { return Ok(()) };
        batch.end(self.access)?;
        let published = batch.ledger.publish(self.access)?;
        batch.session.commit(self.access, OutcomeKind::Repack, batch.ledger.pack_ids(), published.references())?;
        published.apply(self.access)?;
        for row in batch.ledger.rows() {
            let stored_bytes = row.facts().bytes;
            self.repacked.written.add(stored_bytes);
            self.progress.event(&Event::Stored { raw_bytes: row.frames().raw_bytes(), stored_bytes });
        }
        self.claims.release(batch.chunks.drain(..));
        self.batch = None;
        Ok(())
    }
}

impl Batch {
    fn begin(access: &Access, session: Beating, compression: Compression) -> Self {
        let (sender, closed) = unbounded();
        let lanes = Class::ALL.map(|class| Lane::new(access, class, session.id(), &sender, compression));
        Self { session, lanes, closed, ledger: Ledger::default(), chunks: Vec::new() }
    }

    fn add(&mut self, class: Class, id: ChunkId, bytes: &[u8]) -> Result<()> {
        self.chunks.push(id);
        let lane = self.lanes.iter_mut().find(|lane| lane.class == class).expect("there is one for each class");
        lane.add(id, bytes)
    }

    /// Makes the packs durable that have all their frames.
    fn take_closed(&mut self, access: &Access) -> Result<()> {
        while let Ok(pack) = self.closed.try_recv() {
            self.ledger.add(pack.finish(access)?);
        }
        Ok(())
    }

    fn end(&mut self, access: &Access) -> Result<()> {
        for lane in &mut self.lanes {
            lane.writer.store(&mut lane.gathering)?;
            lane.stream.end()?;
        }
        self.take_closed(access)
    }
}

impl Lane {
    fn new(
        access: &Access,
        class: Class,
        session: SessionId,
        closed: &Sender<ClosedPack>,
        compression: Compression,
    ) -> Self {
        let source = Box::new(move || Ok(session));
        let stream = Arc::new(PackStream::new(access.clone(), class, source, closed.clone()));
        let writer = FrameWriter::new(Arc::clone(&stream), Arc::new(StoredTotals::default()), compression);
        let content_bytes_target = usize::try_from(access.config().parameters.frame_bytes_target).unwrap_or(usize::MAX);
        let frame_bytes_target = match class {
            Class::Content => content_bytes_target,
            Class::Manifest | Class::Stat => NODE_FRAME_BYTES_TARGET,
        };
        Self { class, stream, writer, gathering: RawFrame::default(), frame_bytes_target }
    }

    fn add(&mut self, id: ChunkId, bytes: &[u8]) -> Result<()> {
        if !self.gathering.chunks.fits(bytes.len()) {
            self.writer.store(&mut self.gathering)?;
        }
        self.gathering.chunks.push(bytes);
        self.gathering.ids.push(id);
        if self.gathering.chunks.is_full(self.frame_bytes_target) {
            self.writer.store(&mut self.gathering)?;
        }
        Ok(())
    }
}

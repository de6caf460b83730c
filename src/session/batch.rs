//! Chunks on their way into packs of a session of their own: for whoever moves what is stored, or stores it anew, and
//! has the chunks one after the other. Frames are compressed and stored on all threads.

use crate::access::Access;
use crate::content::{ClosedPack, FrameBytes, FrameCrew, FrameWriter, NODE_FRAME_BYTES_TARGET, PackStream, RawFrame};
use crate::error::{Error, Result};
use crate::frame::Compression;
use crate::id::{ChunkId, SessionId, SnapshotId};
use crate::layout::Class;
use crate::outcome::{Component, OutcomeDescription, OutcomeKind, SegmentRef};
use crate::segment::PackRow;
use crate::session::attributes::BodyAttributes;
use crate::session::beating::Beating;
use crate::session::ledger::{Ledger, PublishedSegments};
use crate::session::running;
use crate::wire::List;
use crossbeam_channel::{Receiver, Sender, unbounded};
use std::sync::Arc;

/// A session is committed when it names so many chunks: their ids and rows are in memory until then.
pub const BATCH_CHUNKS_MAX: usize = 400_000;

/// What a snapshot says that is made in a batch.
#[derive(Debug, Clone)]
pub struct SnapshotDraft {
    /// When it was taken, in nanoseconds since the epoch.
    pub time_ns: i64,
    /// What it holds.
    pub components: Vec<Component>,
    /// What else it says.
    pub attributes: BodyAttributes,
    /// Who made it of what.
    pub description: OutcomeDescription,
}

/// How full a frame must be to be stored as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enough {
    /// As full as those that are made anew.
    Full,
    /// Half as full.
    Half,
}

/// One session's packs. Memory: 70 bytes for each chunk, a frame for each class, and two for each thread.
pub struct Batch {
    session: Beating,
    lanes: [Lane; 3],
    /// With a writer for each lane, in their order.
    crew: FrameCrew,
    closed: Receiver<ClosedPack>,
    ledger: Ledger,
    chunks: Vec<ChunkId>,
}

/// The frames of one class.
struct Lane {
    class: Class,
    stream: Arc<PackStream>,
    gathering: RawFrame,
    frame_bytes_target: usize,
}

impl Batch {
    /// Begins with nothing, in a session that is open.
    ///
    /// # Errors
    /// When a thread does not start; the session was given up then.
    pub fn begin(access: &Access, session: Beating, compression: Compression) -> Result<Self> {
        let (sender, closed) = unbounded();
        let lanes = Class::ALL.map(|class| Lane::new(access, class, session.id(), &sender));
        let writer = |lane: &Lane| FrameWriter::new(Arc::clone(&lane.stream), Arc::default(), compression);
        let crew = FrameCrew::new(access.threads.saturating_sub(1), &|| lanes.iter().map(writer).collect())
            .inspect_err(|error| session.give_up(access, error))?;
        Ok(Self { session, lanes, crew, closed, ledger: Ledger::default(), chunks: Vec::new() })
    }

    /// Stores a chunk, and shows that the session lives.
    ///
    /// # Errors
    /// When the store can't take it.
    pub fn add(&mut self, access: &Access, class: Class, id: ChunkId, bytes: &[u8]) -> Result<()> {
        self.take_closed(access)?;
        self.session.beat_if_due(access)?;
        self.chunks.push(id);
        let (writer, lane) = of_class(&mut self.lanes, class);
        lane.add(id, bytes, &mut |full| self.crew.store(writer, full))
    }

    /// Stores all chunks of a frame, which were proved: a frame that is full enough as it is, whatever it was compressed with.
    ///
    /// # Errors
    /// When the store can't take it.
    pub fn add_frame(
        &mut self,
        access: &Access,
        (class, enough): (Class, Enough),
        ids: &[ChunkId],
        frame: &FrameBytes<'_>,
    ) -> Result<()> {
        let (writer, lane) = of_class(&mut self.lanes, class);
        let bytes_min = match enough {
            Enough::Full => lane.frame_bytes_target,
            Enough::Half => lane.frame_bytes_target / 2,
        };
        if frame.decoded().raw_bytes().len() < bytes_min {
            return ids
                .iter()
                .zip(frame.decoded().chunks())
                .try_for_each(|(id, bytes)| self.add(access, class, *id, bytes));
        }
        self.take_closed(access)?;
        self.session.beat_if_due(access)?;
        self.chunks.extend_from_slice(ids);
        self.crew.carry_over(writer, ids, frame)
    }

    /// Shows that the session lives, if it is time for that.
    ///
    /// # Errors
    /// When the store can't take the heartbeat.
    pub fn beat_if_due(&mut self, access: &Access) -> Result<()> {
        self.session.beat_if_due(access)
    }

    /// The chunks that were added.
    pub fn chunks(&self) -> &[ChunkId] {
        &self.chunks
    }

    /// The packs that are durable: all of them, once the batch is committed.
    pub fn rows(&self) -> &[PackRow] {
        self.ledger.rows()
    }

    /// Publishes the packs, then their segments, then the outcome, which names `others` as well; only then the index may
    /// answer with them.
    ///
    /// # Errors
    /// When the store can't take them, or somebody else ended the session; nothing was committed then. When the index can't:
    /// then it is committed all the same.
    pub fn commit(&mut self, access: &Access, kind: OutcomeKind, others: Vec<SegmentRef>) -> Result<()> {
        let published = self.publish(access)?;
        let segments = published.references().into_iter().chain(others).collect();
        self.session.commit(access, kind, self.ledger.pack_ids(), segments)?;
        Ok(published.apply(access.index.as_ref())?)
    }

    /// As [`Self::commit`], with an outcome that is a snapshot. Returns its id.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub fn commit_snapshot(&mut self, access: &Access, draft: SnapshotDraft) -> Result<SnapshotId> {
        let published = self.publish(access)?;
        let mut body = self.session.outcome(OutcomeKind::Snapshot, self.ledger.pack_ids(), published.references());
        body.time_ns = draft.time_ns;
        body.components = List(draft.components);
        body.attributes = draft.attributes.encode();
        let hash = self.session.commit_body(access, body, Some(&draft.description))?;
        published.apply_last(access);
        Ok(SnapshotId::from(hash))
    }

    fn publish(&mut self, access: &Access) -> Result<PublishedSegments> {
        for (writer, lane) in (0..).zip(&mut self.lanes) {
            self.crew.store(writer, &mut lane.gathering)?;
        }
        self.crew.finish()?;
        self.lanes.iter().try_for_each(|lane| lane.stream.end())?;
        self.take_closed(access)?;
        self.ledger.publish(access)
    }

    /// Ends the session because there is nothing to commit.
    pub fn abort(self, access: &Access) {
        self.session.abort(access);
    }

    /// Ends the session after a failure.
    pub fn give_up(self, access: &Access, error: &Error) {
        let Self { session, lanes, crew, closed, .. } = self;
        // What a full medium holds of unfinished packs makes room for the abort.
        drop((crew, lanes, closed));
        session.give_up(access, error);
    }

    /// Makes the packs durable that have all their frames.
    fn take_closed(&mut self, access: &Access) -> Result<()> {
        while let Ok(pack) = self.closed.try_recv() {
            self.ledger.add(running::finish(access, pack)?);
        }
        Ok(())
    }
}

/// The lane of a class, and the number of its writers.
fn of_class(lanes: &mut [Lane], class: Class) -> (usize, &mut Lane) {
    (0..).zip(lanes).find(|(_, lane)| lane.class == class).expect("there is one for each class")
}

impl Lane {
    fn new(access: &Access, class: Class, session: SessionId, closed: &Sender<ClosedPack>) -> Self {
        let source = Box::new(move || Ok(session));
        let stream = Arc::new(PackStream::new(access.clone(), class, source, closed.clone()));
        let content_bytes_target = usize::try_from(access.config().parameters.frame_bytes_target).unwrap_or(usize::MAX);
        let frame_bytes_target = match class {
            Class::Content => content_bytes_target,
            Class::Manifest | Class::Stat => NODE_FRAME_BYTES_TARGET,
        };
        Self { class, stream, gathering: RawFrame::default(), frame_bytes_target }
    }

    fn add(&mut self, id: ChunkId, bytes: &[u8], store: &mut dyn FnMut(&mut RawFrame) -> Result<()>) -> Result<()> {
        if !self.gathering.chunks.fits(bytes.len()) {
            store(&mut self.gathering)?;
        }
        self.gathering.chunks.push(bytes);
        self.gathering.ids.push(id);
        if self.gathering.chunks.is_full(self.frame_bytes_target) { store(&mut self.gathering) } else { Ok(()) }
    }
}

//! The packs that a run fills, beside the thread that finishes them and commits content in checkpoints on the way.

use crate::access::Access;
use crate::content::{Claims, ClosedPack, FrameWriter, NodeWriter, PackStream, StoredAmount, StoredTotals};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Compression, EncoderFault};
use crate::layout::Class;
use crate::session::attributes::Written;
use crate::session::checkpoint::{CheckpointSessions, Checkpointer};
use crate::session::ledger::Ledger;
use crate::session::running::{RunningSession, Writer};
use crate::threads;
use crossbeam_channel::{Sender, bounded};
use std::sync::Arc;

/// How many closed packs may wait for their fsync. With the one being filled and the one being synced this bounds what
/// an interrupted run loses.
const CLOSED_PACKS_MAX: usize = 1;

/// Who fills packs.
pub struct Packing<'a> {
    /// The repository.
    pub access: &'a Access,
    /// The session that trees are stored in; content is in checkpoint sessions of the same client.
    pub main: RunningSession,
    /// Who writes.
    pub writer: &'a Writer,
    /// How to compress.
    pub compression: Compression,
    /// A defect of the encoder, on purpose.
    pub fault: Option<&'a EncoderFault>,
}

/// The packs that are being filled, and what was counted of what they hold.
pub struct OpenPacks {
    access: Access,
    compression: Compression,
    fault: Option<EncoderFault>,
    /// Of content.
    pub content: Arc<PackStream>,
    manifest: Arc<PackStream>,
    stat: Arc<PackStream>,
    content_totals: Arc<StoredTotals>,
    tree_totals: Arc<StoredTotals>,
    /// Who stores which chunk.
    pub claims: Arc<Claims>,
}

/// What was packed.
pub struct Packed {
    /// The main session's packs, durable and not yet published.
    pub main: Ledger,
    /// What was new of content.
    pub content: StoredAmount,
    /// What was new of tree nodes.
    pub trees: StoredAmount,
}

impl Packed {
    /// The same as the outcome says it.
    pub const fn written(&self) -> Written {
        Written {
            raw_bytes: self.content.raw_bytes.saturating_add(self.trees.raw_bytes),
            stored_bytes: self.content.stored_bytes.saturating_add(self.trees.stored_bytes),
        }
    }
}

impl Packing<'_> {
    /// Has `work` fill packs; when it returns, all of them are durable that it has [ended](OpenPacks::end). Dropping them
    /// ends the thread that finishes packs.
    ///
    /// # Errors
    /// The first failure of the store, or what `work` returns.
    pub fn run<T>(&self, work: impl FnOnce(OpenPacks) -> Result<T>) -> Result<(T, Packed)> {
        let (closed_sender, closed) = bounded::<ClosedPack>(CLOSED_PACKS_MAX);
        let sessions = Arc::new(CheckpointSessions::new(self.access.clone(), self.writer.clone(), self.main.id.client));
        let packs = self.open(&sessions, closed_sender);
        let checkpointer = Checkpointer {
            access: self.access.clone(),
            main: self.main,
            sessions,
            content: Arc::downgrade(&packs.content),
            claims: Arc::clone(&packs.claims),
        };
        let (content, trees) = (Arc::clone(&packs.content_totals), Arc::clone(&packs.tree_totals));
        let (made, ledger) = std::thread::scope(|scope| {
            // Dropped when the checkpointer fails: whoever has a pack to hand over must not wait for it for ever.
            let checkpoints = threads::start(scope, move || {
                let closed = closed;
                checkpointer.run(&closed)
            })?;
            let made = work(packs);
            Ok::<_, Error>((made, threads::join(checkpoints)))
        })?;
        match (made, ledger) {
            (Ok(made), Ok(main)) => Ok((made, Packed { main, content: content.amount(), trees: trees.amount() })),
            (Err(error), Ok(_)) => Err(error),
            (Err(error), Err(_)) if error.kind() != ErrorKind::Aborted => Err(error),
            // The checkpointer's failure is the cause of what the others then ran into.
            (_, Err(cause)) => Err(cause),
        }
    }

    fn open(&self, sessions: &Arc<CheckpointSessions>, closed: Sender<ClosedPack>) -> OpenPacks {
        let main = self.main.id;
        let stream = |class, sessions, closed| Arc::new(PackStream::new(self.access.clone(), class, sessions, closed));
        let checkpoint = {
            let sessions = Arc::clone(sessions);
            Box::new(move || sessions.open(main.number))
        };
        OpenPacks {
            access: self.access.clone(),
            compression: self.compression,
            fault: self.fault.cloned(),
            content: stream(Class::Content, checkpoint, closed.clone()),
            manifest: stream(Class::Manifest, Box::new(move || Ok(main)), closed.clone()),
            stat: stream(Class::Stat, Box::new(move || Ok(main)), closed),
            content_totals: Arc::default(),
            tree_totals: Arc::default(),
            claims: Arc::new(Claims::new(Arc::clone(&self.access.index))),
        }
    }
}

impl OpenPacks {
    /// Stores frames of content. One per thread.
    pub fn content_writer(&self) -> FrameWriter {
        self.frame_writer(&self.content, &self.content_totals)
    }

    /// Stores the nodes of manifests, and of lists of many items.
    pub fn manifest_writer(&self) -> NodeWriter {
        self.node_writer(&self.manifest)
    }

    /// Stores the nodes of stat trees.
    pub fn stat_writer(&self) -> NodeWriter {
        self.node_writer(&self.stat)
    }

    fn node_writer(&self, stream: &Arc<PackStream>) -> NodeWriter {
        let writer = self.frame_writer(stream, &self.tree_totals);
        NodeWriter::new(self.access.clone(), Arc::clone(&self.claims), writer)
    }

    fn frame_writer(&self, stream: &Arc<PackStream>, totals: &Arc<StoredTotals>) -> FrameWriter {
        FrameWriter::new(Arc::clone(stream), Arc::clone(totals), self.compression).fault(self.fault.clone())
    }

    /// Closes what is being filled: nothing is added any more.
    ///
    /// # Errors
    /// When a pack can't be handed over.
    pub fn end(&self) -> Result<()> {
        [&self.content, &self.manifest, &self.stat].into_iter().try_for_each(|stream| stream.end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::testing::Keys;
    use crate::config::Parameters;
    use crate::content::RawFrame;
    use crate::frame::Compression;
    use crate::id::{ChunkId, SessionId};
    use crate::outcome::OutcomeKind;
    use crate::session::{self, Batch, Beating, History};
    use crate::session_record::SessionKind;
    use crate::store::LocalStore;
    use std::path::Path;

    const CHUNK: ChunkId = ChunkId::from_bytes([1; 32]);

    fn access(directory: &Path) -> Access {
        let store = LocalStore::create(&directory.join("repository")).unwrap();
        Keys::new(Parameters::default()).open(Arc::new(store), directory)
    }

    /// Ends every session as a person does, and sweeps as a prune does then.
    fn end_all(access: &Access) -> Vec<SessionId> {
        let open: Vec<SessionId> = History::load(access).unwrap().open.into_iter().collect();
        open.iter()
            .for_each(|id| assert_eq!(session::abort_open(access, *id).unwrap(), session::AbortOutcome::Aborted));
        access.store.sweep_temporaries(&|owner| owner.is_some_and(|id| open.contains(&id))).unwrap();
        open
    }

    /// It once ended with the system's word that a file is not there.
    #[test]
    fn a_run_that_was_ended_while_it_was_stopped_is_told_so_when_its_files_are_gone() {
        let directory = tempfile::tempdir().unwrap();
        let access = access(directory.path());
        let client = session::load(&access).unwrap().client;
        let writer = Writer::default();
        let main = session::open(&access, client, 1, SessionKind::Backup, &writer).unwrap();
        let compression = Compression::Off;
        let packed = Packing { access: &access, main, writer: &writer, compression, fault: None }.run(|packs| {
            let mut frames = packs.content_writer();
            let mut frame = RawFrame::default();
            frame.chunks.push(b"content");
            frame.ids.push(CHUNK);
            frames.store(&mut frame)?;
            assert_eq!(end_all(&access).len(), 2);
            packs.end()
        });
        let told = packed.map(drop).unwrap_err();
        assert_eq!(told.kind(), ErrorKind::Aborted, "{told}");
        assert!(told.to_string().contains("aborted by someone else"), "{told}");
    }

    #[test]
    fn a_batch_that_was_ended_while_it_was_stopped_is_told_so_when_its_files_are_gone() {
        let directory = tempfile::tempdir().unwrap();
        let access = Access { threads: 1, ..access(directory.path()) };
        let history = History::load(&access).unwrap();
        let session = Beating::open(&access, &history, SessionKind::Repack, &Writer::default()).unwrap();
        let mut batch = Batch::begin(&access, session, Compression::Off).unwrap();
        // More than a frame, so that there is a file of the pack.
        for number in 0..64 {
            let chunk = vec![number; 1 << 18];
            batch.add(&access, Class::Content, ChunkId::from_bytes([number; 32]), &chunk).unwrap();
        }
        end_all(&access);
        let told = batch.commit(&access, OutcomeKind::Repack, Vec::new()).unwrap_err();
        assert_eq!(told.kind(), ErrorKind::Aborted, "{told}");
        assert!(told.to_string().contains("aborted by someone else"), "{told}");
    }
}

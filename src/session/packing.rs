//! The packs that a run fills, beside the thread that finishes them and commits content in checkpoints on the way.

use crate::access::Access;
use crate::content::{Claims, ClosedPack, PackStream, StoredTotals};
use crate::error::{Error, ErrorKind, Result};
use crate::layout::Class;
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
}

/// The packs that are being filled, and what was counted of what they hold.
pub struct OpenPacks {
    /// Of content.
    pub content: Arc<PackStream>,
    /// Of manifests.
    pub manifest: Arc<PackStream>,
    /// Of stat trees.
    pub stat: Arc<PackStream>,
    /// Of all content.
    pub content_totals: Arc<StoredTotals>,
    /// Of all tree nodes.
    pub tree_totals: Arc<StoredTotals>,
    /// Who stores which chunk.
    pub claims: Arc<Claims>,
}

/// What was packed.
pub struct Packed {
    /// The main session's packs, durable and not yet published.
    pub main: Ledger,
    /// Of content.
    pub content: Arc<StoredTotals>,
    /// Of tree nodes.
    pub trees: Arc<StoredTotals>,
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
            (Ok(made), Ok(main)) => Ok((made, Packed { main, content, trees })),
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
    /// Closes what is being filled: nothing is added any more.
    ///
    /// # Errors
    /// When a pack can't be handed over.
    pub fn end(&self) -> Result<()> {
        [&self.content, &self.manifest, &self.stat].into_iter().try_for_each(|stream| stream.end())
    }
}

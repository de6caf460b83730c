//! Chunks and nodes on their way into a snapshot that one thread makes: it gathers, the others compress, and content is
//! committed in checkpoints on the way.

use crate::access::Access;
use crate::content::{Claim, Claims, Framer, NodeWriter, surplus};
use crate::error::Result;
use crate::id::ChunkId;
use crate::session::packing::{OpenPacks, Packed, Packing};
use crate::threads;
use std::sync::Arc;

/// Takes the chunks and nodes of one snapshot. What the repository has is not stored again.
pub struct Intake<'a> {
    access: &'a Access,
    claims: Arc<Claims>,
    framer: Framer,
    /// Takes the nodes of manifests, and of lists of many items.
    pub nodes: NodeWriter,
    /// Takes the nodes of stat trees.
    pub stat_nodes: NodeWriter,
}

impl Intake<'_> {
    /// The repository that takes them.
    pub const fn access(&self) -> &Access {
        self.access
    }

    /// Claims a chunk: when it is new it must be [added](Self::add).
    ///
    /// # Errors
    /// When the index can't be read.
    pub fn claim(&self, id: ChunkId) -> Result<Claim> {
        self.claims.claim_one(id)
    }

    /// Stores a chunk that was claimed as new.
    ///
    /// # Errors
    /// When the store can't take it.
    pub fn add(&mut self, id: ChunkId, bytes: &[u8]) -> Result<()> {
        self.framer.add(id, bytes)
    }
}

impl Packing<'_> {
    /// Has `work` hand over everything that is to be stored; when it returns, all of that is durable. Content that was
    /// stored until a failure, or a wish to stop, is committed where that is possible, so that another run finds it.
    ///
    /// # Errors
    /// What `work` returns, or the first failure of the store. The main session is left undecided.
    pub fn gather<T>(&self, work: impl FnOnce(&mut Intake<'_>) -> Result<T>) -> Result<(T, Packed)> {
        self.run(|packs| {
            let made = self.fill(&packs, work);
            let ended = packs.end();
            made.and_then(|made| ended.map(|()| made))
        })
    }

    /// Runs everything above the packs.
    fn fill<T>(&self, packs: &OpenPacks, work: impl FnOnce(&mut Intake<'_>) -> Result<T>) -> Result<T> {
        std::thread::scope(|scope| {
            let (surplus_sender, surplus) = surplus();
            let helpers: Vec<_> = (1..self.access.threads)
                .map(|_| {
                    let (mut writer, surplus) = (packs.content_writer(), surplus.clone());
                    threads::start(scope, move || surplus.store_all(&mut writer))
                })
                .collect::<Result<_, _>>()?;
            let mut intake = Intake {
                access: self.access,
                claims: Arc::clone(&packs.claims),
                framer: Framer::new(self.access, packs.content_writer(), surplus_sender),
                nodes: packs.manifest_writer(),
                stat_nodes: packs.stat_writer(),
            };
            let made = work(&mut intake);
            let flushed = intake.framer.flush();
            let flushed = flushed.and_then(|()| intake.nodes.flush()).and_then(|()| intake.stat_nodes.flush());
            // The helpers end when nobody is left who could hand them a frame.
            drop(intake);
            let helped: Result<Vec<()>> = helpers.into_iter().map(threads::join).collect();
            let made = made?;
            flushed.and(helped).map(|_| made)
        })
    }
}

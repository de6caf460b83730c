//! One pack while it grows and when it has all its frames.

use crate::access::Access;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{ChunkId, SessionId};
use crate::layout::FrameTable;
use crate::pack::{PackHasher, PackOpener, PackSealer, Padding};
use crate::segment::{PackFacts, PackRow};
use crate::store::{Created, ObjectName, Spool};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A pack that is being written by several threads.
pub(super) struct GrowingPack {
    pub(super) sealer: PackSealer,
    pub(super) opener: PackOpener,
    writing: Mutex<Writing>,
}

/// All frames that a pack was given, whether they are in already or not.
pub(super) struct PackPlan {
    pub(super) table: FrameTable,
    pub(super) ids: Vec<ChunkId>,
}

struct Writing {
    spool: Option<Box<dyn Spool>>,
    hasher: PackHasher,
    bytes: u64,
    /// Frames that were sealed before one with a lower number; at most one a worker.
    early: BTreeMap<u32, Vec<u8>>,
    next_number: u32,
    /// Known once no more frames will be added.
    plan: Option<PackPlan>,
}

impl GrowingPack {
    pub(super) fn begin(sealer: PackSealer, spool: Box<dyn Spool>) -> Result<Self> {
        let mut writing = Writing {
            spool: Some(spool),
            hasher: PackHasher::new(),
            bytes: 0,
            early: BTreeMap::new(),
            next_number: 0,
            plan: None,
        };
        writing.append(&sealer.header_bytes())?;
        Ok(Self { opener: sealer.opener(), sealer, writing: Mutex::new(writing) })
    }

    /// Takes one frame; true when the pack has all of them now.
    pub(super) fn fill(&self, number: u32, stored: &[u8]) -> Result<bool> {
        let mut writing = self.lock();
        if number != writing.next_number {
            writing.early.insert(number, stored.to_vec());
            return Ok(false);
        }
        writing.append_next(stored)?;
        while let Some(next) = writing.take_early() {
            writing.append_next(&next)?;
        }
        Ok(writing.is_complete())
    }

    /// Says which frames there will be; true when they are all in already.
    pub(super) fn close(&self, plan: PackPlan) -> bool {
        let mut writing = self.lock();
        writing.plan = Some(plan);
        writing.is_complete()
    }

    fn lock(&self) -> MutexGuard<'_, Writing> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writing {
    fn take_early(&mut self) -> Option<Vec<u8>> {
        self.early.remove(&self.next_number)
    }

    fn append_next(&mut self, stored: &[u8]) -> Result<()> {
        self.append(stored)?;
        self.next_number = self.next_number.saturating_add(1);
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.spool.as_mut().ok_or_else(given_up)?.append(bytes)?;
        self.hasher.update(bytes);
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    fn is_complete(&self) -> bool {
        self.plan.as_ref().is_some_and(|plan| plan.table.frame_count() == self.next_number)
    }
}

/// A pack that has all its frames; only its footer, its name and its durability are missing.
pub struct ClosedPack {
    pack: Arc<GrowingPack>,
}

impl ClosedPack {
    pub(super) const fn new(pack: Arc<GrowingPack>) -> Self {
        Self { pack }
    }

    /// The session that will publish the pack.
    pub fn session(&self) -> SessionId {
        self.pack.sealer.header().session
    }

    /// Writes the end of the pack and makes it durable under its name. Costs an fsync of the pack and of its folder.
    ///
    /// # Errors
    /// When the store can't take it; the pack is then gone and its session must be aborted.
    pub fn finish(self, access: &Access) -> Result<PackRow> {
        let mut writing = self.pack.lock();
        let plan = writing.plan.take().ok_or_else(given_up)?;
        let end = self.pack.sealer.seal_end(&plan.table, Padding::WhereCheap);
        writing.append(&end)?;
        let pack = writing.hasher.id();
        let spool = writing.spool.take().ok_or_else(given_up)?;
        match spool.publish(&ObjectName::Pack(pack))? {
            Created::New => {}
            // Its salt was drawn at random: nobody else can have made these bytes.
            Created::Exists => {
                let message = format!("pack {pack} exists already; this machine's random numbers repeat themselves");
                return Err(Error::new(ErrorKind::Damaged, message));
            }
        }
        let header = self.pack.sealer.header();
        let facts = PackFacts {
            pack,
            class: header.class,
            bytes: writing.bytes,
            signer: access.ring.signer(),
            session: header.session,
        };
        Ok(PackRow::new(facts, plan.table, plan.ids)?)
    }
}

fn given_up() -> Error {
    Error::new(ErrorKind::Aborted, "the pack was given up")
}

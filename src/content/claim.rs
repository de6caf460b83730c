//! Who stores a chunk: the first to claim it. Everyone after finds it known (a committed pack holds it) or in flight
//! (this run is storing it).

use crate::error::Result;
use crate::id::ChunkId;
use crate::index::{Extent, Index};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// How many locks share the chunks in flight; a power of two, so that the first byte of an id picks one.
const SHARDS: usize = 16;

/// What became of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// Nobody has it: the claimant must store it.
    New,
    /// A committed pack holds it.
    Known,
    /// Another part of this run is storing it.
    InFlight,
}

/// The claims of one run. Memory: 32 bytes and a little for each chunk that no applied segment names yet, which the
/// checkpoints bound.
pub struct Claims {
    index: Arc<dyn Index>,
    in_flight: [Mutex<HashSet<ChunkId>>; SHARDS],
}

impl Claims {
    /// Starts with nothing in flight.
    pub fn new(index: Arc<dyn Index>) -> Self {
        Self { index, in_flight: std::array::from_fn(|_| Mutex::default()) }
    }

    /// Claims every id in turn; `found` is scratch space. A second `New` for one id never happens before the first
    /// was released.
    ///
    /// # Errors
    /// When the index can't be read.
    pub fn claim(&self, ids: &[ChunkId], found: &mut Vec<Option<Extent>>, claims: &mut Vec<Claim>) -> Result<()> {
        claims.clear();
        found.clear();
        self.index.lookup(ids, found)?;
        claims.extend(ids.iter().zip(found.iter()).map(|(id, extent)| self.claim_found(id, *extent)));
        Ok(())
    }

    /// Claims one id for which the index gave this answer, since which no claim was released.
    pub fn claim_found(&self, id: &ChunkId, found: Option<Extent>) -> Claim {
        match found {
            Some(_) => Claim::Known,
            None if self.shard(id).insert(*id) => Claim::New,
            None => Claim::InFlight,
        }
    }

    /// Claims one id.
    ///
    /// # Errors
    /// When the index can't be read.
    pub fn claim_one(&self, id: ChunkId) -> Result<Claim> {
        let mut claims = Vec::with_capacity(1);
        self.claim(&[id], &mut Vec::with_capacity(1), &mut claims)?;
        Ok(claims.pop().unwrap_or(Claim::InFlight))
    }

    /// Lets go of ids that the index now knows: call after the segment that names them was applied, never before.
    pub fn release(&self, ids: impl IntoIterator<Item = ChunkId>) {
        for id in ids {
            self.shard(&id).remove(&id);
        }
    }

    fn shard(&self, id: &ChunkId) -> std::sync::MutexGuard<'_, HashSet<ChunkId>> {
        let [first, ..] = id.as_bytes();
        let shard = self.in_flight.get(usize::from(*first) % SHARDS).expect("the remainder is below the length");
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

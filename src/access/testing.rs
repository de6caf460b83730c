//! Open repositories for tests of engines: any store, an index in memory, no password.

use super::{Access, Naming};
use crate::config::{ConfigChain, Parameters};
use crate::id::RepositoryId;
use crate::index::MemoryIndex;
use crate::key::KeyRing;
use crate::store::Store;
use std::path::Path;
use std::sync::Arc;

/// The keys of one repository, from which any number of clients open it.
#[derive(Clone)]
pub(crate) struct Keys {
    ring: Arc<KeyRing>,
    chain: Arc<ConfigChain>,
    naming: Arc<Naming>,
}

impl Keys {
    /// Makes a repository's keys. Nothing is stored: what opens it has them already.
    pub(crate) fn new(parameters: Parameters) -> Self {
        Self::of(KeyRing::create(parameters, 1).unwrap())
    }

    /// The same keys in every run: where trees and files are cut depends on them, and so does what snapshots share.
    pub(crate) fn fixed(parameters: Parameters) -> Self {
        Self::of(KeyRing::create_fixed(RepositoryId::from_bytes([0x5e; 16]), parameters, 1, 0x10))
    }

    fn of((ring, config): (KeyRing, Vec<u8>)) -> Self {
        let chain = ConfigChain::load(&[(0, config)], ring.config_zero()).unwrap();
        let naming = Naming::derive(&ring, &chain).unwrap();
        Self { ring: Arc::new(ring), chain: Arc::new(chain), naming: Arc::new(naming) }
    }

    /// Opens a store as a client whose state lies below `directory`.
    pub(crate) fn open(&self, store: Arc<dyn Store>, directory: &Path) -> Access {
        Access {
            store,
            index: Arc::new(MemoryIndex::new()),
            ring: Arc::clone(&self.ring),
            chain: Arc::clone(&self.chain),
            naming: Arc::clone(&self.naming),
            state_dir: directory.join("state"),
            cache_dir: directory.join("cache"),
            memory_bytes: 128 << 20,
            threads: 1,
            catch_up: None,
            behind: Arc::default(),
            used_copies: Arc::default(),
        }
    }
}

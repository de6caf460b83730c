//! What every program begins with: two repositories in memory, and a place for the files of their clients.

use super::program::Client;
use crate::config::{Parameters, Role};
use crate::error::Result;
use crate::id::{ObjectHash, RepositoryId};
use crate::key::{KdfCost, KeyRing, Unlock, seal_slot};
use crate::keys::{Grant, NewKeyOptions};
use crate::repository::{AcceptRollback, OpenOptions, Repository};
use crate::seal::{self, Secret};
use crate::store::{Created, Folder, Listed, MemoryStore, ObjectName, Store};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

/// Everything in a store.
pub(super) type Objects = Vec<(ObjectName, Vec<u8>)>;

/// Longest object that is read whole.
const OBJECT_BYTES_MAX: u64 = 1 << 30;

/// A folder that goes with its owner.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        // State files are synced; memory is quicker.
        let memory = Path::new("/dev/shm");
        let parent = if memory.is_dir() { memory } else { Path::new("/tmp") };
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("holdall-operations-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("there is space for small files");
        Self(path)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left over is a few small files in memory.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The two repositories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Home,
    /// Snapshots are copied here.
    Copies,
}

impl Place {
    const fn name(self) -> &'static str {
        match self {
            Self::Home => "home",
            Self::Copies => "copies",
        }
    }
}

/// The repositories as they are when a program begins.
pub(super) struct Ground {
    pub(super) home: Objects,
    pub(super) copies: Objects,
}

/// The same keys in every run: where trees and files are cut depends on them.
pub(super) static GROUND: LazyLock<Ground> =
    LazyLock::new(|| Ground { home: found(0x10).expect("home"), copies: found(0x60).expect("copies") });

fn secret(client: Client) -> Secret {
    Secret::from_bytes([if client.only_writes() { 0xc1 } else { 0xc0 }; 32])
}

fn parameters() -> Parameters {
    Parameters {
        chunk_bytes_min: 4 << 10,
        chunk_bytes_avg: 16 << 10,
        chunk_bytes_max: 64 << 10,
        frame_bytes_target: 64 << 10,
        pack_bytes_target: 1 << 20,
        manifest_leaf_mean: 4,
        stat_leaf_mean: 4,
        inner_mean: 4,
        item_mean: 4,
        ..Parameters::default()
    }
}

fn found(from: u8) -> Result<Objects> {
    seal::testing::draw_from(from.into());
    let (ring, config) = KeyRing::create_fixed(RepositoryId::from_bytes([from; 16]), parameters(), 1, from);
    let owner = secret(Client::Owner);
    let slot = seal_slot(&ring, Unlock::KeyFile(&owner), KdfCost::CHEAP, b"owner", 1)?;
    let store = MemoryStore::new();
    let slot_name = ObjectName::Key(ObjectHash::of(&slot));
    assert_eq!(store.create(&slot_name, &slot)?, Created::New);
    assert_eq!(store.create(&ObjectName::Config(0), &config)?, Created::New);
    let scratch = Scratch::new();
    let options = OpenOptions::new(scratch.path("cache"), scratch.path("state"));
    let repository = Repository::open_store(Arc::new(store.clone()), Unlock::KeyFile(&owner), options)?;
    let grant = NewKeyOptions::new("writer").grant(Grant::NewKey(Role::Put)).kdf(KdfCost::CHEAP);
    repository.add_key(Unlock::KeyFile(&secret(Client::Writer)), &grant)?;
    objects(&store)
}

/// Everything in a store, by names.
pub(super) fn objects(store: &MemoryStore) -> Result<Objects> {
    let mut objects = Vec::new();
    for folder in Folder::ALL {
        for name in names(store, folder)? {
            objects.push((name, store.read(&name, OBJECT_BYTES_MAX)?));
        }
    }
    Ok(objects)
}

/// The names in a folder, the shortest object first: names are drawn by chance, lengths hardly ever.
pub(super) fn names(store: &MemoryStore, folder: Folder) -> Result<Vec<ObjectName>> {
    let mut found = Vec::new();
    store.list(folder, &mut |listed| {
        if let Listed::Object { name, bytes } = listed {
            found.push((bytes, name));
        }
    })?;
    found.sort_unstable();
    Ok(found.into_iter().map(|(_, name)| name).collect())
}

pub(super) fn fill(store: &MemoryStore, objects: &Objects) {
    objects.iter().for_each(|(name, bytes)| store.overwrite(*name, bytes));
}

/// Opens a repository as `client`, with the state that `whose` names.
pub(super) fn open(
    scratch: &Scratch,
    (place, store): (Place, Arc<dyn Store>),
    (client, whose): (Client, &str),
    accept: AcceptRollback,
) -> Result<Repository> {
    let folder = scratch.path(&format!("{whose}-{}", place.name()));
    let options = OpenOptions::new(folder.join("cache"), folder.join("state")).threads(1).memory_bytes(16 << 20);
    Repository::open_store(store, Unlock::KeyFile(&secret(client)), options.accept_rollback(accept))
}

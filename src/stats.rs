//! How much a repository holds.

use crate::access::Access;
use crate::error::Result;
use crate::layout::Class;
use crate::session::{self, History};
use crate::store::{Folder, Listed, Store};
use std::collections::BTreeMap;

/// How much a repository holds, and in what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RepositoryStats {
    /// Snapshots that are not forgotten.
    pub snapshot_count: u64,
    /// Bytes of content of those snapshots, as if each stood alone.
    pub logical_bytes: u64,
    /// Bytes of all objects but parity and second copies.
    pub stored_bytes: u64,
    /// Bytes of parity and second copies.
    pub protection_bytes: u64,
    /// Objects and their bytes, by folder.
    pub folders: BTreeMap<String, FolderStats>,
    /// Packs that count, by what they hold.
    pub classes: BTreeMap<String, ClassStats>,
    /// Distinct chunks and nodes, copies counted.
    pub chunk_count: u64,
}

/// How much lies in a folder of the store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FolderStats {
    /// Objects.
    pub object_count: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// How much lies in packs of one class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClassStats {
    /// Packs.
    pub pack_count: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Chunks or nodes in them.
    pub chunk_count: u64,
}

/// Counts the objects of a folder. Costs a listing of it.
///
/// # Errors
/// When it can't be listed to its end.
pub fn folder_stats(store: &dyn Store, folder: Folder) -> Result<FolderStats> {
    let mut counted = FolderStats::default();
    store.list(folder, &mut |listed| {
        if let Listed::Object { bytes, .. } = listed {
            counted.object_count = counted.object_count.saturating_add(1);
            counted.bytes = counted.bytes.saturating_add(bytes);
        }
    })?;
    Ok(counted)
}

/// Counts everything. Costs a listing of the store.
///
/// # Errors
/// When the store can't be listed, or the index not be read.
pub fn run(access: &Access, history: &History) -> Result<RepositoryStats> {
    let mut stats = RepositoryStats::default();
    for folder in Folder::ALL {
        let counted = folder_stats(access.store.as_ref(), folder)?;
        let total = match folder {
            Folder::Parity | Folder::Mirror => &mut stats.protection_bytes,
            Folder::Config
            | Folder::Keys
            | Folder::Packs
            | Folder::Segments
            | Folder::Sessions
            | Folder::Heartbeats
            | Folder::Outcomes
            | Folder::Records
            | Folder::Verified
            | Folder::Gc => &mut stats.stored_bytes,
        };
        *total = total.saturating_add(counted.bytes);
        stats.folders.insert(folder.to_string(), counted);
    }
    for snapshot in session::all(history).iter().filter(|snapshot| !snapshot.forgotten) {
        stats.snapshot_count = stats.snapshot_count.saturating_add(1);
        stats.logical_bytes = stats.logical_bytes.saturating_add(snapshot.counts().bytes);
    }
    for class in Class::ALL {
        stats.classes.insert(class.to_string(), ClassStats::default());
    }
    let uncounted = session::uncounted_packs(access, history)?;
    access.index.for_each_pack(&mut |_, entry| {
        if uncounted.contains(&entry.id) {
            return;
        }
        stats.chunk_count = stats.chunk_count.saturating_add(entry.chunk_count);
        let counted = stats.classes.entry(entry.class.to_string()).or_default();
        counted.pack_count = counted.pack_count.saturating_add(1);
        counted.bytes = counted.bytes.saturating_add(entry.bytes);
        counted.chunk_count = counted.chunk_count.saturating_add(entry.chunk_count);
    })?;
    Ok(stats)
}

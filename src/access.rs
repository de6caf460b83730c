//! What every operation works with: the store, the keys, the configuration and the index of one open repository.

mod behind;

pub use behind::Behind;

use crate::chunk::{ChunkIdKey, CutParameters, Cutter, Gear};
use crate::config::{Config, ConfigChain};
use crate::error::{Error, ErrorKind, Result};
use crate::id::ChunkId;
use crate::index::{Index, MemoryIndex, Scratch, open_scratch};
use crate::key::KeyRing;
use crate::layout::Class;
use crate::manifest::{BoundaryKey, HardLinkKey, ItemTreeBuilder, Means, NodeIdKey};
use crate::store::{SecondCopies, Store, UsedCopies};
use std::path::PathBuf;
use std::sync::Arc;

/// An open repository's parts, shared by every thread of an operation.
#[derive(Clone)]
pub struct Access {
    /// Where the objects live.
    pub store: Arc<dyn Store>,
    /// Where the chunks are.
    pub index: Arc<dyn Index>,
    /// The secrets of the role that opened the repository.
    pub ring: Arc<KeyRing>,
    /// The configurations, verified from the first on.
    pub chain: Arc<ConfigChain>,
    /// What derives from the naming root.
    pub naming: Arc<Naming>,
    /// Where the user's state for this repository lies: client id, last number, journals.
    pub state_dir: PathBuf,
    /// Where the user's cache for this repository lies: the view of the index, temporary tables.
    pub cache_dir: PathBuf,
    /// How many bytes an operation may use besides the index's own cache.
    pub memory_bytes: u64,
    /// How many threads compress, or decode.
    pub threads: usize,
    /// Brings the index to what is committed now, for readers that find a pack gone: a collector may have moved what was
    /// in it. None where nothing moves.
    pub catch_up: Option<CatchUp>,
    /// What this machine could not note of what it committed, or not know of what it needed.
    pub behind: Arc<Behind>,
    /// Of which objects second copies were read.
    pub used_copies: Arc<UsedCopies>,
}

/// Brings the index of an open repository up to date.
pub type CatchUp = Arc<dyn Fn(&Access) -> Result<()> + Send + Sync>;

/// The keys that give chunks and nodes their names and cut points their places.
pub struct Naming {
    /// Names chunks.
    pub chunk_ids: ChunkIdKey,
    /// Names tree nodes.
    pub node_ids: NodeIdKey,
    /// Places the ends of tree nodes.
    pub boundary: BoundaryKey,
    /// Names groups of hard links.
    pub hard_links: HardLinkKey,
    /// Places the ends of chunks.
    pub gear: Gear,
    /// The sizes between which chunks are cut.
    pub cuts: CutParameters,
    /// Mean counts of rows in the manifest's nodes.
    pub manifest_means: Means,
    /// Mean counts of rows in the stat tree's nodes.
    pub stat_means: Means,
    /// Mean counts of rows in the nodes of item trees.
    pub item_means: Means,
}

impl Naming {
    /// Derives everything from the secrets of a role and the parameters in force.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] when the parameters are ones that this program can't work with.
    pub fn derive(ring: &KeyRing, chain: &ConfigChain) -> Result<Self> {
        let parameters = chain.latest().parameters;
        let cuts = CutParameters::parse(
            parameters.chunk_bytes_min,
            parameters.chunk_bytes_avg,
            parameters.chunk_bytes_max,
            parameters.normalization,
        )
        .map_err(|cause| {
            Error::new(ErrorKind::Unsupported, "the repository's chunk sizes can't be used").because(cause)
        })?;
        Ok(Self {
            chunk_ids: ChunkIdKey::from_bytes(*ring.chunk_id_key().expose()),
            node_ids: NodeIdKey::new(ring.node_id_key()),
            boundary: BoundaryKey::new(ring.boundary_key()),
            hard_links: HardLinkKey::new(ring.hard_link_key()),
            gear: Gear::derive(ring.gear_key().expose()),
            cuts,
            manifest_means: means(parameters.manifest_leaf_mean, parameters.inner_mean)?,
            stat_means: means(parameters.stat_leaf_mean, parameters.inner_mean)?,
            item_means: means(parameters.item_mean, parameters.inner_mean)?,
        })
    }

    /// Names what lies in a pack of this class.
    pub fn id_of(&self, class: Class, bytes: &[u8]) -> ChunkId {
        match class {
            Class::Content => self.chunk_ids.id(bytes),
            Class::Manifest | Class::Stat => self.node_ids.id(bytes).as_chunk(),
        }
    }

    /// Names what lies in a frame of such a pack, in its order.
    pub fn ids_of<'c>(&self, class: Class, chunks: impl Iterator<Item = &'c [u8]>) -> Vec<ChunkId> {
        match class {
            Class::Content => self.chunk_ids.ids(chunks),
            Class::Manifest | Class::Stat => chunks.map(|bytes| self.node_ids.id(bytes).as_chunk()).collect(),
        }
    }

    /// Cuts content.
    pub fn cutter(&self) -> Cutter<'_> {
        Cutter::new(&self.cuts, &self.gear)
    }

    /// Starts a list of items.
    pub fn item_list(&self) -> ItemTreeBuilder {
        ItemTreeBuilder::new(&self.boundary, self.item_means)
    }
}

impl Access {
    /// A temporary table, in files once it outgrows a sixteenth of the memory at hand.
    pub fn scratch(&self) -> Box<dyn Scratch> {
        open_scratch(&self.cache_dir, usize::try_from(self.memory_bytes / 16).unwrap_or(usize::MAX))
    }

    /// The same with an empty index, which keeps nothing: every object is read from the store, each time. Rot in one of them
    /// would else not show as long as the cache lasts.
    #[must_use]
    pub fn without_view(&self) -> Self {
        Self { index: Arc::new(MemoryIndex::without_notes()), ..self.clone() }
    }

    /// The same for whoever only reads: where a small object is damaged, gone or can't be read, its second copy serves.
    /// Nothing is decided by what is read so that lets something go.
    #[must_use]
    pub fn with_second_copies(&self) -> Self {
        let store = SecondCopies::over(Arc::clone(&self.store), Arc::clone(&self.used_copies));
        Self { store: Arc::new(store), ..self.clone() }
    }

    /// Does what may commit, and adds to the notices of its report all that lacks then. The operation has an access whose
    /// [`Behind`] is its own: what others on the same repository lack, before or beside it, is not told of it.
    ///
    /// # Errors
    /// Those of the operation.
    pub fn noting<T, E>(
        &self,
        notices: impl FnOnce(&mut T) -> &mut Vec<String>,
        operation: impl FnOnce(&Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let access = Self { behind: Arc::new(self.behind.anew()), ..self.clone() };
        let mut report = operation(&access)?;
        notices(&mut report).extend(access.behind.take());
        Ok(report)
    }

    /// The configuration in force.
    pub fn config(&self) -> &Config {
        self.chain.latest()
    }
}

fn means(leaf: u32, inner: u32) -> Result<Means> {
    let unusable = || Error::new(ErrorKind::Unsupported, "the repository's node sizes can't be used");
    Means::parse(leaf, inner).ok_or_else(unusable)
}

#[cfg(test)]
pub(crate) mod testing;

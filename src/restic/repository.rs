//! An open repository of restic.

use super::blob::{self, BlobKind};
use super::document::{DOCUMENT_BYTES_MAX, unpack};
use super::error::{Fault, Object, ResticError};
use super::id::{BlobId, FileId};
use super::index::{Index, Place};
use super::key::MasterKey;
use super::node::Tree;
use super::pack_header;
use super::place::{self, Folder, Place as Home, read_part, read_whole};
use super::seal::SealKey;
use super::snapshot::Snapshot;
use serde::Deserialize;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// Key files and configurations are short.
const SMALL_BYTES_MAX: u64 = 1 << 20;
/// How many keys are tried: each costs a good part of a second.
const KEYS_MAX: usize = 100;
/// How many packs stay open.
const OPEN_PACKS_MAX: usize = 32;
/// The longest list of blobs at the end of a pack.
const HEADER_BYTES_MAX: u32 = 64 << 20;

/// A repository that was opened, and what of it can't be read.
#[derive(Debug)]
pub struct Opened {
    /// The repository.
    pub repository: Repository,
    /// Index files and lists of packs that are damaged: what only they name is missing.
    pub problems: Vec<ResticError>,
}

/// The snapshots of a repository, and what of them can't be read.
#[derive(Debug)]
pub struct Snapshots {
    /// The snapshots, oldest first: by time, ties by id.
    pub snapshots: Vec<Snapshot>,
    /// Those that are damaged.
    pub problems: Vec<ResticError>,
}

/// An open repository of restic. Several threads may read it.
pub struct Repository {
    home: Home,
    key: SealKey,
    index: Index,
    open_packs: Mutex<Vec<(FileId, Arc<File>)>>,
}

impl std::fmt::Debug for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Repository").field(&self.home).finish()
    }
}

/// What the configuration says.
#[derive(Deserialize)]
struct Config {
    version: u64,
}

impl Repository {
    /// Opens the repository in a local folder and reads its index: 48 bytes of memory a blob. Packs that no index file
    /// names are asked themselves.
    ///
    /// # Errors
    /// [`ResticError::NoRepository`], [`ResticError::WrongPassword`], [`ResticError::Version`]; damage only of the
    /// configuration, or of keys when none of the others opens.
    pub fn open(path: &Path, password: &[u8]) -> Result<Opened, ResticError> {
        let home = Home::new(path);
        let config = home.config();
        if !config.is_file() {
            return Err(ResticError::NoRepository { place: path.to_path_buf() });
        }
        let key = unlock(&home, password)?;
        Self::open_with(home, key)
    }

    /// Opens it with the key that everything is sealed with.
    pub(super) fn open_with(home: Home, key: SealKey) -> Result<Opened, ResticError> {
        let mut repository = Self { home, key, index: Index::default(), open_packs: Mutex::default() };
        repository.check_version()?;
        let problems = repository.read_index()?;
        Ok(Opened { repository, problems })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        self.home.path()
    }

    /// All snapshots.
    ///
    /// # Errors
    /// [`ResticError::Io`] when they can't be listed. Those that can't be read are in the answer.
    pub fn snapshots(&self) -> Result<Snapshots, ResticError> {
        let (mut snapshots, mut problems) = (Vec::new(), Vec::new());
        for id in self.home.list(Folder::Snapshots)? {
            let object = Object::Snapshot(id);
            let read = self.document(Folder::Snapshots, id, object).and_then(|json| {
                Snapshot::parse(id, &json).map_err(|fault| self.damaged(object, Folder::Snapshots, id, fault))
            });
            match read {
                Ok(snapshot) => snapshots.push(snapshot),
                Err(error) => problems.push(error),
            }
        }
        snapshots.sort_by_key(|snapshot: &Snapshot| (snapshot.time_ns, snapshot.id));
        Ok(Snapshots { snapshots, problems })
    }

    /// A directory.
    ///
    /// # Errors
    /// As [`Self::blob`].
    pub fn tree(&self, id: BlobId) -> Result<Tree, ResticError> {
        let json = self.blob(BlobKind::Tree, id)?;
        let path = self.index.places(BlobKind::Tree, id).next().map(|place| self.home.pack(place.pack));
        let object = Object::Blob(BlobKind::Tree, id);
        Tree::parse(&json).map_err(|fault| ResticError::Damaged { object, path: path.unwrap_or_default(), fault })
    }

    /// How long a blob is; none if no pack has it.
    pub fn length(&self, kind: BlobKind, id: BlobId) -> Option<u64> {
        self.index.places(kind, id).next().map(|place| place.lengths.plain())
    }

    /// The bytes of a blob, which hash to its id. If there are several copies, the first sound one.
    ///
    /// # Errors
    /// [`ResticError::Missing`]; what is wrong with the first copy when none is sound.
    pub fn blob(&self, kind: BlobKind, id: BlobId) -> Result<Vec<u8>, ResticError> {
        let mut first = None;
        for place in self.index.places(kind, id) {
            match self.read(kind, id, place) {
                Ok(bytes) => return Ok(bytes),
                Err(error) => first = first.or(Some(error)),
            }
        }
        Err(first.unwrap_or(ResticError::Missing { kind, id }))
    }

    fn read(&self, kind: BlobKind, id: BlobId, place: Place) -> Result<Vec<u8>, ResticError> {
        let path = self.home.pack(place.pack);
        let damaged = |fault| ResticError::Damaged { object: Object::Blob(kind, id), path: path.clone(), fault };
        let pack = self.pack(place.pack)?;
        let sealed = read_part(&pack, place.offset.into(), place.lengths.sealed().into());
        let sealed = sealed.map_err(|source| ResticError::Io { path: path.clone(), source })?;
        let sealed = sealed.ok_or_else(|| damaged(Fault::Short))?;
        blob::open(&self.key, id, sealed, place.lengths).map_err(damaged)
    }

    /// An open pack: the last ones stay open.
    fn pack(&self, id: FileId) -> Result<Arc<File>, ResticError> {
        let open = || self.open_packs.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kept = open();
        if let Some(at) = kept.iter().position(|(pack, _)| *pack == id) {
            let found = kept.remove(at);
            let file = Arc::clone(&found.1);
            kept.push(found);
            return Ok(file);
        }
        drop(kept);
        let path = self.home.pack(id);
        let file = File::open(&path).map_err(|source| ResticError::Io { path, source })?;
        let file = Arc::new(file);
        let mut kept = open();
        if kept.len() >= OPEN_PACKS_MAX {
            kept.remove(0);
        }
        kept.push((id, Arc::clone(&file)));
        Ok(file)
    }

    fn check_version(&self) -> Result<(), ResticError> {
        let path = self.home.config();
        let damaged = |fault| ResticError::Damaged { object: Object::Config, path: path.clone(), fault };
        let sealed = read_whole(&path, SMALL_BYTES_MAX)?;
        let mut sealed = sealed.ok_or_else(|| damaged(Fault::TooLong { max: SMALL_BYTES_MAX }))?;
        let json = self.key.open(&mut sealed).ok_or_else(|| damaged(Fault::Seal))?;
        let config: Config =
            serde_json::from_slice(json).map_err(|error| damaged(Fault::Meaning(error.to_string())))?;
        match config.version {
            1 | 2 => Ok(()),
            found => Err(ResticError::Version { found }),
        }
    }

    /// Reads all index files, and the lists of packs that none of them names.
    fn read_index(&mut self) -> Result<Vec<ResticError>, ResticError> {
        let mut index = Index::default();
        let mut problems = Vec::new();
        for id in self.home.list(Folder::Index)? {
            let object = Object::Index(id);
            let added = self.document(Folder::Index, id, object).and_then(|json| {
                index.add_document(&json).map_err(|fault| self.damaged(object, Folder::Index, id, fault))
            });
            problems.extend(added.err());
        }
        let mut unnamed = Vec::new();
        self.home.each_pack(|pack| unnamed.extend(Some(pack).filter(|pack| !index.knows(*pack))))?;
        for pack in unnamed {
            let added = self
                .pack_blobs(pack)
                .and_then(|blobs| index.add_pack(pack, &blobs).map_err(|fault| self.damaged_pack(pack, fault)));
            problems.extend(added.err());
        }
        index.finish();
        self.index = index;
        Ok(problems)
    }

    /// What a pack says that it holds.
    fn pack_blobs(&self, id: FileId) -> Result<Vec<pack_header::PackedBlob>, ResticError> {
        let path = self.home.pack(id);
        let refused = |source| ResticError::Io { path: path.clone(), source };
        let file = File::open(&path).map_err(refused)?;
        let length = file.metadata().map_err(refused)?.len();
        let short = || self.damaged_pack(id, Fault::Short);
        let end = length.checked_sub(4).ok_or_else(short)?;
        let trailer = read_part(&file, end, 4).map_err(refused)?.ok_or_else(short)?;
        let header_bytes = trailer.first_chunk::<4>().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        if header_bytes > HEADER_BYTES_MAX {
            return Err(self.damaged_pack(id, Fault::TooLong { max: HEADER_BYTES_MAX.into() }));
        }
        let start = end.checked_sub(header_bytes.into()).ok_or_else(short)?;
        let mut sealed = read_part(&file, start, header_bytes.into()).map_err(refused)?.ok_or_else(short)?;
        let header = self.key.open(&mut sealed).ok_or_else(|| self.damaged_pack(id, Fault::Seal))?;
        pack_header::entries(header).map_err(|fault| self.damaged_pack(id, fault))
    }

    /// Reads and opens a document that is named by the hash of its file.
    fn document(&self, folder: Folder, id: FileId, object: Object) -> Result<Vec<u8>, ResticError> {
        let damaged = |fault| self.damaged(object, folder, id, fault);
        let mut sealed = named(&self.home, folder, id, (DOCUMENT_BYTES_MAX, object))?;
        let plain = self.key.open(&mut sealed).ok_or_else(|| damaged(Fault::Seal))?.to_vec();
        unpack(plain).map_err(damaged)
    }

    fn damaged(&self, object: Object, folder: Folder, id: FileId, fault: Fault) -> ResticError {
        ResticError::Damaged { object, path: self.home.file(folder, id), fault }
    }

    fn damaged_pack(&self, id: FileId, fault: Fault) -> ResticError {
        ResticError::Damaged { object: Object::PackHeader(id), path: self.home.pack(id), fault }
    }
}

/// Reads a file that is named by the hash of its bytes.
fn named(home: &Home, folder: Folder, id: FileId, (max, object): (u64, Object)) -> Result<Vec<u8>, ResticError> {
    let path = home.file(folder, id);
    let bytes = place::read_whole(&path, max)?;
    let fault = match bytes {
        Some(bytes) if FileId::of(&bytes) == id => return Ok(bytes),
        Some(_) => Fault::Name,
        None => Fault::TooLong { max },
    };
    Err(ResticError::Damaged { object, path, fault })
}

/// The key that everything is sealed with: the first of the key files that the password opens tells it.
pub(super) fn unlock(home: &Home, password: &[u8]) -> Result<SealKey, ResticError> {
    let ids = home.list(Folder::Keys)?;
    let mut damage = None;
    for id in ids.iter().take(KEYS_MAX) {
        let object = Object::Key(*id);
        let opened = named(home, Folder::Keys, *id, (SMALL_BYTES_MAX, object)).and_then(|bytes| {
            let path = home.file(Folder::Keys, *id);
            MasterKey::open(&bytes, password).map_err(|fault| ResticError::Damaged { object, path, fault })
        });
        match opened {
            Ok(Some(MasterKey(key))) => return Ok(key),
            Ok(None) => {}
            Err(error) => damage = damage.or(Some(error)),
        }
    }
    Err(damage.unwrap_or(ResticError::WrongPassword { count: ids.len() }))
}

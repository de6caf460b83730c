//! The files of a repository in a local folder.

use super::error::ResticError;
use super::id::FileId;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// A folder of a repository in which files bear their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Folder {
    Keys,
    Index,
    Snapshots,
}

/// Where a repository lies.
#[derive(Debug, Clone)]
pub(super) struct Place(PathBuf);

impl Place {
    pub(super) fn new(path: &Path) -> Self {
        Self(path.to_path_buf())
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn config(&self) -> PathBuf {
        self.0.join("config")
    }

    pub(super) fn file(&self, folder: Folder, id: FileId) -> PathBuf {
        self.folder(folder).join(id.to_string())
    }

    pub(super) fn pack(&self, id: FileId) -> PathBuf {
        let name = id.to_string();
        let shelf = name.get(..2).unwrap_or_default();
        self.0.join("data").join(shelf).join(&name)
    }

    fn folder(&self, folder: Folder) -> PathBuf {
        self.0.join(match folder {
            Folder::Keys => "keys",
            Folder::Index => "index",
            Folder::Snapshots => "snapshots",
        })
    }

    /// The ids of the files in a folder, sorted. What bears no id is no part of the repository.
    pub(super) fn list(&self, folder: Folder) -> Result<Vec<FileId>, ResticError> {
        let mut ids = list(&self.folder(folder))?;
        ids.sort_unstable();
        Ok(ids)
    }

    /// Tells of every pack, in no order.
    pub(super) fn each_pack(&self, mut tell: impl FnMut(FileId)) -> Result<(), ResticError> {
        for shelf in 0..=u8::MAX {
            list(&self.0.join("data").join(format!("{shelf:02x}")))?.into_iter().for_each(&mut tell);
        }
        Ok(())
    }
}

/// A folder that is not there holds nothing.
fn list(folder: &Path) -> Result<Vec<FileId>, ResticError> {
    let refused = |source| ResticError::Io { path: folder.to_path_buf(), source };
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(refused)?,
    };
    let mut ids = Vec::new();
    for entry in entries {
        let name = entry.map_err(refused)?.file_name();
        ids.extend(name.to_str().and_then(|name| name.parse::<FileId>().ok()));
    }
    Ok(ids)
}

/// Reads a whole file; none when it is longer than `bytes_max`.
pub(super) fn read_whole(path: &Path, bytes_max: u64) -> Result<Option<Vec<u8>>, ResticError> {
    let refused = |source| ResticError::Io { path: path.to_path_buf(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(refused)?;
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes).map_err(refused)?;
    Ok(Some(bytes).filter(|bytes| u64::try_from(bytes.len()).is_ok_and(|length| length <= bytes_max)))
}

/// Reads a part of a file; none where the file ends before. Nothing is allocated for what the file can't hold.
pub(super) fn read_part(file: &File, offset: u64, length: u64) -> io::Result<Option<Vec<u8>>> {
    let ends_before = offset.checked_add(length).is_none_or(|end| end > file.metadata().map_or(0, |found| found.len()));
    let Some(length) = usize::try_from(length).ok().filter(|_| !ends_before) else { return Ok(None) };
    let mut bytes = vec![0; length];
    match file.read_exact_at(&mut bytes, offset) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        read => read.map(|()| Some(bytes)),
    }
}

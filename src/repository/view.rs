//! The index of an open repository: the view in the cache directory, with another one in reserve.

use crate::access::Access;
use crate::error::{Error, Result};
use crate::index::{self, Index, IndexError, MemoryIndex, Mode, MovedAside, Rebuild, Replaceable};
use crate::session::{self, History};
use std::path::Path;
use std::sync::Arc;

/// Opens the view in the cache of this repository, and gives it to `access`. Where the directory can't be used the index
/// is in memory, and where the view turns out to be damaged another one is built: a cache that is missing or wrong costs
/// time and memory, never an answer. Returns what a user should know about it.
///
/// # Errors
/// When the medium is full.
pub(super) fn open(access: &mut Access, mode: Mode) -> Result<Option<String>> {
    let directory = &access.cache_dir.clone();
    let memory_bytes = usize::try_from(access.memory_bytes / 4).unwrap_or(usize::MAX);
    match index::open_view(directory, access.chain.repository(), mode, memory_bytes) {
        Ok(view) => {
            let filling = match mode {
                Mode::Reader => access.with_second_copies(),
                Mode::Writer => access.clone(),
            };
            let rebuild = rebuild(filling, directory, memory_bytes);
            access.index = Arc::new(Replaceable::new(view.index, rebuild));
            Ok(view.moved_aside.as_ref().map(notice))
        }
        Err(error @ IndexError::Io { .. }) => {
            access.index = Arc::new(MemoryIndex::new());
            Ok(Some(format!("the cache directory can't be used, so the index is kept in memory: {error}")))
        }
        Err(error) => Err(error.into()),
    }
}

/// Builds the view anew, whatever an earlier run left of it, unless another process is using it.
///
/// # Errors
/// As [`open`].
pub(super) fn renew(access: &mut Access, mode: Mode) -> Result<()> {
    // Closed first: one that is open can't be replaced.
    access.index = Arc::new(MemoryIndex::new());
    index::distrust_view(&access.cache_dir);
    // That the old one made way is what was asked for.
    open(access, mode).map(drop)
}

/// Builds a view of this process's own from the segments.
fn rebuild(access: Access, directory: &Path, memory_bytes: usize) -> Rebuild {
    let directory = directory.to_path_buf();
    Box::new(move || {
        let index: Arc<dyn Index> = Arc::from(index::open_apart(&directory, access.chain.repository(), memory_bytes)?);
        let access = Access { index: Arc::clone(&index), ..access.clone() };
        let fill = || session::bring_up_to_date(&access, &History::load(&access)?).map(drop);
        fill().map_err(|error: Error| IndexError::Io {
            operation: "replacing the damaged",
            place: directory.display().to_string(),
            reason: error.to_string(),
        })?;
        Ok(index)
    })
}

fn notice(moved: &MovedAside) -> String {
    format!(
        "the view of the index was damaged ({}), was moved to {} and is built again",
        moved.reason,
        moved.to.display()
    )
}

//! The index of an open repository: the view in the cache directory, with another one in reserve.

use crate::access::Access;
use crate::error::{Error, Result};
use crate::index::{self, Index, IndexError, MemoryIndex, Mode, MovedAside, Rebuild, Replaceable, View};
use crate::session::{self, History};
use std::path::Path;
use std::sync::Arc;

/// Opens the view in the cache of this repository, and gives it to `access`. Where the directory can't be used the index
/// is in memory, and where the view turns out to be damaged another one is built: a cache that is missing or wrong costs
/// time and memory, never an answer; so does one whose medium is full, or nobody could make room on a medium that holds the
/// repository as well. Returns what a user should know about it.
///
/// # Errors
/// When the view is of a kind that this program does not know, or no thread starts.
pub(super) fn open(access: &mut Access, mode: Mode) -> Result<Option<String>> {
    let directory = &access.cache_dir;
    let memory_bytes = usize::try_from(access.memory_bytes / 4).unwrap_or(usize::MAX);
    let opened = index::open_view(directory, access.chain.repository(), mode, memory_bytes);
    use_opened(access, opened, mode, memory_bytes)
}

fn use_opened(
    access: &mut Access,
    opened: std::result::Result<View, IndexError>,
    mode: Mode,
    memory_bytes: usize,
) -> Result<Option<String>> {
    match opened {
        Ok(view) => {
            let filling = match mode {
                Mode::Reader => access.with_second_copies(),
                Mode::Writer => access.clone(),
            };
            let rebuild = rebuild(filling, &access.cache_dir, memory_bytes);
            access.index = Arc::new(Replaceable::new(view.index, rebuild));
            Ok(view.moved_aside.as_ref().map(notice))
        }
        Err(error) if is_of_the_place(&error) => {
            access.index = Arc::new(MemoryIndex::new());
            Ok(Some(format!("the cache directory can't be used, so the index is kept in memory: {error}")))
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether another place, such as memory, would serve.
const fn is_of_the_place(error: &IndexError) -> bool {
    match error {
        IndexError::Io { .. } | IndexError::NoSpace { .. } => true,
        IndexError::UnknownPack { .. }
        | IndexError::Segment(_)
        | IndexError::Full
        | IndexError::Damaged { .. }
        | IndexError::Unstarted(_) => false,
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

/// Builds a view of this process's own from the segments, in memory where the directory can't be used.
fn rebuild(access: Access, directory: &Path, memory_bytes: usize) -> Rebuild {
    let directory = directory.to_path_buf();
    Box::new(move || {
        let index: Arc<dyn Index> = match index::open_apart(&directory, access.chain.repository(), memory_bytes) {
            Err(error) if is_of_the_place(&error) => Arc::new(MemoryIndex::new()),
            opened => Arc::from(opened?),
        };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::testing::Keys;
    use crate::config::Parameters;
    use crate::store::MemoryStore;

    #[test]
    fn where_the_cache_can_not_be_used_or_its_medium_is_full_the_index_is_in_memory() {
        let directory = tempfile::tempdir().unwrap();
        let mut access = Keys::new(Parameters::default()).open(Arc::new(MemoryStore::new()), directory.path());
        let place = || "/cache".to_owned();
        for mode in [Mode::Reader, Mode::Writer] {
            for error in [
                IndexError::NoSpace { place: place() },
                IndexError::Io { operation: "opening", place: place(), reason: "it is not there".into() },
            ] {
                let why = error.to_string();
                let notice = use_opened(&mut access, Err(error), mode, 1 << 20).unwrap().unwrap();
                assert!(notice.contains("kept in memory") && notice.contains(&why), "{notice}");
            }
            assert!(use_opened(&mut access, Err(IndexError::Full), mode, 1 << 20).is_err());
        }
    }
}

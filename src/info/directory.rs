//! How much lies in a directory of this machine.

use std::path::{Path, PathBuf};

/// A directory that a repository is given on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedDirectory {
    /// Where it is.
    pub path: PathBuf,
    /// Bytes of the files in it; others may be writing there.
    pub bytes: u64,
}

impl UsedDirectory {
    /// Adds up what is there. What can't be read, or goes meanwhile, counts as nothing: no answer depends on it.
    pub(super) fn measure(path: &Path) -> Self {
        let mut bytes = 0u64;
        let mut directories = vec![path.to_path_buf()];
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
                // Of the entry itself: a link is not followed.
                let Ok(status) = entry.metadata() else { continue };
                if status.is_dir() {
                    directories.push(entry.path());
                } else if status.is_file() {
                    bytes = bytes.saturating_add(status.len());
                }
            }
        }
        Self { path: path.to_path_buf(), bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_below_is_added_up_links_are_not_followed_and_what_is_not_there_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("below")).unwrap();
        std::fs::write(folder.path().join("a"), [0; 10]).unwrap();
        std::fs::write(folder.path().join("below/b"), [0; 200]).unwrap();
        std::os::unix::fs::symlink(folder.path(), folder.path().join("below/loop")).unwrap();
        assert_eq!(UsedDirectory::measure(folder.path()).bytes, 210);
        assert_eq!(UsedDirectory::measure(&folder.path().join("none")).bytes, 0);
    }
}

//! Places that lie in a repository or in what this machine keeps for it, where nothing else belongs.

use super::Repository;
use crate::error::{Error, ErrorKind, Result};
use crate::restore::RestoreOptions;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

impl Repository {
    /// The options of a restore that leaves the repository and what belongs to it alone.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when all of it would go there.
    pub(super) fn sparing(&self, options: &RestoreOptions) -> Result<RestoreOptions> {
        self.refuse_own(&options.target)?;
        let own = self.place.iter().chain([&self.options.cache_dir, &self.options.state_dir]);
        Ok(own.fold(options.clone(), |options, path| options.spare(path)))
    }

    /// Fails when a place lies in the repository, or in what this machine keeps for it.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`].
    pub(super) fn refuse_own(&self, place: &Path) -> Result<()> {
        if let Some(repository) = &self.place {
            refuse_within(repository, place)?;
        }
        for (kept, what) in [(&self.access.cache_dir, "cache"), (&self.access.state_dir, "state")] {
            if lies_within(kept, place) {
                let (place, kept) = (place.display(), kept.display());
                let message = format!("{place} lies in {kept}, the {what} of this repository; name another folder");
                return Err(Error::new(ErrorKind::Invalid, message));
            }
        }
        Ok(())
    }
}

/// Fails when a place lies in a repository, or would once it is made, whatever links and mounts lead there.
///
/// # Errors
/// [`ErrorKind::Invalid`].
pub(super) fn refuse_within(repository: &Path, place: &Path) -> Result<()> {
    if !lies_within(repository, place) {
        return Ok(());
    }
    let (place, repository) = (place.display(), repository.display());
    let message =
        format!("{place} lies in the repository {repository}, where only its own objects belong; name another folder");
    Err(Error::new(ErrorKind::Invalid, message))
}

/// Whether a place lies in a folder, or is that, or would once it is made.
fn lies_within(folder: &Path, place: &Path) -> bool {
    let identity = |path: &Path| path.metadata().ok().map(|found| (found.dev(), found.ino()));
    let absolute = std::path::absolute(place).unwrap_or_else(|_| place.to_path_buf());
    let there = absolute.ancestors().find_map(|above| above.canonicalize().ok());
    let own = identity(folder);
    let is_within = |there: &Path| there.ancestors().any(|above| own.is_some() && identity(above) == own);
    there.as_deref().is_some_and(is_within)
}

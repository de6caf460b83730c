//! Places that lie in a repository, where nothing but its objects belongs.

use super::Repository;
use crate::error::{Error, ErrorKind, Result};
use crate::restore::RestoreOptions;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

impl Repository {
    /// The options of a restore that leaves the repository and what belongs to it alone.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when all of it would go into the repository.
    pub(super) fn sparing(&self, options: &RestoreOptions) -> Result<RestoreOptions> {
        if let Some(place) = &self.place {
            refuse_within(place, &options.target)?;
        }
        let own = self.place.iter().chain([&self.options.cache_dir, &self.options.state_dir]);
        Ok(own.fold(options.clone(), |options, path| options.spare(path)))
    }
}

/// Fails when a place lies in a repository, or would once it is made, whatever links and mounts lead there.
///
/// # Errors
/// [`ErrorKind::Invalid`].
pub(super) fn refuse_within(repository: &Path, place: &Path) -> Result<()> {
    let identity = |path: &Path| path.metadata().ok().map(|found| (found.dev(), found.ino()));
    let absolute = std::path::absolute(place).unwrap_or_else(|_| place.to_path_buf());
    let there = absolute.ancestors().find_map(|above| above.canonicalize().ok());
    let own = identity(repository);
    let is_within = |there: &Path| there.ancestors().any(|above| own.is_some() && identity(above) == own);
    if !there.as_deref().is_some_and(is_within) {
        return Ok(());
    }
    let (place, repository) = (place.display(), repository.display());
    let message =
        format!("{place} lies in the repository {repository}, where only its own objects belong; name another folder");
    Err(Error::new(ErrorKind::Invalid, message))
}

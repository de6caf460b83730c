//! Places that lie in a repository or in what this machine keeps for it, where nothing else belongs.

use super::Repository;
use crate::error::{Error, ErrorKind, Result};
use crate::fs::if_there;
use crate::restore::{Extras, RestoreOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

impl Repository {
    /// The options of a restore that leaves the repository and what belongs to it alone.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when all of it would go there; [`ErrorKind::Io`] when that can't be told.
    pub(super) fn sparing(&self, options: &RestoreOptions) -> Result<RestoreOptions> {
        self.refuse_own(&options.target, options.extras)?;
        let own = self.place.iter().chain([&self.options.cache_dir, &self.options.state_dir]);
        Ok(own.fold(options.clone(), |options, path| options.spare(path)))
    }

    /// Fails when a place lies in the repository, or in what this machine keeps for it. What is kept on a disc that fails keeps
    /// nobody from restoring, unless something is removed as well.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`]; [`ErrorKind::Io`] when that can't be told.
    pub(super) fn refuse_own(&self, place: &Path, extras: Extras) -> Result<()> {
        if let Some(repository) = &self.place {
            refuse_within(repository, place)?;
        }
        for (kept, what) in [(&self.access.cache_dir, "cache"), (&self.access.state_dir, "state")] {
            let is_within = match (lies_within(kept, place), extras) {
                (Err(_), Extras::Keep) => false,
                (found, Extras::Keep | Extras::Delete) => found.map_err(|cause| untold(kept, place, cause))?,
            };
            if is_within {
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
/// [`ErrorKind::Invalid`]; [`ErrorKind::Io`] when that can't be told.
pub(super) fn refuse_within(repository: &Path, place: &Path) -> Result<()> {
    if !lies_within(repository, place).map_err(|cause| untold(repository, place, cause))? {
        return Ok(());
    }
    let (place, repository) = (place.display(), repository.display());
    let message =
        format!("{place} lies in the repository {repository}, where only its own objects belong; name another folder");
    Err(Error::new(ErrorKind::Invalid, message))
}

/// Whether a place lies in a folder, or is that, or would once it is made.
fn lies_within(folder: &Path, place: &Path) -> io::Result<bool> {
    let identity = |path: &Path| Ok::<_, io::Error>(if_there(path.metadata())?.map(|found| (found.dev(), found.ino())));
    let Some(own) = identity(folder)? else { return Ok(false) };
    let absolute = std::path::absolute(place)?;
    for above in absolute.ancestors() {
        let there = match if_there(above.canonicalize()) {
            // Where this user may not go, nothing is made for him either.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => None,
            there => there?,
        };
        let Some(there) = there else { continue };
        for above in there.ancestors() {
            if identity(above)? == Some(own) {
                return Ok(true);
            }
        }
        return Ok(false);
    }
    Ok(false)
}

fn untold(folder: &Path, place: &Path, cause: io::Error) -> Error {
    let message = format!("it can't be told whether {} lies in {}", place.display(), folder.display());
    Error::new(ErrorKind::Io, message).because(cause)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::BackupOptions;
    use crate::key::{KdfCost, Unlock};
    use crate::progress::Silent;
    use crate::repository::{CreateOptions, OpenOptions};
    use crate::session::SnapshotFilter;

    const PASSWORD: Unlock<'static> = Unlock::Password(b"within");

    /// What could not be looked at was taken for what is not there, and so for something that may be removed.
    #[test]
    fn where_it_can_not_be_told_what_to_leave_alone_nothing_is_removed_and_a_restore_that_removes_nothing_succeeds() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        Repository::create(&path("repository"), PASSWORD, &CreateOptions::default().kdf(KdfCost::CHEAP)).unwrap();
        std::fs::create_dir(path("tree")).unwrap();
        // It leads to itself.
        std::os::unix::fs::symlink("cache", path("cache")).unwrap();
        let options = OpenOptions::new(path("cache"), path("state"));
        let repository = Repository::open(&path("repository"), PASSWORD, options).unwrap();
        repository.backup(&BackupOptions::new([path("tree")]), &Silent).unwrap();
        let snapshot = repository.snapshots(&SnapshotFilter::default()).unwrap().pop().unwrap();
        std::fs::create_dir(path("target")).unwrap();
        std::fs::write(path("target/extra"), "").unwrap();

        let options = RestoreOptions::new(path("target"));
        let told = repository.restore(&snapshot, &options.clone().extras(Extras::Delete), &Silent).unwrap_err();
        assert_eq!(told.kind(), ErrorKind::Io, "{told}");
        assert!(told.to_string().contains(&path("cache").display().to_string()), "{told}");
        let spared = options.clone().spare(path("cache")).extras(Extras::Delete);
        let told = crate::restore::run(repository.access(), &snapshot, &spared, &Silent).unwrap_err();
        assert!(told.to_string().contains("can't be told from what would be removed"), "{told}");
        assert_eq!(std::fs::read_dir(path("target")).unwrap().count(), 1, "nothing was done");
        repository.restore(&snapshot, &options, &Silent).unwrap();
        assert!(path("target/extra").exists());

        let told = refuse_within(&path("cache"), &path("target")).unwrap_err();
        assert_eq!(told.kind(), ErrorKind::Io, "{told}");
        refuse_within(&path("nothing"), &path("target")).unwrap();
        refuse_within(&path("repository"), &path("target/new/one")).unwrap();
        let told = refuse_within(&path("target"), &path("target/new/one")).unwrap_err();
        assert_eq!(told.kind(), ErrorKind::Invalid, "{told}");
    }
}

//! The folder into which a drill restores, and which is gone when it ends.

use crate::destination::{Destination, DestinationError};
use crate::drill::options::{Afterwards, DrillPlace};
use crate::error::{Error, ErrorKind, Result};
use crate::manifest::Key;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The folder. Whatever happens, what is in it is removed when this goes, unless it is to stay.
#[derive(Debug)]
pub(super) struct Scratch {
    folder: PathBuf,
    afterwards: Afterwards,
    /// What it was, if it was there.
    before: Option<std::fs::Metadata>,
    is_there: bool,
}

impl Scratch {
    /// Makes the folder, or takes an empty one.
    ///
    /// # Errors
    /// [`ErrorKind::Occupied`] when something is in it, or what the file system refuses.
    pub(super) fn make(place: &DrillPlace, afterwards: Afterwards) -> Result<Self> {
        let (folder, before) = match place {
            DrillPlace::Within(folder) => {
                let number = u64::from_le_bytes(crate::seal::random());
                (folder.join(format!("holdall-drill-{number:016x}")), None)
            }
            DrillPlace::At(folder) => (folder.clone(), empty_folder(folder)?),
        };
        if before.is_none() {
            // Until it has the mode that the snapshot gives it, nobody else looks in.
            let made = std::fs::DirBuilder::new().mode(0o700).create(&folder);
            made.map_err(|cause| refused("make", &folder, cause))?;
        }
        Ok(Self { folder, afterwards, before, is_there: true })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) const fn afterwards(&self) -> Afterwards {
        self.afterwards
    }

    /// Waits until all that was restored is on its disk, so that the kernel may let go of it.
    pub(super) fn sync(&self) -> Result<()> {
        Ok(Destination::open(&self.folder)?.sync()?)
    }

    /// Removes what is in it, unless it is to stay.
    ///
    /// # Errors
    /// What the file system refuses; what is left is said there.
    pub(super) fn clear(mut self) -> Result<()> {
        self.is_there = false;
        self.remove()
    }

    fn remove(&self) -> Result<()> {
        if self.afterwards == Afterwards::Keep {
            return Ok(());
        }
        let emptied = empty(&self.folder).map_err(|error| {
            let message = format!("restored files are left in {}; remove them yourself", self.folder.display());
            Error::new(ErrorKind::Io, message).because(error)
        });
        match &self.before {
            None => emptied.and_then(|()| {
                std::fs::remove_dir(&self.folder).map_err(|cause| refused("remove", &self.folder, cause))
            }),
            Some(before) => {
                // It was the user's before: what a snapshot has made of it is undone as far as that can be.
                let _ = std::os::unix::fs::chown(&self.folder, Some(before.uid()), Some(before.gid()));
                let mode = std::fs::Permissions::from_mode(before.mode());
                let put_back = std::fs::set_permissions(&self.folder, mode);
                emptied.and(put_back.map_err(|cause| refused("put back the mode of", &self.folder, cause)))
            }
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.is_there {
            // The drill has failed already, and says why.
            let _ = self.remove();
        }
    }
}

/// Removes everything in a folder, also from folders into which nobody may write.
fn empty(folder: &Path) -> Result<(), DestinationError> {
    let destination = Destination::open(folder)?;
    let root = Key::root();
    destination.make_directory(&root)?;
    let mut outcome = Ok(());
    for name in destination.names(&root)?.iter() {
        // What one thing refuses must not keep the others there.
        if let Ok(key) = root.child(name) {
            outcome = outcome.and(destination.remove_tree(&key));
        }
    }
    outcome
}

/// What an empty folder is; none where nothing is.
fn empty_folder(folder: &Path) -> Result<Option<std::fs::Metadata>> {
    let mut names = match std::fs::read_dir(folder) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(refused("look into", folder, cause)),
    };
    if names.next().is_some() {
        let message = format!("{} is not empty: a drill restores only into an empty folder", folder.display());
        return Err(Error::new(ErrorKind::Occupied, message));
    }
    std::fs::metadata(folder).map(Some).map_err(|cause| refused("look at", folder, cause))
}

fn refused(operation: &str, folder: &Path, cause: io::Error) -> Error {
    let kind = ErrorKind::of_refused(&cause);
    Error::new(kind, format!("can't {operation} the folder {}", folder.display())).because(cause)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;

    #[test]
    fn it_is_gone_with_folders_in_which_nobody_may_write_and_a_folder_that_was_there_stays_as_it_was() {
        let top = tempfile::tempdir().unwrap();
        let scratch = Scratch::make(&DrillPlace::Within(top.path().into()), Afterwards::Remove).unwrap();
        let folder = scratch.folder().to_path_buf();
        assert_eq!(folder.metadata().unwrap().mode() & 0o7777, 0o700);
        std::fs::create_dir_all(folder.join("a/b")).unwrap();
        std::fs::write(folder.join("a/b/c"), "x").unwrap();
        std::fs::set_permissions(folder.join("a/b"), std::fs::Permissions::from_mode(0o0)).unwrap();
        drop(scratch);
        assert!(!folder.exists());

        let own = top.path().join("own");
        std::fs::create_dir(&own).unwrap();
        std::fs::set_permissions(&own, std::fs::Permissions::from_mode(0o750)).unwrap();
        let scratch = Scratch::make(&DrillPlace::At(own.clone()), Afterwards::Remove).unwrap();
        std::fs::write(own.join("x"), "x").unwrap();
        std::fs::set_permissions(&own, std::fs::Permissions::from_mode(0o500)).unwrap();
        scratch.clear().unwrap();
        assert_eq!(own.metadata().unwrap().mode() & 0o7777, 0o750);
        assert_eq!(own.read_dir().unwrap().count(), 0);

        std::fs::write(own.join("mine"), "x").unwrap();
        let refused = Scratch::make(&DrillPlace::At(own.clone()), Afterwards::Remove).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Occupied, "{refused}");
        assert!(own.join("mine").exists());
    }

    #[test]
    fn a_full_disk_and_a_full_share_of_it_are_both_no_space() {
        for (errno, kind) in
            [(Errno::NOSPC, ErrorKind::NoSpace), (Errno::DQUOT, ErrorKind::NoSpace), (Errno::ROFS, ErrorKind::Io)]
        {
            assert_eq!(refused("make", Path::new("/x"), errno.into()).kind(), kind, "{errno:?}");
        }
    }

    #[test]
    fn what_is_to_stay_stays() {
        let top = tempfile::tempdir().unwrap();
        let new = top.path().join("new");
        let scratch = Scratch::make(&DrillPlace::At(new.clone()), Afterwards::Keep).unwrap();
        std::fs::write(new.join("x"), "x").unwrap();
        scratch.clear().unwrap();
        assert!(new.join("x").exists());
    }
}

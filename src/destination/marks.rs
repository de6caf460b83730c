//! What tells a later run that an interrupted one left something incomplete.

use rustix::fs::Mode;

use super::{Destination, DestinationError, Made, Operation, PRIVATE_DIRECTORY, PRIVATE_FILE, Present, metadata};
use crate::fs::look_through;
use crate::manifest::{Key, Kind};

/// The mode of directories that were made and got no metadata yet, by which a later run knows them: with
/// the sticky bit, which says nothing where nobody else may enter.
pub(super) const MARKED_DIRECTORY: Mode = PRIVATE_DIRECTORY.union(Mode::SVTX);
/// The mode of files that are being restored, and of pipes, sockets and devices, by which a later run knows them: the
/// sticky bit means nothing on any of these, and nobody else sets it.
pub(super) const MARKED_FILE: Mode = PRIVATE_FILE.union(Mode::SVTX);

/// Which files get a mode by which a later run knows that they are not complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marks {
    /// Those that are written in parts, and those that get another mode in the end in any case.
    Parts,
    /// All.
    All,
}

impl Destination {
    /// Gives all files that are not complete, and not only those that are written in parts, a mode by which a later run
    /// [knows](Self::is_unfinished) them: for a run that leaves alone what is there, and has to tell what its user put
    /// there from what an interrupted run left, with its metadata or without. Costs one system call more for each file.
    #[must_use]
    pub const fn marking_unfinished(mut self) -> Self {
        self.marks = Marks::All;
        self
    }

    /// Whether a run was interrupted before this was complete. Of a symbolic link that can't be told; and of a file that one
    /// write completed, and that a run did not [mark](Self::marking_unfinished), the metadata may be unfinished all the same.
    pub fn is_unfinished(&self, found: &Present) -> bool {
        let mode = u32::from(found.mode);
        let is_marked = match found.kind {
            Kind::File | Kind::Fifo | Kind::Socket | Kind::CharDevice | Kind::BlockDevice => mode == MARKED_FILE.bits(),
            // The directory above may have handed down its group.
            Kind::Directory => mode & !Mode::SGID.bits() == MARKED_DIRECTORY.bits(),
            // A link has no mode of its own.
            Kind::Symlink | Kind::Unknown => false,
        };
        // Those of others are marked only by somebody who may change what is theirs.
        is_marked && (found.uid == self.maker.0 || self.maker.0 == 0)
    }

    /// Takes the mark of what is not complete from a target that was made and got no metadata; called when all is restored.
    ///
    /// # Errors
    /// [`DestinationError::Refused`].
    pub fn complete(&self) -> Result<(), DestinationError> {
        if self.made == Made::Reused {
            return Ok(());
        }
        let refused = |errno| DestinationError::refused(&Key::root(), Operation::SetMode, errno);
        let root = self.handles.root();
        let found: Present = look_through(&root).map_err(refused)?.into();
        if self.is_unfinished(&found) { metadata::set_mode(&root, found.mode & 0o777).map_err(refused) } else { Ok(()) }
    }

    /// Has [`set_metadata`](Self::set_metadata) fail if something else than this lies at the key by then: what was
    /// compared gets its metadata, and not what somebody put in its place meanwhile.
    pub fn hold_to(&self, key: &Key, found: &Present) {
        self.lock_let_go().insert(key.clone(), (found.inode, found.device));
    }
}

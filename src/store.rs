//! Where the objects of a repository live: immutable files under names that are never used twice.
//!
//! A store does six things: it creates an object unless its name is taken, reads ranges of it, lists a folder,
//! removes, replaces bytes that do not fit their name by such as do, and states what it can be trusted with. Everything
//! blocks and is safe to call from many threads. The requirements stand in format-spec/01-store.md; one conformance suite
//! holds every store to them.

#[cfg(test)]
pub(crate) mod conformance;
mod doubles;
mod error;
mod facts;
#[cfg(any(test, fuzzing))]
pub(crate) mod faulty;
pub(crate) mod forward;
#[cfg(any(test, fuzzing))]
pub(crate) mod hooked;
mod local;
mod memory;
#[cfg(test)]
pub(crate) mod moody;
mod name;
mod pieces;
mod proof;
mod protect;
mod protecting;
mod rehearsal;
mod second;

pub use doubles::doubles;
pub use error::StoreError;
pub use facts::{Fact, StoreFacts};
pub use local::LocalStore;
pub use memory::MemoryStore;
pub use name::{Folder, Mirrored, NameError, ObjectName};
pub use pieces::Pieces;
pub use proof::{Claim, Judge, Proof, bytes_max, end_of, flaw, is_proven, misplaced_config, wrong_head};
pub(crate) use protect::parity_of;
pub use protect::{ProtectError, protect};
pub use protecting::{Protected, ProtectingStore, Protection};
pub use rehearsal::RehearsalStore;
pub use second::{NOTHING_HEALS_HERE, SecondCopies, UsedCopies, UsedCopy, before_healing};

use crate::id::SessionId;

/// What became of an attempt to create an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Created {
    /// The object is there now, durable, with the bytes that were given.
    New,
    /// An object of this name was there already and is durable. Its bytes were not compared.
    Exists,
}

/// One thing found in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listed {
    /// An object.
    Object {
        /// Its name.
        name: ObjectName,
        /// Its length in bytes.
        bytes: u64,
    },
    /// Something that is no object of a repository; temporary files are not reported.
    Stranger {
        /// Where it lies, relative to the repository, with unprintable bytes escaped.
        path: String,
    },
}

/// A place for objects.
pub trait Store: Send + Sync {
    /// Creates an object unless one of that name exists; durable on return, in both cases.
    ///
    /// # Errors
    /// On any error the object may or may not exist: read it back, or give it up.
    fn create(&self, name: &ObjectName, bytes: &[u8]) -> Result<Created, StoreError>;

    /// Begins an object that is too large for memory and whose name is known only at its end. `session` marks the
    /// temporary file, so that it can be swept once that session is decided.
    ///
    /// # Errors
    /// When no temporary file can be made.
    fn spool(&self, session: SessionId) -> Result<Box<dyn Spool>, StoreError>;

    /// Begins bytes that are to take the place of an object's own, which are damaged: the one exception to the rule that
    /// bytes under a name never change. Publishing holds both sides to the name: for what was written the proof must hold,
    /// or it fails with [`StoreError::Unproven`]; and for what is there it must not, or that is left as it is and the answer
    /// is [`Created::Exists`]. An object that is not there is not created.
    ///
    /// # Errors
    /// When no temporary file can be made, or the store replaces nothing.
    fn mend(&self, name: &ObjectName, _proof: Proof) -> Result<Box<dyn Spool>, StoreError> {
        Err(StoreError::Unmendable { name: *name, place: self.describe() })
    }

    /// Reads a whole small object of at most `limit_bytes`.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::TooLarge`], or what the medium says.
    fn read(&self, name: &ObjectName, limit_bytes: u64) -> Result<Vec<u8>, StoreError>;

    /// Reads as [`Self::read`] does; none when the object is not there.
    ///
    /// # Errors
    /// As [`Self::read`], but for [`StoreError::NotFound`].
    fn read_if_there(&self, name: &ObjectName, limit_bytes: u64) -> Result<Option<Vec<u8>>, StoreError> {
        if_there(self.read(name, limit_bytes))
    }

    /// Whether an object is there, whatever a listing shows.
    ///
    /// # Errors
    /// What the medium says.
    fn exists(&self, name: &ObjectName) -> Result<bool, StoreError> {
        Ok(if_there(self.open(name))?.is_some())
    }

    /// Opens an object for reading ranges.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or what the medium says.
    fn open(&self, name: &ObjectName) -> Result<Box<dyn Object>, StoreError>;

    /// Reports everything in a folder, in no particular order, without holding more than a sub-directory in memory.
    ///
    /// # Errors
    /// When the folder can't be read to its end; what was reported until then is not the whole.
    fn list(&self, folder: Folder, each: &mut dyn FnMut(Listed)) -> Result<(), StoreError>;

    /// Removes objects, durably on return; absent ones are passed over. Returns those that were there.
    ///
    /// # Errors
    /// At the first object that can't be removed; those before it may be gone.
    fn remove_all(&self, names: &[ObjectName]) -> Result<Vec<ObjectName>, StoreError>;

    /// Removes one object, durably on return.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or what the medium says.
    fn remove(&self, name: &ObjectName) -> Result<(), StoreError> {
        let removed = self.remove_all(std::slice::from_ref(name))?;
        if removed.is_empty() { Err(StoreError::NotFound { name: *name }) } else { Ok(()) }
    }

    /// Removes temporary files for which `may_go` answers true: it gets the session that each belongs to, or `None`
    /// for those of objects that no session owns. Returns the bytes freed.
    ///
    /// # Errors
    /// When a folder can't be read or a file can't be removed.
    fn sweep_temporaries(&self, may_go: &dyn Fn(Option<SessionId>) -> bool) -> Result<u64, StoreError>;

    /// Keeps some space aside with which objects can still be removed in order once the medium is full; where it is kept
    /// already, or little is left, nothing happens.
    ///
    /// # Errors
    /// What the medium says.
    fn keep_reserve(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Gives that space up. Says whether there was any.
    ///
    /// # Errors
    /// What the medium says.
    fn give_up_reserve(&self) -> Result<bool, StoreError> {
        Ok(false)
    }

    /// How many bytes the medium has free for this user, the reserve not among them; none where nobody can tell.
    ///
    /// # Errors
    /// What the medium says.
    fn free_bytes(&self) -> Result<Option<u64>, StoreError> {
        Ok(None)
    }

    /// Whether objects can be made in a folder, as far as that can be told without writing there: for advice to people.
    fn is_writable(&self, _folder: Folder) -> bool {
        true
    }

    /// Whether this is marked as the mirror of another store, so that only who mirrors may write to it.
    ///
    /// # Errors
    /// When that can't be found out.
    fn is_mirror(&self) -> Result<bool, StoreError>;

    /// Marks this as a mirror unless it is marked; durable on return, in both cases.
    ///
    /// # Errors
    /// What the medium says.
    fn mark_mirror(&self) -> Result<(), StoreError>;

    /// Proves what the store can be trusted with, once; later calls answer from memory. A store that can't be
    /// written proves nothing, which is an answer and not an error.
    ///
    /// # Errors
    /// When the proof was hindered by something that may pass, a full disk say.
    fn facts(&self) -> Result<StoreFacts, StoreError>;

    /// Where the store is, for people.
    fn describe(&self) -> String;
}

fn if_there<T>(looked: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match looked {
        Err(error) if error.is_not_found() => Ok(None),
        looked => looked.map(Some),
    }
}

/// An object opened for reading.
pub trait Object: Send + Sync {
    /// Its length.
    fn bytes(&self) -> u64;

    /// Fills `buffer` from `offset` on.
    ///
    /// # Errors
    /// [`StoreError::OutOfRange`] when the object ends before the buffer is full.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), StoreError>;

    /// Asks whoever keeps parts of it in memory to forget them, so that they are read from the medium next. Nothing is
    /// promised.
    fn forget_cached(&self) {}
}

/// An object being written. Dropped unpublished, it leaves nothing behind.
pub trait Spool: Send {
    /// Appends bytes; best in pieces of some hundred KiB.
    ///
    /// # Errors
    /// What the medium says; the spool can't be published afterwards.
    fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError>;

    /// Makes the object durable under its name unless an object of that name exists.
    ///
    /// # Errors
    /// On any error the object may or may not exist, and its bytes must be written anew to try again.
    fn publish(self: Box<Self>, name: &ObjectName) -> Result<Created, StoreError>;
}

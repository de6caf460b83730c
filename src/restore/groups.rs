//! Hard-link groups: which name of each was restored first, and which files that were there stand for one.

use crate::destination::Present;
use crate::error::{Error, ErrorKind, Result};
use crate::index::Scratch;
use crate::manifest::{Entry, Key, Row as _};
use std::sync::{Mutex, PoisonError};

/// The first name of a hard-link group.
pub(super) enum First {
    /// There is none yet.
    None,
    /// It was restored under this key.
    Name(Key, Origin),
    /// It is another entry than this one.
    Other,
}

/// How the first name of a group came to lie in the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// It was made.
    Made,
    /// It was there.
    Kept,
}

/// The table of groups. Spills to disk.
pub(super) struct Groups {
    table: Box<dyn Scratch>,
}

impl Groups {
    pub(super) const fn new(table: Box<dyn Scratch>) -> Self {
        Self { table }
    }

    /// The name under which another member of the entry's group was restored.
    pub(super) fn first(&self, entry: &Entry) -> Result<First> {
        let Some(group) = &entry.group else { return Ok(First::None) };
        let Some(row) = self.table.get(group.as_bytes())? else { return Ok(First::None) };
        let changed = || Error::new(ErrorKind::Io, "the table of hard links was changed");
        let (fields, rest) = row.split_at_checked(blake3::OUT_LEN).ok_or_else(changed)?;
        let (origin, first) = rest.split_first().ok_or_else(changed)?;
        if fields != hash_of_fields(entry) {
            return Ok(First::Other);
        }
        let origin = if *origin == 0 { Origin::Made } else { Origin::Kept };
        let key = Key::parse(first.to_vec()).map_err(|cause| changed().because(cause))?;
        Ok(First::Name(key, origin))
    }

    /// Notes where the first member of a group was restored; of further ones nothing.
    pub(super) fn remember(&mut self, entry: &Entry, target: &Key, origin: Origin) -> Result<()> {
        let Some(group) = entry.group.as_ref().filter(|_| !entry.is_unreadable()) else { return Ok(()) };
        if self.table.get(group.as_bytes())?.is_some() {
            return Ok(());
        }
        let mark = [u8::from(origin == Origin::Kept)];
        let row = [&hash_of_fields(entry)[..], &mark, target.as_bytes()].concat();
        Ok(self.table.put(group.as_bytes(), &row)?)
    }
}

/// Which files with several names, of those that are there, stand for which entry. Spills to disk.
pub(super) struct Claims {
    table: Mutex<Box<dyn Scratch>>,
}

impl Claims {
    pub(super) fn new(table: Box<dyn Scratch>) -> Self {
        Self { table: Mutex::new(table) }
    }

    /// Takes a file that is there for an entry, the first of its group; false when it stands for another one already.
    pub(super) fn claim(&self, found: &Present, target: &Key) -> Result<bool> {
        let row = [found.device.to_le_bytes(), found.inode.to_le_bytes()].concat();
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = table.get(&row)? {
            return Ok(taken == target.as_bytes());
        }
        table.put(&row, target.as_bytes())?;
        Ok(true)
    }
}

/// Everything about an entry but its key.
fn hash_of_fields(entry: &Entry) -> [u8; blake3::OUT_LEN] {
    let mut fields = Vec::new();
    entry.encode_fields(&mut fields);
    *blake3::hash(&fields).as_bytes()
}

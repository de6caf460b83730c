//! Hard-link groups: under which names each was restored, and which files that were there stand for one.

use crate::destination::Present;
use crate::error::{Error, ErrorKind, Result};
use crate::index::Scratch;
use crate::manifest::{Entry, Key, Row as _};
use std::sync::{Mutex, PoisonError};

/// How many names of a group are tried before one becomes a thing of its own: where no links can be made at all, each of
/// them would else try all that came before.
const NAMES_MAX: usize = 16;
/// Stands before each name in a row. No key holds it.
const BEFORE_NAME: u8 = b'/';

/// What is known of a hard-link group.
pub(super) enum Known {
    /// Nothing of it was restored yet.
    Nothing,
    /// It was restored under these keys: more than one where they could not be linked.
    Names(Vec<(Key, Origin)>),
    /// It is another entry than this one.
    Other,
}

/// How what a name of a group stands for came to lie in the target.
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

    /// The names under which other members of the entry's group were restored, to which it may be linked.
    pub(super) fn known(&self, entry: &Entry) -> Result<Known> {
        let Some(group) = &entry.group else { return Ok(Known::Nothing) };
        let Some(row) = self.table.get(group.as_bytes())? else { return Ok(Known::Nothing) };
        let Some(names) = row.strip_prefix(&hash_of_fields(entry)) else { return Ok(Known::Other) };
        let name = |name: &[u8]| {
            let (origin, key) = name.split_first()?;
            let origin = if *origin == 0 { Origin::Made } else { Origin::Kept };
            Some((Key::parse(key.to_vec()).ok()?, origin))
        };
        let names: Option<Vec<_>> = names.split(|byte| *byte == BEFORE_NAME).skip(1).map(name).collect();
        names.map(Known::Names).ok_or_else(|| Error::new(ErrorKind::Io, "the table of hard links was changed"))
    }

    /// Notes where a member of a group lies that was restored, and is not linked to those before it.
    pub(super) fn remember(&mut self, entry: &Entry, target: &Key, origin: Origin) -> Result<()> {
        let Some(group) = entry.group.as_ref().filter(|_| !entry.is_unreadable()) else { return Ok(()) };
        let before = match self.known(entry)? {
            Known::Nothing => hash_of_fields(entry).to_vec(),
            Known::Names(names) if names.len() < NAMES_MAX => self.table.get(group.as_bytes())?.unwrap_or_default(),
            Known::Names(_) | Known::Other => return Ok(()),
        };
        let mark = [BEFORE_NAME, u8::from(origin == Origin::Kept)];
        Ok(self.table.put(group.as_bytes(), &[&before[..], &mark, target.as_bytes()].concat())?)
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

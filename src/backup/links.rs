//! Files under several names: which names are of one file, and what the trees hold of the first of them.

use crate::error::{Error, ErrorKind, Result};
use crate::index::Scratch;
use crate::manifest::{Entry, Key, Kind, Row as _, State};
use crate::source::Stat;
use crate::wire::{Reader, Write as _};

/// What all names of a file have in common while it does not change.
///
/// Device and inode alone are not enough: a file that is removed during a run leaves its inode to the next that is made.
/// They come from this run's walk, never from the parent: the devices may have changed places since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity([u8; Self::BYTES]);

impl Identity {
    const BYTES: usize = 49;

    /// None for what can't have another name, and for what has none. All else may have: files, but also symbolic links,
    /// pipes, sockets and devices.
    pub(super) fn of(stat: &Stat) -> Option<Self> {
        if stat.kind == Kind::Directory || stat.links < 2 {
            return None;
        }
        let (mtime, ctime) = (stat.mtime, stat.ctime);
        let parts: [&[u8]; 8] = [
            &stat.device.to_le_bytes(),
            &stat.inode.to_le_bytes(),
            &[stat.kind.code()],
            &stat.size.to_le_bytes(),
            &mtime.seconds().to_le_bytes(),
            &mtime.nanoseconds().to_le_bytes(),
            &ctime.seconds().to_le_bytes(),
            &ctime.nanoseconds().to_le_bytes(),
        ];
        let mut bytes = [0; Self::BYTES];
        for (to, from) in bytes.iter_mut().zip(parts.into_iter().flatten()) {
            *to = *from;
        }
        Some(Self(bytes))
    }

    pub(super) const fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Whether the next run may rely upon what is stored of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wholeness {
    /// All of it was read, in peace.
    Whole,
    /// Its content moved, or some of its attributes could not be read.
    Lacking,
}

impl Wholeness {
    /// Whole where nothing is missing.
    pub(super) const fn of(has_all: bool) -> Self {
        if has_all { Self::Whole } else { Self::Lacking }
    }
}

/// What the trees hold of the first name of a file.
pub(super) struct First {
    entry: Entry,
    pub(super) wholeness: Wholeness,
}

impl First {
    /// Makes another name's entry equal to it in all but its key.
    pub(super) fn share_with(self, entry: &mut Entry) {
        entry.group = self.entry.group;
        entry.body = self.entry.body;
        entry.state = self.entry.state;
        entry.attributes = self.entry.attributes;
    }

    /// Where it stands.
    pub(super) const fn key(&self) -> &Key {
        &self.entry.key
    }

    /// Whether its content is a mixture.
    pub(super) fn is_mixture(&self) -> bool {
        self.entry.state == State::Inconsistent
    }
}

/// The files with several names that are in the trees.
pub(super) struct Links(Box<dyn Scratch>);

impl Links {
    /// Starts without any.
    pub(super) fn new(table: Box<dyn Scratch>) -> Self {
        Self(table)
    }

    /// What is kept of the first name.
    ///
    /// # Errors
    /// When the table can't be read.
    pub(super) fn first(&self, identity: &Identity) -> Result<Option<First>> {
        self.0.get(identity.as_bytes())?.map(|bytes| decode(&bytes)).transpose()
    }

    /// Keeps an entry for the names that follow.
    ///
    /// # Errors
    /// When the table can't be written.
    pub(super) fn keep(&mut self, identity: &Identity, entry: &Entry, wholeness: Wholeness) -> Result<()> {
        let mut bytes = vec![u8::from(wholeness == Wholeness::Whole)];
        bytes.put_blob(entry.key.as_bytes());
        entry.encode_fields(&mut bytes);
        Ok(self.0.put(identity.as_bytes(), &bytes)?)
    }
}

fn decode(bytes: &[u8]) -> Result<First> {
    let changed = || Error::new(ErrorKind::Io, "the temporary table of hard links reads back differently");
    let mut reader = Reader::new(bytes);
    let wholeness = match reader.u8().map_err(|_| changed())? {
        0 => Wholeness::Lacking,
        _ => Wholeness::Whole,
    };
    let key = reader.blob("key", bytes.len()).map_err(|_| changed())?;
    let key = Key::parse(key.to_vec()).map_err(|_| changed())?;
    let entry = Entry::decode_fields(key, &mut reader).map_err(|_| changed())?;
    Ok(First { entry, wholeness })
}

//! Stat rows: what only the next backup needs to see that an entry did not change.

use super::entry::{KIND_ANCESTOR, Kind};
use super::key::Key;
use super::node::Tree;
use super::row::{Row, RowError};
use super::time::Timestamp;
use crate::wire::{Reader, WireError, Write};

/// What the file system said about an entry when it was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatEntry {
    /// The entry's key.
    pub key: Key,
    /// What it was.
    pub kind: Kind,
    /// Whether it is a directory above the arguments of the run: what belongs to the snapshot is told by other arguments,
    /// though nothing changed.
    pub is_ancestor: bool,
    /// Its size in bytes.
    pub size: u64,
    /// When its content last changed.
    pub mtime: Timestamp,
    /// When its content or metadata last changed.
    pub ctime: Timestamp,
    /// Its number in its file system.
    pub inode: u64,
    /// Its file system's number.
    pub device: u64,
    /// How many names it had.
    pub links: u64,
    /// Whether the row may be relied upon once its times lie well before the walk that recorded it; an entry that is
    /// not settled is read again by the next backup whatever its times are.
    pub settled: bool,
}

impl Row for StatEntry {
    const TREE: Tree = Tree::Stat;

    fn key(&self) -> &Key {
        &self.key
    }

    fn is_directory(&self) -> bool {
        self.kind == Kind::Directory
    }

    fn byte_total(&self) -> u64 {
        self.size
    }

    fn check(&self) -> Result<(), RowError> {
        Ok(())
    }

    fn encode_fields(&self, out: &mut Vec<u8>) {
        let ancestor = if self.is_ancestor { KIND_ANCESTOR } else { 0 };
        out.put_u8(self.kind.code() | ancestor);
        out.put_varint(self.size);
        self.mtime.encode(out);
        self.ctime.encode(out);
        out.put_varint(self.inode);
        out.put_varint(self.device);
        out.put_varint(self.links);
        out.put_u8(self.settled.into());
    }

    fn decode_fields(key: Key, reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let code = reader.u8()?;
        let kind = Kind::from_code(code & !KIND_ANCESTOR).ok_or_else(|| reader.out_of_range("kind"))?;
        let is_ancestor = code & KIND_ANCESTOR != 0;
        if is_ancestor && kind != Kind::Directory {
            return Err(reader.out_of_range("kind"));
        }
        Ok(Self {
            key,
            kind,
            is_ancestor,
            size: reader.varint()?,
            mtime: Timestamp::decode(reader)?,
            ctime: Timestamp::decode(reader)?,
            inode: reader.varint()?,
            device: reader.varint()?,
            links: reader.varint()?,
            settled: match reader.u8()? {
                0 => false,
                1 => true,
                _ => return Err(reader.out_of_range("settled")),
            },
        })
    }
}

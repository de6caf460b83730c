//! Entries: the rows of the manifest, one for each thing that a backup holds.

use super::attribute::{AttributeValue, Attributes};
use super::item::{Content, ItemList};
use super::key::Key;
use super::node::Tree;
use super::row::{Row, RowError};
use super::time::Timestamp;
use crate::wire::{Reader, WireError, Write};
use rustix::fs::FileType;

/// Longest target of a symbolic link in bytes, as in Linux.
pub const TARGET_BYTES_MAX: usize = 4 << 10;
/// The mode's twelve bits: permissions, set-user-id, set-group-id, sticky.
pub const MODE_MAX: u16 = 0o7777;

/// What an entry or a stat row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// Something whose kind could not be read.
    Unknown,
}

impl Kind {
    /// The kind that the type bits of a mode stand for, as file systems give them.
    pub fn of_mode(mode: u16) -> Self {
        match FileType::from_raw_mode(mode.into()) {
            FileType::Directory => Self::Directory,
            FileType::RegularFile => Self::File,
            FileType::Symlink => Self::Symlink,
            FileType::Fifo => Self::Fifo,
            FileType::Socket => Self::Socket,
            FileType::CharacterDevice => Self::CharDevice,
            FileType::BlockDevice => Self::BlockDevice,
            FileType::Unknown => Self::Unknown,
        }
    }

    const ALL: [Self; 8] = [
        Self::Directory,
        Self::File,
        Self::Symlink,
        Self::Fifo,
        Self::Socket,
        Self::CharDevice,
        Self::BlockDevice,
        Self::Unknown,
    ];

    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Directory => 0,
            Self::File => 1,
            Self::Symlink => 2,
            Self::Fifo => 3,
            Self::Socket => 4,
            Self::CharDevice => 5,
            Self::BlockDevice => 6,
            Self::Unknown => 7,
        }
    }

    pub(super) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

/// How well an entry was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Read as it was.
    Stored,
    /// It changed while it was read, twice: what is stored may never have existed at one moment.
    Inconsistent,
    /// It could not be read. A file or link has no content; what a directory held may be missing.
    Unreadable {
        /// What the system said.
        errno: u32,
    },
}

/// The numbers of a device node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device {
    /// The driver.
    pub major: u32,
    /// The device among the driver's.
    pub minor: u32,
}

/// What an entry is, with what only that kind has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// A directory.
    Directory,
    /// A directory above the arguments of the run: its metadata is stored, what else it holds was not asked for.
    Ancestor,
    /// A regular file; without content when unreadable.
    File(Content),
    /// A symbolic link and its target; without target when unreadable.
    Symlink(Vec<u8>),
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A character device.
    CharDevice(Device),
    /// A block device.
    BlockDevice(Device),
    /// Something whose kind could not be read; always unreadable.
    Unknown,
}

impl Body {
    /// The kind alone.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Directory | Self::Ancestor => Kind::Directory,
            Self::File(_) => Kind::File,
            Self::Symlink(_) => Kind::Symlink,
            Self::Fifo => Kind::Fifo,
            Self::Socket => Kind::Socket,
            Self::CharDevice(_) => Kind::CharDevice,
            Self::BlockDevice(_) => Kind::BlockDevice,
            Self::Unknown => Kind::Unknown,
        }
    }
}

/// The name of a hard-link group: entries that bear the same are one file. Made by [`super::HardLinkKey`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkGroup(pub(super) [u8; 16]);

impl LinkGroup {
    /// The bytes as they are stored.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// One thing that a backup holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it lies.
    pub key: Key,
    /// What it is.
    pub body: Body,
    /// How well it was read.
    pub state: State,
    /// Its permissions and the three bits above them, at most [`MODE_MAX`].
    pub mode: u16,
    /// Its owner's number.
    pub uid: u32,
    /// Its group's number.
    pub gid: u32,
    /// When its content last changed.
    pub mtime: Timestamp,
    /// The hard-link group that it belongs to.
    pub group: Option<LinkGroup>,
    /// What else there is to say.
    pub attributes: Attributes,
}

pub(super) const KIND_ANCESTOR: u8 = 0x80;
const FLAG_GROUP: u8 = 1;
const FLAG_ATTRIBUTES: u8 = 2;
const STATE_STORED: u8 = 0;
const STATE_INCONSISTENT: u8 = 1;
const STATE_UNREADABLE: u8 = 2;

impl Entry {
    /// An entry with all else zero, stored, without attributes.
    pub fn new(key: Key, body: Body) -> Self {
        let mtime = Timestamp::default();
        let attributes = Attributes::none();
        Self { key, body, state: State::Stored, mode: 0, uid: 0, gid: 0, mtime, group: None, attributes }
    }

    /// What it is, without what only that kind has.
    pub const fn kind(&self) -> Kind {
        self.body.kind()
    }

    /// The content of a file.
    pub const fn content(&self) -> Option<&Content> {
        match &self.body {
            Body::File(content) => Some(content),
            Body::Directory
            | Body::Ancestor
            | Body::Symlink(_)
            | Body::Fifo
            | Body::Socket
            | Body::CharDevice(_)
            | Body::BlockDevice(_)
            | Body::Unknown => None,
        }
    }

    /// All lists of items that the entry names: its content, and values of attributes.
    pub fn item_lists(&self) -> impl Iterator<Item = &ItemList> {
        let content = match self.content() {
            Some(Content::Items(items)) => Some(items),
            Some(Content::Inline(_)) | None => None,
        };
        let values = self.attributes.iter().filter_map(|attribute| match &attribute.value {
            AttributeValue::OutOfLine(items) => Some(items),
            AttributeValue::Inline(_) => None,
        });
        content.into_iter().chain(values)
    }

    /// Whether it could not be read.
    pub const fn is_unreadable(&self) -> bool {
        matches!(self.state, State::Unreadable { .. })
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        match &self.body {
            Body::File(_) | Body::Symlink(_) if self.is_unreadable() => {}
            Body::File(content) => content.encode(out),
            Body::Symlink(target) => out.put_blob(target),
            Body::CharDevice(device) | Body::BlockDevice(device) => {
                out.put_varint(device.major.into());
                out.put_varint(device.minor.into());
            }
            Body::Directory | Body::Ancestor | Body::Fifo | Body::Socket | Body::Unknown => {}
        }
    }
}

impl Row for Entry {
    const TREE: Tree = Tree::Manifest;

    fn key(&self) -> &Key {
        &self.key
    }

    fn is_directory(&self) -> bool {
        self.kind() == Kind::Directory
    }

    fn byte_total(&self) -> u64 {
        self.content().map_or(0, Content::bytes)
    }

    fn check(&self) -> Result<(), RowError> {
        if self.mode > MODE_MAX {
            return Err(RowError::Mode);
        }
        match &self.body {
            Body::File(content) if self.is_unreadable() && *content != Content::empty() => Err(RowError::State),
            Body::Symlink(target) if self.is_unreadable() && !target.is_empty() => Err(RowError::State),
            Body::Unknown if !self.is_unreadable() => Err(RowError::State),
            Body::File(content) => content.check(),
            Body::Symlink(target) if !self.is_unreadable() => check_target(target),
            Body::Directory
            | Body::Ancestor
            | Body::Symlink(_)
            | Body::Fifo
            | Body::Socket
            | Body::CharDevice(_)
            | Body::BlockDevice(_)
            | Body::Unknown => Ok(()),
        }?;
        self.attributes.check()
    }

    fn encode_fields(&self, out: &mut Vec<u8>) {
        let ancestor = if self.body == Body::Ancestor { KIND_ANCESTOR } else { 0 };
        out.put_u8(self.kind().code() | ancestor);
        match self.state {
            State::Stored => out.put_u8(STATE_STORED),
            State::Inconsistent => out.put_u8(STATE_INCONSISTENT),
            State::Unreadable { errno } => {
                out.put_u8(STATE_UNREADABLE);
                out.put_varint(errno.into());
            }
        }
        out.put_varint(self.mode.into());
        out.put_varint(self.uid.into());
        out.put_varint(self.gid.into());
        self.mtime.encode(out);
        let group = if self.group.is_some() { FLAG_GROUP } else { 0 };
        let attributes = if self.attributes.is_empty() { 0 } else { FLAG_ATTRIBUTES };
        out.put_u8(group | attributes);
        if let Some(group) = &self.group {
            out.put(&group.0);
        }
        if !self.attributes.is_empty() {
            self.attributes.encode(out);
        }
        self.encode_body(out);
    }

    fn decode_fields(key: Key, reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let code = reader.u8()?;
        let kind = Kind::from_code(code & !KIND_ANCESTOR).ok_or_else(|| reader.out_of_range("kind"))?;
        let state = decode_state(reader)?;
        let mode = reader.varint_max("mode", MODE_MAX.into())?;
        let mode = u16::try_from(mode).map_err(|_| reader.out_of_range("mode"))?;
        let uid = decode_u32("user number", reader)?;
        let gid = decode_u32("group number", reader)?;
        let mtime = Timestamp::decode(reader)?;
        let flags = reader.u8()?;
        if flags & !(FLAG_GROUP | FLAG_ATTRIBUTES) != 0 {
            return Err(reader.out_of_range("entry flags"));
        }
        let group = if flags & FLAG_GROUP == 0 { None } else { Some(LinkGroup(reader.array()?)) };
        let attributes = if flags & FLAG_ATTRIBUTES == 0 { Attributes::none() } else { Attributes::decode(reader)? };
        let body = match (code & KIND_ANCESTOR != 0, kind) {
            (true, Kind::Directory) => Body::Ancestor,
            (true, _) => return Err(reader.out_of_range("kind")),
            (false, kind) => decode_body(kind, state, reader)?,
        };
        Ok(Self { key, body, state, mode, uid, gid, mtime, group, attributes })
    }
}

fn decode_state(reader: &mut Reader<'_>) -> Result<State, WireError> {
    match reader.u8()? {
        STATE_STORED => Ok(State::Stored),
        STATE_INCONSISTENT => Ok(State::Inconsistent),
        STATE_UNREADABLE => decode_u32("error number", reader).map(|errno| State::Unreadable { errno }),
        _ => Err(reader.out_of_range("state")),
    }
}

fn decode_body(kind: Kind, state: State, reader: &mut Reader<'_>) -> Result<Body, WireError> {
    let readable = !matches!(state, State::Unreadable { .. });
    Ok(match kind {
        Kind::Directory => Body::Directory,
        Kind::File if readable => Body::File(Content::decode(reader)?),
        Kind::File => Body::File(Content::empty()),
        Kind::Symlink if readable => Body::Symlink(reader.blob("link target", TARGET_BYTES_MAX)?.to_vec()),
        Kind::Symlink => Body::Symlink(Vec::new()),
        Kind::Fifo => Body::Fifo,
        Kind::Socket => Body::Socket,
        Kind::CharDevice => Body::CharDevice(decode_device(reader)?),
        Kind::BlockDevice => Body::BlockDevice(decode_device(reader)?),
        Kind::Unknown => Body::Unknown,
    })
}

fn decode_device(reader: &mut Reader<'_>) -> Result<Device, WireError> {
    let major = decode_u32("major device number", reader)?;
    let minor = decode_u32("minor device number", reader)?;
    Ok(Device { major, minor })
}

fn decode_u32(what: &'static str, reader: &mut Reader<'_>) -> Result<u32, WireError> {
    let value = reader.varint_max(what, u32::MAX.into())?;
    u32::try_from(value).map_err(|_| reader.out_of_range(what))
}

fn check_target(target: &[u8]) -> Result<(), RowError> {
    let valid = !target.is_empty() && target.len() <= TARGET_BYTES_MAX && !target.contains(&0);
    if valid { Ok(()) } else { Err(RowError::Target) }
}

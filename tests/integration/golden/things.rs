//! What lies in the golden snapshots: entries, and the line that `tests/list_tree.py` must print about each.

use super::forge::{Forge, Nodes, Waiting};
use aws_lc_rs::digest;
use holdall::id::{ChunkId, NodeId};
use holdall::manifest::{
    Attribute, AttributeValue, Attributes, Body, Content, Device, Entry, Hole, Item, Key, Kind, Necessity, Row,
    StatEntry, State, Timestamp, TreeBuilder, Xattr, encode_holes, encode_xattrs,
};
use holdall::outcome::Counts;
use std::fmt::Write as _;

/// A part of a file's content.
#[derive(Clone)]
pub(crate) enum Part {
    Chunk(Vec<u8>),
    /// A chunk of which the item says another length.
    Claimed(Vec<u8>, u64),
    Zeros(u64),
}

#[derive(Clone)]
pub(crate) enum Is {
    Directory,
    Ancestor,
    Inline(Vec<u8>),
    Parts(Vec<Part>),
    Symlink(Vec<u8>),
    Fifo,
    Socket,
    Character(u32, u32),
    Block(u32, u32),
    Unknown,
}

/// An entry to be.
#[derive(Clone)]
pub(crate) struct Thing {
    path: Vec<u8>,
    is: Is,
    mode: u16,
    owner: (u32, u32),
    mtime: (i64, u32),
    state: State,
    first_name: Option<Vec<u8>>,
    xattrs: Vec<Xattr>,
    holes: Vec<Hole>,
    /// Attributes as they are stored: number, necessity, value.
    others: Vec<(u32, Necessity, Vec<u8>)>,
    has_stat_row: bool,
}

impl Thing {
    pub(crate) fn new(path: impl AsRef<[u8]>, is: Is) -> Self {
        let mode = match is {
            Is::Directory | Is::Ancestor => 0o755,
            Is::Symlink(_) => 0o777,
            Is::Inline(_) | Is::Parts(_) | Is::Fifo | Is::Socket | Is::Character(..) | Is::Block(..) | Is::Unknown => {
                0o644
            }
        };
        let path = path.as_ref().to_vec();
        // A time of its own for each.
        let [low, high, ..] = *blake3::hash(&path).as_bytes();
        let mtime = (1_600_000_000 + i64::from(low) * 1000, u32::from(high) * 3_000_001);
        Self {
            path,
            is,
            mode,
            owner: (0, 0),
            mtime,
            state: State::Stored,
            first_name: None,
            xattrs: Vec::new(),
            holes: Vec::new(),
            others: Vec::new(),
            has_stat_row: true,
        }
    }

    pub(crate) fn mode(mut self, mode: u16) -> Self {
        self.mode = mode;
        self
    }

    pub(crate) fn owner(mut self, user: u32, group: u32) -> Self {
        self.owner = (user, group);
        self
    }

    pub(crate) fn mtime(mut self, seconds: i64, nanoseconds: u32) -> Self {
        self.mtime = (seconds, nanoseconds);
        self
    }

    pub(crate) fn state(mut self, state: State) -> Self {
        self.state = state;
        self
    }

    pub(crate) fn xattr(mut self, name: &str, value: &[u8]) -> Self {
        self.xattrs.push(Xattr { name: name.as_bytes().to_vec(), value: value.to_vec() });
        self.xattrs.sort();
        self
    }

    pub(crate) fn hole(mut self, offset: u64, bytes: u64) -> Self {
        self.holes.push(Hole { offset, bytes });
        self
    }

    pub(crate) fn attribute(mut self, id: u32, necessity: Necessity, value: &[u8]) -> Self {
        self.others.push((id, necessity, value.to_vec()));
        self
    }

    /// Leaves it out of the stat tree.
    pub(crate) fn without_stat_row(self) -> Self {
        Self { has_stat_row: false, ..self }
    }

    /// The first of several names; in the order of keys it must be.
    pub(crate) fn first_name(mut self) -> Self {
        self.first_name = Some(self.path.clone());
        self
    }

    /// Says that it is another name of something, with the same time.
    pub(crate) fn in_group_of(self, first: &Self) -> Self {
        Self { first_name: first.first_name.clone(), mtime: first.mtime, ..self }
    }

    pub(crate) fn other_name(&self, path: impl AsRef<[u8]>) -> Self {
        Self { path: path.as_ref().to_vec(), ..self.clone() }
    }

    pub(crate) fn key(&self) -> Key {
        Key::parse(self.path.iter().map(|byte| if *byte == b'/' { 0 } else { *byte }).collect()).unwrap()
    }

    fn entry(&self, forge: &Forge, chunks: &mut Waiting, nodes: &mut Nodes<'_>) -> Entry {
        let device = |major, minor| Device { major, minor };
        let body = match &self.is {
            Is::Directory => Body::Directory,
            Is::Ancestor => Body::Ancestor,
            Is::Inline(bytes) => Body::File(Content::Inline(bytes.clone())),
            Is::Parts(parts) => {
                let items = parts.iter().map(|part| item(forge, part, chunks)).collect();
                Body::File(Content::of_items(forge.item_list(items, nodes)))
            }
            Is::Symlink(target) => Body::Symlink(target.clone()),
            Is::Fifo => Body::Fifo,
            Is::Socket => Body::Socket,
            Is::Character(major, minor) => Body::CharDevice(device(*major, *minor)),
            Is::Block(major, minor) => Body::BlockDevice(device(*major, *minor)),
            Is::Unknown => Body::Unknown,
        };
        let mut attributes = Attributes::none();
        if !self.xattrs.is_empty() {
            let value = encode_xattrs(&self.xattrs).unwrap();
            attributes.insert(Attribute::xattrs(attribute_value(forge, value, chunks, nodes)));
        }
        if !self.holes.is_empty() {
            let value = encode_holes(&self.holes).unwrap();
            attributes.insert(Attribute::holes(attribute_value(forge, value, chunks, nodes)));
        }
        for (id, necessity, value) in &self.others {
            let value = attribute_value(forge, value.clone(), chunks, nodes);
            attributes.insert(Attribute { id: *id, necessity: *necessity, value });
        }
        let group = self.first_name.as_ref().map(|first| {
            let first = Thing::new(first, Is::Fifo).key();
            forge.hard_links.group(&first)
        });
        Entry {
            state: self.state,
            mode: self.mode,
            uid: self.owner.0,
            gid: self.owner.1,
            mtime: Timestamp::new(self.mtime.0, self.mtime.1).unwrap(),
            group,
            attributes,
            ..Entry::new(self.key(), body)
        }
    }

    /// What `tests/list_tree.py` prints about it.
    fn line(&self) -> String {
        let mut line = if self.path.is_empty() { ".".to_owned() } else { escaped(&self.path) };
        let kind = match self.is {
            Is::Directory | Is::Ancestor => "directory",
            Is::Inline(_) | Is::Parts(_) => "file",
            Is::Symlink(_) => "symlink",
            Is::Fifo => "fifo",
            Is::Socket => "socket",
            Is::Character(..) => "character",
            Is::Block(..) => "block",
            Is::Unknown => unreachable!("nothing is restored of it"),
        };
        let mtime = i128::from(self.mtime.0) * 1_000_000_000 + i128::from(self.mtime.1);
        write!(line, "\t{kind}\t{:04o}\t{}:{}\t{mtime}", self.mode, self.owner.0, self.owner.1).unwrap();
        match &self.is {
            Is::Inline(bytes) => self.write_content(&mut line, &[Part::Chunk(bytes.clone())]),
            Is::Parts(parts) => self.write_content(&mut line, parts),
            Is::Symlink(target) => write!(line, "\ttarget={}", escaped(target)).unwrap(),
            Is::Character(major, minor) | Is::Block(major, minor) => {
                write!(line, "\tdevice={major}:{minor}").unwrap();
            }
            Is::Directory | Is::Ancestor | Is::Fifo | Is::Socket | Is::Unknown => {}
        }
        if let Some(first) = &self.first_name {
            write!(line, "\tlink={}", escaped(first)).unwrap();
        }
        for (place, xattr) in self.xattrs.iter().enumerate() {
            let before = if place == 0 { "\txattrs=" } else { "," };
            let digest = &hex(&sha256(&[Part::Chunk(xattr.value.clone())]).0)[..16];
            write!(line, "{before}{}:{digest}", escaped(&xattr.name)).unwrap();
        }
        line
    }

    fn write_content(&self, line: &mut String, parts: &[Part]) {
        let (digest, size) = sha256(parts);
        write!(line, "\tsize={size}\tsha256={}", hex(&digest)).unwrap();
        for (place, hole) in self.holes.iter().enumerate() {
            let before = if place == 0 { "\tholes=" } else { "," };
            write!(line, "{before}{}-{}", hole.offset, (hole.offset + hole.bytes).min(size)).unwrap();
        }
    }

    const fn is_restored(&self) -> bool {
        let without_content = matches!(self.is, Is::Inline(_) | Is::Parts(_) | Is::Symlink(_) | Is::Unknown);
        !(without_content && matches!(self.state, State::Unreadable { .. }))
    }
}

fn item(forge: &Forge, part: &Part, chunks: &mut Waiting) -> Item {
    match part {
        Part::Zeros(bytes) => Item::Zeros { bytes: *bytes },
        Part::Chunk(bytes) => {
            let id: ChunkId = forge.chunk_ids.id(bytes);
            chunks.put(id, bytes);
            Item::Chunk { id, bytes: bytes.len().try_into().unwrap() }
        }
        Part::Claimed(bytes, claimed) => {
            let id: ChunkId = forge.chunk_ids.id(bytes);
            chunks.put(id, bytes);
            Item::Chunk { id, bytes: *claimed }
        }
    }
}

/// A value in the entry, or in chunks of at most 100 bytes.
fn attribute_value(forge: &Forge, value: Vec<u8>, chunks: &mut Waiting, nodes: &mut Nodes<'_>) -> AttributeValue {
    if value.len() <= 1024 {
        return AttributeValue::Inline(value);
    }
    let items = value.chunks(100).map(|chunk| item(forge, &Part::Chunk(chunk.to_vec()), chunks)).collect();
    AttributeValue::OutOfLine(forge.item_list(items, nodes).unwrap())
}

fn sha256(parts: &[Part]) -> (Vec<u8>, u64) {
    let mut context = digest::Context::new(&digest::SHA256);
    let mut size = 0;
    for part in parts {
        match part {
            Part::Chunk(bytes) | Part::Claimed(bytes, _) => {
                context.update(bytes);
                size += u64::try_from(bytes.len()).unwrap();
            }
            Part::Zeros(bytes) => {
                (0..bytes / 4096).for_each(|_| context.update(&[0; 4096]));
                context.update(&vec![0; usize::try_from(bytes % 4096).unwrap()]);
                size += bytes;
            }
        }
    }
    (context.finish().as_ref().to_vec(), size)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn escaped(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        match byte {
            b'\\' => text.push_str("\\x5c"),
            0x21..=0x7e => text.push(char::from(*byte)),
            _ => write!(text, "\\x{byte:02x}").unwrap(),
        }
        text
    })
}

/// A component: its trees, what waits to be packed, and what a restore of it must look like.
pub(crate) struct Planted {
    pub(crate) manifest: NodeId,
    pub(crate) stat: NodeId,
    pub(crate) chunks: Waiting,
    pub(crate) nodes: Waiting,
    pub(crate) stat_nodes: Waiting,
    pub(crate) counts: Counts,
    pub(crate) listing: String,
}

/// Builds the trees of a component.
pub(crate) fn plant(forge: &Forge, mut things: Vec<Thing>) -> Planted {
    things.sort_by_key(Thing::key);
    let (mut chunks, mut nodes, mut stat_nodes) = (Waiting::default(), forge.nodes(), forge.nodes());
    let mut manifest = TreeBuilder::new(&forge.boundary, Forge::means());
    let mut stat = TreeBuilder::new(&forge.boundary, Forge::means());
    let (mut counts, mut listing) = (Counts::default(), String::new());
    for (inode, thing) in (1u64..).zip(&things) {
        let entry = thing.entry(forge, &mut chunks, &mut nodes);
        manifest.push(&entry, &mut nodes).unwrap();
        if thing.has_stat_row {
            stat.push(&stat_of(&entry, inode), &mut stat_nodes).unwrap();
        }
        count(&mut counts, thing, &entry);
        if thing.is_restored() {
            listing.push_str(&thing.line());
            listing.push('\n');
        }
    }
    let (manifest, stat) = (manifest.finish(&mut nodes).unwrap(), stat.finish(&mut stat_nodes).unwrap());
    let (nodes, stat_nodes) = (nodes.waiting, stat_nodes.waiting);
    Planted { manifest, stat, chunks, nodes, stat_nodes, counts, listing }
}

fn stat_of(entry: &Entry, inode: u64) -> StatEntry {
    StatEntry {
        key: entry.key.clone(),
        kind: entry.kind(),
        is_ancestor: entry.body == Body::Ancestor,
        size: entry.byte_total(),
        mtime: entry.mtime,
        ctime: entry.mtime,
        inode,
        device: 0x0801,
        links: if entry.group.is_some() { 2 } else { 1 },
        settled: true,
    }
}

fn count(counts: &mut Counts, thing: &Thing, entry: &Entry) {
    match entry.kind() {
        Kind::Directory => counts.directories += 1,
        Kind::File => counts.files += 1,
        Kind::Symlink => counts.symlinks += 1,
        Kind::Fifo | Kind::Socket | Kind::CharDevice | Kind::BlockDevice | Kind::Unknown => counts.others += 1,
    }
    counts.bytes += entry.byte_total();
    counts.hard_links += u64::from(thing.first_name.as_ref().is_some_and(|first| *first != thing.path));
    counts.unreadable += u64::from(entry.is_unreadable());
    counts.inconsistent += u64::from(entry.state == State::Inconsistent);
}

/// Bytes that don't shrink, the same in every run.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

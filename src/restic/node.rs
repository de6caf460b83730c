//! Directories: what a tree blob says.

use super::document::base64;
use super::error::Fault;
use super::id::BlobId;
use super::quote::unquote;
use crate::fs::is_name;
use crate::manifest::{Kind, Timestamp, Xattr};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// Go's file modes have permissions where Unix has them, and these three elsewhere.
const GO_SETUID: u32 = 1 << 23;
const GO_SETGID: u32 = 1 << 22;
const GO_STICKY: u32 = 1 << 20;

/// A directory.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// What is in it, sorted by name; no name is there twice.
    nodes: Vec<Node>,
    /// How long its blob is.
    blob_bytes: usize,
}

/// An entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// The lower twelve bits of its mode.
    pub mode: u16,
    /// The owner's id.
    pub uid: u32,
    /// The group's id.
    pub gid: u32,
    /// The owner's name; may be empty.
    pub user: Vec<u8>,
    /// The group's name; may be empty.
    pub group: Vec<u8>,
    /// When its content was last changed.
    pub mtime: Timestamp,
    /// When content or metadata were last changed.
    pub ctime: Timestamp,
    /// The number of its inode.
    pub inode: u64,
    /// The device that held it; 0 where nobody asked.
    pub device_id: u64,
    /// How many names the inode had.
    pub links: u64,
    /// How long its content is, says restic.
    pub size: u64,
    /// Its content.
    pub content: Vec<BlobId>,
    /// Of a directory: what is in it; none where restic could not read it.
    pub subtree: Option<BlobId>,
    /// Of a symbolic link: where to.
    pub target: Vec<u8>,
    /// Of a device: its number, as Linux encodes it.
    pub device: u64,
    /// Its extended attributes, sorted by name.
    pub xattrs: Vec<Xattr>,
    /// Whether it has attributes of another system, which are not carried over.
    pub has_foreign_attributes: bool,
}

impl Node {
    /// Whether two entries are the same but for when they were read and, for directories, for what is in them.
    pub fn is_same_entry(&self, other: &Self) -> bool {
        let without_subtree = |node: &Self| Self { subtree: None, content: Vec::new(), ..node.clone() };
        // The list may be long, and is most of what differs.
        self.content == other.content && without_subtree(self) == without_subtree(other)
    }
}

impl Tree {
    /// Reads a tree's blob.
    ///
    /// # Errors
    /// [`Fault::Meaning`], also for names that no directory can have.
    pub fn parse(json: &[u8]) -> Result<Self, Fault> {
        let document: Document = serde_json::from_slice(json).map_err(|error| Fault::Meaning(error.to_string()))?;
        let mut nodes = document.nodes.unwrap_or_default();
        let by_name = |a: &Node, b: &Node| a.name.cmp(&b.name);
        if !nodes.is_sorted_by(|a, b| by_name(a, b).is_lt()) {
            nodes.sort_by(by_name);
            if !nodes.is_sorted_by(|a, b| by_name(a, b).is_lt()) {
                return Err(Fault::Meaning("a name is there twice".to_owned()));
            }
        }
        Ok(Self { nodes, blob_bytes: json.len() })
    }

    /// What is in it, sorted by name.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The entry of this name.
    pub fn get(&self, name: &[u8]) -> Option<&Node> {
        let at = self.nodes.binary_search_by(|node| node.name.as_slice().cmp(name)).ok()?;
        self.nodes.get(at)
    }

    /// About how much memory it takes.
    pub fn memory_bytes(&self) -> usize {
        let node = size_of::<Node>().saturating_mul(self.nodes.len());
        self.blob_bytes.saturating_add(node)
    }
}

#[derive(Deserialize)]
struct Document {
    nodes: Option<Vec<Node>>,
}

/// An entry as restic writes it. What is empty is left out or null.
#[derive(Deserialize)]
struct NodeDocument {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    mode: u32,
    mtime: Option<String>,
    ctime: Option<String>,
    #[serde(default)]
    uid: u32,
    #[serde(default)]
    gid: u32,
    #[serde(default)]
    user: String,
    #[serde(default)]
    group: String,
    #[serde(default)]
    inode: u64,
    #[serde(default)]
    device_id: u64,
    #[serde(default)]
    links: u64,
    #[serde(default)]
    size: u64,
    content: Option<Vec<BlobId>>,
    subtree: Option<BlobId>,
    #[serde(default)]
    linktarget: String,
    linktarget_raw: Option<String>,
    #[serde(default)]
    device: u64,
    extended_attributes: Option<Vec<XattrDocument>>,
    generic_attributes: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct XattrDocument {
    name: String,
    value: Option<String>,
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(NodeDocument::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl Node {
    fn parse(document: NodeDocument) -> Result<Self, Fault> {
        let name = unquote(&document.name).filter(|name| is_name(name));
        let name = name.ok_or_else(|| Fault::Meaning(format!("{:?} can't be a name", document.name)))?;
        let target = match &document.linktarget_raw {
            Some(raw) => base64(raw)?,
            None => document.linktarget.into_bytes(),
        };
        let xattrs = document.extended_attributes.unwrap_or_default();
        let mut xattrs = xattrs.into_iter().map(XattrDocument::parse).collect::<Result<Vec<_>, _>>()?;
        xattrs.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self {
            name,
            kind: kind(&document.kind),
            mode: unix_mode(document.mode),
            uid: document.uid,
            gid: document.gid,
            user: document.user.into_bytes(),
            group: document.group.into_bytes(),
            mtime: document.mtime.as_deref().map_or_else(|| Ok(Timestamp::default()), timestamp)?,
            ctime: document.ctime.as_deref().map_or_else(|| Ok(Timestamp::default()), timestamp)?,
            inode: document.inode,
            device_id: document.device_id,
            links: document.links,
            size: document.size,
            content: document.content.unwrap_or_default(),
            subtree: document.subtree,
            target,
            device: document.device,
            xattrs,
            has_foreign_attributes: document.generic_attributes.is_some(),
        })
    }
}

impl XattrDocument {
    fn parse(self) -> Result<Xattr, Fault> {
        let value = self.value.as_deref().map_or_else(|| Ok(Vec::new()), base64)?;
        Ok(Xattr { name: self.name.into_bytes(), value })
    }
}

fn kind(name: &str) -> Kind {
    match name {
        "file" => Kind::File,
        "dir" => Kind::Directory,
        "symlink" => Kind::Symlink,
        "dev" => Kind::BlockDevice,
        "chardev" => Kind::CharDevice,
        "fifo" => Kind::Fifo,
        "socket" => Kind::Socket,
        // "irregular", or nothing that is known.
        _ => Kind::Unknown,
    }
}

/// The lower twelve bits of a Unix mode, from Go's.
fn unix_mode(go: u32) -> u16 {
    let special = [(GO_SETUID, 0o4000), (GO_SETGID, 0o2000), (GO_STICKY, 0o1000)];
    let permissions = u16::try_from(go & 0o777).unwrap_or(0);
    special.iter().filter(|(bit, _)| go & bit != 0).fold(permissions, |mode, (_, unix)| mode | unix)
}

/// A point in time as restic writes it, RFC 3339.
pub(super) fn timestamp(text: &str) -> Result<Timestamp, Fault> {
    let parsed = text.parse::<jiff::Timestamp>().ok();
    let found = parsed.and_then(|time| {
        let ns = time.as_nanosecond();
        let second = 1_000_000_000;
        let (seconds, nanoseconds) = (ns.div_euclid(second), ns.rem_euclid(second));
        Timestamp::new(i64::try_from(seconds).ok()?, u32::try_from(nanoseconds).ok()?)
    });
    found.ok_or_else(|| Fault::Meaning(format!("{text:?} is no time")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(nodes: &str) -> Result<Tree, Fault> {
        Tree::parse(format!(r#"{{"nodes":[{nodes}]}}"#).as_bytes())
    }

    fn one(node: &str) -> Node {
        parse(node).unwrap().nodes()[0].clone()
    }

    #[test]
    fn modes_of_go_become_those_of_unix() {
        assert_eq!(unix_mode(0o644), 0o644);
        assert_eq!(unix_mode(1 << 31 | 1 << 20 | 0o777), 0o1777, "a directory with the sticky bit");
        assert_eq!(unix_mode(1 << 23 | 1 << 22 | 0o755), 0o6755);
    }

    #[test]
    fn bytes_that_are_not_text_come_through() {
        let node = one(r#"{"name":"we\\xffird\\n","type":"symlink","linktarget":"to\ufffd","linktarget_raw":"dG//"}"#);
        assert_eq!(node.name, b"we\xffird\n");
        assert_eq!(node.target, b"to\xff");
        let node = one(
            r#"{"name":"a","type":"file","extended_attributes":[{"name":"user.z","value":null},{"name":"user.b","value":"/wA="}]}"#,
        );
        let xattr = |name: &[u8], value: &[u8]| Xattr { name: name.to_vec(), value: value.to_vec() };
        assert_eq!(node.xattrs, [xattr(b"user.b", b"\xff\x00"), xattr(b"user.z", b"")]);
    }

    #[test]
    fn times_keep_their_nanoseconds_on_both_sides_of_1970() {
        assert_eq!(timestamp("2023-01-02T03:04:05.000000001+01:00"), Ok(Timestamp::new(1_672_625_045, 1).unwrap()));
        assert_eq!(timestamp("1969-12-31T23:59:59.25Z"), Ok(Timestamp::new(-1, 250_000_000).unwrap()));
        assert_eq!(timestamp("0001-01-01T00:00:00Z").map(Timestamp::seconds), Ok(-62_135_596_800));
        assert_eq!(timestamp("9999-12-30T00:00:00Z").map(Timestamp::seconds), Ok(253_402_128_000));
        assert!(timestamp("yesterday").is_err());
    }

    #[test]
    fn entries_are_sorted_and_names_that_lead_elsewhere_refused() {
        let node = |name: &str| format!(r#"{{"name":"{name}","type":"fifo"}}"#);
        let tree = parse(&[node("b"), node("a")].join(",")).unwrap();
        assert_eq!(tree.nodes().iter().map(|node| node.name.as_slice()).collect::<Vec<_>>(), [b"a", b"b"]);
        assert!(tree.get(b"b").is_some() && tree.get(b"c").is_none());
        assert!(parse(&[node("a"), node("a")].join(",")).is_err());
        for name in ["", ".", "..", "a/b", r"\\x00", r"\\x2f"] {
            assert!(parse(&node(name)).is_err(), "{name}");
        }
    }

    #[test]
    fn null_is_nothing_and_what_is_not_known_is_no_kind() {
        assert_eq!(Tree::parse(br#"{"nodes":null}"#).unwrap().nodes().len(), 0);
        let node = one(r#"{"name":"a","type":"irregular","content":null,"generic_attributes":{"windows.x":1}}"#);
        assert_eq!((node.kind, node.content.len(), node.has_foreign_attributes), (Kind::Unknown, 0, true));
    }

    #[test]
    fn entries_differ_by_anything_but_what_is_below() {
        let text = r#"{"name":"a","type":"dir","mode":1,"uid":1}"#;
        let node = one(text);
        let below = Node { subtree: Some(BlobId::of(b"")), ..node.clone() };
        assert!(node.is_same_entry(&below));
        for other in [text.replace("\"mode\":1", "\"mode\":2"), text.replace("uid", "gid")] {
            assert!(!node.is_same_entry(&one(&other)));
        }
        assert!(!node.is_same_entry(&Node { content: vec![BlobId::of(b"")], ..node.clone() }));
    }
}

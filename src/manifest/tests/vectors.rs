//! The vectors of the format: what stands in `format-spec/vectors/manifest`, made again and compared.

use super::refusals::{child, entry, entry_fields, one_row, part, put};
use super::*;
use crate::id::write_hex;
use crate::wire::Write as _;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

/// A vector: its name says by its first word how it is to be read.
struct Vector {
    name: &'static str,
    comment: &'static str,
    /// The nodes, the root first; or the one value.
    parts: Vec<Vec<u8>>,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("format-spec/vectors/manifest")
}

fn one(name: &'static str, comment: &'static str, bytes: Vec<u8>) -> Vector {
    Vector { name, comment, parts: vec![bytes] }
}

fn node(name: &'static str, comment: &'static str, tree: Tree, level: u8, rows: &[NodeRow]) -> Vector {
    one(name, comment, write_node(tree, level, rows))
}

/// A tree: the nodes of a shelf, the root first, the others by their ids.
fn tree(name: &'static str, comment: &'static str, root: NodeId, shelf: &Shelf) -> Vector {
    let others = shelf.nodes.iter().filter(|(id, _)| **id != root).map(|(_, node)| node.to_vec());
    let parts = std::iter::once(shelf.nodes[&root].to_vec()).chain(others).collect();
    Vector { name, comment, parts }
}

fn id(byte: u8) -> [u8; 32] {
    [byte; 32]
}

fn chunk_of(byte: u8, bytes: u64) -> Item {
    Item::Chunk { id: ChunkId::from_bytes(id(byte)), bytes }
}

fn stored(path: &str, body: Body) -> Entry {
    let mut row = Entry::new(key(path), body);
    (row.mode, row.uid, row.gid) = (0o644, 1000, 100);
    row.mtime = Timestamp::new(1_700_000_000, 123_456_789).unwrap();
    row
}

fn unreadable(path: &str, body: Body) -> NodeRow {
    let mut row = stored(path, body);
    row.state = State::Unreadable { errno: 13 };
    NodeRow::Entry(row)
}

fn entries() -> Vec<NodeRow> {
    let device = Device { major: 8, minor: 300 };
    let mut rows: Vec<_> = [
        ("/", Body::Ancestor),
        ("/a", Body::Directory),
        ("/a/block", Body::BlockDevice(device)),
        ("/a/char", Body::CharDevice(device)),
        ("/a/fifo", Body::Fifo),
        ("/a/link", Body::Symlink(b"../target".to_vec())),
        ("/a/socket", Body::Socket),
    ]
    .map(|(path, body)| NodeRow::Entry(stored(path, body)))
    .into();
    rows.push(unreadable("/b", Body::Directory));
    rows.push(unreadable("/b/file", Body::File(Content::empty())));
    rows.push(unreadable("/b/link", Body::Symlink(Vec::new())));
    rows.push(unreadable("/b/unknown", Body::Unknown));
    let mut row = stored("/moving", Body::File(Content::Inline(b"half".to_vec())));
    row.state = State::Inconsistent;
    rows.push(NodeRow::Entry(row));
    rows
}

fn contents() -> Vec<NodeRow> {
    let tree = ItemTree { root: NodeId::from_bytes(id(9)), level: 1, item_count: 300, bytes: 20_000_000 };
    let chunks =
        vec![chunk_of(1, 65_536), Item::Zeros { bytes: 1 << 40 }, chunk_of(2, 1), chunk_of(1, CHUNK_BYTES_MAX)];
    [
        ("/empty", Content::empty()),
        ("/inline", Content::Inline(b"a few bytes\n".to_vec())),
        ("/items", Content::Items(ItemList::Few(chunks))),
        ("/tree", Content::Items(ItemList::Tree(tree))),
        ("/zeros", Content::Items(ItemList::Few(vec![Item::Zeros { bytes: CONTENT_BYTES_MAX }]))),
    ]
    .map(|(path, content)| NodeRow::Entry(stored(path, Body::File(content))))
    .into()
}

fn xattrs() -> Vec<u8> {
    let xattr = |name: &str, value: &[u8]| Xattr { name: name.into(), value: value.to_vec() };
    encode_xattrs(&[xattr("security.capability", &[1, 0, 0, 2]), xattr("user.empty", b""), xattr("user.note", b"hi")])
        .unwrap()
}

fn holes() -> Vec<u8> {
    let hole = |block: u64, blocks: u64| Hole { offset: block << 12, bytes: blocks << 12 };
    encode_holes(&[hole(0, 16), hole(17, 1), hole(1000, 1 << 20)]).unwrap()
}

fn attributes() -> Vec<NodeRow> {
    let mut plain = stored("/a", Body::Directory);
    plain.attributes.insert(Attribute::xattrs(AttributeValue::Inline(xattrs())));
    let mut sparse = stored("/b", Body::File(Content::Items(ItemList::Few(vec![Item::Zeros { bytes: 1 << 33 }]))));
    sparse.group = Some(hard_link_key().group(&key("/b")));
    sparse.attributes.insert(Attribute::holes(AttributeValue::Inline(holes())));
    let value = AttributeValue::OutOfLine(ItemList::Few(vec![chunk_of(3, 5000)]));
    sparse.attributes.insert(Attribute::xattrs(value));
    let mut later = stored("/c", Body::Fifo);
    for (id, necessity) in [(700, Necessity::Ignorable), (701, Necessity::Mandatory)] {
        later.attributes.insert(Attribute { id, necessity, value: AttributeValue::Inline(b"later".to_vec()) });
    }
    [plain, sparse, later].map(NodeRow::Entry).into()
}

fn times() -> Vec<NodeRow> {
    let times = [(i64::MIN, 0), (-1, 999_999_999), (0, 0), (1, 1), (i64::MAX, 999_999_999)];
    times
        .iter()
        .zip(["/a", "/b", "/c", "/d", "/e"])
        .map(|((seconds, nanoseconds), path)| {
            let mut row = stored(path, Body::Fifo);
            row.mtime = Timestamp::new(*seconds, *nanoseconds).unwrap();
            NodeRow::Entry(row)
        })
        .collect()
}

fn names() -> Vec<NodeRow> {
    let keys: [&[u8]; 6] = [b"a", b"a\0b", b"a\0b c\n\xff\xfe", b"a\x01", b"a\x01\0...", b"caf\xc3\xa9"];
    keys.map(|bytes| NodeRow::Entry(Entry::new(Key::parse(bytes.to_vec()).unwrap(), Body::Directory))).into()
}

fn stats() -> Vec<StatEntry> {
    let time = Timestamp::new(1_700_000_000, 5).unwrap();
    let row = |path: &str, kind, size, settled| StatEntry {
        key: key(path),
        kind,
        is_ancestor: false,
        size,
        mtime: time,
        ctime: Timestamp::new(1_700_000_001, 0).unwrap(),
        inode: 1_234_567,
        device: 66_306,
        links: 1,
        settled,
    };
    vec![
        row("/", Kind::Directory, 4096, true),
        row("/f", Kind::File, u64::MAX, false),
        row("/u", Kind::Unknown, 0, false),
    ]
}

fn valid_nodes() -> Vec<Vector> {
    let stats: Vec<_> = stats().into_iter().map(NodeRow::Stat).collect();
    let inner = [child("/b", NodeId::from_bytes(id(1)), 2, 10), child("/d/e", NodeId::from_bytes(id(2)), 300, 0)];
    let parts = [part(NodeId::from_bytes(id(1)), 5, 70_000), part(NodeId::from_bytes(id(2)), 6, u64::MAX >> 1)];
    let items = [chunk_of(1, 1), Item::Zeros { bytes: 65_536 }, chunk_of(2, CHUNK_BYTES_MAX)].map(NodeRow::Item);
    vec![
        node("node-empty-manifest", "an empty manifest", Tree::Manifest, 0, &[]),
        node("node-empty-stat", "an empty stat tree", Tree::Stat, 0, &[]),
        node("node-entries", "entries of every kind and state", Tree::Manifest, 0, &entries()),
        node("node-contents", "every form of content", Tree::Manifest, 0, &contents()),
        node("node-attributes", "attributes, a hard-link group", Tree::Manifest, 0, &attributes()),
        node("node-times", "points in time far away", Tree::Manifest, 0, &times()),
        node("node-names", "names that are no text and that sort next to the separator", Tree::Manifest, 0, &names()),
        node("node-stat", "stat rows", Tree::Stat, 0, &stats),
        node("node-inner", "an inner node of a manifest", Tree::Manifest, 1, &inner),
        node("node-inner-stat", "an inner node of a stat tree, at the highest level", Tree::Stat, LEVEL_MAX, &inner),
        node("node-items", "a leaf of an item tree", Tree::Items, 0, &items),
        node("node-inner-items", "an inner node of an item tree", Tree::Items, 1, &parts),
        one("node-opaque", "an opaque node", opaque::encode(b"anything").unwrap()),
        one("xattrs-valid", "extended attributes", xattrs()),
        one("holes-valid", "holes", holes()),
    ]
}

fn invalid_frames() -> Vec<Vector> {
    let one_child = |last| child(last, NodeId::from_bytes(id(1)), 1, 1);
    let mut trailing = write_node(Tree::Manifest, 0, &[entry("/a")]);
    trailing.push(0);
    let mut fewer = trailing.clone();
    fewer[1] = 2;
    let shared = |kept: u8, rest: &[u8]| {
        let mut bytes = vec![0x10, 2, 0, 2, b'a', b'b'];
        bytes.extend_from_slice(&entry_fields(0, &[]));
        bytes.put_u8(kept);
        bytes.put_blob(rest);
        bytes.extend_from_slice(&entry_fields(0, &[]));
        bytes
    };
    let named = |name: &[u8]| {
        let mut bytes = vec![0x10, 1, 0];
        bytes.put_blob(name);
        bytes.extend_from_slice(&entry_fields(0, &[]));
        bytes
    };
    vec![
        one("node-nothing", "no bytes", Vec::new()),
        one("node-tree-0", "a tree that does not exist", vec![0x00, 0]),
        one("node-tree-5", "a tree that does not exist", vec![0x50, 0]),
        one("node-inner-empty", "an inner node without rows", vec![0x11, 0]),
        one("node-items-empty", "a leaf of items without rows", vec![0x30, 0]),
        one("node-opaque-level", "an opaque node with a level", vec![0x41, 0]),
        one("node-count-long", "a row count not in its shortest form", vec![0x10, 0x80, 0x00]),
        one("node-count-claimed", "more rows than bytes", vec![0x10, 0x7f]),
        one("node-trailing", "a byte after the last row", trailing),
        one("node-cut", "a row is missing", fewer),
        node("node-order", "keys fall", Tree::Manifest, 0, &[entry("/b"), entry("/a")]),
        node("node-order-subtree", "a directory after what it holds", Tree::Manifest, 0, &[entry("/a/b"), entry("/a")]),
        node("node-twice", "a key twice", Tree::Manifest, 0, &[entry("/a"), entry("/a")]),
        node("node-order-inner", "last keys fall", Tree::Manifest, 1, &[one_child("/b"), one_child("/a")]),
        one("node-shared-more", "a key keeps more than there is", shared(3, b"c")),
        one("node-shared-less", "a key keeps less than it could", shared(1, b"bc")),
        one("node-shared-first", "the first key keeps something", vec![0x10, 1, 1, 1, b'a', 0, 0, 0, 0, 0, 0, 0, 0]),
        one("node-key-empty-component", "an empty component", named(b"a\0\0b")),
        one("node-key-end", "a separator at the end", named(b"a\0")),
        one("node-key-start", "a separator at the start", named(b"\0a")),
        one("node-key-dot", "a component is a dot", named(b"a\0.\0b")),
        one("node-key-dots", "a component is two dots", named(b"..")),
        one("node-key-dots-shared", "two dots, one of them shared", {
            let mut bytes = vec![0x10, 2, 0, 4];
            bytes.extend_from_slice(b"a\0.!");
            bytes.extend_from_slice(&entry_fields(0, &[]));
            bytes.extend_from_slice(&[3, 1, b'.']);
            bytes.extend_from_slice(&entry_fields(0, &[]));
            bytes
        }),
        one("node-key-slash", "a slash in a component", named(b"a/b")),
    ]
}

fn invalid_fields() -> Vec<Vector> {
    let row = |name, comment, fields: &[u8]| one(name, comment, one_row(Tree::Manifest, fields));
    let five = [0x80, 0x80, 0x80, 0x80, 0x10];
    let with = |head: &[u8]| [head, &five].concat();
    vec![
        row("node-kind", "a kind that does not exist", &entry_fields(8, &[])),
        row("node-ancestor-file", "a file as an ancestor", &entry_fields(0x81, &[0, 0])),
        row("node-state", "a state that does not exist", &[0, 3]),
        row("node-errno", "an error number above 32 bits", &with(&[0, 2])),
        row("node-mode", "thirteen bits of mode", &[0, 0, 0x80, 0x20, 0, 0, 0, 0, 0]),
        row("node-uid", "an owner above 32 bits", &with(&[0, 0, 0])),
        row("node-gid", "a group above 32 bits", &with(&[0, 0, 0, 0])),
        row("node-nanoseconds", "a whole second of nanoseconds", &[0, 0, 0, 0, 0, 0, 0x80, 0x94, 0xeb, 0xdc, 0x03]),
        row("node-flags", "a reserved flag", &[0, 0, 0, 0, 0, 0, 0, 4]),
        row("node-varint", "a varint not in its shortest form", &[0, 0, 0x80, 0x00]),
        row("node-unknown-stored", "a thing of unknown kind that was read", &entry_fields(7, &[])),
        row("node-unreadable-content", "an unreadable file with content", &[1, 2, 13, 0, 0, 0, 0, 0, 0, 0, 0]),
        row("node-target-empty", "an empty link target", &entry_fields(2, &[0])),
        row("node-target-zero", "a zero byte in a link target", &entry_fields(2, &[2, b'a', 0])),
        row("node-target-long", "a link target of 4097 bytes", &{
            entry_fields(2, &[&[0x81, 0x20][..], &[b'a'; 4097]].concat())
        }),
        row("node-device", "a device number above 32 bits", &with(&entry_fields(5, &[]))),
        row("node-content-tag", "a content that does not exist", &entry_fields(1, &[3])),
        row("node-inline-long", "4097 bytes of content in the entry", &{
            entry_fields(1, &[&[0, 0x81, 0x20][..], &[b'a'; 4097]].concat())
        }),
        row("node-items-0", "a list of no items", &entry_fields(1, &[1, 0])),
        row("node-items-5", "five items in the entry", &entry_fields(1, &[1, 5])),
        row("node-zeros-0", "a run of no zeros", &entry_fields(1, &[1, 1, 1])),
        row("node-zeros-twice", "two runs of zeros follow each other", &entry_fields(1, &[1, 2, 3, 3])),
        row("node-chunk-0", "a chunk without bytes", &entry_fields(1, &[&[1, 1, 0][..], &id(1)].concat())),
        row("node-chunk-long", "a chunk above 16 MiB", &{
            entry_fields(1, &[&[1, 1, 0x82, 0x80, 0x80, 0x10][..], &id(1)].concat())
        }),
        row("node-tree-few", "a tree of four items", &entry_fields(1, &[&[2][..], &id(1), &[0, 4, 100]].concat())),
        row("node-tree-light", "more items than bytes", &entry_fields(1, &[&[2][..], &id(1), &[0, 6, 5]].concat())),
        row("node-tree-level", "a tree of level 16", &entry_fields(1, &[&[2][..], &id(1), &[16, 5, 100]].concat())),
        node(
            "node-items-zeros-twice",
            "two runs of zeros follow each other",
            Tree::Items,
            0,
            &[NodeRow::Item(Item::Zeros { bytes: 1 }), NodeRow::Item(Item::Zeros { bytes: 1 })],
        ),
        one("node-settled", "a stat row neither settled nor not", {
            one_row(Tree::Stat, &[1, 9, 0, 0, 0, 0, 3, 4, 1, 2])
        }),
        one("node-stat-kind", "a stat row of a kind that does not exist", one_row(Tree::Stat, &[8])),
    ]
}

fn invalid_values() -> Vec<Vector> {
    let list = |name, comment, list: &[u8]| {
        one(name, comment, one_row(Tree::Manifest, &[&[0, 0, 0, 0, 0, 0, 0, 2][..], list].concat()))
    };
    vec![
        list("node-attributes-0", "an empty list of attributes", &[0]),
        list("node-attributes-17", "seventeen attributes", &[17]),
        list("node-attributes-order", "attribute numbers fall", &[2, 9, 0, 0, 8, 0, 0]),
        list("node-attributes-twice", "an attribute twice", &[2, 9, 0, 0, 9, 0, 0]),
        list("node-attribute-flags", "a reserved flag of an attribute", &[1, 9, 0x20, 0]),
        list("node-attribute-mark-xattrs", "extended attributes marked as ignorable", &[1, 1, 0, 0]),
        list("node-attribute-mark-holes", "holes marked as mandatory", &[1, 2, 0x80, 0]),
        list(
            "node-attribute-long",
            "1025 bytes of value in the entry",
            &[&[1, 9, 0, 0x81, 0x08][..], &[0; 1025]].concat(),
        ),
        list("node-attribute-short", "1024 bytes of value in chunks", &[1, 9, 0x40, 1, 1, 0x81, 0x10]),
        list("node-attribute-huge", "a value above 16 MiB", &[1, 9, 0x40, 1, 1, 0x83, 0x80, 0x80, 0x10]),
        list("node-attribute-inline-tag", "an inline content as a value in chunks", &[1, 9, 0x40, 0, 0]),
        one("xattrs-none", "no extended attributes", vec![0]),
        one("xattrs-order", "names fall", vec![2, 1, b'b', 0, 1, b'a', 0]),
        one("xattrs-twice", "a name twice", vec![2, 1, b'a', 0, 1, b'a', 0]),
        one("xattrs-name-empty", "an empty name", vec![1, 0, 0]),
        one("xattrs-name-zero", "a zero byte in a name", vec![1, 1, 0, 0]),
        one("xattrs-trailing", "a byte too many", vec![1, 1, b'a', 0, 0]),
        one("holes-none", "no holes", vec![0]),
        one("holes-empty", "an empty hole", vec![1, 0, 0]),
        one("holes-touching", "a hole touches the one before", vec![2, 0, 1, 0, 1]),
        one("holes-far", "a hole beyond the largest offset", [&[1][..], &[0xff; 6], &[0xff, 0x03, 2]].concat()),
        one("holes-cut", "a hole is missing", vec![2, 0, 1]),
    ]
}

/// A root directory, and a file whose six items lie in a tree.
fn with_items(name: &'static str, comment: &'static str, change: impl FnOnce(&mut ItemTree)) -> Vector {
    let mut shelf = Shelf::default();
    let items = |numbers: std::ops::Range<u8>| numbers.map(|n| NodeRow::Item(chunk_of(n, 1000))).collect::<Vec<_>>();
    let left = put(&mut shelf, Tree::Items, 0, &items(1..4));
    let right = put(&mut shelf, Tree::Items, 0, &items(4..7));
    let root = put(&mut shelf, Tree::Items, 1, &[part(left, 3, 3000), part(right, 3, 3000)]);
    let mut tree_of_items = ItemTree { root, level: 1, item_count: 6, bytes: 6000 };
    change(&mut tree_of_items);
    let file = stored("/file", Body::File(Content::Items(ItemList::Tree(tree_of_items))));
    let rows = [stored("/", Body::Directory), file].map(NodeRow::Entry);
    let root = put(&mut shelf, Tree::Manifest, 0, &rows);
    tree(name, comment, root, &shelf)
}

/// A root above two leaves, the directory / and /a in the first, /b and /c in the second.
fn with_leaves(
    name: &'static str,
    comment: &'static str,
    change: impl FnOnce(&mut Shelf, &mut [NodeRow; 2]),
) -> Vector {
    let mut shelf = Shelf::default();
    let directory = NodeRow::Entry(stored("/", Body::Directory));
    let left = put(&mut shelf, Tree::Manifest, 0, &[directory, entry("/a")]);
    let right = put(&mut shelf, Tree::Manifest, 0, &[entry("/b"), entry("/c")]);
    let mut rows = [child("/a", left, 2, 5), child("/c", right, 2, 10)];
    change(&mut shelf, &mut rows);
    let root = put(&mut shelf, Tree::Manifest, 1, &rows);
    // Nodes that the change left without a parent are no part of the tree.
    let named: Vec<_> = rows.iter().map(|row| if let NodeRow::Child { id, .. } = row { *id } else { root }).collect();
    shelf.nodes.retain(|id, _| *id == root || named.contains(id));
    tree(name, comment, root, &shelf)
}

fn trees() -> Vec<Vector> {
    let mut shelf = Shelf::default();
    let root = build(&flat(100), &mut shelf);
    let flat_tree = tree("tree-flat", "keys / and /f000000 to /f000099 at means of 8 and 8", root, &shelf);
    let mut shelf = Shelf::default();
    let root = build(&stats(), &mut shelf);
    let second = |shelf: &mut Shelf, rows: &mut [NodeRow; 2], last: &str, leaf: &[NodeRow]| {
        let count = u64::try_from(leaf.len()).unwrap();
        rows[1] = child(last, put(shelf, Tree::Manifest, 0, leaf), count, count * 5);
    };
    vec![
        flat_tree,
        tree("tree-stat", "a stat tree of one leaf", root, &shelf),
        with_items("tree-items", "a file of six items", |_| ()),
        with_leaves("tree-two-leaves", "two leaves", |_, _| ()),
        with_leaves("tree-range-below", "a leaf begins with the last key of the one before", |shelf, rows| {
            second(shelf, rows, "/c", &[entry("/a"), entry("/c")]);
        }),
        with_leaves("tree-range-above", "a leaf goes on after its last key", |shelf, rows| {
            second(shelf, rows, "/c", &[entry("/b"), entry("/d")]);
        }),
        with_leaves("tree-last-key", "a leaf ends before its last key", |shelf, rows| {
            second(shelf, rows, "/d", &[entry("/b"), entry("/c")]);
        }),
        with_leaves("tree-row-total", "a leaf of two rows where three are promised", |shelf, rows| {
            rows[1] = child("/c", put(shelf, Tree::Manifest, 0, &[entry("/b"), entry("/c")]), 3, 10);
        }),
        with_leaves("tree-byte-total", "a leaf of ten bytes where eleven are promised", |shelf, rows| {
            rows[1] = child("/c", put(shelf, Tree::Manifest, 0, &[entry("/b"), entry("/c")]), 2, 11);
        }),
        with_leaves("tree-empty-leaf", "a leaf without rows below a root", |shelf, rows| {
            rows[1] = child("/c", put(shelf, Tree::Manifest, 0, &[]), 0, 0);
        }),
        with_leaves("tree-level", "an inner node in the place of a leaf", |shelf, rows| {
            let row = child("/c", NodeId::from_bytes(id(1)), 2, 10);
            rows[1] = child("/c", put(shelf, Tree::Manifest, 1, &[row]), 2, 10);
        }),
        with_leaves("tree-confused", "a stat leaf in the place of a manifest leaf", |shelf, rows| {
            let leaf: Vec<_> = stats().into_iter().map(NodeRow::Stat).collect();
            rows[1] = child("/c", put(shelf, Tree::Stat, 0, &leaf), 2, 10);
        }),
        with_leaves("tree-missing", "a leaf that is not there", |_, rows| {
            rows[1] = child("/c", NodeId::from_bytes(id(1)), 2, 10);
        }),
        with_leaves("tree-no-directory", "a file below a file", |shelf, rows| {
            second(shelf, rows, "/c", &[entry("/b"), entry("/b/x"), entry("/c")]);
        }),
        root_file(),
        single_child(),
        with_items("tree-items-total", "an item tree of six items where seven are promised", |tree| {
            tree.item_count = 7
        }),
        with_items("tree-items-short", "an item tree of 6000 bytes where 5999 are promised", |tree| tree.bytes = 5999),
        with_items("tree-items-long", "an item tree of 6000 bytes where 6001 are promised", |tree| tree.bytes = 6001),
        with_items("tree-items-level", "an item tree of level 1 where 0 is promised", |tree| tree.level = 0),
    ]
}

fn root_file() -> Vector {
    let mut shelf = Shelf::default();
    let root = put(&mut shelf, Tree::Manifest, 0, &[NodeRow::Entry(stored("/", Body::Fifo))]);
    tree("tree-root-file", "a pipe under the empty key", root, &shelf)
}

fn single_child() -> Vector {
    let mut shelf = Shelf::default();
    let leaf = put(&mut shelf, Tree::Manifest, 0, &[NodeRow::Entry(stored("/", Body::Directory))]);
    let root = put(&mut shelf, Tree::Manifest, 1, &[child("/", leaf, 1, 0)]);
    tree("tree-single-child", "a root above a single leaf", root, &shelf)
}

fn vectors() -> Vec<Vector> {
    [valid_nodes(), invalid_frames(), invalid_fields(), invalid_values(), trees()].into_iter().flatten().collect()
}

/// Reads a vector as its name says and gives the first refusal.
fn refusal(name: &str, parts: &[Vec<u8>]) -> Option<String> {
    let first = parts.first().map_or(&[][..], Vec::as_slice);
    match name.split_once('-').unwrap().0 {
        "node" => inspect(first, &mut |_| {}).err().map(|error| error.to_string()),
        "xattrs" => decode_xattrs(first).err().map(|error| error.to_string()),
        "holes" => decode_holes(first).err().map(|error| error.to_string()),
        "tree" => {
            let mut shelf = Shelf::default();
            let ids: Vec<_> = parts.iter().map(|node| shelf.put(node).unwrap()).collect();
            if first[0] >> 4 == Tree::Stat.code() {
                walk::<StatEntry>(ids[0], &shelf)
            } else {
                walk_all(ids[0], &shelf)
            }
        }
        other => panic!("{other}"),
    }
}

fn walk<R: Row>(root: NodeId, shelf: &Shelf) -> Option<String> {
    let mut lineage = Lineage::new();
    Cursor::<R, _>::new(shelf, root).find_map(|row| match row {
        Ok(row) => lineage.check(&row).err().map(|error| error.to_string()),
        Err(error) => Some(error.to_string()),
    })
}

fn walk_all(root: NodeId, shelf: &Shelf) -> Option<String> {
    let items = || {
        let rows = Cursor::<Entry, _>::new(shelf, root).filter_map(Result::ok);
        let lists = rows.flat_map(|row| row.item_lists().cloned().collect::<Vec<_>>());
        lists.flat_map(|list| ItemReader::new(shelf, list)).find_map(Result::err).map(|error| error.to_string())
    };
    walk::<Entry>(root, shelf).or_else(items)
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    write_hex(bytes, &mut text).unwrap();
    text
}

fn hex_file(vector: &Vector) -> String {
    let mut text = format!("# {}\n", vector.comment);
    let is_tree = vector.name.starts_with("tree-");
    for (number, part) in vector.parts.iter().enumerate() {
        if is_tree {
            let gap = if number == 0 { "" } else { "\n" };
            writeln!(text, "{gap}# node {}", node_id_key().id(part)).unwrap();
        }
        part.chunks(48).for_each(|line| writeln!(text, "{}", hex(line)).unwrap());
    }
    text
}

/// The parts of a stored vector: hexadecimal digits, comments, and a blank line between two parts.
fn parse(text: &str) -> Vec<Vec<u8>> {
    let blocks = text.split("\n\n").map(|block| {
        let digits: String = block.lines().filter(|line| !line.starts_with('#')).collect();
        let pairs = digits.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
        pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
    });
    blocks.collect()
}

fn index() -> String {
    let mut text = String::from(
        "# The naming root is 32 bytes of 4e; keys.txt has what is derived from it.\n\
         # node-*: one node, read by itself. xattrs-*, holes-*: one attribute value. tree-*: nodes parted by blank lines,\n\
         # the root of a manifest or stat tree first, the others to be found by their ids; walked from end to end, every\n\
         # row checked to lie in a directory, then the items of every entry.\n\
         # file | verdict | refusal | comment\n",
    );
    for vector in vectors() {
        let refusal = refusal(vector.name, &vector.parts);
        let verdict = if refusal.is_some() { "invalid" } else { "valid" };
        let refusal = refusal.unwrap_or_default();
        writeln!(text, "{}.hex | {verdict} | {refusal} | {}", vector.name, vector.comment).unwrap();
    }
    text
}

/// What is derived from the naming root, for writers.
fn keys() -> String {
    let naming = naming();
    let mut text = format!("# what | input | value\nnaming root | | {}\n", hex(naming.expose()));
    for (what, context) in [
        ("node-id key", "holdall 1 node id"),
        ("boundary key", "holdall 1 boundary"),
        ("hard-link key", "holdall 1 hard link"),
    ] {
        writeln!(text, "{what} | | {}", hex(naming.derive(context, &[]).expose())).unwrap();
    }
    writeln!(text, "node id | 1000 | {}", node_id_key().id(&[0x10, 0])).unwrap();
    let group = hard_link_key().group(&key("/a/b"));
    writeln!(text, "hard-link group | {} | {}", hex(b"a\0b"), hex(group.as_bytes())).unwrap();
    for (tree, level, mark) in [
        (Tree::Manifest, 0, &b""[..]),
        (Tree::Manifest, 0, b"a\0b"),
        (Tree::Manifest, 1, b"a\0b"),
        (Tree::Stat, 0, b"a\0b"),
        (Tree::Items, 0, &id(1)),
    ] {
        let number = Boundary::new(boundary_key(), tree, means()).number(level, mark);
        writeln!(text, "boundary, tree {}, level {level} | {} | {number}", tree.code(), hex(mark)).unwrap();
    }
    text
}

#[test]
fn vectors_are_current_and_refused_as_their_index_says() {
    for vector in vectors() {
        let stored = fs::read_to_string(folder().join(format!("{}.hex", vector.name))).unwrap();
        assert_eq!(stored, hex_file(&vector), "{}", vector.name);
        assert_eq!(parse(&stored), vector.parts, "{}", vector.name);
    }
    assert_eq!(fs::read_to_string(folder().join("index.txt")).unwrap(), index());
    assert_eq!(fs::read_to_string(folder().join("keys.txt")).unwrap(), keys());
}

#[test]
fn every_vector_is_what_its_place_says() {
    for vector in valid_nodes() {
        assert_eq!(refusal(vector.name, &vector.parts), None, "{}", vector.name);
    }
    for vector in [invalid_frames(), invalid_fields(), invalid_values()].into_iter().flatten() {
        assert!(refusal(vector.name, &vector.parts).is_some(), "{}", vector.name);
    }
    let valid_trees = trees().into_iter().filter(|vector| refusal(vector.name, &vector.parts).is_none());
    assert_eq!(
        valid_trees.map(|vector| vector.name).collect::<Vec<_>>(),
        ["tree-flat", "tree-stat", "tree-items", "tree-two-leaves"]
    );
}

#[test]
fn every_vector_stands_in_the_index() {
    let files = fs::read_dir(folder()).unwrap().count();
    assert_eq!(files, vectors().len() + 2);
}

#[test]
fn the_examples_of_the_page_are_the_vectors() {
    let page = fs::read_to_string(folder().join("../../07-manifest.md")).unwrap();
    let mut examples = page.split("```hex\n").skip(1).map(|rest| rest.split_once("```").unwrap().0);
    let stored = parse(&fs::read_to_string(folder().join("tree-items.hex")).unwrap());
    // The manifest's one leaf, then the root of the item tree.
    for node in [&stored[0], &stored[2]] {
        let example = examples.next().unwrap();
        let mut next = 0;
        for line in example.lines() {
            let mut words = line.split_whitespace();
            assert_eq!(words.next().map(str::parse), Some(Ok(next)), "{line}");
            let digits: String = words.take_while(|word| *word != "|").collect();
            assert_eq!(hex(&node[next..next + digits.len() / 2]), digits, "{line}");
            next += digits.len() / 2;
        }
        assert_eq!(next, node.len());
    }
    assert!(examples.next().is_none());
}

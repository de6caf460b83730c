//! Rows of every kind for the laws.

use super::*;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

/// Keys that share prefixes, hold the lowest bytes next to the separator, and bytes that are no text.
pub(super) fn any_key() -> impl Strategy<Value = Key> {
    let name = prop_oneof!["[a-c]{1,2}", "[a\u{1} .-]{3,6}"].prop_map(String::into_bytes);
    let wild = vec(any::<u8>(), 1..20).prop_map(|mut bytes| {
        bytes.iter_mut().filter(|byte| matches!(byte, 0 | b'/' | b'.')).for_each(|byte| *byte = 0xff);
        bytes
    });
    vec(prop_oneof![4 => name, 1 => wild], 0..6)
        .prop_map(|names| names.iter().fold(Key::root(), |key, name| key.child(name).unwrap_or(key)))
}

pub(super) fn any_chunk() -> impl Strategy<Value = Item> {
    let bytes = prop_oneof![1..=1000u64, Just(CHUNK_BYTES_MAX)];
    (any::<[u8; 32]>(), bytes).prop_map(|(id, bytes)| Item::Chunk { id: ChunkId::from_bytes(id), bytes })
}

pub(super) fn any_item() -> impl Strategy<Value = Item> {
    prop_oneof![4 => any_chunk(), 1 => (1..1u64 << 40).prop_map(|bytes| Item::Zeros { bytes })]
}

fn any_item_list() -> impl Strategy<Value = ItemList> {
    let tree =
        (any::<[u8; 32]>(), 0..=LEVEL_MAX, 5..1u64 << 30, 1..1u64 << 30).prop_map(|(root, level, count, more)| {
            ItemList::Tree(ItemTree { root: NodeId::from_bytes(root), level, item_count: count, bytes: count + more })
        });
    prop_oneof![vec(any_chunk(), 1..=ITEM_COUNT_MAX).prop_map(ItemList::Few), tree]
}

fn any_content() -> impl Strategy<Value = Content> {
    let inline = vec(any::<u8>(), 0..100).prop_map(Content::Inline);
    prop_oneof![inline, any_item_list().prop_map(Content::Items)]
}

fn any_body() -> impl Strategy<Value = Body> {
    let device = || any::<(u32, u32)>().prop_map(|(major, minor)| Device { major, minor });
    prop_oneof![
        1 => Just(Body::Directory),
        1 => Just(Body::Ancestor),
        1 => Just(Body::Fifo),
        1 => Just(Body::Socket),
        4 => any_content().prop_map(Body::File),
        1 => vec(1..=255u8, 1..80).prop_map(Body::Symlink),
        1 => device().prop_map(Body::CharDevice),
        1 => device().prop_map(Body::BlockDevice),
    ]
}

fn any_attributes() -> impl Strategy<Value = Attributes> {
    // Two chunks at least, of 600 bytes at least: longer than a value in the entry may be.
    let chunk =
        (any::<[u8; 32]>(), 600..1u64 << 21).prop_map(|(id, bytes)| Item::Chunk { id: ChunkId::from_bytes(id), bytes });
    let out_of_line = vec(chunk, 2..=ITEM_COUNT_MAX).prop_map(|items| AttributeValue::OutOfLine(ItemList::Few(items)));
    let value = prop_oneof![3 => vec(any::<u8>(), 0..50).prop_map(AttributeValue::Inline), 1 => out_of_line];
    btree_map(1..20u32, (value, any::<bool>()), 0..4).prop_map(|map| {
        let mut attributes = Attributes::none();
        for (id, (value, mandatory)) in map.into_iter().rev() {
            let necessity = if mandatory { Necessity::Mandatory } else { Necessity::Ignorable };
            let necessity = match id {
                Attribute::XATTRS => Necessity::Mandatory,
                Attribute::HOLES => Necessity::Ignorable,
                _ => necessity,
            };
            attributes.insert(Attribute { id, necessity, value });
        }
        attributes
    })
}

fn any_time() -> impl Strategy<Value = Timestamp> {
    (any::<i64>(), 0..1_000_000_000u32).prop_map(|(seconds, ns)| Timestamp::new(seconds, ns).unwrap())
}

fn any_state() -> impl Strategy<Value = State> {
    let unreadable = any::<u32>().prop_map(|errno| State::Unreadable { errno });
    prop_oneof![6 => Just(State::Stored), 1 => Just(State::Inconsistent), 1 => unreadable]
}

fn without_content(body: Body) -> Body {
    match body {
        Body::File(_) => Body::File(Content::empty()),
        Body::Symlink(_) => Body::Symlink(Vec::new()),
        Body::Fifo | Body::Unknown => Body::Unknown,
        Body::Directory | Body::Ancestor | Body::Socket | Body::CharDevice(_) | Body::BlockDevice(_) => body,
    }
}

pub(super) fn any_entry() -> impl Strategy<Value = Entry> {
    let owner = (0..=MODE_MAX, any::<u32>(), any::<u32>());
    let group = option::of(any::<[u8; 16]>().prop_map(LinkGroup));
    (any_key(), any_body(), any_state(), owner, any_time(), group, any_attributes()).prop_map(
        |(key, body, state, (mode, uid, gid), mtime, group, attributes)| {
            let unreadable = matches!(state, State::Unreadable { .. });
            let body = if unreadable { without_content(body) } else { body };
            Entry { key, body, state, mode, uid, gid, mtime, group, attributes }
        },
    )
}

pub(super) fn any_stat() -> impl Strategy<Value = StatEntry> {
    let kind = prop_oneof![Just(Kind::File), Just(Kind::Directory), Just(Kind::Unknown)];
    (any_key(), kind, any_time(), any_time(), any::<[u64; 4]>(), any::<[bool; 2]>()).prop_map(
        |(key, kind, mtime, ctime, [size, inode, device, links], [settled, is_above])| StatEntry {
            key,
            kind,
            is_ancestor: is_above && kind == Kind::Directory,
            size,
            mtime,
            ctime,
            inode,
            device,
            links,
            settled,
        },
    )
}

/// Rows in key order, each key once.
pub(super) fn sorted<R: Row>(rows: Vec<R>) -> Vec<R> {
    rows.into_iter().map(|row| (row.key().clone(), row)).collect::<BTreeMap<_, _>>().into_values().collect()
}

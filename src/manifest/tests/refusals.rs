//! What a hostile or damaged tree may hold, and the name under which it is refused.

use super::*;
use crate::wire::{WireError, Write as _};

pub(super) fn put(shelf: &mut Shelf, tree: Tree, level: u8, rows: &[NodeRow]) -> NodeId {
    shelf.put(&write_node(tree, level, rows)).unwrap()
}

pub(super) fn entry(path: &str) -> NodeRow {
    NodeRow::Entry(Entry::new(key(path), Body::File(Content::Inline(b"12345".to_vec()))))
}

pub(super) fn child(last: &str, id: NodeId, row_count: u64, byte_total: u64) -> NodeRow {
    NodeRow::Child { last: Some(key(last)), id, row_count, byte_total }
}

pub(super) fn part(id: NodeId, row_count: u64, byte_total: u64) -> NodeRow {
    NodeRow::Child { last: None, id, row_count, byte_total }
}

/// What a reader of the manifest says, row by row.
fn said(root: NodeId, shelf: &Shelf) -> Vec<String> {
    Cursor::<Entry, _>::new(shelf, root)
        .map(|row| match row {
            Ok(row) => row.key.to_string(),
            Err(ReadError::Node { rule, .. }) => rule.to_string(),
            Err(error) => error.to_string(),
        })
        .collect()
}

/// A root above two leaves, /a /b and /c /d, whose rows are then exchanged.
fn two_leaves(change: impl FnOnce(&mut Shelf, &mut [NodeRow; 2])) -> Vec<String> {
    let mut shelf = Shelf::default();
    let left = put(&mut shelf, Tree::Manifest, 0, &[entry("/a"), entry("/b")]);
    let right = put(&mut shelf, Tree::Manifest, 0, &[entry("/c"), entry("/d")]);
    let mut rows = [child("/b", left, 2, 10), child("/d", right, 2, 10)];
    change(&mut shelf, &mut rows);
    let root = put(&mut shelf, Tree::Manifest, 1, &rows);
    said(root, &shelf)
}

fn refusal(node: &[u8]) -> String {
    inspect(node, &mut |_| {}).unwrap_err().to_string()
}

/// A leaf of one row whose fields follow the key `a` as they are given.
pub(super) fn one_row(tree: Tree, fields: &[u8]) -> Vec<u8> {
    let mut node = write_node(tree, 0, &[]);
    node.truncate(1);
    node.extend_from_slice(&[1, 0, 1, b'a']);
    node.extend_from_slice(fields);
    node
}

/// Stored, mode 0644, owner and group 0, 1970, no flags.
pub(super) fn entry_fields(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 0, 0xa4, 0x03, 0, 0, 0, 0, 0], body].concat()
}

#[test]
fn the_samples_are_valid_until_they_are_changed() {
    assert_eq!(two_leaves(|_, _| ()), ["/a", "/b", "/c", "/d"]);
    for (kind, body) in [(0, &[][..]), (0x80, &[]), (1, &[0, 0]), (2, &[1, b'x']), (3, &[]), (5, &[1, 2])] {
        inspect(&one_row(Tree::Manifest, &entry_fields(kind, body)), &mut |_| {}).unwrap();
    }
}

#[test]
fn manifest_3_keys_out_of_order_or_twice_are_refused() {
    let order = "row 1: the key is not above the one before";
    for (a, b) in [("/b", "/a"), ("/a", "/a"), ("/a/b", "/a"), ("/ab", "/a")] {
        assert_eq!(refusal(&write_node(Tree::Manifest, 0, &[entry(a), entry(b)])), order, "{a} {b}");
    }
    let id = NodeId::from_bytes([1; 32]);
    assert_eq!(refusal(&write_node(Tree::Stat, 1, &[child("/b", id, 1, 1), child("/b", id, 1, 1)])), order);
}

#[test]
fn manifest_2_a_node_with_a_key_that_is_none_is_refused() {
    let cases: [(&[u8], &str); 4] = [
        (b"a\0", "row 0: a component of the key is empty"),
        (b"a/b", "row 0: a component of the key holds a slash"),
        (b"..", "row 0: a component of the key is \".\" or \"..\""),
        (b"a\0.\0b", "row 0: a component of the key is \".\" or \"..\""),
    ];
    for (bytes, expected) in cases {
        let mut node = vec![0x10, 1, 0];
        node.put_blob(bytes);
        node.extend_from_slice(&entry_fields(0, &[]));
        assert_eq!(refusal(&node), expected);
    }
    let long = [&[0x10, 1, 0, 0x81, 0x80, 0x04][..], &[b'a'; 65537], &entry_fields(0, &[])].concat();
    assert_eq!(refusal(&long), "row 0: key at byte 6 is out of range");
}

#[test]
fn manifest_2_a_component_may_not_become_wrong_by_what_is_shared() {
    // "a\0.b", then ".." made of the shared "." and a second one.
    let mut node = vec![0x10, 2, 0, 4];
    node.extend_from_slice(b"a\0.b");
    node.extend_from_slice(&entry_fields(0, &[]));
    node.extend_from_slice(&[3, 1, b'.']);
    node.extend_from_slice(&entry_fields(0, &[]));
    assert_eq!(refusal(&node), "row 1: the key is not above the one before");
    let mut node = vec![0x10, 2, 0, 4];
    node.extend_from_slice(b"a\0.!");
    node.extend_from_slice(&entry_fields(0, &[]));
    node.extend_from_slice(&[3, 1, b'.']);
    node.extend_from_slice(&entry_fields(0, &[]));
    assert_eq!(refusal(&node), "row 1: a component of the key is \".\" or \"..\"");
}

#[test]
fn manifest_4_a_key_shares_exactly_what_it_can() {
    let shared = |row: u64| format!("row {row}: the key does not keep exactly what it shares with the one before");
    let mut node = vec![0x10, 1, 1, 1, b'a'];
    node.extend_from_slice(&entry_fields(0, &[]));
    assert_eq!(refusal(&node), shared(0));
    for (kept, rest) in [(3, &b"c"[..]), (1, b"bc"), (0, b"abc")] {
        let mut node = vec![0x10, 2, 0, 2, b'a', b'b'];
        node.extend_from_slice(&entry_fields(0, &[]));
        node.put_varint(kept);
        node.put_blob(rest);
        node.extend_from_slice(&entry_fields(0, &[]));
        assert_eq!(refusal(&node), shared(1), "{kept}");
    }
}

#[test]
fn manifest_5_a_node_above_a_mebibyte_is_refused() {
    assert_eq!(refusal(&vec![0x10; NODE_BYTES_MAX + 1]), "the node is longer than 1048576 bytes");
    assert_ne!(refusal(&vec![0x10; NODE_BYTES_MAX]), "the node is longer than 1048576 bytes");
}

#[test]
fn manifest_6_a_node_of_another_tree_is_refused() {
    assert_eq!(refusal(&[0x50, 0]), "the node belongs to no known tree: 5");
    assert_eq!(refusal(&[0x00, 0]), "the node belongs to no known tree: 0");
    assert_eq!(refusal(&[]), "node header: input ends inside a field at byte 0");
    let found = two_leaves(|shelf, rows| {
        let stat = put(shelf, Tree::Stat, 0, &[]);
        rows[0] = child("/b", stat, 2, 10);
    });
    assert_eq!(found, ["a node of the Stat tree stands where one of the Manifest tree must", "/c", "/d"]);
    let mut shelf = Shelf::default();
    let root = put(&mut shelf, Tree::Items, 0, &[NodeRow::Item(chunk(1))]);
    assert_eq!(said(root, &shelf), ["a node of the Items tree stands where one of the Manifest tree must"]);
}

#[test]
fn manifest_7_a_node_of_another_level_is_refused() {
    let found = two_leaves(|shelf, rows| {
        let inner = put(shelf, Tree::Manifest, 1, rows);
        rows[0] = child("/b", inner, 2, 10);
    });
    assert_eq!(found[0], "a node of level 1 stands where one of level 0 must");
    let mut shelf = Shelf::default();
    let leaf = put(&mut shelf, Tree::Manifest, 0, &[entry("/a")]);
    let root = put(&mut shelf, Tree::Manifest, 15, &[child("/a", leaf, 1, 5), child("/b", leaf, 1, 5)]);
    let level = "a node of level 0 stands where one of level 14 must";
    assert_eq!(said(root, &shelf), [level, level]);
}

#[test]
fn manifest_8_nodes_without_rows_and_roots_of_one_child_are_refused() {
    let empty = "the node has no rows";
    let found = two_leaves(|shelf, rows| rows[0] = child("/b", put(shelf, Tree::Manifest, 0, &[]), 0, 0));
    assert_eq!(found, [empty, "/c", "/d"]);
    assert_eq!(refusal(&[0x11, 0]), empty);
    assert_eq!(refusal(&[0x30, 0]), empty);
    inspect(&[0x10, 0], &mut |_| {}).unwrap();
    inspect(&[0x20, 0], &mut |_| {}).unwrap();

    let mut shelf = Shelf::default();
    let leaf = put(&mut shelf, Tree::Manifest, 0, &[entry("/a")]);
    let root = put(&mut shelf, Tree::Manifest, 1, &[child("/a", leaf, 1, 5)]);
    assert_eq!(said(root, &shelf), ["the root has a single child, which should have been the root"]);
}

#[test]
fn manifest_9_a_node_ends_with_its_last_row() {
    let mut node = write_node(Tree::Manifest, 0, &[entry("/a"), entry("/b")]);
    node.push(0);
    assert_eq!(refusal(&node), "1 bytes too many after the last row");
    node[1] = 3;
    assert_eq!(refusal(&node), "row 2: input ends inside a field at byte 39");
    node[1] = 0x7f;
    assert_eq!(refusal(&node), "node header: row count at byte 2 is out of range");
}

#[test]
fn manifest_10_keys_outside_the_range_that_the_parent_gives_are_refused() {
    let range = |row: u64| format!("row {row}: the key lies outside the range that the parent gives");
    let with_right = |last: &str, keys: &[&str]| {
        two_leaves(|shelf, rows| {
            let leaf: Vec<_> = keys.iter().map(|path| entry(path)).collect();
            let count = u64::try_from(keys.len()).unwrap();
            rows[1] = child(last, put(shelf, Tree::Manifest, 0, &leaf), count, count * 5);
        })
    };
    assert_eq!(with_right("/d", &["/b", "/d"]), ["/a", "/b", &range(0)]);
    assert_eq!(with_right("/d", &["/a", "/d"]), ["/a", "/b", &range(0)]);
    assert_eq!(with_right("/d", &["/c", "/e"]), ["/a", "/b", "/c", &range(1)]);
    assert_eq!(
        with_right("/e", &["/c", "/d"]),
        ["/a", "/b", "/c", "/d", "the last key is not the one that the parent names"]
    );
}

#[test]
fn manifest_10_a_range_is_handed_down_through_all_levels() {
    let mut shelf = Shelf::default();
    let leaf = |shelf: &mut Shelf, a: &str, b: &str| put(shelf, Tree::Manifest, 0, &[entry(a), entry(b)]);
    let (first, second) = (leaf(&mut shelf, "/a", "/b"), leaf(&mut shelf, "/c", "/d"));
    let left = put(&mut shelf, Tree::Manifest, 1, &[child("/b", first, 2, 10), child("/d", second, 2, 10)]);
    let (third, fourth) = (leaf(&mut shelf, "/d", "/e"), leaf(&mut shelf, "/f", "/g"));
    let right = put(&mut shelf, Tree::Manifest, 1, &[child("/e", third, 2, 10), child("/g", fourth, 2, 10)]);
    let root = put(&mut shelf, Tree::Manifest, 2, &[child("/d", left, 4, 20), child("/g", right, 4, 20)]);
    // The first key of the third leaf was the last of the one before, two levels away.
    let range = "row 0: the key lies outside the range that the parent gives";
    assert_eq!(said(root, &shelf), ["/a", "/b", "/c", "/d", range, "/f", "/g"]);
}

#[test]
fn manifest_11_totals_that_are_not_exact_are_refused() {
    for (rows, bytes, expected) in [
        (1, 10, "the node holds 2 rows where 1 were promised"),
        (3, 10, "the node holds 2 rows where 3 were promised"),
        (2, 9, "the node holds 10 bytes of content where 9 were promised"),
        (2, u64::MAX, "the node holds 10 bytes of content where 18446744073709551615 were promised"),
    ] {
        let found = two_leaves(|_, children| {
            let NodeRow::Child { row_count, byte_total, .. } = &mut children[0] else { panic!("{children:?}") };
            (*row_count, *byte_total) = (rows, bytes);
        });
        assert_eq!(found, ["/a", "/b", expected, "/c", "/d"]);
    }
}

#[test]
fn manifest_11_sums_of_bytes_stop_at_the_largest_number() {
    let huge = |path: &str| {
        let items = ItemList::Few(vec![Item::Zeros { bytes: CONTENT_BYTES_MAX }]);
        Entry::new(key(path), Body::File(Content::Items(items)))
    };
    let mut shelf = Shelf::default();
    let rows: Vec<_> = (0..200).map(|n| huge(&format!("/{n:03}"))).collect();
    let root = build(&rows, &mut shelf);
    assert_eq!(inspect(&shelf.nodes[&root], &mut |_| {}).unwrap().byte_total, u64::MAX);
    assert_eq!(read::<Entry>(root, &shelf), rows);
}

#[test]
fn manifest_11_items_beyond_the_promised_end_are_never_given_out() {
    let mut shelf = Shelf::default();
    let zeros = |bytes| NodeRow::Item(Item::Zeros { bytes });
    let item = |n| NodeRow::Item(Item::Chunk { id: ChunkId::from_bytes([n; 32]), bytes: 100 });
    let left = put(&mut shelf, Tree::Items, 0, &[item(1), item(2), item(3)]);
    let right = put(&mut shelf, Tree::Items, 0, &[item(4), zeros(50), item(5)]);
    let mut read_with = |left_bytes: u64, right_rows: u64| {
        let root = put(&mut shelf, Tree::Items, 1, &[part(left, 3, left_bytes), part(right, right_rows, 250)]);
        let tree = ItemTree { root, level: 1, item_count: 3 + right_rows, bytes: left_bytes + 250 };
        let texts = ItemReader::new(&shelf, ItemList::Tree(tree)).map(|placed| match placed {
            Ok(placed) => format!("{}+{}", placed.offset, placed.item.bytes()),
            Err(error) => error.to_string().split_once(" (").unwrap().1.to_owned(),
        });
        texts.collect::<Vec<_>>()
    };
    assert_eq!(read_with(300, 3), ["0+100", "100+100", "200+100", "300+100", "400+50", "450+100"]);
    let short = "bytes 0 to 250): the node holds 300 bytes of content where 250 were promised";
    assert_eq!(read_with(250, 3), ["0+100", "100+100", short, "250+100", "350+50", "400+100"]);
    let few = "bytes 300 to 550): the node holds 3 rows where 2 were promised";
    assert_eq!(read_with(300, 2), ["0+100", "100+100", "200+100", "300+100", "400+50", few]);
}

#[test]
fn manifest_11_the_entry_of_a_long_file_promises_like_a_parent() {
    let mut shelf = Shelf::default();
    let items: Vec<_> = (1..=6).map(|n| NodeRow::Item(chunk(n))).collect();
    let root = put(&mut shelf, Tree::Items, 0, &items);
    let said = |tree: ItemTree| {
        ItemReader::new(&shelf, ItemList::Tree(tree)).filter_map(Result::err).map(|e| e.to_string()).next()
    };
    let tree = ItemTree { root, level: 0, item_count: 6, bytes: 6021 };
    assert_eq!(said(tree), None);
    let check = |tree: ItemTree, end: &str| assert!(said(tree).unwrap().ends_with(end), "{end}");
    check(ItemTree { item_count: 7, ..tree }, "the node holds 6 rows where 7 were promised");
    check(ItemTree { bytes: 6022, ..tree }, "the node holds 6021 bytes of content where 6022 were promised");
    check(ItemTree { bytes: 6020, ..tree }, "the node holds 6021 bytes of content where 6020 were promised");
    check(ItemTree { level: 1, ..tree }, "a node of level 0 stands where one of level 1 must");
}

#[test]
fn manifest_12_a_row_above_72_kib_is_refused_when_written_and_when_read() {
    let mut large = Entry::new(Key::parse(vec![b'k'; KEY_BYTES_MAX]).unwrap(), Body::Symlink(vec![b't'; 4096]));
    for id in 10..13 {
        let value = AttributeValue::Inline(vec![1; 1024]);
        large.attributes.insert(Attribute { id, necessity: Necessity::Ignorable, value });
    }
    let mut builder = TreeBuilder::new(&boundary_key(), means());
    let mut shelf = Shelf::default();
    builder.push(&large, &mut shelf).unwrap();
    large.key = Key::parse(vec![b'l'; KEY_BYTES_MAX]).unwrap();
    large.attributes.insert(Attribute {
        id: 13,
        necessity: Necessity::Ignorable,
        value: AttributeValue::Inline(vec![1; 1024]),
    });
    let error = builder.push(&large, &mut shelf).unwrap_err();
    assert!(matches!(error, BuildError::Row { rule: RowError::TooLarge, .. }), "{error}");
    assert_eq!(builder.row_count(), 1);
    let node = write_node(Tree::Manifest, 0, &[NodeRow::Entry(large)]);
    assert_eq!(refusal(&node), "row 0: key and fields take more than 73728 bytes");
}

#[test]
fn manifest_12_what_a_backup_stores_always_fits() {
    let mut largest = Entry::new(Key::parse(vec![b'k'; KEY_BYTES_MAX]).unwrap(), Body::Directory);
    largest.state = State::Inconsistent;
    largest.group = Some(LinkGroup([1; 16]));
    (largest.mode, largest.uid, largest.gid) = (MODE_MAX, u32::MAX, u32::MAX);
    largest.mtime = Timestamp::new(i64::MIN, 999_999_999).unwrap();
    largest.attributes.insert(Attribute::xattrs(AttributeValue::Inline(vec![1; ATTRIBUTE_INLINE_BYTES_MAX])));
    largest.attributes.insert(Attribute::holes(AttributeValue::Inline(vec![1; ATTRIBUTE_INLINE_BYTES_MAX])));
    for body in [
        Body::File(Content::Inline(vec![1; INLINE_BYTES_MAX])),
        Body::File(Content::Items(ItemList::Few(vec![chunk(1); ITEM_COUNT_MAX]))),
        Body::Symlink(vec![1; TARGET_BYTES_MAX]),
    ] {
        largest.body = body;
        let mut builder = TreeBuilder::new(&boundary_key(), means());
        builder.push(&largest, &mut Shelf::default()).unwrap();
    }
}

#[test]
fn manifest_13_fields_out_of_range_are_refused() {
    let range = |what: &str, offset: usize| format!("row 0: {what} at byte {offset} is out of range");
    let cases: [(&[u8], String); 10] = [
        (&[8, 0], range("kind", 6)),
        (&[0, 3], range("state", 7)),
        (&[0, 2, 0x80, 0x80, 0x80, 0x80, 0x10], range("error number", 12)),
        (&[0, 0, 0x80, 0x20], range("mode", 9)),
        (&[0, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x10], range("user number", 13)),
        (&[0, 0, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x10], range("group number", 14)),
        (&[0, 0, 0, 0, 0, 0, 0x80, 0x94, 0xeb, 0xdc, 0x03], range("nanoseconds", 16)),
        (&[0, 0, 0, 0, 0, 0, 0, 4], range("entry flags", 13)),
        (&[5, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x10], range("major device number", 18)),
        (&[6, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x10], range("minor device number", 19)),
    ];
    for (fields, expected) in cases {
        assert_eq!(refusal(&one_row(Tree::Manifest, fields)), expected);
    }
    let padded = one_row(Tree::Manifest, &[0, 0, 0x80, 0x00]);
    assert_eq!(refusal(&padded), "row 0: varint at byte 7 is not in its shortest form");
    let mut row = Entry::new(key("/a"), Body::Directory);
    row.mode = MODE_MAX + 1;
    let error = TreeBuilder::new(&boundary_key(), means()).push(&row, &mut Shelf::default()).unwrap_err();
    assert_eq!(error.to_string(), "/a: the mode has more than twelve bits");
}

#[test]
fn manifest_14_only_directories_are_ancestors() {
    for kind in 1..8 {
        let node = one_row(Tree::Manifest, &entry_fields(0x80 | kind, &[0, 0]));
        assert!(refusal(&node).starts_with("row 0: kind at byte"), "{kind}");
    }
    let node = one_row(Tree::Manifest, &entry_fields(0x48, &[]));
    assert_eq!(refusal(&node), "row 0: kind at byte 6 is out of range");
}

#[test]
fn manifest_15_what_could_not_be_read_has_no_content() {
    let unreadable =
        |kind: u8, body: &[u8]| one_row(Tree::Manifest, &[&[kind, 2, 13, 0, 0, 0, 0, 0, 0], body].concat());
    for kind in [0, 1, 2, 3, 4, 7] {
        inspect(&unreadable(kind, &[]), &mut |_| {}).unwrap();
        assert_eq!(refusal(&unreadable(kind, &[0, 0])), "2 bytes too many after the last row");
    }
    let contradiction = "row 0: state and kind contradict each other";
    assert_eq!(refusal(&one_row(Tree::Manifest, &entry_fields(7, &[]))), contradiction);
    for body in [Body::File(Content::Inline(vec![1])), Body::Symlink(vec![1])] {
        let mut row = Entry::new(key("/a"), body);
        row.state = State::Unreadable { errno: 13 };
        let error = TreeBuilder::new(&boundary_key(), means()).push(&row, &mut Shelf::default()).unwrap_err();
        assert!(matches!(error, BuildError::Row { rule: RowError::State, .. }), "{error}");
    }
}

#[test]
fn manifest_16_a_link_has_a_target_that_a_file_system_could_hold() {
    let target = "row 0: the link target is empty, longer than 4096 bytes, or holds a zero byte";
    assert_eq!(refusal(&one_row(Tree::Manifest, &entry_fields(2, &[0]))), target);
    assert_eq!(refusal(&one_row(Tree::Manifest, &entry_fields(2, &[2, b'a', 0]))), target);
    let long = [&[0x81, 0x20][..], &[b'a'; 4097]].concat();
    assert_eq!(
        refusal(&one_row(Tree::Manifest, &entry_fields(2, &long))),
        "row 0: link target at byte 16 is out of range"
    );
}

#[test]
fn manifest_17_contents_that_break_a_rule_are_refused() {
    let content = |body: &[u8]| refusal(&one_row(Tree::Manifest, &entry_fields(1, body)));
    let id = [7; 32];
    let few =
        |items: &[&[u8]]| content(&[&[1, u8::try_from(items.len()).unwrap()], items.concat().as_slice()].concat());
    let listed = |length: u64| {
        let mut item = Vec::new();
        item.put_varint(length << 1);
        [item.as_slice(), &id].concat()
    };
    assert_eq!(content(&[3]), "row 0: content tag at byte 15 is out of range");
    assert_eq!(content(&[1, 5]), "row 0: item count at byte 16 is out of range");
    assert_eq!(few(&[]), "row 0: the number of items is out of range");
    assert_eq!(few(&[&listed(0)]), "row 0: the length of an item is out of range");
    assert_eq!(few(&[&listed(CHUNK_BYTES_MAX + 1)]), "row 0: the length of an item is out of range");
    assert_eq!(few(&[&[1]]), "row 0: the length of an item is out of range");
    assert_eq!(few(&[&[3], &[5]]), "row 0: two runs of zeros follow each other");
    let mut most = Vec::new();
    most.put_varint(CONTENT_BYTES_MAX << 1 | 1);
    assert_eq!(few(&[&most, &listed(1)]), "row 0: the content is longer than a file can be");
    let inline = [&[0, 0x81, 0x20][..], &[1; 4097]].concat();
    assert_eq!(content(&inline), "row 0: inline content at byte 17 is out of range");

    let tree = |level: u8, count: u64, bytes: u64| {
        let mut body = [&[2][..], &id, &[level]].concat();
        body.put_varint(count);
        body.put_varint(bytes);
        content(&body)
    };
    assert_eq!(tree(0, 4, 100), "row 0: the number of items is out of range");
    assert_eq!(tree(0, 101, 100), "row 0: the number of items is out of range");
    assert_eq!(tree(16, 5, 100), "row 0: the level of an item tree is out of range");
    assert_eq!(tree(0, 5, CONTENT_BYTES_MAX + 1), "row 0: the content is longer than a file can be");
}

#[test]
fn manifest_17_leaves_of_items_keep_the_same_rules() {
    let zeros = NodeRow::Item(Item::Zeros { bytes: 9 });
    let adjacent = write_node(Tree::Items, 0, &[zeros.clone(), zeros.clone()]);
    assert_eq!(refusal(&adjacent), "row 1: two runs of zeros follow each other");
    let empty = NodeRow::Item(Item::Zeros { bytes: 0 });
    assert_eq!(refusal(&write_node(Tree::Items, 0, &[empty])), "row 0: the length of an item is out of range");
    // Across the border of two leaves.
    let mut shelf = Shelf::default();
    let left = put(&mut shelf, Tree::Items, 0, &[NodeRow::Item(chunk(0)), zeros.clone()]);
    let right = put(&mut shelf, Tree::Items, 0, &[zeros, NodeRow::Item(chunk(0)), NodeRow::Item(chunk(0))]);
    let root = put(&mut shelf, Tree::Items, 1, &[part(left, 2, 1009), part(right, 3, 2009)]);
    let list = ItemList::Tree(ItemTree { root, level: 1, item_count: 5, bytes: 3018 });
    let errors: Vec<_> = ItemReader::new(&shelf, list).filter_map(Result::err).map(|error| error.to_string()).collect();
    assert_eq!(errors.len(), 1);
    assert!(errors[0].ends_with("(bytes 1009 to 3018): row 0: two runs of zeros follow each other"), "{errors:?}");
}

#[test]
fn manifest_17_the_builder_refuses_what_a_reader_would() {
    let mut shelf = Shelf::default();
    let mut builder = ItemTreeBuilder::new(&boundary_key(), means());
    let error = builder.push(Item::Zeros { bytes: 0 }, &mut shelf).unwrap_err();
    assert_eq!(error.to_string(), "item 0 of a content: the length of an item is out of range");
    builder.push(Item::Zeros { bytes: CONTENT_BYTES_MAX }, &mut shelf).unwrap();
    let error = builder.push(chunk(1), &mut shelf).unwrap_err();
    assert_eq!(error.to_string(), "item 1 of a content: the content is longer than a file can be");
}

fn attributes(list: &[u8]) -> String {
    let fields = [&[0, 0, 0, 0, 0, 0, 0, 2][..], list].concat();
    refusal(&one_row(Tree::Manifest, &fields))
}

#[test]
fn manifest_18_attributes_that_break_a_rule_are_refused() {
    assert_eq!(attributes(&[0]), "row 0: attribute count at byte 14 is out of range");
    assert_eq!(attributes(&[17]), "row 0: attribute count at byte 14 is out of range");
    let order = "row 0: the attributes are not in order or too many";
    assert_eq!(attributes(&[2, 9, 0, 0, 8, 0, 0]), order);
    assert_eq!(attributes(&[2, 9, 0, 0, 9, 0, 0]), order);
    assert_eq!(attributes(&[1, 9, 0x20, 0]), "row 0: attribute flags at byte 16 is out of range");
    let mark = "row 0: a known attribute is marked against its definition";
    assert_eq!(attributes(&[1, 1, 0, 0]), mark);
    assert_eq!(attributes(&[1, 2, 0x80, 0]), mark);
    let long = [&[1, 9, 0, 0x81, 0x08][..], &[0; 1025]].concat();
    assert_eq!(attributes(&long), "row 0: attribute value at byte 18 is out of range");
    let place = "row 0: the value of an attribute lies in the wrong place for its length";
    let out_of_line = |bytes: u64| {
        let mut list = vec![1, 9, 0x40, 1, 1];
        list.put_varint(bytes << 1 | 1);
        attributes(&list)
    };
    assert_eq!(out_of_line(1024), place);
    assert_eq!(out_of_line(ATTRIBUTE_BYTES_MAX + 1), place);
    assert_eq!(attributes(&[1, 9, 0x40, 0, 0]), "row 0: content tag at byte 17 is out of range");
    let number = attributes(&[1, 0x80, 0x80, 0x80, 0x80, 0x10, 0, 0]);
    assert_eq!(number, "row 0: attribute number at byte 19 is out of range");
}

#[test]
fn manifest_19_unknown_attributes_are_kept() {
    let mut row = Entry::new(key("/a"), Body::Directory);
    let value = || AttributeValue::Inline(b"later".to_vec());
    row.attributes.insert(Attribute { id: 700, necessity: Necessity::Ignorable, value: value() });
    row.attributes.insert(Attribute::xattrs(AttributeValue::Inline(encode_xattrs(&[]).unwrap_or_default())));
    assert_eq!(row.attributes.not_understood(), None);
    row.attributes.insert(Attribute { id: 701, necessity: Necessity::Mandatory, value: value() });
    let mut shelf = Shelf::default();
    let root = build(&[row], &mut shelf);
    let [found] = read::<Entry>(root, &shelf).try_into().unwrap();
    assert_eq!(found.attributes.get(700), Some(&value()));
    assert!(found.attributes.not_understood().is_some_and(|told| told.contains("attribute 701")));
}

#[test]
fn manifest_22_a_row_outside_every_directory_is_found() {
    let directory = |path: &str| Entry::new(key(path), Body::Directory);
    let check = |rows: &[Entry]| {
        let mut lineage = Lineage::new();
        let lost = rows.iter().filter_map(|row| lineage.check(row).err());
        lost.map(|error| error.to_string()).collect::<Vec<_>>()
    };
    let good = [
        directory("/"),
        directory("/a"),
        file("/a/x", 1),
        directory("/a/y"),
        directory("/a/y/z"),
        file("/a/y/z/f", 1),
        file("/a/z", 1),
        file("/b", 1),
        Entry::new(key("/c"), Body::Ancestor),
        file("/c/f", 1),
    ];
    assert!(check(&good).is_empty());
    let lost = |path: &str| format!("{path} lies in no directory of the tree");
    // Below a file, below nothing, below a neighbour that only starts alike, and without a root.
    assert_eq!(check(&[directory("/"), file("/a", 1), file("/a/b", 1)]), [lost("/a/b")]);
    assert_eq!(check(&[directory("/"), file("/a/b", 1), file("/c", 1)]), [lost("/a/b")]);
    assert_eq!(check(&[directory("/"), directory("/a"), file("/a/b/c", 1)]), [lost("/a/b/c")]);
    assert_eq!(check(&[directory("/"), directory("/ab"), file("/ab/c", 1), file("/a\u{1}/c", 1)]), [lost("/a\\x01/c")]);
    assert_eq!(check(&[directory("/a"), file("/a/b", 1)]), [lost("/a"), lost("/a/b")]);
    assert_eq!(check(&[file("/", 1), file("/b", 1)]), ["/ is the root and no directory".to_owned(), lost("/b")]);
}

#[test]
fn manifest_23_stat_rows_out_of_range_are_refused() {
    let fields = |settled: u8| [1, 9, 0, 0, 0, 0, 3, 4, 1, settled];
    inspect(&one_row(Tree::Stat, &fields(1)), &mut |_| {}).unwrap();
    assert_eq!(refusal(&one_row(Tree::Stat, &fields(2))), "row 0: settled at byte 15 is out of range");
    assert_eq!(refusal(&one_row(Tree::Stat, &[8])), "row 0: kind at byte 6 is out of range");
    assert_eq!(refusal(&one_row(Tree::Stat, &[0x81])), "row 0: kind at byte 6 is out of range");
    inspect(&one_row(Tree::Stat, &[0x80, 9, 0, 0, 0, 0, 3, 4, 1, 1]), &mut |_| {}).unwrap();
}

#[test]
fn manifest_3_rows_out_of_order_are_refused_by_the_builder_which_goes_on() {
    let mut shelf = Shelf::default();
    let mut builder = TreeBuilder::new(&boundary_key(), means());
    builder.push(&file("/b", 1), &mut shelf).unwrap();
    for path in ["/a", "/b"] {
        let error = builder.push(&file(path, 1), &mut shelf).unwrap_err();
        assert_eq!(error.to_string(), format!("{path} comes after /b, but is not above it"));
    }
    builder.push(&file("/c", 1), &mut shelf).unwrap();
    let root = builder.finish(&mut shelf).unwrap();
    assert_eq!(said(root, &shelf), ["/b", "/c"]);
}

#[test]
fn manifest_33_opaque_nodes_give_their_payload_back_and_nothing_else_does() {
    for payload in [&b""[..], b"seen", &[7; opaque::OPAQUE_BYTES_MAX]] {
        let node = opaque::encode(payload).unwrap();
        assert_eq!(opaque::decode(&node), Ok(payload));
        assert_eq!(inspect(&node, &mut |_| {}).unwrap().tree, Tree::Opaque);
    }
    assert_eq!(opaque::encode(&[7; opaque::OPAQUE_BYTES_MAX + 1]), None);
    let tree = NodeError::Tree { expected: Tree::Opaque, found: Tree::Manifest };
    assert_eq!(opaque::decode(&[0x10, 0]), Err(tree));
    assert_eq!(opaque::decode(&[0x41, 0]), Err(NodeError::Level { expected: 0, found: 1 }));
    assert_eq!(opaque::decode(&[]), Err(NodeError::Header(WireError::UnexpectedEnd { offset: 0 })));
    assert_eq!(opaque::decode(&[0x40; NODE_BYTES_MAX + 1]), Err(NodeError::TooLarge));
    assert_eq!(inspect(&[0x41], &mut |_| {}), Err(NodeError::Level { expected: 0, found: 1 }));
    let mut shelf = Shelf::default();
    let root = shelf.put(&opaque::encode(b"x").unwrap()).unwrap();
    assert_eq!(said(root, &shelf), ["a node of the Opaque tree stands where one of the Manifest tree must"]);
}

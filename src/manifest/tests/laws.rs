//! What holds for every tree.

use super::samples::*;
use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// What a backup does: goes along the leaves of the old tree, offers each one whose range did not change, and pushes
/// rows where it did or where the offer was declined.
fn join(old_root: NodeId, old: &[Entry], new: &[Entry], shelf: &mut Shelf) -> (NodeId, usize) {
    let leaves: Vec<_> = LeafCursor::<Entry, _>::new(&*shelf, old_root).map(Result::unwrap).collect();
    let mut builder = TreeBuilder::<Entry>::new(&boundary_key(), means());
    let mut carried = 0;
    let (mut rest, mut old_rest) = (new, old);
    for leaf in &leaves {
        let up_to = |rows: &[Entry]| rows.partition_point(|row| row.key <= *leaf.last());
        let (range, after) = rest.split_at(up_to(rest));
        let (before, old_after) = old_rest.split_at(up_to(old_rest));
        (rest, old_rest) = (after, old_after);
        let unchanged = before == range;
        if unchanged && builder.carry(leaf, shelf).unwrap() == Carry::Carried {
            carried += 1;
        } else {
            range.iter().for_each(|row| builder.push(row, shelf).unwrap());
        }
    }
    rest.iter().for_each(|row| builder.push(row, shelf).unwrap());
    assert_eq!(builder.row_count(), u64::try_from(new.len()).unwrap());
    (builder.finish(shelf).unwrap(), carried)
}

/// The last keys of all leaves.
fn cuts<R: Row>(root: NodeId, shelf: &Shelf) -> Vec<Key> {
    LeafCursor::<R, _>::new(shelf, root).map(|leaf| leaf.unwrap().last().clone()).collect()
}

fn ids(shelf: &Shelf) -> BTreeSet<NodeId> {
    shelf.nodes.keys().copied().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn entries_read_back(rows in vec(any_entry(), 0..150).prop_map(sorted)) {
        let mut shelf = Shelf::default();
        let root = build(&rows, &mut shelf);
        prop_assert_eq!(read::<Entry>(root, &shelf), rows);
    }

    #[test]
    fn stat_rows_read_back(rows in vec(any_stat(), 0..150).prop_map(sorted)) {
        let mut shelf = Shelf::default();
        let root = build(&rows, &mut shelf);
        prop_assert_eq!(read::<StatEntry>(root, &shelf), rows);
    }

    #[test]
    fn manifest_32_items_read_back_with_runs_of_zeros_joined_a_few_from_the_entry(items in vec(any_item(), 0..200)) {
        let mut shelf = Shelf::default();
        let mut builder = ItemTreeBuilder::new(&boundary_key(), means());
        let mut joined: Vec<Item> = Vec::new();
        for item in items {
            builder.push(item, &mut shelf).unwrap();
            match (joined.last_mut(), item) {
                (Some(Item::Zeros { bytes }), Item::Zeros { bytes: more }) => *bytes += more,
                _ => joined.push(item),
            }
        }
        let list = builder.finish(&mut shelf).unwrap();
        prop_assert_eq!(list.is_none(), joined.is_empty());
        if let Some(list) = list {
            prop_assert_eq!(matches!(list, ItemList::Few(_)), joined.len() <= 4);
            prop_assert_eq!(list.bytes(), joined.iter().map(Item::bytes).sum::<u64>());
            let found: Vec<_> = ItemReader::new(&shelf, list).map(|placed| placed.unwrap().item).collect();
            prop_assert_eq!(found, joined);
        }
    }

    #[test]
    fn manifest_27_a_tree_with_leaves_carried_over_is_the_tree_built_from_scratch(
        count in 0..400u64,
        edits in vec((0..500u64, any::<bool>()), 0..8),
    ) {
        let mut shelf = Shelf::default();
        let old = flat(count);
        let old_root = build(&old, &mut shelf);
        let mut new: BTreeMap<_, _> = old.iter().map(|row| (row.key.clone(), row.clone())).collect();
        for (number, keep) in edits {
            // Removes, changes, or adds between what is there.
            let path = if number % 3 == 0 { format!("/f{number:06}x") } else { format!("/f{number:06}") };
            new.remove(&key(&path));
            if keep {
                new.insert(key(&path), file(&path, number + 1_000_000));
            }
        }
        let new: Vec<_> = new.into_values().collect();
        let mut scratch = Shelf::default();
        let expected = build(&new, &mut scratch);
        let (root, _) = join(old_root, &old, &new, &mut shelf);
        prop_assert_eq!(root, expected);
        prop_assert!(ids(&scratch).is_subset(&ids(&shelf)));
    }

    #[test]
    fn manifest_28_cuts_depend_only_on_keys(rows in vec(any_entry(), 50..200).prop_map(sorted)) {
        let mut shelf = Shelf::default();
        let rich = build(&rows, &mut shelf);
        let bare: Vec<_> = rows.iter().map(|row| Entry::new(row.key.clone(), Body::Directory)).collect();
        let bare = build(&bare, &mut shelf);
        prop_assert_eq!(cuts::<Entry>(rich, &shelf), cuts::<Entry>(bare, &shelf));
    }

    #[test]
    fn manifest_28_equal_rows_make_equal_nodes(rows in vec(any_entry(), 0..200).prop_map(sorted)) {
        let (mut one, mut other) = (Shelf::default(), Shelf::default());
        prop_assert_eq!(build(&rows, &mut one), build(&rows, &mut other));
        prop_assert_eq!(ids(&one), ids(&other));
    }

    #[test]
    fn seeking_is_the_same_as_passing_over(
        rows in vec(any_entry(), 0..150).prop_map(sorted),
        steps in vec((any_key(), any::<bool>(), 0..5usize), 1..20),
    ) {
        let mut shelf = Shelf::default();
        let root = build(&rows, &mut shelf);
        let mut cursor = Cursor::<Entry, _>::new(&shelf, root);
        for (to, whole, count) in steps {
            let bound = if whole { to.subtree_end() } else { Some(to.as_bytes().to_vec()) };
            if whole { cursor.skip_subtree(&to) } else { cursor.seek(&to) }
            let mut expected = rows.iter().filter(|row| bound.as_ref().is_some_and(|b| row.key.as_bytes() >= b.as_slice()));
            for _ in 0..count {
                prop_assert_eq!(cursor.next_row().unwrap(), expected.next().cloned());
            }
        }
    }

    #[test]
    fn seeking_leaves_is_the_same_as_passing_over(count in 0..300u64, steps in vec((0..320u64, 0..3usize), 1..10)) {
        let mut shelf = Shelf::default();
        let root = build(&flat(count), &mut shelf);
        let lasts = cuts::<Entry>(root, &shelf);
        let mut cursor = LeafCursor::<Entry, _>::new(&shelf, root);
        for (number, count) in steps {
            let bound = key(&format!("/f{number:06}"));
            cursor.seek(&bound);
            let mut expected = lasts.iter().filter(|last| **last >= bound || lasts.len() == 1);
            for _ in 0..count {
                let leaf = cursor.next_leaf().unwrap();
                prop_assert_eq!(leaf.as_ref().map(LeafRef::last), expected.next());
            }
        }
    }

    #[test]
    fn what_is_written_of_inspected_rows_is_the_node(rows in vec(any_entry(), 0..60).prop_map(sorted)) {
        let mut shelf = Shelf::default();
        build(&rows, &mut shelf);
        for node in shelf.nodes.values() {
            let mut found = Vec::new();
            let inspected = inspect(node, &mut |row| found.push(row)).unwrap();
            prop_assert_eq!(write_node(inspected.tree, inspected.level, &found), node.to_vec());
        }
    }

    #[test]
    fn a_changed_byte_is_refused_or_leaves_the_order_of_keys(
        count in 20..120u64,
        at: prop::sample::Index,
        byte: u8,
    ) {
        let mut shelf = Shelf::default();
        let root = build(&flat(count), &mut shelf);
        let mut bytes: Vec<_> = shelf.nodes.iter().flat_map(|(id, node)| (0..node.len()).map(|n| (*id, n))).collect();
        let (id, offset) = bytes.swap_remove(at.index(bytes.len()));
        let mut forged = shelf.nodes[&id].to_vec();
        forged[offset] = byte;
        shelf.nodes.insert(id, forged.into());
        let (mut last, mut errors) = (None, 0);
        for row in Cursor::<Entry, _>::new(&shelf, root) {
            match row {
                Ok(row) => {
                    prop_assert!(last.is_none_or(|last| last < row.key));
                    last = Some(row.key);
                }
                Err(_) => errors += 1,
            }
        }
        prop_assert!(errors <= shelf.nodes.len(), "{} errors from {} nodes", errors, shelf.nodes.len());
    }
}

#[test]
fn manifest_28_a_change_rewrites_one_leaf_and_the_nodes_above_it() {
    let rows = flat(5000);
    for changed in [0usize, 1, 77, 2500, 5000] {
        let mut shelf = Shelf::default();
        let old_root = build(&rows, &mut shelf);
        let before = ids(&shelf);
        let height = usize::from(inspect(&shelf.nodes[&old_root], &mut |_| {}).unwrap().level) + 1;
        let mut new = rows.clone();
        new[changed].mtime = Timestamp::from_ns(5);
        let root = build(&new, &mut shelf);
        assert_ne!(root, old_root);
        assert_eq!(ids(&shelf).difference(&before).count(), height, "row {changed}");

        let put_before = shelf.put_count;
        let (joined, carried) = join(old_root, &rows, &new, &mut shelf);
        assert_eq!(joined, root);
        let leaves = cuts::<Entry>(old_root, &shelf).len();
        assert!(carried >= leaves - 2, "{carried} of {leaves} leaves carried");
        assert!(shelf.put_count - put_before < leaves, "leaves that were carried are not written");
    }
}

#[test]
fn manifest_27_a_leaf_is_declined_where_it_could_make_another_tree() {
    let mut shelf = Shelf::default();
    let rows = flat(1000);
    let root = build(&rows, &mut shelf);
    let leaves: Vec<_> = LeafCursor::<Entry, _>::new(&shelf, root).map(Result::unwrap).collect();
    let [first, .., last] = leaves.as_slice() else { panic!("there are several leaves") };

    // The last leaf ended because the rows did; whatever follows now belongs to it.
    let mut builder = TreeBuilder::<Entry>::new(&boundary_key(), means());
    let ended_by_itself = Boundary::new(boundary_key(), Tree::Manifest, means()).ends(0, last.last().as_bytes());
    assert!(!ended_by_itself && last.row_count() < 32, "the sample ends in an unfinished leaf");
    assert_eq!(builder.carry(last, &mut shelf).unwrap(), Carry::MustRead);

    // A row of the leaf under construction would stand in another leaf than from scratch.
    builder.push(&Entry::new(Key::root(), Body::Directory), &mut shelf).unwrap();
    assert!(!builder.is_at_leaf_start());
    let second = leaves.get(1).unwrap();
    assert_eq!(builder.carry(second, &mut shelf).unwrap(), Carry::MustRead);
    assert_eq!(builder.row_count(), 1);

    // A leaf from before the last row is a defect of the caller.
    let mut builder = TreeBuilder::<Entry>::new(&boundary_key(), means());
    assert_eq!(builder.carry(second, &mut shelf).unwrap(), Carry::Carried);
    let error = builder.carry(first, &mut shelf).unwrap_err();
    assert!(matches!(error, BuildError::Order { .. }), "{error}");
    assert_eq!(builder.carry(leaves.get(2).unwrap(), &mut shelf).unwrap(), Carry::Carried);
}

#[test]
fn manifest_27_a_full_leaf_is_carried_whatever_its_last_key() {
    let mut shelf = Shelf::default();
    let root = build(&flat(10_000), &mut shelf);
    let full: Vec<_> = LeafCursor::<Entry, _>::new(&shelf, root)
        .map(Result::unwrap)
        .filter(|leaf| leaf.row_count() == 32)
        .filter(|leaf| !Boundary::new(boundary_key(), Tree::Manifest, means()).ends(0, leaf.last().as_bytes()))
        .collect();
    assert!(!full.is_empty());
    let mut builder = TreeBuilder::<Entry>::new(&boundary_key(), means());
    for leaf in &full {
        assert_eq!(builder.carry(leaf, &mut shelf).unwrap(), Carry::Carried);
    }
}

#[test]
fn manifest_25_no_node_has_more_rows_than_four_times_the_mean() {
    let mut shelf = Shelf::default();
    build(&flat(10_000), &mut shelf);
    let sizes: Vec<_> = shelf.nodes.values().map(|node| inspect(node, &mut |_| {}).unwrap().node_rows).collect();
    assert_eq!(sizes.iter().max(), Some(&32));
    let leaves = u64::try_from(sizes.len()).unwrap();
    assert!((10_000 / 9..10_000 / 5).contains(&leaves), "{leaves} nodes for 10000 rows at a mean of 8");
}

#[test]
fn manifest_25_a_node_ends_before_it_grows_beyond_a_mebibyte() {
    // 64 rows with 60 KiB of key each, at means that would put all of them into one leaf.
    let long = |n: u32| {
        let mut name = n.to_string().into_bytes();
        name.resize(60_000, b'x');
        let mut row = Entry::new(Key::root().child(&name).unwrap(), Body::Directory);
        row.uid = n;
        row
    };
    let rows = sorted((0..64).map(long).collect());
    let mut shelf = Shelf::default();
    let mut builder = TreeBuilder::new(&boundary_key(), Means::parse(MEAN_MAX, MEAN_MAX).unwrap());
    rows.iter().for_each(|row| builder.push(row, &mut shelf).unwrap());
    let root = builder.finish(&mut shelf).unwrap();
    assert!(shelf.nodes.len() >= 5);
    assert!(shelf.nodes.values().any(|node| node.len() > NODE_BYTES_MAX - 61_000), "nodes are filled");
    assert_eq!(read::<Entry>(root, &shelf), rows);
    // Such a leaf ended for want of room, which its last key does not tell: it is never carried.
    let mut builder = TreeBuilder::<Entry>::new(&boundary_key(), Means::parse(MEAN_MAX, MEAN_MAX).unwrap());
    let leaf = LeafCursor::new(&shelf, root).next().unwrap().unwrap();
    assert_eq!(builder.carry(&leaf, &mut Shelf::default()).unwrap(), Carry::MustRead);
}

#[test]
fn manifest_26_every_size_of_tree_has_one_root_above_at_least_two_nodes() {
    for count in (0..40).chain([100, 500, 3000]) {
        let mut shelf = Shelf::default();
        let root = build(&flat(count), &mut shelf);
        let mut referenced = BTreeSet::from([root]);
        for node in shelf.nodes.values() {
            inspect(node, &mut |row| {
                if let NodeRow::Child { id, .. } = row {
                    referenced.insert(id);
                }
            })
            .unwrap();
        }
        assert_eq!(ids(&shelf), referenced, "{count}: every node is the root or has a parent");
        assert_eq!(read::<Entry>(root, &shelf).len(), usize::try_from(count).unwrap() + 1);
    }
}

#[test]
fn building_holds_no_more_than_one_node_a_level() {
    let mut shelf = Shelf::default();
    let mut builder = TreeBuilder::<Entry>::new(&boundary_key(), means());
    let mut most = 0;
    for row in flat(10_000) {
        builder.push(&row, &mut shelf).unwrap();
        most = most.max(builder.held_bytes());
    }
    let largest = shelf.nodes.values().map(|node| node.len()).max().unwrap();
    let root = builder.finish(&mut shelf).unwrap();
    let levels = usize::from(inspect(&shelf.nodes[&root], &mut |_| {}).unwrap().level) + 1;
    assert!(most <= (levels + 2) * 2 * largest, "{most} bytes for {levels} levels of {largest}");
}

/// Walks the nodes of a tree level by level and checks each end against the rule, computed here from the page's words.
fn assert_ends(root: NodeId, tree: Tree, shelf: &Shelf) -> usize {
    let key = naming().derive("holdall 1 boundary", &[]);
    let cuts = |level: u8, mark: &[u8]| {
        let hash = blake3::keyed_hash(key.expose(), &[&[level, tree.code()], mark].concat());
        let number = u64::from_le_bytes(hash.as_bytes()[..8].try_into().unwrap());
        u128::from(number) < (1u128 << 64) / 8
    };
    let mut level_nodes = vec![root];
    let mut checked = 0;
    while !level_nodes.is_empty() {
        let mut below = Vec::new();
        for (place, id) in level_nodes.iter().enumerate() {
            let mut marks = Vec::new();
            let level = inspect(&shelf.nodes[id], &mut |row| {
                marks.push(match &row {
                    NodeRow::Entry(row) => Some(row.key.as_bytes().to_vec()),
                    NodeRow::Item(Item::Chunk { id, .. }) => Some(id.as_bytes().to_vec()),
                    NodeRow::Child { last: Some(last), .. } => Some(last.as_bytes().to_vec()),
                    NodeRow::Child { last: None, id, .. } => Some(id.as_bytes().to_vec()),
                    NodeRow::Item(Item::Zeros { .. }) | NodeRow::Stat(_) => None,
                });
                if let NodeRow::Child { id, .. } = row {
                    below.push(id);
                }
            })
            .unwrap()
            .level;
            for (number, mark) in marks.iter().enumerate() {
                let ends = mark.as_ref().is_some_and(|mark| cuts(level, mark)) || number + 1 == 32;
                let last = number + 1 == marks.len();
                let last_of_all = last && place + 1 == level_nodes.len();
                assert!(ends == last || last_of_all, "level {level}, node {place}, row {number}");
                checked += 1;
            }
        }
        level_nodes = below;
    }
    checked
}

#[test]
fn manifest_24_every_node_ends_where_the_number_of_its_last_row_says() {
    let mut shelf = Shelf::default();
    let root = build(&flat(3000), &mut shelf);
    assert!(assert_ends(root, Tree::Manifest, &shelf) > 3000);
}

#[test]
fn manifest_29_item_trees_end_nodes_by_ids_and_never_after_zeros() {
    let mut shelf = Shelf::default();
    let mut builder = ItemTreeBuilder::new(&boundary_key(), means());
    for n in 0..3000 {
        let item = if n % 3 == 0 { Item::Zeros { bytes: n + 1 } } else { chunk(n) };
        builder.push(item, &mut shelf).unwrap();
    }
    let Some(ItemList::Tree(tree)) = builder.finish(&mut shelf).unwrap() else { panic!("3000 items are a tree") };
    assert!(assert_ends(tree.root, Tree::Items, &shelf) > 3000);
}

#[test]
fn manifest_29_an_inserted_chunk_moves_only_the_nodes_around_it() {
    let tree_of = |items: &[Item], shelf: &mut Shelf| {
        let mut builder = ItemTreeBuilder::new(&boundary_key(), means());
        items.iter().for_each(|item| builder.push(*item, shelf).unwrap());
        builder.finish(shelf).unwrap()
    };
    let mut items: Vec<_> = (0..3000).map(chunk).collect();
    let mut shelf = Shelf::default();
    tree_of(&items, &mut shelf);
    let before = ids(&shelf);
    items.insert(1500, chunk(9999));
    tree_of(&items, &mut shelf);
    let new = ids(&shelf).difference(&before).count();
    assert!(new < 20, "{new} of {} nodes are new", before.len());
}

#[test]
fn manifest_29_no_key_makes_a_node_end_after_zeros() {
    for byte in 0..60 {
        let key = BoundaryKey::new(Secret::from_bytes([byte; 32]));
        let mut shelf = Shelf::default();
        let mut builder = ItemTreeBuilder::new(&key, means());
        for n in 0..120 {
            let item = if n % 2 == 0 { Item::Zeros { bytes: 65_536 } } else { chunk(n) };
            builder.push(item, &mut shelf).unwrap();
        }
        builder.finish(&mut shelf).unwrap();
        for node in shelf.nodes.values() {
            let mut last = None;
            let inspected = inspect(node, &mut |row| last = Some(row)).unwrap();
            let zeros = matches!(last, Some(NodeRow::Item(Item::Zeros { .. })));
            assert!(!zeros || inspected.node_rows == 32, "key {byte}");
        }
    }
}

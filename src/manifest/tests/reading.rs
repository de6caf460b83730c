//! Trees read whole, in part, and with parts missing.

use super::*;

#[test]
fn rows_read_back_in_order_whatever_their_number() {
    for count in [0, 1, 7, 8, 9, 31, 32, 33, 100, 1000, 5000] {
        let mut shelf = Shelf::default();
        let rows = flat(count);
        let root = build(&rows, &mut shelf);
        assert_eq!(read::<Entry>(root, &shelf), rows, "{count}");
    }
}

#[test]
fn an_empty_tree_is_one_leaf_without_rows() {
    let mut shelf = Shelf::default();
    let root = build::<Entry>(&[], &mut shelf);
    assert_eq!(shelf.nodes[&root].as_ref(), [0x10, 0]);
    assert_eq!(read::<Entry>(root, &shelf), []);
    assert!(LeafCursor::<Entry, _>::new(&shelf, root).next().is_none());
}

#[test]
fn items_read_back_and_are_found_by_offset() {
    for count in [0u64, 1, 4, 5, 40, 3000] {
        let mut shelf = Shelf::default();
        let items: Vec<_> =
            (0..count).map(|n| if n % 7 == 3 { Item::Zeros { bytes: 65536 } } else { chunk(n) }).collect();
        let mut builder = ItemTreeBuilder::new(&boundary_key(), means());
        items.iter().for_each(|item| builder.push(*item, &mut shelf).unwrap());
        let Some(list) = builder.finish(&mut shelf).unwrap() else {
            assert_eq!(count, 0);
            continue;
        };
        assert_eq!(matches!(list, ItemList::Few(_)), count <= 4);
        let placed: Vec<_> = ItemReader::new(&shelf, list.clone()).map(Result::unwrap).collect();
        assert_eq!(placed.iter().map(|placed| placed.item).collect::<Vec<_>>(), items);
        let mut reader = ItemReader::new(&shelf, list.clone());
        for placed in placed.iter().rev().chain(&placed).step_by(3) {
            for offset in [placed.offset, placed.offset + placed.item.bytes() - 1] {
                reader.seek(offset);
                assert_eq!(reader.next_item().unwrap(), Some(*placed));
            }
        }
        reader.seek(list.bytes());
        assert_eq!(reader.next_item().unwrap(), None);
    }
}

#[test]
fn a_tree_of_which_every_leaf_was_offered_is_the_same_tree() {
    let mut shelf = Shelf::default();
    let rows = flat(3000);
    let root = build(&rows, &mut shelf);
    let mut builder = TreeBuilder::<Entry>::new(&boundary_key(), means());
    let (mut carried, mut leaves) = (0, 0);
    let refs: Vec<_> = LeafCursor::<Entry, _>::new(&shelf, root).map(Result::unwrap).collect();
    for leaf in refs {
        leaves += 1;
        if builder.carry(&leaf, &mut shelf).unwrap() == Carry::Carried {
            carried += 1;
            continue;
        }
        let rows: Vec<_> = LeafCursor::new(&shelf, root).read(&leaf).unwrap().map(Result::unwrap).collect();
        rows.iter().for_each(|row| builder.push(row, &mut shelf).unwrap());
    }
    assert!(carried >= leaves - 1, "{carried} of {leaves}");
    assert_eq!(builder.row_count(), 3001);
    assert_eq!(builder.finish(&mut shelf).unwrap(), root);
}

#[test]
fn seeking_finds_every_row_and_every_gap() {
    let mut shelf = Shelf::default();
    let rows = flat(500);
    let root = build(&rows, &mut shelf);
    let mut cursor = Cursor::<Entry, _>::new(&shelf, root);
    for row in rows.iter().rev().chain(&rows).step_by(7) {
        assert_eq!(cursor.find(&row.key).unwrap().as_ref(), Some(row));
        let gap = key(&format!("{}x", row.key));
        let after = rows.iter().find(|other| other.key > gap);
        assert_eq!(cursor.find(&gap).unwrap(), None);
        assert_eq!(cursor.next_row().unwrap().as_ref(), after);
    }
}

#[test]
fn manifest_34_what_lies_outside_a_missing_node_is_still_read_and_the_loss_is_named() {
    let mut shelf = Shelf::default();
    let rows = flat(800);
    let root = build(&rows, &mut shelf);
    let all: Vec<_> = shelf.nodes.keys().copied().filter(|id| *id != root).collect();
    for id in all {
        let node = shelf.nodes.remove(&id).unwrap();
        let inspected = inspect(&node, &mut |_| {}).unwrap();
        let (mut found, mut lost) = (Vec::new(), Vec::new());
        for row in Cursor::<Entry, _>::new(&shelf, root) {
            match row {
                Ok(row) => found.push(row),
                Err(error) => lost.push(error),
            }
        }
        let [error] = lost.as_slice() else { panic!("one node is missing: {lost:?}") };
        let ReadError::Source { node: named, span, source: Missing } = error else { panic!("{error:?}") };
        let Span::Keys { after, last } = span.as_ref() else { panic!("{span:?}") };
        assert_eq!((*named, last), (id, &inspected.last));
        let outside: Vec<_> = rows
            .iter()
            .filter(|row| after.as_ref().is_some_and(|after| row.key <= *after) || Some(&row.key) > last.as_ref())
            .cloned()
            .collect();
        assert_eq!(u64::try_from(rows.len() - outside.len()).unwrap(), inspected.row_count);
        assert_eq!(found, outside);
        shelf.nodes.insert(id, node);
    }
}

#[test]
fn a_missing_root_is_one_error_and_the_end() {
    let shelf = Shelf::default();
    let root = NodeId::from_bytes([9; 32]);
    let mut cursor = Cursor::<Entry, _>::new(&shelf, root);
    let error = cursor.next_row().unwrap_err();
    assert_eq!(error.to_string(), format!("node {root} (the whole tree) could not be fetched"));
    assert_eq!(error.node(), root);
    assert_eq!(cursor.next_row().unwrap(), None);
    // Somebody may have brought it since.
    cursor.seek(&Key::root());
    assert!(cursor.next_row().is_err());
    let mut leaves = LeafCursor::<Entry, _>::new(&shelf, root);
    assert!(leaves.next_leaf().is_err());
    assert!(leaves.next_leaf().unwrap().is_none());
}

#[test]
fn manifest_34_a_missing_node_of_items_costs_its_bytes_and_no_others() {
    let mut shelf = Shelf::default();
    let mut builder = ItemTreeBuilder::new(&boundary_key(), means());
    (0..300).for_each(|n| builder.push(chunk(n), &mut shelf).unwrap());
    let list = builder.finish(&mut shelf).unwrap().unwrap();
    let ItemList::Tree(tree) = &list else { panic!("{list:?}") };
    let whole: Vec<_> = ItemReader::new(&shelf, list.clone()).map(Result::unwrap).collect();
    for id in shelf.nodes.keys().copied().filter(|id| *id != tree.root).collect::<Vec<_>>() {
        let node = shelf.nodes.remove(&id).unwrap();
        let mut reader = ItemReader::new(&shelf, list.clone());
        let (mut found, mut lost) = (Vec::new(), Vec::new());
        for placed in &mut reader {
            match placed {
                Ok(placed) => found.push(placed),
                Err(error) => lost.push(error),
            }
        }
        let [error] = lost.as_slice() else { panic!("one node is missing: {lost:?}") };
        let Span::Bytes { start, end } = *error.span() else { panic!("{error:?}") };
        let outside: Vec<_> =
            whole.iter().filter(|placed| placed.offset < start || placed.offset >= end).copied().collect();
        assert_eq!(found, outside);
        reader.seek(start);
        assert!(reader.next_item().is_err(), "it is still missing");
        assert_eq!(reader.next_item().unwrap(), outside.iter().find(|placed| placed.offset >= end).copied());
        shelf.nodes.insert(id, node);
    }
}

#[test]
fn nodes_that_are_passed_over_are_not_fetched() {
    let mut shelf = Shelf::default();
    let rows = flat(800);
    let root = build(&rows, &mut shelf);
    let mut seen = Vec::new();
    let mut cursor = Cursor::<Entry, _>::new(&shelf, root);
    let mut enter = |visit: &NodeVisit<'_>| {
        seen.push((visit.id, visit.level));
        let second_half = visit.after.is_some_and(|after| *after > key("/f000400"));
        if second_half { Visit::Skip } else { Visit::Enter }
    };
    let mut found = 0;
    while let Some(row) = cursor.next_row_with(&mut enter).unwrap() {
        assert_eq!(row, rows[found]);
        found += 1;
    }
    assert!((400..470).contains(&found), "{found}");
    assert_eq!(seen.first(), Some(&(root, None)));
    assert!(seen.iter().skip(1).all(|(_, level)| level.is_some()));
    let fetched = shelf.asked.borrow().len();
    assert!(fetched < seen.len(), "{fetched} of {} nodes", seen.len());

    let mut nothing = Cursor::<Entry, _>::new(&shelf, root);
    assert_eq!(nothing.next_row_with(&mut |_| Visit::Skip).unwrap(), None);
    assert_eq!(nothing.next_row().unwrap(), None);
}

#[test]
fn items_that_are_passed_over_still_count_as_bytes() {
    let mut shelf = Shelf::default();
    let mut builder = ItemTreeBuilder::new(&boundary_key(), means());
    (0..300).for_each(|n| builder.push(chunk(n), &mut shelf).unwrap());
    let list = builder.finish(&mut shelf).unwrap().unwrap();
    let whole: Vec<_> = ItemReader::new(&shelf, list.clone()).map(Result::unwrap).collect();
    let mut reader = ItemReader::new(&shelf, list);
    let (mut number, mut found) = (0, Vec::new());
    let mut enter = |visit: &NodeVisit<'_>| {
        number += 1;
        if visit.level == Some(0) && number % 2 == 0 { Visit::Skip } else { Visit::Enter }
    };
    while let Some(placed) = reader.next_item_with(&mut enter).unwrap() {
        found.push(placed);
    }
    assert!(found.len() < whole.len() && !found.is_empty());
    assert!(found.iter().all(|placed| whole.contains(placed)));
}

#[test]
fn going_forwards_never_fetches_a_node_twice() {
    let mut shelf = Shelf::default();
    let rows = flat(2000);
    let root = build(&rows, &mut shelf);
    let mut cursor = Cursor::<Entry, _>::new(&shelf, root);
    for row in rows.iter().step_by(61) {
        assert_eq!(cursor.find(&row.key).unwrap().as_ref(), Some(row));
    }
    let mut asked = shelf.asked.borrow().clone();
    let count = asked.len();
    asked.sort();
    asked.dedup();
    assert_eq!(asked.len(), count);
    assert!(count < shelf.nodes.len());
}

#[test]
fn leaves_are_known_without_being_fetched() {
    let mut shelf = Shelf::default();
    let rows = flat(2000);
    let root = build(&rows, &mut shelf);
    let leaves: Vec<_> = LeafCursor::<Entry, _>::new(&shelf, root).map(Result::unwrap).collect();
    let asked = shelf.asked.borrow().clone();
    assert!(leaves.iter().all(|leaf| !asked.contains(&leaf.id())));
    assert_eq!(leaves.iter().map(LeafRef::row_count).sum::<u64>(), 2001);
    let bytes: u64 = rows.iter().map(Row::byte_total).sum();
    assert_eq!(leaves.iter().map(LeafRef::byte_total).sum::<u64>(), bytes);
    assert!(leaves.windows(2).all(|pair| pair[1].after() == Some(pair[0].last())));
    let cursor = LeafCursor::<Entry, _>::new(&shelf, root);
    let read: Vec<_> =
        leaves.iter().flat_map(|leaf| cursor.read(leaf).unwrap().map(Result::unwrap).collect::<Vec<_>>()).collect();
    assert_eq!(read, rows);
}

#[test]
fn a_tree_of_one_leaf_names_it_after_reading_it() {
    let mut shelf = Shelf::default();
    let rows = flat(3);
    let root = build(&rows, &mut shelf);
    let mut cursor = LeafCursor::<Entry, _>::new(&shelf, root);
    let leaf = cursor.next_leaf().unwrap().unwrap();
    assert_eq!((leaf.id(), leaf.last(), leaf.row_count()), (root, &rows[3].key, 4));
    assert_eq!(cursor.read(&leaf).unwrap().count(), 4);
    assert!(cursor.next_leaf().unwrap().is_none());
}

/// A sink that is full after some nodes.
struct Full(Shelf, usize);

impl NodeSink for Full {
    type Error = Missing;

    fn put(&mut self, node: &[u8]) -> Result<NodeId, Missing> {
        self.1 = self.1.checked_sub(1).ok_or(Missing)?;
        self.0.put(node)
    }
}

#[test]
fn a_sink_that_fails_ends_the_building() {
    let rows = flat(300);
    let mut shelf = Shelf::default();
    build(&rows, &mut shelf);
    for room in 0..shelf.put_count {
        let mut sink = Full(Shelf::default(), room);
        let mut builder = TreeBuilder::new(&boundary_key(), means());
        let pushed = rows.iter().try_for_each(|row| builder.push(row, &mut sink));
        let finished = pushed.and_then(|()| builder.finish(&mut sink).map(|_| ()));
        assert!(matches!(finished, Err(BuildError::Sink(Missing))), "{room}");
    }
}

#[test]
fn a_seventeenth_level_is_refused() {
    let mut levels = levels::Levels::new(Boundary::new(boundary_key(), Tree::Manifest, means()));
    let row = levels::NewRow { key: b"a", mark: None, fields: &[0; 34], totals: node::Totals::default() };
    levels.add(LEVEL_MAX, row, &mut Shelf::default()).unwrap();
    let error = levels.add(LEVEL_MAX + 1, row, &mut Shelf::default()).unwrap_err();
    assert_eq!(error.to_string(), "the tree would need more than 16 levels");
}

#[test]
fn item_lists_of_an_entry_are_its_content_and_its_values() {
    let list = |n| ItemList::Few(vec![chunk(n), chunk(n + 1)]);
    let mut row = Entry::new(key("/a"), Body::File(Content::of_items(Some(list(1)))));
    row.attributes.insert(Attribute::xattrs(AttributeValue::OutOfLine(list(7))));
    row.attributes.insert(Attribute::holes(AttributeValue::Inline(vec![1])));
    assert_eq!(row.item_lists().collect::<Vec<_>>(), [&list(1), &list(7)]);
    assert_eq!(Content::of_items(None), Content::empty());
}

#[test]
fn a_search_that_found_nothing_does_not_hold_up_the_next() {
    let mut shelf = Shelf::default();
    let rows = flat(100);
    let root = build(&rows, &mut shelf);
    let mut cursor = Cursor::<Entry, _>::new(&shelf, root);
    for number in [50usize, 20, 90, 21, 22, 3] {
        assert_eq!(cursor.find(&key(&format!("/f{number:06}x"))).unwrap(), None);
        // The row after the gap, one further on, one before it, and the end of everything.
        let after = number + 2;
        assert_eq!(cursor.find(&rows[after].key).unwrap().as_ref(), Some(&rows[after]));
        assert_eq!(cursor.find(&key(&format!("/f{number:06}x"))).unwrap(), None);
        assert_eq!(cursor.find(&rows[after + 1].key).unwrap().as_ref(), Some(&rows[after + 1]));
        assert_eq!(cursor.find(&key(&format!("/f{number:06}x"))).unwrap(), None);
        assert_eq!(cursor.find(&rows[number].key).unwrap().as_ref(), Some(&rows[number]));
        assert_eq!(cursor.find(&key(&format!("/f{number:06}x"))).unwrap(), None);
        cursor.skip_subtree(&Key::root());
        assert_eq!(cursor.next_row().unwrap(), None);
    }
}

#[test]
fn seeking_in_a_content_fetches_only_the_way_to_the_item() {
    let mut shelf = Shelf::default();
    let mut builder = ItemTreeBuilder::new(&boundary_key(), means());
    (0..3000).for_each(|n| builder.push(chunk(n), &mut shelf).unwrap());
    let list = builder.finish(&mut shelf).unwrap().unwrap();
    let ItemList::Tree(tree) = &list else { panic!("{list:?}") };
    let mut reader = ItemReader::new(&shelf, list.clone());
    reader.seek(list.bytes() / 2);
    let found = reader.next_item().unwrap().unwrap();
    assert!((found.offset..found.offset + found.item.bytes()).contains(&(list.bytes() / 2)));
    assert_eq!(shelf.asked.borrow().len(), usize::from(tree.level) + 1);
}

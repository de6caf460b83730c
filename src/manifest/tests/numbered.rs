//! Rows by their number.

use super::*;

#[test]
fn every_row_is_found_by_its_number_and_its_number_by_its_key() {
    for count in [0, 1, 7, 1000] {
        let (mut shelf, rows) = (Shelf::default(), flat(count));
        let root = build(&rows, &mut shelf);
        for (number, row) in (0u64..).zip(&rows) {
            let found: (u64, Entry) = row_at(&&shelf, root, Goal::Ordinal(number)).unwrap().unwrap();
            assert_eq!((found.0, &found.1), (number, row));
            let found: (u64, Entry) = row_at(&&shelf, root, Goal::Key(&row.key)).unwrap().unwrap();
            assert_eq!((found.0, &found.1), (number, row));
        }
        let behind: Option<(u64, Entry)> = row_at(&&shelf, root, Goal::Ordinal(count + 1)).unwrap();
        assert_eq!(behind, None);
        let behind: Option<(u64, Entry)> = row_at(&&shelf, root, Goal::Key(&key("/z"))).unwrap();
        assert_eq!(behind, None);
    }
}

/// Rows of different lengths, some of none.
#[test]
fn every_byte_of_all_contents_is_found_in_the_row_that_holds_it() {
    for count in [0, 1, 7, 1000] {
        let (mut shelf, mut rows) = (Shelf::default(), flat(count));
        for (number, row) in rows.iter_mut().enumerate() {
            row.body = Body::File(Content::Inline(vec![7; number % 5]));
        }
        let root = build(&rows, &mut shelf);
        let mut through = 0;
        for row in &rows {
            let own = row.content().map_or(0, Content::bytes);
            for byte in through + 1..=through + own {
                let found: Option<(u64, Entry)> = row_at(&&shelf, root, Goal::Byte(byte)).unwrap();
                assert_eq!(found.unwrap().1.key, row.key, "byte {byte}");
            }
            through += own;
            assert_eq!(bytes_through::<Entry, _>(&&shelf, root, &row.key).unwrap(), through);
            // A key that is not there, right behind this one; below the root it would lie behind all.
            if !row.key.is_root() {
                let behind = row.key.child(b"x").unwrap();
                assert_eq!(bytes_through::<Entry, _>(&&shelf, root, &behind).unwrap(), through);
            }
        }
        assert_eq!(row_at::<Entry, _>(&&shelf, root, Goal::Byte(through + 1)).unwrap(), None);
        assert_eq!(byte_total::<Entry, _>(&&shelf, root).unwrap(), through);
        assert_eq!(bytes_through::<Entry, _>(&&shelf, root, &key("/z")).unwrap(), through);
    }
}

#[test]
fn a_key_that_is_not_there_leads_to_the_next_one() {
    let (mut shelf, rows) = (Shelf::default(), flat(100));
    let root = build(&rows, &mut shelf);
    let found: Option<(u64, Entry)> = row_at(&&shelf, root, Goal::Key(&key("/f000041x"))).unwrap();
    assert_eq!(found, Some((43, rows[43].clone())));
}

#[test]
fn one_row_costs_one_node_of_each_level() {
    let (mut shelf, rows) = (Shelf::default(), flat(4000));
    let root = build(&rows, &mut shelf);
    shelf.asked.borrow_mut().clear();
    let found: Option<(u64, Entry)> = row_at(&&shelf, root, Goal::Ordinal(3000)).unwrap();
    assert!(found.is_some());
    let asked = shelf.asked.borrow().len();
    assert!((3..=6).contains(&asked), "{asked} nodes");
}

#[test]
fn a_node_that_is_gone_is_an_error_for_its_rows_alone() {
    let (mut shelf, rows) = (Shelf::default(), flat(500));
    let root = build(&rows, &mut shelf);
    let leaf = LeafCursor::<Entry, _>::new(&shelf, root).nth(3).unwrap().unwrap();
    shelf.nodes.remove(&leaf.id());
    let at = |row: &Entry| row_at::<Entry, _>(&&shelf, root, Goal::Key(&row.key));
    for row in &rows {
        let is_in_it = row.key <= *leaf.last() && leaf.after().is_none_or(|after| row.key > *after);
        assert_eq!(at(row).is_err(), is_in_it, "{}", row.key);
    }
}

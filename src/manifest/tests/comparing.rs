//! Two trees compared: exactly what differs is told, and what they share is not read.

use super::*;
use proptest::prelude::*;

fn differences(shelf: &Shelf, roots: (NodeId, NodeId), subtree: &str) -> Vec<Difference<Entry>> {
    let roots = (Some(roots.0), Some(roots.1));
    Differences::new(shelf, roots, &key(subtree)).map(Result::unwrap).collect()
}

/// What differs, by looking at every row.
fn plainly(first: &[Entry], second: &[Entry]) -> Vec<Difference<Entry>> {
    let mut rows: BTreeMap<Key, (Option<Entry>, Option<Entry>)> = BTreeMap::new();
    first.iter().for_each(|row| rows.entry(row.key.clone()).or_default().0 = Some(row.clone()));
    second.iter().for_each(|row| rows.entry(row.key.clone()).or_default().1 = Some(row.clone()));
    let difference = |pair: (Option<Entry>, Option<Entry>)| match pair {
        (Some(one), Some(other)) if one != other => Some(Difference::Both(one, other)),
        (Some(one), None) => Some(Difference::First(one)),
        (None, Some(other)) => Some(Difference::Second(other)),
        _ => None,
    };
    rows.into_values().filter_map(difference).collect()
}

proptest! {
    #[test]
    fn exactly_what_differs_is_told(
        count in 0u64..400,
        changes in prop::collection::vec((0u64..420, 0u8..3), 0..30),
    ) {
        let first = flat(count);
        let mut second: BTreeMap<Key, Entry> = first.iter().map(|row| (row.key.clone(), row.clone())).collect();
        for (number, change) in changes {
            let (path, between) = (format!("/f{number:06}"), format!("/f{number:06}x"));
            match change {
                0 => drop(second.remove(&key(&path))),
                1 => drop(second.insert(key(&path), file(&path, number + 1_000_000))),
                _ => drop(second.insert(key(&between), file(&between, number))),
            }
        }
        let second: Vec<Entry> = second.into_values().collect();
        let mut shelf = Shelf::default();
        let roots = (build(&first, &mut shelf), build(&second, &mut shelf));
        prop_assert_eq!(differences(&shelf, roots, "/"), plainly(&first, &second));
        prop_assert_eq!(differences(&shelf, (roots.1, roots.0), "/"), plainly(&second, &first));
    }

    #[test]
    fn only_what_lies_at_and_below_a_path_is_compared(count in 1u64..60) {
        let tree = |offset: u64| {
            let mut rows = vec![Entry::new(Key::root(), Body::Directory)];
            for name in ["a", "a b", "b"] {
                rows.push(Entry::new(key(&format!("/{name}")), Body::Directory));
                rows.extend((0..count).map(|n| file(&format!("/{name}/f{n:06}"), n + offset)));
            }
            rows.sort_by(|one, other| one.key.cmp(&other.key));
            rows
        };
        let (first, second) = (tree(0), tree(1));
        let mut shelf = Shelf::default();
        let roots = (build(&first, &mut shelf), build(&second, &mut shelf));
        for subtree in ["/", "/a", "/a b", "/b", "/b/f000000", "/none"] {
            let expected: Vec<_> =
                plainly(&first, &second).into_iter().filter(|one| one.key().is_within(&key(subtree))).collect();
            prop_assert_eq!(differences(&shelf, roots, subtree), expected, "{}", subtree);
        }
    }
}

#[test]
fn what_two_trees_share_is_not_read() {
    let first = flat(20_000);
    let mut second = first.clone();
    for number in [5, 9_000, 19_999] {
        let path = format!("/f{number:06}");
        second[number + 1] = file(&path, 1_000_000);
    }
    second.insert(15_001, file("/f014999x", 1));
    let mut shelf = Shelf::default();
    let roots = (build(&first, &mut shelf), build(&second, &mut shelf));
    assert_eq!(differences(&shelf, roots, "/").len(), 4);
    let asked = shelf.asked.take();
    // Two trees, four places, a leaf and the inner nodes above it; some for where the trees fall out of step.
    assert!(asked.len() < 2 * 4 * 12, "{} of {} nodes were read", asked.len(), shelf.nodes.len());
    assert_eq!(differences(&shelf, (roots.0, roots.0), "/"), []);
    assert!(shelf.asked.take().is_empty());
}

#[test]
fn a_tree_is_compared_with_nothing() {
    let rows = flat(100);
    let mut shelf = Shelf::default();
    let root = build(&rows, &mut shelf);
    let all = |roots| Differences::new(&shelf, roots, &Key::root()).map(Result::unwrap).collect::<Vec<_>>();
    assert_eq!(all((Some(root), None)), rows.iter().cloned().map(Difference::First).collect::<Vec<_>>());
    assert_eq!(all((None, Some(root))), rows.into_iter().map(Difference::Second).collect::<Vec<_>>());
}

#[test]
fn a_node_that_is_missing_ends_the_comparison_with_an_error() {
    let (first, second) = (flat(500), flat(501));
    let mut shelf = Shelf::default();
    let roots = (build(&first, &mut shelf), build(&second, &mut shelf));
    differences(&shelf, roots, "/");
    let last = *shelf.asked.take().last().unwrap();
    shelf.nodes.remove(&last);
    let roots = (Some(roots.0), Some(roots.1));
    let mut all = Differences::<Entry, _>::new(&shelf, roots, &Key::root());
    assert!(all.any(|one| one.is_err()));
    assert!(all.next().is_none());
}

//! What goes in comes back.

use crate::house::{House, assert_equal};

#[test]
fn a_small_tree_comes_back_and_a_second_backup_stores_no_content() {
    let house = House::new();
    let tree = house.tree("tree");
    std::fs::create_dir(tree.join("a")).unwrap();
    std::fs::write(tree.join("a/one"), "one").unwrap();
    std::fs::write(tree.join("a/large"), (0..3_000_000u32).flat_map(|n| (n / 7).to_le_bytes()).collect::<Vec<u8>>())
        .unwrap();
    std::fs::write(tree.join("empty"), "").unwrap();
    std::fs::hard_link(tree.join("a/one"), tree.join("linked")).unwrap();
    std::os::unix::fs::symlink("a/one", tree.join("symlink")).unwrap();
    let first = house.backup(&tree);
    assert_eq!((first.problem_count, first.counts.files, first.changes.files_new), (0, 4, 4));
    let (copy, report) = house.restore(&tree, "copy");
    assert_eq!(report.problem_count, 0, "{report:?}");
    assert_equal(&tree, &copy);
    let before = house.stored_bytes();
    let second = house.backup(&tree);
    assert_eq!((second.parent, second.content_stored_bytes), (Some(first.snapshot), 0));
    assert!(house.stored_bytes() - before < 64 << 10);
    house.assert_clean();
}

//! What goes in comes back.

use crate::house::{House, assert_equal};
use holdall::{BackupOptions, ParentChoice, Silent};
use std::num::NonZeroUsize;

#[test]
fn the_snapshot_is_the_same_however_many_files_are_read_at_once() {
    let house = House::new();
    let tree = house.tree("tree");
    for number in 0..600usize {
        let directory = tree.join(format!("{}", number % 7));
        std::fs::create_dir_all(&directory).unwrap();
        let content: Vec<u8> = (0..number * 37).map(|at| (at * number / 64).to_le_bytes()[0]).collect();
        std::fs::write(directory.join(format!("file {number}")), content).unwrap();
    }
    let large: Vec<u8> = (0..3_000_000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 11).to_le_bytes()[0]).collect();
    std::fs::write(tree.join("large"), large).unwrap();
    let listings = [None, Some(1), Some(4), Some(40)].map(|readers| {
        let options = BackupOptions::new([tree.clone()]).parent(ParentChoice::Nothing);
        let options = match readers.and_then(NonZeroUsize::new) {
            Some(readers) => options.read_concurrency(readers),
            None => options,
        };
        let report = house.open().backup(&options, &Silent).unwrap();
        assert_eq!(report.counts.files, 601);
        let mut listing = Vec::new();
        let mut each = |entry: &holdall::Entry| {
            listing.push(entry.clone());
            Ok(holdall::Below::Visit)
        };
        house.open().list(&house.latest(), &holdall::Key::from_path(&tree).unwrap(), &mut each).unwrap();
        listing
    });
    let [usual, others @ ..] = listings;
    assert!(others.iter().all(|listing| *listing == usual));
    house.assert_clean();
}

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
    assert_eq!((first.problems.count(), first.counts.files, first.changes.files_new), (0, 4, 4));
    let (copy, report) = house.restore(&tree, "copy");
    assert_eq!(report.problem_count, 0, "{report:?}");
    assert_equal(&tree, &copy);
    let before = house.stored_bytes();
    let second = house.backup(&tree);
    assert_eq!((second.parent, second.content_stored_bytes), (Some(first.snapshot), 0));
    assert!(house.stored_bytes() - before < 64 << 10);
    house.assert_clean();
}

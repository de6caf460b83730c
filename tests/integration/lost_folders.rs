//! Folders whose own entries in the snapshot are lost: what lies in them comes back all the same.

use crate::found_there::mode_of;
use crate::house::House;
use crate::second_copy::packs;
use holdall::{Overwrite, RestoreOptions, RestoreReport, Silent};
use std::fs;
use std::path::{Path, PathBuf};

/// A snapshot of which most of what lists folders is lost, that of the folder d in the middle of it too; the files d/e and
/// d/f are not.
fn wounded() -> (House, PathBuf) {
    let house = House::new();
    let tree = house.tree("tree");
    for folder in ["a", "d"] {
        fs::create_dir(tree.join(folder)).unwrap();
        for number in 0..2000 {
            fs::write(tree.join(folder).join(format!("{number:04} {}", "long".repeat(20))), "x").unwrap();
        }
    }
    let time = fs::metadata(tree.join("d")).unwrap().modified().unwrap();
    house.backup(&tree);
    let before = packs(&house);
    for name in ["e", "f"] {
        fs::write(tree.join("d").join(name), name).unwrap();
    }
    // With it the folder's own entry is not stored again.
    fs::File::open(tree.join("d")).unwrap().set_modified(time).unwrap();
    house.backup(&tree);
    for pack in before.iter().filter(|pack| fs::read(pack).unwrap()[12] == 2) {
        fs::remove_file(pack).unwrap();
    }
    (house, tree)
}

fn restore(house: &House, wanted: &RestoreOptions, overwrite: Overwrite) -> RestoreReport {
    house.open().restore(&house.latest(), &wanted.clone().overwrite(overwrite), &Silent).unwrap()
}

fn told_of(report: &RestoreReport, path: &Path) -> usize {
    report.problems.iter().filter(|problem| problem.path == path).count()
}

#[test]
fn what_lies_in_the_place_of_a_folder_whose_entry_is_lost_stays_where_that_is_asked_for() {
    let (house, tree) = wounded();
    let target = house.tree("target");
    let place = target.join(tree.strip_prefix("/").unwrap());
    fs::create_dir_all(&place).unwrap();
    fs::write(place.join("d"), "precious").unwrap();
    let wanted = RestoreOptions::new(&target);
    let report = restore(&house, &wanted, Overwrite::Never);
    assert_eq!(fs::read(place.join("d")).unwrap(), b"precious");
    assert_eq!(told_of(&report, &tree.join("d")), 1, "{report:?}");
    let report = restore(&house, &wanted, Overwrite::Always);
    assert_eq!(told_of(&report, &tree.join("d")), 0, "{report:?}");
    assert_eq!(fs::read(place.join("d/f")).unwrap(), b"f");
    assert_eq!(mode_of(&place.join("d")) & 0o777, 0o700, "nobody knows what it was");
}

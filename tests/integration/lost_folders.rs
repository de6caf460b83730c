//! Folders whose own entries in the snapshot are lost: what lies in them comes back all the same.

use crate::found_there::mode_of;
use crate::house::House;
use crate::second_copy::packs;
use holdall::{Below, ErrorKind, Key, Overwrite, RestoreOptions, RestoreReport, Silent};
use std::fs;
use std::path::{Path, PathBuf};

/// A snapshot of which most of what lists folders is lost, that of the folder d in the middle of it too; the files d/e and
/// d/f and the folder d/s are not.
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
    fs::create_dir(tree.join("d/s")).unwrap();
    ["g", "h"].iter().for_each(|name| fs::write(tree.join("d/s").join(name), name).unwrap());
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

/// Nothing of it came back if it was named, and all of that if it was not.
#[test]
fn what_is_left_of_a_folder_comes_back_although_the_entry_of_that_which_was_named_is_lost() {
    let (house, tree) = wounded();
    let path = |name: &str| Key::from_path(&tree.join(name)).unwrap();
    let of_one = RestoreOptions::new(house.path("one")).path(path("d"));
    let of_several = RestoreOptions::new(house.path("several")).parts([path("a"), path("d")]);
    let below = house.path("several").join(tree.strip_prefix("/").unwrap()).join("d");
    for (wanted, place) in [(of_one, house.path("one")), (of_several, below)] {
        let report = restore(&house, &wanted, Overwrite::Always);
        assert_eq!(report.damaged_count, report.problem_count, "{report:?}");
        assert!(report.damaged_count > 0);
        let mut told: Vec<&str> = report.problems.iter().map(|problem| problem.message.as_str()).collect();
        let count = told.len();
        told.sort_unstable();
        told.dedup();
        assert_eq!(told.len(), count, "each loss is told once: {told:?}");
        assert_eq!(["e", "f"].map(|name| fs::read(place.join(name)).unwrap()), [b"e", b"f"]);
    }
}

/// A listing ended at the first part that was lost.
#[test]
fn what_is_left_of_a_snapshot_is_listed_before_the_listing_says_what_is_lost() {
    let (house, tree) = wounded();
    let repository = house.open();
    for top in [tree.as_path(), Path::new("/")] {
        let mut listed = Vec::new();
        let outcome = repository.list(&house.latest(), &Key::from_path(top).unwrap(), &mut |entry| {
            listed.push(entry.key.to_path());
            Ok(Below::Visit)
        });
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Damaged);
        assert!(["d/e", "d/f"].iter().all(|name| listed.contains(&tree.join(name))), "{}", listed.len());
        assert!(listed.len() < 4000);
    }
}

/// The folder s could not be made, because the one that holds it was not.
#[test]
fn what_is_named_in_a_folder_below_one_whose_entry_is_lost_comes_back() {
    let (house, tree) = wounded();
    let path = |name: &str| Key::from_path(&tree.join(name)).unwrap();
    let target = house.path("target");
    let report =
        restore(&house, &RestoreOptions::new(&target).parts([path("d/s/g"), path("d/s/h")]), Overwrite::Always);
    assert_eq!(report.problem_count, report.damaged_count, "{report:?}");
    let place = target.join(tree.strip_prefix("/").unwrap()).join("d/s");
    assert_eq!(["g", "h"].map(|name| fs::read(place.join(name)).unwrap()), [b"g", b"h"]);
}

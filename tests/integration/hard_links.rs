//! Names of one file: where one can't be restored, or two can't be linked, nothing is lost and nothing wrong is linked.

use crate::found_there::Mounted;
use crate::house::House;
use crate::in_place::{restore, stamps};
use crate::lacking::leave_out;
use holdall::{Key, Manner, Overwrite, RestoreOptions, RestoreProblemKind, RestoreReport, Silent};
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A snapshot of a file with the names a/f, b/f, b/g and c/f.
fn linked(content: &[u8]) -> (House, PathBuf) {
    let house = House::new();
    let tree = house.tree("tree");
    ["a", "b", "c"].iter().for_each(|name| fs::create_dir(tree.join(name)).unwrap());
    fs::write(tree.join("a/f"), content).unwrap();
    ["b/f", "b/g", "c/f"].iter().for_each(|name| fs::hard_link(tree.join("a/f"), tree.join(name)).unwrap());
    house.backup(&tree);
    (house, tree)
}

fn inode(path: &Path) -> u64 {
    fs::symlink_metadata(path).unwrap().ino()
}

fn run(house: &House, wanted: &RestoreOptions, manner: Manner) -> RestoreReport {
    house.open().restore(&house.latest(), &wanted.clone().manner(manner), &Silent).unwrap()
}

/// What lay at the first name, and could not be replaced, got the further ones, and was counted as restored.
#[test]
fn the_content_comes_back_at_the_next_name_where_the_first_is_refused() {
    for content in [&b"new"[..], &[7; 100_000]] {
        let (house, tree) = linked(content);
        let target = house.path("target");
        let wanted = RestoreOptions::new(&target).path(Key::from_path(&tree).unwrap());
        for name in ["a/f", "b", "c"] {
            fs::create_dir_all(target.join(name)).unwrap();
        }
        fs::write(target.join("a/f/in the way"), "old").unwrap();
        fs::write(target.join("c/f"), "old").unwrap();
        for (manner, file_count) in [(Manner::Rehearse, 3), (Manner::Perform, 3), (Manner::Perform, 3)] {
            let report = run(&house, &wanted, manner);
            assert_eq!(
                (report.file_count, report.problem_count, report.blocked_count),
                (file_count, 1, 1),
                "{report:?}"
            );
            assert_eq!(report.problems[0].path, tree.join("a/f"));
        }
        assert_eq!(fs::read(target.join("a/f/in the way")).unwrap(), b"old");
        assert!(fs::read(target.join("b/f")).unwrap() == content);
        assert_eq!([inode(&target.join("b/g")), inode(&target.join("c/f"))], [inode(&target.join("b/f")); 2]);

        // What is right stays, although the first name is refused.
        let before = stamps(&target);
        assert_eq!(run(&house, &wanted, Manner::Perform).unchanged_count, 7);
        assert_eq!(stamps(&target), before);
    }
}

/// A run that overwrites nothing went on where another one was interrupted, and made a file of its own of the names that
/// were missing.
#[test]
fn missing_names_are_linked_to_one_that_stays_if_it_is_the_file() {
    for (content, overwrite) in [(&b"new"[..], Overwrite::Never), (&[7; 100_000], Overwrite::IfNewer)] {
        let (house, tree) = linked(content);
        let target = house.path("target");
        let wanted = RestoreOptions::new(&target).path(Key::from_path(&tree).unwrap()).overwrite(overwrite);
        restore(&house, &wanted);
        let [first, second, third] = ["a/f", "b/g", "c/f"].map(|name| target.join(name));
        let time = fs::metadata(&first).unwrap().modified().unwrap();
        [&second, &third].iter().for_each(|name| fs::remove_file(name).unwrap());
        restore(&house, &wanted);
        assert_eq!([inode(&second), inode(&third)], [inode(&first); 2], "{overwrite:?}");

        // Another file that looks alike stays as well, and is no name of this one.
        [&first, &third].iter().for_each(|name| fs::remove_file(name).unwrap());
        fs::write(&first, vec![b'x'; content.len()]).unwrap();
        fs::File::open(&first).unwrap().set_modified(time).unwrap();
        restore(&house, &wanted);
        assert_eq!(fs::read(&first).unwrap()[0], b'x');
        assert!(fs::read(&third).unwrap() == content && inode(&third) == inode(&second), "{overwrite:?}");
    }
}

/// The same where an old file lies at the first name that nobody may remove.
#[test]
fn a_further_name_is_not_linked_to_what_may_not_be_replaced() {
    let (house, tree) = linked(b"new");
    let target = house.path("target");
    for name in ["a", "b"] {
        fs::create_dir_all(target.join(name)).unwrap();
        fs::write(target.join(name).join("f"), "old").unwrap();
    }
    let protect = |change: &str| Command::new("chattr").arg(change).arg(target.join("a")).output();
    if !protect("+i").is_ok_and(|done| done.status.success()) {
        return leave_out("chattr", "nobody may protect a folder here");
    }
    let wanted = RestoreOptions::new(&target).path(Key::from_path(&tree).unwrap());
    let report = run(&house, &wanted, Manner::Perform);
    assert!(protect("-i").unwrap().status.success());
    assert!(report.problems.iter().any(|problem| problem.path == tree.join("a/f")), "{report:?}");
    assert_eq!(report.file_count, 3);
    let content = ["a/f", "b/f", "b/g", "c/f"].map(|name| fs::read(target.join(name)).unwrap());
    assert_eq!(content, [&b"old"[..], b"new", b"new", b"new"]);
}

/// Names on another file system were never restored, and copies that somebody had put there were deleted.
#[test]
fn names_on_another_file_system_become_files_of_their_own_which_is_told() {
    let (house, tree) = linked(b"new");
    symlink("f", tree.join("a/s")).unwrap();
    fs::hard_link(tree.join("a/s"), tree.join("b/s")).unwrap();
    house.backup(&tree);
    let target = house.tree("target");
    fs::create_dir(target.join("b")).unwrap();
    let Some(_mounted) = Mounted::new(&target.join("b"), "size=1m") else { return };
    let wanted = RestoreOptions::new(&target).path(Key::from_path(&tree).unwrap());
    let mut inodes = Vec::new();
    for round in 0..3 {
        let report = run(&house, &wanted, Manner::Perform);
        let told: Vec<_> = report.problems.iter().map(|problem| (problem.path.clone(), problem.kind)).collect();
        let expected = ["b/f", "b/s"].map(|name| (tree.join(name), RestoreProblemKind::Metadata));
        assert_eq!((report.file_count, &told[..]), (4, &expected[..]), "round {round}: {report:?}");
        assert_eq!(fs::read(target.join("b/f")).unwrap(), b"new");
        assert_eq!(fs::read_link(target.join("b/s")).unwrap(), Path::new("f"));
        assert_eq!(inode(&target.join("b/f")), inode(&target.join("b/g")), "they are linked there");
        assert_eq!(inode(&target.join("a/f")), inode(&target.join("c/f")), "and here");
        inodes.push(inode(&target.join("b/f")));
        if round == 1 {
            fs::remove_file(target.join("b/g")).unwrap();
            fs::write(target.join("b/g"), "old").unwrap();
        }
    }
    assert_eq!(inodes, [inodes[0]; 3], "what is right stays");
}

#[test]
fn a_further_name_takes_the_place_of_what_lies_there() {
    let (house, tree) = linked(b"new");
    let target = house.tree("target");
    let wanted = RestoreOptions::new(&target).path(Key::from_path(&tree).unwrap());
    ["b/f", "c"].iter().for_each(|name| fs::create_dir_all(target.join(name)).unwrap());
    fs::write(target.join("b/g"), "old").unwrap();
    symlink("nowhere", target.join("c/f")).unwrap();
    restore(&house, &wanted);
    assert_eq!(["b/f", "b/g", "c/f"].map(|name| inode(&target.join(name))), [inode(&target.join("a/f")); 3]);
    let names: Vec<_> = stamps(&target).into_keys().collect();
    assert_eq!(names, stamps(&tree).into_keys().collect::<Vec<_>>(), "nothing is left beside them");
}

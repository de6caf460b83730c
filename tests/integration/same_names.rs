//! Where nothing lay when a restore looked, something may lie when it writes: a file system that takes two names for one
//! shows the first of them where the second shall be.

use crate::house::House;
use holdall::{Event, Key, Progress, RestoreOptions, RestoreProblemKind};
use std::fs;
use std::path::{Path, PathBuf};

/// Puts a file wherever a file of the name `taken` is about to be made, as if it had been made under another name.
struct Folding<'a> {
    tree: &'a Path,
    target: PathBuf,
}

impl Progress for Folding<'_> {
    fn event(&self, event: &Event<'_>) {
        if let Event::Entered { path } = event
            && path.ends_with("taken")
        {
            fs::write(self.target.join(path.strip_prefix(self.tree).unwrap()), "another").unwrap();
        }
    }
}

/// Of names that are the same on such a file system the last one's content stayed, and all of them counted as restored.
#[test]
fn what_is_there_by_the_time_a_file_is_made_stays_and_is_told() {
    let house = House::new();
    let tree = house.tree("tree");
    for (folder, content) in [("long", &[7; 300_000][..]), ("short", b"short"), ("linked", b"linked")] {
        fs::create_dir(tree.join(folder)).unwrap();
        fs::write(tree.join(folder).join("taken"), content).unwrap();
    }
    fs::hard_link(tree.join("linked/taken"), tree.join("linked/zz")).unwrap();
    house.backup(&tree);
    let target = house.path("target");
    let folding = Folding { tree: &tree, target: target.clone() };
    let wanted = RestoreOptions::new(&target).path(Key::from_path(&tree).unwrap());
    let report = house.open().restore(&house.latest(), &wanted, &folding).unwrap();
    assert!(report.problems.iter().all(|problem| problem.kind == RestoreProblemKind::Refused), "{report:?}");
    assert_eq!((report.problem_count, report.file_count), (3, 1), "{report:?}");
    for folder in ["long", "short", "linked"] {
        assert_eq!(fs::read(target.join(folder).join("taken")).unwrap(), b"another");
    }
    assert_eq!(fs::read(target.join("linked/zz")).unwrap(), b"linked");
}

/// Does the same with folders: a folder is made once the one above it was told of.
struct FoldingFolders {
    target: PathBuf,
}

impl Progress for FoldingFolders {
    fn event(&self, event: &Event<'_>) {
        if let Event::Entered { path } = event
            && path.ends_with("a")
        {
            fs::create_dir(self.target.join("taken")).unwrap();
            fs::write(self.target.join("taken/f"), "another").unwrap();
        }
    }
}

#[test]
fn a_folder_that_is_there_by_the_time_it_is_made_is_not_written_into_and_is_told() {
    let house = House::new();
    let tree = house.tree("tree");
    fs::write(tree.join("a"), "a").unwrap();
    fs::create_dir_all(tree.join("taken/below")).unwrap();
    fs::write(tree.join("taken/f"), "f").unwrap();
    fs::write(tree.join("taken/below/f"), "f").unwrap();
    house.backup(&tree);
    let target = house.path("target");
    let folding = FoldingFolders { target: target.clone() };
    let wanted = RestoreOptions::new(&target).path(Key::from_path(&tree).unwrap());
    let report = house.open().restore(&house.latest(), &wanted, &folding).unwrap();
    assert_eq!((report.problem_count, report.file_count), (1, 1), "{report:?}");
    assert_eq!(report.problems[0].path, tree.join("taken"));
    assert_eq!(fs::read(target.join("taken/f")).unwrap(), b"another");
    assert!(!target.join("taken/below").exists());
}

/// Puts a file where a link or a pipe is about to be made: a file is told of before what comes behind it.
struct FoldingLinks {
    target: PathBuf,
}

impl Progress for FoldingLinks {
    fn event(&self, event: &Event<'_>) {
        if let Event::Entered { path } = event
            && path.ends_with("a")
        {
            ["link", "pipe"].iter().for_each(|name| fs::write(self.target.join(name), "another").unwrap());
        }
    }
}

/// The first of such names was replaced by the link, and both counted as restored.
#[test]
fn what_is_there_by_the_time_a_link_or_a_pipe_is_made_stays_and_is_told() {
    let house = House::new();
    let tree = house.tree("tree");
    fs::write(tree.join("a"), "a").unwrap();
    std::os::unix::fs::symlink("x", tree.join("link")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(tree.join("pipe")).status().unwrap().success());
    house.backup(&tree);
    let target = house.path("target");
    let folding = FoldingLinks { target: target.clone() };
    let wanted = RestoreOptions::new(&target).path(Key::from_path(&tree).unwrap());
    let report = house.open().restore(&house.latest(), &wanted, &folding).unwrap();
    assert_eq!((report.problem_count, report.file_count), (2, 1), "{report:?}");
    for name in ["link", "pipe"] {
        assert_eq!(fs::read(target.join(name)).unwrap(), b"another");
    }
}

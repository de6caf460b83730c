//! What is left out, against a parent that held it and against one that did not.

use super::PASSWORD;
use crate::backup::{BackupOptions, BackupReport, ParentChoice};
use crate::fs::as_ordinary_user;
use crate::key::KdfCost;
use crate::manifest::{Entry, Key, Kind, State};
use crate::pattern::{Case, PatternList, Rule};
use crate::progress::Silent;
use crate::repository::{CreateOptions, OpenOptions, Repository};
use crate::restore::{Below, Extras, RestoreOptions};
use crate::session::Snapshot;
use crate::session::testing::clock::settle;
use crate::source::Selection;
use rustix::fs::{Mode, chmod};
use std::path::{Path, PathBuf};

fn repository(place: &Path) -> Repository {
    let path = place.join("repository");
    Repository::create(&path, PASSWORD, &CreateOptions::default().kdf(KdfCost::CHEAP)).unwrap();
    let options = OpenOptions::new(place.join("cache"), place.join("state")).threads(2);
    Repository::open(&path, PASSWORD, options).unwrap()
}

fn excluding(texts: &[&str]) -> Selection {
    let mut list = PatternList::new(Case::Exact);
    texts.iter().for_each(|text| list.add(Rule::new(*text, "test")).unwrap());
    Selection::default().exclude(list)
}

fn back_up(repository: &Repository, tree: &Path, texts: &[&str], parent: ParentChoice) -> (BackupReport, Snapshot) {
    let options = BackupOptions::new([tree.to_path_buf()]).selection(excluding(texts)).parent(parent);
    let report = repository.backup(&options, &Silent).unwrap();
    let snapshot = repository.resolve(&report.snapshot.to_string().parse().unwrap(), &Default::default()).unwrap();
    (report, snapshot)
}

/// What a snapshot holds below the tree: what lies above it changes with every backup.
fn entries(repository: &Repository, snapshot: &Snapshot, tree: &Path) -> Vec<Entry> {
    let mut entries = Vec::new();
    let list = repository.list(snapshot, &Key::from_path(tree).unwrap(), &mut |entry| {
        entries.push(entry.clone());
        Ok(Below::Visit)
    });
    list.unwrap();
    entries.remove(0);
    entries
}

#[test]
fn a_parent_with_other_excludes_gives_the_same_snapshot_as_none() {
    let place = tempfile::tempdir().unwrap();
    let tree = place.path().join("tree");
    for folder in 0..40 {
        let folder = tree.join(format!("{folder:02}"));
        std::fs::create_dir_all(&folder).unwrap();
        for file in 0..100 {
            std::fs::write(folder.join(format!("{file:02}.{}", file % 7)), format!("{file}")).unwrap();
        }
    }
    // What was changed just now is read again whatever the parent says; this is about what is not.
    settle();
    let repository = repository(place.path());
    let everything = &[][..];
    let all: [&[&str]; 8] =
        [everything, everything, &["*.3"], &["*.3"], &["2?", "99.1"], everything, &["*.0", "!07.0"], &["/*"]];
    for texts in all {
        let (inherited, one) = back_up(&repository, &tree, texts, ParentChoice::Latest);
        let (_, other) = back_up(&repository, &tree, texts, ParentChoice::Nothing);
        let held = entries(&repository, &one, &tree);
        assert_eq!(held, entries(&repository, &other, &tree), "{texts:?}");
        assert_eq!(inherited.counts, other.components[0].counts, "{texts:?}");
        assert_eq!(inherited.left_out_count > 0, held.len() < 40 + 40 * 100, "{texts:?}");
    }
}

/// A restore with `--delete` removes what a directory holds besides, but not from one that was only passed through.
#[test]
fn a_parent_with_other_arguments_does_not_say_what_was_asked_for() {
    let place = tempfile::tempdir().unwrap();
    let tree = place.path().join("tree");
    std::fs::create_dir_all(tree.join("a/b")).unwrap();
    ["a/b/c", "a/d", "e"].iter().for_each(|name| std::fs::write(tree.join(name), *name).unwrap());
    settle();
    let repository = repository(place.path());
    let within = |arguments: &[&str], parent: ParentChoice| {
        let paths = arguments.iter().map(|name| tree.join(name));
        let report = repository.backup(&BackupOptions::new(paths).parent(parent), &Silent).unwrap();
        let snapshot = repository.resolve(&report.snapshot.to_string().parse().unwrap(), &Default::default()).unwrap();
        (report.snapshot, entries(&repository, &snapshot, &tree))
    };
    let all: [&[&str]; 6] = [&["a"], &["a/b"], &["a"], &["a/b/c"], &["a/b", "e"], &["a"]];
    let (mut last, _) = within(&["a/d"], ParentChoice::Nothing);
    for arguments in all {
        let (snapshot, inherited) = within(arguments, ParentChoice::Snapshot(last));
        assert_eq!(inherited, within(arguments, ParentChoice::Nothing).1, "{arguments:?}");
        last = snapshot;
    }
}

#[test]
fn the_names_that_are_left_of_a_file_with_several_keep_its_content_and_stay_one_file() {
    let place = tempfile::tempdir().unwrap();
    let tree = place.path().join("tree");
    std::fs::create_dir_all(&tree).unwrap();
    std::fs::write(tree.join("a"), [7; 10_000]).unwrap();
    for name in ["b", "c"] {
        std::fs::hard_link(tree.join("a"), tree.join(name)).unwrap();
    }
    settle();
    let repository = repository(place.path());
    let all: [&[&str]; 5] = [&[], &[], &["a"], &["a"], &["b"]];
    for (number, texts) in all.into_iter().enumerate() {
        let (report, snapshot) = back_up(&repository, &tree, texts, ParentChoice::Latest);
        let kept: Vec<PathBuf> =
            ["a", "b", "c"].iter().filter(|name| !texts.contains(name)).map(PathBuf::from).collect();
        let held = entries(&repository, &snapshot, &tree);
        let names: Vec<PathBuf> =
            held.iter().map(|entry| entry.key.to_path().strip_prefix(&tree).unwrap().into()).collect();
        assert_eq!(names, kept, "{texts:?}");
        assert_eq!(report.counts.hard_links, u64::try_from(kept.len() - 1).unwrap(), "{texts:?}");
        let target = place.path().join(number.to_string());
        let options = RestoreOptions::new(&target).path(Key::from_path(&tree).unwrap());
        repository.restore(&snapshot, &options, &Silent).unwrap();
        let inode =
            |name: &PathBuf| std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(target.join(name)).unwrap());
        assert!(kept.iter().all(|name| std::fs::read(target.join(name)).unwrap() == [7; 10_000]), "{texts:?}");
        assert!(kept.iter().all(|name| inode(name) == inode(&kept[0])), "{texts:?}");
    }
}

/// A restore with `--delete` removed it, as something that the snapshot does not hold.
#[test]
fn what_can_t_be_looked_at_is_in_the_snapshot_as_something_unknown_and_is_not_deleted() {
    let test =
        "backup::tests::selection::what_can_t_be_looked_at_is_in_the_snapshot_as_something_unknown_and_is_not_deleted";
    as_ordinary_user(test, |place| {
        let (tree, target) = (place.join("tree"), place.join("target"));
        std::fs::create_dir_all(tree.join("names only")).unwrap();
        std::fs::write(tree.join("names only/file"), "x").unwrap();
        chmod(tree.join("names only"), Mode::RUSR).unwrap();
        let repository = repository(place);
        let (report, snapshot) = back_up(&repository, &tree, &[], ParentChoice::Latest);
        assert_eq!((report.problems.count(), report.counts.unreadable), (1, 1), "{:?}", report.problems);
        let held = entries(&repository, &snapshot, &tree);
        let unknown = held.last().unwrap();
        assert_eq!((unknown.kind(), unknown.state), (Kind::Unknown, State::Unreadable { errno: 13 }));

        chmod(tree.join("names only"), Mode::RWXU).unwrap();
        for name in ["names only/file", "other"] {
            std::fs::create_dir_all(target.join("names only")).unwrap();
            std::fs::write(target.join(name), "live").unwrap();
        }
        let options = RestoreOptions::new(&target).extras(Extras::Delete).path(Key::from_path(&tree).unwrap());
        repository.restore(&snapshot, &options, &Silent).unwrap();
        chmod(target.join("names only"), Mode::RWXU).unwrap();
        assert_eq!(std::fs::read(target.join("names only/file")).unwrap(), b"live");
        assert!(!target.join("other").exists());

        let (report, snapshot) = back_up(&repository, &tree, &[], ParentChoice::Latest);
        assert_eq!(report.problems.count(), 0);
        assert_eq!(entries(&repository, &snapshot, &tree).last().unwrap().kind(), Kind::File);
    });
}

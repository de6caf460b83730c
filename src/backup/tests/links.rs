//! Files with several names of which the first can't be stored.

use super::PASSWORD;
use crate::backup::BackupOptions;
use crate::fs::as_ordinary_user;
use crate::key::KdfCost;
use crate::manifest::{Entry, Key, State};
use crate::progress::Silent;
use crate::repository::{CreateOptions, OpenOptions, Repository};
use crate::restore::Below;
use crate::session::SnapshotFilter;
use rustix::fs::{Mode, chmod};

/// The state and the length of what each file below a folder holds in the latest snapshot.
fn files(repository: &Repository, tree: &std::path::Path) -> Vec<(State, Option<u64>)> {
    let snapshot = repository.resolve(&"latest".parse().unwrap(), &SnapshotFilter::default()).unwrap();
    let mut files = Vec::new();
    let mut take = |entry: &Entry| {
        if entry.kind() == crate::manifest::Kind::File {
            files.push((entry.state, entry.content().map(crate::manifest::Content::bytes)));
        }
        Ok(Below::Visit)
    };
    repository.list(&snapshot, &Key::from_path(tree).unwrap(), &mut take).unwrap();
    files
}

#[test]
fn the_second_name_of_a_file_that_can_t_be_read_is_no_empty_file() {
    let test = "backup::tests::links::the_second_name_of_a_file_that_can_t_be_read_is_no_empty_file";
    as_ordinary_user(test, |place| {
        let (path, tree) = (place.join("repository"), place.join("tree"));
        Repository::create(&path, PASSWORD, &CreateOptions::default().kdf(KdfCost::CHEAP)).unwrap();
        let options = OpenOptions::new(place.join("cache"), place.join("state")).threads(2);
        let repository = Repository::open(&path, PASSWORD, options).unwrap();
        std::fs::create_dir(&tree).unwrap();
        std::fs::write(tree.join("one"), [7; 5000]).unwrap();
        std::fs::hard_link(tree.join("one"), tree.join("two")).unwrap();
        chmod(tree.join("one"), Mode::empty()).unwrap();
        let backup = BackupOptions::new([tree.clone()]);
        let report = repository.backup(&backup, &Silent).unwrap();
        assert_eq!((report.problem_count, report.counts.unreadable), (2, 2), "{:?}", report.problems);
        let are_unreadable = |(state, _): &(State, Option<u64>)| matches!(state, State::Unreadable { .. });
        assert!(files(&repository, &tree).iter().all(are_unreadable), "{:?}", files(&repository, &tree));
        chmod(tree.join("one"), Mode::RUSR).unwrap();
        assert_eq!(repository.backup(&backup, &Silent).unwrap().problem_count, 0);
        assert_eq!(files(&repository, &tree), [(State::Stored, Some(5000)); 2]);
    });
}

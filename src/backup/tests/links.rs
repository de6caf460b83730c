//! Files with several names: which names are taken for one file, and what becomes of them when the first can't be stored.

use super::disc::Place;
use super::{PASSWORD, noise};
use crate::backup::{BackupOptions, BackupReport, ProblemKind, RehashShare};
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
        assert_eq!((report.problems.count(), report.counts.unreadable), (2, 2), "{:?}", report.problems);
        let are_unreadable = |(state, _): &(State, Option<u64>)| matches!(state, State::Unreadable { .. });
        assert!(files(&repository, &tree).iter().all(are_unreadable), "{:?}", files(&repository, &tree));
        chmod(tree.join("one"), Mode::RUSR).unwrap();
        assert_eq!(repository.backup(&backup, &Silent).unwrap().problems.count(), 0);
        assert_eq!(files(&repository, &tree), [(State::Stored, Some(5000)); 2]);
    });
}

/// That these names hold what is on the disc, and are each other's names and nobody else's.
fn assert_is_one_file(place: &Place, report: &BackupReport, names: &[&str]) {
    let id = report.snapshot;
    for name in names {
        assert_eq!(place.content(id, name), place.disc.bytes(name), "{name}");
        assert_eq!(place.entry(id, name).state, State::Stored, "{name}");
    }
    let group = |name: &str| place.entry(id, name).group;
    let is_one = |name: &String| group(name).is_some() && group(name) == group(names[0]);
    let found: Vec<String> = place.disc.files().into_keys().filter(is_one).collect();
    assert_eq!(found, names);
}

/// Rows went into the table of links with the device of the run that stored them. Once sda and sdb had changed places, a
/// new file on the one that had the same inode as an old file on the other was stored with that one's content.
#[test]
fn manifest_38_devices_that_change_their_numbers_between_runs_make_no_file_another() {
    for same_length in [false, true] {
        let place = Place::new();
        place.disc.write("ax", noise(1, 5000));
        place.disc.link("ax", "ay");
        place.disc.write("az", noise(2, 5000));
        assert_is_one_file(&place, &place.first_report(), &["ax", "ay"]);
        place.disc.write_as("ax", "bx", noise(3, if same_length { 5000 } else { 70 }));
        place.disc.link("bx", "by");
        place.disc.renumber("ax", 2);
        place.disc.renumber("ay", 2);
        for _ in 0..3 {
            let report = place.back_up(&BackupOptions::default(), &Silent).unwrap();
            assert_eq!((report.problems.count(), report.counts.hard_links), (0, 2));
            assert_is_one_file(&place, &report, &["ax", "ay"]);
            assert_is_one_file(&place, &report, &["bx", "by"]);
        }
        // And a third name comes to both.
        place.disc.link("ax", "ca");
        place.disc.link("bx", "cb");
        let report = place.back_up(&BackupOptions::default(), &Silent).unwrap();
        assert_is_one_file(&place, &report, &["ax", "ay", "ca"]);
        assert_is_one_file(&place, &report, &["bx", "by", "cb"]);
    }
}

/// A file that was removed when the walk had seen it left its inode to one that the walk saw later: that was taken for
/// another name, and never opened.
#[test]
fn manifest_38_a_file_that_gets_the_inode_of_a_removed_one_during_the_run_is_none_of_its_names() {
    for length in [70, 5000] {
        let place = Place::new();
        place.disc.write("ax", noise(1, 5000));
        place.disc.link("ax", "ay");
        place.disc.write_as("ax", "bx", noise(2, length));
        place.disc.link("bx", "by");
        let report = place.first_report();
        assert_eq!((report.problems.count(), report.counts.hard_links), (0, 2));
        assert_is_one_file(&place, &report, &["ax", "ay"]);
        assert_is_one_file(&place, &report, &["bx", "by"]);
    }
}

/// As when somebody sets its mode meanwhile: the first name was read as it is now, the others were seen as it was.
#[test]
fn a_file_that_changes_between_the_walk_and_the_reading_stays_one_under_all_its_names() {
    let place = Place::new();
    place.disc.write("a", noise(1, 5000));
    place.disc.link("a", "b");
    place.disc.link("a", "c");
    ["a", "b", "c"].iter().for_each(|name| place.disc.touch_always(name));
    let report = place.first_report();
    assert_eq!((report.problems.count(), report.counts.hard_links), (0, 2));
    assert_is_one_file(&place, &report, &["a", "b", "c"]);
}

/// The other names were told to be unreadable, though nobody had tried.
#[test]
fn what_can_t_be_read_under_its_first_name_is_read_under_the_second() {
    for length in [70, 5000, 3 << 20] {
        let place = Place::new();
        place.disc.write("a", noise(1, length));
        ["b", "c"].iter().for_each(|name| place.disc.link("a", name));
        place.disc.fail("a", true);
        let report = place.back_up(&BackupOptions::default(), &Silent).unwrap();
        assert_eq!((report.problems.count(), report.counts.unreadable, report.counts.hard_links), (1, 1, 1));
        assert_is_one_file(&place, &report, &["b", "c"]);
        place.disc.fail("a", false);
        assert_is_one_file(&place, &place.first_report(), &["a", "b", "c"]);
    }
}

#[test]
fn all_names_of_a_file_that_moves_share_the_mixture_and_are_read_again() {
    let place = Place::new();
    place.disc.write("a", noise(1, 5000));
    place.disc.link("a", "b");
    place.disc.move_always("a");
    for _ in 0..2 {
        place.disc.opened();
        let report = place.back_up(&BackupOptions::default(), &Silent).unwrap();
        assert_eq!((report.counts.inconsistent, report.counts.hard_links), (2, 1));
        let kinds: Vec<ProblemKind> = report.problems.iter().map(|problem| problem.kind).collect();
        assert_eq!(kinds, [ProblemKind::Inconsistent; 2], "{:?}", report.problems);
        let held = ["a", "b"].map(|name| place.entry(report.snapshot, name));
        assert_eq!((&held[0].body, held[0].group), (&held[1].body, held[1].group));
        assert_eq!(
            (place.content(report.snapshot, "b"), place.disc.opened()),
            (place.disc.bytes("b"), vec!["a".to_owned(); 2])
        );
    }
}

#[test]
fn a_name_that_stands_as_it_was_takes_no_mixture_from_the_first() {
    let place = Place::new();
    place.disc.write("a", noise(1, 5000));
    place.disc.link("a", "b");
    place.first();
    place.disc.move_always("a");
    let all = BackupOptions::default().rehash(RehashShare::parse(10_000).unwrap());
    let report = place.back_up(&all, &Silent).unwrap();
    assert_eq!((report.counts.inconsistent, report.problems.count()), (1, 1));
    assert_is_one_file(&place, &report, &["b"]);
}

/// As when logs are rotated by renaming their folder: what kept its names kept the group that the first of them had given,
/// which was then another file's as well.
#[test]
fn manifest_31_a_file_that_takes_the_first_name_of_another_is_none_of_its_names() {
    let place = Place::new();
    place.disc.write("a", noise(1, 5000));
    ["y", "z"].iter().for_each(|name| place.disc.link("a", name));
    assert_is_one_file(&place, &place.first_report(), &["a", "y", "z"]);
    place.disc.write("a", noise(2, 5000));
    place.disc.link("a", "b");
    for _ in 0..2 {
        let report = place.back_up(&BackupOptions::default(), &Silent).unwrap();
        assert_eq!((report.problems.count(), report.counts.hard_links), (0, 2));
        assert_is_one_file(&place, &report, &["a", "b"]);
        assert_is_one_file(&place, &report, &["y", "z"]);
    }
}

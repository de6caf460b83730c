//! Extended attributes that can't be read, or not be stored.

use super::disc::Place;
use super::noise;
use crate::backup::{BackupOptions, BackupReport, ProblemKind};
use crate::manifest::Xattr;
use crate::progress::Silent;

fn label(name: &[u8]) -> Xattr {
    Xattr { name: name.to_vec(), value: b"important".to_vec() }
}

fn assert_incomplete(report: &BackupReport, names: &[&str]) {
    let paths: Vec<Vec<u8>> = names.iter().map(|name| format!("/t/{name}").into_bytes()).collect();
    let told: Vec<Vec<u8>> = report.problems.iter().map(|problem| problem.path.clone()).collect();
    let count = u64::try_from(names.len()).unwrap();
    assert_eq!((told, report.problems.count()), (paths, count), "{:?}", report.problems);
    assert!(report.problems.iter().all(|problem| problem.kind == ProblemKind::Incomplete), "{:?}", report.problems);
}

/// The next run once found such a file unchanged, and no later snapshot ever held its attributes.
#[test]
fn what_could_not_be_read_of_attributes_is_read_by_the_next_run() {
    let place = Place::new();
    place.disc.write("a", noise(1, 5000));
    place.disc.link("a", "b");
    place.disc.write("c", noise(2, 70));
    ["a", "b", "c"].iter().for_each(|name| place.disc.label(name, None));
    let back_up = || place.back_up(&BackupOptions::default(), &Silent).unwrap();
    let lacking = back_up();
    assert!(lacking.problems.count() >= 2, "{:?}", lacking.problems);
    assert!(lacking.problems.iter().all(|problem| problem.kind == ProblemKind::Incomplete));
    assert_eq!(place.content(lacking.snapshot, "c"), noise(2, 70));
    ["a", "b", "c"].iter().for_each(|name| place.disc.label(name, Some(vec![label(b"user.acl")])));
    let whole = back_up();
    assert_eq!((whole.problems.count(), whole.content_chunk_count), (0, 0));
    for name in ["a", "b", "c"] {
        let entry = place.entry(whole.snapshot, name);
        assert_eq!(entry.attributes, place.entry(whole.snapshot, "a").attributes, "{name}");
        assert_ne!(entry.attributes, place.entry(lacking.snapshot, name).attributes, "{name}");
    }
    place.disc.opened();
    assert_eq!(back_up().problems.count(), 0);
    assert!(place.disc.opened().is_empty(), "now they are believed");
}

/// One attribute that can't be read once lost all the others of its file, in every run.
#[test]
fn an_attribute_that_can_t_be_read_is_named_and_the_others_are_stored() {
    let place = Place::new();
    place.disc.write("a", noise(1, 5000));
    place.disc.label("a", Some(vec![label(b"user.acl")]));
    place.disc.write("b", noise(2, 5000));
    place.disc.label("b", Some(vec![label(b"user.acl")]));
    place.disc.label_unread("a", b"security.capability");
    let back_up = || place.back_up(&BackupOptions::default(), &Silent).unwrap();
    let lacking = back_up();
    assert_incomplete(&lacking, &["a"]);
    let message = &lacking.problems[0].message;
    assert!(message.starts_with("can't read the attribute security.capability of /t/a"), "{message}");
    let attributes = |name| place.entry(lacking.snapshot, name).attributes;
    assert_eq!(attributes("a"), attributes("b"), "what could be read is there");
    place.disc.opened();
    assert_incomplete(&back_up(), &["a"]);
    assert_eq!(place.disc.opened(), ["a"], "it is read until it can be");
    place.disc.label("a", Some(vec![label(b"user.acl")]));
    assert_eq!(back_up().problems.count(), 0);
    place.disc.opened();
    assert_eq!(back_up().problems.count(), 0);
    assert!(place.disc.opened().is_empty(), "now it is believed");
}

/// Once nothing at all was stored.
#[test]
fn attributes_that_can_t_be_stored_are_a_problem_of_their_file_alone() {
    let place = Place::new();
    place.disc.write("a", noise(1, 5000));
    place.disc.write("b", noise(2, 5000));
    place.disc.label("a", Some(vec![label(b"user.a"), label(b"user.a")]));
    let report = place.back_up(&BackupOptions::default(), &Silent).unwrap();
    assert_incomplete(&report, &["a"]);
    assert_eq!(["a", "b"].map(|name| place.content(report.snapshot, name)), [noise(1, 5000), noise(2, 5000)]);
}

/// A restore elsewhere gave those rights to whoever had the number there.
#[test]
fn outcome_25_whom_access_control_lists_name_is_in_the_tables_of_names() {
    let place = Place::new();
    let entry = |tag: u16, id: u32| [&tag.to_le_bytes()[..], &[6, 0], &id.to_le_bytes()].concat();
    let list = [vec![2, 0, 0, 0], entry(1, u32::MAX), entry(2, 1001), entry(2, 7), entry(8, 1002)].concat();
    let filler = Xattr { name: b"user.long".to_vec(), value: noise(3, 2000) };
    place.disc.write("a", noise(1, 5000));
    place.disc.label("a", Some(vec![Xattr { name: b"system.posix_acl_access".to_vec(), value: list }, filler]));
    let first = place.back_up(&BackupOptions::default(), &Silent).unwrap();
    let second = place.back_up(&BackupOptions::default(), &Silent).unwrap();
    for report in [first, second] {
        let component = place.snapshot(report.snapshot).components.remove(0);
        assert_eq!(component.users, [(1001, b"user 1001".to_vec())], "nobody is called 7");
        assert_eq!(component.groups, [(1002, b"group 1002".to_vec())]);
    }
}

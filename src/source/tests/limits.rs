//! Trees that are deep, wide, or end at borders, and a process that may open few files.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, mkdirat, openat};
use rustix::process::{Resource, Rlimit, setrlimit};

use super::*;
use crate::fs::alone;

/// Makes a chain of directories below `top`, each with a file that sorts before and one that sorts after the next one.
fn chain(top: &Path, names: impl Iterator<Item = String>) {
    let mut at = rustix::fd::OwnedFd::from(fs::File::open(top).unwrap());
    for name in names {
        for file in ["!", "~"] {
            let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC;
            openat(&at, file, flags, Mode::RUSR | Mode::WUSR).unwrap();
        }
        mkdirat(&at, name.as_str(), Mode::RWXU).unwrap();
        at = openat(&at, name.as_str(), OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap();
    }
}

#[test]
fn deep_and_wide_trees_need_few_open_files() {
    alone("source::tests::limits::deep_and_wide_trees_need_few_open_files", |top| {
        chain(top, (0..400).map(|level| format!("{level:03}{}", "x".repeat(60))));
        for directory in 0..300 {
            fs::create_dir(top.join(directory.to_string())).unwrap();
            fs::write(top.join(format!("{directory}/file")), "").unwrap();
        }
        // Enough for the test itself, the threads' own and what stays open; not for the tree.
        setrlimit(Resource::Nofile, Rlimit { current: Some(40), maximum: Some(40) }).unwrap();
        let options = WalkOptions::default().thread_count(4).open_count_max(8);
        let source = Arc::new(Source::open(&[top.to_path_buf()], options).unwrap());
        let walked: Vec<Walked> = entries(&source).into_iter().map(|walked| walked.unwrap()).collect();
        assert!(walked.iter().all(|walked| walked.problem.is_none()));
        let members = walked.iter().filter(|walked| walked.role == Role::Member).count();
        assert_eq!(members, 1 + 400 * 3 + 300 * 2);
        // From the innermost outwards, so that every directory has to be reached again.
        for walked in walked.iter().rev().filter(|walked| walked.stat.kind == crate::manifest::Kind::File) {
            assert_eq!(source.open_file(&walked.key).unwrap().stat(), &walked.stat);
        }
    });
}

/// Whatever needed a file at that moment passed for unreadable, though all it took was to close a folder.
#[test]
fn folders_that_stay_open_make_room_for_what_is_opened() {
    alone("source::tests::limits::folders_that_stay_open_make_room_for_what_is_opened", |top| {
        for directory in 0..30 {
            fs::create_dir(top.join(directory.to_string())).unwrap();
            fs::write(top.join(format!("{directory}/file")), "").unwrap();
        }
        let options = WalkOptions::default().thread_count(0);
        let source = Arc::new(Source::open(&[top.to_path_buf()], options).unwrap());
        let walked: Vec<Walked> = entries(&source).into_iter().map(|walked| walked.unwrap()).collect();
        // Everything that may be open is.
        let limit = Rlimit { current: Some(64), maximum: Some(64) };
        setrlimit(Resource::Nofile, limit).unwrap();
        let others: Vec<fs::File> = std::iter::from_fn(|| fs::File::open("/").ok()).collect();
        assert!(others.len() < 30, "the folders take the rest");
        for walked in walked.iter().filter(|walked| walked.stat.kind == crate::manifest::Kind::File) {
            assert!(source.open_file(&walked.key).is_ok(), "{}", walked.key);
        }
        assert_eq!(entries(&source).into_iter().filter(|walked| walked.as_ref().unwrap().problem.is_none()).count(), {
            walked.len()
        });
    });
}

#[test]
fn a_path_too_long_for_a_key_is_reported_once_and_not_entered() {
    let top = tempfile::tempdir().unwrap();
    chain(top.path(), (0..270).map(|_| "y".repeat(250)));
    let walked = walk(&[top.path()], WalkOptions::default());
    let problems: Vec<_> = walked.iter().filter_map(|walked| walked.as_ref().err()).collect();
    assert!(problems.iter().all(|problem| matches!(problem, SourceError::Unstorable { .. })), "{problems:?}");
    assert_eq!(problems.len(), 1, "{problems:?}");
    let longest = walked.iter().filter_map(|walked| Some(walked.as_ref().ok()?.key.as_bytes().len())).max();
    assert!(longest > Some(65_000) && longest <= Some(65_536), "{longest:?}");
    remove_chain(top.path());
}

/// `remove_dir_all` opens every level; this is as deep as a tree gets.
fn remove_chain(top: &Path) {
    assert!(Command::new("rm").arg("-rf").arg(top.join("y".repeat(250))).status().unwrap().success());
}

#[test]
fn the_walk_is_the_same_however_far_the_threads_may_be_ahead() {
    let top = tempfile::tempdir().unwrap();
    for directory in 0..20 {
        fs::create_dir_all(top.path().join(format!("{directory}/inner"))).unwrap();
        for file in 0..directory * 5 {
            fs::write(top.path().join(format!("{directory}/inner/{file}")), "").unwrap();
        }
    }
    let expected = members(top.path(), &walk(&[top.path()], WalkOptions::default().thread_count(0)));
    assert_eq!(expected.len(), 1 + 40 + 950);
    for (names_max, bytes_max) in [(10, 1 << 20), (usize::MAX, 1), (1, 1), (50, 10_000)] {
        let mut options = WalkOptions::default().thread_count(3);
        options.lead = Lead { names_max, bytes_max };
        assert_eq!(members(top.path(), &walk(&[top.path()], options)), expected, "{names_max} {bytes_max}");
    }
}

#[test]
fn a_walk_that_is_dropped_early_ends() {
    let top = tempfile::tempdir().unwrap();
    for directory in 0..50 {
        fs::create_dir_all(top.path().join(format!("{directory}/inner"))).unwrap();
    }
    let source = Arc::new(Source::open(&[top.path().to_path_buf()], WalkOptions::default()).unwrap());
    for count in 0..40 {
        assert_eq!(source.walk().take(count).count(), count);
    }
}

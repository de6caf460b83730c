//! Trees that change while they are walked and read.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

/// Options with which `change` is made once, when the walk looks at the entry with this name.
fn changing_at(name: &'static str, change: impl Fn() + Send + Sync + 'static) -> WalkOptions {
    let done = AtomicBool::new(false);
    WalkOptions::default().watched_by(Arc::new(move |key: &Key| {
        if key.name() == name.as_bytes() && !done.swap(true, Ordering::Relaxed) {
            change();
        }
    }))
}

fn outcome(walked: &[Result<Walked, SourceError>]) -> Vec<String> {
    let line = |walked: &Result<Walked, SourceError>| match walked {
        Ok(Walked { problem: None, key, .. }) => String::from_utf8_lossy(key.name()).into_owned(),
        Ok(Walked { problem: Some(problem), .. }) => format!("{} {}", problem, problem.errno()),
        Err(problem) => format!("{} {}", problem, problem.errno()),
    };
    let after_slash = |line: String| line.rsplit('/').next().unwrap_or_default().to_owned();
    walked
        .iter()
        .filter(|walked| !matches!(walked, Ok(Walked { role: Role::Ancestor, .. })))
        .map(line)
        .map(after_slash)
        .collect()
}

#[test]
fn what_vanishes_between_its_name_and_the_look_is_reported_in_its_place() {
    let top = tempfile::tempdir().unwrap();
    for name in ["a", "b", "c"] {
        fs::write(top.path().join(name), name).unwrap();
    }
    let gone = top.path().join("b");
    let walked = walk(&[top.path()], changing_at("a", move || fs::remove_file(&gone).unwrap()));
    assert_eq!(outcome(&walked)[1..], ["a", "b 2", "c"]);
    assert!(walked.iter().any(|walked| walked.as_ref().is_err_and(SourceError::is_vanished)));
}

#[test]
fn a_directory_that_vanishes_or_turns_into_something_else_keeps_its_entry_and_gets_a_problem() {
    type Change = fn(&Path);
    let changes: [(Change, i32); 3] =
        [(|_| (), 2), (|path| symlink("/usr", path).unwrap(), 20), (|path| fs::write(path, "").unwrap(), 20)];
    for (change, errno) in changes {
        let top = tempfile::tempdir().unwrap();
        let directory = top.path().join("d");
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("inner"), "").unwrap();
        fs::write(top.path().join("e"), "").unwrap();
        let options = changing_at("d", move || {
            fs::remove_dir_all(&directory).unwrap();
            change(&directory);
        });
        assert_eq!(outcome(&walk(&[top.path()], options))[1..], [format!("d {errno}"), "e".to_owned()]);
    }
}

#[test]
fn a_file_that_turns_into_something_else_is_reported_and_nothing_waits_or_follows() {
    type Change = fn(&Path);
    let changes: [(&str, Change); 5] = [
        ("Fifo", |path| rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RUSR).unwrap()),
        ("Symlink", |path| symlink("/etc/passwd", path).unwrap()),
        ("Directory", |path| fs::create_dir(path).unwrap()),
        ("Socket", |path| drop(UnixListener::bind(path).unwrap())),
        ("2", |_| ()),
    ];
    for (expected, change) in changes {
        let top = tempfile::tempdir().unwrap();
        let path = top.path().join("f");
        fs::write(&path, "content").unwrap();
        let source = Arc::new(Source::open(&[top.path().to_path_buf()], WalkOptions::default()).unwrap());
        let walked = entries(&source).pop().unwrap().unwrap();
        fs::remove_file(&path).unwrap();
        change(&path);
        let error = source.open_file(&walked.key).unwrap_err();
        assert_eq!(error.key(), Some(&walked.key));
        let found = if let SourceError::NotAFile { found, .. } = error {
            format!("{found:?}")
        } else {
            error.errno().to_string()
        };
        assert_eq!(found, expected);
    }
}

#[test]
fn a_file_that_shrinks_or_grows_while_it_is_read_shows_it() {
    let top = tempfile::tempdir().unwrap();
    let path = top.path().join("f");
    fs::write(&path, [1; 100_000]).unwrap();
    let source = Arc::new(Source::open(std::slice::from_ref(&path), WalkOptions::default()).unwrap());
    let key = source.arguments().next().unwrap();
    let file = source.open_file(&key).unwrap();
    assert!(file.stat().held_still(&file.stat_again().unwrap()));

    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(60_000).unwrap();
    let mut buffer = [0; 100_000];
    assert_eq!(file.read_at(0, &mut buffer).unwrap(), 60_000);
    assert_eq!(file.read_at(80_000, &mut buffer).unwrap(), 0);
    assert_eq!(file.run_at(0).unwrap(), Some(Run::Data { start: 0, end: 61_440 }));
    // It has no end there any more; reading tells.
    assert_eq!(file.run_at(61_440).unwrap(), Some(Run::Data { start: 61_440, end: 100_000 }));
    assert!(!file.stat().held_still(&file.stat_again().unwrap()));

    fs::write(&path, [2; 200_000]).unwrap();
    assert_eq!(file.stat().size, 100_000);
    assert_eq!(file.run_at(0).unwrap(), Some(Run::Data { start: 0, end: 100_000 }));
    assert_eq!(file.stat_again().unwrap().size, 200_000);
}

#[test]
fn a_thread_that_panics_becomes_a_problem_and_ends_nothing() {
    let top = tempfile::tempdir().unwrap();
    for name in ["a/1", "b/panics", "c/2"] {
        fs::create_dir_all(top.path().join(name)).unwrap();
    }
    let gave_up = Arc::new(AtomicBool::new(false));
    let gives_up = Arc::clone(&gave_up);
    let options = WalkOptions::default().thread_count(1).watched_by(Arc::new(move |key: &Key| {
        if key.name() == b"panics" {
            gives_up.store(true, Ordering::Relaxed);
            panic!("the thread gives up");
        }
    }));
    let source = Arc::new(Source::open(&[top.path().to_path_buf()], options).unwrap());
    let walk = source.walk();
    // Taking the first entry begins the walk; then its thread alone works, until it is lost.
    let mut walk = walk.peekable();
    walk.peek().unwrap().as_ref().unwrap();
    while !gave_up.load(Ordering::Relaxed) {
        std::thread::yield_now();
    }
    let walked: Vec<_> = walk.filter_map(entry).collect();
    assert_eq!(outcome(&walked)[1..], ["a", "1", "b 125", "c", "2"]);
}

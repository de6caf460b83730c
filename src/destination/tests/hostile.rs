//! Targets in which somebody else works against the restore, and names that lead elsewhere.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::fs::Handles;

/// Every way to reach a directory: as the kernel offers, and as without `openat2`.
fn destinations(top: &Path) -> [Destination; 2] {
    let modern = Destination::open(top).unwrap();
    let plain = Destination::open(top).unwrap();
    plain.handles.use_single_names();
    [modern, plain]
}

/// Ends the other side's thread also when the test fails.
struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn key_bytes_that_lead_elsewhere_open_nothing() {
    let top = tempfile::tempdir().unwrap();
    fs::create_dir_all(top.path().join("d/e")).unwrap();
    for destination in destinations(top.path()) {
        for bytes in [&b".."[..], b"d\0..", b"d\0..\0..", b"d/e", b".", b"d\0", b"\0d", b"d\0\0e", b"/", b"d\0e/.."] {
            assert_eq!(destination.handles.directory(bytes).err(), Some(Errno::INVAL), "{}", bytes.escape_ascii());
        }
        for bytes in [&b"d\0.."[..], b"..", b"d/e", b"."] {
            assert_eq!(destination.place(bytes).err(), Some(Errno::INVAL), "{}", bytes.escape_ascii());
        }
        assert!(destination.handles.directory(b"d\0e").is_ok());
    }
}

#[test]
fn links_on_the_way_are_an_error_whatever_they_lead_to() {
    let top = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    fs::create_dir_all(outside.path().join("inner")).unwrap();
    fs::create_dir_all(top.path().join("real/inner")).unwrap();
    fs::create_dir(top.path().join("deep")).unwrap();
    symlink(outside.path(), top.path().join("out")).unwrap();
    symlink("real", top.path().join("within")).unwrap();
    symlink("/proc/self/cwd", top.path().join("magic")).unwrap();
    symlink("..", top.path().join("deep/up")).unwrap();
    for destination in destinations(top.path()) {
        for link in ["out", "within", "magic", "deep/up"] {
            for directory in [link.to_owned(), format!("{link}/inner"), format!("{link}/inner/none")] {
                let file = key(&format!("{directory}/f"));
                assert!(destination.create_file(&file, 1, Existing::Reuse).is_err(), "{file}");
                assert!(destination.make_symlink(&file, b"x", Existing::Reuse).is_err(), "{file}");
                assert!(
                    destination
                        .make_special(&file, (Kind::Fifo, Device { major: 0, minor: 0 }), Existing::Reuse)
                        .is_err(),
                    "{file}"
                );
                assert!(destination.remove_tree(&file).is_err(), "{file}");
                assert!(destination.set_metadata(&file, &metadata(Kind::File, 0o777)).is_err(), "{file}");
                assert_eq!(destination.look(&file).unwrap(), None, "{file}");
            }
            assert!(destination.names(&key(link)).is_err(), "{link}");
            assert!(matches!(
                destination.set_metadata(&key(link), &metadata(Kind::Directory, 0o777)),
                Err(DestinationError::OtherKind { found: Kind::Symlink, .. })
            ));
        }
    }
    assert_eq!(names(outside.path()), ["inner"]);
    assert_eq!(names(&top.path().join("real")), ["inner"]);
    assert!(names(&outside.path().join("inner")).is_empty());
}

#[test]
fn directories_swapped_for_links_while_restoring_let_nothing_out() {
    let top = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    fs::create_dir(outside.path().join("e")).unwrap();
    let target = top.path().join("target");
    for single_names in [false, true] {
        fs::create_dir_all(target.join("d/e")).unwrap();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // Back and forth: the directory moves away, a link takes its place.
                let (directory, aside) = (target.join("d"), top.path().join("aside"));
                while !stop.load(Ordering::Relaxed) {
                    fs::rename(&directory, &aside).unwrap();
                    symlink(outside.path(), &directory).unwrap();
                    let _ = fs::remove_file(&directory).or_else(|_| fs::remove_dir_all(&directory));
                    fs::rename(&aside, &directory).unwrap();
                }
            });
            let stop_at_end = StopAtEnd(&stop);
            let (mut round, mut successes) = (0, 0);
            // However the threads are scheduled, some must get through.
            while round < 2000 || successes == 0 {
                assert!(round < 10_000_000, "nothing gets through");
                round += 1;
                // A fresh one each time, so that no handle is kept from before.
                let destination = Destination::open(&target).unwrap();
                if single_names {
                    destination.handles.use_single_names();
                }
                let file = key(&format!("d/e/{}", round % 10));
                successes += u32::from(destination.create_file(&file, 1, Existing::Reuse).is_ok());
                let _ = destination.make_symlink(&key("d/e/link"), b"x", Existing::Reuse);
                let _ = destination.set_metadata(&file, &metadata(Kind::File, 0o777));
                let _ = destination.remove_tree(&file);
            }
            drop(stop_at_end);
        });
        assert_eq!(names(outside.path()), ["e"]);
        assert!(names(&outside.path().join("e")).is_empty());
        fs::remove_dir_all(&target).unwrap();
    }
}

#[test]
fn names_swapped_for_links_while_restoring_let_nothing_out() {
    let top = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let victim = outside.path().join("victim");
    fs::write(&victim, "untouched").unwrap();
    let before = fs::metadata(&victim).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let name = top.path().join("f");
            while !stop.load(Ordering::Relaxed) {
                let _ = fs::remove_file(&name);
                let _ = symlink(&victim, &name);
                let _ = fs::remove_file(&name);
                let _ = fs::write(&name, "here");
            }
        });
        let _stop_at_end = StopAtEnd(&stop);
        let destination = Destination::open(top.path()).unwrap();
        let f = key("f");
        for _ in 0..2000 {
            if let Ok(file) = destination.create_file(&f, 3, Existing::Reuse) {
                file.write_at(0, b"new").unwrap();
            }
            let _ = destination.set_metadata(&f, &metadata(Kind::File, 0o777));
            // Through the name this time, not the open file.
            let _ = destination.set_metadata(&f, &metadata(Kind::File, 0o777));
            let _ = destination.file(&f).map(|file| file.write_at(0, b"new"));
        }
    });
    let after = fs::metadata(&victim).unwrap();
    assert_eq!(fs::read(&victim).unwrap(), b"untouched");
    assert_eq!(after.permissions(), before.permissions());
    assert_eq!(after.modified().unwrap(), before.modified().unwrap());
}

#[test]
fn a_file_with_names_outside_is_replaced_not_written() {
    let top = tempfile::tempdir().unwrap();
    let (target, victim) = (top.path().join("target"), top.path().join("victim"));
    fs::create_dir(&target).unwrap();
    fs::write(&victim, "kept").unwrap();
    let destination = Destination::open(&target).unwrap();
    let f = key("f");
    let cases = [(Existing::Reuse, b"kept", Made::New), (Existing::Replace, b"kept", Made::New)];
    for (existing, content, made) in cases {
        fs::hard_link(&victim, target.join("f")).unwrap();
        let file = destination.create_file(&f, 4, existing).unwrap();
        file.write_at(0, b"evil").unwrap();
        assert_eq!((file.made(), fs::read(&victim).unwrap().as_slice()), (made, &content[..]));
        fs::remove_file(target.join("f")).unwrap();
    }
    fs::hard_link(&victim, target.join("f")).unwrap();
    let file = destination.create_file(&f, 4, Existing::ReuseShared).unwrap();
    assert_eq!(file.made(), Made::Reused);
}

#[test]
fn pipes_in_the_way_do_not_block() {
    let top = tempfile::tempdir().unwrap();
    let destination = Destination::open(top.path()).unwrap();
    destination.make_special(&key("f"), (Kind::Fifo, Device { major: 0, minor: 0 }), Existing::Reuse).unwrap();
    assert!(matches!(destination.file(&key("f")), Err(DestinationError::OtherKind { found: Kind::Fifo, .. })));
    assert_eq!(destination.create_file(&key("f"), 0, Existing::Reuse).unwrap().made(), Made::New);
}

#[test]
fn far_directories_are_reached_and_few_stay_open() {
    let top = tempfile::tempdir().unwrap();
    let root = rustix::fd::OwnedFd::from(fs::File::open(top.path()).unwrap());
    let destination = Destination::open(top.path()).unwrap();
    let mut deepest = Vec::new();
    for _ in 0..250 {
        deepest = crate::fs::join(&deepest, &[b'n'; 200]);
        destination.make_directory(&Key::parse(deepest.clone()).unwrap()).unwrap();
    }
    destination.create_file(&Key::parse(crate::fs::join(&deepest, b"f")).unwrap(), 0, Existing::Reuse).unwrap();
    let handles = Handles::new(root, 4);
    for single_names in [false, true] {
        if single_names {
            handles.use_single_names();
        }
        let far = handles.directory(&deepest).unwrap();
        assert!(look_at(&far, "f").is_ok());
        // Outwards again, one by one.
        let mut way = deepest.as_slice();
        while let Some((directory, _)) = split(way) {
            assert!(handles.directory(directory).is_ok());
            way = directory;
        }
        handles.forget(b"");
    }
    destination.remove_tree(&Key::parse(vec![b'n'; 200]).unwrap()).unwrap();
    assert!(names(top.path()).is_empty());
}

/// Of a file with many others beside it only the name is kept, and by then it may be that of a file outside of the target.
#[test]
fn a_file_that_was_let_go_and_swapped_for_a_hard_link_is_neither_written_nor_given_metadata() {
    let (top, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let victim = outside.path().join("victim");
    fs::write(&victim, "kept").unwrap();
    let before = fs::metadata(&victim).unwrap();
    let destination = Destination::open(top.path()).unwrap();
    let name = |number: usize| key(&format!("f{number}"));
    for number in 0..=FILE_COUNT_MAX {
        destination.create_file(&name(number), 4, Existing::Reuse).unwrap();
    }
    for number in 0..=FILE_COUNT_MAX {
        // One by one a file that is still open is written all the same: it is no more there under its name.
        let place = top.path().join(format!("f{number}"));
        fs::remove_file(&place).unwrap();
        fs::hard_link(&victim, &place).unwrap();
    }
    let reopened = (0..=FILE_COUNT_MAX).filter(|number| destination.file(&name(*number)).is_err());
    let reopened: Vec<usize> = reopened.collect();
    assert!(!reopened.is_empty() && reopened.contains(&0), "{reopened:?}");
    for number in reopened {
        let set = destination.set_metadata(&name(number), &metadata(Kind::File, 0o777));
        assert!(matches!(set, Err(DestinationError::Restless { .. })), "{set:?}");
    }
    let after = fs::metadata(&victim).unwrap();
    assert_eq!(fs::read(&victim).unwrap(), b"kept");
    assert_eq!((after.mode(), after.mtime()), (before.mode(), before.mtime()));
}

#[test]
fn a_file_that_got_another_name_since_it_was_opened_is_not_taken_over() {
    let top = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir_in(top.path().parent().unwrap()).unwrap();
    fs::write(top.path().join("f"), "old").unwrap();
    let destination = Destination::open(top.path()).unwrap();
    let existing = destination.open_existing(&key("f")).unwrap().unwrap();
    fs::hard_link(top.path().join("f"), outside.path().join("f")).unwrap();
    assert!(destination.take_over(existing, 3).unwrap().is_none());
}

#[test]
fn what_was_found_right_gets_its_metadata_and_not_what_took_its_place() {
    let top = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir_in(top.path().parent().unwrap()).unwrap();
    for name in ["f", "g"] {
        fs::write(top.path().join(name), "right").unwrap();
    }
    fs::write(outside.path().join("secret"), "right").unwrap();
    let destination = Destination::open(top.path()).unwrap();
    for name in ["f", "g"] {
        let found = destination.look(&key(name)).unwrap().unwrap();
        destination.hold_to(&key(name), &found);
    }
    fs::remove_file(top.path().join("f")).unwrap();
    fs::hard_link(outside.path().join("secret"), top.path().join("f")).unwrap();
    let before = outside.path().join("secret").metadata().unwrap();
    let set = destination.set_metadata(&key("f"), &metadata(Kind::File, 0o666));
    assert!(matches!(set, Err(DestinationError::Restless { .. })), "{set:?}");
    let after = outside.path().join("secret").metadata().unwrap();
    assert_eq!((before.mode(), before.mtime()), (after.mode(), after.mtime()));
    assert!(destination.set_metadata(&key("g"), &metadata(Kind::File, 0o666)).unwrap().changed);
}

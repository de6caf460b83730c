//! What is read of single entries: holes, links, attributes, and what an ordinary user may not read.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::fs::as_ordinary_user;
use rustix::fs::FallocateFlags;

const BLOCK: u64 = 4096;

/// The stretches of a file of `size` bytes with data written at `parts` (start, length), in bytes.
fn runs(size: u64, parts: &[(u64, usize)]) -> Vec<Run> {
    let top = tempfile::tempdir().unwrap();
    let path = top.path().join("f");
    let file = File::create(&path).unwrap();
    file.set_len(size).unwrap();
    for (start, length) in parts {
        file.write_all_at(&vec![1; *length], *start).unwrap();
    }
    let source = Source::open(&[path], WalkOptions::default()).unwrap();
    let file = source.open_file(&source.arguments().next().unwrap()).unwrap();
    let mut runs = Vec::new();
    let mut place = 0;
    while let Some(run) = file.run_at(place).unwrap() {
        let (Run::Data { start, end } | Run::Hole { start, end }) = run;
        assert_eq!(start, place);
        place = end;
        runs.push(run);
    }
    assert_eq!(place, size);
    runs
}

#[test]
fn holes_are_found_where_they_are() {
    let data = |start, end| Run::Data { start, end };
    let hole = |start, end| Run::Hole { start, end };
    assert_eq!(runs(0, &[]), []);
    assert_eq!(runs(100, &[]), [hole(0, 100)]);
    assert_eq!(runs(3 * BLOCK, &[(0, 12_288)]), [data(0, 3 * BLOCK)]);
    assert_eq!(
        runs(9 * BLOCK, &[(4 * BLOCK, 4096)]),
        [hole(0, 4 * BLOCK), data(4 * BLOCK, 5 * BLOCK), hole(5 * BLOCK, 9 * BLOCK)]
    );
    assert_eq!(runs(9 * BLOCK + 5, &[(0, 1)]), [data(0, BLOCK), hole(BLOCK, 9 * BLOCK + 5)]);
    assert_eq!(runs(9 * BLOCK + 5, &[(9 * BLOCK, 5)]), [hole(0, 9 * BLOCK), data(9 * BLOCK, 9 * BLOCK + 5)]);
}

#[test]
fn a_short_file_that_takes_more_space_than_it_is_long_is_read_as_a_whole() {
    let found = |size: u64| {
        let top = tempfile::tempdir().unwrap();
        let path = top.path().join("f");
        let file = File::create(&path).unwrap();
        file.write_all_at(&[1; 4096], size - BLOCK).unwrap();
        rustix::fs::fallocate(&file, FallocateFlags::KEEP_SIZE, size, size).unwrap();
        let source = Source::open(&[path], WalkOptions::default()).unwrap();
        let file = source.open_file(&source.arguments().next().unwrap()).unwrap();
        let mut buffer = vec![7; usize::try_from(size - BLOCK).unwrap()];
        assert_eq!(file.read_at(0, &mut buffer).unwrap(), buffer.len());
        assert!(buffer.iter().all(|byte| *byte == 0));
        file.run_at(0).unwrap().unwrap()
    };
    assert_eq!(found(15 * BLOCK), Run::Data { start: 0, end: 15 * BLOCK });
    assert_eq!(found(16 * BLOCK), Run::Hole { start: 0, end: 15 * BLOCK }, "a longer one is searched");
}

#[test]
fn an_endless_hole_costs_nothing() {
    let tib = 1 << 40;
    let found = runs(tib, &[(0, 1), (tib / 2, 1), (tib - 1, 1)]);
    assert_eq!(found.len(), 5);
    assert_eq!(found[4], Run::Data { start: tib - BLOCK, end: tib });
}

#[test]
fn several_threads_read_one_file_and_its_holes() {
    let top = tempfile::tempdir().unwrap();
    let path = top.path().join("f");
    let file = File::create(&path).unwrap();
    for block in 0..200u64 {
        file.write_all_at(&[u8::try_from(block).unwrap(); 4096], block * 2 * BLOCK).unwrap();
    }
    let source = Source::open(&[path], WalkOptions::default()).unwrap();
    let file = source.open_file(&source.arguments().next().unwrap()).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for block in 0..199u64 {
                    let start = block * 2 * BLOCK;
                    assert_eq!(file.run_at(start).unwrap(), Some(Run::Data { start, end: start + BLOCK }));
                    let mut buffer = [0; 5000];
                    assert_eq!(file.read_at(start, &mut buffer).unwrap(), 5000);
                    let byte = u8::try_from(block).unwrap();
                    assert!(buffer[..4096].iter().all(|read| *read == byte) && buffer[4096..] == [0; 904]);
                }
            });
        }
    });
}

#[test]
fn links_and_attributes_of_names_are_the_links_own() {
    let top = tempfile::tempdir().unwrap();
    fs::write(top.path().join("f"), "").unwrap();
    symlink("f", top.path().join("l")).unwrap();
    let file = rustix::fd::OwnedFd::from(File::open(top.path().join("f")).unwrap());
    Labelled::held(&file).set(b"user.mark", b"1").unwrap();
    let source = Source::open(&[top.path().to_path_buf()], WalkOptions::default()).unwrap();
    let key = |name: &[u8]| source.arguments().next().unwrap().child(name).unwrap();
    assert_eq!(source.read_link(&key(b"l")).unwrap(), b"f");
    assert_eq!(source.read_link(&key(b"f")).unwrap_err().errno(), 22);
    assert_eq!(source.xattrs(&key(b"l")).unwrap().xattrs, []);
    assert_eq!(source.xattrs(&key(b"f")).unwrap().xattrs[0].name, b"user.mark");
    assert!(source.xattrs(&key(b"none")).unwrap_err().is_vanished());
    assert_eq!(source.stat(&key(b"l")).unwrap().kind, crate::manifest::Kind::Symlink);
}

#[test]
fn what_a_user_may_not_read_is_reported_with_its_cause() {
    as_ordinary_user("source::tests::reading::what_a_user_may_not_read_is_reported_with_its_cause", |top| {
        let set_mode = |path: &Path, mode| fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
        for (directory, mode) in [("closed", 0o000), ("names only", 0o444), ("way only", 0o111)] {
            let directory = top.join(directory);
            fs::create_dir_all(directory.join("inner")).unwrap();
            fs::write(directory.join("inner/file"), "x").unwrap();
            set_mode(&directory, mode);
        }
        fs::write(top.join("file"), "x").unwrap();
        set_mode(&top.join("file"), 0o000);
        let source = Arc::new(Source::open(&[top.to_path_buf()], WalkOptions::default()).unwrap());
        let prefix = source.arguments().next().unwrap().to_string().len();
        let mut found = Vec::new();
        for walked in entries(&source) {
            match walked {
                Ok(walked) if walked.role == Role::Ancestor => {}
                Ok(walked) => {
                    let opened = source.open_file(&walked.key).map(|_| 0).unwrap_or_else(|error| error.errno());
                    let listed = walked.problem.map_or(0, |problem| problem.errno());
                    found.push(format!("{} {listed} {opened}", &walked.key.to_string()[prefix..]));
                }
                Err(problem) => {
                    found.push(format!("{} {}", &problem.key().unwrap().to_string()[prefix..], problem.errno()))
                }
            }
        }
        let expected =
            [" 0 0", "/closed 13 13", "/file 0 13", "/names only 0 0", "/names only/inner 13", "/way only 13 13"];
        assert_eq!(found, expected);

        // Through a directory that lets one pass but not list, what is named is found.
        let named = top.join("way only/inner");
        let source = Arc::new(Source::open(&[named], WalkOptions::default()).unwrap());
        assert_eq!(
            entries(&source)
                .into_iter()
                .filter(|walked| walked.as_ref().is_ok_and(|walked| walked.problem.is_none()))
                .last()
                .unwrap()
                .unwrap()
                .key
                .name(),
            b"file"
        );
        for directory in ["closed", "names only", "way only"] {
            set_mode(&top.join(directory), 0o755);
        }
    });
}

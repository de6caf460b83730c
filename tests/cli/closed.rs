//! Readers of the output that go away before its end.

use crate::run::{Finished, World};
use std::io::Read;
use std::process::{Command, Stdio};

/// More than a pipe and every buffer before it hold.
const LONG_BYTES: usize = 1 << 20;

fn world() -> World {
    let world = World::with_repository();
    world.file("tree/long", &vec![7; LONG_BYTES]);
    world.file("tree/sub/short", b"a few bytes");
    world.run(["backup", "tree"]).succeeded();
    world.file("tree/sub/new", b"new");
    world.run(["backup", "tree"]).succeeded();
    world
}

/// Runs the program for a reader that has gone before the first byte.
fn unread(world: &World, arguments: &[&str]) -> Finished {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    finished(world.command().args(arguments).stdout(writer))
}

fn finished(command: &mut Command) -> Finished {
    let child = command.stderr(Stdio::piped()).spawn().expect("the program starts");
    Finished::of(&child.wait_with_output().expect("it ends"))
}

#[test]
fn what_only_prints_ends_without_a_word_when_nobody_reads_on() {
    let world = world();
    let long = format!("latest:{}", world.path("tree/long").display());
    let tree = format!("latest:{}", world.path("tree").display());
    for arguments in [
        &["snapshots"][..],
        &["snapshots", "--json"],
        &["ls", "latest"],
        &["ls", "--json", "--sort", "size", "latest"],
        &["find", "*"],
        &["find", "--history", "short"],
        &["diff", "latest~1", "latest"],
        &["diff", "latest", "--live"],
        &["dump", &long],
        &["dump", &tree],
        &["dump", "--archive", "zip", &tree],
        &["info"],
        &["info", "latest"],
        &["stats", "--each"],
        &["key", "list"],
        &["completions", "bash"],
        &["man"],
        &["backup", "-n", "-v", "tree"],
        &["restore", "latest", "--target", "new", "-n"],
        &["forget", "-n", "--keep-last", "1"],
        &["--help"],
    ] {
        let finished = unread(&world, arguments);
        assert_eq!((finished.code, finished.err.as_str()), (Some(141), ""), "{arguments:?}");
    }
}

#[test]
fn a_dump_that_is_read_in_part_ends_without_a_word() {
    let world = world();
    let long = format!("latest:{}", world.path("tree/long").display());
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let mut command = world.command();
    let child = command.args(["dump", &long]).stdout(writer).stderr(Stdio::piped()).spawn().expect("it starts");
    // Its copy of the pipe's end.
    drop(command);
    reader.read_exact(&mut [0; 10]).expect("the first bytes");
    drop(reader);
    let finished = Finished::of(&child.wait_with_output().expect("it ends"));
    assert_eq!((finished.code, finished.err.as_str()), (Some(141), ""));
}

#[test]
fn what_does_more_than_print_goes_on_and_its_exit_code_tells_of_that() {
    let world = world();
    let tree = format!("latest:{}", world.path("tree").display());
    for arguments in [
        &["backup", "tree"][..],
        &["backup", "-vv", "--json", "tree"],
        &["restore", "latest", "--target", "restored", "-vv"],
        &["dump", "--json", "--target", "archive.tar", &tree],
        &["check"],
        &["forget", "--keep-last", "1"],
        &["prune"],
    ] {
        let finished = unread(&world, arguments);
        assert_eq!((finished.code, finished.err.as_str()), (Some(0), ""), "{arguments:?}");
    }
    assert!(world.path("archive.tar").metadata().expect("a file").len() > 1 << 20);
    assert_eq!(
        world.run(["snapshots", "--json"]).json().first().and_then(|list| Some(list.as_array()?.len())),
        Some(1)
    );

    let packs = world.path("repository/packs");
    std::fs::remove_dir_all(&packs).expect("it goes");
    std::fs::create_dir(&packs).expect("a folder");
    assert_eq!(unread(&world, &["check"]).code, Some(5));
}

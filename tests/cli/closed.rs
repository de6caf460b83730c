//! Readers of the output that go away before its end.

use crate::mounted::within_ten_seconds;
use crate::profiles;
use crate::run::{Finished, World};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{PipeReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// More than a pipe and every buffer before it hold.
const LONG_BYTES: usize = 1 << 20;
/// Names of so many files, with what is said of them, are more than a list gathers before it writes.
const NAME_COUNT: usize = 300;

/// A tree that was backed up twice and has changed since; lists of it, and of every change, are long.
fn world() -> World {
    let world = World::with_repository();
    world.file("tree/long", &vec![7; LONG_BYTES]);
    change_names(&world, b"1");
    world.run(["backup", "tree"]).succeeded();
    change_names(&world, b"22");
    world.run(["backup", "tree"]).succeeded();
    change_names(&world, b"333");
    world
}

fn change_names(world: &World, content: &[u8]) {
    let long = "n".repeat(200);
    (0..NAME_COUNT).for_each(|number| drop(world.file(format!("tree/names/{long}{number}"), content)));
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
        &["ls", "--json", "latest"],
        &["ls", "--sort", "size", "latest"],
        &["ls", "--json", "--sort", "size", "latest"],
        &["find", "*"],
        &["find", "--json", "*"],
        &["find", "--history", "*"],
        &["diff", "latest~1", "latest"],
        &["diff", "--json", "latest~1", "latest"],
        &["diff", "latest", "--live"],
        &["diff", "--json", "latest", "--live"],
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
fn a_list_onto_a_full_disc_ends_with_1_and_says_it() {
    let world = world();
    for arguments in [
        &["ls", "latest"][..],
        &["ls", "--sort", "size", "latest"],
        &["find", "*"],
        &["find", "--history", "*"],
        &["diff", "latest~1", "latest"],
        &["diff", "latest", "--live"],
    ] {
        let finished = finished(world.command().args(arguments).stdout(full_disc()));
        let said = "holdall: can't print: No space left on device (os error 28)\n";
        assert_eq!((finished.code, finished.err.as_str()), (Some(1), said), "{arguments:?}");
    }
}

fn full_disc() -> File {
    File::options().write(true).open("/dev/full").expect("Linux has one")
}

/// A dump of a long file whose first bytes were read: what is left fills the pipe, so it waits for its reader.
fn dump_in_part(world: &World) -> (Child, PipeReader) {
    let long = format!("latest:{}", world.path("tree/long").display());
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let mut command = world.command();
    let child = command.args(["dump", &long]).stdout(writer).stderr(Stdio::piped()).spawn().expect("it starts");
    // Its copy of the pipe's end.
    drop(command);
    reader.read_exact(&mut [0; 10]).expect("the first bytes");
    (child, reader)
}

#[test]
fn a_dump_that_is_read_in_part_ends_without_a_word() {
    let world = world();
    let (child, reader) = dump_in_part(&world);
    drop(reader);
    let finished = Finished::of(&child.wait_with_output().expect("it ends"));
    assert_eq!((finished.code, finished.err.as_str()), (Some(141), ""));
}

/// Whether a signal to the whole process waits for a thread that takes it.
fn is_signal_pending(child: &Child) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).expect("it runs");
    let pending = status.lines().find_map(|line| line.strip_prefix("ShdPnd:")).expect("Linux tells it");
    pending.trim().bytes().any(|digit| digit != b'0')
}

#[test]
fn a_dump_that_is_interrupted_together_with_its_reader_was_interrupted() {
    let world = world();
    for (signal, code) in [(rustix::process::Signal::INT, 130), (rustix::process::Signal::TERM, 143)] {
        let (child, reader) = dump_in_part(&world);
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), signal).expect("it runs");
        // Which thread takes the signal is not known, but when it has.
        assert!(within_ten_seconds(|| !is_signal_pending(&child)), "the signal is taken");
        drop(reader);
        let finished = Finished::of(&child.wait_with_output().expect("it ends"));
        assert_eq!((finished.code, finished.err.as_str()), (Some(code), "holdall: stopped as asked\n"));
    }
}

/// A file whose content fills the greatest pack of the repository, and the path of that pack.
fn noise_in_a_pack(world: &World) -> PathBuf {
    let before = packs(world);
    let mut noise = vec![0; 600_000];
    blake3::Hasher::new().finalize_xof().fill(&mut noise);
    world.file("tree/apart/noise", &noise);
    world.run(["backup", "tree"]).succeeded();
    let made = packs(world).into_iter().filter(|(path, _)| !before.contains_key(path));
    made.max_by_key(|(_, bytes)| *bytes).expect("a pack was made").0
}

/// The packs of the repository with their lengths.
fn packs(world: &World) -> BTreeMap<PathBuf, u64> {
    let below =
        |folder: PathBuf| std::fs::read_dir(folder).expect("a folder").map(|item| item.expect("an item").path());
    let mut open = vec![world.path("repository/packs")];
    let mut found = BTreeMap::new();
    while let Some(folder) = open.pop() {
        for path in below(folder) {
            let facts = path.metadata().expect("it is there");
            if facts.is_dir() {
                open.push(path);
            } else {
                found.insert(path, facts.len());
            }
        }
    }
    found
}

#[test]
fn a_dump_that_can_not_be_read_on_says_so_though_nobody_reads_what_it_gathered() {
    let world = world();
    let pack = noise_in_a_pack(&world);
    // A pack of a later version is not damaged, so no zeros may stand for what it holds.
    let mut bytes = std::fs::read(&pack).expect("it can be read");
    bytes[8] = 2;
    std::fs::remove_file(&pack).expect("it goes");
    std::fs::write(&pack, bytes).expect("it can be written");
    let apart = format!("latest:{}", world.path("tree/apart").display());
    let finished = unread(&world, &["dump", &apart]);
    assert_eq!(finished.code, Some(1), "{}", finished.err);
    assert!(finished.err.contains("version 2 of packs is not known"), "{}", finished.err);
}

#[test]
fn damage_that_a_dump_met_before_its_reader_went_away_is_not_forgotten() {
    let world = world();
    std::fs::remove_file(noise_in_a_pack(&world)).expect("it goes");
    let noise = format!("latest:{}", world.path("tree/apart/noise").display());
    for arguments in [&["dump", &noise][..], &["dump", "-a", "tar", &noise], &["dump", "-a", "zip", &noise]] {
        let finished = unread(&world, arguments);
        assert_eq!(finished.code, Some(5), "{arguments:?}: {}", finished.err);
        assert!(finished.err.contains("can't dump"), "{arguments:?}: {}", finished.err);
    }
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

/// The program for whom nobody reads any more, be it what it prints or what it complains of.
fn unheard(mut command: Command, arguments: &[&str]) -> Option<i32> {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let complaints = writer.try_clone().expect("a pipe has as many ends as one likes");
    command.args(arguments).stdout(writer).stderr(complaints).status().expect("the program starts").code()
}

/// They were once ended by their first word, before they had brought things in order.
#[test]
fn hooks_come_to_their_end_though_nobody_reads_what_they_print() {
    let world = profiles::world("");
    let hook = |kind: &str| {
        let done = world.path(kind).display().to_string();
        format!("{kind} = 'echo at work; echo a complaint >&2; touch {done}'\n")
    };
    let hooks = format!("[set.home.hooks]\n{}", ["before", "after", "finally"].map(hook).concat());
    let known = "store = \"repository\"\npassword-file = \"password\"";
    profiles::profile(&world, known, &format!("{}{hooks}", profiles::BACKUP));
    assert_eq!(unheard(profiles::bare(&world), &["run"]), Some(0));
    ["before", "after", "finally"].iter().for_each(|kind| assert!(world.path(kind).exists(), "{kind}"));
    assert_eq!(profiles::snapshots(&world), 1);
}

/// Its end by the broken pipe was once kept in the repository as evidence against the snapshot.
#[test]
fn a_drill_is_judged_though_nobody_reads_what_the_judge_prints() {
    let world = world();
    let done = world.path("judged").display().to_string();
    let judge = format!("echo well; echo a complaint >&2; touch {done}");
    assert_eq!(unheard(world.command(), &["drill", "--no-live", "--", "sh", "-c", &judge]), Some(0));
    assert!(world.path("judged").exists());
    let listed = world.run(["snapshots"]).succeeded().out;
    assert!(listed.contains("(drilled 20"), "{listed}");

    let full = world.command().args(["drill", "--no-live", "--", "echo", "well"]).stdout(full_disc()).output();
    let full = Finished::of(&full.expect("the program starts")).ended(1);
    assert!(full.err.contains("can't print: No space left on device"), "{}", full.err);
}

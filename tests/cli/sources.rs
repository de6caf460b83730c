//! What is backed up that no path names: lists of files, what commands write, standard input.

use crate::mounted::within_ten_seconds;
use crate::run::{Finished, World, contents};
use std::io::Write;
use std::process::Stdio;

/// Runs the program with something on its standard input.
fn fed(world: &World, line: &[&str], input: &[u8]) -> Finished {
    let mut command = world.command();
    command.args(line).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    child.stdin.take().expect("a pipe").write_all(input).expect("it is read");
    Finished::of(&child.wait_with_output().expect("it ends"))
}

/// Every file in the latest snapshot, by its path there.
fn restored(world: &World, target: &str) -> Vec<(String, Vec<u8>)> {
    world.run(["restore", "latest", "--target", target]).succeeded();
    let below = world.path(target);
    let files = contents(&below).into_iter().filter(|(path, _)| below.join(path).is_file());
    files.map(|(path, content)| (path.display().to_string(), content)).collect()
}

#[test]
fn trees_and_commands_lie_in_one_snapshot() {
    let world = World::with_repository();
    world.file("tree/a", b"alpha");
    let tree = world.path("tree/a").display().to_string().trim_start_matches('/').to_owned();
    let line =
        ["backup", "tree", "--command", "db=echo rows; echo said >&2", "--command", "big=head -c 3000000 /dev/zero"];
    let done = world.run(line).ended(0);
    assert_eq!(done.err, "said\n", "what a command complains of is passed on");
    assert!(
        done.out.contains("  stream   db: 5 B\n") && done.out.contains("  stream   big: 2.8 MiB\n"),
        "{}",
        done.out
    );
    let files = restored(&world, "whole");
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["big", "db", &tree]);
    assert_eq!(files[1].1, b"rows\n");
    assert_eq!(files[0].1.len(), 3_000_000);
    world.run(["restore", "latest:/db", "--target", "part"]).succeeded();
    assert_eq!(std::fs::read(world.path("part/db")).expect("the file"), b"rows\n");
    assert!(world.run(["ls", "latest"]).succeeded().out.contains("/db\n"));
    world.run(["check", "--read-data"]).succeeded();
}

#[test]
fn a_second_run_stores_nothing_of_what_a_command_writes_again_and_finds_the_parent_of_the_trees() {
    let world = World::with_repository();
    world.file("tree/a", &[1; 50_000]);
    std::thread::sleep(std::time::Duration::from_millis(2100));
    let run = |line: &[&str]| world.run(["backup", "--json", "tree"].iter().chain(line)).succeeded().only("summary");
    let writes = "seq 1 400000";
    run(&["--command", &format!("numbers={writes}")]);
    let again = run(&["--command", &format!("numbers={writes}"), "--command", "other=echo"]);
    assert!(again["data_added"].as_u64().is_some_and(|bytes| bytes < 100_000), "{again}");
    assert_eq!((&again["files_unmodified"], &again["files_new"]), (&1.into(), &0.into()), "{again}");
    assert_eq!(again["streams"][0]["bytes"], 2_688_895, "{again}");
    let without = run(&[]);
    assert_eq!(without["files_unmodified"], 1, "{without}");
}

#[test]
fn a_command_alone_needs_no_path_and_takes_its_arguments_as_they_are() {
    let world = World::with_repository();
    let line = ["backup", "--stdin-from-command", "said", "--", "printf", "%s|", "a b", "--exclude", "$HOME"];
    world.run(line).succeeded();
    assert_eq!(restored(&world, "one"), [("said".to_owned(), b"a b|--exclude|$HOME|".to_vec())]);
    world.run(["backup", "--stdin-filename", "named", "--stdin-from-command", "--", "echo", "x"]).succeeded();
    assert_eq!(restored(&world, "two"), [("named".to_owned(), b"x\n".to_vec())]);
    world.run(["backup", "--stdin-from-command", "--", "true"]).succeeded();
    assert_eq!(restored(&world, "three"), [("stdin".to_owned(), Vec::new())], "nothing is something too");
}

#[test]
fn standard_input_is_stored() {
    let world = World::with_repository();
    let input: Vec<u8> = (0..300_000u32).flat_map(u32::to_le_bytes).collect();
    fed(&world, &["backup", "--stdin", "--stdin-filename", "dump"], &input).succeeded();
    assert!(restored(&world, "one") == [("dump".to_owned(), input)]);
    fed(&world, &["backup", "--stdin"], b"").succeeded();
    assert_eq!(restored(&world, "two"), [("stdin".to_owned(), Vec::new())]);
}

#[test]
fn a_command_that_fails_leaves_no_snapshot_and_an_optional_one_is_missing() {
    let world = World::with_repository();
    world.file("tree/a", b"alpha");
    for (command, why) in [
        ("echo half; exit 3", "exit status: 3"),
        ("kill -9 $$", "signal: 9"),
        ("exec >&-; sleep 0.2; exit 1", "exit status: 1"),
        ("no-such-program-anywhere 2>/dev/null", "exit status: 127"),
    ] {
        let failed = world.run(["backup", "tree", "--command", &format!("db={command}")]).ended(4);
        assert!(failed.err.contains("\"db\"") && failed.err.contains(why), "{}", failed.err);
    }
    let failed = world.run(["backup", "--stdin-from-command", "--", "/no/such/program"]).ended(4);
    assert!(failed.err.contains("can't start \"/no/such/program\""), "{}", failed.err);
    assert!(world.run(["snapshots"]).succeeded().out.contains("0 snapshots"));
    world.run(["check"]).succeeded();

    let line = ["backup", "tree", "--optional-command", "db=exit 3", "--command", "ok=echo ok"];
    let without = world.run(line).ended(3);
    assert!(without.out.contains("  stream   db: missing\n"), "{}", without.out);
    let listed = world.run(["ls", "latest"]).ended(0).out;
    assert!(listed.contains("/ok\n") && listed.contains("tree/a\n") && !listed.contains("/db\n"), "{listed}");
    world.run(["check", "--read-data"]).succeeded();
}

#[test]
fn names_that_cannot_stand_beside_each_other_are_refused() {
    let world = World::with_repository();
    world.file("tree/a", b"alpha");
    let first = world.path("tree").components().nth(1).expect("a folder").as_os_str().display().to_string();
    let collides = format!("{first}=true");
    let lines: [&[&str]; 6] = [
        &["--command", "db=true", "--command", "db=true"],
        &["tree", "--command", &collides],
        &["--command", "a/b=true"],
        &["--command", "..=true"],
        &["--command", "=true"],
        &["--command", "db"],
    ];
    for line in lines {
        world.run(["backup"].iter().chain(line)).ended(2);
    }
    assert!(world.run(["snapshots"]).succeeded().out.contains("0 snapshots"));
}

/// How often the threads of a process went to sleep until now.
fn sleeps(process: u32) -> u64 {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).expect("it runs");
    let of = |thread: std::path::PathBuf| {
        let status = std::fs::read_to_string(thread.join("status")).unwrap_or_default();
        let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        count.and_then(|count| count.trim().parse::<u64>().ok()).unwrap_or(0)
    };
    threads.map(|thread| of(thread.expect("a thread").path())).sum()
}

/// Whoever waited for frames to compress once looked for one every 2 ms.
#[test]
fn threads_that_have_nothing_to_compress_sleep() {
    let world = World::with_repository();
    let mut command = world.command();
    command.args(["backup", "--command", "slow=touch note; sleep 4"]).stdout(Stdio::null());
    let mut child = command.spawn().expect("the program starts");
    assert!(within_ten_seconds(|| world.path("note").exists()), "it begins");
    let before = sleeps(child.id());
    std::thread::sleep(std::time::Duration::from_secs(1));
    let since = sleeps(child.id()).saturating_sub(before);
    assert!(child.wait().expect("it ends").success());
    assert!(since < 100, "{since} in a second");
}

#[test]
fn an_interrupted_run_does_not_wait_for_its_command() {
    let world = World::with_repository();
    let note = world.path("note");
    let line = format!("slow=echo a; echo > {}; exec sleep 1000", note.display());
    let mut command = world.command();
    command.args(["backup", "--command", &line]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    assert!(within_ten_seconds(|| note.exists()), "it begins");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
    let started = std::time::Instant::now();
    let ended = child.wait().expect("it ends");
    assert_eq!(ended.code(), Some(143));
    assert!(started.elapsed().as_secs() < 60);
    assert!(world.run(["snapshots"]).succeeded().out.contains("0 snapshots"));
}

#[test]
fn an_interrupted_run_without_a_terminal_ends_what_its_command_started() {
    let world = World::with_repository();
    let note = world.path("note");
    let line = format!("slow=sh -c 'echo $$ > {}; exec sleep 1000' | cat", note.display());
    let program = world.command();
    // A session of its own has no terminal, as one of a timer has none.
    let mut command = std::process::Command::new("setsid");
    command.arg(program.get_program()).args(["backup", "--command", &line]).stdout(Stdio::null()).stderr(Stdio::null());
    command.env_clear().envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut child = command.current_dir(world.path("")).spawn().expect("the program starts");
    let started = || std::fs::read_to_string(&note).ok().and_then(|text| text.trim().parse::<u32>().ok());
    assert!(within_ten_seconds(|| started().is_some()), "it begins");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
    assert_eq!(child.wait().expect("it ends").code(), Some(143));
    let process = format!("/proc/{}/cmdline", started().expect("a process"));
    // Of one that ended and that nobody asked for how, no words are left.
    let is_gone = || std::fs::read(&process).map_or(true, |words| words.is_empty());
    assert!(within_ten_seconds(is_gone), "what the command started still runs");
}

#[test]
fn an_interrupted_run_without_a_terminal_waits_for_all_that_its_command_started_and_kills_what_stays() {
    let world = World::with_repository();
    let [tidy, ready, stubborn] = ["tidy", "ready", "stubborn"].map(|name| world.path(name));
    // The command itself ends at once. One that it started takes its time to end, the other one never would.
    let script = format!(
        "trap 'exit 1' TERM\n\
         sh -c 'trap \"sleep 0.5; echo tidied > {tidy}; exit\" TERM; echo > {ready}; while :; do sleep 0.1; done' &\n\
         sh -c 'trap \"\" TERM; echo $$ > {stubborn}; while :; do sleep 0.1; done' &\n\
         wait",
        tidy = tidy.display(),
        ready = ready.display(),
        stubborn = stubborn.display()
    );
    let script = world.file("script", script.as_bytes());
    let program = world.command();
    let mut command = std::process::Command::new("setsid");
    let line = format!("slow=sh {}", script.display());
    command.arg(program.get_program()).args(["backup", "--command", &line]).stdout(Stdio::null()).stderr(Stdio::null());
    command.env_clear().envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut child = command.current_dir(world.path("")).spawn().expect("the program starts");
    let stubborn = || std::fs::read_to_string(&stubborn).ok().and_then(|text| text.trim().parse::<u32>().ok());
    assert!(within_ten_seconds(|| ready.exists() && stubborn().is_some()), "it begins");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
    assert_eq!(child.wait().expect("it ends").code(), Some(143));
    assert_eq!(std::fs::read_to_string(&tidy).unwrap_or_default(), "tidied\n", "it had the time that it took");
    let process = format!("/proc/{}/cmdline", stubborn().expect("a process"));
    let is_gone = std::fs::read(&process).map_or(true, |words| words.is_empty());
    assert!(is_gone, "what stays when it is asked to end is killed");
}

#[test]
fn lists_name_what_is_backed_up() {
    let world = World::with_repository();
    for name in ["a.txt", "b.txt", "c.md", "odd/[x]", "odd/ lead", "odd/two\nlines", "!d"] {
        world.file(format!("tree/{name}"), name.as_bytes());
    }
    world.file("globs", b"# texts\n\n  tree/*.txt  \ntree/[!x]d\r\ntree/o*/\\[x]\ntree/none*\n");
    world.file("lines", b"tree/odd/[x]\ntree/odd/ lead\n\n");
    world.file("zeros", b"tree/odd/two\nlines\0tree/c.md\0");
    world.file("unended", b"tree/c.md");
    world.file("empty", b"");
    let names = |target: &str| -> Vec<String> {
        let all = restored(&world, target).into_iter();
        all.map(|(path, _)| path.split_once("tree/").expect("below the tree").1.to_owned()).collect()
    };
    let globbed = world.run(["backup", "--files-from", "globs"]).ended(0);
    assert!(globbed.err.contains("globs:6 tree/none*: nothing fits"), "{}", globbed.err);
    assert_eq!(names("one"), ["!d", "a.txt", "b.txt", "odd/[x]"]);
    // A folder that can't be listed may hold what would fit.
    world.file("unlisted", format!("tree/a.txt\n{}/*\n", "long".repeat(100)).as_bytes());
    let refused = world.run(["backup", "--files-from", "unlisted"]).ended(3);
    assert!(refused.err.contains("File name too long"), "{}", refused.err);
    world.run(["backup", "--files-from-verbatim", "lines", "tree/c.md"]).succeeded();
    assert_eq!(names("two"), ["c.md", "odd/ lead", "odd/[x]"]);
    world.run(["backup", "--files-from-raw", "zeros"]).succeeded();
    assert_eq!(names("three"), ["c.md", "odd/two\nlines"]);
    fed(&world, &["backup", "--files-from-raw", "-"], b"tree/a.txt\0").succeeded();
    assert_eq!(names("four"), ["a.txt"]);
    world.run(["backup", "--", "tree/a.txt"]).succeeded();
    for line in [["--files-from-raw", "unended"], ["--files-from", "empty"], ["--files-from-raw", "empty"]] {
        world.run(["backup"].iter().chain(&line)).ended(2);
    }
    world.run(["backup", "--files-from", "missing"]).ended(1);
    fed(&world, &["backup", "--files-from", "-", "--stdin"], b"").ended(2);
    let gone = world.run(["backup", "--files-from-verbatim", "globs", "tree"]).ended(3);
    assert!(gone.err.contains("# texts"), "what is listed and not there is said: {}", gone.err);
}

/// A command is backed up that says which password it was given, and what the repository tells others of the run.
#[test]
fn neither_a_command_that_is_backed_up_nor_the_list_of_sessions_has_the_password() {
    let world = World::with_repository();
    let password = world.file("password", crate::run::PASSWORD.as_bytes());
    let holdall = env!("CARGO_BIN_EXE_holdall");
    let lists = format!("sessions={holdall} -p {} sessions --json", password.display());
    let prints = format!("printf '{}'", crate::run::PASSWORD);
    let given = "given=echo \"[$HOLDALL_PASSWORD]\"";
    world.run(["backup", "--password-command", &prints, "--command", given, "--command", &lists]).succeeded();
    let files = restored(&world, "whole");
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["given", "sessions"]);
    assert_eq!(String::from_utf8_lossy(&files[0].1), "[]\n");
    let sessions = String::from_utf8_lossy(&files[1].1);
    assert!(sessions.contains("--password-command") && sessions.contains(holdall), "{sessions}");
    assert!(!sessions.contains("printf"), "{sessions}");
}

#[test]
fn a_command_that_prints_a_password_is_not_given_another_one() {
    let world = World::with_repository();
    let refused = world.run(["snapshots", "--password-command", "printf %s \"$HOLDALL_PASSWORD\""]).ended(12);
    assert!(refused.err.contains("that the password command prints is empty"), "{}", refused.err);
}

/// It may be a program that reads all that it is given, as ssh does.
#[test]
fn a_command_that_prints_a_password_leaves_what_is_backed_up_alone() {
    let world = World::with_repository();
    let prints = format!("cat >/dev/null; printf '{}'", crate::run::PASSWORD);
    fed(&world, &["backup", "--password-command", &prints, "--stdin"], b"all of it").succeeded();
    assert_eq!(restored(&world, "whole"), [("stdin".to_owned(), b"all of it".to_vec())]);
}

/// As under `nohup`.
#[test]
fn signals_that_were_ignored_from_the_start_end_nothing() {
    let world = World::with_repository();
    let holdall = env!("CARGO_BIN_EXE_holdall");
    // Who takes a signal ends the command, however long it still has to go.
    for (ignored, code, seconds) in [("HUP INT", 0, 0.2), ("HUP", 130, 60.0), ("INT", 129, 60.0)] {
        let kills = format!("stream=kill -s HUP $PPID; kill -s INT $PPID; sleep {seconds}; echo all");
        let shell = format!("trap '' {ignored}; exec {holdall} backup --command '{kills}'");
        // The tests themselves may run under `nohup`, and a shell can't take that back.
        let mut run = std::process::Command::new("/usr/bin/env");
        run.args(["--default-signal=HUP,INT", "/bin/sh", "-c", &shell]).current_dir(world.path("")).env_clear();
        run.envs(world.command().get_envs().filter_map(|(name, value)| Some((name, value?))));
        let finished = crate::run::Finished::of(&run.output().expect("sh runs"));
        assert_eq!(finished.code, Some(code), "{ignored}: {}", finished.err);
    }
}

/// What was piped in was once left out without a word.
#[test]
fn a_name_for_standard_input_that_is_not_stored_is_refused() {
    let world = World::with_repository();
    world.file("tree/a", b"alpha");
    let refused = world.run(["backup", "--stdin-filename", "shop.sql", "tree"]).ended(2);
    assert!(refused.err.contains("--stdin"), "{}", refused.err);
}

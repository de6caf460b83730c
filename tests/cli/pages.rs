//! What shells and `man` are told.

use crate::run::World;
use std::path::Path;
use std::process::Command;

/// Whether a program that can tell finds nothing wrong with a file; none where there is no such program.
fn is_accepted(program: &str, arguments: &[&str], file: &Path) -> Option<bool> {
    let finished = Command::new(program).args(arguments).arg(file).output().ok()?;
    Some(finished.status.success() && finished.stderr.is_empty())
}

#[test]
fn every_shell_is_told_of_every_command_in_its_own_tongue() {
    let world = World::new();
    for (shell, arguments) in [("bash", &["-n"][..]), ("zsh", &["-n"]), ("fish", &["--no-execute"])] {
        let script = world.run(["completions", shell]).succeeded().out;
        for word in ["backup", "restore", "read-data-subset", "keep-daily"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
        world.file(shell, script.as_bytes());
        assert_ne!(is_accepted(shell, arguments, &world.path(shell)), Some(false), "{shell}");
    }
    world.run(["completions", "cobol"]).ended(2);
}

#[test]
fn bash_completes_a_command_and_an_option() {
    let world = World::new();
    world.file("script", world.run(["completions", "bash"]).succeeded().out.as_bytes());
    let complete = |words: &str, current: &str, previous: &str| {
        let line = format!(
            "source {}; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _holdall holdall '{current}' \
             '{previous}'; echo \"${{COMPREPLY[@]}}\"",
            world.path("script").display()
        );
        let finished = Command::new("bash").args(["-c", &line]).output().expect("bash runs");
        String::from_utf8(finished.stdout).expect("text").trim().to_owned()
    };
    assert_eq!(complete("holdall snap", "snap", "holdall"), "snapshots");
    assert_eq!(complete("holdall check --read-data-s", "--read-data-s", "check"), "--read-data-subset");
}

#[test]
fn every_command_has_a_manual_page() {
    let world = World::new();
    let page = world.run(["man"]).succeeded().out;
    assert!(page.contains(".TH holdall 1") && page.contains("holdall\\-backup(1)"), "{page}");
    let folder = world.path("pages");
    world.run(["man", "--into", "pages"]).succeeded();
    for name in ["holdall.1", "holdall-restore.1", "holdall-key-add.1", "holdall-sessions-abort.1"] {
        assert!(folder.join(name).is_file(), "{name}");
    }
    let backup = std::fs::read_to_string(folder.join("holdall-backup.1")).expect("it is there");
    assert!(backup.contains("exclude\\-if\\-present"), "{backup}");
    assert!(backup.contains("\"holdall 0") && !folder.join("holdall-help.1").exists(), "{backup}");
    // mandoc knows the language better than this test.
    assert_ne!(is_accepted("mandoc", &["-T", "lint", "-W", "error"], &folder.join("holdall-backup.1")), Some(false));
}

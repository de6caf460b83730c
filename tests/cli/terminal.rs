//! Terminals and signals.

use crate::profiles::{self, BACKUP};
use crate::run::{PASSWORD, World};
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Runs the program on a terminal of its own, answers each question once it is asked, and returns what the terminal showed.
fn on_a_terminal(world: &World, arguments: &str, answers: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = world.command();
    let line = format!("timeout --foreground -k 20 60 {} {arguments}", env!("CARGO_BIN_EXE_holdall"));
    let mut script = Command::new("script");
    script.args(["-q", "-e", "-c", &line, "/dev/null"]).env_clear();
    script.envs(command.env_remove("HOLDALL_PASSWORD").get_envs().filter_map(|(name, value)| Some((name, value?))));
    script.current_dir(world.path("")).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = script.spawn().expect("script is part of every Debian");
    let mut typist = child.stdin.take().expect("its input");
    let mut screen = child.stdout.take().expect("its output");
    let mut shown = Vec::new();
    for (question, answer) in answers {
        let mut asked = Vec::new();
        while !String::from_utf8_lossy(&asked).contains(question) {
            let mut byte = [0];
            assert_eq!(screen.read(&mut byte).expect("a screen"), 1, "{question}: {}", String::from_utf8_lossy(&asked));
            asked.extend(byte);
        }
        shown.extend(asked);
        typist.write_all(format!("{answer}\n").as_bytes()).expect("the terminal listens");
    }
    screen.read_to_end(&mut shown).expect("a screen");
    let code = child.wait().expect("it ends").code();
    drop(typist);
    (code, String::from_utf8_lossy(&shown).into_owned())
}

#[test]
fn a_password_is_asked_for_twice_and_never_shown() {
    let world = World::new();
    let init = "init --kdf-memory 64K --kdf-passes 1";
    let (code, shown) = on_a_terminal(&world, init, &[("new password: ", PASSWORD), ("the same again: ", PASSWORD)]);
    assert_eq!(code, Some(0), "{shown}");
    assert!(!shown.contains(PASSWORD), "{shown}");
    world.run(["snapshots"]).succeeded();
    let (code, shown) = on_a_terminal(&world, "snapshots", &[("password of the repository: ", PASSWORD)]);
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("0 snapshots") && !shown.contains(PASSWORD), "{shown}");
}

#[test]
fn two_different_passwords_make_no_repository() {
    let world = World::new();
    let (code, shown) = on_a_terminal(&world, "init", &[("new password: ", "one"), ("the same again: ", "other")]);
    assert_eq!(code, Some(2), "{shown}");
    assert!(!world.path("repository").exists());
}

/// They once were in the background of the terminal, and whoever asked there was stopped, and the set kept, for good.
#[test]
fn what_a_run_starts_has_no_terminal_to_ask_at() {
    let world = profiles::world("");
    let asking = "password-command = 'read x < /dev/tty && echo \"$x\"'";
    profiles::profile(&world, &format!("store = \"repository\"\n{asking}"), BACKUP);
    let (code, shown) = on_a_terminal(&world, "run", &[]);
    assert_eq!(code, Some(1), "{shown}");
    assert!(shown.contains("the password command failed: "), "{shown}");
    assert!(shown.contains("; it has no terminal to ask at"), "{shown}");
    // Where nobody runs it as one of many, it may ask.
    let (code, shown) = on_a_terminal(&world, "-P r snapshots", &[("", PASSWORD)]);
    assert_eq!(code, Some(0), "{shown}");

    let asking = "[set.home.hooks]\nbefore = 'stty -echo < /dev/tty'\n";
    let known = "store = \"repository\"\npassword-file = \"password\"";
    profiles::profile(&world, known, &format!("{BACKUP}{asking}"));
    let (code, shown) = on_a_terminal(&world, "run", &[]);
    assert_eq!(code, Some(4), "{shown}");
    assert!(shown.contains("the hook before of home failed: it ended with exit status"), "{shown}");
}

#[test]
fn an_interrupted_backup_ends_soon_and_harms_nothing() {
    let world = World::with_repository();
    let block: Vec<u8> = (0..1u32 << 20).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    for number in 0..100u32 {
        let mut content = block.clone();
        content.extend_from_slice(&number.to_le_bytes());
        content.rotate_left(usize::try_from(number).expect("small") * 4099);
        world.file(format!("tree/{number}"), &content);
    }
    let mut child = world
        .command()
        .args(["backup", "tree"])
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    // Signals are caught from when the repository has been opened and a session begun.
    let deadline = Instant::now() + Duration::from_secs(60);
    while std::fs::read_dir(world.path("repository/sessions")).map_or(0, Iterator::count) == 0 {
        assert!(Instant::now() < deadline, "no session was opened");
        std::thread::sleep(Duration::from_millis(5));
    }
    let id = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw).expect("a process id");
    rustix::process::kill_process(id, rustix::process::Signal::INT).expect("the process is there");
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(130));
    assert!(world.run(["snapshots"]).succeeded().out.contains("0 snapshots"));
    world.run(["backup", "tree"]).succeeded();
    world.run(["check", "--read-data"]).succeeded();
}

//! Content that nobody has seen before, and runs that are watched while they go on.

use crate::run::{Finished, World};
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Random numbers and bytes that one seed decides.
pub(crate) struct Random {
    reader: blake3::OutputReader,
}

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self { reader: blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof() }
    }

    /// Below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let mut bytes = [0; 8];
        self.reader.fill(&mut bytes);
        u64::from_le_bytes(bytes) % bound.max(1)
    }

    /// Bytes that no compressor makes fewer of.
    pub(crate) fn noise(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.reader.fill(&mut bytes);
        bytes
    }

    /// Bytes that compress well and yet are new.
    pub(crate) fn text(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length);
        while bytes.len() < length {
            bytes.extend_from_slice(format!("{:x} went to the store. ", self.below(4096)).as_bytes());
        }
        bytes
    }
}

/// A number that the environment may name.
pub(crate) fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Whether the long forms were asked for.
pub(crate) fn long() -> bool {
    setting("HOLDALL_LONG", 0) > 0
}

/// Starts a command whose output is kept.
pub(crate) fn start(mut command: Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts")
}

/// Runs the program and ends the test if that takes longer than `seconds`: waiting is what must not happen.
#[track_caller]
pub(crate) fn run_within(world: &World, seconds: u64, arguments: &[&str]) -> Finished {
    let mut command = world.command();
    command.args(arguments);
    finish_within(start(command), seconds, arguments)
}

/// Ends the test unless a check found nothing damaged. It may tell of second copies and parity that are not there: whoever
/// was killed, or had no room, did not come to make them.
#[track_caller]
pub(crate) fn assert_sound(checked: &Finished) {
    let is_unprotected = |line: &str| {
        ["holdall: small objects without a second copy: ", "holdall: packs without parity: "]
            .iter()
            .any(|start| line.starts_with(start))
    };
    assert!(checked.code == Some(0) && checked.err.lines().all(is_unprotected), "{:?}: {}", checked.code, checked.err);
}

/// Waits for the end of a run, but no longer than `seconds`. The output must fit into a pipe.
#[track_caller]
pub(crate) fn finish_within(mut child: Child, seconds: u64, what: &[&str]) -> Finished {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    while child.try_wait().expect("it can be waited for").is_none() {
        if Instant::now() > deadline {
            child.kill().expect("it is ours");
            panic!("still running after {seconds} s: {what:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Finished::of(&child.wait_with_output().expect("its output"))
}

/// Waits until a backup has opened its session.
pub(crate) fn wait_for_session(world: &World) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while std::fs::read_dir(world.path("repository/sessions")).map_or(0, Iterator::count) == 0 {
        assert!(Instant::now() < deadline, "no session was opened");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// How many bytes the files below a folder have.
pub(crate) fn bytes_below(folder: &Path) -> u64 {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        // A temporary file may vanish between being listed and being looked at.
        let Ok(status) = entry.path().symlink_metadata() else { continue };
        bytes += if status.is_dir() { bytes_below(&entry.path()) } else { status.len() };
    }
    bytes
}

/// Whether this process is root's, and mounts and other users are to be had.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether an earlier run wrote down that it was done with a part of a trial.
pub(crate) fn done_before(part: &str) -> bool {
    let log = std::env::var_os("HOLDALL_TRIALS_LOG").and_then(|log| std::fs::read_to_string(log).ok());
    log.is_some_and(|text| text.lines().any(|line| line.starts_with(&format!("{part}:"))))
}

/// Writes down that a part of a trial is done, so that a long run can be interrupted and resumed.
pub(crate) fn write_down(part: &str, what: &str) {
    println!("{part}: {what}");
    let Some(log) = std::env::var_os("HOLDALL_TRIALS_LOG") else { return };
    let mut file = std::fs::File::options().append(true).create(true).open(log).expect("the log");
    writeln!(file, "{part}: {what}").expect("the log");
}

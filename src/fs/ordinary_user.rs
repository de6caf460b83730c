//! Runs a test as an ordinary user and in a process of its own, even when the tests run as root.

use std::io::{ErrorKind, Result};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Nobody in particular.
const USER: u32 = 65_534;
const DIRECTORY: &str = "HOLDALL_TEST_DIRECTORY";

/// Calls `body` with a fresh directory, in a process that runs this test alone as an ordinary user. `test` is the full
/// name of the calling test, without the crate.
pub(crate) fn as_ordinary_user(test: &str, body: impl FnOnce(&Path)) {
    run(test, body, |command| {
        if rustix::process::geteuid().is_root() {
            command.uid(USER).gid(USER);
        }
    });
}

/// Calls `body` with a fresh directory, in a process that runs this test alone.
pub(crate) fn alone(test: &str, body: impl FnOnce(&Path)) {
    run(test, body, |_| {});
}

fn run(test: &str, body: impl FnOnce(&Path), prepare: impl Fn(&mut Command)) {
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        return body(&PathBuf::from(directory));
    }
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
    if rustix::process::geteuid().is_root() {
        chown(directory.path(), Some(USER), Some(USER)).unwrap();
    }
    let started = |program: &Path| {
        let mut command = Command::new(program);
        command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(DIRECTORY, directory.path());
        prepare(&mut command);
        command.output()
    };
    let program = std::env::current_exe().unwrap();
    let output = match started(&program) {
        // The tests were built where other users may not look.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => started_elsewhere(&program, started),
        output => output,
    };
    let output = output.unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

fn started_elsewhere(program: &Path, started: impl Fn(&Path) -> Result<Output>) -> Result<Output> {
    let place = tempfile::tempdir()?;
    std::fs::set_permissions(place.path(), PermissionsExt::from_mode(0o755))?;
    let seen = place.path().join("tests");
    std::fs::hard_link(program, &seen).or_else(|_| std::fs::copy(program, &seen).map(drop))?;
    loop {
        match started(&seen) {
            // Another test started a program while the copy was written, and that has not begun yet.
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => std::thread::yield_now(),
            output => return output,
        }
    }
}

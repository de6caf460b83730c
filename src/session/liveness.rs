//! Who is running: what a session says about its process, and whether that process is still there.

use crate::session_record::Liveness;
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

/// What this process says about itself. Fields that the system does not tell are zero, and zero never matches.
pub(super) fn own() -> Liveness {
    #[cfg(any(test, fuzzing))]
    if let Some(elsewhere) = testing::PRETENDED.get() {
        return elsewhere;
    }
    let pid = std::process::id();
    Liveness {
        boot_id: boot_id(),
        pid_namespace: pid_namespace(),
        pid,
        process_start_ticks: start_ticks(pid).unwrap_or(0),
    }
}

/// What can be told of a process from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whereabouts {
    /// It runs on this boot, in this pid namespace.
    Here,
    /// It ran here, and its pid is free or was given to a process that started at another time.
    Gone,
    /// It runs or ran elsewhere: nothing can be told.
    Elsewhere,
}

/// Looks for a process.
pub(super) fn whereabouts(process: &Liveness) -> Whereabouts {
    let here = own();
    let comparable = process.boot_id == here.boot_id
        && process.boot_id != [0; 16]
        && process.pid_namespace == here.pid_namespace
        && process.pid_namespace != 0;
    match start_ticks(process.pid) {
        _ if !comparable || process.process_start_ticks == 0 => Whereabouts::Elsewhere,
        Some(ticks) if ticks == process.process_start_ticks => Whereabouts::Here,
        Some(_) => Whereabouts::Gone,
        None if is_free(process.pid) => Whereabouts::Gone,
        // Processes of others may be hidden (proc's hidepid), or nothing can be opened right now.
        None => Whereabouts::Elsewhere,
    }
}

/// Whether no process has this pid.
fn is_free(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| test_kill_process(pid) == Err(Errno::SRCH))
}

/// Whether a process is known to be gone. One elsewhere never is.
pub(super) fn is_gone(process: &Liveness) -> bool {
    whereabouts(process) == Whereabouts::Gone
}

fn boot_id() -> [u8; 16] {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    crate::id::parse_hex(&text.trim().replace('-', "")).unwrap_or_default()
}

fn pid_namespace() -> u64 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self/ns/pid").map_or(0, |file| file.ino())
}

/// Field 22 of /proc/PID/stat. The name in field 2 may hold anything, so fields are counted from its last bracket.
fn start_ticks(pid: u32) -> Option<u64> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let text = String::from_utf8_lossy(&stat);
    text.rsplit_once(") ")?.1.split(' ').nth(19)?.parse().ok()
}

/// Lets the threads of a test pass for processes on machines of their own.
#[cfg(any(test, fuzzing))]
pub(crate) mod testing {
    use super::Liveness;
    use std::cell::Cell;

    thread_local! {
        pub(super) static PRETENDED: Cell<Option<Liveness>> = const { Cell::new(None) };
    }

    /// From now on this thread runs on machine `number`.
    pub(crate) fn move_to_machine(number: u8) {
        PRETENDED.set(Some(Liveness { boot_id: [number; 16], pid_namespace: 1, pid: 1, process_start_ticks: 1 }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_not_gone() {
        assert!(!is_gone(&own()));
    }

    #[test]
    fn a_process_that_ended_is_gone_and_a_reused_pid_is_told_apart() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        assert!(is_gone(&Liveness { pid, process_start_ticks: 1, ..own() }));
        assert!(is_gone(&Liveness { process_start_ticks: own().process_start_ticks + 1, ..own() }));
    }

    #[test]
    fn a_process_on_another_machine_is_never_known_to_be_gone() {
        assert!(!is_gone(&Liveness { boot_id: [7; 16], pid: u32::MAX, ..own() }));
        assert!(!is_gone(&Liveness { pid_namespace: 1, pid: u32::MAX, ..own() }));
    }
}

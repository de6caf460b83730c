//! Who is running: what a session says about its process, and whether that process is still there.

use crate::id::ClientId;
use crate::session_record::{Liveness, Session};
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
        process_start_ticks: look(pid).map_or(0, |found| found.start_ticks),
    }
}

/// What can be told of a process from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whereabouts {
    /// It runs on this boot, in this pid namespace.
    Here,
    /// It ran here, and is no more: its pid is free or another's, it ended and its parent has not asked how, or this machine
    /// was started anew.
    Gone,
    /// It runs or ran elsewhere: nothing can be told.
    Elsewhere,
}

/// Looks for the process that opened a session. `client` is the one that is kept on this machine, as far as that is known.
pub(super) fn whereabouts(session: &Session, client: Option<ClientId>) -> Whereabouts {
    let found = by_process(&session.body.liveness);
    let is_own = Some(session.body.id.client) == client && is_of_another_boot(session);
    if found == Whereabouts::Elsewhere && is_own { Whereabouts::Gone } else { found }
}

fn by_process(process: &Liveness) -> Whereabouts {
    let here = own();
    let comparable = process.boot_id == here.boot_id
        && process.boot_id != [0; 16]
        && process.pid_namespace == here.pid_namespace
        && process.pid_namespace != 0;
    match look(process.pid) {
        _ if !comparable || process.process_start_ticks == 0 => Whereabouts::Elsewhere,
        Some(found) if found.start_ticks == process.process_start_ticks && !found.has_ended => Whereabouts::Here,
        Some(_) => Whereabouts::Gone,
        None if is_free(process.pid) => Whereabouts::Gone,
        // Processes of others may be hidden (proc's hidepid), or nothing can be opened right now.
        None => Whereabouts::Elsewhere,
    }
}

/// Whether a machine of this one's name opened a session before it was started the last time. With the client that is kept
/// here that was this machine: without this what a power cut left open would stay open on one that is off every night. A
/// name that any machine may have says nothing: some share their users' folders, and so the client.
fn is_of_another_boot(session: &Session) -> bool {
    let (then, now) = (session.body.liveness.boot_id, own().boot_id);
    let is_another = then != now && ![then, now].contains(&[0; 16]);
    let name = rustix::system::uname().nodename().to_bytes().to_vec();
    let is_telling = !name.is_empty() && !name.starts_with(b"localhost");
    is_another && is_telling && session.description.as_open().is_some_and(|description| description.host.0 == name)
}

/// Whether no process has this pid.
fn is_free(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| test_kill_process(pid) == Err(Errno::SRCH))
}

fn boot_id() -> [u8; 16] {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    crate::id::parse_hex(&text.trim().replace('-', "")).unwrap_or_default()
}

fn pid_namespace() -> u64 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self/ns/pid").map_or(0, |file| file.ino())
}

/// What the system says about a process.
struct Process {
    start_ticks: u64,
    /// It stays in the list until its parent has asked how it ended.
    has_ended: bool,
}

/// Fields 3 and 22 of /proc/PID/stat. The name in field 2 may hold anything, so fields are counted from its last bracket.
fn look(pid: u32) -> Option<Process> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let text = String::from_utf8_lossy(&stat);
    let mut fields = text.rsplit_once(") ")?.1.split(' ');
    let has_ended = matches!(fields.next()?, "Z" | "X" | "x");
    Some(Process { start_ticks: fields.nth(18)?.parse().ok()?, has_ended })
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
    fn this_process_is_here() {
        assert_eq!(by_process(&own()), Whereabouts::Here);
    }

    #[test]
    fn a_process_that_ended_is_gone_and_a_reused_pid_is_told_apart() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        let later = own().process_start_ticks + 1;
        let ended =
            [Liveness { pid, process_start_ticks: 1, ..own() }, Liveness { process_start_ticks: later, ..own() }];
        ended.iter().for_each(|process| assert_eq!(by_process(process), Whereabouts::Gone));
    }

    #[test]
    fn a_process_that_ended_is_gone_also_while_its_parent_has_not_asked_how() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let start = look(child.id()).unwrap().start_ticks;
        let process = Liveness { pid: child.id(), process_start_ticks: start, ..own() };
        assert_eq!(by_process(&process), Whereabouts::Here);
        child.kill().unwrap();
        while by_process(&process) == Whereabouts::Here {
            std::thread::yield_now();
        }
        assert!(look(child.id()).unwrap().has_ended);
        assert_eq!(by_process(&process), Whereabouts::Gone);
        child.wait().unwrap();
    }

    #[test]
    fn a_process_on_another_machine_is_never_known_to_be_gone() {
        let far = [
            Liveness { boot_id: [7; 16], pid: u32::MAX, ..own() },
            Liveness { pid_namespace: 1, pid: u32::MAX, ..own() },
        ];
        far.iter().for_each(|process| assert_eq!(by_process(process), Whereabouts::Elsewhere));
    }
}

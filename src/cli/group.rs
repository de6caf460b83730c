//! A process with a process group of its own.

use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process_group};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

/// How long what was asked to end may take for it.
const GRACE: Duration = Duration::from_secs(10);
/// How often is looked whether it has ended.
pub(crate) const INTERVAL: Duration = Duration::from_millis(50);

/// A process that leads its group.
pub(crate) struct Group {
    leader: Child,
}

impl Group {
    /// Starts it. What a terminal sends to its foreground does not reach it.
    pub(crate) fn start(command: &mut Command) -> io::Result<Self> {
        command.process_group(0).spawn().map(|leader| Self { leader })
    }

    /// The leader, for its pipes.
    pub(crate) const fn leader(&mut self) -> &mut Child {
        &mut self.leader
    }

    /// Whether the leader has ended, and how.
    pub(crate) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.leader.try_wait()
    }

    /// Passes a signal on to the leader, which knows best what to do with those that it started.
    pub(crate) fn pass_on(&self, signal: i32) {
        if let (Some(pid), Some(signal)) = (self.pid(), Signal::from_named_raw(signal)) {
            // One that has ended needs none.
            let _ = kill_process(pid, signal);
        }
    }

    /// Ends the whole group, also what is left of it when its leader has ended: asks first, and kills what has not ended
    /// after a grace.
    pub(crate) fn end(&mut self) -> io::Result<()> {
        let began = Instant::now();
        self.signal_all(Signal::TERM);
        while self.ended()?.is_none() || self.has_members() {
            if began.elapsed() >= GRACE {
                self.signal_all(Signal::KILL);
                self.leader.wait()?;
                break;
            }
            std::thread::sleep(INTERVAL);
        }
        Ok(())
    }

    fn has_members(&self) -> bool {
        self.pid().is_some_and(|pid| test_kill_process_group(pid).is_ok())
    }

    fn signal_all(&self, signal: Signal) {
        if let Some(pid) = self.pid() {
            let _ = kill_process_group(pid, signal);
        }
    }

    fn pid(&self) -> Option<Pid> {
        Pid::from_raw(i32::try_from(self.leader.id()).ok()?)
    }
}

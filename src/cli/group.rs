//! A process with a session, and so a process group, of its own.

use rustix::process::{
    Pid, Signal, WaitOptions, kill_process, kill_process_group, setsid, test_kill_process_group, waitpgid,
};
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

/// How long what was asked to end may take for it.
const GRACE: Duration = Duration::from_secs(10);
/// How long is waited for the end of what was killed, which may be held up by a device.
const KILLED: Duration = Duration::from_secs(1);
/// How often is looked whether it has ended.
pub(crate) const INTERVAL: Duration = Duration::from_millis(50);

/// A process that leads its group. Whoever lets go of it before it has ended ends it: nobody would look after it any more.
pub(crate) struct Group {
    leader: Child,
}

impl Group {
    /// Starts it, without a terminal: what one sends to its foreground does not reach it, and what it would ask there fails.
    /// Of those who share a terminal, one in the background that asked would be stopped for good.
    #[expect(unsafe_code, reason = "nothing else starts a session; what runs between fork and exec is one system call")]
    pub(crate) fn start(command: &mut Command) -> io::Result<Self> {
        // SAFETY: it allocates nothing, takes no lock and touches no memory of the process that it was forked from.
        unsafe { command.pre_exec(|| Ok(setsid().map(drop)?)) };
        command.spawn().map(|leader| Self { leader })
    }

    /// Starts it, lets go of the ends of pipes that were given to it, so that they close with it, and waits for it.
    pub(crate) fn run<T>(mut command: Command, wait: impl FnOnce(&mut Self) -> io::Result<T>) -> io::Result<T> {
        let mut group = Self::start(&mut command)?;
        drop(command);
        wait(&mut group)
    }

    /// The leader, for its pipes.
    pub(crate) const fn leader(&mut self) -> &mut Child {
        &mut self.leader
    }

    /// Whether the leader has ended, and how. One that a signal ended can't look after what it started any more, so that is
    /// ended too.
    pub(crate) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        match self.leader.try_wait()? {
            Some(status) if status.signal().is_some() => self.end().map(Some),
            ended => Ok(ended),
        }
    }

    /// Passes a signal on to the leader, which knows best what to do with those that it started. Whoever was stopped goes on,
    /// or it would never take the signal.
    pub(crate) fn pass_on(&self, signal: i32) {
        if let (Some(pid), Some(signal)) = (self.pid(), Signal::from_named_raw(signal)) {
            // One that has ended needs none.
            let _ = kill_process(pid, signal);
            self.signal_all(Signal::CONT);
        }
    }

    /// Ends the whole group, also what is left of it when its leader has ended: asks first, and kills what has not ended
    /// after a grace. Returns how the leader ended.
    pub(crate) fn end(&mut self) -> io::Result<ExitStatus> {
        self.end_within(GRACE)
    }

    fn end_within(&mut self, grace: Duration) -> io::Result<ExitStatus> {
        self.signal_all(Signal::TERM);
        self.signal_all(Signal::CONT);
        if !self.is_gone_within(grace)? {
            self.signal_all(Signal::KILL);
            self.leader.wait()?;
            self.is_gone_within(KILLED)?;
        }
        self.leader.wait()
    }

    /// Waits until nobody is left, or the time is up.
    fn is_gone_within(&mut self, time: Duration) -> io::Result<bool> {
        let began = Instant::now();
        while self.leader.try_wait()?.is_none() || self.has_members() {
            if began.elapsed() >= time {
                return Ok(false);
            }
            std::thread::sleep(INTERVAL);
        }
        Ok(true)
    }

    /// Whether anybody is left beside the leader, which must have been waited for: else its status would be lost here. Those
    /// that have ended stay members until somebody takes note of it: who has no other parent any more falls to the first
    /// process of a container, which may be this one.
    fn has_members(&self) -> bool {
        self.pid().is_some_and(|pid| {
            while let Ok(Some(_)) = waitpgid(pid, WaitOptions::NOHANG) {}
            test_kill_process_group(pid).is_ok()
        })
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

impl Drop for Group {
    fn drop(&mut self) {
        if matches!(self.leader.try_wait(), Ok(None)) {
            let _ = self.end();
        }
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
pub(crate) mod tests {
    use super::*;
    use rustix::process::{getpid, set_child_subreaper};

    /// Has those fall to this process that have no other parent any more, as they do to the first one of a container.
    pub(crate) fn adopt_orphans() {
        set_child_subreaper(Some(getpid())).unwrap();
    }

    /// A group whose leader has ended after it ran a line of the shell.
    fn left_by(line: &str) -> Group {
        adopt_orphans();
        let mut group = Group::start(Command::new("/bin/sh").arg("-c").arg(line)).unwrap();
        while group.ended().unwrap().is_none() {
            std::thread::sleep(INTERVAL);
        }
        group
    }

    /// They were once waited for as long as those that don't end.
    #[test]
    fn orphans_that_have_ended_are_not_waited_for() {
        let mut group = left_by("sleep 1000 & exit 7");
        let began = Instant::now();
        group.end().unwrap();
        assert!(began.elapsed() < GRACE / 2, "{:?}", began.elapsed());
        assert_eq!(group.ended().unwrap().and_then(|status| status.code()), Some(7));
    }

    #[test]
    fn what_a_leader_started_that_a_signal_ended_is_ended_too() {
        let group = left_by("sleep 1000 & kill -KILL $$");
        assert!(test_kill_process_group(group.pid().unwrap()).is_err());
    }

    /// A step whose output could not be read once went on without anybody, while hooks ran as if it had failed.
    #[test]
    fn who_is_let_go_of_is_ended() {
        let group = Group::start(Command::new("/bin/sh").arg("-c").arg("sleep 1000 & sleep 1000")).unwrap();
        let pid = group.pid().unwrap();
        drop(group);
        assert!(test_kill_process_group(pid).is_err());
    }

    #[test]
    fn nobody_is_left_of_a_group_that_had_to_be_killed() {
        for _ in 0..10 {
            let mut group = left_by("trap '' TERM; for each in 1 2 3 4 5; do sleep 1000 & done");
            group.end_within(Duration::ZERO).unwrap();
            let pid = group.pid().unwrap();
            assert!(test_kill_process_group(pid).is_err());
        }
    }
}

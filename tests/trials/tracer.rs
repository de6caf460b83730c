//! Runs the program under `ptrace`, so that a trial decides on each of its calls to the system that touches a file: let it
//! be made, have it fail, make it shorter, or kill the program before it. `strace --inject` counts the calls of each thread
//! apart and tells only whole paths from one another; here all threads share one count, calls are made one at a time, and
//! where they go is known.

use crate::call::Call;
use crate::run::Finished;
use nix::libc::{self, user_regs_struct};
use nix::sys::ptrace::{self, Options};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is made.
    Make,
    /// It is not made, and this error is the answer.
    Fail(i32),
    /// It is made for half of its bytes.
    Shorten,
    /// The program is killed before it.
    Kill,
}

/// Decides on calls, and learns what came of them.
pub(crate) trait Watcher {
    /// Says what becomes of a call.
    fn before(&mut self, call: &Call) -> Verdict;

    /// A call that was made, and its answer: negative for an error.
    fn after(&mut self, _call: &Call, _answer: i64) {}
}

/// Whether programs can be traced here.
pub(crate) fn can_trace() -> bool {
    let mut child = Command::new("sh").args(["-c", "read go"]).stdin(Stdio::piped()).spawn().expect("a shell");
    let seized = ptrace::seize(pid_of(&child), Options::PTRACE_O_EXITKILL).is_ok();
    child.kill().expect("it is ours");
    child.wait().expect("it ends");
    seized
}

/// Runs a command under a watcher's eyes. It is killed, and the test ended, when that takes longer than `within`. Its output
/// goes through files in `folder`, so that it never waits for a reader.
#[track_caller]
pub(crate) fn run_watched(command: &Command, folder: &Path, within: Duration, watcher: &mut dyn Watcher) -> Finished {
    let outputs = [folder.join("stdout"), folder.join("stderr")];
    let [out, err] = outputs.each_ref().map(|path| std::fs::File::create(path).expect("a file"));
    // The shell waits until it is traced, then becomes the program.
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "read go; exec \"$0\" \"$@\""]).arg(command.get_program()).args(command.get_args());
    shell.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.current_dir(command.get_current_dir().unwrap_or(folder));
    let mut child = shell.stdin(Stdio::piped()).stdout(out).stderr(err).spawn().expect("a shell");
    let leader = pid_of(&child);
    let options = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_EXITKILL;
    ptrace::seize(leader, options).expect("it can be traced");
    ptrace::interrupt(leader).expect("it can be stopped");
    child.stdin.take().expect("a pipe").write_all(b"go\n").expect("it listens");
    let (ended, deadline) = std::sync::mpsc::channel::<()>();
    let watchdog = std::thread::spawn(move || {
        let late = deadline.recv_timeout(within) == Err(std::sync::mpsc::RecvTimeoutError::Timeout);
        if late {
            kill(leader);
        }
        late
    });
    let program = std::fs::canonicalize(command.get_program()).expect("the program is there");
    let code = Trace { leader, program: &program, watcher, begun: false }.run();
    drop(ended);
    let late = watchdog.join().expect("it does not panic");
    // Reaped above.
    let _ = child.wait();
    let [out, err] =
        outputs.map(|path| String::from_utf8_lossy(&std::fs::read(path).expect("its output")).into_owned());
    assert!(!late, "still running after {within:?}: {:?}\n{out}{err}", command.get_args().collect::<Vec<_>>());
    Finished { code, out, err }
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(child.id().try_into().expect("process ids are small"))
}

fn kill(process: Pid) {
    let process = rustix::process::Pid::from_raw(process.as_raw()).expect("no process has the number 0");
    // Gone already is as good.
    let _ = rustix::process::kill_process(process, rustix::process::Signal::KILL);
}

struct Trace<'a> {
    leader: Pid,
    program: &'a Path,
    watcher: &'a mut dyn Watcher,
    /// Whether the shell has become the program.
    begun: bool,
}

impl Trace<'_> {
    /// Until the program's end; its exit code unless a signal ended it.
    fn run(&mut self) -> Option<i32> {
        // Only children and tracees of this thread: other tests have theirs.
        let any = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
        loop {
            let status = waitpid(None, Some(any)).expect("the program has not ended");
            match status {
                WaitStatus::Exited(thread, code) if thread == self.leader => return Some(code),
                WaitStatus::Signaled(thread, ..) if thread == self.leader => return None,
                WaitStatus::PtraceSyscall(thread) => self.stopped_at_call(thread),
                WaitStatus::PtraceEvent(thread, _, libc::PTRACE_EVENT_EXEC) => self.executes(thread),
                WaitStatus::PtraceEvent(thread, ..) => go_on(thread),
                WaitStatus::Stopped(thread, signal) => {
                    let _ = ptrace::syscall(thread, signal);
                }
                // Threads that end, and what is not asked for.
                WaitStatus::Exited(..)
                | WaitStatus::Signaled(..)
                | WaitStatus::Continued(_)
                | WaitStatus::StillAlive => {}
            }
        }
    }

    /// The trace may begin while the shell is on its way to become the shell.
    fn executes(&mut self, thread: Pid) {
        let running = std::fs::read_link(format!("/proc/{thread}/exe"));
        self.begun |= running.is_ok_and(|running| running == self.program);
        go_on(thread);
    }

    fn stopped_at_call(&mut self, thread: Pid) {
        // The system knows which end of a call this is. Counting the stops goes wrong where a trace begins within a call.
        let enters = ptrace::syscall_info(thread).is_ok_and(|info| info.op == libc::PTRACE_SYSCALL_INFO_ENTRY);
        let call = ptrace::getregs(thread)
            .ok()
            .filter(|_| self.begun && enters)
            .and_then(|registers| Call::read(self.leader, &registers).map(|call| (call, registers)));
        match call {
            Some((call, registers)) => self.decide(thread, &call, registers),
            None => go_on(thread),
        }
    }

    /// Takes a thread through one call while every other one that wants to make such a call waits.
    fn decide(&mut self, thread: Pid, call: &Call, registers: user_regs_struct) {
        let verdict = self.watcher.before(call);
        match verdict {
            Verdict::Make => {}
            Verdict::Fail(_) => set(thread, user_regs_struct { orig_rax: u64::MAX, ..registers }),
            Verdict::Shorten => set(thread, user_regs_struct { rdx: registers.rdx.div_ceil(2), ..registers }),
            Verdict::Kill => return kill(self.leader),
        }
        go_on(thread);
        let Ok(WaitStatus::PtraceSyscall(_)) = waitpid(thread, Some(WaitPidFlag::__WALL)) else { return };
        let Ok(after) = ptrace::getregs(thread) else { return };
        match verdict {
            Verdict::Fail(errno) => {
                let answer = i64::from(errno).wrapping_neg();
                set(thread, user_regs_struct { rax: answer.cast_unsigned(), ..after });
            }
            // The system leaves the arguments as they were, and a compiler may rely on that.
            Verdict::Shorten => set(thread, user_regs_struct { rdx: registers.rdx, ..after }),
            Verdict::Make | Verdict::Kill => {}
        }
        if !matches!(verdict, Verdict::Fail(_)) {
            self.watcher.after(call, after.rax.cast_signed());
        }
        go_on(thread);
    }
}

/// Whoever was killed meanwhile goes nowhere; that is seen when it is waited for.
fn go_on(thread: Pid) {
    let _ = ptrace::syscall(thread, None);
}

fn set(thread: Pid, registers: user_regs_struct) {
    let _ = ptrace::setregs(thread, registers);
}

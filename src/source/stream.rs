//! What a command writes, or what can be read from an open file, as one stream of bytes.
//!
//! A thread of its own reads, so that whoever takes the bytes can stop at any time, whatever the other end does. The
//! command's standard input is empty, and what it says on standard error goes where this process's goes.
//!
//! Where there is no terminal, as under a timer, a command leads a process group of its own, which is ended as a whole.
//! Where there is one, it stays in the group of this process: a group of its own would be in the background, and what asks
//! there for a password would be stopped for it. Ctrl-C reaches all of it anyway.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process_group};

/// How much is read at once at most.
const PART_BYTES: usize = 128 << 10;
/// How many parts may wait to be taken.
const PARTS_WAITING_MAX: usize = 8;
/// How long nobody asks whether to stop.
const PATIENCE: Duration = Duration::from_millis(100);
/// How long a command that is no longer wanted has to end itself after it was asked to.
const GRACE: Duration = Duration::from_secs(2);

/// Where the command line may have the repository's password from. It is none of the business of what is backed up: the
/// command would hand it on to whatever it runs itself, and that to its logs.
const PASSWORD_VARIABLE: &str = "HOLDALL_PASSWORD";

/// Where a stream comes from.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum StreamInput {
    /// The standard output of a program with its arguments. It has failed unless its exit code is 0.
    Command(Vec<OsString>),
    /// A file, pipe or socket, from where it stands to its end.
    Open(Arc<File>),
}

/// Why a stream can't be taken to be whole.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The command did not start.
    #[error("can't start {program:?}")]
    Start {
        /// What should have been run.
        program: OsString,
        /// What the operating system said.
        source: io::Error,
    },
    /// The other end could not be read.
    #[error("can't read on")]
    Read {
        /// What the operating system said.
        source: io::Error,
    },
    /// The command itself says so.
    #[error("it failed: {0}")]
    Failed(ExitStatus),
    /// The caller asked to stop.
    #[error("stopped as asked")]
    Stopped,
}

/// A stream that is being read. A command that still runs when this is dropped is ended.
#[derive(Debug)]
pub struct SourceStream {
    parts: Receiver<io::Result<Vec<u8>>>,
    child: Option<Child>,
    /// Whether the child leads a process group.
    is_group: bool,
}

impl SourceStream {
    /// Starts the command, if it is one, and the reading.
    ///
    /// # Errors
    /// [`StreamError::Start`].
    pub fn start(input: &StreamInput) -> Result<Self, StreamError> {
        let (sender, parts) = bounded(PARTS_WAITING_MAX);
        let mut stream = Self { parts, child: None, is_group: !has_terminal() };
        let failed = |program: &OsString, source| StreamError::Start { program: program.clone(), source };
        match input {
            StreamInput::Open(file) => {
                let file = Arc::clone(file);
                read_ahead(move || read_all(&*file, &sender)).map_err(|source| StreamError::Read { source })?;
            }
            StreamInput::Command(words) => {
                let nothing = OsString::new();
                let (program, arguments) = words.split_first().unwrap_or((&nothing, &[]));
                let mut command = Command::new(program);
                command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).env_remove(PASSWORD_VARIABLE);
                if stream.is_group {
                    command.process_group(0);
                }
                let mut child = command.spawn().map_err(|source| failed(program, source))?;
                let output = child.stdout.take();
                stream.child = Some(child);
                if let Some(output) = output {
                    read_ahead(move || read_all(output, &sender)).map_err(|source| failed(program, source))?;
                }
            }
        }
        Ok(stream)
    }

    /// Hands over all that comes until the end, and waits for the command to end: one that closes its output and goes on
    /// is not done. `stopped` is asked several times a second.
    ///
    /// # Errors
    /// [`StreamError`], or what `take` returns.
    pub fn read<E: From<StreamError>>(
        &mut self,
        stopped: impl Fn() -> bool,
        mut take: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        loop {
            if stopped() {
                return Err(StreamError::Stopped.into());
            }
            match self.parts.recv_timeout(PATIENCE) {
                Ok(Ok(part)) => take(&part)?,
                Ok(Err(source)) => return Err(StreamError::Read { source }.into()),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        Ok(self.end(stopped)?)
    }

    fn end(&mut self, stopped: impl Fn() -> bool) -> Result<(), StreamError> {
        let Some(child) = &mut self.child else { return Ok(()) };
        let mut pause = Duration::from_millis(1);
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if stopped() => return Err(StreamError::Stopped),
                Ok(None) => std::thread::sleep(pause),
                Err(source) => return Err(StreamError::Read { source }),
            }
            pause = pause.saturating_mul(2).min(PATIENCE);
        };
        self.child = None;
        if status.success() { Ok(()) } else { Err(StreamError::Failed(status)) }
    }
}

impl Drop for SourceStream {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        // A pipe that nobody reads ends most commands; the others are asked, and then not asked any more.
        self.parts = crossbeam_channel::never();
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let send = |signal| match pid {
            Some(pid) if self.is_group => kill_process_group(pid, signal),
            Some(pid) => kill_process(pid, signal),
            None => Ok(()),
        };
        let _ = send(Signal::TERM);
        let is_group_gone = || !self.is_group || pid.is_none_or(|pid| test_kill_process_group(pid).is_err());
        let asked = Instant::now();
        while asked.elapsed() < GRACE {
            if !matches!(child.try_wait(), Ok(None)) && is_group_gone() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = send(Signal::KILL);
        // It may have left its group.
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Whether this process has a terminal that somebody might be asked on.
fn has_terminal() -> bool {
    File::open("/dev/tty").is_ok()
}

/// Reads in a thread that nobody waits for: it ends with its input, or when nobody takes its parts any more.
fn read_ahead(read: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name("stream".into()).spawn(read).map(drop)
}

fn read_all(mut input: impl Read, parts: &Sender<io::Result<Vec<u8>>>) {
    loop {
        let mut part = vec![0; PART_BYTES];
        match input.read(&mut part) {
            Ok(0) => return,
            Ok(count) => {
                part.truncate(count);
                if parts.send(Ok(part)).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                let _ = parts.send(Err(error));
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn shell(script: &str) -> StreamInput {
        StreamInput::Command(["sh", "-c", script].map(OsString::from).to_vec())
    }

    fn read(input: &StreamInput) -> Result<Vec<u8>, StreamError> {
        let mut bytes = Vec::new();
        SourceStream::start(input)?.read(
            || false,
            |part| {
                bytes.extend_from_slice(part);
                Ok::<_, StreamError>(())
            },
        )?;
        Ok(bytes)
    }

    #[test]
    fn what_a_command_writes_is_read_to_its_end() {
        assert_eq!(read(&shell("echo a; sleep 0.2; echo b; echo not this >&2")).unwrap(), b"a\nb\n");
        assert_eq!(read(&shell("exit 0")).unwrap(), b"", "a command may have nothing to say");
        assert_eq!(read(&shell("head -c 3000000 /dev/zero")).unwrap().len(), 3_000_000);
        assert_eq!(read(&shell("cat")).unwrap(), b"", "there is nothing for it to read");
    }

    #[test]
    fn a_command_that_fails_has_failed_however_much_it_wrote() {
        let how = |script: &str| read(&shell(script)).unwrap_err().to_string();
        assert_eq!(how("echo a; exit 3"), "it failed: exit status: 3");
        assert_eq!(how("kill -9 $$"), "it failed: signal: 9 (SIGKILL)");
        assert_eq!(how("exec >&-; sleep 0.3; exit 4"), "it failed: exit status: 4", "after its output was closed");
        let nowhere = read(&StreamInput::Command(vec!["/nowhere/at/all".into()])).unwrap_err();
        assert!(matches!(nowhere, StreamError::Start { .. }), "{nowhere}");
        assert!(matches!(read(&StreamInput::Command(Vec::new())), Err(StreamError::Start { .. })));
    }

    #[test]
    fn what_an_open_file_holds_is_read_from_where_it_stands() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let feeding = std::thread::spawn(move || writer.write_all(&[7; 500_000]).unwrap());
        let file = File::from(std::os::fd::OwnedFd::from(reader));
        assert_eq!(read(&StreamInput::Open(Arc::new(file))).unwrap(), vec![7; 500_000]);
        feeding.join().unwrap();
        let directory = File::open("/").unwrap();
        assert!(matches!(read(&StreamInput::Open(Arc::new(directory))), Err(StreamError::Read { .. })));
    }

    #[test]
    fn stopping_waits_for_no_command() {
        let place = tempfile::tempdir().unwrap();
        let left = place.path().join("left");
        let leaves =
            format!("trap '' TERM PIPE; sh -c 'echo $$ > {}; exec sleep 100' & trap - TERM PIPE; wait", left.display());
        let scripts = ["exec sleep 100", "trap '' TERM; exec >&-; exec sleep 100", "yes", &leaves];
        for script in scripts {
            let started = Instant::now();
            let mut stream = SourceStream::start(&shell(script)).unwrap();
            let soon = || started.elapsed() > Duration::from_millis(300);
            let stopped = stream.read(soon, |_| Ok::<_, StreamError>(())).unwrap_err();
            assert!(matches!(stopped, StreamError::Stopped), "{script}: {stopped}");
            drop(stream);
            assert!(started.elapsed() < Duration::from_secs(20), "{script}");
        }
        // A command may leave something behind, but not that of a test.
        let left = std::fs::read_to_string(left).unwrap_or_default();
        if let Some(left) = left.trim().parse().ok().and_then(rustix::process::Pid::from_raw) {
            rustix::process::kill_process(left, rustix::process::Signal::KILL).unwrap();
        }
    }

    #[test]
    fn a_command_ends_when_what_it_writes_is_no_longer_wanted() {
        let place = tempfile::tempdir().unwrap();
        let note = place.path().join("note");
        // A shell that meets the closed pipe before the signal would be killed by it, and say nothing.
        let script = format!(
            "trap 'echo ended > {}' EXIT; trap 'exit 1' TERM; trap '' PIPE; while :; do echo y || sleep 0.01; done 2>&-",
            note.display()
        );
        let mut stream = SourceStream::start(&shell(&script)).unwrap();
        let refused = stream.read(|| false, |_| Err::<(), _>(StreamError::Stopped));
        assert!(refused.is_err());
        drop(stream);
        assert_eq!(std::fs::read_to_string(note).unwrap(), "ended\n");
    }
}

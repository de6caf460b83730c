//! What is kept of the runs of sets on this machine: for each set a record, and a lock that keeps two runs apart.

use super::failure::Failure;
use super::render::json::moment;
use super::values::Moment;
use crate::profile::{Record, SetName};
use holdall::ErrorKind;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// How long a lock is tried for.
const LOCK_PATIENCE: Duration = Duration::from_millis(200);
const LOCK_INTERVAL: Duration = Duration::from_millis(10);

/// The records and locks of the sets of a profile.
#[derive(Debug, Clone)]
pub(crate) struct Runs {
    folder: PathBuf,
    /// Follows the names of the profile's sets, which other profiles may have too.
    suffix: String,
}

/// A set that nobody else runs while this is held, and while a step lives that was started with it.
pub(crate) struct Held {
    /// None where it could not be had.
    lock: Option<File>,
}

impl Runs {
    /// Those below a folder for state.
    pub(crate) fn below(state: PathBuf, suffix: String) -> Self {
        Self { folder: state.join("runs"), suffix }
    }

    /// What is remembered of a set.
    pub(crate) fn record(&self, set: &SetName) -> Result<Record, Failure> {
        let path = self.file(set, "json");
        match std::fs::read(&path) {
            Ok(text) => Ok(Record::parse(&text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Record::default()),
            Err(error) => Err(Failure::io(&path, "read", &error)),
        }
    }

    /// Puts a record in the place of what was remembered, durably. Only who holds the set may call this.
    pub(crate) fn remember(&self, set: &SetName, record: &Record) -> Result<(), Failure> {
        replace(&self.file(set, "json"), &record.to_text(), 0o600)
    }

    /// Takes a set; fails with the exit code of being busy if somebody has it.
    pub(crate) fn hold(&self, set: &SetName) -> Result<Held, Failure> {
        let path = self.file(set, "lock");
        let failed = |error: &io::Error| Failure::io(&path, "lock", error);
        std::fs::create_dir_all(&self.folder).map_err(|error| Failure::io(&self.folder, "make", &error))?;
        let mut options = OpenOptions::new();
        let lock = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        // One that is there locks as well on a file system that is mounted read-only.
        let lock = lock.or_else(|error| File::open(&path).map_err(|_| error));
        let mut lock = lock.map_err(|error| failed(&error))?;
        match locked(&lock) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let holder = std::fs::read_to_string(&path).unwrap_or_default();
                let holder = holder.lines().next().unwrap_or_default();
                let message = format!("the set {set} is being run already: {holder}");
                return Err(Failure::from(holdall::Error::new(ErrorKind::Busy, message)));
            }
            Err(errno) => return Err(failed(&errno.into())),
        }
        let holder = format!("process {} since {}\n", std::process::id(), moment(Moment::now().time_ns));
        // The lock keeps others away whether it says by whom it is held or not.
        let _ = lock.set_len(0).and_then(|()| lock.write_all(holder.as_bytes()));
        Ok(Held { lock: Some(lock) })
    }

    /// Whether somebody has a set.
    pub(crate) fn is_held(&self, set: &SetName) -> bool {
        let lock = File::open(self.file(set, "lock"));
        lock.is_ok_and(|lock| flock(lock, FlockOperation::NonBlockingLockShared) == Err(Errno::WOULDBLOCK))
    }

    fn file(&self, set: &SetName, kind: &str) -> PathBuf {
        self.folder.join(format!("{set}{}.{kind}", self.suffix))
    }
}

impl Held {
    /// A set whose lock can't be had. It is run all the same, since a backup is worth more than order among runs: two that
    /// overlap do some work twice, and no two commands on a repository ever harm each other.
    pub(crate) const fn without_lock() -> Self {
        Self { lock: None }
    }

    /// The standard input of a process that holds the set too: if this one is killed, the other one's work goes on, and
    /// nobody else may begin beside it. It reads as empty. What that process starts gets another one, so that a daemon that
    /// a command leaves behind holds nothing.
    pub(crate) fn input(&self) -> io::Result<Stdio> {
        self.lock.as_ref().map_or_else(|| Ok(Stdio::null()), |lock| lock.try_clone().map(Stdio::from))
    }
}

/// Locks a file. Who only asks whether somebody has it holds it for a moment, and nobody is busy for that.
fn locked(lock: &File) -> Result<(), Errno> {
    let began = Instant::now();
    loop {
        let answer = flock(lock, FlockOperation::NonBlockingLockExclusive);
        if answer != Err(Errno::WOULDBLOCK) || began.elapsed() >= LOCK_PATIENCE {
            return answer;
        }
        std::thread::sleep(LOCK_INTERVAL);
    }
}

/// Writes a file in the place of what was there, so that whoever reads it finds the one or the other, also after a
/// crash.
pub(crate) fn replace(path: &std::path::Path, content: &[u8], mode: u32) -> Result<(), Failure> {
    let failed = |error: &io::Error| Failure::io(path, "write", error);
    let folder = path.parent().unwrap_or(std::path::Path::new("/"));
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    let draft = PathBuf::from(draft);
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&draft)?;
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(&draft, path)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(|error| failed(&error))
}

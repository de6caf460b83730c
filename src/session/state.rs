//! What a client keeps of itself between runs: its id, and the last outcome it knows to be acknowledged.
//!
//! The file lies in the user's state directory. A lost one is replaced by a new client id; a store that lacks what
//! the file remembers was rolled back.

use crate::access::Access;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{ClientId, ObjectHash, SessionId};
use crate::outcome::SeenEntry;
use crate::session::kept::{Unbelieved, read_kept, write_kept};
use crate::wire::List;
use rustix::fs::{FlockOperation, Mode, OFlags};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const FILE: &str = "client";
const FILE_BYTES_MAX: u64 = 16 << 20;
/// How long another process of this client may take over an update. One that was stopped in the middle of it must not
/// hold up a backup. Going on without the lock may put an older state, or another new client's, in the place of a newer
/// one: the next outcome then tells again what an earlier one told, or begins a new chain, and no data is lost.
const LOCK_PATIENCE: Duration = Duration::from_millis(20);
const LOCK_ATTEMPT_INTERVAL: Duration = Duration::from_millis(1);

/// What one client remembers.
#[derive(Debug, Clone, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct ClientState {
    /// The client's id.
    pub client: ClientId,
    /// The client's last acknowledged number; 0 before the first.
    pub number: u64,
    /// The hash of that number's outcome.
    pub outcome: ObjectHash,
    /// What had been seen of all clients by then.
    pub seen: List<SeenEntry>,
}

/// The state file, held for the moment of an update unless somebody else holds it for long.
struct Guard {
    _lock: Option<OwnedFd>,
    directory: PathBuf,
}

impl ClientState {
    fn new() -> Self {
        let client = ClientId::from_bytes(crate::seal::random());
        Self { client, number: 0, outcome: ObjectHash::from_bytes([0; 32]), seen: List::default() }
    }

    /// The session whose outcome is remembered, if any.
    pub fn last(&self) -> Option<SessionId> {
        (self.number > 0).then_some(SessionId { client: self.client, number: self.number })
    }

    /// All outcomes that are remembered, with their hashes: the client's last one, and the last seen of each client.
    pub(super) fn known(&self) -> impl Iterator<Item = (SessionId, ObjectHash)> {
        let own = self.last().map(|id| (id, self.outcome));
        let of = |seen: &SeenEntry| (SessionId { client: seen.client, number: seen.number }, seen.outcome);
        own.into_iter().chain(self.seen.0.iter().map(of))
    }
}

/// What this repository's client remembers on this machine; none where there is none, or none that can be believed, which
/// is said when the repository is opened.
pub(super) fn kept(directory: &Path) -> Option<ClientState> {
    read(directory).unwrap_or_default()
}

pub(super) fn read(directory: &Path) -> Result<Option<ClientState>, Unbelieved> {
    read_kept(directory, FILE, FILE_BYTES_MAX)
}

/// Reads the state of this repository's client on this machine; makes a new one when there is none, or none that can be
/// believed. With that one goes what would show that the store was rolled back, which this machine is
/// [`behind`](Access::behind) in then.
///
/// # Errors
/// When there is none and the state directory can't be written to.
pub fn load(access: &Access) -> Result<ClientState> {
    let (state, lost) = load_from(&access.state_dir)?;
    lost.iter().for_each(|lost| access.behind.note(lost.notice()));
    Ok(state)
}

fn load_from(directory: &Path) -> Result<(ClientState, Option<Unbelieved>)> {
    // A new file takes the old one's place in one step, so that reading needs no lock. Nor does it need a directory that
    // can be written to: a backup is worth more than the memory of it.
    if let Ok(Some(state)) = read(directory) {
        return Ok((state, None));
    }
    let guard = Guard::take(directory);
    match read(directory) {
        Ok(Some(state)) => Ok((state, None)),
        Ok(None) => {
            let state = ClientState::new();
            guard?.write(&state)?;
            Ok((state, None))
        }
        Err(lost) => {
            let state = ClientState::new();
            // What can't be read now may be read again. A new one that can't be kept serves this once.
            if matches!(lost, Unbelieved::Torn { .. }) {
                let _ = guard.and_then(|guard| guard.write(&state));
            }
            Ok((state, Some(lost)))
        }
    }
}

/// Remembers an acknowledged outcome. Of two processes the one with the higher number wins; what another client had seen
/// stays, and so does what can't be read now.
///
/// # Errors
/// When the state directory can't be written to, or what lies there can't be read.
pub(super) fn advance(directory: &Path, state: &ClientState) -> Result<()> {
    let guard = Guard::take(directory)?;
    let stays = match read(directory) {
        // Another client's: this run had one for itself, since that could not be read then, or somebody began a new one.
        Ok(Some(kept)) => kept.client != state.client || kept.number >= state.number,
        Ok(None) | Err(Unbelieved::Torn { .. }) => false,
        Err(lost @ Unbelieved::Unreadable { .. }) => {
            return Err(Error::new(ErrorKind::Io, "what this machine had seen can't be read and stays").because(lost));
        }
    };
    if stays { Ok(()) } else { guard.write(state) }
}

/// Starts over under a new client id, after the caller accepted that the store was rolled back.
///
/// # Errors
/// When the state directory can't be written to.
pub fn replace(directory: &Path) -> Result<ClientState> {
    let state = ClientState::new();
    Guard::take(directory)?.write(&state)?;
    Ok(state)
}

impl Guard {
    fn take(directory: &Path) -> Result<Self> {
        Ok(Self::lock(directory, Self::open(directory)?))
    }

    /// Opens the file that is locked, in a directory that can be written to; none where state is kept in memory.
    fn open(directory: &Path) -> Result<Option<OwnedFd>> {
        #[cfg(test)]
        if super::testing::memory::is_kept() {
            return Ok(None);
        }
        let refuse = |cause: std::io::Error| {
            let message = format!("the state directory {} can't be written to; name another one", directory.display());
            Error::new(ErrorKind::of_refused(&cause), message).because(cause)
        };
        let mut builder = std::fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.recursive(true).create(directory).map_err(refuse)?;
        let flags = OFlags::CREATE | OFlags::RDWR | OFlags::CLOEXEC;
        let lock = rustix::fs::open(directory.join("lock"), flags, Mode::RUSR | Mode::WUSR);
        lock.map(Some).map_err(|errno| refuse(errno.into()))
    }

    /// Waits a moment for whoever holds the lock.
    fn lock(directory: &Path, lock: Option<OwnedFd>) -> Self {
        let began = Instant::now();
        let is_taken = |lock: &OwnedFd| rustix::fs::flock(lock, FlockOperation::NonBlockingLockExclusive).is_err();
        while lock.as_ref().is_some_and(is_taken) && began.elapsed() < LOCK_PATIENCE {
            std::thread::sleep(LOCK_ATTEMPT_INTERVAL);
        }
        Self { _lock: lock, directory: directory.to_path_buf() }
    }

    fn write(&self, state: &ClientState) -> Result<()> {
        write_kept(&self.directory, FILE, state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_comes_back_and_never_goes_backwards() {
        let directory = tempfile::tempdir().unwrap();
        let first = load_from(directory.path()).unwrap().0;
        assert_eq!(load_from(directory.path()).unwrap().0, first);
        let ahead = ClientState { number: 5, ..first.clone() };
        advance(directory.path(), &ahead).unwrap();
        advance(directory.path(), &ClientState { number: 3, ..first.clone() }).unwrap();
        assert_eq!(load_from(directory.path()).unwrap().0, ahead);
        assert_ne!(replace(directory.path()).unwrap().client, first.client);
    }

    /// A prune that was stopped while it wrote its state once held up every backup of the same user.
    #[test]
    fn somebody_who_holds_the_lock_for_ever_holds_up_nobody() {
        let directory = tempfile::tempdir().unwrap();
        let held = Guard::take(directory.path()).unwrap();
        let began = Instant::now();
        let first = load_from(directory.path()).unwrap().0;
        let ahead = ClientState { number: 5, ..first };
        advance(directory.path(), &ahead).unwrap();
        assert_eq!(load_from(directory.path()).unwrap().0, ahead);
        assert!(began.elapsed() < Duration::from_secs(10));
        drop(held);
    }

    #[test]
    fn a_state_file_that_cannot_be_read_now_is_left_for_when_it_can() {
        let directory = tempfile::tempdir().unwrap();
        let first = load_from(directory.path()).unwrap().0;
        let (file, aside) = (directory.path().join(FILE), directory.path().join("aside"));
        std::fs::rename(&file, &aside).unwrap();
        std::os::unix::fs::symlink(FILE, &file).unwrap();
        let (instead, lost) = load_from(directory.path()).unwrap();
        assert!(instead.client != first.client && matches!(lost, Some(Unbelieved::Unreadable { .. })), "{lost:?}");
        advance(directory.path(), &instead).unwrap_err();
        assert!(file.is_symlink());
        std::fs::rename(&aside, &file).unwrap();
        advance(directory.path(), &ClientState { number: 9, ..instead }).unwrap();
        assert_eq!(load_from(directory.path()).unwrap().0, first);
    }

    #[test]
    fn a_torn_state_file_is_replaced_by_a_new_client() {
        let directory = tempfile::tempdir().unwrap();
        let first = load_from(directory.path()).unwrap().0;
        std::fs::write(directory.path().join(FILE), b"torn").unwrap();
        assert_ne!(load_from(directory.path()).unwrap().0.client, first.client);
    }
}

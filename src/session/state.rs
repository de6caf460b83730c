//! What a client keeps of itself between runs: its id, and the last outcome it knows to be acknowledged.
//!
//! The file lies in the user's state directory. A lost one is replaced by a new client id; a store that lacks what
//! the file remembers was rolled back.

use crate::error::{Error, ErrorKind, Result};
use crate::id::{ClientId, ObjectHash, SessionId};
use crate::outcome::SeenEntry;
use crate::wire::{self, List};
use rustix::fs::{FlockOperation, Mode, OFlags};
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

const FILE: &str = "client";
const FILE_BYTES_MAX: u64 = 16 << 20;

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

/// Exclusive access to the state file, held for the moment of an update only.
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
}

/// Reads the state of this repository's client on this machine; makes a new one when there is none or it can't be
/// read (that costs nothing but the chain's continuity).
///
/// # Errors
/// When the state directory can't be written to.
pub fn load(directory: &Path) -> Result<ClientState> {
    let guard = Guard::take(directory)?;
    if let Some(state) = guard.read() {
        return Ok(state);
    }
    let state = ClientState::new();
    guard.write(&state)?;
    Ok(state)
}

/// Remembers an acknowledged outcome. Of two processes the one with the higher number wins.
///
/// # Errors
/// When the state directory can't be written to.
pub(super) fn advance(directory: &Path, state: &ClientState) -> Result<()> {
    let guard = Guard::take(directory)?;
    let newer = guard.read().is_some_and(|kept| kept.client == state.client && kept.number >= state.number);
    if newer { Ok(()) } else { guard.write(state) }
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
        #[cfg(test)]
        if super::testing::memory::is_kept() {
            return Ok(Self { _lock: None, directory: directory.to_path_buf() });
        }
        let refuse = |cause: std::io::Error| {
            let message = format!("the state directory {} can't be written to; name another one", directory.display());
            Error::new(ErrorKind::Io, message).because(cause)
        };
        let mut builder = std::fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.recursive(true).create(directory).map_err(refuse)?;
        let flags = OFlags::CREATE | OFlags::RDWR | OFlags::CLOEXEC;
        let lock = rustix::fs::open(directory.join("lock"), flags, Mode::RUSR | Mode::WUSR)
            .map_err(|errno| refuse(errno.into()))?;
        rustix::fs::flock(&lock, FlockOperation::LockExclusive).map_err(|errno| refuse(errno.into()))?;
        Ok(Self { _lock: Some(lock), directory: directory.to_path_buf() })
    }

    fn read(&self) -> Option<ClientState> {
        read_kept(&self.directory, FILE, FILE_BYTES_MAX)
    }

    fn write(&self, state: &ClientState) -> Result<()> {
        write_kept(&self.directory, FILE, state)
    }
}

/// Reads a value that this client keeps in a file of its state directory; none when there is none that can be believed.
pub(crate) fn read_kept<T: bincode::Decode<()>>(directory: &Path, file: &str, bytes_max: u64) -> Option<T> {
    #[cfg(test)]
    if super::testing::memory::is_kept() {
        return super::testing::memory::read(file).and_then(|body| wire::decode(&body).ok());
    }
    let path = directory.join(file);
    if std::fs::metadata(&path).ok()?.len() > bytes_max {
        return None;
    }
    let bytes = std::fs::read(path).ok()?;
    let (body, checksum) = bytes.split_last_chunk::<32>()?;
    let sound = blake3::hash(body) == blake3::Hash::from_bytes(*checksum);
    sound.then(|| wire::decode(body).ok()).flatten()
}

/// Keeps a value in a file of the state directory, in the place of what was there, durably.
///
/// # Errors
/// When the state directory can't be written to.
pub(crate) fn write_kept<T: bincode::Encode>(directory: &Path, file: &str, value: &T) -> Result<()> {
    #[cfg(test)]
    if super::testing::memory::is_kept() {
        super::testing::memory::write(file, wire::encode(value));
        return Ok(());
    }
    let path = directory.join(file);
    let temporary = directory.join(format!("{file}.new"));
    let write = || -> std::io::Result<()> {
        let mut body = wire::encode(value);
        let checksum = blake3::hash(&body);
        body.extend_from_slice(checksum.as_bytes());
        let mut file = std::fs::File::create(&temporary)?;
        file.write_all(&body)?;
        file.sync_data()?;
        std::fs::rename(&temporary, &path)?;
        std::fs::File::open(directory)?.sync_all()
    };
    #[cfg(test)]
    let write = || super::testing::files::decided(&temporary, write);
    write().map_err(|cause| {
        Error::new(ErrorKind::Io, format!("the client's state {} can't be written", path.display())).because(cause)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_comes_back_and_never_goes_backwards() {
        let directory = tempfile::tempdir().unwrap();
        let first = load(directory.path()).unwrap();
        assert_eq!(load(directory.path()).unwrap(), first);
        let ahead = ClientState { number: 5, ..first.clone() };
        advance(directory.path(), &ahead).unwrap();
        advance(directory.path(), &ClientState { number: 3, ..first.clone() }).unwrap();
        assert_eq!(load(directory.path()).unwrap(), ahead);
        assert_ne!(replace(directory.path()).unwrap().client, first.client);
    }

    #[test]
    fn a_torn_state_file_is_replaced_by_a_new_client() {
        let directory = tempfile::tempdir().unwrap();
        let first = load(directory.path()).unwrap();
        std::fs::write(directory.path().join(FILE), b"torn").unwrap();
        assert_ne!(load(directory.path()).unwrap().client, first.client);
    }
}

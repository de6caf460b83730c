//! Small files that a client keeps for itself in its state directory, each replaced as a whole in one step.

use crate::error::{Error, ErrorKind, Result, chain};
use crate::fs::if_there;
use crate::wire;
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// How many processes may stand still while they write the same file; whoever comes after them is told so.
const DRAFTS_MAX: u32 = 64;

/// A file that is there, and of which nobody can tell what was kept in it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unbelieved {
    /// The system does not give it.
    #[error("{} can't be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is not what was written.
    #[error("{} is torn", path.display())]
    Torn {
        /// The file.
        path: PathBuf,
    },
}

impl Unbelieved {
    /// What a user should know where it held what was seen of a repository.
    pub(super) fn notice(&self) -> String {
        format!(
            "this machine no longer knows what it had seen of the repository, which may have been set back before now, and \
             begins anew: {}",
            chain(self)
        )
    }
}

/// Reads a value that this client keeps in a file of its state directory; none when there is no such file.
///
/// # Errors
/// [`Unbelieved`], which is not to be taken for a file that is not there unless nothing depends on what was in it.
pub(crate) fn read_kept<T>(directory: &Path, file: &str, bytes_max: u64) -> Result<Option<T>, Unbelieved>
where
    T: bincode::Decode<()>,
{
    let path = directory.join(file);
    #[cfg(test)]
    if super::testing::memory::is_kept() {
        let body = super::testing::memory::read(file);
        return body.map(|body| wire::decode(&body).map_err(|_| Unbelieved::Torn { path })).transpose();
    }
    let mut bytes = Vec::new();
    // Of one that is longer than any that was written the start is enough to tell that it is torn.
    match if_there(File::open(&path).and_then(|file| file.take(bytes_max).read_to_end(&mut bytes))) {
        Ok(Some(_)) => decode(&bytes).map(Some).ok_or(Unbelieved::Torn { path }),
        Ok(None) => Ok(None),
        Err(source) => Err(Unbelieved::Unreadable { path, source }),
    }
}

fn decode<T: bincode::Decode<()>>(bytes: &[u8]) -> Option<T> {
    let (body, checksum) = bytes.split_last_chunk::<32>()?;
    let sound = blake3::hash(body) == blake3::Hash::from_bytes(*checksum);
    sound.then(|| wire::decode(body).ok()).flatten()
}

/// Keeps a value in a file of the state directory, in the place of what was there, durably. Of several processes that
/// do so at the same time each one's value is there as a whole, and the last one's stays.
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
    let write = || -> io::Result<()> {
        let mut body = wire::encode(value);
        let checksum = blake3::hash(&body);
        body.extend_from_slice(checksum.as_bytes());
        let (mut draft, drafted) = draft(&path)?;
        draft.write_all(&body)?;
        draft.sync_data()?;
        std::fs::rename(&drafted, &path)?;
        File::open(directory)?.sync_all()
    };
    #[cfg(test)]
    let write = || super::testing::files::decided(&draft_name(&path, 0), write);
    write().map_err(|cause| {
        let message = format!("the client's state {} can't be written", path.display());
        Error::new(ErrorKind::of_refused(&cause), message).because(cause)
    })
}

/// Opens an empty file that is to take the place of `path`, under a name that no other process is writing to: two that
/// wrote to one file would tear it, and one of them may have been stopped in the middle of it.
fn draft(path: &Path) -> io::Result<(File, PathBuf)> {
    let mut number = 0;
    while number < DRAFTS_MAX {
        let name = draft_name(path, number);
        let file = File::options().write(true).create(true).truncate(false).open(&name)?;
        // A file system without locks has the first name only.
        if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK) {
            number += 1;
            continue;
        }
        // Whoever had it locked before may have put it in place meanwhile.
        if is_at(&file, &name)? {
            file.set_len(0)?;
            return Ok((file, name));
        }
    }
    Err(io::Error::other("too many processes stand still while they write it"))
}

fn draft_name(path: &Path, number: u32) -> PathBuf {
    path.with_extension(if number == 0 { "new".to_owned() } else { format!("new{number}") })
}

fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let open = file.metadata()?;
    match std::fs::symlink_metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (open.dev(), open.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_was_stopped_while_it_wrote_tears_nothing_when_it_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let (mut stopped, name) = draft(&path).unwrap();
        write_kept(directory.path(), "file", &7_u64).unwrap();
        write_kept(directory.path(), "file", &8_u64).unwrap();
        stopped.write_all(b"late").unwrap();
        assert_eq!(read_kept(directory.path(), "file", 100).unwrap(), Some(8_u64));
        assert!(is_at(&stopped, &name).unwrap(), "its own file is still there for it to put in place");
    }

    #[test]
    fn what_a_killed_process_left_is_written_over_and_leaves_no_file() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(draft_name(&directory.path().join("file"), 0), [1; 1000]).unwrap();
        write_kept(directory.path(), "file", &7_u64).unwrap();
        assert_eq!(read_kept(directory.path(), "file", 100).unwrap(), Some(7_u64));
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn many_threads_that_write_one_file_all_succeed_and_never_tear_it() {
        let directory = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for thread in 0..6_u64 {
                let directory = directory.path();
                scope.spawn(move || {
                    for turn in 0..100 {
                        write_kept(directory, "file", &(thread * 1000 + turn)).unwrap();
                        assert!(read_kept::<u64>(directory, "file", 100).unwrap().is_some());
                    }
                });
            }
        });
    }
}

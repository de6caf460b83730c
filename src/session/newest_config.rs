//! The newest configuration that this client saw. A store that shows an older one, or another of the same number, was
//! rolled back: whoever was revoked since would count again.

use crate::access::Access;
use crate::config::ConfigChain;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{ObjectHash, RepositoryId};
use crate::session::kept::{Unbelieved, read_kept, write_kept};
use crate::session::state;
use std::path::Path;

const FILE: &str = "configuration";
const FILE_BYTES_MAX: u64 = 1 << 10;

/// What the file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, bincode::Encode, bincode::Decode)]
struct Newest {
    repository: RepositoryId,
    number: u32,
    hash: ObjectHash,
}

impl Newest {
    fn of(chain: &ConfigChain) -> Self {
        Self { repository: chain.repository(), number: chain.latest().number, hash: chain.last_hash() }
    }

    fn read(directory: &Path, chain: &ConfigChain) -> Result<Option<Self>, Unbelieved> {
        let kept = read_kept::<Self>(directory, FILE, FILE_BYTES_MAX)?;
        Ok(kept.filter(|kept| kept.repository == chain.repository()))
    }

    /// Whether a chain has this configuration.
    fn is_in(&self, chain: &ConfigChain) -> bool {
        chain.hash_of(self.number) == Some(self.hash)
    }
}

/// Keeps in mind the newest configuration of a chain, unless a newer one is known: in the place of what can't be believed
/// too, which [`check_config`] tells of. A directory that is not there is not made.
///
/// # Errors
/// When the state directory can't be written to.
pub fn keep_config(directory: &Path, chain: &ConfigChain) -> Result<()> {
    let known = Newest::read(directory, chain).unwrap_or_default();
    let is_known = known.is_some_and(|known| known == Newest::of(chain) || !known.is_in(chain));
    if is_known { Ok(()) } else { write_kept(directory, FILE, &Newest::of(chain)) }
}

/// Keeps in mind the newest configuration of a chain whatever was known, after the caller accepted that the store was
/// rolled back.
///
/// # Errors
/// When the state directory can't be written to.
pub fn replace_config(directory: &Path, chain: &ConfigChain) -> Result<()> {
    write_kept(directory, FILE, &Newest::of(chain))
}

/// What of this client's own state can't be believed, of what it had seen of the repository.
pub fn lost_from_sight(access: &Access) -> Vec<String> {
    let lost = [state::read(&access.state_dir).err(), Newest::read(&access.state_dir, &access.chain).err()];
    lost.iter().flatten().map(Unbelieved::notice).collect()
}

/// Fails for a chain that lacks what this client saw. Where that can't be known, this machine is
/// [`behind`](Access::behind).
///
/// # Errors
/// [`ErrorKind::RolledBack`].
pub fn check_config(access: &Access) -> Result<()> {
    let chain = &access.chain;
    match Newest::read(&access.state_dir, chain) {
        Ok(Some(known)) if !known.is_in(chain) => {
            let number = known.number;
            let message = format!(
                "the store lacks configuration {number}, which this machine has seen there: it was rolled back to an earlier \
                 state, in which keys may count that were ended since"
            );
            Err(Error::new(ErrorKind::RolledBack, message))
        }
        Ok(_) => Ok(()),
        Err(lost) => {
            access.behind.note(lost.notice());
            Ok(())
        }
    }
}

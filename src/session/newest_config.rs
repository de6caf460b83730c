//! The newest configuration that this client saw. A store that shows an older one, or another of the same number, was
//! rolled back: whoever was revoked since would count again.

use crate::config::ConfigChain;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{ObjectHash, RepositoryId};
use crate::session::kept::{read_kept, write_kept};
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

    fn read(directory: &Path, chain: &ConfigChain) -> Option<Self> {
        read_kept::<Self>(directory, FILE, FILE_BYTES_MAX).filter(|kept| kept.repository == chain.repository())
    }

    /// Whether a chain has this configuration.
    fn is_in(&self, chain: &ConfigChain) -> bool {
        chain.hash_of(self.number) == Some(self.hash)
    }
}

/// Keeps in mind the newest configuration of a chain, unless a newer one is known. A directory that is not there is not
/// made.
///
/// # Errors
/// When the state directory can't be written to.
pub fn keep_config(directory: &Path, chain: &ConfigChain) -> Result<()> {
    let known = Newest::read(directory, chain);
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

/// Fails for a chain that lacks what this client saw.
///
/// # Errors
/// [`ErrorKind::RolledBack`].
pub fn check_config(directory: &Path, chain: &ConfigChain) -> Result<()> {
    match Newest::read(directory, chain) {
        Some(known) if !known.is_in(chain) => {
            let number = known.number;
            let message = format!(
                "the store lacks configuration {number}, which this machine has seen there: it was rolled back to an earlier \
                 state, in which keys may count that were ended since"
            );
            Err(Error::new(ErrorKind::RolledBack, message))
        }
        Some(_) | None => Ok(()),
    }
}

//! From what a user has to the key that opens a slot.

use super::KeyError;
use super::recovery::parse_recovery_key;
use crate::id::{parse_hex, write_hex};
use crate::seal::{ObjectKey, Secret};
use crate::threads;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use rayon::ThreadPool;
use rayon::prelude::*;
use std::num::NonZeroUsize;
use zeroize::{Zeroize, Zeroizing};

const MEMORY_KIB_MAX: u32 = 4 << 20;
const PASSES_MAX: u32 = 64;
const LANES_MAX: u32 = 16;
/// Argon2 works on at least eight blocks of 1 KiB a lane.
const MEMORY_KIB_PER_LANE_MIN: u32 = 8;

/// The cost of deriving a key from a password with Argon2id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KdfCost {
    pub(super) memory_kib: u32,
    pub(super) passes: u32,
    pub(super) lanes: u32,
}

impl KdfCost {
    /// 64 MiB, three passes and four lanes, the second of the costs that RFC 9106 (section 4) recommends: under 0.1 s
    /// of processor time on an AMD EPYC, which is what an attacker pays per guess. Lanes are worked on side by side.
    pub const DEFAULT: Self = Self { memory_kib: 64 << 10, passes: 3, lanes: Self::LANES };
    /// How many lanes new passwords get, whatever else they cost.
    pub const LANES: u32 = 4;
    /// The cheapest that a test can use.
    #[doc(hidden)]
    pub const CHEAP: Self = Self { memory_kib: 64, passes: 1, lanes: 1 };

    /// Checks a cost: 8 KiB a lane to 4 GiB, 1 to 64 passes, 1 to 16 lanes.
    ///
    /// # Errors
    /// [`KeyError::Cost`] when it is outside these bounds.
    pub fn parse(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, KeyError> {
        let holds = (1..=PASSES_MAX).contains(&passes)
            && (1..=LANES_MAX).contains(&lanes)
            && (lanes.saturating_mul(MEMORY_KIB_PER_LANE_MIN)..=MEMORY_KIB_MAX).contains(&memory_kib);
        if holds { Ok(Self { memory_kib, passes, lanes }) } else { Err(KeyError::Cost { memory_kib, passes, lanes }) }
    }
}

impl Default for KdfCost {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What opens a slot.
#[derive(Clone, Copy)]
pub enum Unlock<'a> {
    /// A password, as bytes.
    Password(&'a [u8]),
    /// The secret of a key file.
    KeyFile(&'a Secret),
    /// Nothing: whoever reads the store reads the backups.
    None,
}

/// What kind of secret opens a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnlockKind {
    /// A password.
    Password,
    /// A key file.
    KeyFile,
    /// Nothing.
    None,
}

impl std::fmt::Display for UnlockKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Password => "a password",
            Self::KeyFile => "a key file",
            Self::None => "nothing",
        })
    }
}

impl UnlockKind {
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Password => 1,
            Self::KeyFile => 2,
            Self::None => 3,
        }
    }

    pub(super) const fn parse(number: u8) -> Result<Self, KeyError> {
        match number {
            1 => Ok(Self::Password),
            2 => Ok(Self::KeyFile),
            3 => Ok(Self::None),
            other => Err(KeyError::Kind(other)),
        }
    }
}

impl Unlock<'_> {
    /// The kind of slot that this opens.
    pub const fn kind(&self) -> UnlockKind {
        match self {
            Self::Password(_) => UnlockKind::Password,
            Self::KeyFile(_) => UnlockKind::KeyFile,
            Self::None => UnlockKind::None,
        }
    }

    /// The slot's object key. `cost` counts for passwords alone; the memory it takes is erased and given back before
    /// this returns.
    pub(super) fn derive(&self, salt: &[u8; 32], cost: KdfCost) -> Result<ObjectKey, KeyError> {
        let key = match self {
            Self::Password([]) => return Err(KeyError::EmptyPassword),
            Self::Password(password) => argon2id(password, salt, cost)?,
            Self::KeyFile(secret) => secret.derive("holdall 1 key file", &[salt]),
            Self::None => Secret::from_bytes(blake3::derive_key("holdall 1 no password", salt)),
        };
        Ok(ObjectKey::new(key))
    }
}

fn argon2id(password: &[u8], salt: &[u8; 32], cost: KdfCost) -> Result<Secret, KeyError> {
    let KdfCost { memory_kib, passes, lanes } = cost;
    let out_of_range = |_| KeyError::Cost { memory_kib, passes, lanes };
    let params = Params::new(memory_kib, passes, lanes, Some(32)).map_err(out_of_range)?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut out = Zeroizing::new([0; 32]);
    // The memory is touched for the first time, and erased, by all threads: `snapshots` on a new repository takes 0.07 s
    // instead of 0.08. Large pages make it 0.06 where memory is free; where it is full of cached files, the system first
    // moves those out of the way, which has made it 0.18.
    for_lanes(lanes)?.install(|| {
        let mut blocks = Blocks::allocate(argon2.params().block_count()).ok_or(KeyError::Memory { memory_kib })?;
        let derived = argon2.hash_password_into_with_memory(password, salt, out.as_mut_slice(), &mut blocks.0);
        derived.map_err(|_| KeyError::Cost { memory_kib, passes, lanes })
    })?;
    Ok(Secret::from_bytes(*out))
}

/// Threads for as many lanes as there are cores. They end with the pool; that of the whole process would stay, and panics
/// where the system starts no threads.
fn for_lanes(lanes: u32) -> Result<ThreadPool, KeyError> {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let thread_count = usize::try_from(lanes).unwrap_or(usize::MAX).min(cores);
    threads::pool(thread_count).map_err(|_| KeyError::Threads)
}

/// The working memory of Argon2, erased when dropped: its last blocks give the key away.
struct Blocks(Vec<Block>);

impl Blocks {
    fn allocate(count: usize) -> Option<Self> {
        let mut blocks = Vec::new();
        blocks.try_reserve_exact(count).ok()?;
        rayon::iter::repeat_n(Block::default(), count).collect_into_vec(&mut blocks);
        Some(Self(blocks))
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        self.0.par_iter_mut().for_each(Zeroize::zeroize);
    }
}

const KEY_FILE_PREFIX: &str = "holdall-key-1 ";

/// The text of a key file.
///
/// # Panics
/// Never: writing to a string does not fail.
pub fn format_key_file(secret: &Secret) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(KEY_FILE_PREFIX.len().saturating_add(65)));
    text.push_str(KEY_FILE_PREFIX);
    write_hex(secret.expose(), &mut *text).expect("writing to a string does not fail");
    text.push('\n');
    text
}

/// Reads the text of a key file, whose last line end may be missing, or the words of a recovery key.
///
/// # Errors
/// [`KeyError::KeyFile`] when it is neither, [`KeyError::Recovery`] when it is words that are no recovery key.
pub fn parse_key_file(text: &[u8]) -> Result<Secret, KeyError> {
    let text = std::str::from_utf8(text).map_err(|_| KeyError::KeyFile)?;
    if let Some(digits) = text.strip_suffix('\n').unwrap_or(text).strip_prefix(KEY_FILE_PREFIX) {
        return parse_hex::<32>(digits).map(Secret::from_bytes).ok_or(KeyError::KeyFile);
    }
    let is_words = text.split_ascii_whitespace().nth(1).is_some()
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_whitespace());
    if is_words { parse_recovery_key(text) } else { Err(KeyError::KeyFile) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_lanes_that_threads_share_give_the_key_that_one_thread_gives() {
        for lanes in [1, KdfCost::LANES] {
            let cost = KdfCost { memory_kib: 8 << 10, passes: 1, lanes };
            let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32)).unwrap();
            let mut expected = [0; 32];
            Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                .hash_password_into(b"password", &[7; 32], &mut expected)
                .unwrap();
            assert_eq!(argon2id(b"password", &[7; 32], cost).unwrap().expose(), &expected);
        }
    }
}

//! The configuration: one signed, unsealed object per change, which together form a chain.
//!
//! Configuration 0 is trusted because every key slot holds its hash; configuration *n* is trusted because a key
//! that configuration *n - 1* lists with the role `all` signed it. Whoever may sign anything else in the
//! repository stands in the chain as well. Byte-exact in format-spec/02-config.md.

mod chain;
mod parse;
#[cfg(test)]
mod tests;

pub use chain::ConfigChain;
#[cfg(test)]
pub(crate) use parse::beginning_of;
pub use parse::{
    BEGINNING_BYTES, CONFIG_BODY_BYTES_MAX, CONFIG_BYTES_MAX, MAGIC, SignedConfig, VERSION, require_number,
};

use crate::id::{ObjectHash, RepositoryId, SignerKey};
use crate::seal::{RootPublic, SealError};
use crate::wire::{List, WireError};
use std::ops::RangeInclusive;

/// The most signers that a configuration lists.
pub const SIGNERS_COUNT_MAX: usize = 8192;
/// The most key epochs that a configuration lists.
pub const EPOCHS_COUNT_MAX: usize = 1024;
/// The most features that a configuration lists.
pub const FEATURES_COUNT_MAX: usize = 1024;
/// The `until` of a signer that has not been revoked.
pub const OPEN: u32 = u32::MAX;

/// What a key may do. The order is by power: each role may do what the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, bincode::Encode, bincode::Decode)]
pub enum Role {
    /// Writes backups and can't read them.
    Put,
    /// Also reads everything.
    Read,
    /// Also forgets, prunes and repairs.
    Prune,
    /// Also changes the configuration and the keys.
    All,
}

impl Role {
    /// Every role, by rising power.
    pub const EVERY: [Self; 4] = [Self::Put, Self::Read, Self::Prune, Self::All];
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Put => "put",
            Self::Read => "read",
            Self::Prune => "prune",
            Self::All => "all",
        })
    }
}

/// What a program is about to do with a repository whose features it may not all know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Read snapshots.
    Read,
    /// Open sessions and commit them.
    Write,
    /// Condemn and delete packs.
    Collect,
    /// Judge whether the repository is sound.
    Check,
}

impl Purpose {
    const fn bit(self) -> u8 {
        match self {
            Self::Read => 1,
            Self::Write => 2,
            Self::Collect => 4,
            Self::Check => 8,
        }
    }
}

impl std::fmt::Display for Purpose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Collect => "collect",
            Self::Check => "check",
        })
    }
}

/// How content is cut, framed and packed, and how trees are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct Parameters {
    /// Shortest chunk but the last of a piece. Fixed for the life of the repository, like the next three.
    pub chunk_bytes_min: u32,
    /// Mean length of a chunk; a power of two.
    pub chunk_bytes_avg: u32,
    /// Longest chunk.
    pub chunk_bytes_max: u32,
    /// FastCDC's normalisation level.
    pub normalization: u8,
    /// Raw bytes at which a frame is closed.
    pub frame_bytes_target: u32,
    /// Bytes at which a pack is closed.
    pub pack_bytes_target: u32,
    /// Mean count of entries in a manifest leaf.
    pub manifest_leaf_mean: u32,
    /// Mean count of entries in a stat leaf.
    pub stat_leaf_mean: u32,
    /// Mean count of children in an inner node of any tree.
    pub inner_mean: u32,
    /// Mean count of items in a leaf of an item tree.
    pub item_mean: u32,
    /// Longest content that lies in its manifest entry.
    pub inline_bytes_max: u32,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            chunk_bytes_min: 16 << 10,
            chunk_bytes_avg: 64 << 10,
            chunk_bytes_max: 256 << 10,
            normalization: 1,
            frame_bytes_target: 2 << 20,
            pack_bytes_target: 16 << 20,
            manifest_leaf_mean: 16,
            stat_leaf_mean: 16,
            inner_mean: 16,
            item_mean: 128,
            inline_bytes_max: 128,
        }
    }
}

/// The public halves of the roots of one key epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct EpochPublics {
    /// Number of the epoch, as it stands in packs and control objects.
    pub epoch: u32,
    /// Public half of the content root.
    pub content: RootPublic,
    /// Public half of the manifest root.
    pub manifest: RootPublic,
    /// Public half of the stat root.
    pub stat: RootPublic,
    /// Public half of the description root.
    pub description: RootPublic,
}

/// A key that may sign objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct Signer {
    /// The key.
    pub key: SignerKey,
    /// What it may sign.
    pub role: Role,
    /// First configuration under which it may.
    pub from: u32,
    /// First configuration under which it may no longer, or [`OPEN`].
    pub until: u32,
}

impl Signer {
    /// Whether the key may sign under configuration `number`.
    pub const fn is_valid_in(&self, number: u32) -> bool {
        self.from <= number && number < self.until
    }
}

/// Something that a program may have to know before it touches the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct Feature {
    /// Number in the registry of features; 0x8000 and above are for private use.
    pub id: u32,
    /// For what it must be known: 1 read, 2 write, 4 collect, 8 check.
    pub mandatory: u8,
}

/// Features that this program knows: new packs get parity, the number being the percent of it.
const KNOWN_FEATURES: [RangeInclusive<u32>; 1] = [1..=25];

fn is_known(feature: u32) -> bool {
    KNOWN_FEATURES.iter().any(|known| known.contains(&feature))
}

impl Feature {
    /// New packs get so much parity. Nobody has to know it: whoever does not writes packs without.
    pub const fn parity(percent: u8) -> Self {
        Self { id: u32::from_le_bytes([percent, 0, 0, 0]), mandatory: 0 }
    }

    /// Whether this program knows it.
    pub fn is_known(&self) -> bool {
        is_known(self.id)
    }
}

/// One configuration.
#[derive(Debug, Clone, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct Config {
    /// Its number in the chain.
    pub number: u32,
    /// The repository.
    pub repository: RepositoryId,
    /// Hash of configuration `number - 1`; zeros in configuration 0.
    pub previous: ObjectHash,
    /// When it was made, in nanoseconds since the epoch. Nothing is decided by it.
    pub created_at_ns: i64,
    /// How to cut.
    pub parameters: Parameters,
    /// Key epochs, oldest first; new objects use the last.
    pub epochs: List<EpochPublics>,
    /// Every key that may or might sign, sorted by key.
    pub signers: List<Signer>,
    /// Features in use, sorted by number.
    pub features: List<Feature>,
}

impl Config {
    /// The first configuration of a repository.
    pub fn first(
        repository: RepositoryId,
        created_at_ns: i64,
        parameters: Parameters,
        epoch: EpochPublics,
        signer: SignerKey,
    ) -> Self {
        Self {
            number: 0,
            repository,
            previous: ObjectHash::from_bytes([0; 32]),
            created_at_ns,
            parameters,
            epochs: List(vec![epoch]),
            signers: List(vec![Signer { key: signer, role: Role::All, from: 0, until: OPEN }]),
            features: List::default(),
        }
    }

    /// How much parity new packs get, in percent, and small objects a second copy with it; none where it asks for none.
    /// Of several features that say so, the highest counts.
    pub fn parity_percent(&self) -> Option<u8> {
        let [parity] = KNOWN_FEATURES;
        let asked = self.features.0.iter().rev().find(|feature| parity.contains(&feature.id))?;
        u8::try_from(asked.id).ok()
    }

    /// What `key` may do under this configuration; `None` when it may do nothing.
    pub fn role_of(&self, key: &SignerKey) -> Option<Role> {
        let at = self.signers.0.binary_search_by(|signer| signer.key.cmp(key)).ok()?;
        self.signers.0.get(at).filter(|signer| signer.is_valid_in(self.number)).map(|signer| signer.role)
    }

    /// Lists a new key, valid from this configuration on.
    ///
    /// # Errors
    /// [`ConfigError::SignerListed`] when the key was ever listed before: a key that was revoked stays revoked.
    pub fn enlist(&mut self, key: SignerKey, role: Role) -> Result<(), ConfigError> {
        match self.signers.0.binary_search_by(|signer| signer.key.cmp(&key)) {
            Ok(_) => Err(ConfigError::SignerListed(key)),
            Err(at) => {
                self.signers.0.insert(at, Signer { key, role, from: self.number, until: OPEN });
                Ok(())
            }
        }
    }

    /// Revokes a key from this configuration on.
    ///
    /// # Errors
    /// [`ConfigError::SignerUnknown`] when the key is not valid now.
    pub fn revoke(&mut self, key: &SignerKey) -> Result<(), ConfigError> {
        let number = self.number;
        let signer = self.signers.0.iter_mut().find(|signer| signer.key == *key && signer.until == OPEN);
        signer.map(|signer| signer.until = number).ok_or(ConfigError::SignerUnknown { signer: *key, number })
    }

    /// Whether a program that knows the features of this version may go on.
    ///
    /// # Errors
    /// [`ConfigError::UnknownFeature`] names the first feature that it would have to know.
    pub fn allows(&self, purpose: Purpose) -> Result<(), ConfigError> {
        let unknown =
            self.features.0.iter().find(|feature| feature.mandatory & purpose.bit() != 0 && !is_known(feature.id));
        unknown.map_or(Ok(()), |feature| Err(ConfigError::UnknownFeature { id: feature.id, purpose }))
    }
}

/// Why a configuration, or a chain of them, was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Shorter than its fixed parts, longer than the cap, or not as long as it says.
    #[error("a configuration of {found} bytes where {expected} were expected")]
    Length {
        /// How long it is.
        found: usize,
        /// How long it says it is, or the bound that it breaks.
        expected: usize,
    },
    /// Not a configuration.
    #[error("not a configuration: wrong magic")]
    Magic,
    /// Its last 32 bytes are not the hash of those before.
    #[error("a damaged configuration: its checksum does not match")]
    Checksum,
    /// Written by a newer program.
    #[error("configuration version {0} is not known")]
    Version(u16),
    /// Reserved bytes are not zero.
    #[error("reserved bytes of a configuration are not zero")]
    Reserved,
    /// The signer did not sign these bytes.
    #[error("signature of a configuration: {0}")]
    Signature(#[source] SealError),
    /// The body does not decode.
    #[error("body of a configuration: {0}")]
    Body(#[from] WireError),
    /// A field of the body is outside its range.
    #[error("configuration {number}: {what} is out of range")]
    Range {
        /// Which configuration.
        number: u32,
        /// Which field.
        what: &'static str,
    },
    /// Nobody could ever sign the next configuration.
    #[error("configuration {0} lists no key that may sign the next one")]
    NoAllSigner(u32),
    /// The object does not hold the configuration that its name promises.
    #[error("configuration {found} lies under the name of configuration {expected}")]
    Misplaced {
        /// The number in the name.
        expected: u32,
        /// The number in the body.
        found: u32,
    },
    /// A number is missing from the chain, or stands in it twice.
    #[error(
        "configuration {0} is missing or listed twice; `holdall scrub --repair` creates a missing one anew from its second \
         copy"
    )]
    Gap(u32),
    /// Configuration 0 is not the one that the key slot names.
    #[error("configuration 0 is not the one that the key names: {found} instead of {expected}")]
    NotTrusted {
        /// The hash in the key slot.
        expected: ObjectHash,
        /// The hash of the object.
        found: ObjectHash,
    },
    /// Does not follow from the configuration before it.
    #[error("configuration {number} does not follow from the one before: {what}")]
    Broken {
        /// Which configuration.
        number: u32,
        /// What differs.
        what: &'static str,
    },
    /// Signed by a key that may not sign configurations.
    #[error("configuration {number} is signed by {signer}, which may not")]
    NotAllowed {
        /// Which configuration.
        number: u32,
        /// Its signer.
        signer: SignerKey,
    },
    /// No such configuration in the chain.
    #[error(
        "configuration {0} is not known: it was made after this program opened the repository, or it is missing; run this again"
    )]
    Unknown(u32),
    /// The key was listed before.
    #[error("the key {0} is or was already listed")]
    SignerListed(SignerKey),
    /// The key is not valid.
    #[error("the key {signer} is not valid in configuration {number}")]
    SignerUnknown {
        /// The key.
        signer: SignerKey,
        /// The configuration.
        number: u32,
    },
    /// The repository uses something that this program does not know.
    #[error("the repository uses feature {id:#x}, which this program must know to {purpose}")]
    UnknownFeature {
        /// The feature's number.
        id: u32,
        /// What the program was about to do.
        purpose: Purpose,
    },
}

//! All configurations of a repository, each proved by the one before.

use super::{Config, ConfigError, OPEN, Purpose, Role, SignedConfig, Signer};
use crate::id::{ObjectHash, RepositoryId, SignerKey};

/// A verified chain of configurations. It is never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigChain {
    configs: Vec<Config>,
    first: ObjectHash,
    last: ObjectHash,
}

impl ConfigChain {
    /// Verifies the objects of a store's `config` folder, in any order, against the hash of configuration 0 that
    /// a key slot holds.
    ///
    /// # Errors
    /// [`ConfigError`] names the first configuration that does not hold, and why.
    pub fn load(objects: &[(u32, Vec<u8>)], trusted: &ObjectHash) -> Result<Self, ConfigError> {
        let mut sorted: Vec<_> = objects.iter().collect();
        sorted.sort_by_key(|(number, _)| *number);
        let mut objects = (0u32..).zip(sorted);
        let (_, first) = objects.next().ok_or(ConfigError::Gap(0))?;
        let mut chain = Self::start(first, trusted)?;
        for (expected, (number, bytes)) in objects {
            if *number != expected {
                return Err(ConfigError::Gap(expected));
            }
            chain.extend(bytes)?;
        }
        Ok(chain)
    }

    fn start((number, bytes): &(u32, Vec<u8>), trusted: &ObjectHash) -> Result<Self, ConfigError> {
        if *number != 0 {
            return Err(ConfigError::Gap(0));
        }
        let found = ObjectHash::of(bytes);
        let SignedConfig { config, signer, hash } = SignedConfig::parse(bytes)?;
        if found != *trusted {
            return Err(ConfigError::NotTrusted { expected: *trusted, found });
        }
        if config.number != 0 {
            return Err(ConfigError::Misplaced { expected: 0, found: config.number });
        }
        if config.role_of(&signer) != Some(Role::All) {
            return Err(ConfigError::NotAllowed { number: 0, signer });
        }
        Ok(Self { configs: vec![config], first: hash, last: hash })
    }

    /// Verifies and appends the next configuration.
    ///
    /// # Errors
    /// As [`Self::load`]; the chain is then as it was.
    pub fn extend(&mut self, bytes: &[u8]) -> Result<(), ConfigError> {
        let next = SignedConfig::parse(bytes)?;
        let before = self.latest();
        let number = before.number.saturating_add(1);
        if next.config.number != number {
            return Err(ConfigError::Misplaced { expected: number, found: next.config.number });
        }
        if before.role_of(&next.signer) != Some(Role::All) {
            return Err(ConfigError::NotAllowed { number, signer: next.signer });
        }
        if let Some(what) = breach(before, self.last, &next.config) {
            return Err(ConfigError::Broken { number, what });
        }
        self.configs.push(next.config);
        self.last = next.hash;
        Ok(())
    }

    /// A draft of the configuration that follows the last one, to be changed and signed.
    pub fn draft(&self, created_at_ns: i64) -> Config {
        let before = self.latest();
        Config { number: before.number.saturating_add(1), previous: self.last, created_at_ns, ..before.clone() }
    }

    /// The configuration in force.
    ///
    /// # Panics
    /// Never: a chain has at least configuration 0.
    pub fn latest(&self) -> &Config {
        self.configs.last().expect("a chain is never empty")
    }

    /// Configuration `number`.
    pub fn get(&self, number: u32) -> Option<&Config> {
        self.configs.get(usize::try_from(number).ok()?)
    }

    /// The repository to which the chain belongs.
    pub fn repository(&self) -> RepositoryId {
        self.latest().repository
    }

    /// The hash of configuration 0, by which key slots name the repository's beginning.
    pub const fn first_hash(&self) -> ObjectHash {
        self.first
    }

    /// The hash of the configuration in force, for a client to remember: a store that later shows an older one
    /// was rolled back.
    pub const fn last_hash(&self) -> ObjectHash {
        self.last
    }

    /// The hash of configuration `number`.
    pub fn hash_of(&self, number: u32) -> Option<ObjectHash> {
        let next = number.checked_add(1).and_then(|next| self.get(next));
        next.map(|next| next.previous).or_else(|| (self.latest().number == number).then_some(self.last))
    }

    /// What `signer` may sign under configuration `number`.
    ///
    /// # Errors
    /// [`ConfigError::Unknown`] when the chain has no such configuration (it may be newer than the chain was read),
    /// [`ConfigError::SignerUnknown`] when the key was not valid in it.
    pub fn role_of(&self, signer: &SignerKey, number: u32) -> Result<Role, ConfigError> {
        let config = self.get(number).ok_or(ConfigError::Unknown(number))?;
        config.role_of(signer).ok_or(ConfigError::SignerUnknown { signer: *signer, number })
    }

    /// Whether this program knows enough for `purpose`.
    ///
    /// # Errors
    /// [`ConfigError::UnknownFeature`] names what it does not know.
    pub fn allows(&self, purpose: Purpose) -> Result<(), ConfigError> {
        self.latest().allows(purpose)
    }
}

/// Names the first rule by which `next` does not follow from `before`.
fn breach(before: &Config, hash: ObjectHash, next: &Config) -> Option<&'static str> {
    let chunker = |config: &Config| {
        let parameters = &config.parameters;
        (parameters.chunk_bytes_min, parameters.chunk_bytes_avg, parameters.chunk_bytes_max, parameters.normalization)
    };
    let rules = [
        (next.previous == hash, "it names another one"),
        (next.repository == before.repository, "the repository"),
        (chunker(next) == chunker(before), "the chunk lengths"),
        (next.epochs.0.starts_with(&before.epochs.0), "an older key epoch"),
        (signers_follow(&before.signers.0, &next.signers.0, next.number), "a signer's past"),
    ];
    rules.into_iter().find(|(holds, _)| !holds).map(|(_, what)| what)
}

/// The only changes to the list of signers are new ones from now on, and revocations as of now: so the newest
/// list answers for every older configuration as well.
fn signers_follow(before: &[Signer], next: &[Signer], number: u32) -> bool {
    let mut old = before.iter().peekable();
    let follow = next.iter().all(|signer| match old.next_if(|old| old.key == signer.key) {
        Some(old) => {
            let kept = signer.until == old.until;
            let revoked = old.until == OPEN && signer.until == number;
            signer.role == old.role && signer.from == old.from && (kept || revoked)
        }
        None => signer.from == number && signer.until == OPEN,
    });
    follow && old.next().is_none()
}

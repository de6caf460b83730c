//! The secrets of one role, and the slots in which they are kept.
//!
//! A [`KeyRing`] is what a password or a key file yields: the roots that its role holds, the naming root, a signing
//! key of its own and the hash of configuration 0. Every other key of the repository is derived from it here.
//! Slots are byte-exact in format-spec/02-config.md.

mod derived;
mod error;
mod kdf;
mod note;
mod recovery;
mod slot;
#[cfg(test)]
mod tests;

pub use derived::{
    BOUNDARY_CONTEXT, CHUNK_ID_CONTEXT, GEAR_CONTEXT, HARD_LINK_CONTEXT, NODE_ID_CONTEXT, open_key_field,
};
pub use error::KeyError;
pub use kdf::{KdfCost, Unlock, UnlockKind, format_key_file, parse_key_file};
pub use note::SlotNote;
pub use recovery::format_recovery_key;
pub use slot::{LABEL_BYTES_MAX, SLOT_BYTES_MAX, SLOT_MAGIC, Slot, SlotFacts, open_slot, seal_slot, wrap};

use crate::config::{Config, ConfigChain, EPOCHS_COUNT_MAX, EpochPublics, Feature, Parameters, Role};
use crate::id::{ObjectHash, RepositoryId, SignerKey};
use crate::seal::{self, RootPublic, RootSecret, Secret, SigningKey};
use crate::wire::List;

/// The roots of one epoch, as far as a role holds them.
#[derive(Debug, Clone)]
struct EpochRoots {
    publics: EpochPublics,
    index: RootSecret,
    reading: Option<ReadingRoots>,
}

/// The roots that let a key read.
#[derive(Debug, Clone)]
struct ReadingRoots {
    content: RootSecret,
    manifest: RootSecret,
    stat: RootSecret,
    description: RootSecret,
}

impl ReadingRoots {
    fn random() -> Self {
        let root = || RootSecret::new(Secret::random());
        Self { content: root(), manifest: root(), stat: root(), description: root() }
    }

    fn publics(&self, epoch: u32) -> EpochPublics {
        EpochPublics {
            epoch,
            content: self.content.public(),
            manifest: self.manifest.public(),
            stat: self.stat.public(),
            description: self.description.public(),
        }
    }
}

/// The secrets of one key slot. Erased when dropped, never printed.
#[derive(Debug)]
pub struct KeyRing {
    role: Role,
    repository: RepositoryId,
    config_zero: ObjectHash,
    seed: Secret,
    signing: SigningKey,
    naming: Secret,
    /// Oldest first, never empty.
    epochs: Vec<EpochRoots>,
    /// From where the ring came; none for one that was just made.
    slot: Option<SlotFacts>,
}

impl KeyRing {
    /// Draws the secrets of a new repository, and makes its configuration 0. The ring has the role `all`.
    ///
    /// # Errors
    /// [`KeyError::Config`] when a parameter is outside its range.
    pub fn create(parameters: Parameters, created_at_ns: i64) -> Result<(Self, Vec<u8>), KeyError> {
        Self::create_with(parameters, Vec::new(), created_at_ns)
    }

    /// As [`Self::create`], with features in use from the start, sorted by number.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn create_with(
        parameters: Parameters,
        features: Vec<Feature>,
        created_at_ns: i64,
    ) -> Result<(Self, Vec<u8>), KeyError> {
        Self::create_named(parameters, features, created_at_ns, Secret::random())
    }

    fn create_named(
        parameters: Parameters,
        features: Vec<Feature>,
        created_at_ns: i64,
        naming: Secret,
    ) -> Result<(Self, Vec<u8>), KeyError> {
        let repository = RepositoryId::from_bytes(seal::random());
        let reading = ReadingRoots::random();
        let epoch = EpochRoots {
            publics: reading.publics(1),
            index: RootSecret::new(Secret::random()),
            reading: Some(reading),
        };
        Self::found(repository, (parameters, features), created_at_ns, Secret::random(), naming, epoch)
    }

    /// As [`Self::create_with`], for a repository in which chunks and nodes bear the names that they have in this ring's, and
    /// content is cut at the same places where the parameters are the same too. Nothing else is common to them: neither can
    /// be opened with the other's keys.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn create_alike(
        &self,
        parameters: Parameters,
        features: Vec<Feature>,
        created_at_ns: i64,
    ) -> Result<(Self, Vec<u8>), KeyError> {
        let naming = self.naming.clone();
        Self::create_named(parameters, features, created_at_ns, naming)
    }

    fn found(
        repository: RepositoryId,
        (parameters, features): (Parameters, Vec<Feature>),
        created_at_ns: i64,
        seed: Secret,
        naming: Secret,
        epoch: EpochRoots,
    ) -> Result<(Self, Vec<u8>), KeyError> {
        let signing = SigningKey::from_seed(&seed);
        let mut config = Config::first(repository, created_at_ns, parameters, epoch.publics, signing.public());
        config.features = List(features);
        let bytes = config.sign(&signing)?;
        let config_zero = ObjectHash::of(&bytes);
        Ok((
            Self { role: Role::All, repository, config_zero, seed, signing, naming, epochs: vec![epoch], slot: None },
            bytes,
        ))
    }

    /// A ring for another user of the repository: a signing key of its own, and what `role` may hold. A
    /// configuration must list its signer before it can write.
    ///
    /// # Errors
    /// [`KeyError::Lacks`] when this ring's role is below `role`.
    pub fn restricted(&self, role: Role) -> Result<Self, KeyError> {
        if role > self.role {
            return Err(KeyError::Lacks { role: self.role, what: "what a stronger role holds" });
        }
        let seed = Secret::random();
        let mut epochs = self.epochs.clone();
        if role == Role::Put {
            epochs.iter_mut().for_each(|epoch| epoch.reading = None);
        }
        let signing = SigningKey::from_seed(&seed);
        Ok(Self {
            role,
            repository: self.repository,
            config_zero: self.config_zero,
            seed,
            signing,
            naming: self.naming.clone(),
            epochs,
            slot: None,
        })
    }

    /// Begins a key epoch: new roots for everything written from now on. The next configuration must list the
    /// publics that it returns, and every slot that goes on writing must be sealed again.
    ///
    /// # Errors
    /// [`KeyError::Lacks`] unless the role is `all`; [`KeyError::Epoch`] when there are too many.
    pub fn begin_epoch(&mut self) -> Result<EpochPublics, KeyError> {
        if self.role != Role::All {
            return Err(KeyError::Lacks { role: self.role, what: "the right to begin an epoch" });
        }
        let number = self.current().publics.epoch.saturating_add(1);
        if self.epochs.len() >= EPOCHS_COUNT_MAX {
            return Err(KeyError::Epoch(number));
        }
        let reading = ReadingRoots::random();
        let publics = reading.publics(number);
        self.epochs.push(EpochRoots { publics, index: RootSecret::new(Secret::random()), reading: Some(reading) });
        Ok(publics)
    }

    /// Checks that this ring and a verified chain belong together. Whether the ring may still sign is asked of the
    /// chain at each signature.
    ///
    /// # Errors
    /// [`KeyError::Foreign`] says what differs.
    pub fn confirm(&self, chain: &ConfigChain) -> Result<(), KeyError> {
        if chain.first_hash() != self.config_zero {
            return Err(KeyError::Foreign("configuration 0"));
        }
        if chain.repository() != self.repository {
            return Err(KeyError::Foreign("repository id"));
        }
        let listed = &chain.latest().epochs.0;
        if !self.epochs.iter().all(|epoch| listed.contains(&epoch.publics)) {
            return Err(KeyError::Foreign("key epochs"));
        }
        Ok(())
    }

    /// What the ring may do, as far as the configuration still says so.
    pub const fn role(&self) -> Role {
        self.role
    }

    /// The repository to which the ring belongs.
    pub const fn repository(&self) -> RepositoryId {
        self.repository
    }

    /// The hash of configuration 0, on which trust in the chain rests.
    pub const fn config_zero(&self) -> &ObjectHash {
        &self.config_zero
    }

    /// The key with which this ring signs.
    pub const fn signing(&self) -> &SigningKey {
        &self.signing
    }

    /// Its public half.
    pub const fn signer(&self) -> SignerKey {
        self.signing.public()
    }

    /// What the slot says that the ring was opened from; `None` for a ring that was just made.
    pub const fn slot(&self) -> Option<&SlotFacts> {
        self.slot.as_ref()
    }

    /// Whether the ring can open content, manifests and descriptions.
    pub fn reads(&self) -> bool {
        self.current().reading.is_some()
    }

    /// The number of the epoch that new objects use.
    pub fn epoch(&self) -> u32 {
        self.current().publics.epoch
    }

    /// The public halves of every epoch's roots, oldest first.
    pub fn publics(&self) -> impl Iterator<Item = &EpochPublics> {
        self.epochs.iter().map(|epoch| &epoch.publics)
    }

    /// The index root of `epoch`, which every role holds.
    ///
    /// # Errors
    /// [`KeyError::Epoch`] when the ring does not hold that epoch.
    pub fn index_root(&self, epoch: u32) -> Result<&RootSecret, KeyError> {
        Ok(&self.at(epoch)?.index)
    }

    /// The description root of `epoch`; `None` when the role can't read.
    ///
    /// # Errors
    /// [`KeyError::Epoch`] when the ring does not hold that epoch.
    pub fn description_root(&self, epoch: u32) -> Result<Option<&RootSecret>, KeyError> {
        Ok(self.at(epoch)?.reading.as_ref().map(|roots| &roots.description))
    }

    /// The root of a pack class (1 content, 2 manifest, 3 stat); `None` when the role can't read.
    ///
    /// # Errors
    /// [`KeyError::Epoch`] and [`KeyError::Class`] when there is no such epoch or class.
    pub fn class_root(&self, class: u8, epoch: u32) -> Result<Option<&RootSecret>, KeyError> {
        let roots = self.at(epoch)?;
        let reading = roots.reading.as_ref();
        Ok(match class {
            1 => reading.map(|roots| &roots.content),
            2 => reading.map(|roots| &roots.manifest),
            3 => reading.map(|roots| &roots.stat),
            other => return Err(KeyError::Class(other)),
        })
    }

    /// The public half of a pack class's root in the current epoch: enough to write packs of that class.
    ///
    /// # Errors
    /// [`KeyError::Class`] when there is no such class.
    pub fn class_public(&self, class: u8) -> Result<&RootPublic, KeyError> {
        let publics = &self.current().publics;
        match class {
            1 => Ok(&publics.content),
            2 => Ok(&publics.manifest),
            3 => Ok(&publics.stat),
            other => Err(KeyError::Class(other)),
        }
    }

    fn current(&self) -> &EpochRoots {
        self.epochs.last().expect("a ring holds at least one epoch")
    }

    fn at(&self, epoch: u32) -> Result<&EpochRoots, KeyError> {
        self.epochs.iter().rfind(|roots| roots.publics.epoch == epoch).ok_or(KeyError::Epoch(epoch))
    }
}

#[cfg(any(test, fuzzing))]
impl KeyRing {
    /// As [`Self::create`], with secrets that are the same in every run.
    pub(crate) fn create_fixed(
        repository: RepositoryId,
        parameters: Parameters,
        now_ns: i64,
        from: u8,
    ) -> (Self, Vec<u8>) {
        let secret = |offset: u8| Secret::from_bytes([from + offset; 32]);
        let root = |offset: u8| RootSecret::new(secret(offset));
        let reading = ReadingRoots { content: root(1), manifest: root(2), stat: root(3), description: root(4) };
        let epoch = EpochRoots { publics: reading.publics(1), index: root(0), reading: Some(reading) };
        Self::found(repository, (parameters, Vec::new()), now_ns, secret(5), secret(6), epoch)
            .expect("a test asks for what can be")
    }

    /// As [`Self::restricted`], with a signing key that is the same in every run.
    #[cfg(test)]
    pub(crate) fn restricted_fixed(&self, role: Role, seed: u8) -> Self {
        let seed = Secret::from_bytes([seed; 32]);
        Self { signing: SigningKey::from_seed(&seed), seed, ..self.restricted(role).unwrap() }
    }
}

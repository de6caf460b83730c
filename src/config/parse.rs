//! One configuration as bytes.

use super::{Config, ConfigError, EPOCHS_COUNT_MAX, FEATURES_COUNT_MAX, OPEN, Parameters, Role, SIGNERS_COUNT_MAX};
use crate::id::{ObjectHash, SignerKey};
use crate::seal::{self, Signature, SigningKey};
use crate::wire::{self, Reader, Write as _};

/// The first eight bytes of a configuration.
pub const MAGIC: [u8; 8] = *b"HOLDCONF";
pub const VERSION: u16 = 1;

const HEAD_BYTES: usize = 16;
const TAIL_BYTES: usize = 32 + 64 + 32;
/// Length of the head and of what comes first in the body: the number.
pub const BEGINNING_BYTES: usize = HEAD_BYTES + 4;
/// Longest body of a configuration.
pub const CONFIG_BODY_BYTES_MAX: usize = 1 << 20;
/// Longest configuration.
pub const CONFIG_BYTES_MAX: usize = HEAD_BYTES + CONFIG_BODY_BYTES_MAX + TAIL_BYTES;

/// A configuration whose shape and signature have been checked, but not yet its signer's right to sign it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedConfig {
    /// What it says.
    pub config: Config,
    /// Who signed it.
    pub signer: SignerKey,
    /// BLAKE3 of all its bytes.
    pub hash: ObjectHash,
}

impl Config {
    /// Encodes and signs the configuration.
    ///
    /// # Errors
    /// [`ConfigError::Range`] and [`ConfigError::Length`] when no reader would accept it.
    pub fn sign(&self, key: &SigningKey) -> Result<Vec<u8>, ConfigError> {
        self.validate()?;
        let out = self.assemble(key);
        SignedConfig::parse(&out).map(|_| out)
    }

    /// Encodes and signs whatever it is given.
    pub(super) fn assemble(&self, key: &SigningKey) -> Vec<u8> {
        let body = wire::encode(self);
        let mut out = Vec::with_capacity(body.len().saturating_add(HEAD_BYTES + TAIL_BYTES));
        out.put(&MAGIC);
        out.put_u16(VERSION);
        out.put_u16(0);
        out.put_u32(u32::try_from(body.len()).unwrap_or(u32::MAX));
        out.put(&body);
        out.put(key.public().as_bytes());
        let signature = key.sign(&out);
        out.put(&signature);
        let checksum = blake3::hash(&out);
        out.put(checksum.as_bytes());
        out
    }

    /// Checks every rule that concerns this configuration alone.
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let range = |what| Err(ConfigError::Range { number: self.number, what });
        if self.number == OPEN {
            return range("its number");
        }
        if (self.number == 0) != (self.previous == ObjectHash::from_bytes([0; 32])) {
            return range("the hash of the configuration before");
        }
        if let Some(what) = self.parameters.out_of_range() {
            return range(what);
        }
        let epochs = &self.epochs.0;
        if epochs.is_empty() || epochs.len() > EPOCHS_COUNT_MAX || !epochs.is_sorted_by(|a, b| a.epoch < b.epoch) {
            return range("the list of key epochs");
        }
        let signers = &self.signers.0;
        if signers.len() > SIGNERS_COUNT_MAX || !signers.is_sorted_by(|a, b| a.key < b.key) {
            return range("the list of signers");
        }
        let times_hold = |from: u32, until: u32| from <= self.number && (until == OPEN || from < until);
        if !signers.iter().all(|signer| times_hold(signer.from, signer.until)) {
            return range("the validity of a signer");
        }
        if signers.iter().any(|signer| signer.until != OPEN && signer.until > self.number) {
            return range("the validity of a signer");
        }
        if !signers.iter().any(|signer| signer.role == Role::All && signer.is_valid_in(self.number)) {
            return Err(ConfigError::NoAllSigner(self.number));
        }
        let features = &self.features.0;
        if features.len() > FEATURES_COUNT_MAX || !features.is_sorted_by(|a, b| a.id < b.id) {
            return range("the list of features");
        }
        if features.iter().any(|feature| feature.mandatory & 0xf0 != 0) {
            return range("the purposes of a feature");
        }
        Ok(())
    }
}

impl Parameters {
    /// Names the first parameter that is outside its range.
    pub(super) fn out_of_range(&self) -> Option<&'static str> {
        let (min, avg, max) = (self.chunk_bytes_min, self.chunk_bytes_avg, self.chunk_bytes_max);
        let chunks_hold = 4096 <= min && min < avg && avg < max && max <= 4 << 20;
        let means_hold = |mean: u32| (4..=16_384).contains(&mean);
        let rules = [
            (chunks_hold && min % 2 == 0 && avg.is_power_of_two() && max % 2 == 0, "a chunk length"),
            (self.normalization <= 3, "the normalisation level"),
            ((64 << 10..=16 << 20).contains(&self.frame_bytes_target), "the frame target"),
            ((1 << 20..=1 << 30).contains(&self.pack_bytes_target), "the pack target"),
            (means_hold(self.manifest_leaf_mean), "the mean of manifest leaves"),
            (means_hold(self.stat_leaf_mean), "the mean of stat leaves"),
            (means_hold(self.inner_mean), "the mean of inner nodes"),
            (means_hold(self.item_mean), "the mean of item leaves"),
            (self.inline_bytes_max <= 4096, "the longest inline content"),
        ];
        rules.into_iter().find(|(holds, _)| !holds).map(|(_, what)| what)
    }
}

impl SignedConfig {
    /// Checks length, magic, checksum, version, signature and every rule for a configuration alone. It takes no
    /// key, so anybody can check a store's configurations so far.
    ///
    /// # Errors
    /// [`ConfigError`] says which check failed.
    pub fn parse(bytes: &[u8]) -> Result<Self, ConfigError> {
        let found = bytes.len();
        let expected = found.clamp(HEAD_BYTES + TAIL_BYTES, CONFIG_BYTES_MAX);
        if found != expected {
            return Err(ConfigError::Length { found, expected });
        }
        let mut reader = Reader::new(bytes);
        if reader.array()? != MAGIC {
            return Err(ConfigError::Magic);
        }
        let (summed, checksum) = split_tail::<32>(bytes)?;
        if blake3::hash(summed) != blake3::Hash::from_bytes(*checksum) {
            return Err(ConfigError::Checksum);
        }
        match reader.u16()? {
            VERSION => (),
            other => return Err(ConfigError::Version(other)),
        }
        if reader.u16()? != 0 {
            return Err(ConfigError::Reserved);
        }
        let body_bytes = usize::try_from(reader.u32()?).unwrap_or(usize::MAX);
        let expected = body_bytes.saturating_add(HEAD_BYTES + TAIL_BYTES);
        if found != expected {
            return Err(ConfigError::Length { found, expected });
        }
        let body = reader.bytes(body_bytes)?;
        let signer = SignerKey::from_bytes(reader.array()?);
        let (signed, signature): (_, &Signature) = split_tail::<64>(summed)?;
        seal::verify(&signer, signed, signature).map_err(ConfigError::Signature)?;
        let config: Config = wire::decode(body)?;
        config.validate()?;
        Ok(Self { config, signer, hash: ObjectHash::of(bytes) })
    }
}

/// Holds the beginning of a configuration to the number in its name. Nothing else of it is looked at.
///
/// # Errors
/// [`ConfigError`] says what it is instead, or that its version is not known.
pub fn require_number(number: u32, beginning: &[u8; BEGINNING_BYTES]) -> Result<(), ConfigError> {
    let mut reader = Reader::new(beginning);
    if reader.array()? != MAGIC {
        return Err(ConfigError::Magic);
    }
    match reader.u16()? {
        VERSION => (),
        other => return Err(ConfigError::Version(other)),
    }
    // What comes between is the reserved bytes and the body's length.
    let _: [u8; 6] = reader.array()?;
    match reader.u32()? {
        found if found == number => Ok(()),
        found => Err(ConfigError::Misplaced { expected: number, found }),
    }
}

/// What stands at the beginning of a configuration, for objects that need no more.
#[cfg(test)]
pub(crate) fn beginning_of(number: u32) -> Vec<u8> {
    [&MAGIC[..], &VERSION.to_le_bytes(), &[0; 6], &number.to_le_bytes()].concat()
}

fn split_tail<const N: usize>(bytes: &[u8]) -> Result<(&[u8], &[u8; N]), ConfigError> {
    bytes.split_last_chunk::<N>().ok_or(ConfigError::Length { found: bytes.len(), expected: HEAD_BYTES + TAIL_BYTES })
}

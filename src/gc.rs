//! The two objects of a prune: the packs that it condemns, and those that it deletes.
//!
//! Between the two lies the time in which writers may still rescue a condemned pack's chunks by storing them anew.
//! The protocol is in format-spec/10-sessions-and-prune.md.

#[cfg(test)]
pub(crate) mod model;
#[cfg(test)]
mod retirement;
#[cfg(test)]
mod tests;

use crate::config::ConfigChain;
use crate::envelope::{self, EnvelopeError, Kind, Opened};
use crate::id::{ObjectHash, PackId, SessionId, SnapshotId};
use crate::key::KeyRing;
use crate::wire::{self, List, WireError};

/// The body of a condemned set.
#[derive(Debug, Clone, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct CondemnedBody {
    /// The generation: repeats the object's name. From 1.
    pub generation: u64,
    /// The session of the prune that made it.
    pub session: SessionId,
    /// The packs that it condemns, sorted.
    pub packs: List<PackId>,
    /// The snapshots that it counted as live, sorted: none of them needs a condemned pack.
    pub live: List<SnapshotId>,
}

/// The body of a deleted set.
#[derive(Debug, Clone, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct DeletedBody {
    /// The generation: repeats the object's name.
    pub generation: u64,
    /// Hash of the condemned set of the same generation.
    pub condemned: ObjectHash,
    /// The packs that are deleted from now on, sorted: some or all of those that were condemned.
    pub packs: List<PackId>,
}

/// A verified condemned set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condemned {
    /// What it says.
    pub body: CondemnedBody,
    /// Hash of the object, which the deleted set names.
    pub hash: ObjectHash,
}

/// A verified deleted set. Whether it follows from its condemned set is asked with [`Deleted::check_follows`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deleted {
    /// What it says.
    pub body: DeletedBody,
    /// Hash of the object.
    pub hash: ObjectHash,
}

/// Why a condemned or deleted set was refused, or can't be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GcError {
    /// The envelope does not open.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// The body does not decode.
    #[error("{kind} of generation {generation}: {source}")]
    Body {
        /// Condemned or deleted set.
        kind: Kind,
        /// The generation.
        generation: u64,
        /// Where it does not.
        source: WireError,
    },
    /// The body is that of another generation.
    #[error("the {kind} of generation {found} lies under the name of generation {expected}")]
    Misplaced {
        /// Condemned or deleted set.
        kind: Kind,
        /// The name.
        expected: u64,
        /// What the body says.
        found: u64,
    },
    /// A field breaks a rule.
    #[error("{kind} of generation {generation}: {what}")]
    Invalid {
        /// Condemned or deleted set.
        kind: Kind,
        /// The generation.
        generation: u64,
        /// Which rule.
        what: &'static str,
    },
}

impl CondemnedBody {
    /// Checks and encodes the body.
    ///
    /// # Errors
    /// [`GcError::Invalid`] when no reader would accept it.
    pub fn encode(&self) -> Result<Vec<u8>, GcError> {
        self.validate().map(|()| wire::encode(self))
    }

    fn validate(&self) -> Result<(), GcError> {
        first_broken(
            Kind::Condemned,
            self.generation,
            &[
                (self.generation > 0, "its generation is zero"),
                (self.session.number > 0, "the number of its session is zero"),
                (self.packs.0.is_sorted_by(|a, b| a < b), "its packs are not sorted"),
                (self.live.0.is_sorted_by(|a, b| a < b), "its live snapshots are not sorted"),
            ],
        )
    }
}

impl DeletedBody {
    /// Checks and encodes the body.
    ///
    /// # Errors
    /// [`GcError::Invalid`] when no reader would accept it.
    pub fn encode(&self) -> Result<Vec<u8>, GcError> {
        self.validate().map(|()| wire::encode(self))
    }

    fn validate(&self) -> Result<(), GcError> {
        first_broken(
            Kind::Deleted,
            self.generation,
            &[
                (self.generation > 0, "its generation is zero"),
                (self.packs.0.is_sorted_by(|a, b| a < b), "its packs are not sorted"),
            ],
        )
    }
}

impl Deleted {
    /// Checks that this set deletes only what `condemned` condemned.
    ///
    /// # Errors
    /// [`GcError::Invalid`] says what does not fit.
    pub fn check_follows(&self, condemned: &Condemned) -> Result<(), GcError> {
        let allowed = &condemned.body.packs.0;
        first_broken(
            Kind::Deleted,
            self.body.generation,
            &[
                (self.body.generation == condemned.body.generation, "its condemned set is of another generation"),
                (self.body.condemned == condemned.hash, "it names another condemned set"),
                (
                    self.body.packs.0.iter().all(|pack| allowed.binary_search(pack).is_ok()),
                    "it deletes a pack that was not condemned",
                ),
            ],
        )
    }
}

fn first_broken(kind: Kind, generation: u64, rules: &[(bool, &'static str)]) -> Result<(), GcError> {
    let broken = rules.iter().find(|(holds, _)| !holds);
    broken.map_or(Ok(()), |(_, what)| Err(GcError::Invalid { kind, generation, what }))
}

/// Reads the body of an opened envelope as the condemned set of `generation`.
///
/// # Errors
/// [`GcError`] says which rule it breaks.
pub fn parse_condemned(generation: u64, opened: &Opened) -> Result<Condemned, GcError> {
    let body: CondemnedBody = decode(Kind::Condemned, generation, &opened.body)?;
    check_generation(Kind::Condemned, generation, body.generation)?;
    body.validate()?;
    Ok(Condemned { body, hash: opened.hash })
}

/// Reads the body of an opened envelope as the deleted set of `generation`.
///
/// # Errors
/// [`GcError`] says which rule it breaks.
pub fn parse_deleted(generation: u64, opened: &Opened) -> Result<Deleted, GcError> {
    let body: DeletedBody = decode(Kind::Deleted, generation, &opened.body)?;
    check_generation(Kind::Deleted, generation, body.generation)?;
    body.validate()?;
    Ok(Deleted { body, hash: opened.hash })
}

fn decode<T: bincode::Decode<()>>(kind: Kind, generation: u64, bytes: &[u8]) -> Result<T, GcError> {
    wire::decode(bytes).map_err(|source| GcError::Body { kind, generation, source })
}

fn check_generation(kind: Kind, expected: u64, found: u64) -> Result<(), GcError> {
    if found == expected { Ok(()) } else { Err(GcError::Misplaced { kind, expected, found }) }
}

/// Opens and reads the condemned set of `generation`.
///
/// # Errors
/// [`GcError`] says which check failed.
pub fn open_condemned(
    generation: u64,
    keys: &KeyRing,
    chain: &ConfigChain,
    bytes: &[u8],
) -> Result<Condemned, GcError> {
    parse_condemned(generation, &envelope::open(Kind::Condemned, keys, chain, bytes)?)
}

/// Opens and reads the deleted set of `generation`.
///
/// # Errors
/// [`GcError`] says which check failed.
pub fn open_deleted(generation: u64, keys: &KeyRing, chain: &ConfigChain, bytes: &[u8]) -> Result<Deleted, GcError> {
    parse_deleted(generation, &envelope::open(Kind::Deleted, keys, chain, bytes)?)
}

/// Makes a condemned set.
///
/// # Errors
/// [`GcError`] when no reader would accept it from this key.
pub fn seal_condemned(body: &CondemnedBody, keys: &KeyRing, chain: &ConfigChain) -> Result<Vec<u8>, GcError> {
    Ok(envelope::seal(Kind::Condemned, keys, chain, &body.encode()?, None)?)
}

/// Makes a deleted set.
///
/// # Errors
/// [`GcError`] when no reader would accept it from this key.
pub fn seal_deleted(body: &DeletedBody, keys: &KeyRing, chain: &ConfigChain) -> Result<Vec<u8>, GcError> {
    Ok(envelope::seal(Kind::Deleted, keys, chain, &body.encode()?, None)?)
}

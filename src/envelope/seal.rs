//! Making envelopes.

use super::{CHECKSUM_BYTES, open::DESCRIPTION_OVERHEAD_BYTES_MAX, open::binding};
use super::{DESCRIPTION_BYTES_MAX, EnvelopeError, HEAD_BYTES, Kind, SIGNATURE_BYTES, VERSION};
use crate::config::{ConfigChain, Role};
use crate::key::KeyRing;
use crate::seal::{self, HASH_BYTES, OVERHEAD_BYTES, SUITE};
use crate::wire::Write as _;

/// Which sealed part a binding is for.
pub(super) const BODY_CLASS: u8 = 1;
pub(super) const DESCRIPTION_CLASS: u8 = 2;

/// Seals and signs an object under the configuration in force. The body is copied once.
///
/// # Errors
/// [`EnvelopeError::Signer`] and [`EnvelopeError::Role`] when nobody would accept this key's signature,
/// [`EnvelopeError::TooLarge`] when a part is above its cap.
pub fn seal(
    kind: Kind,
    keys: &KeyRing,
    chain: &ConfigChain,
    body: &[u8],
    description: Option<&[u8]>,
) -> Result<Vec<u8>, EnvelopeError> {
    seal_salted(kind, keys, chain, body, description, seal::random())
}

pub(super) fn seal_salted(
    kind: Kind,
    keys: &KeyRing,
    chain: &ConfigChain,
    body: &[u8],
    description: Option<&[u8]>,
    salt: [u8; 32],
) -> Result<Vec<u8>, EnvelopeError> {
    check_right(kind, keys, chain)?;
    check_length(kind, "body", body.len(), kind.body_bytes_max())?;
    let description_bytes_max = if kind.may_describe() { DESCRIPTION_BYTES_MAX } else { 0 };
    check_length(kind, "description", description.map_or(0, <[u8]>::len), description_bytes_max)?;
    assemble(kind, keys, chain.latest().number, body, description, salt)
}

/// Seals and signs whatever it is given.
pub(super) fn assemble(
    kind: Kind,
    keys: &KeyRing,
    config: u32,
    body: &[u8],
    description: Option<&[u8]>,
    salt: [u8; 32],
) -> Result<Vec<u8>, EnvelopeError> {
    let key_error = |source| EnvelopeError::Key { kind, source };
    let described = description.map(|plaintext| seal_description(kind, keys, salt, plaintext)).transpose()?;
    let described = described.unwrap_or_default();

    let body_bytes = body.len().saturating_add(OVERHEAD_BYTES);
    let fixed_bytes = HEAD_BYTES + SIGNATURE_BYTES + CHECKSUM_BYTES;
    let mut out = Vec::with_capacity(body_bytes.saturating_add(described.len()).saturating_add(fixed_bytes));
    out.put(&kind.magic());
    out.put_u16(VERSION);
    out.put_u16(SUITE);
    out.put_u32(keys.epoch());
    out.put(keys.repository().as_bytes());
    out.put(&salt);
    out.put_u32(config);
    out.put(keys.signer().as_bytes());
    for part_bytes in [body_bytes, described.len()] {
        out.put_u32(part_bytes.try_into().expect("the caps are far below 4 GiB"));
    }
    out.put(&[0; HASH_BYTES]);
    out.put(body);
    let key = keys.index_root(keys.epoch()).map_err(key_error)?.object_key(&salt);
    key.seal_in_place(&binding(kind, BODY_CLASS, salt), &mut out, HEAD_BYTES + HASH_BYTES);
    out.put(&described);
    let signature = keys.signing().sign(&out);
    out.put(&signature);
    let checksum = blake3::hash(&out);
    out.put(checksum.as_bytes());
    Ok(out)
}

/// Whether these keys may sign such an object under the configuration in force, and their role if they may.
///
/// # Errors
/// [`EnvelopeError::Repository`], [`EnvelopeError::Signer`] or [`EnvelopeError::Role`].
pub fn check_right(kind: Kind, keys: &KeyRing, chain: &ConfigChain) -> Result<Role, EnvelopeError> {
    if chain.repository() != keys.repository() {
        return Err(EnvelopeError::Repository { kind, repository: chain.repository() });
    }
    let number = chain.latest().number;
    let role = chain.role_of(&keys.signer(), number).map_err(|source| EnvelopeError::Signer { kind, source })?;
    if kind.may_sign(role) { Ok(role) } else { Err(EnvelopeError::Role { kind, role }) }
}

fn seal_description(kind: Kind, keys: &KeyRing, salt: [u8; 32], plaintext: &[u8]) -> Result<Vec<u8>, EnvelopeError> {
    let (field, key) = keys.new_description_key(&salt).map_err(|source| EnvelopeError::Key { kind, source })?;
    let mut out = Vec::with_capacity(plaintext.len().saturating_add(DESCRIPTION_OVERHEAD_BYTES_MAX));
    out.put(&[u8::from(field.is_some()), 0, 0, 0]);
    if let Some(field) = field {
        out.put(&field);
    }
    out.put(&key.commitment());
    out.put(&[0; HASH_BYTES]);
    let start = out.len();
    out.put(plaintext);
    key.seal_in_place(&binding(kind, DESCRIPTION_CLASS, salt), &mut out, start);
    Ok(out)
}

fn check_length(kind: Kind, part: &'static str, bytes: usize, bytes_max: usize) -> Result<(), EnvelopeError> {
    if bytes <= bytes_max { Ok(()) } else { Err(EnvelopeError::TooLarge { kind, part, bytes, bytes_max }) }
}

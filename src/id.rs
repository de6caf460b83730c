//! Typed identifiers. Each is made only by hashing or by parsing; raw `[u8; 32]` never crosses a module border.

use std::fmt;

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not {what}: expected {digits} lower-case hexadecimal digits")]
pub struct IdError {
    /// What was expected, with its article ("a pack id").
    pub what: &'static str,
    /// How many hexadecimal digits its text form has.
    pub digits: usize,
}

/// Writes `bytes` as lower-case hexadecimal digits.
///
/// # Errors
/// Those of the writer.
pub fn write_hex(bytes: &[u8], f: &mut impl fmt::Write) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// Parses exactly `N` bytes from `2 * N` lower-case hexadecimal digits.
pub fn parse_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != N.checked_mul(2)? {
        return None;
    }
    let mut out = [0u8; N];
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        let &[high, low] = pair else { return None };
        *byte = nibble(high)? << 4 | nibble(low)?;
    }
    Some(out)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $bytes:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, bincode::Encode, bincode::Decode)]
        pub struct $name([u8; $bytes]);

        impl $name {
            /// Length of the identifier in bytes.
            pub const LEN: usize = $bytes;

            /// Takes bytes that were read from a verified place or produced by the hash that defines this id.
            pub const fn from_bytes(bytes: [u8; $bytes]) -> Self {
                Self(bytes)
            }

            /// The bytes as they are stored.
            pub const fn as_bytes(&self) -> &[u8; $bytes] {
                &self.0
            }

            /// The first eight hexadecimal digits, for people.
            pub fn short(&self) -> String {
                self.to_string().chars().take(8).collect()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                $crate::id::write_hex(&self.0, f)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::id::IdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::id::parse_hex(text).map(Self).ok_or($crate::id::IdError { what: $what, digits: $bytes * 2 })
            }
        }
    };
}
pub(crate) use identifier;

identifier!(
    /// A piece of content: BLAKE3 of its bytes, keyed with the repository's chunk-id key.
    ChunkId, 32, "a chunk id"
);
identifier!(
    /// A node of a manifest, stat or item tree: BLAKE3 of its bytes, keyed with the node-id key.
    NodeId, 32, "a node id"
);
identifier!(
    /// A pack: the plain BLAKE3 of all its bytes.
    PackId, 32, "a pack id"
);
identifier!(
    /// A segment of the index: the plain BLAKE3 of all its bytes.
    SegmentId, 32, "a segment id"
);
identifier!(
    /// A snapshot: the plain BLAKE3 of all bytes of the outcome that committed it.
    SnapshotId, 32, "a snapshot id"
);
identifier!(
    /// The plain BLAKE3 of all bytes of a stored object that has no id type of its own.
    ObjectHash, 32, "an object hash"
);
identifier!(
    /// The public half of an Ed25519 signing key.
    SignerKey, 32, "a signer's public key"
);
identifier!(
    /// One repository: 128 random bits, drawn when it was made.
    RepositoryId, 16, "a repository id"
);
identifier!(
    /// One writing client: 128 random bits, kept in its user's state directory.
    ClientId, 16, "a client id"
);

macro_rules! named_by_all_bytes {
    ($($name:ident),*) => {$(
        impl $name {
            /// The name of an object, from all its bytes.
            pub fn of(object: &[u8]) -> Self {
                Self(*blake3::hash(object).as_bytes())
            }
        }
    )*};
}

named_by_all_bytes!(PackId, SegmentId, ObjectHash);

impl From<ObjectHash> for SnapshotId {
    /// A snapshot has the hash of the outcome that committed it.
    fn from(outcome: ObjectHash) -> Self {
        Self(outcome.0)
    }
}

impl NodeId {
    /// The id under which the index and the packs know this node: nodes are stored like chunks, and ids made
    /// with different keys never collide.
    pub const fn as_chunk(self) -> ChunkId {
        ChunkId::from_bytes(self.0)
    }
}

/// One session: the client that opened it and that client's running number, which starts at 1.
///
/// Its text form, `<32 hex digits>-<16 hex digits>`, stands in object names and sorts like the pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, bincode::Encode, bincode::Decode)]
pub struct SessionId {
    /// The client that opened the session.
    pub client: ClientId,
    /// The client's running number.
    pub number: u64,
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:016x}", self.client, self.number)
    }
}

impl std::str::FromStr for SessionId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let parsed = text.split_once('-').and_then(|(client, number)| {
            let number = u64::from_be_bytes(parse_hex::<8>(number)?);
            Some(Self { client: client.parse().ok()?, number })
        });
        parsed.ok_or(IdError { what: "a session id (client, a dash, number)", digits: 48 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_from_its_text() {
        let id = PackId::from_bytes([0xa5; 32]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.short(), "a5a5a5a5");
    }

    #[test]
    fn upper_case_short_and_long_texts_are_refused() {
        for text in ["", "A5", &"a".repeat(63), &"a".repeat(65), &"A".repeat(64), &"g".repeat(64)] {
            assert!(text.parse::<PackId>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_session_id_reads_back_and_sorts_like_its_text() {
        let low = SessionId { client: ClientId::from_bytes([1; 16]), number: 255 };
        let high = SessionId { client: ClientId::from_bytes([1; 16]), number: 256 };
        assert_eq!(low.to_string().parse(), Ok(low));
        assert!(low < high && low.to_string() < high.to_string());
        assert!("zz-00".parse::<SessionId>().is_err());
    }
}

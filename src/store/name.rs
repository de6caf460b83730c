//! Names of objects: their one text form, and what may be listed.

use crate::id::{ClientId, ObjectHash, PackId, SegmentId, SessionId, parse_hex};
use std::fmt;
use std::str::FromStr;

/// What can be listed: one kind of object each, except that a folder of `gc` holds two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Folder {
    /// The chain of configurations.
    Config,
    /// Key slots.
    Keys,
    /// Packs.
    Packs,
    /// Segments of the index.
    Segments,
    /// Sessions that were opened.
    Sessions,
    /// Signs of life of sessions.
    Heartbeats,
    /// Ends of sessions.
    Outcomes,
    /// Statements about snapshots.
    Records,
    /// Statements about what was read and hashed when.
    Verified,
    /// Condemned and deleted sets.
    Gc,
    /// Parity shards of packs.
    Parity,
}

impl Folder {
    /// Every folder.
    pub const ALL: [Self; 11] = [
        Self::Config,
        Self::Keys,
        Self::Packs,
        Self::Segments,
        Self::Sessions,
        Self::Heartbeats,
        Self::Outcomes,
        Self::Records,
        Self::Verified,
        Self::Gc,
        Self::Parity,
    ];

    /// The folder's name in a store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Keys => "keys",
            Self::Packs => "packs",
            Self::Segments => "segments",
            Self::Sessions => "sessions",
            Self::Heartbeats => "heartbeats",
            Self::Outcomes => "outcomes",
            Self::Records => "records",
            Self::Verified => "verified",
            Self::Gc => "gc",
            Self::Parity => "parity",
        }
    }

    /// How many hexadecimal digits name its sub-directories, where its objects lie in such.
    pub const fn nested_digits(self) -> Option<usize> {
        match self {
            Self::Packs => Some(2),
            Self::Gc => Some(16),
            Self::Config
            | Self::Keys
            | Self::Segments
            | Self::Sessions
            | Self::Heartbeats
            | Self::Outcomes
            | Self::Records
            | Self::Verified
            | Self::Parity => None,
        }
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name of one object. Its text form is its path in a store; there is exactly one text for a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectName {
    /// `config/<decimal number>`
    Config(u32),
    /// `keys/<64 hex>`
    Key(ObjectHash),
    /// `packs/<first 2 hex>/<64 hex>`
    Pack(PackId),
    /// `segments/<64 hex>`
    Segment(SegmentId),
    /// `sessions/<client>-<number>`
    Session(SessionId),
    /// `heartbeats/<client>-<number>-<16 hex>`
    Heartbeat(SessionId, u64),
    /// `outcomes/<client>-<number>`
    Outcome(SessionId),
    /// `records/<client>-<16 hex>`
    Record(ClientId, u64),
    /// `verified/<client>-<16 hex>`
    Verified(ClientId, u64),
    /// `gc/<16 hex>/condemned`
    Condemned {
        /// Which prune.
        generation: u64,
    },
    /// `gc/<16 hex>/deleted`
    Deleted {
        /// Which prune.
        generation: u64,
    },
    /// `parity/<64 hex>`
    Parity(PackId),
}

impl ObjectName {
    /// The folder that the object lies in.
    pub const fn folder(&self) -> Folder {
        match self {
            Self::Config(_) => Folder::Config,
            Self::Key(_) => Folder::Keys,
            Self::Pack(_) => Folder::Packs,
            Self::Segment(_) => Folder::Segments,
            Self::Session(_) => Folder::Sessions,
            Self::Heartbeat(..) => Folder::Heartbeats,
            Self::Outcome(_) => Folder::Outcomes,
            Self::Record(..) => Folder::Records,
            Self::Verified(..) => Folder::Verified,
            Self::Condemned { .. } | Self::Deleted { .. } => Folder::Gc,
            Self::Parity(_) => Folder::Parity,
        }
    }

    /// The session in whose name this is written, where the name tells.
    pub const fn session(&self) -> Option<SessionId> {
        match self {
            Self::Session(id) | Self::Heartbeat(id, _) | Self::Outcome(id) => Some(*id),
            Self::Config(_)
            | Self::Key(_)
            | Self::Pack(_)
            | Self::Segment(_)
            | Self::Record(..)
            | Self::Verified(..)
            | Self::Condemned { .. }
            | Self::Deleted { .. }
            | Self::Parity(_) => None,
        }
    }

    /// The directory that holds the object, relative to the store: the folder, or a sub-directory of it.
    pub fn directory(&self) -> String {
        let text = self.to_string();
        text.rsplit_once('/').map(|(directory, _)| directory.to_owned()).unwrap_or(text)
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let folder = self.folder();
        match self {
            Self::Config(number) => write!(f, "{folder}/{number}"),
            Self::Key(hash) => write!(f, "{folder}/{hash}"),
            Self::Pack(id) => {
                let [first, ..] = id.as_bytes();
                write!(f, "{folder}/{first:02x}/{id}")
            }
            Self::Segment(id) => write!(f, "{folder}/{id}"),
            Self::Session(id) | Self::Outcome(id) => write!(f, "{folder}/{id}"),
            Self::Heartbeat(id, beat) => write!(f, "{folder}/{id}-{beat:016x}"),
            Self::Record(client, number) | Self::Verified(client, number) => {
                write!(f, "{folder}/{client}-{number:016x}")
            }
            Self::Condemned { generation } => write!(f, "{folder}/{generation:016x}/condemned"),
            Self::Deleted { generation } => write!(f, "{folder}/{generation:016x}/deleted"),
            Self::Parity(id) => write!(f, "{folder}/{id}"),
        }
    }
}

/// Why a path names no object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not the name of an object: {}", .path.escape_debug())]
pub struct NameError {
    /// The path.
    pub path: String,
}

impl FromStr for ObjectName {
    type Err = NameError;

    fn from_str(path: &str) -> Result<Self, NameError> {
        // One text for a name: what does not print as it was read ("config/007") is no name.
        parse(path).filter(|name| name.to_string() == path).ok_or_else(|| NameError { path: path.to_owned() })
    }
}

fn parse(path: &str) -> Option<ObjectName> {
    let (folder, rest) = path.split_once('/')?;
    let folder = Folder::ALL.into_iter().find(|known| known.as_str() == folder)?;
    Some(match folder {
        Folder::Config => ObjectName::Config(rest.parse().ok()?),
        Folder::Keys => ObjectName::Key(rest.parse().ok()?),
        Folder::Packs => ObjectName::Pack(rest.split_once('/')?.1.parse().ok()?),
        Folder::Segments => ObjectName::Segment(rest.parse().ok()?),
        Folder::Sessions => ObjectName::Session(rest.parse().ok()?),
        Folder::Heartbeats => {
            let (session, beat) = rest.rsplit_once('-')?;
            ObjectName::Heartbeat(session.parse().ok()?, number(beat)?)
        }
        Folder::Outcomes => ObjectName::Outcome(rest.parse().ok()?),
        Folder::Records => {
            let (client, record) = rest.split_once('-')?;
            ObjectName::Record(client.parse().ok()?, number(record)?)
        }
        Folder::Verified => {
            let (client, record) = rest.split_once('-')?;
            ObjectName::Verified(client.parse().ok()?, number(record)?)
        }
        Folder::Gc => {
            let (generation, kind) = rest.split_once('/')?;
            let generation = number(generation)?;
            match kind {
                "condemned" => ObjectName::Condemned { generation },
                "deleted" => ObjectName::Deleted { generation },
                _ => return None,
            }
        }
        Folder::Parity => ObjectName::Parity(rest.parse().ok()?),
    })
}

fn number(text: &str) -> Option<u64> {
    parse_hex::<8>(text).map(u64::from_be_bytes)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn any_name() -> impl Strategy<Value = ObjectName> {
        (0u8..12, any::<[u8; 32]>(), any::<[u8; 16]>(), any::<u64>(), any::<u64>()).prop_map(
            |(kind, hash, client, number, other)| {
                let client = ClientId::from_bytes(client);
                let session = SessionId { client, number };
                match kind {
                    0 => ObjectName::Config(u32::try_from(number >> 32).unwrap()),
                    1 => ObjectName::Key(ObjectHash::from_bytes(hash)),
                    2 => ObjectName::Pack(PackId::from_bytes(hash)),
                    3 => ObjectName::Segment(SegmentId::from_bytes(hash)),
                    4 => ObjectName::Session(session),
                    5 => ObjectName::Heartbeat(session, other),
                    6 => ObjectName::Outcome(session),
                    7 => ObjectName::Record(client, number),
                    8 => ObjectName::Condemned { generation: number },
                    9 => ObjectName::Deleted { generation: number },
                    10 => ObjectName::Verified(client, number),
                    _ => ObjectName::Parity(PackId::from_bytes(hash)),
                }
            },
        )
    }

    proptest! {
        #[test]
        fn store_1_a_name_reads_back_from_its_only_text(name in any_name()) {
            let text = name.to_string();
            prop_assert_eq!(text.parse(), Ok(name));
            let directory = name.directory();
            prop_assert_eq!(text.strip_prefix(&directory).and_then(|rest| rest.get(..1)), Some("/"));
            prop_assert!(name.directory().starts_with(name.folder().as_str()));
        }

        #[test]
        fn a_changed_text_is_another_name_or_none(name in any_name(), at: prop::sample::Index, byte in 0x20u8..0x7f) {
            let mut text = name.to_string().into_bytes();
            let at = at.index(text.len());
            if text[at] != byte {
                text[at] = byte;
                prop_assert_ne!(String::from_utf8(text).unwrap().parse(), Ok(name));
            }
        }

        #[test]
        fn any_text_is_parsed_without_a_panic(text: String) {
            let _ = text.parse::<ObjectName>();
        }
    }

    #[test]
    fn store_1_the_vectors_are_names_or_none() {
        let lines = include_str!("../../format-spec/vectors/store/names.txt").lines();
        let mut kinds = std::collections::HashSet::new();
        for line in lines.filter(|line| !line.starts_with('#')) {
            let fields: Vec<&str> = line.split(" | ").collect();
            let [verdict, text, _] = fields[..] else { panic!("{line}") };
            let parsed = text.parse::<ObjectName>();
            match verdict {
                "valid" => assert!(
                    kinds.insert(std::mem::discriminant(&parsed.clone().unwrap())) || text == "config/4294967295"
                ),
                _ => assert_eq!(parsed, Err(NameError { path: text.to_owned() }), "{line}"),
            }
        }
        assert_eq!(kinds.len(), 12, "every kind has a valid text");
    }
}

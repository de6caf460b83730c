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
    /// Second copies of small objects.
    Mirror,
}

impl Folder {
    /// Every folder.
    pub const ALL: [Self; 12] = [
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
        Self::Mirror,
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
            Self::Mirror => "mirror",
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
            | Self::Parity
            | Self::Mirror => None,
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
    /// `mirror/<folder>-<rest of the first copy's name>`
    Mirror(Mirrored),
}

/// A small object of which a second copy is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mirrored {
    /// A configuration.
    Config(u32),
    /// A key slot.
    Key(ObjectHash),
    /// A segment of the index.
    Segment(SegmentId),
    /// The end of a session.
    Outcome(SessionId),
    /// A statement.
    Record(ClientId, u64),
    /// What was read and hashed when.
    Verified(ClientId, u64),
    /// What a prune condemned.
    Condemned(u64),
    /// What a prune deleted.
    Deleted(u64),
}

impl Mirrored {
    /// The object that this is a copy of.
    pub const fn first(&self) -> ObjectName {
        match *self {
            Self::Config(number) => ObjectName::Config(number),
            Self::Key(hash) => ObjectName::Key(hash),
            Self::Segment(id) => ObjectName::Segment(id),
            Self::Outcome(id) => ObjectName::Outcome(id),
            Self::Record(client, number) => ObjectName::Record(client, number),
            Self::Verified(client, number) => ObjectName::Verified(client, number),
            Self::Condemned(generation) => ObjectName::Condemned { generation },
            Self::Deleted(generation) => ObjectName::Deleted { generation },
        }
    }
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
            Self::Mirror(_) => Folder::Mirror,
        }
    }

    /// The second copy of this object, where one may be kept: packs have parity instead, and what only an open session
    /// needs is soon gone.
    pub const fn mirror(&self) -> Option<Self> {
        Some(Self::Mirror(match *self {
            Self::Config(number) => Mirrored::Config(number),
            Self::Key(hash) => Mirrored::Key(hash),
            Self::Segment(id) => Mirrored::Segment(id),
            Self::Outcome(id) => Mirrored::Outcome(id),
            Self::Record(client, number) => Mirrored::Record(client, number),
            Self::Verified(client, number) => Mirrored::Verified(client, number),
            Self::Condemned { generation } => Mirrored::Condemned(generation),
            Self::Deleted { generation } => Mirrored::Deleted(generation),
            Self::Pack(_) | Self::Session(_) | Self::Heartbeat(..) | Self::Parity(_) | Self::Mirror(_) => return None,
        }))
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
            | Self::Parity(_)
            | Self::Mirror(_) => None,
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
            Self::Mirror(copy) => write!(f, "{folder}/{}", copy.first().to_string().replace('/', "-")),
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
        Folder::Mirror => {
            let (folder, rest) = rest.split_once('-')?;
            // A copy of a copy is none, and is not looked into.
            if folder == Folder::Mirror.as_str() {
                return None;
            }
            // Only sets of a prune have a name that goes on below their folder.
            let rest = if folder == Folder::Gc.as_str() { rest.replacen('-', "/", 1) } else { rest.to_owned() };
            parse(&format!("{folder}/{rest}"))?.mirror()?
        }
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
        (0u8..13, any::<[u8; 32]>(), any::<[u8; 16]>(), any::<u64>(), any::<u64>()).prop_map(
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
                    11 => ObjectName::Parity(PackId::from_bytes(hash)),
                    _ => ObjectName::Mirror(match other % 8 {
                        0 => Mirrored::Config(u32::try_from(number >> 32).unwrap()),
                        1 => Mirrored::Key(ObjectHash::from_bytes(hash)),
                        2 => Mirrored::Segment(SegmentId::from_bytes(hash)),
                        3 => Mirrored::Outcome(session),
                        4 => Mirrored::Record(client, number),
                        5 => Mirrored::Verified(client, number),
                        6 => Mirrored::Condemned(number),
                        _ => Mirrored::Deleted(number),
                    }),
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
    fn a_second_copy_knows_its_first() {
        for name in
            ["config/3", "gc/00000000000000ff/deleted", "outcomes/01010101010101010101010101010101-0000000000000102"]
        {
            let first: ObjectName = name.parse().unwrap();
            let ObjectName::Mirror(copy) = first.mirror().unwrap() else { panic!("{name}") };
            assert_eq!(copy.first(), first);
            assert_eq!(first.mirror().unwrap().to_string(), format!("mirror/{}", name.replace('/', "-")));
            assert_eq!(first.mirror().unwrap().mirror(), None);
        }
        let parity: ObjectName = format!("parity/{}", "a5".repeat(32)).parse().unwrap();
        assert_eq!(parity.mirror(), None);
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
        assert_eq!(kinds.len(), 13, "every kind has a valid text");
    }
}

//! What the outcome of a snapshot says in attributes: those of its body and those of its description are numbered apart.

use crate::id::{RepositoryId, SnapshotId};
use crate::manifest::Key;
use crate::outcome::Attribute;
use crate::restic;
use crate::wire::{Blob, List};
use std::fmt;

const WALK_STARTS: u32 = 1;
const REPAIRS: u32 = 2;
const COPY_OF: u32 = 3;
const WRITTEN: u32 = 4;

/// What a body says in them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BodyAttributes {
    /// When the walk of each component began, in nanoseconds since the epoch. The next run believes only times that lay
    /// well before.
    pub walk_starts_ns: Vec<i64>,
    /// The damaged snapshot beside which a repair made this one.
    pub repairs: Option<SnapshotId>,
    /// Of what it is a copy.
    pub copy_of: Option<CopyOf>,
    /// What the run stored.
    pub written: Option<Written>,
}

/// The snapshot that was made by a backup, of which others are copies, be it by way of other copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CopyOf {
    /// The repository in which it was made.
    pub repository: RepositoryId,
    /// Its id there.
    pub snapshot: SnapshotId,
}

/// What a run stored because the repository did not have it: chunks of content, and nodes of trees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// Their bytes before compression.
    pub raw_bytes: u64,
    /// Bytes of the frames that hold them.
    pub stored_bytes: u64,
}

impl BodyAttributes {
    /// As they stand in a body.
    pub fn encode(&self) -> List<Attribute> {
        let starts: Vec<u8> = self.walk_starts_ns.iter().flat_map(|ns| ns.to_le_bytes()).collect();
        let copy_of = |first: CopyOf| [first.repository.as_bytes().as_slice(), first.snapshot.as_bytes()].concat();
        let written = |written: Written| [written.raw_bytes, written.stored_bytes].map(u64::to_le_bytes).concat();
        said([
            (WALK_STARTS, Some(starts).filter(|starts| !starts.is_empty())),
            (REPAIRS, self.repairs.map(|damaged| damaged.as_bytes().to_vec())),
            (COPY_OF, self.copy_of.map(copy_of)),
            (WRITTEN, self.written.map(written)),
        ])
    }

    /// What a body says. A value of another shape says nothing.
    pub fn decode(attributes: &List<Attribute>) -> Self {
        let starts = find(attributes, WALK_STARTS).unwrap_or_default().as_chunks::<8>().0;
        let copy_of = |bytes: &[u8]| {
            let (repository, snapshot) = bytes.split_first_chunk()?;
            let snapshot = SnapshotId::from_bytes(snapshot.try_into().ok()?);
            Some(CopyOf { repository: RepositoryId::from_bytes(*repository), snapshot })
        };
        let written = |bytes: &[u8]| {
            let (raw, stored) = bytes.split_first_chunk()?;
            let stored_bytes = u64::from_le_bytes(stored.try_into().ok()?);
            Some(Written { raw_bytes: u64::from_le_bytes(*raw), stored_bytes })
        };
        Self {
            walk_starts_ns: starts.iter().map(|ns| i64::from_le_bytes(*ns)).collect(),
            repairs: find(attributes, REPAIRS).and_then(|id| id.try_into().ok()).map(SnapshotId::from_bytes),
            copy_of: find(attributes, COPY_OF).and_then(copy_of),
            written: find(attributes, WRITTEN).and_then(written),
        }
    }
}

const IMPORTED: u32 = 1;
const REHASHED_TO: u32 = 2;

/// The tools that snapshots are imported from.
const RESTIC: u32 = 1;

/// What a description says in them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DescriptionAttributes {
    /// The snapshot of another tool that this one was made of.
    pub imported: Option<Imported>,
    /// Up to where the last run of the snapshot's chain that read unchanged files again came: a path of the source, which
    /// is nobody's business but the readers'.
    pub rehashed_to: Option<Key>,
}

/// A snapshot of another tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Imported {
    /// One of restic, by its whole id.
    Restic(restic::FileId),
}

impl fmt::Display for Imported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Restic(id) => write!(f, "restic:{id}"),
        }
    }
}

impl DescriptionAttributes {
    /// As they stand in a description.
    pub fn encode(&self) -> List<Attribute> {
        let imported = |Imported::Restic(id)| [&RESTIC.to_le_bytes()[..], id.as_bytes()].concat();
        let rehashed_to = self.rehashed_to.as_ref().map(|key| key.as_bytes().to_vec());
        said([(IMPORTED, self.imported.map(imported)), (REHASHED_TO, rehashed_to)])
    }

    /// What a description says. A value of another shape, and a tool that is not known, say nothing.
    pub fn decode(attributes: &List<Attribute>) -> Self {
        let imported = |bytes: &[u8]| {
            let (tool, id) = bytes.split_first_chunk()?;
            let id = restic::FileId::from_bytes(id.try_into().ok()?);
            (u32::from_le_bytes(*tool) == RESTIC).then_some(Imported::Restic(id))
        };
        Self {
            imported: find(attributes, IMPORTED).and_then(imported),
            rehashed_to: find(attributes, REHASHED_TO).and_then(|bytes| Key::parse(bytes.to_vec()).ok()),
        }
    }
}

/// Those that say something, which must be given sorted by id.
fn said<const COUNT: usize>(all: [(u32, Option<Vec<u8>>); COUNT]) -> List<Attribute> {
    List(all.into_iter().filter_map(|(id, bytes)| bytes.map(|bytes| Attribute { id, bytes: Blob(bytes) })).collect())
}

fn find(attributes: &List<Attribute>, id: u32) -> Option<&[u8]> {
    attributes.0.iter().find(|attribute| attribute.id == id).map(|attribute| attribute.bytes.0.as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(id: u32, bytes: &[u8]) -> List<Attribute> {
        List(vec![Attribute { id, bytes: Blob(bytes.to_vec()) }])
    }

    #[test]
    fn what_a_body_says_is_sorted_and_read_back() {
        let all = BodyAttributes {
            walk_starts_ns: vec![i64::MIN, 7],
            repairs: Some(SnapshotId::from_bytes([1; 32])),
            copy_of: Some(CopyOf {
                repository: RepositoryId::from_bytes([2; 16]),
                snapshot: SnapshotId::from_bytes([3; 32]),
            }),
            written: Some(Written { raw_bytes: 4, stored_bytes: 5 }),
        };
        let lengths: Vec<_> = all.encode().0.iter().map(|attribute| (attribute.id, attribute.bytes.0.len())).collect();
        assert_eq!(lengths, [(1, 16), (2, 32), (3, 48), (4, 16)]);
        assert_eq!(BodyAttributes::decode(&all.encode()), all);
        assert_eq!(BodyAttributes::default().encode(), List::default());
        assert_eq!(BodyAttributes::decode(&List::default()), BodyAttributes::default());
    }

    #[test]
    fn outcome_21_what_was_written_is_said_in_16_bytes_and_nothing_else_is_believed() {
        let written = Some(Written { raw_bytes: 0x0102, stored_bytes: 3 });
        let bytes = [2, 1, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(BodyAttributes { written, ..BodyAttributes::default() }.encode(), one(4, &bytes));
        assert_eq!(BodyAttributes::decode(&one(4, &bytes)).written, written);
        for other in [one(5, &bytes), one(4, &bytes[..15]), one(4, &[&bytes[..], &[0]].concat())] {
            assert_eq!(BodyAttributes::decode(&other).written, None);
        }
    }

    #[test]
    fn outcome_20_a_snapshot_of_restic_is_named_in_36_bytes_and_other_tools_are_not_guessed() {
        let imported = Some(Imported::Restic(restic::FileId::from_bytes([7; 32])));
        let bytes = [&[1, 0, 0, 0][..], &[7; 32]].concat();
        assert_eq!(DescriptionAttributes { imported, rehashed_to: None }.encode(), one(1, &bytes));
        assert_eq!(DescriptionAttributes::decode(&one(1, &bytes)).imported, imported);
        for other in [one(1, &[&[2], &bytes[1..]].concat()), one(1, &bytes[..35]), List::default()] {
            assert_eq!(DescriptionAttributes::decode(&other).imported, None);
        }
    }

    #[test]
    fn outcome_23_a_position_is_a_key_and_anything_else_is_none() {
        let rehashed_to = Some(Key::from_path("/srv/a file".as_ref()).unwrap());
        let said = DescriptionAttributes { imported: None, rehashed_to: rehashed_to.clone() }.encode();
        assert_eq!(said, one(2, b"srv\0a file"));
        assert_eq!(DescriptionAttributes::decode(&List([one(1, b"x").0, said.0].concat())).rehashed_to, rehashed_to);
        for bytes in ["/srv", "a\0\0b", "a\0..", "\0"] {
            assert_eq!(DescriptionAttributes::decode(&one(2, bytes.as_bytes())).rehashed_to, None, "{bytes:?}");
        }
    }
}

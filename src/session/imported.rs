//! From which snapshot of another tool a snapshot was made.

use crate::outcome::Attribute;
use crate::restic;
use crate::wire::Blob;
use std::fmt;

/// The attribute of a description that names the snapshot of another tool.
const IMPORTED: u32 = 1;
/// The tools.
const RESTIC: u32 = 1;

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

impl Imported {
    /// Says it in the description of an outcome.
    pub fn attribute(self) -> Attribute {
        let Self::Restic(id) = self;
        let bytes = [&RESTIC.to_le_bytes()[..], id.as_bytes()].concat();
        Attribute { id: IMPORTED, bytes: Blob(bytes) }
    }

    /// What a description says; none also for a tool that is not known.
    pub fn find(attributes: &[Attribute]) -> Option<Self> {
        let found = attributes.iter().find(|attribute| attribute.id == IMPORTED)?;
        let (tool, id) = found.bytes.0.split_first_chunk::<4>()?;
        let id = restic::FileId::from_bytes(id.try_into().ok()?);
        (u32::from_le_bytes(*tool) == RESTIC).then_some(Self::Restic(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcome_20_a_snapshot_of_restic_is_named_in_36_bytes_and_other_tools_are_not_guessed() {
        let imported = Imported::Restic(restic::FileId::from_bytes([7; 32]));
        let found = |attribute: &Attribute| Imported::find(std::slice::from_ref(attribute));
        let attribute = imported.attribute();
        assert_eq!((attribute.id, attribute.bytes.0.len()), (1, 36));
        assert_eq!(attribute.bytes.0[..4], [1, 0, 0, 0]);
        assert_eq!(found(&attribute), Some(imported));
        let mut other = attribute.clone();
        other.bytes.0[0] = 2;
        let mut short = attribute;
        short.bytes.0.pop();
        assert_eq!(found(&other), None);
        assert_eq!(found(&short), None);
        assert_eq!(Imported::find(&[]), None);
    }
}

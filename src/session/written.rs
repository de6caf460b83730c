//! How much a run stored for its snapshot.

use crate::outcome::Attribute;
use crate::wire::Blob;

/// The attribute of a snapshot's outcome that says it.
const WRITTEN: u32 = 4;

/// What a run stored because the repository did not have it: chunks of content, and nodes of trees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// Their bytes before compression.
    pub raw_bytes: u64,
    /// Bytes of the frames that hold them.
    pub stored_bytes: u64,
}

impl Written {
    /// Says it in the body of an outcome.
    pub fn attribute(self) -> Attribute {
        let bytes = [self.raw_bytes.to_le_bytes(), self.stored_bytes.to_le_bytes()].concat();
        Attribute { id: WRITTEN, bytes: Blob(bytes) }
    }

    /// What a body says; none where it does not, or not so that it can be understood (OUTCOME-21).
    pub fn find(attributes: &[Attribute]) -> Option<Self> {
        let found = attributes.iter().find(|attribute| attribute.id == WRITTEN)?;
        let (raw, stored) = found.bytes.0.split_first_chunk::<8>()?;
        let stored = <[u8; 8]>::try_from(stored).ok()?;
        Some(Self { raw_bytes: u64::from_le_bytes(*raw), stored_bytes: u64::from_le_bytes(stored) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcome_21_what_was_written_is_said_in_16_bytes_and_nothing_else_is_believed() {
        let written = Written { raw_bytes: 0x0102, stored_bytes: 3 };
        let found = |attribute: &Attribute| Written::find(std::slice::from_ref(attribute));
        let attribute = written.attribute();
        assert_eq!(attribute.id, 4);
        assert_eq!(attribute.bytes.0, [2, 1, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(found(&attribute), Some(written));
        assert_eq!(Written::find(&[]), None);
        assert_eq!(found(&Attribute { id: 5, ..attribute.clone() }), None);
        for other in [&attribute.bytes.0[..15], &[attribute.bytes.0.as_slice(), &[0]].concat()] {
            assert_eq!(found(&Attribute { id: 4, bytes: Blob(other.to_vec()) }), None);
        }
    }
}

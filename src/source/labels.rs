//! The extended attributes of one entry.

use super::{Operation, SourceError};
use crate::fs::Labelled;
use crate::manifest::{Key, Xattr};

/// What could be read of the extended attributes of an entry, and what could not.
#[derive(Debug, Default)]
pub struct Labels {
    /// Sorted by name.
    pub xattrs: Vec<Xattr>,
    /// For each attribute that has a name and could not be read.
    pub unread: Vec<SourceError>,
}

impl From<Vec<Xattr>> for Labels {
    fn from(xattrs: Vec<Xattr>) -> Self {
        Self { xattrs, unread: Vec::new() }
    }
}

/// One attribute that can't be read takes none of the others with it.
pub(super) fn labels(labelled: &Labelled<'_>, key: &Key) -> Result<Labels, SourceError> {
    let found = labelled.read_all().map_err(|errno| SourceError::refused(key, Operation::Attributes, errno))?;
    let unread = found.refused.into_iter();
    Ok(Labels {
        xattrs: found.read.into_iter().map(|(name, value)| Xattr { name, value }).collect(),
        unread: unread
            .map(|(name, errno)| SourceError::Attribute { key: key.clone(), name, source: errno.into() })
            .collect(),
    })
}

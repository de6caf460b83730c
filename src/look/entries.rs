//! Single entries of a snapshot, by their keys.

use super::dump::ContentStream;
use crate::access::Access;
use crate::content::ContentReader;
use crate::error::Result;
use crate::id::NodeId;
use crate::manifest::{Content, Cursor, Entry, Key};
use crate::progress::Silent;
use crate::session::Snapshot;
use std::io::{self, Read};

/// How much of a file is compared at once.
const PART_BYTES: usize = 64 << 10;

/// Finds entries of one snapshot.
pub struct Entries {
    reader: ContentReader,
    roots: Vec<NodeId>,
}

impl Entries {
    /// Those of a snapshot; nothing is read yet.
    pub(crate) fn new(access: &Access, snapshot: &Snapshot) -> Self {
        let roots = snapshot.components.iter().filter_map(|component| component.manifest).collect();
        Self { reader: ContentReader::new(access.clone()), roots }
    }

    /// The entry of this key, if there is one.
    ///
    /// # Errors
    /// [`crate::error::ErrorKind::Damaged`] when a part of the tree on the way to it can't be read.
    pub fn at(&self, key: &Key) -> Result<Option<Entry>> {
        for root in &self.roots {
            if let Some(entry) = Cursor::<Entry, _>::new(&self.reader, *root).find(key)? {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    /// Whether a file begins with this content. Both are read up to the first difference; what of the content is damaged
    /// is one.
    ///
    /// # Errors
    /// When either can't be read.
    pub fn begins_with(&self, file: &mut dyn Read, content: &Content) -> io::Result<bool> {
        let mut stream = ContentStream::new(&self.reader, content, &[], &Silent);
        let mut stored = vec![0; PART_BYTES];
        let mut found = Vec::with_capacity(PART_BYTES);
        loop {
            let count = stream.read(&mut stored)?;
            if count == 0 {
                return Ok(stream.damage().is_none());
            }
            found.clear();
            file.take(u64::try_from(count).unwrap_or(u64::MAX)).read_to_end(&mut found)?;
            if stored.get(..count) != Some(found.as_slice()) {
                return Ok(false);
            }
        }
    }
}

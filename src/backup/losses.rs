//! What of the parent can't be read. The backup goes on without that part: what it told of is read again.

use crate::access::Access;
use crate::error::{Error, Result};
use crate::id::NodeId;
use crate::index::Excluded;
use crate::manifest::{Key, ReadError, Span};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// What was lost of the parent in one run.
pub(super) struct Losses<'a> {
    access: &'a Access,
    /// What was said of the first part that can't be read.
    first: Mutex<Option<String>>,
    /// How many unchanged items were read again.
    again_count: AtomicU64,
}

impl<'a> Losses<'a> {
    /// Starts with none.
    pub(super) fn new(access: &'a Access) -> Self {
        Self { access, first: Mutex::default(), again_count: AtomicU64::new(0) }
    }

    /// Takes note of a part of the parent that can't be read. The packs that hold it are no hits from here on: the new trees
    /// may hold the same nodes, and would be born damaged.
    ///
    /// # Errors
    /// The error, where it is about no stored bytes; and when the index can't be read.
    pub(super) fn pass(&self, error: ReadError<Error>) -> Result<()> {
        let node = error.node();
        self.pass_node(node, Error::from(error))
    }

    /// The same of a single node.
    ///
    /// # Errors
    /// As [`Self::pass`].
    pub(super) fn pass_node(&self, node: NodeId, error: Error) -> Result<()> {
        if !error.is_loss() {
            return Err(error);
        }
        self.note(&error);
        let index = &self.access.index;
        let mut packs = Vec::new();
        for extent in index.copies(node.as_chunk())? {
            packs.push(index.pack(extent.pack)?.id);
        }
        Ok(index.exclude(&Excluded::packs(packs))?)
    }

    /// Whether nothing speaks against a node of the parent that was not read: once something was lost, what lies in the same
    /// packs has to be read before it is taken over.
    ///
    /// # Errors
    /// When the index can't be read.
    pub(super) fn may_carry(&self, node: NodeId) -> Result<bool> {
        if self.first.lock().unwrap_or_else(PoisonError::into_inner).is_none() {
            return Ok(true);
        }
        let mut found = Vec::with_capacity(1);
        self.access.index.lookup(&[node.as_chunk()], &mut found)?;
        Ok(found.iter().any(Option::is_some))
    }

    /// Takes note of what is wrong with a part of the parent.
    pub(super) fn note(&self, wrong: &Error) {
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(|| wrong.to_string());
    }

    /// Counts an unchanged item that is read again.
    pub(super) fn count(&self) {
        self.again_count.fetch_add(1, Ordering::Relaxed);
    }

    /// Tells of what there was. The snapshot lacks nothing for it.
    pub(super) fn tell(self) {
        let again_count = self.again_count.into_inner();
        let again = match again_count {
            0 => "what it told of was read again".to_owned(),
            1 => "1 unchanged item was read again".to_owned(),
            count => format!("{count} unchanged items were read again"),
        };
        let first = self.first.into_inner().unwrap_or_else(PoisonError::into_inner);
        let behind = &self.access.behind;
        match first {
            Some(first) => behind.note(format!(
                "a part of the snapshot that this one was compared with can't be read, so {again}: {first}; `holdall check` \
                 says what is damaged"
            )),
            None if again_count > 0 => {
                behind.note(format!("{again}, for what was stored of them before is lost"));
            }
            None => {}
        }
    }
}

/// The last key of the part that can't be read; none where it is not known.
pub(super) fn last_of(error: &ReadError<Error>) -> Option<Key> {
    match error.span() {
        Span::Keys { last, .. } => last.clone(),
        Span::Bytes { .. } => None,
    }
}

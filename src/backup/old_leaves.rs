//! The leaves of the parent's manifest, read only when they must be.

use crate::content::ContentReader;
use crate::error::{Error, Result};
use crate::manifest::{Entry, Key, LeafCursor, LeafRef, LeafRows};

/// Follows the new walk through the parent's manifest.
pub(super) struct OldLeaves<'a> {
    leaves: LeafCursor<Entry, &'a ContentReader>,
    leaf: Option<LeafRef<Entry>>,
    /// The entries of `leaf` that were not asked for yet, once it was read.
    entries: Option<LeafRows<Entry, Error>>,
}

impl<'a> OldLeaves<'a> {
    /// Stands at the first leaf.
    ///
    /// # Errors
    /// When an inner node can't be read.
    pub(super) fn new(mut leaves: LeafCursor<Entry, &'a ContentReader>) -> Result<Self> {
        let leaf = leaves.next_leaf()?;
        Ok(Self { leaves, leaf, entries: None })
    }

    /// The leaf at hand.
    pub(super) const fn leaf(&self) -> Option<&LeafRef<Entry>> {
        self.leaf.as_ref()
    }

    /// Whether `key` lies behind the leaf at hand.
    pub(super) fn is_past(&self, key: &Key) -> bool {
        self.leaf.as_ref().is_some_and(|leaf| leaf.last() < key)
    }

    /// Moves to the leaf in whose range `key` lies.
    ///
    /// # Errors
    /// When an inner node can't be read.
    pub(super) fn advance(&mut self, key: &Key) -> Result<()> {
        while self.is_past(key) {
            self.leaf = self.leaves.next_leaf()?;
            self.entries = None;
        }
        Ok(())
    }

    /// The entry of `key` in the leaf at hand, which is read when it was not yet. Keys must be asked for in order.
    ///
    /// # Errors
    /// When the leaf can't be read.
    pub(super) fn entry(&mut self, key: &Key) -> Result<Option<Entry>> {
        let Some(leaf) = &self.leaf else { return Ok(None) };
        if self.entries.is_none() {
            self.entries = Some(self.leaves.read(leaf)?);
        }
        let Some(entries) = &mut self.entries else { return Ok(None) };
        while let Some(entry) = entries.next_row()? {
            if entry.key >= *key {
                return Ok(Some(entry).filter(|entry| entry.key == *key));
            }
        }
        Ok(None)
    }
}
